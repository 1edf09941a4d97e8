//! The supply that all flash devices of a board share: it counts operations and fails
//! at one of them.
//!
//! Invariant: after the cut every operation fails, reads included, until
//! [`Power::reboot`]; what the cut operation left behind is drawn from the seed, so a
//! run can be repeated.

use deltamote_patcher::Block;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a cut operation leaves in the unit (program) or block (erase) it was at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tear {
    /// Nothing happened.
    None,
    /// All of it happened; the device just did not learn of it.
    All,
    /// Some bits are done, some are not.
    RandomBits,
    /// Reads as done at one time and as something else at another.
    Weak,
    /// Cannot be read (ECC); where there is no ECC, every read differs.
    Poisoned,
}

impl Tear {
    /// All of them.
    pub const ALL: [Tear; 5] = [
        Tear::None,
        Tear::All,
        Tear::RandomBits,
        Tear::Weak,
        Tear::Poisoned,
    ];
}

/// Something that a power cut can interrupt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// A block of device `device`.
    Erase { device: u8, block: Block },
    /// Whole program units of device `device`.
    Program { device: u8, at: u32, bytes: Vec<u8> },
    /// The flag of [`crate::Flag`] changes: a single bit in a register.
    Flag(Option<Vec<u8>>),
}

/// An [`Action`] that took place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Logged {
    pub(crate) action: Action,
    /// Patch bytes that had been pushed by then, in this session.
    pub(crate) pushed: u64,
}

#[derive(Clone, Debug, Default)]
struct Supply {
    ops: u64,
    cut_at: Option<u64>,
    tear: Option<Tear>,
    lost: bool,
    boots: u64,
    random: u64,
    pushed: u64,
    log: Option<Vec<Logged>>,
    /// Accesses so far.
    accesses: u64,
    /// Accesses after which the watchdog bites.
    watchdog: Option<u64>,
    bitten: bool,
}

/// A shared supply.
#[derive(Clone, Debug)]
pub struct Power(Arc<Mutex<Supply>>);

impl Power {
    /// A supply that does not fail. `seed` decides what torn operations leave behind.
    pub fn new(seed: u64) -> Power {
        Power(Arc::new(Mutex::new(Supply {
            random: seed,
            ..Supply::default()
        })))
    }

    fn supply(&self) -> MutexGuard<'_, Supply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a log of all operations from here on.
    pub(crate) fn record(&self) {
        self.supply().log = Some(Vec::new());
    }

    /// The operations since [`Power::record`].
    pub(crate) fn take_log(&self) -> Vec<Logged> {
        self.supply().log.take().unwrap_or_default()
    }

    /// Notes that so many patch bytes have been pushed in this session.
    pub(crate) fn note_pushed(&self, bytes: u64) {
        self.supply().pushed = bytes;
    }

    /// Fails at the `n`th operation (erase or program) from now, counted from 0.
    pub fn cut_after(&self, n: u64, tear: Tear) {
        let mut s = self.supply();
        s.cut_at = Some(s.ops + n);
        s.tear = Some(tear);
    }

    /// Does not fail any more.
    pub fn no_cut(&self) {
        self.supply().cut_at = None;
    }

    /// Power is back.
    pub fn reboot(&self) {
        let mut s = self.supply();
        s.lost = false;
        s.boots += 1;
    }

    /// Whether power is gone.
    pub fn is_lost(&self) -> bool {
        self.supply().lost
    }

    /// Power goes for good after `accesses` more: a session that does not end.
    pub(crate) fn set_watchdog(&self, accesses: u64) {
        let mut s = self.supply();
        s.watchdog = Some(s.accesses + accesses);
    }

    /// Whether the watchdog had to end a session.
    pub(crate) fn watchdog_bit(&self) -> bool {
        self.supply().bitten
    }

    /// Reads, erases, programs and pushes so far.
    pub(crate) fn accesses(&self) -> u64 {
        self.supply().accesses
    }

    /// Counts an access of any kind; false if there is no power for it.
    pub(crate) fn access(&self) -> bool {
        let mut s = self.supply();
        s.accesses += 1;
        if s.watchdog.is_some_and(|most| s.accesses > most) {
            s.bitten = true;
            s.lost = true;
        }
        !s.lost
    }

    /// Erase and program operations so far.
    pub fn ops(&self) -> u64 {
        self.supply().ops
    }

    /// Reboots so far.
    pub fn boots(&self) -> u64 {
        self.supply().boots
    }

    /// Counts an operation. `Err(None)`: power was gone before; `Err(Some)`: it goes now.
    pub(crate) fn operation(&self, action: impl FnOnce() -> Action) -> Result<(), Option<Tear>> {
        let mut s = self.supply();
        if s.lost {
            return Err(None);
        }
        let cut = s.cut_at == Some(s.ops);
        s.ops += 1;
        if cut {
            s.lost = true;
            s.cut_at = None;
            return Err(Some(s.tear.unwrap_or(Tear::None)));
        }
        let pushed = s.pushed;
        if let Some(log) = &mut s.log {
            let action = action();
            log.push(Logged { action, pushed });
        }
        Ok(())
    }

    /// A random number (splitmix64).
    pub(crate) fn random(&self) -> u64 {
        let mut s = self.supply();
        s.random = s.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (s.random ^ s.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A random number below `n` (0 for 0).
    pub(crate) fn below(&self, n: usize) -> usize {
        (self.random() % (n.max(1) as u64)) as usize
    }
}

//! The supply that all flash devices of a board share: it counts operations and fails
//! at one of them.
//!
//! Invariant: after the cut every operation fails, reads included, until
//! [`Power::reboot`]; what the cut operation left behind is drawn from the seed, so a
//! run can be repeated.

use std::cell::RefCell;
use std::rc::Rc;

/// What a cut operation leaves in the unit (program) or block (erase) it was at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tear {
    /// Nothing happened.
    None,
    /// All of it happened; the device just did not learn of it.
    All,
    /// Some bits are done, some are not.
    RandomBits,
    /// Reads as done, and may read differently after any reboot.
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

#[derive(Debug)]
struct Supply {
    ops: u64,
    cut_at: Option<u64>,
    tear: Tear,
    lost: bool,
    boots: u64,
    random: u64,
}

/// A shared supply.
#[derive(Clone, Debug)]
pub struct Power(Rc<RefCell<Supply>>);

impl Power {
    /// A supply that does not fail. `seed` decides what torn operations leave behind.
    pub fn new(seed: u64) -> Power {
        Power(Rc::new(RefCell::new(Supply {
            ops: 0,
            cut_at: None,
            tear: Tear::None,
            lost: false,
            boots: 0,
            random: seed,
        })))
    }

    /// Fails at the `n`th operation (erase or program) from now, counted from 0.
    pub fn cut_after(&self, n: u64, tear: Tear) {
        let mut s = self.0.borrow_mut();
        s.cut_at = Some(s.ops + n);
        s.tear = tear;
    }

    /// Does not fail any more.
    pub fn no_cut(&self) {
        self.0.borrow_mut().cut_at = None;
    }

    /// Power is back.
    pub fn reboot(&self) {
        let mut s = self.0.borrow_mut();
        s.lost = false;
        s.boots += 1;
    }

    /// Whether power is gone.
    pub fn is_lost(&self) -> bool {
        self.0.borrow().lost
    }

    /// Erase and program operations so far.
    pub fn ops(&self) -> u64 {
        self.0.borrow().ops
    }

    /// Reboots so far.
    pub fn boots(&self) -> u64 {
        self.0.borrow().boots
    }

    /// Counts an operation. `Err(None)`: power was gone before; `Err(Some)`: it goes now.
    pub(crate) fn operation(&self) -> Result<(), Option<Tear>> {
        let mut s = self.0.borrow_mut();
        if s.lost {
            return Err(None);
        }
        let cut = s.cut_at == Some(s.ops);
        s.ops += 1;
        if cut {
            s.lost = true;
            s.cut_at = None;
            return Err(Some(s.tear));
        }
        Ok(())
    }

    /// A random number (splitmix64).
    pub(crate) fn random(&self) -> u64 {
        let mut s = self.0.borrow_mut();
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

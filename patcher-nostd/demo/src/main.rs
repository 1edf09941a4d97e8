//! Firmware that takes one update and says what it took: the patcher on emulated boards.
//!
//! The patch arrives in pieces as a radio delivers them; old image, slot and journal
//! are flash models of the board's memory ([`flash`]). Stack, instructions and flash
//! operations are counted from outside the patcher ([`board`]), which runs as it would
//! in a product. Prints one line of JSON and leaves with status 0 if the slot holds the
//! new image.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod board;
mod flash;
mod report;

use board::{Memory, Ticks};
use core::cell::Cell;
use deltamote_patcher::format::envelope::Signer;
use deltamote_patcher::format::{Profile, prior};
use deltamote_patcher::{Device, Distrust, Error, Parts, Patcher, Verifier, WorkspaceRef};
use flash::{Ram, Rom};

/// Bytes that the radio delivers at a time.
const PIECE: usize = 64;

#[cfg(feature = "tiny")]
const PROFILE: Profile = Profile::Tiny;
#[cfg(feature = "small")]
const PROFILE: Profile = Profile::Small;

#[cfg(feature = "tiny")]
static PRIORS: &[deltamote_patcher::format::model::Prior<'static>] = &[prior::TINY];
#[cfg(feature = "small")]
static PRIORS: &[deltamote_patcher::format::model::Prior<'static>] = &[prior::SMALL];

#[cfg(feature = "ed25519")]
static KEYS: [[u8; 32]; 1] = [*include_bytes!(concat!(env!("DELTAMOTE_DEMO"), "/key.bin"))];

/// The verifier of the product, and what it takes.
struct Timed<'c> {
    ticks: &'c Cell<Ticks>,
}

impl Verifier for Timed<'_> {
    #[inline]
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        let began = board::ticks();
        #[cfg(feature = "ed25519")]
        let result = deltamote_patcher::Ed25519Keys(&KEYS).verify(signer, message, signature);
        #[cfg(not(feature = "ed25519"))]
        let result = deltamote_patcher::NoKeys.verify(signer, message, signature);
        self.ticks.set(board::ticks().wrapping_sub(began));
        result
    }
}

type Demo<'w, 'f, 'c> = Patcher<'w, 'static, Rom, &'f mut Ram, &'f mut Ram, Timed<'c>, ()>;

/// Ticks of the parts of an update.
#[derive(Default)]
struct Times {
    open: Ticks,
    decode: Ticks,
    finish: Ticks,
}

/// One update, as the application of a product runs it; everything it needs but the
/// workspace is on its stack.
#[inline(never)]
fn update(
    workspace: WorkspaceRef<'_>,
    slot: &mut Ram,
    journal: &mut Ram,
    verify: &Cell<Ticks>,
    times: &mut Times,
) -> Result<(), Error> {
    let mut device = Device::new(PROFILE);
    device.allow_unsigned = !cfg!(feature = "ed25519");
    device.priors = PRIORS;
    let parts = Parts {
        old: Rom,
        slot,
        journal,
        verifier: Timed { ticks: verify },
        hand_over: (),
    };
    let mut patcher: Demo = Patcher::new(workspace, device, parts);
    let mut at = 0;
    let began = board::ticks();
    let mut opened = began;
    while let Some(piece) = flash::patch(at) {
        let progress = patcher.push_at(at, piece)?;
        at = progress.wanted;
        if opened == began && progress.new_size != 0 {
            opened = board::ticks();
        }
    }
    let decoded = board::ticks();
    patcher.finish()?;
    times.open = opened.wrapping_sub(began);
    times.decode = decoded.wrapping_sub(opened);
    times.finish = board::ticks().wrapping_sub(decoded);
    Ok(())
}

/// Called once by the board.
fn run(memory: Memory) -> bool {
    let workspace_bytes = 2 * memory.workspace.words.len() + memory.workspace.bytes.len();
    let mut slot = Ram::new(memory.slot);
    let mut journal = Ram::new(memory.journal);
    let (verify, mut times) = (Cell::new(0), Times::default());
    let (result, stack) = board::stack_of(|| {
        update(
            memory.workspace,
            &mut slot,
            &mut journal,
            &verify,
            &mut times,
        )
    });
    let patcher = size_of::<Demo>();
    let equal = slot.holds_new_image();
    if let Err(e) = result {
        report::text("error ");
        report::text(report::name(&e));
        report::text("\n");
    }
    let out = flash::new_size();
    report::line(&[
        ("workspace_bytes", workspace_bytes as u64),
        ("patcher_bytes", patcher as u64),
        ("stack_bytes", stack.saturating_sub(patcher) as u64),
        ("ram_bytes", (workspace_bytes + stack) as u64),
        ("patch_bytes", u64::from(flash::patch_size())),
        ("new_bytes", u64::from(out)),
        ("insns_signature", board::instructions(verify.get())),
        ("insns_open", board::instructions(times.open)),
        ("insns_decode", board::instructions(times.decode)),
        ("insns_finish", board::instructions(times.finish)),
        ("slot_erases", u64::from(slot.erases)),
        ("slot_programs", u64::from(slot.programs)),
        ("journal_erases", u64::from(journal.erases)),
        ("journal_programs", u64::from(journal.programs)),
        ("new_image_ok", u64::from(equal)),
    ]);
    result.is_ok() && equal
}

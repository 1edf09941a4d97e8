//! Firmware that takes one update and says what it took: the patcher on emulated boards.
//!
//! The patch arrives in pieces as a radio delivers them; old image, slot and journal
//! are flash models of the board's memory ([`flash`]). Stack, instructions and flash
//! operations are counted from outside the patcher ([`board`]), which runs as it would
//! in a product. Then the same again through power cuts and resets of the board. Prints
//! one line of JSON and leaves with status 0 if the slot held the new image both times.

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

type Demo<'w, 'f, 'p, 'c> =
    Patcher<'w, 'static, Rom, &'f mut Ram<'p>, &'f mut Ram<'p>, Timed<'c>, ()>;

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
fn update<'p>(
    workspace: WorkspaceRef<'_>,
    slot: &mut Ram<'p>,
    journal: &mut Ram<'p>,
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

/// Flash operations after which power fails, boot by boot: in the first erase, in the
/// middle of a block, often enough that both journal pages are used.
const CUTS: [u32; 5] = [2, 33, 301, 7, 402];

/// Called by the board at each reset; `boot` counts from 0. Gives whether all is well
/// and whether to reset again.
///
/// Boot 0 takes the update and is measured; then the slot is blank again, and the update
/// is taken with a power cut in each boot until the cuts run out.
fn run(boot: usize, memory: Memory) -> Result<board::Next, ()> {
    let workspace_bytes = 2 * memory.workspace.words.len() + memory.workspace.bytes.len();
    let power = Cell::new(u32::MAX);
    let mut slot = Ram::new(memory.slot, &power);
    let mut journal = Ram::new(memory.journal, &power);
    if boot == 0 {
        slot.blank();
        journal.blank();
    }
    let cut = boot.checked_sub(1).and_then(|k| CUTS.get(k));
    power.set(cut.copied().unwrap_or(u32::MAX));
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
    if cut.is_some() {
        // The reset comes while the update is under way, or the cut came too late.
        return match result {
            Err(Error::Flash(..)) => Ok(board::Next::Reset),
            _ => Err(()),
        };
    }
    if let Err(e) = result {
        report::text("error ");
        report::text(report::name(&e));
        report::text("\n");
    }
    let equal = result.is_ok() && slot.holds_new_image();
    if boot != 0 {
        report::fields(
            ", ",
            &[
                ("resets", CUTS.len() as u64),
                ("slot_erases_after_resets", u64::from(slot.erases)),
                ("new_image_ok_after_resets", u64::from(equal)),
            ],
        );
        report::text("}\n");
        return if equal {
            Ok(board::Next::Done)
        } else {
            Err(())
        };
    }
    let patcher = size_of::<Demo>();
    report::fields(
        "{",
        &[
            ("workspace_bytes", workspace_bytes as u64),
            ("patcher_bytes", patcher as u64),
            ("stack_bytes", stack.saturating_sub(patcher) as u64),
            ("ram_bytes", (workspace_bytes + stack) as u64),
            ("patch_bytes", u64::from(flash::patch_size())),
            ("new_bytes", u64::from(flash::new_size())),
            ("insns_signature", board::instructions(verify.get())),
            ("insns_open", board::instructions(times.open)),
            ("insns_decode", board::instructions(times.decode)),
            ("insns_finish", board::instructions(times.finish)),
            ("slot_erases", u64::from(slot.erases)),
            ("slot_programs", u64::from(slot.programs)),
            ("journal_erases", u64::from(journal.erases)),
            ("journal_programs", u64::from(journal.programs)),
            ("new_image_ok", u64::from(equal)),
        ],
    );
    slot.blank();
    journal.blank();
    if equal {
        Ok(board::Next::Reset)
    } else {
        Err(())
    }
}

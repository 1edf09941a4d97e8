//! An update under power cuts, on simulated flash: the product's own test, for its users.
//!
//! Fed with an old image, a patch and a device in some state; every run is the real
//! patcher's, from the first boot to the bootloader's flag. The sweeps and what must hold
//! after each boot are `deltamote-sim`'s.

use crate::keys::RecipientKey;
use crate::{Error, ErrorClass, Progress, Trust, prior, prove};
use deltamote_format::envelope::Signer;
use deltamote_format::manifest::CODEC_ZSTD;
use deltamote_patcher::codec::{Codec, Deltamote};
use deltamote_patcher::encryption::WithRecipient;
use deltamote_patcher::{Distrust, Verifier};
use deltamote_sim::{
    BlockWear, Board, Options, Preset, Report, Start, Sweep, Transport, Units, Update,
};
use deltamote_zstd::Zstd;
use serde::Serialize;

/// When power fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cuts {
    /// Never.
    None,
    /// In every operation, with everything that it may leave behind.
    Each,
    /// In so many updates, up to four times each, at random.
    Random(u64),
}

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct SimulateOptions {
    /// The flash.
    pub flash: Preset,
    /// When power fails.
    pub cuts: Cuts,
    /// What slot and journal hold at first.
    pub start: Start,
    /// The patch lies on the device, and is not downloaded again.
    pub staged: bool,
    /// The transport can seek.
    pub seek: bool,
    /// Bytes per piece that arrives.
    pub piece_bytes: usize,
    /// Decides everything random.
    pub seed: u64,
}

/// What came out. Serialises to what `simulate --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Simulation {
    /// Name of the flash.
    pub flash: &'static str,
    /// Updates that were simulated to the end.
    pub runs: u64,
    /// Boots in all of them.
    pub boots: u64,
    /// Flash operations of the update without a cut, each of which may be cut.
    pub cut_points: u64,
    /// Cuts that were simulated.
    pub cuts: u64,
    /// Where in an operation it is cut, and what that leaves: said in words, so that
    /// nobody takes a sample for all.
    pub coverage: String,
    /// Runs that did not end in the new image, or broke a rule on the way.
    pub failures: u64,
    /// The first few of them.
    pub failure_examples: Vec<String>,
    /// New-image bytes that cuts made the device decode again, at most.
    pub worst_redone_bytes: u64,
    /// Erase blocks of the slot that cuts made it erase again, at most.
    pub worst_blocks_again: u64,
    /// Bytes of the image that cuts made it program again, at most.
    pub worst_programmed_again_bytes: u64,
    /// Patch bytes that cuts made it download again, at most.
    pub worst_download_again_bytes: u64,
    /// Bytes of the image between two checkpoints, at most: what one cut may cost in flash.
    pub checkpoint_bytes: u64,
    /// Bytes of the image between a resume point and where the next is in force, at most:
    /// what one cut may cost in decoding.
    pub resume_interval_bytes: u64,
    /// Patch bytes that one cut may cost to download again, at most.
    pub download_interval_bytes: u64,
    /// Erasures of the most erased block, at most.
    pub erases_max_per_block: u64,
    /// Erasures of slot and journal, without a cut and at most.
    pub erases: [u64; 2],
    /// Bytes programmed, without a cut and at most.
    pub programmed_bytes: [u64; 2],
    /// What each erase block takes of that.
    pub wear: Vec<Wear>,
    /// Bytes of flash that the journal takes.
    pub journal_bytes: u64,
    /// Bytes programmed into it without a cut.
    pub journal_programmed_bytes: u64,
    /// Bytes of flash that a staged patch takes, in whole erase blocks; else 0.
    pub staged_bytes: u64,
    /// Bytes of working memory, the same in every boot.
    pub workspace_bytes: u64,
    /// Bytes of the patch.
    pub patch_bytes: u64,
    /// Seconds that the flash is busy in an update without a cut: typical times from the
    /// data sheet, without decoding and transfer.
    pub estimated_seconds: f64,
    /// Where the figures of the flash are from.
    pub flash_source: &'static str,
    /// What they were compared with.
    pub flash_checked: &'static str,
}

/// What one erase block takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Wear {
    /// `slot` or `journal`.
    pub flash: &'static str,
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub bytes: u32,
    /// Erasures, without a cut and at most.
    pub erases: [u64; 2],
    /// Bytes programmed, without a cut and at most.
    pub programmed_bytes: [u64; 2],
}

/// Program units times image bytes up to which each unit is cut and not one of each
/// operation: about a minute of work.
const EACH_UNIT_WORK: u64 = 60_000_000;

/// The signature was checked before; it is the same patch in every boot.
struct Checked;

impl Verifier for Checked {
    fn verify(&self, _: &Signer, _: &[u8], _: &[u8]) -> Result<(), Distrust> {
        Ok(())
    }
    fn verify_second(&self, _: &Signer, _: &[u8], _: &[u8]) -> Result<(), Distrust> {
        Ok(())
    }
}

/// Simulates the update of `old` with `patch`.
///
/// # Errors
/// As [`crate::apply_as`]; a run that fails is not an error but counted.
pub fn simulate(
    old: &[u8],
    patch: &[u8],
    trust: &Trust,
    recipient: Option<&RecipientKey>,
    options: &SimulateOptions,
    progress: &dyn Progress,
) -> Result<Simulation, Error> {
    let new = crate::apply_as(old, patch, trust, recipient, progress)?;
    let verifier = WithRecipient {
        verifier: Checked,
        recipient,
    };
    let mut device = prove::device_for(patch, prior::BUILT_IN);
    device.allow_unsigned = true;
    let sim = Options {
        preset: options.flash,
        device,
        split: options.piece_bytes,
        seek: options.seek,
        seed: options.seed,
        transport: if options.staged {
            Transport::Staged
        } else {
            Transport::Clean
        },
        ..Options::default()
    };
    let room = u32::try_from(new.len())
        .map_err(|_| Error::new(ErrorClass::Failed, "the new image is too large to simulate"))?;
    // The last unit is padded.
    let mut board = Board::new(old, room.saturating_add(256), &sim);
    board.begin(options.start);
    let updates = [Update { patch, new: &new }];
    let sweep = match prove::codec_of(patch) {
        CODEC_ZSTD => swept::<Zstd, _>,
        _ => swept::<Deltamote, _>,
    };
    let (report, coverage) = sweep((&sim, &verifier, &updates), &board, options, progress);
    let runs = match options.cuts {
        Cuts::None => 1,
        Cuts::Each => report.outcomes + 1,
        Cuts::Random(runs) => runs + 1,
    };
    Ok(summary(
        options,
        &board,
        report,
        runs,
        patch.len(),
        coverage,
    ))
}

/// The runs, on a device with codec `C`, and what they cover.
fn swept<C: Codec, V: Verifier + Sync>(
    (sim, verifier, updates): (&Options, &V, &[Update<'_>]),
    board: &Board,
    options: &SimulateOptions,
    progress: &dyn Progress,
) -> (Report, &'static str) {
    let mut sweep: Sweep<'_, C, V> = Sweep::new(sim, verifier, updates);
    let new_len = updates.first().map_or(0, |update| update.new.len() as u64);
    let units = new_len / u64::from(options.flash.write_size());
    let done = |n: u64, total: u64| match n {
        0 => progress.phase("simulate", total),
        n => progress.advance(n),
    };
    match options.cuts {
        Cuts::None => {
            sweep.depth = 0;
            (sweep.run(board, &done), "no cuts")
        }
        Cuts::Each if units * new_len <= EACH_UNIT_WORK => (
            sweep.run(board, &done),
            "every operation: at each program unit and at 4 sub-steps of an erase, with each \
             outcome (nothing, all, random bits, weak, poisoned, reset while busy)",
        ),
        Cuts::Each => {
            sweep.units = Units::One;
            (
                sweep.run(board, &done),
                "every operation: at one program unit drawn at random (each would take hours) \
                 and at 4 sub-steps of an erase, with each outcome (nothing, all, random bits, \
                 weak, poisoned, reset while busy)",
            )
        }
        Cuts::Random(runs) => (
            sweep.soak(board, runs, 4, options.seed, &done),
            "random: one to four cuts in an update, place and outcome drawn at random",
        ),
    }
}

fn summary(
    options: &SimulateOptions,
    board: &Board,
    report: Report,
    runs: u64,
    patch_len: usize,
    coverage: &str,
) -> Simulation {
    Simulation {
        flash: options.flash.name,
        runs,
        boots: report.sessions,
        cut_points: report.cut_points,
        cuts: report.outcomes,
        coverage: coverage.into(),
        failures: report.failures,
        failure_examples: report.examples,
        worst_redone_bytes: report.worst_redone_bytes,
        worst_blocks_again: report.worst_blocks_again,
        worst_programmed_again_bytes: report.worst_programmed_again_bytes,
        worst_download_again_bytes: report.worst_download_again_bytes,
        checkpoint_bytes: report.flash_interval,
        resume_interval_bytes: report.decode_interval,
        download_interval_bytes: report.download_interval,
        erases_max_per_block: report.erases_max_per_block,
        erases: [report.uncut.erases, report.erases_max],
        programmed_bytes: [report.uncut.programmed_bytes, report.programmed_bytes_max],
        wear: report.wear.iter().map(wear).collect(),
        journal_bytes: u64::from(board.journal_len()),
        journal_programmed_bytes: report.uncut.journal_bytes,
        staged_bytes: if options.staged {
            whole_blocks(options.flash, patch_len as u32)
        } else {
            0
        },
        workspace_bytes: report.workspace_bytes.unwrap_or(0) as u64,
        patch_bytes: patch_len as u64,
        estimated_seconds: report.uncut.flash_us as f64 / 1e6,
        flash_source: options.flash.source,
        flash_checked: options.flash.checked,
    }
}

/// Bytes of the erase blocks that hold `len` bytes.
fn whole_blocks(flash: Preset, len: u32) -> u64 {
    let geometry = flash.slot(len);
    let last = geometry.block(len.saturating_sub(1));
    last.map_or(0, |block| u64::from(block.end()))
}

fn wear(block: &BlockWear) -> Wear {
    Wear {
        flash: block.flash,
        start: block.block.start,
        bytes: block.block.len,
        erases: [block.uncut_erases, block.erases],
        programmed_bytes: [block.uncut_programmed_bytes, block.programmed_bytes],
    }
}

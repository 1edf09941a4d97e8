//! One update on one emulated board, and the same through power cuts.
//!
//! The board's flash devices are files in a folder of their own, so they outlive the
//! emulator: a power cut is the end of its process in the middle of a flash operation.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use super::Files;
use super::board::Board;

/// What the firmware says about an update.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Said {
    pub workspace_bytes: u64,
    pub patcher_bytes: u64,
    pub stack_bytes: u64,
    pub stack_room_bytes: u64,
    pub ram_bytes: u64,
    pub new_bytes: u64,
    pub insns_signature: u64,
    pub insns_open: u64,
    pub insns_decode: u64,
    pub insns_finish: u64,
    pub slot_erases: u64,
    pub slot_programs: u64,
    pub journal_erases: u64,
    pub journal_programs: u64,
}

/// An update, and the bytes of its patch.
#[derive(Clone, Debug)]
pub(super) struct Update {
    pub said: Said,
    pub patch_bytes: u64,
}

/// Flash operations after which power fails, boot by boot: in the first erase, in the
/// middle of a block, often enough that both journal pages are used.
const CUTS: [u32; 5] = [2, 33, 301, 7, 402];

/// Status of the firmware at a power cut.
const POWER_FAILED: i32 = 3;
/// Erase blocks of all chips are this long, or a whole part of it.
const BLOCK: usize = 4096;
/// Longest that an emulator may run.
const LIMIT: &str = "900";

/// The flash of a board, in files.
struct Flash {
    dir: TempDir,
}

impl Flash {
    fn new(files: &Files) -> Result<Flash> {
        let dir = tempfile::tempdir()?;
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes);
        write("old.bin", &files.old)?;
        write("patch.dmp", &files.patch)?;
        write("key.bin", &files.key)?;
        write("recipient.bin", &files.recipient)?;
        let slot = files.new.len().next_multiple_of(BLOCK) + BLOCK;
        write("slot.bin", &vec![0xff; slot])?;
        write("journal.bin", &vec![0xff; 2 * BLOCK])?;
        Ok(Flash { dir })
    }

    /// Starts the board with the words `arguments`.
    fn boot(&self, board: Board, firmware: &Path, arguments: &[String]) -> Result<Output> {
        boot(self.dir.path(), board, firmware, arguments)
    }

    fn check(&self, files: &Files) -> Result<()> {
        let slot = fs::read(self.dir.path().join("slot.bin"))?;
        ensure!(
            slot.starts_with(&files.new),
            "the slot does not hold the new image"
        );
        let old = fs::read(self.dir.path().join("old.bin"))?;
        ensure!(old == files.old, "the old image was written to");
        Ok(())
    }
}

/// Starts `firmware` on a board whose flash lies in `folder`, with the words `arguments`.
pub(super) fn boot(
    folder: &Path,
    board: Board,
    firmware: &Path,
    arguments: &[String],
) -> Result<Output> {
    let mut semihosting = "enable=on,target=native,arg=demo".to_owned();
    for word in arguments {
        semihosting += &format!(",arg={word}");
    }
    let emulator = board.emulator();
    let mut command = std::process::Command::new("timeout");
    command
        .args([LIMIT.as_ref(), emulator.get_program()])
        .args(emulator.get_args())
        .args(["-icount", "shift=0", "-display", "none"])
        .args(["-monitor", "none", "-serial", "none"])
        .args(["-semihosting-config", &semihosting, "-kernel"])
        .arg(firmware)
        .current_dir(folder)
        .stdin(Stdio::null());
    command.output().context("the emulator does not start")
}

fn said(output: &Output) -> Result<Said> {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}: {text}{errors}", output.status);
    }
    // Where semihosting writes depends on the emulator.
    let line = text
        .lines()
        .chain(errors.lines())
        .find(|l| l.starts_with('{'));
    let line = line.with_context(|| format!("no figures in {text:?} {errors:?}"))?;
    serde_json::from_str(line).with_context(|| line.to_owned())
}

/// The update without disturbance, measured.
pub(super) fn run(board: Board, firmware: &Path, files: &Files) -> Result<Update> {
    let flash = Flash::new(files)?;
    let said = said(&flash.boot(board, firmware, &[])?)?;
    flash.check(files)?;
    ensure!(
        said.stack_bytes < said.stack_room_bytes,
        "the stack ran into the statics"
    );
    Ok(Update {
        said,
        patch_bytes: files.patch.len() as u64,
    })
}

/// The update again, through power cuts; gives how many there were. After each the
/// emulator is started afresh on the flash that was left.
pub(super) fn through_cuts(board: Board, firmware: &Path, files: &Files) -> Result<u64> {
    let flash = Flash::new(files)?;
    for cut in CUTS {
        let arguments = ["strict".to_owned(), format!("cut={cut}")];
        let output = flash.boot(board, firmware, &arguments)?;
        ensure!(
            output.status.code() == Some(POWER_FAILED),
            "power should have failed in operation {cut}: {}{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    said(&flash.boot(board, firmware, &["strict".to_owned()])?)?;
    flash.check(files)?;
    Ok(CUTS.len() as u64)
}

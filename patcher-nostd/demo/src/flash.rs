//! Flash models: files on the host, which outlive the emulator.
//!
//! Strict where asked to be: then what is not erased is not programmed. Power can fail at
//! any operation, which is then torn and the last thing that the emulator does.

use crate::board::host::{self, File};
use core::cell::Cell;
use deltamote_patcher::{Block, Blocks, Fault, Flash, Geometry};

/// Bytes of an erase block.
const BLOCK: u32 = if cfg!(feature = "m0") { 1024 } else { 4096 };
/// Status with which a power cut ends the emulator.
const POWER_FAILED: usize = 3;

/// The supply, and how the models behave.
pub struct Supply {
    /// Operations until power fails.
    pub left: Cell<u32>,
    /// Whether to refuse programming what is not erased.
    pub strict: bool,
}

/// A flash device.
pub struct Chip<'s> {
    file: File,
    size: u32,
    supply: &'s Supply,
    pub erases: u32,
    pub programs: u32,
}

impl<'s> Chip<'s> {
    /// The device whose content is file `name`.
    pub fn open(name: &'static [u8], supply: &'s Supply) -> Option<Self> {
        let file = File::open(name)?;
        Some(Chip {
            file,
            size: file.len().next_multiple_of(BLOCK),
            supply,
            erases: 0,
            programs: 0,
        })
    }

    /// How many of `len` bytes the operation at hand still reaches, and whether power
    /// fails in it.
    fn reach(&self, len: u32) -> (u32, bool) {
        let left = self.supply.left.get();
        self.supply.left.set(left.saturating_sub(1));
        if left <= 1 {
            (len / 2, true)
        } else {
            (len, false)
        }
    }

    /// Whether all bytes from `at` are erased.
    fn is_blank(&mut self, at: u32, len: usize) -> bool {
        let mut buf = [0; 16];
        let mut done = 0;
        while done < len {
            let n = buf.len().min(len - done);
            let part = buf.get_mut(..n).unwrap_or(&mut []);
            if self.read(at + done as u32, part).is_err() || part.iter().any(|b| *b != 0xff) {
                return false;
            }
            done += n;
        }
        true
    }

    fn written(&self, done: bool, dies: bool) -> Result<(), Fault> {
        if dies {
            host::exit(POWER_FAILED);
        }
        if done { Ok(()) } else { Err(Fault::Bus) }
    }
}

impl Flash for Chip<'_> {
    fn geometry(&self) -> Geometry {
        Geometry {
            size: self.size,
            write_size: 8,
            write_once: true,
            erased: 0xff,
            blocks: Blocks::Uniform(BLOCK),
        }
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        let n = self.file.read(at, out);
        out.get_mut(n..).unwrap_or(&mut []).fill(0xff);
        Ok(())
    }

    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        static ERASED: [u8; 256] = [0xff; 256];
        self.erases += 1;
        let (reach, dies) = self.reach(block.len);
        let mut done = true;
        for at in (0..reach).step_by(ERASED.len()) {
            done &= self.file.write(block.start + at, &ERASED);
        }
        self.written(done, dies)
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.programs += 1;
        if self.supply.strict && !self.is_blank(at, bytes.len()) {
            return Err(Fault::Bus);
        }
        let (reach, dies) = self.reach(bytes.len() as u32);
        let done = self
            .file
            .write(at, bytes.get(..reach as usize).unwrap_or(&[]));
        self.written(done, dies)
    }
}

//! Flash models: the old image and the patch in code memory, slot and journal in RAM.
//!
//! [`Ram`] is strict: it refuses to program what is not erased, and counts.

use crate::PIECE;
use crate::board;
use core::cell::Cell;
use deltamote_patcher::{Block, Blocks, Fault, Flash, Geometry};

/// Bytes of an erase block.
const BLOCK: u32 = 4096;
/// Bytes of the slot.
pub const SLOT: usize = 256 * 1024;
/// Bytes of the journal.
pub const JOURNAL: usize = 2 * BLOCK as usize;

/// The next piece of the patch; `None` at its end.
pub fn patch(at: u32) -> Option<&'static [u8]> {
    let rest = board::PATCH.get(at as usize..)?;
    let piece = rest.get(..PIECE).unwrap_or(rest);
    (!piece.is_empty()).then_some(piece)
}

/// Bytes of the patch.
pub fn patch_size() -> u32 {
    board::PATCH.len() as u32
}

/// Bytes of the new image.
pub fn new_size() -> u32 {
    board::NEW.len() as u32
}

fn geometry(size: u32) -> Geometry {
    Geometry {
        size,
        write_size: 8,
        write_once: true,
        erased: 0xff,
        blocks: Blocks::Uniform(BLOCK),
    }
}

/// The old image.
pub struct Rom;

impl Flash for Rom {
    fn geometry(&self) -> Geometry {
        geometry((board::OLD.len() as u32).next_multiple_of(BLOCK))
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        let from = board::OLD.get(at as usize..).ok_or(Fault::Bus)?;
        for (k, to) in out.iter_mut().enumerate() {
            *to = from.get(k).copied().unwrap_or(0xff);
        }
        Ok(())
    }

    fn erase(&mut self, _: Block) -> Result<(), Fault> {
        Err(Fault::Bus)
    }

    fn program(&mut self, _: u32, _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Bus)
    }
}

/// Flash in RAM, on a supply that may fail.
pub struct Ram<'p> {
    bytes: &'static mut [u8],
    /// Operations until power fails: the last of them is torn, all later ones refused.
    power: &'p Cell<u32>,
    pub erases: u32,
    pub programs: u32,
}

impl<'p> Ram<'p> {
    /// Flash that holds what `bytes` hold.
    pub fn new(bytes: &'static mut [u8], power: &'p Cell<u32>) -> Self {
        Ram {
            bytes,
            power,
            erases: 0,
            programs: 0,
        }
    }

    /// Erases everything.
    pub fn blank(&mut self) {
        self.bytes.fill(0xff);
    }

    /// How many of `len` bytes the operation at hand still reaches.
    fn reach(&self, len: usize) -> (usize, Result<(), Fault>) {
        let left = self.power.get();
        self.power.set(left.saturating_sub(1));
        match left {
            0 => (0, Err(Fault::Bus)),
            1 => (len / 2, Err(Fault::Bus)),
            _ => (len, Ok(())),
        }
    }

    /// Whether it begins with the new image.
    pub fn holds_new_image(&self) -> bool {
        self.bytes.starts_with(board::NEW)
    }

    fn part(&mut self, at: u32, len: usize) -> Result<&mut [u8], Fault> {
        let rest = self.bytes.get_mut(at as usize..).ok_or(Fault::Bus)?;
        rest.get_mut(..len).ok_or(Fault::Bus)
    }
}

impl Flash for Ram<'_> {
    fn geometry(&self) -> Geometry {
        geometry(self.bytes.len() as u32)
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        let from = self.part(at, out.len())?;
        for (to, from) in out.iter_mut().zip(from) {
            *to = *from;
        }
        Ok(())
    }

    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        self.erases += 1;
        let (reach, result) = self.reach(block.len as usize);
        self.part(block.start, reach)?.fill(0xff);
        result
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.programs += 1;
        let (reach, result) = self.reach(bytes.len());
        for (to, from) in self.part(at, reach)?.iter_mut().zip(bytes) {
            if *to != 0xff {
                return Err(Fault::Bus);
            }
            *to = *from;
        }
        result
    }
}

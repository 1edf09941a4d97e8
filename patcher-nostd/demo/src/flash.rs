//! Flash models: the old image and the patch in code memory, slot and journal in RAM.
//!
//! [`Ram`] is strict: it refuses to program what is not erased, and counts.

use crate::PIECE;
use crate::board;
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

/// Flash in RAM.
pub struct Ram {
    bytes: &'static mut [u8],
    pub erases: u32,
    pub programs: u32,
}

impl Ram {
    /// Blank flash.
    pub fn new(bytes: &'static mut [u8]) -> Self {
        bytes.fill(0xff);
        Ram {
            bytes,
            erases: 0,
            programs: 0,
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

impl Flash for Ram {
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
        self.part(block.start, block.len as usize)?.fill(0xff);
        Ok(())
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.programs += 1;
        for (to, from) in self.part(at, bytes.len())?.iter_mut().zip(bytes) {
            if *to != 0xff {
                return Err(Fault::Bus);
            }
            *to = *from;
        }
        Ok(())
    }
}

//! What the patcher needs from flash, and what it must know about it.
//!
//! Implemented by the integrator (or an adapter) for old slot, new slot and journal,
//! which may be three devices or three [`Region`]s of one. Invariants that the patcher
//! keeps where [`Geometry::write_once`] is set: it programs whole units, each once between
//! two erases; it never programs a block that it did not erase since the last reset.
//! Where it is not, units behind the last checkpoint in a block may be programmed again
//! after a reset, with the same bytes. The old slot is only read.
//! A driver that emulates writes by reading, erasing and writing again breaks the power
//! safety of everything above it. SPEC §10.

use core::cell::RefCell;
use core::fmt;

/// Why a flash operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The bytes cannot be read: uncorrectable ECC error, most often after a torn write.
    /// Part of normal life after a power cut.
    Poisoned = 1,
    /// Anything else: the driver refused, the bus is stuck.
    Bus,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Poisoned => "unreadable bytes",
            Fault::Bus => "the operation did not succeed",
        })
    }
}

/// A stretch of equal erase blocks. The C interface has the same structure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Run {
    /// Number of blocks.
    pub count: u32,
    /// Bytes of each.
    pub len: u32,
}

/// How a device is divided into erase blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocks {
    /// All of this many bytes.
    Uniform(u32),
    /// Of different sizes, from the front (STM32F4: 16, 64 and 128 KiB).
    Runs(&'static [Run]),
}

/// One erase block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

impl Block {
    /// The byte behind the last.
    pub fn end(&self) -> u32 {
        self.start.saturating_add(self.len)
    }
}

/// What the patcher must know about a flash device (or the part of one it is given).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Bytes.
    pub size: u32,
    /// Bytes of a program unit. Use the largest of all that look at the flash
    /// (driver, bootloader), not the smallest.
    pub write_size: u32,
    /// A unit may be programmed once between erases, not even to the same value (ECC), or
    /// a few times (nRF52: two). When in doubt: true. False only where programming the same
    /// bytes again is allowed any number of times (NOR whose bits are cleared one by one:
    /// STM32F4, serial NOR): then an erase block above [`crate::CHECKPOINT_BYTES`] is gone
    /// on with after a power cut and not begun again.
    pub write_once: bool,
    /// What an erased byte reads as.
    pub erased: u8,
    /// Erase blocks.
    pub blocks: Blocks,
}

impl Geometry {
    /// The erase block that holds byte `at`; `None` outside the device.
    pub fn block(&self, at: u32) -> Option<Block> {
        self.block_here(at)
    }

    /// As [`Geometry::block`], compiled where it is called: next to no code where the
    /// geometry is a constant there, much elsewhere.
    #[inline(always)]
    pub(crate) fn block_here(&self, at: u32) -> Option<Block> {
        if at >= self.size {
            return None;
        }
        match self.blocks {
            Blocks::Uniform(len) => Some(Block {
                start: at - at.checked_rem(len)?,
                len,
            }),
            Blocks::Runs(runs) => {
                let mut start = 0u32;
                for run in runs {
                    let end = start.checked_add(run.count.checked_mul(run.len)?)?;
                    if at < end {
                        let into = (at - start).checked_rem(run.len)?;
                        return Some(Block {
                            start: at - into,
                            len: run.len,
                        });
                    }
                    start = end;
                }
                None
            }
        }
    }

    /// Whether the numbers fit together and blocks are whole program units. Compiled where
    /// it is called, as [`Geometry::block_here`].
    #[inline(always)]
    pub(crate) fn is_sound(&self, page_bytes: u32) -> bool {
        let fits = |len: u32| len != 0 && len.checked_rem(self.write_size) == Some(0);
        let blocks = match self.blocks {
            Blocks::Uniform(len) => fits(len) && self.size.checked_rem(len) == Some(0),
            Blocks::Runs(runs) => {
                let total = runs.iter().try_fold(0u32, |sum, run| {
                    sum.checked_add(run.count.checked_mul(run.len)?)
                });
                runs.iter().all(|run| fits(run.len)) && total == Some(self.size)
            }
        };
        blocks && page_bytes.checked_rem(self.write_size) == Some(0)
    }
}

/// A flash device, or a part of one; offsets count from its first byte.
pub trait Flash {
    /// Its layout; must not change. Asked wherever it is needed: where it is a constant, and
    /// the compiler sees that, the patcher takes less code.
    fn geometry(&self) -> Geometry;

    /// Reads `out.len()` bytes from `at`.
    ///
    /// # Errors
    /// [`Fault::Poisoned`] if any of the bytes cannot be read. On parts that raise an
    /// exception for that (STM32 L4, H7, U5: NMI or bus fault), the implementation
    /// must catch it.
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault>;

    /// Erases `block`, which is one of [`Geometry::blocks`].
    ///
    /// # Errors
    /// Any fault means that the block may be in any state.
    fn erase(&mut self, block: Block) -> Result<(), Fault>;

    /// Programs `bytes` at `at`: whole units, erased since they were last programmed, or
    /// (only without [`Geometry::write_once`]) cut off on the way to the same bytes.
    ///
    /// # Errors
    /// Any fault means that the units may be in any state.
    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault>;

    /// Whether operations wait to be carried out, so that decoding must stop: for flash
    /// that defers them (see [`crate::Patcher::go_on`]). All other flash is never busy.
    #[inline]
    fn is_busy(&self) -> bool {
        false
    }
}

impl<F: Flash> Flash for &mut F {
    #[inline]
    fn is_busy(&self) -> bool {
        (**self).is_busy()
    }
    fn geometry(&self) -> Geometry {
        (**self).geometry()
    }
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        (**self).read(at, out)
    }
    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        (**self).erase(block)
    }
    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        (**self).program(at, bytes)
    }
}

/// A part of a flash device that several users share (old slot, new slot and journal
/// in one internal flash). Its erase blocks must be uniform inside the part.
#[derive(Debug)]
pub struct Region<'a, F> {
    flash: &'a RefCell<F>,
    start: u32,
    geometry: Geometry,
}

impl<'a, F: Flash> Region<'a, F> {
    /// The `size` bytes from `start` of `flash`. `None`: they do not begin and end with
    /// an erase block, or the blocks between differ in size.
    pub fn new(flash: &'a RefCell<F>, start: u32, size: u32) -> Option<Self> {
        let whole = flash.try_borrow().ok()?.geometry();
        let end = start.checked_add(size)?;
        let first = whole.block(start)?;
        let mut at = start;
        while at < end {
            let block = whole.block(at)?;
            if block.start != at || block.len != first.len {
                return None;
            }
            at = at.checked_add(block.len)?;
        }
        (at == end).then_some(Region {
            flash,
            start,
            geometry: Geometry {
                size,
                blocks: Blocks::Uniform(first.len),
                ..whole
            },
        })
    }

    fn place(&self, at: u32, len: usize) -> Result<u32, Fault> {
        let len = u32::try_from(len).map_err(|_| Fault::Bus)?;
        match at.checked_add(len) {
            Some(end) if end <= self.geometry.size => Ok(self.start + at),
            _ => Err(Fault::Bus),
        }
    }
}

impl<F: Flash> Flash for Region<'_, F> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        let at = self.place(at, out.len())?;
        self.flash
            .try_borrow_mut()
            .map_err(|_| Fault::Bus)?
            .read(at, out)
    }

    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        let start = self.place(block.start, block.len as usize)?;
        let block = Block { start, ..block };
        self.flash
            .try_borrow_mut()
            .map_err(|_| Fault::Bus)?
            .erase(block)
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let at = self.place(at, bytes.len())?;
        self.flash
            .try_borrow_mut()
            .map_err(|_| Fault::Bus)?
            .program(at, bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MIXED: Geometry = Geometry {
        size: 0x20000 + 0x20000,
        write_size: 4,
        write_once: false,
        erased: 0xff,
        blocks: Blocks::Runs(&[
            Run {
                count: 4,
                len: 0x4000,
            },
            Run {
                count: 1,
                len: 0x10000,
            },
            Run {
                count: 1,
                len: 0x20000,
            },
        ]),
    };

    #[test]
    fn blocks_of_mixed_sizes_are_found() {
        for (at, start, len) in [
            (0, 0, 0x4000),
            (0x3fff, 0, 0x4000),
            (0x4000, 0x4000, 0x4000),
            (0xffff, 0xc000, 0x4000),
            (0x10000, 0x10000, 0x10000),
            (0x1ffff, 0x10000, 0x10000),
            (0x20000, 0x20000, 0x20000),
            (0x3ffff, 0x20000, 0x20000),
        ] {
            assert_eq!(MIXED.block(at), Some(Block { start, len }), "{at:x}");
        }
        assert_eq!(MIXED.block(0x40000), None);
        assert!(MIXED.is_sound(256));
    }

    #[test]
    fn unsound_geometries_are_noticed() {
        let with = |size, write_size, blocks| Geometry {
            size,
            write_size,
            blocks,
            ..MIXED
        };
        assert!(!with(0x1000, 0, Blocks::Uniform(0x1000)).is_sound(256));
        assert!(!with(0x1000, 4, Blocks::Uniform(0)).is_sound(256));
        assert!(!with(0x1001, 4, Blocks::Uniform(0x1000)).is_sound(256));
        assert!(!with(0x1000, 512, Blocks::Uniform(0x1000)).is_sound(256));
        assert!(!with(0x1000, 8, Blocks::Uniform(100)).is_sound(256));
        assert!(!with(0x1000, 4, MIXED.blocks).is_sound(256));
        assert_eq!(with(0x1000, 4, Blocks::Uniform(0)).block(0), None);
    }
}

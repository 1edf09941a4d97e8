//! Flash of well-known parts, by name.
//!
//! Sizes are chosen for a test (a slot of the real erase blocks, not the whole chip);
//! what matters is erase unit, program unit and the rules. Sources are named per part;
//! "field notes 3.2" is the table collected from drivers and issue reports.

use deltamote_patcher::{Blocks, Geometry, Run};

/// A part.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name on the command line.
    pub name: &'static str,
    /// Erase block of a uniform part; 0 for a mixed one.
    block: u32,
    /// Erase blocks of a mixed part, as often as needed at the end.
    runs: &'static [Run],
    write_size: u32,
    write_once: bool,
    erased: u8,
    /// Erase block of the journal's flash.
    journal_block: u32,
    /// How long its operations take.
    pub timing: Timing,
}

/// Typical times from the data sheet; the worst are two to ten times that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Erasing an erase block.
    pub erase_us: u32,
    /// Bytes of the block that `erase_us` is for; a larger one takes longer in proportion.
    pub erase_bytes: u32,
    /// Programming `program_bytes`.
    pub program_us: u32,
    /// Bytes that are programmed in one go.
    pub program_bytes: u32,
}

const KIB: u32 = 1024;

const fn timing(erase_ms: u32, erase_bytes: u32, program_us: u32, program_bytes: u32) -> Timing {
    Timing {
        erase_us: erase_ms * 1000,
        erase_bytes,
        program_us,
        program_bytes,
    }
}

/// All parts.
pub const PRESETS: [Preset; 8] = [
    // nRF52840 product specification, NVMC: 4 KiB pages, words of 4 bytes, at most two
    // writes per word between erases.
    // Data sheet: page erase 85 ms, word 41 us (both maximum).
    uniform("nrf52840", 4 * KIB, 4, false, timing(85, 4 * KIB, 41, 4)),
    // RM0090: sectors of 4 x 16, 1 x 64, n x 128 KiB; up to 4 bytes at once without an
    // external programming voltage; no ECC. DS8626: 16 KiB in 250 ms, 128 KiB in 1 s (so
    // 64 KiB in about 0.55 s), 16 us per word.
    Preset {
        name: "stm32f4",
        block: 0,
        runs: &[
            Run {
                count: 4,
                len: 16 * KIB,
            },
            Run {
                count: 1,
                len: 64 * KIB,
            },
            Run {
                count: 7,
                len: 128 * KIB,
            },
        ],
        write_size: 4,
        write_once: false,
        erased: 0xff,
        // Two of the small sectors.
        journal_block: 16 * KIB,
        timing: timing(250, 16 * KIB, 16, 4),
    },
    // RM0351: 2 KiB pages, double words of 8 bytes with ECC, written once.
    // DS11451: page erase 22 ms, double word 82 us.
    uniform("stm32l4", 2 * KIB, 8, true, timing(22, 2 * KIB, 82, 8)),
    // RM0433: 128 KiB sectors, flash words of 32 bytes with ECC, written once.
    // DS12110: sector erase 1.1 s (x32), flash word 85 us.
    uniform(
        "stm32h7",
        128 * KIB,
        32,
        true,
        timing(1100, 128 * KIB, 85, 32),
    ),
    // RM0456: 8 KiB pages, quad words of 16 bytes with ECC, written once.
    // DS13086: page erase 1.5 ms, quad word 118 us.
    uniform("stm32u5", 8 * KIB, 16, true, timing(2, 8 * KIB, 118, 16)),
    // W25Q16JV behind the RP2040, written through the boot ROM in pages of 256 bytes.
    // W25Q16JV: sector erase 45 ms, page program 0.4 ms.
    uniform("rp2040", 4 * KIB, 256, false, timing(45, 4 * KIB, 400, 256)),
    // ESP-IDF spi_flash: 4 KiB sectors, 4-byte units (16 with flash encryption).
    // Behind it a GD25Q32C or its like: sector erase 50 ms, page program 0.6 ms.
    uniform("esp32", 4 * KIB, 4, false, timing(50, 4 * KIB, 600, 256)),
    // Serial NOR in general (W25Q, MX25, GD25): 4 KiB sectors, single bytes.
    // MX25R6435F in its ultra low power mode, the slow end: 58 ms, 3.2 ms.
    uniform("spi-nor", 4 * KIB, 1, false, timing(58, 4 * KIB, 3200, 256)),
];

const fn uniform(
    name: &'static str,
    block: u32,
    write_size: u32,
    write_once: bool,
    timing: Timing,
) -> Preset {
    Preset {
        name,
        block,
        runs: &[],
        write_size,
        write_once,
        erased: 0xff,
        journal_block: block,
        timing,
    }
}

/// The part called `name`.
pub fn preset(name: &str) -> Option<Preset> {
    PRESETS.into_iter().find(|p| p.name == name)
}

impl Preset {
    /// The same kind of flash with erase blocks of `block` bytes, for tests that cannot
    /// afford real ones.
    pub const fn with_blocks(self, block: u32) -> Self {
        Preset {
            block,
            runs: &[],
            journal_block: block,
            ..self
        }
    }

    /// The same kind of flash with erase blocks as `runs` says.
    pub const fn with_runs(self, runs: &'static [Run], journal_block: u32) -> Self {
        Preset {
            block: 0,
            runs,
            journal_block,
            ..self
        }
    }

    /// The same kind of flash with program units of `write_size` bytes.
    pub const fn with_units(self, write_size: u32) -> Self {
        Preset { write_size, ..self }
    }

    /// The same kind of flash, erased to `erased` (STM32L0 and L1: 0).
    pub const fn erased_to(self, erased: u8) -> Self {
        Preset { erased, ..self }
    }

    /// Bytes of a program unit.
    pub const fn write_size(&self) -> u32 {
        self.write_size
    }

    /// Whether its erase blocks differ in size.
    pub const fn is_mixed(&self) -> bool {
        !self.runs.is_empty()
    }

    /// A slot that holds at least `bytes`.
    pub fn slot(&self, bytes: u32) -> Geometry {
        let bytes = bytes.max(1);
        if !self.is_mixed() {
            return self.geometry(
                bytes.next_multiple_of(self.block),
                Blocks::Uniform(self.block),
            );
        }
        let mut total = 0;
        for (k, run) in self.runs.iter().enumerate() {
            total += run.count * run.len;
            if bytes <= total {
                return self.geometry(total, Blocks::Runs(&self.runs[..=k]));
            }
        }
        // More than the part has: as many of its large sectors as it takes.
        let large = self.runs.last().map_or(128 * KIB, |r| r.len);
        self.geometry(bytes.next_multiple_of(large), Blocks::Uniform(large))
    }

    /// A journal of two erase blocks.
    pub fn journal(&self) -> Geometry {
        let block = self.journal_block;
        self.geometry(2 * block, Blocks::Uniform(block))
    }

    fn geometry(&self, size: u32, blocks: Blocks) -> Geometry {
        Geometry {
            size,
            write_size: self.write_size,
            write_once: self.write_once,
            erased: self.erased,
            blocks,
        }
    }
}

impl Timing {
    /// Microseconds for erasing a block of `bytes` bytes.
    pub fn erase(&self, bytes: u32) -> u64 {
        u64::from(self.erase_us) * u64::from(bytes) / u64::from(self.erase_bytes.max(1))
    }

    /// Microseconds for programming `bytes` bytes.
    pub fn program(&self, bytes: u64) -> u64 {
        bytes.div_ceil(u64::from(self.program_bytes.max(1))) * u64::from(self.program_us)
    }
}

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
    /// Erase block of the journal's flash.
    journal_block: u32,
}

const KIB: u32 = 1024;

/// All parts.
pub const PRESETS: [Preset; 8] = [
    // nRF52840 product specification, NVMC: 4 KiB pages, words of 4 bytes, at most two
    // writes per word between erases.
    uniform("nrf52840", 4 * KIB, 4, false),
    // RM0090: sectors of 4 x 16, 1 x 64, n x 128 KiB; up to 4 bytes at once without an
    // external programming voltage; no ECC.
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
        // Two of the small sectors.
        journal_block: 16 * KIB,
    },
    // RM0351: 2 KiB pages, double words of 8 bytes with ECC, written once.
    uniform("stm32l4", 2 * KIB, 8, true),
    // RM0433: 128 KiB sectors, flash words of 32 bytes with ECC, written once.
    uniform("stm32h7", 128 * KIB, 32, true),
    // RM0456: 8 KiB pages, quad words of 16 bytes with ECC, written once.
    uniform("stm32u5", 8 * KIB, 16, true),
    // W25Q16JV behind the RP2040, written through the boot ROM in pages of 256 bytes.
    uniform("rp2040", 4 * KIB, 256, false),
    // ESP-IDF spi_flash: 4 KiB sectors, 4-byte units (16 with flash encryption).
    uniform("esp32", 4 * KIB, 4, false),
    // Serial NOR in general (W25Q, MX25, GD25): 4 KiB sectors, single bytes.
    uniform("spi-nor", 4 * KIB, 1, false),
];

const fn uniform(name: &'static str, block: u32, write_size: u32, write_once: bool) -> Preset {
    Preset {
        name,
        block,
        runs: &[],
        write_size,
        write_once,
        journal_block: block,
    }
}

/// The part called `name`.
pub fn preset(name: &str) -> Option<Preset> {
    PRESETS.into_iter().find(|p| p.name == name)
}

impl Preset {
    /// A slot that holds at least `bytes`.
    pub fn slot(&self, bytes: u32) -> Geometry {
        let (size, blocks) = if self.runs.is_empty() {
            let size = bytes.max(1).next_multiple_of(self.block);
            (size, Blocks::Uniform(self.block))
        } else {
            let total = self.runs.iter().map(|r| r.count * r.len).sum::<u32>();
            if bytes <= total {
                (total, Blocks::Runs(self.runs))
            } else {
                // More than the part has: as many of its large sectors as it takes.
                let large = self.runs.last().map_or(128 * KIB, |r| r.len);
                (bytes.next_multiple_of(large), Blocks::Uniform(large))
            }
        };
        self.geometry(size, blocks)
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
            erased: 0xff,
            blocks,
        }
    }
}

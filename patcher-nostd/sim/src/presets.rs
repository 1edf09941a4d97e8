//! Flash of well-known parts, by name.
//!
//! Sizes are chosen for a test (a slot of the real erase blocks, not the whole chip);
//! what matters is erase unit, program unit, the rules and the times. Each names its
//! source. "Field notes 3.2" is the table collected from drivers and issue reports; times
//! are the typical column of the data sheet unless the source says *maximum*. What each
//! was compared with is said beside it ([`Preset::checked`]): the data sheets themselves
//! could not be opened where this was written.

use crate::flash::Rewrites;
use deltamote_patcher::{Blocks, Geometry, Run};

/// A part.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name on the command line.
    pub name: &'static str,
    /// Where its figures are from.
    pub source: &'static str,
    /// What erase unit, program unit and times were compared with, on 2026-11-21; "not
    /// checked" for those that were not.
    pub checked: &'static str,
    /// Erase block of a uniform part; 0 for a mixed one.
    block: u32,
    /// Erase blocks of a mixed part, as often as needed at the end.
    runs: &'static [Run],
    write_size: u32,
    /// How often a unit may be programmed between two erases.
    pub rewrites: Rewrites,
    erased: u8,
    /// Erase block of the journal's flash.
    journal_block: u32,
    /// How long its operations take.
    pub timing: Timing,
}

/// Typical times from the data sheet; the worst are two to ten times that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Bytes of an erase block, smallest first, and erasing it; another one is taken in
    /// proportion to the next larger, or to the last.
    pub erase_us: &'static [(u32, u32)],
    /// Programming `program_bytes`.
    pub program_us: u32,
    /// Bytes that are programmed in one go.
    pub program_bytes: u32,
}

const KIB: u32 = 1024;

/// Microseconds for erase blocks of so many bytes, and for so many bytes at once.
const fn timing(
    erase_us: &'static [(u32, u32)],
    (program_bytes, program_us): (u32, u32),
) -> Timing {
    Timing {
        erase_us,
        program_us,
        program_bytes,
    }
}

/// All parts.
pub const PRESETS: [Preset; 8] = [
    uniform(
        "nrf52840",
        "nRF52840 Product Specification, NVMC, electrical specification: 4 KiB pages, words of \
         4 bytes, n_WRITE 2 per word; t_ERASEPAGE 85 ms, t_WRITE 41 us (both maximum)",
        "n_WRITE as Nordic's pages on NVMC; both times as quoted from the Product Specification \
         v1.11 in a public driver",
        (4 * KIB, 4, Rewrites::Times(2)),
        timing(&[(4 * KIB, 85_000)], (4, 41)),
    ),
    Preset {
        name: "stm32f4",
        source: "RM0090 3.4 and 3.6: sectors of 4 x 16, 1 x 64, n x 128 KiB; words of 4 bytes at \
                 2.7 V to 3.6 V, no ECC, bits may be cleared one by one. DS8626, flash memory \
                 programming: x32: 16 KiB in 250 ms, 64 KiB in 550 ms, 128 KiB in 1 s, word 16 us",
        checked: "in-place clearing of bits as RM0090; 128 KiB in the order of 1 s, 2 s at most, as \
                  public drivers have it; the other times not checked",
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
        rewrites: Rewrites::Freely,
        erased: 0xff,
        // Two of the small sectors.
        journal_block: 16 * KIB,
        timing: timing(
            &[
                (16 * KIB, 250_000),
                (64 * KIB, 550_000),
                (128 * KIB, 1_000_000),
            ],
            (4, 16),
        ),
    },
    uniform(
        "stm32l4",
        "RM0351 3.3: 2 KiB pages, double words of 8 bytes with ECC, programmed once (a second \
         time to zero only). DS11451, flash memory characteristics: page 22.02 ms, double word \
         81.69 us",
        "units and a page in 25 ms at most as Zephyr's stm32l4.dtsi; double word not checked",
        (2 * KIB, 8, Rewrites::Never),
        timing(&[(2 * KIB, 22_020)], (8, 82)),
    ),
    uniform(
        "stm32h7",
        "RM0433 4.3: 128 KiB sectors, flash words of 32 bytes with ECC, programmed once (a second \
         time faults on reading: field notes 3.2). DS12110, flash memory programming: sector 1.1 s, \
         flash word 85 us; depends on the parallelism set, up to 2 s and 290 us",
        "units and a sector in 4 s at most as Zephyr's stm32h743.dtsi is quoted; a public \
         measurement on an H733 has 1.77 s for a sector; flash word not checked",
        (128 * KIB, 32, Rewrites::Never),
        timing(&[(128 * KIB, 1_100_000)], (32, 85)),
    ),
    uniform(
        "stm32u5",
        "RM0456 7.3: 8 KiB pages, quad words of 16 bytes with ECC, programmed once. DS13086, flash \
         memory characteristics: page 1.5 ms, quad word 118 us",
        "units and a page in 5 ms at most as Zephyr's stm32u5.dtsi; quad word not checked",
        (8 * KIB, 16, Rewrites::Never),
        timing(&[(8 * KIB, 1_500)], (16, 118)),
    ),
    uniform(
        "rp2040",
        "RP2040 datasheet 2.8.3 (flash_range_erase: 4 KiB, flash_range_program: pages of 256 \
         bytes); W25Q16JV data sheet, AC characteristics: sector 45 ms, page 0.4 ms (maximum 400 \
         and 3 ms)",
        "both times, and both maxima, as a public copy of the W25Q128JV's table (same family)",
        (4 * KIB, 256, Rewrites::Freely),
        timing(&[(4 * KIB, 45_000)], (256, 400)),
    ),
    uniform(
        "esp32",
        "ESP-IDF spi_flash and partition tables: 4 KiB sectors, units of 4 bytes (16 or 32, once, \
         with flash encryption); GD25Q32C data sheet, AC characteristics: sector 50 ms, page of 256 \
         bytes 0.6 ms",
        "times not checked",
        (4 * KIB, 4, Rewrites::Freely),
        timing(&[(4 * KIB, 50_000)], (256, 600)),
    ),
    uniform(
        "spi-nor",
        "Serial NOR in general (W25Q, MX25, GD25): 4 KiB sectors, single bytes. MX25R6435F data \
         sheet, AC characteristics, ultra low power mode, the slow end: sector 58 ms, page of 256 \
         bytes 3.2 ms",
        "in ultra low power mode not checked; the part's SFDP table, as Zephyr's devicetrees have \
         it, says 48 ms and 0.9 ms, which is the high performance mode",
        (4 * KIB, 1, Rewrites::Freely),
        timing(&[(4 * KIB, 58_000)], (256, 3_200)),
    ),
];

const fn uniform(
    name: &'static str,
    source: &'static str,
    checked: &'static str,
    (block, write_size, rewrites): (u32, u32, Rewrites),
    timing: Timing,
) -> Preset {
    Preset {
        name,
        source,
        checked,
        block,
        runs: &[],
        write_size,
        rewrites,
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

    /// The same kind of flash with units that take so many programs.
    pub const fn with_rewrites(self, rewrites: Rewrites) -> Self {
        Preset { rewrites, ..self }
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
            write_once: self.rewrites.write_once(),
            erased: self.erased,
            blocks,
        }
    }
}

impl Timing {
    /// Microseconds for erasing a block of `bytes` bytes.
    pub fn erase(&self, bytes: u32) -> u64 {
        let next = self.erase_us.iter().find(|(len, _)| *len >= bytes);
        let (len, us) = *next.or(self.erase_us.last()).unwrap_or(&(1, 0));
        u64::from(us) * u64::from(bytes) / u64::from(len.max(1))
    }

    /// Microseconds for programming `bytes` bytes.
    pub fn program(&self, bytes: u64) -> u64 {
        bytes.div_ceil(u64::from(self.program_bytes.max(1))) * u64::from(self.program_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_block_or_in_proportion() {
        let f4 = preset("stm32f4").unwrap().timing;
        assert_eq!(f4.erase(16 * KIB), 250_000);
        assert_eq!(f4.erase(128 * KIB), 1_000_000);
        assert_eq!(f4.erase(256 * KIB), 2_000_000);
        assert_eq!(f4.erase(8 * KIB), 125_000);
        assert_eq!(f4.program(6), 32);
    }

    /// A part that erases or programs ten times faster or slower than all others do is a
    /// slip in a unit.
    #[test]
    fn times_are_plausible_and_sources_are_named() {
        for preset in PRESETS {
            let erase = preset.timing.erase(128 * KIB);
            assert!((20_000..=6_000_000).contains(&erase), "{}", preset.name);
            let program = preset.timing.program(KIB.into());
            assert!((1_000..=50_000).contains(&program), "{}", preset.name);
            let figures = preset.source.chars().filter(char::is_ascii_digit).count();
            assert!(figures >= 8, "{}: {}", preset.name, preset.source);
            assert!(!preset.checked.is_empty(), "{}", preset.name);
        }
    }
}

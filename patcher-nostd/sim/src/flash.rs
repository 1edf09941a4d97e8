//! One simulated flash device, with a state for every program unit.
//!
//! Stricter than any chip: a unit may be programmed once between erases on every part,
//! only in whole units, never while its erasure is in doubt. Breaking a rule is not a
//! fault to be handled but a defect of the program under test: it is kept in
//! [`SimFlash::violations`] and the operation fails.

use crate::power::{Power, Tear};
use deltamote_patcher::{Block, Fault, Flash, Geometry};

/// What a program unit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    /// Erased, and may be programmed.
    Erased,
    /// Holds data.
    Programmed,
    /// An operation on it was cut: reads as something, must be erased before use.
    Torn,
    /// As torn, but the value was last seen in this boot and may have drifted since.
    Weak { boot: u64 },
    /// As torn, and cannot be read.
    Poisoned,
}

/// Operations so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Read calls.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Blocks erased.
    pub erases: u64,
    /// Program calls.
    pub programs: u64,
    /// Bytes programmed.
    pub programmed_bytes: u64,
}

/// A simulated flash device.
#[derive(Clone, Debug)]
pub struct SimFlash {
    geometry: Geometry,
    power: Power,
    bytes: Vec<u8>,
    units: Vec<Unit>,
    counts: Counts,
    block_erases: Vec<(u32, u64)>,
    violations: Vec<String>,
}

impl SimFlash {
    /// A device fresh from the factory: erased.
    pub fn new(geometry: Geometry, power: Power) -> Self {
        let units = (geometry.size / geometry.write_size.max(1)) as usize;
        let mut block_erases = Vec::new();
        let mut at = 0;
        while let Some(block) = geometry.block(at) {
            block_erases.push((block.start, 0));
            at = block.end();
        }
        SimFlash {
            bytes: vec![geometry.erased; geometry.size as usize],
            units: vec![Unit::Erased; units],
            geometry,
            power,
            counts: Counts::default(),
            block_erases,
            violations: Vec::new(),
        }
    }

    /// Puts data there behind the device's back (a programmer, a former update).
    ///
    /// # Panics
    /// If `bytes` do not fit.
    pub fn preload(&mut self, at: u32, bytes: &[u8]) {
        let at = at as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        let w = self.geometry.write_size as usize;
        if !bytes.is_empty() {
            self.units[at / w..(at + bytes.len()).div_ceil(w)].fill(Unit::Programmed);
        }
    }

    /// Makes the unit at `at` unreadable.
    pub fn poison(&mut self, at: u32) {
        let unit = (at / self.geometry.write_size) as usize;
        if let Some(unit) = self.units.get_mut(unit) {
            *unit = Unit::Poisoned;
        }
    }

    /// Turns over one bit, as wear or radiation does.
    pub fn flip(&mut self, at: u32, bit: u8) {
        if let Some(byte) = self.bytes.get_mut(at as usize) {
            *byte ^= 1 << (bit & 7);
        }
    }

    /// The bytes as they are, without asking the power supply.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Operations so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Start and number of erasures of each block.
    pub fn block_erases(&self) -> &[(u32, u64)] {
        &self.block_erases
    }

    /// Rules broken by whoever used the device; must be empty.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    fn violation<T>(&mut self, what: String) -> Result<T, Fault> {
        self.violations.push(what);
        Err(Fault::Bus)
    }

    fn unit_range(&self, at: usize, len: usize) -> std::ops::Range<usize> {
        let w = self.geometry.write_size as usize;
        at / w..(at + len).div_ceil(w)
    }

    /// Leaves unit `unit`, on its way to `target`, as a cut does.
    fn tear(&mut self, unit: usize, target: &[u8], tear: Tear) {
        let w = self.geometry.write_size as usize;
        let now = &mut self.bytes[unit * w..(unit + 1) * w];
        let boot = self.power.boots();
        self.units[unit] = match tear {
            Tear::None => return,
            Tear::All => {
                now.copy_from_slice(target);
                if target.iter().all(|b| *b == self.geometry.erased) {
                    Unit::Torn
                } else {
                    Unit::Programmed
                }
            }
            Tear::RandomBits => {
                for (now, target) in now.iter_mut().zip(target) {
                    let mask = self.power.random() as u8;
                    *now = *now & !mask | *target & mask;
                }
                Unit::Torn
            }
            Tear::Weak => {
                now.copy_from_slice(target);
                Unit::Weak { boot }
            }
            Tear::Poisoned => Unit::Poisoned,
        };
    }

    /// Lets weak units drift: once per boot, with even odds, bits turn.
    fn settle(&mut self, units: std::ops::Range<usize>) {
        let w = self.geometry.write_size as usize;
        let boot = self.power.boots();
        for unit in units {
            if let Some(Unit::Weak { boot: seen }) = self.units.get(unit).copied()
                && seen != boot
            {
                self.units[unit] = Unit::Weak { boot };
                if self.power.random() & 1 == 0 {
                    for byte in &mut self.bytes[unit * w..(unit + 1) * w] {
                        *byte ^= (self.power.random() & self.power.random()) as u8;
                    }
                }
            }
        }
    }
}

impl Flash for SimFlash {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        if self.power.is_lost() {
            return Err(Fault::Bus);
        }
        let (at, len) = (at as usize, out.len());
        if at + len > self.bytes.len() {
            return self.violation(format!("read of {len} bytes at {at:#x}: out of range"));
        }
        self.counts.reads += 1;
        self.counts.read_bytes += len as u64;
        if len == 0 {
            return Ok(());
        }
        let units = self.unit_range(at, len);
        self.settle(units.clone());
        out.copy_from_slice(&self.bytes[at..at + len]);
        if self.units[units].contains(&Unit::Poisoned) {
            if self.geometry.write_once {
                out.fill(0);
                return Err(Fault::Poisoned);
            }
            // No ECC: metastable cells read as anything.
            let w = self.geometry.write_size as usize;
            for (k, byte) in out.iter_mut().enumerate() {
                if self.units[(at + k) / w] == Unit::Poisoned {
                    *byte = self.power.random() as u8;
                }
            }
        }
        Ok(())
    }

    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        if self.geometry.block(block.start) != Some(block) {
            return self.violation(format!("erase of {block:?}: no such block"));
        }
        let units = self.unit_range(block.start as usize, block.len as usize);
        let blank = vec![self.geometry.erased; self.geometry.write_size as usize];
        match self.power.operation() {
            Err(None) => return Err(Fault::Bus),
            Err(Some(tear)) => {
                // An erase works on all cells at once; they differ in how far they got.
                for unit in units {
                    let each = match tear {
                        Tear::Poisoned if self.power.below(4) != 0 => Tear::RandomBits,
                        tear => tear,
                    };
                    self.tear(unit, &blank, each);
                }
                return Err(Fault::Bus);
            }
            Ok(()) => {}
        }
        self.units[units].fill(Unit::Erased);
        self.bytes[block.start as usize..block.end() as usize].fill(self.geometry.erased);
        self.counts.erases += 1;
        if let Some((_, n)) = self
            .block_erases
            .iter_mut()
            .find(|(s, _)| *s == block.start)
        {
            *n += 1;
        }
        Ok(())
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let w = self.geometry.write_size as usize;
        let (at, len) = (at as usize, bytes.len());
        if at + len > self.bytes.len() || at % w != 0 || len % w != 0 || len == 0 {
            return self.violation(format!(
                "program of {len} bytes at {at:#x}: not whole units"
            ));
        }
        let units = self.unit_range(at, len);
        if let Some(unit) = units.clone().find(|u| self.units[*u] != Unit::Erased)
            && !self.power.is_lost()
        {
            let state = self.units[unit];
            return self.violation(format!("program of {:#x}: the unit is {state:?}", unit * w));
        }
        match self.power.operation() {
            Err(None) => return Err(Fault::Bus),
            Err(Some(tear)) => {
                let done = self.power.below(units.len());
                for (k, unit) in units.enumerate().take(done + 1) {
                    let target = &bytes[k * w..(k + 1) * w];
                    if k < done {
                        self.bytes[unit * w..(unit + 1) * w].copy_from_slice(target);
                        self.units[unit] = Unit::Programmed;
                    } else {
                        self.tear(unit, target, tear);
                    }
                }
                return Err(Fault::Bus);
            }
            Ok(()) => {}
        }
        self.bytes[at..at + len].copy_from_slice(bytes);
        self.units[units].fill(Unit::Programmed);
        self.counts.programs += 1;
        self.counts.programmed_bytes += len as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deltamote_patcher::Blocks;

    fn small() -> (SimFlash, Power) {
        let power = Power::new(1);
        let geometry = Geometry {
            size: 256,
            write_size: 8,
            write_once: true,
            erased: 0xff,
            blocks: Blocks::Uniform(128),
        };
        (SimFlash::new(geometry, power.clone()), power)
    }

    const FIRST: Block = Block { start: 0, len: 128 };

    #[test]
    fn the_rules_are_enforced() {
        let (mut f, _) = small();
        assert_eq!(f.program(0, &[1; 16]), Ok(()));
        assert_eq!(f.violations().len(), 0);
        type Op = fn(&mut SimFlash) -> Result<(), Fault>;
        let broken: [Op; 7] = [
            |f| f.program(8, &[1; 8]),  // again, same value
            |f| f.program(16, &[1; 4]), // not a unit
            |f| f.program(20, &[1; 8]), // not aligned
            |f| f.program(256, &[1; 8]),
            |f| f.erase(Block { start: 0, len: 64 }),
            |f| {
                f.erase(Block {
                    start: 64,
                    len: 128,
                })
            },
            |f| f.read(250, &mut [0; 8]),
        ];
        for (n, op) in broken.into_iter().enumerate() {
            assert_eq!(op(&mut f), Err(Fault::Bus), "{n}");
            assert_eq!(f.violations().len(), n + 1);
        }
        assert_eq!(f.erase(FIRST), Ok(()));
        assert_eq!(f.program(0, &[2; 8]), Ok(()));
    }

    #[test]
    fn a_cut_erase_must_be_repeated() {
        for tear in [Tear::All, Tear::RandomBits, Tear::Weak, Tear::Poisoned] {
            let (mut f, power) = small();
            f.preload(0, &[0; 128]);
            power.cut_after(0, tear);
            assert_eq!(f.erase(FIRST), Err(Fault::Bus));
            assert_eq!(f.read(0, &mut [0; 8]), Err(Fault::Bus));
            power.reboot();
            assert_eq!(f.program(0, &[1; 8]), Err(Fault::Bus), "{tear:?}");
            assert_eq!(f.violations().len(), 1);
            assert_eq!(f.erase(FIRST), Ok(()));
            assert_eq!(f.program(0, &[1; 8]), Ok(()));
        }
    }

    #[test]
    fn poison_is_reported_and_weak_bits_drift() {
        let (mut f, power) = small();
        f.poison(9);
        let mut out = [0; 8];
        assert_eq!(f.read(0, &mut out), Ok(()));
        assert_eq!(f.read(4, &mut out), Err(Fault::Poisoned));
        let mut drifted = false;
        for seed in 0..20 {
            let (mut f, power) = (SimFlash::new(f.geometry, power.clone()), power.clone());
            let _ = seed;
            power.cut_after(0, Tear::Weak);
            assert_eq!(f.program(0, &[0x55; 8]), Err(Fault::Bus));
            power.reboot();
            assert_eq!(f.read(0, &mut out), Ok(()));
            drifted |= out != [0x55; 8];
        }
        assert!(drifted);
    }
}

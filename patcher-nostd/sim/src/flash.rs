//! One simulated flash device, with a state for every program unit.
//!
//! Stricter than any chip: only whole units are programmed, as often between two erases as
//! [`Rewrites`] allows, never while their erasure is in doubt, and never in the hope of
//! setting back a bit. Breaking a rule is not a fault to be handled but a defect of the
//! program under test: it is kept in [`SimFlash::violations`] and the operation fails.

use crate::power::{Action, Power, Tear};
use deltamote_patcher::{Block, Fault, Flash, Geometry};
use std::ops::Range;
use std::sync::Arc;

/// What a program unit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum State {
    /// Erased, and may be programmed.
    Erased,
    /// Holds data.
    Programmed,
    /// An operation on it was cut: reads as something.
    Torn,
    /// As torn; every second read or so finds other bits.
    Weak,
    /// As torn, and cannot be read.
    Poisoned,
}

/// A program unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Unit {
    state: State,
    /// It was an erase that was cut: must be erased before use, whatever it looks like.
    half_erased: bool,
    /// How often it was programmed since the last erase, cut attempts included.
    programs: u8,
}

const ERASED: Unit = Unit {
    state: State::Erased,
    half_erased: false,
    programs: 0,
};

/// How often a unit may be programmed between two erases. Only ever on the way to the
/// same bits: a bit that was programmed is set back by an erase alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rewrites {
    /// Once: ECC. What is torn may be unreadable.
    Never,
    /// So often in all.
    Times(u8),
    /// As often as one likes.
    Freely,
}

impl Rewrites {
    /// As [`Geometry::write_once`] says it to the patcher, which may program a unit again
    /// once per power cut: a few times are not enough.
    pub const fn write_once(self) -> bool {
        !matches!(self, Rewrites::Freely)
    }

    const fn of(geometry: &Geometry) -> Rewrites {
        match geometry.write_once {
            true => Rewrites::Never,
            false => Rewrites::Freely,
        }
    }
}

/// Sub-steps of an erase at which it can be cut.
pub const ERASE_STEPS: u32 = 4;

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

/// What an erase block took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wear {
    /// The block.
    pub block: Block,
    /// Times it was erased.
    pub erases: u64,
    /// Bytes programmed into it.
    pub programmed_bytes: u64,
}

/// A simulated flash device.
#[derive(Clone, Debug)]
pub struct SimFlash {
    geometry: Geometry,
    rewrites: Rewrites,
    power: Power,
    /// Which device of its board it is.
    device: u8,
    // Shared until written: a sweep copies boards by the million.
    bytes: Arc<Vec<u8>>,
    units: Arc<Vec<Unit>>,
    /// Whether any unit was ever weak or poisoned.
    suspect: bool,
    /// Accesses that fail yet because the part is still at an operation from before
    /// the reset.
    busy: u32,
    protected: Range<u32>,
    counts: Counts,
    wear: Vec<Wear>,
    violations: Vec<String>,
}

impl SimFlash {
    /// A device fresh from the factory: erased.
    pub fn new(geometry: Geometry, power: Power) -> Self {
        let units = (geometry.size / geometry.write_size.max(1)) as usize;
        let mut wear = Vec::new();
        let mut at = 0;
        while let Some(block) = geometry.block(at) {
            wear.push(Wear {
                block,
                erases: 0,
                programmed_bytes: 0,
            });
            at = block.end();
        }
        SimFlash {
            bytes: Arc::new(vec![geometry.erased; geometry.size as usize]),
            units: Arc::new(vec![ERASED; units]),
            suspect: false,
            busy: 0,
            protected: 0..0,
            device: 0,
            rewrites: Rewrites::of(&geometry),
            geometry,
            power,
            counts: Counts::default(),
            wear,
            violations: Vec::new(),
        }
    }

    /// The same device as number `device` of a board with another supply.
    pub(crate) fn fork(&self, power: &Power) -> Self {
        SimFlash {
            power: power.clone(),
            ..self.clone()
        }
    }

    /// As number `device` of its board.
    pub(crate) fn numbered(mut self, device: u8) -> Self {
        self.device = device;
        self
    }

    /// The same with units that may be programmed as often as `rewrites` says.
    pub fn with_rewrites(self, rewrites: Rewrites) -> Self {
        SimFlash { rewrites, ..self }
    }

    /// Erasing or programming any of `range` is a violation from here on.
    pub fn protect(&mut self, range: Range<u32>) {
        self.protected = range;
    }

    /// The MCU was reset and the part was not: it is still at its last operation, and
    /// refuses the next `accesses` accesses.
    pub fn stay_busy(&mut self, accesses: u32) {
        self.busy = accesses;
    }

    /// Whether the part still refuses.
    pub fn is_busy(&self) -> bool {
        self.busy > 0
    }

    fn refuses(&mut self) -> bool {
        let busy = self.busy > 0;
        self.busy = self.busy.saturating_sub(1);
        busy || !self.power.access()
    }

    fn is_protected(&self, at: usize, len: usize) -> bool {
        at < self.protected.end as usize && at + len > self.protected.start as usize
    }

    /// Puts data there behind the device's back (a programmer, a former update).
    ///
    /// # Panics
    /// If `bytes` do not fit.
    pub fn preload(&mut self, at: u32, bytes: &[u8]) {
        let at = at as usize;
        Arc::make_mut(&mut self.bytes)[at..at + bytes.len()].copy_from_slice(bytes);
        if !bytes.is_empty() {
            let units = self.unit_range(at, bytes.len());
            self.count_program(units);
        }
    }

    fn count_program(&mut self, units: Range<usize>) {
        for unit in &mut Arc::make_mut(&mut self.units)[units] {
            unit.state = State::Programmed;
            unit.programs = unit.programs.saturating_add(1);
        }
    }

    /// Why `bytes` must not be programmed into `unit`.
    fn objection(&self, unit: usize, bytes: &[u8]) -> Option<&'static str> {
        let Unit {
            state,
            half_erased,
            programs,
        } = self.units[unit];
        if state == State::Erased {
            return None;
        }
        if half_erased {
            return Some("its erasure was cut");
        }
        let old = &self.bytes[unit * bytes.len()..][..bytes.len()];
        let sets_back = |(old, new): (&u8, &u8)| {
            (old ^ self.geometry.erased) & !(new ^ self.geometry.erased) != 0
        };
        match self.rewrites {
            Rewrites::Never => Some("programmed already"),
            Rewrites::Times(most) if programs >= most => Some("programmed too often"),
            _ if old.iter().zip(bytes).any(sets_back) => Some("only an erase sets bits back"),
            _ => None,
        }
    }

    /// Makes the unit at `at` unreadable.
    pub fn poison(&mut self, at: u32) {
        let unit = (at / self.geometry.write_size) as usize;
        if let Some(unit) = Arc::make_mut(&mut self.units).get_mut(unit) {
            unit.state = State::Poisoned;
            self.suspect = true;
        }
    }

    /// Turns over one bit, as wear or radiation does.
    pub fn flip(&mut self, at: u32, bit: u8) {
        if let Some(byte) = Arc::make_mut(&mut self.bytes).get_mut(at as usize) {
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

    /// What each erase block took.
    pub fn wear(&self) -> &[Wear] {
        &self.wear
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
    fn tear(&mut self, unit: usize, target: &[u8], tear: Tear, erases: bool) {
        let w = self.geometry.write_size as usize;
        let bytes = &mut Arc::make_mut(&mut self.bytes)[unit * w..(unit + 1) * w];
        let state = match tear {
            Tear::None => return,
            Tear::All => {
                bytes.copy_from_slice(target);
                match erases {
                    true => State::Torn,
                    false => State::Programmed,
                }
            }
            Tear::RandomBits => {
                for (now, target) in bytes.iter_mut().zip(target) {
                    let mask = self.power.random() as u8;
                    *now = *now & !mask | *target & mask;
                }
                State::Torn
            }
            Tear::Weak => {
                bytes.copy_from_slice(target);
                State::Weak
            }
            Tear::Poisoned => State::Poisoned,
        };
        self.suspect |= matches!(state, State::Weak | State::Poisoned);
        let unit = &mut Arc::make_mut(&mut self.units)[unit];
        unit.state = state;
        match erases {
            true => unit.half_erased = true,
            false => unit.programs = unit.programs.saturating_add(1),
        }
    }

    /// A cut at sub-step `step` of [`ERASE_STEPS`] of the erasure of `block`: that share
    /// of the cells looks erased, the others are left as `tear` says. None of them may
    /// be programmed, however erased it looks.
    pub(crate) fn cut_erase(&mut self, block: Block, step: u32, tear: Tear) {
        if tear == Tear::None {
            return;
        }
        self.counts.erases += 1;
        if let Some(wear) = self.worn(block.start) {
            wear.erases += 1;
        }
        let blank = vec![self.geometry.erased; self.geometry.write_size as usize];
        for unit in self.unit_range(block.start as usize, block.len as usize) {
            let looks_done = self.power.below(ERASE_STEPS as usize) < step as usize;
            self.tear(
                unit,
                &blank,
                if looks_done { Tear::All } else { tear },
                true,
            );
        }
    }

    /// A cut at the `nth` unit of programming `bytes` at `at`.
    pub(crate) fn cut_program(&mut self, at: u32, bytes: &[u8], nth: usize, tear: Tear) {
        let w = self.geometry.write_size as usize;
        let done = &bytes[..nth * w];
        if !done.is_empty() {
            self.fill_in(at as usize, done);
            self.counts.programmed_bytes += done.len() as u64;
        }
        self.tear(
            at as usize / w + nth,
            &bytes[nth * w..(nth + 1) * w],
            tear,
            false,
        );
    }

    /// The operation `action` takes place, without asking the supply.
    pub(crate) fn apply(&mut self, action: &Action) {
        match action {
            Action::Erase { block, .. } => self.blank(*block),
            Action::Program { at, bytes, .. } => {
                self.fill_in(*at as usize, bytes);
                self.counts.programs += 1;
                self.counts.programmed_bytes += bytes.len() as u64;
            }
            Action::Flag(_) => {}
        }
    }

    fn worn(&mut self, at: u32) -> Option<&mut Wear> {
        let behind = self.wear.partition_point(|wear| wear.block.start <= at);
        self.wear.get_mut(behind.checked_sub(1)?)
    }

    fn fill_in(&mut self, at: usize, bytes: &[u8]) {
        if let Some(wear) = self.worn(at as u32) {
            wear.programmed_bytes += bytes.len() as u64;
        }
        Arc::make_mut(&mut self.bytes)[at..at + bytes.len()].copy_from_slice(bytes);
        let units = self.unit_range(at, bytes.len());
        self.count_program(units);
    }

    fn blank(&mut self, block: Block) {
        let bytes = block.start as usize..block.end() as usize;
        let units = self.unit_range(bytes.start, bytes.len());
        Arc::make_mut(&mut self.units)[units].fill(ERASED);
        Arc::make_mut(&mut self.bytes)[bytes].fill(self.geometry.erased);
        self.counts.erases += 1;
        if let Some(wear) = self.worn(block.start) {
            wear.erases += 1;
        }
    }

    /// What bad units among `units` do to a read of `out` from `at`.
    fn disturb(&mut self, units: Range<usize>, at: usize, out: &mut [u8]) -> Result<(), Fault> {
        let w = self.geometry.write_size as usize;
        for unit in units {
            let noise = match self.units[unit].state {
                // Even odds that it reads well this time.
                State::Weak => self.power.random() & 1 == 0,
                State::Poisoned if self.rewrites == Rewrites::Never => {
                    out.fill(0);
                    return Err(Fault::Poisoned);
                }
                // No ECC: metastable cells read as anything.
                State::Poisoned => true,
                _ => false,
            };
            if noise {
                let from = (unit * w).max(at) - at;
                let to = ((unit + 1) * w).min(at + out.len()) - at;
                for byte in &mut out[from..to] {
                    *byte ^= (self.power.random() & self.power.random()) as u8;
                }
            }
        }
        Ok(())
    }
}

impl Flash for SimFlash {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        if self.refuses() {
            return Err(Fault::Bus);
        }
        let (at, len) = (at as usize, out.len());
        if at + len > self.bytes.len() {
            return self.violation(format!("read of {len} bytes at {at:#x}: out of range"));
        }
        self.counts.reads += 1;
        self.counts.read_bytes += len as u64;
        out.copy_from_slice(&self.bytes[at..at + len]);
        if !self.suspect || len == 0 {
            return Ok(());
        }
        self.disturb(self.unit_range(at, len), at, out)
    }

    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        if self.refuses() {
            return Err(Fault::Bus);
        }
        if self.geometry.block(block.start) != Some(block) {
            return self.violation(format!("erase of {block:?}: no such block"));
        }
        if self.is_protected(block.start as usize, block.len as usize) {
            return self.violation(format!("erase of {block:?}: not ours"));
        }
        let device = self.device;
        match self.power.operation(|| Action::Erase { device, block }) {
            Err(None) => Err(Fault::Bus),
            Err(Some(tear)) => {
                let step = self.power.below(ERASE_STEPS as usize) as u32;
                self.cut_erase(block, step, tear);
                Err(Fault::Bus)
            }
            Ok(()) => {
                self.blank(block);
                Ok(())
            }
        }
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        if self.refuses() {
            return Err(Fault::Bus);
        }
        let w = self.geometry.write_size as usize;
        let (start, len) = (at as usize, bytes.len());
        if start + len > self.bytes.len() || start % w != 0 || len % w != 0 || len == 0 {
            return self.violation(format!(
                "program of {len} bytes at {at:#x}: not whole units"
            ));
        }
        if self.is_protected(start, len) {
            return self.violation(format!("program of {at:#x}: not ours"));
        }
        let units = self.unit_range(start, len);
        for (unit, bytes) in units.clone().zip(bytes.chunks(w)) {
            if let Some(why) = self.objection(unit, bytes) {
                let state = self.units[unit];
                return self.violation(format!("program of {:#x}: {why} ({state:?})", unit * w));
            }
        }
        let device = self.device;
        let action = || Action::Program {
            device,
            at,
            bytes: bytes.to_vec(),
        };
        match self.power.operation(action) {
            Err(None) => Err(Fault::Bus),
            Err(Some(tear)) => {
                let nth = self.power.below(units.len());
                self.cut_program(at, bytes, nth, tear);
                Err(Fault::Bus)
            }
            Ok(()) => {
                self.fill_in(start, bytes);
                self.counts.programs += 1;
                self.counts.programmed_bytes += len as u64;
                Ok(())
            }
        }
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
    fn rewritable_units_take_the_same_bits_again() {
        for erased in [0xff, 0] {
            let power = Power::new(1);
            let geometry = Geometry {
                write_once: false,
                erased,
                ..small().0.geometry
            };
            let bits = |n: u8| [n ^ !erased; 8];
            let fresh = |rewrites| SimFlash::new(geometry, power.clone()).with_rewrites(rewrites);
            let mut free = fresh(Rewrites::Freely);
            for n in [0b1111_0111, 0b1111_0111, 0b1110_0111] {
                assert_eq!(free.program(0, &bits(n)), Ok(()), "{erased} {n:b}");
            }
            assert_eq!(free.bytes()[..8], bits(0b1110_0111));
            assert_eq!(free.violations().len(), 0);
            // Setting a bit back, and more often than the part allows.
            assert_eq!(free.program(0, &bits(0b1111_0111)), Err(Fault::Bus));
            let mut twice = fresh(Rewrites::Times(2));
            assert_eq!(twice.program(0, &bits(1)), Ok(()));
            assert_eq!(twice.program(0, &bits(1)), Ok(()));
            assert_eq!(twice.program(0, &bits(1)), Err(Fault::Bus));
            assert_eq!(free.violations().len() + twice.violations().len(), 2);
            assert_eq!(twice.erase(FIRST), Ok(()));
            assert_eq!(twice.program(0, &bits(1)), Ok(()));
        }
    }

    #[test]
    fn a_cut_program_is_finished_where_that_is_allowed() {
        for tear in [Tear::All, Tear::RandomBits, Tear::Weak, Tear::Poisoned] {
            for (rewrites, again) in [
                (Rewrites::Freely, Ok(())),
                (Rewrites::Times(1), Err(Fault::Bus)),
                (Rewrites::Never, Err(Fault::Bus)),
            ] {
                let (f, power) = small();
                let mut f = f.with_rewrites(rewrites);
                power.cut_after(0, tear);
                assert_eq!(f.program(0, &[0x5a; 8]), Err(Fault::Bus));
                power.reboot();
                assert_eq!(f.program(0, &[0x5a; 8]), again, "{tear:?} {rewrites:?}");
                let mut out = [0; 8];
                if again.is_ok() {
                    assert_eq!((f.read(0, &mut out), out), (Ok(()), [0x5a; 8]));
                }
            }
        }
    }

    #[test]
    fn a_part_without_ecc_reads_noise_and_no_fault() {
        let (f, _) = small();
        let mut f = f.with_rewrites(Rewrites::Times(2));
        f.poison(0);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let mut out = [0; 8];
            assert_eq!(f.read(0, &mut out), Ok(()));
            seen.insert(out);
        }
        assert!(seen.len() > 5);
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

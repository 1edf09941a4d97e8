//! Where an instruction keeps a number: runs of bits that the encoding scatters.
//!
//! Fed by the form tables of the instruction-set modules. Reading, writing and
//! blanking come from one description, so they cannot disagree. Invariant: `set`
//! gives `Some(w)` exactly when `get(w)` is the value that was asked for, which
//! covers range, sign and alignment at once.

use super::sign_extend;

/// Bits that lie together in the word and in the number, packed by [`runs`].
pub(super) type Run = u16;

/// Marks the last run of a number.
const LAST: Run = 1 << 15;

/// The runs of one number: `(bit in the word, bit in the number, how many)`, in any order;
/// how many is 1..=31.
// Evaluated while compiling.
#[allow(clippy::indexing_slicing)]
pub(super) const fn runs<const N: usize>(of: [(u8, u8, u8); N]) -> [Run; N] {
    let mut packed = [LAST; N];
    let mut k = 0;
    while k < N {
        let (from, to, n) = of[k];
        assert!(n > 0 && n < 32 && from + n <= 32 && to + n <= 32);
        packed[k] = from as Run | (to as Run) << 5 | ((32 - n) as Run) << 10;
        if k + 1 == N {
            packed[k] |= LAST;
        }
        k += 1;
    }
    packed
}

/// [`moved`] from the word to the number.
pub(super) const OUT: u32 = 0;
/// [`moved`] from the number to the word.
pub(super) const INTO: u32 = 5;

/// The bits in the runs of one number, `runs` from `at` on, moved to where the other side has
/// them.
// One loop for reading, writing and blanking: on a device that is less code.
#[inline(always)]
pub(super) fn moved(runs: &[Run], mut at: usize, bits: u32, way: u32) -> u32 {
    let mut there = 0;
    while let Some(&run) = runs.get(at) {
        let packed = u32::from(run);
        let (from, to) = (packed >> (way & 15) & 31, packed >> ((5 - way) & 15) & 31);
        there |= (bits >> from & u32::MAX >> (packed >> 10 & 31)) << to;
        if run & LAST != 0 {
            break;
        }
        at += 1;
    }
    there
}

/// One number inside an instruction word.
pub(super) struct Bits {
    runs: &'static [Run],
    /// Width from which the number is sign-extended; 32 for unsigned numbers.
    width: u32,
}

impl Bits {
    pub(super) const fn signed(width: u32, runs: &'static [Run]) -> Bits {
        Bits { runs, width }
    }

    pub(super) const fn unsigned(runs: &'static [Run]) -> Bits {
        Bits { runs, width: 32 }
    }

    pub(super) fn get(&self, word: u32) -> u32 {
        sign_extend(moved(self.runs, 0, word, OUT), self.width)
    }

    pub(super) fn set(&self, word: u32, value: u32) -> Option<u32> {
        let new = self.clear(word) | moved(self.runs, 0, value, INTO);
        (self.get(new) == value).then_some(new)
    }

    pub(super) fn clear(&self, word: u32) -> u32 {
        word & !moved(self.runs, 0, u32::MAX, INTO)
    }
}

/// A number stored as a magnitude, with opcode bits that say add or subtract.
pub(super) struct Magnitude {
    pub(super) bits: Bits,
    /// Opcode bits that are set to add and clear to subtract.
    pub(super) add: u32,
    /// Opcode bits that are set to subtract and clear to add.
    pub(super) sub: u32,
}

impl Magnitude {
    /// `None` for "subtract zero": `set` would turn it into "add zero".
    pub(super) fn get(&self, word: u32) -> Option<u32> {
        let value = self.bits.get(word);
        if word & (self.add | self.sub) == self.add {
            Some(value)
        } else if value != 0 {
            Some(value.wrapping_neg())
        } else {
            None
        }
    }

    pub(super) fn set(&self, word: u32, value: u32) -> Option<u32> {
        let word = self.clear(word);
        if (value as i32) < 0 {
            self.bits.set(word | self.sub, value.wrapping_neg())
        } else {
            self.bits.set(word | self.add, value)
        }
    }

    pub(super) fn clear(&self, word: u32) -> u32 {
        self.bits.clear(word) & !(self.add | self.sub)
    }
}

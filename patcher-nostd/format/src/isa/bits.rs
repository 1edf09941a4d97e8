//! Where an instruction keeps a number: runs of bits that the encoding scatters.
//!
//! Fed by the form tables of the instruction-set modules. Reading, writing and
//! blanking come from one description, so they cannot disagree. Invariant: `set`
//! gives `Some(w)` exactly when `get(w)` is the value that was asked for, which
//! covers range, sign and alignment at once.

use super::sign_extend;

/// One number inside an instruction word.
pub(super) struct Bits {
    /// `(bit in the word, bit in the number, how many)`, in any order; how many is 1..=31.
    runs: &'static [(u8, u8, u8)],
    /// Width from which the number is sign-extended; 32 for unsigned numbers.
    width: u32,
}

impl Bits {
    pub(super) const fn signed(width: u32, runs: &'static [(u8, u8, u8)]) -> Bits {
        Bits { runs, width }
    }

    pub(super) const fn unsigned(runs: &'static [(u8, u8, u8)]) -> Bits {
        Bits { runs, width: 32 }
    }

    pub(super) fn get(&self, word: u32) -> u32 {
        let mut value = 0;
        for &(from, to, n) in self.runs {
            value |= ((word >> from) & ones(n)) << to;
        }
        sign_extend(value, self.width)
    }

    pub(super) fn set(&self, word: u32, value: u32) -> Option<u32> {
        let mut new = self.clear(word);
        for &(from, to, n) in self.runs {
            new |= ((value >> to) & ones(n)) << from;
        }
        (self.get(new) == value).then_some(new)
    }

    pub(super) fn clear(&self, mut word: u32) -> u32 {
        for &(from, _, n) in self.runs {
            word &= !(ones(n) << from);
        }
        word
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

const fn ones(n: u8) -> u32 {
    u32::MAX >> (32 - n)
}

//! Adaptive models: what is likely next, learned from what was coded.
//!
//! Driven by the codec with contexts and, when encoding, values; drives a
//! [`Coder`]. Every model is one function for both directions, so encoder and
//! decoder cannot drift. All state lives in one `[u16]` workspace that the caller
//! gives, cut up here. SPEC §6.2 to §6.5.

mod mixer;
mod number;
mod slot;

pub use mixer::{BYTE_INPUTS, FLAG_INPUTS, hash};
pub use number::NumberModel;

use crate::coder::Coder;
use crate::profile::Limits;
use crate::{Error, ErrorKind};

/// Weight sets of the byte mixer: four situations by eight bit positions.
pub const BYTE_SETS: usize = 32;
/// Weight sets of the flag mixer: 64 for unit flags, 8 for byte flags, 4 for blocks.
pub const FLAG_SETS: usize = 76;
/// Single adaptive flags without mixing.
pub const BITS: usize = 96;

const BYTE_WEIGHTS: usize = BYTE_SETS * BYTE_INPUTS;
const FLAG_WEIGHTS: usize = FLAG_SETS * FLAG_INPUTS;
const NUMBERS: usize = NumberModel::COUNT * number::SLOTS;

/// Words whose count does not depend on the profile.
const FIXED_WORDS: usize = BYTE_WEIGHTS + FLAG_WEIGHTS + NUMBERS + BITS;

/// A slot that has seen nothing: probability one half, count zero.
pub const BLANK_SLOT: u16 = 0x8000;
/// A mixer weight before training: 0.3 of 4096.
pub const BLANK_WEIGHT: i16 = 1229;

/// Flat price of a mixed flag in a sketch, as a probability: 0.1 bit.
const SKETCHED_FLAG: u32 = 61_000;
/// Flat price of a mixed byte in a sketch: 6 bits.
const SKETCHED_BYTE: u32 = 1024;

/// All adaptive state of one decoder or encoder.
#[derive(Debug)]
pub struct Models<'w> {
    bytes: &'w mut [u16],
    flags: &'w mut [u16],
    byte_weights: &'w mut [u16],
    flag_weights: &'w mut [u16],
    numbers: &'w mut [u16],
    bits: &'w mut [u16],
}

/// What a word of the models is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordKind {
    /// Probability and count.
    Slot,
    /// Mixer weight, signed.
    Weight,
}

/// A trained initial state: the words of [`Models`] in workspace order.
#[derive(Clone, Copy, Debug)]
pub struct Prior<'p> {
    /// Number that the manifest names it by; never 0.
    pub id: u32,
    /// As many words as [`Models::words`] says for its profile.
    pub words: &'p [u16],
}

/// The next `n` words of `rest`, which are there.
#[inline(never)]
pub(crate) fn split<'w>(rest: &mut &'w mut [u16], n: usize) -> &'w mut [u16] {
    match core::mem::take(rest).split_at_mut_checked(n) {
        Some((head, tail)) => {
            *rest = tail;
            head
        }
        None => &mut [],
    }
}

/// `words` in the front of `rest`, for a fork.
pub(crate) fn copied<'w>(words: &[u16], rest: &mut &'w mut [u16]) -> Result<&'w mut [u16], Error> {
    if rest.len() < words.len() {
        return Err(Error::new(ErrorKind::WorkspaceTooSmall, 0));
    }
    let to = split(rest, words.len());
    for (to, from) in to.iter_mut().zip(words) {
        *to = *from;
    }
    Ok(to)
}

impl<'w> Models<'w> {
    /// The same state in the front of `rest`.
    pub(crate) fn fork<'x>(&self, rest: &mut &'x mut [u16]) -> Result<Models<'x>, Error> {
        Ok(Models {
            bytes: copied(self.bytes, rest)?,
            flags: copied(self.flags, rest)?,
            byte_weights: copied(self.byte_weights, rest)?,
            flag_weights: copied(self.flag_weights, rest)?,
            numbers: copied(self.numbers, rest)?,
            bits: copied(self.bits, rest)?,
        })
    }

    /// Words of workspace that the models of `limits` need.
    pub const fn words(limits: &Limits) -> usize {
        limits.byte_slots + limits.flag_slots + FIXED_WORDS
    }

    /// Cuts the models out of the front of `rest`; they hold garbage until
    /// [`Models::reset`].
    pub fn carve(rest: &mut &'w mut [u16], limits: &Limits) -> Result<Self, Error> {
        if rest.len() < Models::words(limits) {
            return Err(Error::new(ErrorKind::WorkspaceTooSmall, 0));
        }
        Ok(Models::laid_out(rest, limits))
    }

    /// As [`Models::carve`], from words that suffice.
    #[inline(always)]
    pub(crate) fn laid_out(rest: &mut &'w mut [u16], limits: &Limits) -> Self {
        Models {
            bytes: split(rest, limits.byte_slots),
            flags: split(rest, limits.flag_slots),
            byte_weights: split(rest, BYTE_WEIGHTS),
            flag_weights: split(rest, FLAG_WEIGHTS),
            numbers: split(rest, NUMBERS),
            bits: split(rest, BITS),
        }
    }

    fn parts(&mut self) -> [&mut [u16]; 6] {
        [
            self.bytes,
            self.flags,
            self.byte_weights,
            self.flag_weights,
            self.numbers,
            self.bits,
        ]
    }

    /// The initial state: `prior` where there is one, blank otherwise.
    pub fn reset(&mut self, prior: Option<&Prior<'_>>) {
        let mut from = prior.map(|prior| prior.words);
        for (k, part) in self.parts().into_iter().enumerate() {
            let blank = match k {
                2 | 3 => BLANK_WEIGHT as u16,
                _ => BLANK_SLOT,
            };
            match from.map(|words| words.split_at_checked(part.len())) {
                // Not `copy_from_slice`, which can panic.
                Some(Some((head, tail))) => {
                    for (to, word) in part.iter_mut().zip(head) {
                        *to = *word;
                    }
                    from = Some(tail);
                }
                // A prior that is too short leaves the rest as it is.
                Some(None) => {}
                None => part.fill(blank),
            }
        }
    }

    /// Single flags alone go back to blank, the taught ones among them: all that a codec
    /// uses which codes with something else.
    pub fn forget_taught(&mut self) {
        self.bits.fill(BLANK_SLOT);
    }

    /// Codes single adaptive flag `which` (below [`BITS`]).
    #[inline]
    pub fn bit<C: Coder>(&mut self, coder: &mut C, which: usize, bit: bool) -> bool {
        match self.bits.get_mut(which) {
            Some(s) => slot::code(coder, s, bit),
            None => false,
        }
    }

    /// The probability of `true` (of 4096) of single adaptive flag `which`.
    #[inline]
    pub fn probability(&self, which: usize) -> u16 {
        self.bits.get(which).map_or(2048, |&s| slot::probability(s))
    }

    /// Teaches single adaptive flag `which` a decision that is not coded.
    pub fn learn_bit(&mut self, which: usize, bit: bool) {
        if let Some(s) = self.bits.get_mut(which) {
            slot::teach(s, bit);
        }
    }

    /// Codes `value` (below 2^30) with number model `model`.
    pub fn number<C: Coder>(&mut self, coder: &mut C, model: NumberModel, value: u32) -> u32 {
        let first = model as usize * number::SLOTS;
        match self.numbers.get_mut(first..) {
            Some(slots) => number::code(coder, slots, value),
            None => 0,
        }
    }

    /// Codes a signed value (absolute value below 2^29) with number model `model`.
    pub fn signed<C: Coder>(&mut self, coder: &mut C, model: NumberModel, value: i32) -> i32 {
        let size = self.number(coder, model, value.unsigned_abs());
        let sign = (model as usize + 1) * number::SLOTS - 1;
        let negative = match self.numbers.get_mut(sign) {
            Some(s) if size > 0 => slot::code(coder, s, value < 0),
            _ => false,
        };
        let size = size as i32;
        if negative { size.wrapping_neg() } else { size }
    }

    /// Codes a flag by mixing the six contexts `contexts` with weight set `set`.
    #[inline]
    pub fn flag<C: Coder>(
        &mut self,
        coder: &mut C,
        set: usize,
        contexts: &[u32; FLAG_INPUTS - 1],
        bit: bool,
    ) -> bool {
        if C::SKETCHES {
            coder.bit(true, SKETCHED_FLAG);
            return bit;
        }
        mixer::flag(coder, self.flags, self.flag_weights, set, contexts, bit)
    }

    /// Codes a byte by mixing the seven contexts `contexts`; `situation` (0..=3) picks
    /// the weights.
    #[inline]
    pub fn byte<C: Coder>(
        &mut self,
        coder: &mut C,
        situation: usize,
        contexts: &[u32; BYTE_INPUTS - 1],
        value: u8,
    ) -> u8 {
        if C::SKETCHES {
            coder.bit(true, SKETCHED_BYTE);
            return value;
        }
        mixer::byte(
            coder,
            self.bytes,
            self.byte_weights,
            situation,
            contexts,
            value,
        )
    }

    /// Words in the order of [`Prior::words`], for the trainer.
    pub fn dump(&mut self, mut each: impl FnMut(u16, WordKind)) {
        for (k, part) in self.parts().into_iter().enumerate() {
            let kind = if k == 2 || k == 3 {
                WordKind::Weight
            } else {
                WordKind::Slot
            };
            for &word in part.iter() {
                each(word, kind);
            }
        }
    }
}

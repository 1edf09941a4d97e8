//! Adaptive models: what is likely next, learned from what was coded.
//!
//! Driven by the codec with contexts and, when encoding, values; drives a
//! [`Coder`]. Every model is one function for both directions, so encoder and
//! decoder cannot drift. All state lives in one `[u16]` workspace that the caller
//! gives, cut up here. SPEC §6.2 to §6.5.

mod mixer;
mod number;
mod slot;

pub use mixer::{BYTE_INPUTS, Contexts, FLAG_INPUTS, hash};
pub use number::NumberModel;

use crate::coder::Coder;
use crate::logistic::stretch;
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

/// Words whose count does not depend on the profile, and where among them their parts begin.
pub(crate) const FIXED_WORDS: usize = BITS_AT + BITS;
const FLAG_WEIGHTS_AT: usize = BYTE_WEIGHTS;
const NUMBERS_AT: usize = FLAG_WEIGHTS_AT + FLAG_WEIGHTS;
const BITS_AT: usize = NUMBERS_AT + NUMBERS;

/// A slot that has seen nothing: probability one half, count zero.
pub const BLANK_SLOT: u16 = 0x8000;
/// A mixer weight before training: 0.3 of 4096.
pub const BLANK_WEIGHT: i16 = 1229;

/// Flat price of a mixed flag in a sketch, as a probability: 0.1 bit.
const SKETCHED_FLAG: u32 = 61_000;
/// Flat price of a mixed byte in a sketch: 6 bits.
const SKETCHED_BYTE: u32 = 1024;

/// In a set of weights: one of the flag mixer.
const FLAG: usize = 128;

/// All adaptive state of one decoder or encoder.
#[derive(Debug)]
pub struct Models<'w> {
    bytes: &'w mut [u16],
    flags: &'w mut [u16],
    /// Weights of the byte mixer, of the flag mixer, numbers, single flags.
    fixed: &'w mut [u16; FIXED_WORDS],
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

/// The next `n` words of `rest`; none where there are not so many.
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
        return Err(too_small());
    }
    let to = split(rest, words.len());
    for (to, from) in to.iter_mut().zip(words) {
        *to = *from;
    }
    Ok(to)
}

/// The workspace does not hold the tables.
#[cold]
fn too_small() -> Error {
    Error::new(ErrorKind::WorkspaceTooSmall, 0)
}

/// The words of `prior` that are for `part`, taken from its front; `blank` where there are no
/// more.
#[inline(never)]
fn begin(part: &mut [u16], prior: &mut &[u16], blank: u16) {
    // Sooner where tables are large.
    if cfg!(not(feature = "small-code")) && prior.is_empty() {
        part.fill(blank);
        return;
    }
    for word in part {
        *word = blank;
        if let Some((first, rest)) = prior.split_first() {
            (*word, *prior) = (*first, rest);
        }
    }
}

impl<'w> Models<'w> {
    /// The same state in the front of `rest`.
    pub(crate) fn fork<'x>(&self, rest: &mut &'x mut [u16]) -> Result<Models<'x>, Error> {
        let fixed = |words: &'x mut [u16]| words.try_into().map_err(|_| too_small());
        Ok(Models {
            bytes: copied(self.bytes, rest)?,
            flags: copied(self.flags, rest)?,
            fixed: fixed(copied(self.fixed, rest)?)?,
        })
    }

    /// Words of workspace that the models of `limits` need.
    pub const fn words(limits: &Limits) -> usize {
        limits.byte_slots + limits.flag_slots + FIXED_WORDS
    }

    /// Cuts the models out of the front of `rest`; they hold garbage until
    /// [`Models::reset`].
    ///
    /// # Errors
    /// [`ErrorKind::WorkspaceTooSmall`] if there are fewer than [`Models::words`].
    pub fn carve(rest: &mut &'w mut [u16], limits: &Limits) -> Result<Self, Error> {
        let bytes = split(rest, limits.byte_slots);
        let flags = split(rest, limits.flag_slots);
        let fixed = split(rest, FIXED_WORDS).try_into();
        Ok(Models::of(bytes, flags, fixed.map_err(|_| too_small())?))
    }

    /// The models in words that have been cut out, as [`Models::carve`] does.
    #[inline]
    pub(crate) fn of(
        bytes: &'w mut [u16],
        flags: &'w mut [u16],
        fixed: &'w mut [u16; FIXED_WORDS],
    ) -> Self {
        Models {
            bytes,
            flags,
            fixed,
        }
    }

    /// The initial state: `prior` as far as it goes, blank from there on.
    pub fn reset(&mut self, mut prior: &[u16]) {
        let (weights, rest) = self.fixed.split_at_mut(NUMBERS_AT);
        begin(self.bytes, &mut prior, BLANK_SLOT);
        begin(self.flags, &mut prior, BLANK_SLOT);
        begin(weights, &mut prior, BLANK_WEIGHT as u16);
        begin(rest, &mut prior, BLANK_SLOT);
    }

    /// Single flags alone go back to blank, the taught ones among them: all that a codec
    /// uses which codes with something else.
    pub fn forget_taught(&mut self) {
        if let Some(bits) = self.fixed.get_mut(BITS_AT..) {
            bits.fill(BLANK_SLOT);
        }
    }

    /// Codes single adaptive flag `which` (below [`BITS`]).
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    pub fn bit<C: Coder>(&mut self, coder: &mut C, which: usize, bit: bool) -> bool {
        self.slot(coder, BITS_AT + which, bit)
    }

    /// Codes a decision with the fixed word at `at` alone; as even where there is none.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn slot<C: Coder>(&mut self, coder: &mut C, at: usize, bit: bool) -> bool {
        let p = self.fixed.get(at).map_or(1 << 15, |&s| slot::odds(s));
        let bit = coder.bit(bit, p);
        self.teach(at, bit, slot::SEASONED);
        bit
    }

    /// Moves the fixed word at `at` towards `bit`, to a count of at most `most`.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn teach(&mut self, at: usize, bit: bool, most: u16) {
        if let Some(s) = self.fixed.get_mut(at) {
            slot::update(s, bit, most);
        }
    }

    /// The slot of single adaptive flag `which`.
    #[inline]
    fn asked(&self, which: usize) -> u16 {
        self.fixed
            .get(BITS_AT + which)
            .copied()
            .unwrap_or(BLANK_SLOT)
    }

    /// The probability of `true` (of 4096) of single adaptive flag `which`.
    #[inline]
    pub fn probability(&self, which: usize) -> u16 {
        slot::probability(self.asked(which))
    }

    /// The same as a vote: its logit in 1/16 nat.
    #[inline]
    pub fn vote(&self, which: usize) -> i32 {
        stretch(self.asked(which))
    }

    /// Teaches single adaptive flag `which` a decision that is not coded.
    pub fn learn_bit(&mut self, which: usize, bit: bool) {
        self.teach(BITS_AT + which, bit, slot::ASKED);
    }

    /// [`Models::number`] of a model of signed numbers.
    #[inline(always)]
    pub fn signed<C: Coder>(&mut self, coder: &mut C, model: NumberModel, value: i32) -> i32 {
        self.number(coder, model, value as u32) as i32
    }

    /// Codes a flag by mixing the first six of `contexts` with weight set `set`.
    #[inline(always)]
    pub fn flag<C: Coder>(
        &mut self,
        coder: &mut C,
        set: usize,
        contexts: &mut Contexts,
        bit: bool,
    ) -> bool {
        if C::SKETCHES {
            coder.bit(true, SKETCHED_FLAG);
            return bit;
        }
        self.decisions(coder, set | FLAG, contexts, u32::from(bit)) != 0
    }

    /// Codes a byte by mixing the seven `contexts`; `situation` (0..=3) picks the weights.
    #[inline(always)]
    pub fn byte<C: Coder>(
        &mut self,
        coder: &mut C,
        situation: usize,
        contexts: &mut Contexts,
        value: u8,
    ) -> u8 {
        if C::SKETCHES {
            coder.bit(true, SKETCHED_BYTE);
            return value;
        }
        self.decisions(coder, situation, contexts, u32::from(value)) as u8
    }

    /// Codes the bits of a byte, or a flag with set `set` without [`FLAG`].
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn decisions<C: Coder>(
        &mut self,
        coder: &mut C,
        set: usize,
        contexts: &mut Contexts,
        value: u32,
    ) -> u32 {
        for context in contexts.iter_mut() {
            context[0] = hash(context[0], context[1]);
        }
        let flag = set & FLAG != 0;
        let (mut weights, count) = if flag {
            let weights = FLAG_WEIGHTS_AT + set * FLAG_INPUTS;
            (weights.wrapping_sub(FLAG * FLAG_INPUTS), FLAG_INPUTS - 1)
        } else {
            (set * 8 * BYTE_INPUTS, BYTE_INPUTS - 1)
        };
        let contexts = contexts.get_mut(..count).unwrap_or(&mut []);
        // The bits that are left, from bit 7 down.
        let mut value = C::truth(if flag { value << 7 } else { value });
        let mut node = u32::from(!flag);
        loop {
            let offset = node.wrapping_mul(mixer::STRIDE);
            let bit = self.mixed(coder, weights, contexts, offset, value & 0x80 != 0);
            node = node << 1 | u32::from(bit);
            if flag || node > 0xff {
                return node;
            }
            weights += BYTE_INPUTS;
            value <<= 1;
        }
    }

    /// Codes one decision from hashed `contexts`, moved on by `offset`: a bit of a byte where
    /// there are as many as that takes, a flag otherwise. The weights begin at the fixed word
    /// `weights`.
    // On a device one copy for flags and bytes; on a host two, whose loops are unrolled.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline(always))]
    fn mixed<C: Coder>(
        &mut self,
        coder: &mut C,
        weights: usize,
        contexts: &mut [[u32; 2]],
        offset: u32,
        bit: bool,
    ) -> bool {
        let slots = if contexts.len() == BYTE_INPUTS - 1 {
            &mut self.bytes
        } else {
            &mut self.flags
        };
        // There are others behind the last.
        if weights > NUMBERS_AT || contexts.len() >= BYTE_INPUTS {
            return false;
        }
        let weights = self.fixed.get_mut(weights..);
        let Some(weights) = weights.and_then(|words| words.first_chunk_mut()) else {
            return false;
        };
        mixer::mixed(coder, slots, weights, contexts, offset, bit)
    }

    /// Words in the order of [`Prior::words`], for the trainer.
    pub fn dump(&mut self, mut each: impl FnMut(u16, WordKind)) {
        let slots = self.bytes.iter().chain(self.flags.iter());
        slots.for_each(|&word| each(word, WordKind::Slot));
        for (at, &word) in self.fixed.iter().enumerate() {
            let weight = at < NUMBERS_AT;
            each(
                word,
                if weight {
                    WordKind::Weight
                } else {
                    WordKind::Slot
                },
            );
        }
    }
}

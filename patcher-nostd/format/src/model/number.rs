//! Whole numbers as adaptive Elias-gamma codes: the exponent in unary, then the
//! mantissa, of which the top bit and the two lowest are modelled (code and data come
//! in halfwords and words) and the rest is taken as even.
//!
//! SPEC §6.4.

use super::slot;
use crate::coder::Coder;

/// What a number stands for; each has its own statistics. The order is on the wire
/// through the prior.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum NumberModel {
    /// New offset of a map entry from the one before.
    MapGap = 0,
    /// Old offset of a map entry against the running diagonal.
    MapShift,
    /// How far a map copy ends before the next map entry.
    MapRest,
    /// Length of an insert.
    Insert,
    /// Distance of a copy from the new image.
    SelfDistance,
    /// Old offset of a copy against the end of the last one.
    Source,
    /// Old offset of a copy against the next map entry.
    SourceNext,
    /// Length of a copy from the old image.
    CopyLength,
    /// Length of a copy from the new image.
    SelfLength,
    /// Target of a reference against its prediction.
    Reference,
    /// Pointer against the pointer before it.
    PointerStep,
}

impl NumberModel {
    /// How many there are.
    pub const COUNT: usize = 11;
}

/// Exponents with statistics of their own; larger ones share the last.
const EXPONENTS: usize = 14;
/// Where the slots of the two lowest bits start: one for the upper, two for the lower.
const LOWEST: usize = 2 * EXPONENTS;
/// Slots of one number model; the last is for the sign.
pub(super) const SLOTS: usize = LOWEST + 4;
/// Largest exponent: numbers are below 2^30.
const MAX_EXPONENT: u32 = 30;

/// Codes `value` with the first [`SLOTS`] of `slots`.
pub(super) fn code<C: Coder>(coder: &mut C, slots: &mut [u16], value: u32) -> u32 {
    let shifted = value.wrapping_add(1);
    let exponent = 31 - shifted.max(1).leading_zeros();
    let mut k = 0;
    while k < MAX_EXPONENT {
        let at = (k as usize).min(EXPONENTS - 1);
        let more = match slots.get_mut(at) {
            Some(s) => slot::code(coder, s, k < exponent),
            None => false,
        };
        if !more {
            break;
        }
        k += 1;
    }
    let mut result = 1u32;
    for bit in (0..k).rev() {
        let truth = shifted >> bit & 1 != 0;
        let top = bit + 1 == k;
        let got = if top || bit < 2 {
            let at = if top {
                EXPONENTS + (k as usize).min(EXPONENTS - 1)
            } else if bit == 1 {
                LOWEST
            } else {
                LOWEST + 1 + (result & 1) as usize
            };
            match slots.get_mut(at) {
                Some(s) => slot::code(coder, s, truth),
                None => false,
            }
        } else {
            coder.bit(truth, 1 << 15)
        };
        result = result << 1 | u32::from(got);
    }
    result.wrapping_sub(1)
}

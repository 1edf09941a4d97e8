//! Whole numbers as adaptive Elias-gamma codes: the exponent in unary, then the
//! mantissa, of which the top bit and the two lowest are modelled (code and data come
//! in halfwords and words) and the rest is taken as even.
//!
//! SPEC §6.4.

use super::{Models, NUMBERS_AT};
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

    /// Whether its numbers have a sign.
    #[inline]
    pub fn is_signed(self) -> bool {
        const SIGNED: u32 = 1 << NumberModel::MapShift as u32
            | 1 << NumberModel::Source as u32
            | 1 << NumberModel::SourceNext as u32
            | 1 << NumberModel::Reference as u32
            | 1 << NumberModel::PointerStep as u32;
        SIGNED >> self as u32 & 1 != 0
    }
}

/// Exponents with statistics of their own; larger ones share the last.
const EXPONENTS: usize = 14;
/// Where the slots of the two lowest bits start: one for the upper, two for the lower.
const LOWEST: usize = 2 * EXPONENTS;
/// Slots of one number model; the last is for the sign.
pub(super) const SLOTS: usize = LOWEST + 4;
/// Largest exponent: numbers are below 2^30.
const MAX_EXPONENT: u32 = 30;

/// In the place of a slot: the decision is taken as even.
const EVEN: usize = usize::MAX;

impl Models<'_> {
    /// Codes `value` with number model `model`: below 2^30, or as two's complement with an
    /// absolute value below 2^29 where the model is of signed numbers.
    #[cfg_attr(feature = "small-code", inline(never))]
    pub fn number<C: Coder>(&mut self, coder: &mut C, model: NumberModel, value: u32) -> u32 {
        let value = C::truth(value);
        let negative = model.is_signed() && (value as i32) < 0;
        let size = if negative {
            value.wrapping_neg()
        } else {
            value
        };
        let first = NUMBERS_AT + model as usize * SLOTS;
        let shifted = size.wrapping_add(1);
        let exponent = 31 - shifted.max(1).leading_zeros();
        let (mut k, mut at) = (0, first);
        while k < MAX_EXPONENT && self.slot(coder, at, k < exponent) {
            k += 1;
            if k < EXPONENTS as u32 {
                at += 1;
            }
        }
        at += EXPONENTS;
        let mut result = 1u32;
        while k > 0 {
            k -= 1;
            let bit = self.slot(coder, at, shifted >> (k & 31) & 1 != 0);
            result = result << 1 | u32::from(bit);
            at = match k {
                2 => first + LOWEST,
                1 => first + LOWEST + 1 + usize::from(bit),
                _ => EVEN,
            };
        }
        let size = result.wrapping_sub(1);
        if size > 0 && model.is_signed() && self.slot(coder, first + SLOTS - 1, negative) {
            return size.wrapping_neg();
        }
        size
    }
}

//! Logistic mixing of several adaptive probabilities, for flags and for bytes.
//!
//! Each context is hashed to a slot of a shared table (no check bits: in a table this
//! small a collision costs less than the bits that would detect it). The stretched
//! probabilities are weighed by a set of weights that learn from the coding error.
//! SPEC §6.5.

use super::slot::{self, CALM_BYTE, CALM_FLAG};
use crate::coder::Coder;
use crate::logistic::{squash, stretch};

/// Inputs of the flag mixer: six contexts and a bias.
pub const FLAG_INPUTS: usize = 7;
/// Inputs of the byte mixer: seven contexts and a bias.
pub const BYTE_INPUTS: usize = 8;

/// The constant input, one nat.
const BIAS: i32 = 256;

/// Spreads two words over 32 bits.
#[inline]
pub const fn hash(a: u32, b: u32) -> u32 {
    let x = a.wrapping_mul(0x9E37_79B1) ^ b.wrapping_mul(0x85EB_CA6B);
    let x = (x ^ (x >> 15)).wrapping_mul(0x2C1B_3C6D);
    x ^ (x >> 13)
}

/// The slot that `hashed` falls on in a table of `len`.
#[inline]
fn index(hashed: u32, len: usize) -> usize {
    ((u64::from(hashed) * len as u64) >> 32) as usize
}

#[inline]
fn weight_set<const N: usize>(weights: &mut [u16], set: usize) -> Option<&mut [u16; N]> {
    weights.get_mut(set * N..)?.first_chunk_mut::<N>()
}

/// Codes one decision from hashed contexts `at` into `slots`.
#[inline]
fn mixed<C: Coder, const N: usize>(
    coder: &mut C,
    slots: &mut [u16],
    weights: &mut [u16; N],
    hashed: impl Fn(usize) -> u32,
    bit: bool,
    (calm, rate, shift): (u32, i32, u32),
) -> bool {
    let mut inputs = [BIAS; N];
    let mut at = [0usize; N];
    let mut sum = 0i32;
    // One pass for each direction: on most cores a vector of what was just stored piece
    // by piece costs more than it saves.
    for (i, ((input, at), &w)) in inputs.iter_mut().zip(&mut at).zip(&*weights).enumerate() {
        if i + 1 < N {
            *at = index(hashed(i), slots.len());
            if let Some(&s) = slots.get(*at) {
                *input = stretch(slot::probability(s));
            }
        }
        sum = sum.wrapping_add(i32::from(w as i16).wrapping_mul(*input));
    }
    let p = squash(sum >> 12);
    let bit = coder.bit(bit, p);
    let error = (((i32::from(bit) << 16) - p as i32) >> 4).wrapping_mul(rate);
    let half = 1 << (shift - 1);
    for (i, ((&input, &at), w)) in inputs.iter().zip(&at).zip(weights).enumerate() {
        let step = input.wrapping_mul(error).wrapping_add(half) >> shift;
        let moved = i32::from(*w as i16).wrapping_add(step);
        *w = moved.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16 as u16;
        if i + 1 < N
            && let Some(s) = slots.get_mut(at)
        {
            slot::update(s, bit, calm);
        }
    }
    bit
}

/// See [`super::Models::flag`].
#[inline]
pub(super) fn flag<C: Coder>(
    coder: &mut C,
    slots: &mut [u16],
    weights: &mut [u16],
    set: usize,
    contexts: &[u32; FLAG_INPUTS - 1],
    bit: bool,
) -> bool {
    let Some(weights) = weight_set::<FLAG_INPUTS>(weights, set) else {
        return false;
    };
    let hashed = |i: usize| hash(contexts.get(i).copied().unwrap_or(0), i as u32 + 1);
    mixed(coder, slots, weights, hashed, bit, (CALM_FLAG, 6, 16))
}

/// See [`super::Models::byte`].
#[inline]
pub(super) fn byte<C: Coder>(
    coder: &mut C,
    slots: &mut [u16],
    weights: &mut [u16],
    situation: usize,
    contexts: &[u32; BYTE_INPUTS - 1],
    value: u8,
) -> u8 {
    let mut node = 1u32;
    for position in 0..8 {
        let Some(weights) = weight_set::<BYTE_INPUTS>(weights, situation * 8 + position) else {
            return 0;
        };
        let truth = value >> (7 - position) & 1 != 0;
        let hashed = |i: usize| {
            let c = contexts.get(i).copied().unwrap_or(0);
            hash(c.wrapping_add(i as u32 * 0x0100_0193), node)
        };
        let bit = mixed(coder, slots, weights, hashed, truth, (CALM_BYTE, 16, 18));
        node = node << 1 | u32::from(bit);
    }
    node as u8
}

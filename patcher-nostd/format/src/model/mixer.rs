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
#[cfg_attr(feature = "small-code", inline(never))]
#[cfg_attr(not(feature = "small-code"), inline)]
pub const fn hash(a: u32, b: u32) -> u32 {
    spread(a, b)
}

/// [`hash`] where every instruction counts.
#[inline(always)]
const fn spread(a: u32, b: u32) -> u32 {
    let x = a.wrapping_mul(0x9E37_79B1) ^ b.wrapping_mul(0x85EB_CA6B);
    let x = (x ^ (x >> 15)).wrapping_mul(0x2C1B_3C6D);
    x ^ (x >> 13)
}

/// The slot that `hashed` falls on in a table of `len`.
#[inline]
fn index(hashed: u32, len: usize) -> usize {
    ((u64::from(hashed) * len as u64) >> 32) as usize
}

/// Weight set `set`.
#[inline]
fn set_of<const N: usize>(weights: &mut [u16], set: usize) -> Option<&mut [u16]> {
    weights.get_mut(set * N..(set + 1) * N)
}

/// What one kind of decision is mixed with.
struct Mix {
    /// Added to the second word of a hash from one context to the next; for the first word.
    step: u32,
    salt: u32,
    /// Rate of a seasoned slot.
    calm: u32,
    /// Rate of the weights, and how far it is scaled down.
    rate: i32,
    shift: u32,
}

const FLAG: Mix = Mix {
    step: 1,
    salt: 0,
    calm: CALM_FLAG,
    rate: 6,
    shift: 16,
};

const BYTE: Mix = Mix {
    step: 0,
    salt: 0x0100_0193,
    calm: CALM_BYTE,
    rate: 16,
    shift: 18,
};

/// `weight` after a decision that was off by `error` and had `input` for it.
#[inline(always)]
fn taught(weight: u16, input: i32, error: i32, shift: u32) -> u16 {
    let step = input.wrapping_mul(error).wrapping_add(1 << (shift - 1)) >> shift;
    let moved = i32::from(weight as i16).wrapping_add(step);
    moved.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16 as u16
}

/// Codes one decision from `contexts`, hashed with `node`, into `slots`. There is one weight
/// more than contexts, for the bias.
// On a device one copy for flags and bytes; on a host two, whose loops are unrolled.
#[cfg_attr(feature = "small-code", inline(never))]
#[cfg_attr(not(feature = "small-code"), inline(always))]
fn mixed<C: Coder>(
    coder: &mut C,
    slots: &mut [u16],
    weights: &mut [u16],
    contexts: &[u32],
    node: u32,
    bit: bool,
    mix: &Mix,
) -> bool {
    let Some((bias, weights)) = weights.split_last_mut() else {
        return false;
    };
    // Of each context: the place of its slot (20 bits), then its stretched probability
    // too (12 bits, signed).
    let mut seen = [0u32; BYTE_INPUTS - 1];
    let (mut salt, mut second) = (0u32, node);
    // In passes: on most cores a vector of what was just stored piece by piece costs more
    // than it saves, and small ones have no more registers than this.
    for (&context, seen) in contexts.iter().zip(&mut seen) {
        *seen = index(spread(context.wrapping_add(salt), second), slots.len()) as u32;
        salt = salt.wrapping_add(mix.salt);
        second = second.wrapping_add(mix.step);
    }
    let mut sum = i32::from(*bias as i16).wrapping_mul(BIAS);
    for (&weight, seen) in weights.iter().zip(&mut seen) {
        if let Some(&s) = slots.get(*seen as usize) {
            let input = stretch(slot::probability(s));
            *seen = *seen << 12 | (input as u32 & 0xfff);
            sum = sum.wrapping_add(i32::from(weight as i16).wrapping_mul(input));
        }
    }
    let p = squash(sum >> 12);
    let bit = coder.bit(bit, p);
    let error = (((i32::from(bit) << 16) - p as i32) >> 4).wrapping_mul(mix.rate);
    *bias = taught(*bias, BIAS, error, mix.shift);
    for (weight, &seen) in weights.iter_mut().zip(&seen) {
        *weight = taught(*weight, (seen as i32) << 20 >> 20, error, mix.shift);
        if let Some(s) = slots.get_mut((seen >> 12) as usize) {
            slot::update_here(s, bit, mix.calm);
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
    let Some(weights) = set_of::<FLAG_INPUTS>(weights, set) else {
        return false;
    };
    mixed(coder, slots, weights, contexts, 1, bit, &FLAG)
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
        let Some(weights) = set_of::<BYTE_INPUTS>(weights, situation * 8 + position) else {
            return 0;
        };
        let truth = value >> (7 - position) & 1 != 0;
        let bit = mixed(coder, slots, weights, contexts, node, truth, &BYTE);
        node = node << 1 | u32::from(bit);
    }
    node as u8
}

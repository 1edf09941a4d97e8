//! Logistic mixing of several adaptive probabilities, for flags and for bytes.
//!
//! Each context is hashed to a slot of a shared table (no check bits: in a table this
//! small a collision costs less than the bits that would detect it). The stretched
//! probabilities are weighed by a set of weights that learn from the coding error.
//! SPEC §6.5.

use super::slot;
use crate::coder::Coder;
use crate::logistic::{NAT, squash, stretch};

/// Inputs of the flag mixer: six contexts and a bias.
pub const FLAG_INPUTS: usize = 7;
/// Inputs of the byte mixer: seven contexts and a bias.
pub const BYTE_INPUTS: usize = 8;

/// The constant input, one nat.
const BIAS: i32 = NAT;

/// Error (of 65536) up to which a decision was foreseen: nothing is learned from it. That
/// saves half the work where there is nothing to gain, and bytes: certain slots and weights
/// stay as they are.
const FORESEEN: u32 = 1023;

/// Spreads two words over 32 bits.
#[cfg_attr(feature = "small-code", inline(never))]
#[cfg_attr(not(feature = "small-code"), inline)]
pub const fn hash(a: u32, b: u32) -> u32 {
    let x = a.wrapping_mul(0x9E37_79B1) ^ b.wrapping_mul(0x85EB_CA6B);
    let x = (x ^ (x >> 15)).wrapping_mul(0x2C1B_3C6D);
    x ^ (x >> 13)
}

/// How far apart the slots of one context are that `node` and the node before it fall on:
/// contexts are hashes already.
const STRIDE: u32 = 0x9E37_79B1;

/// The slot that `hashed` falls on in a table of `len`.
#[inline(always)]
fn index(hashed: u32, len: usize) -> usize {
    ((u64::from(hashed) * len as u64) >> 32) as usize
}

/// Weight set `set`.
#[inline]
fn set_of<const N: usize>(weights: &mut [u16], set: usize) -> Option<&mut [u16]> {
    weights.get_mut(set * N..(set + 1) * N)
}

/// `weight` after a decision that was off by `error` and had `input` for it.
#[inline(always)]
fn taught(weight: u16, input: i32, error: i32) -> u16 {
    let step = input.wrapping_mul(error).wrapping_add(1 << 13) >> 14;
    let moved = i32::from(weight as i16).wrapping_add(step);
    moved.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16 as u16
}

/// Codes one decision from `contexts`, moved on by `offset`, into `slots`. There is one weight
/// more than contexts, for the bias.
// On a device one copy for flags and bytes; on a host two, whose loops are unrolled.
#[cfg_attr(feature = "small-code", inline(never))]
#[cfg_attr(not(feature = "small-code"), inline(always))]
fn mixed<C: Coder>(
    coder: &mut C,
    slots: &mut [u16],
    weights: &mut [u16],
    contexts: &[u32],
    offset: u32,
    bit: bool,
) -> bool {
    let Some((bias, weights)) = weights.split_last_mut() else {
        return false;
    };
    // Of each context: the place of its slot (24 bits), then its input (8 bits, signed).
    let mut seen = [0u32; BYTE_INPUTS - 1];
    let mut sum = i32::from(*bias as i16).wrapping_mul(BIAS);
    for ((&context, &weight), seen) in contexts.iter().zip(weights.iter()).zip(&mut seen) {
        let at = index(context.wrapping_add(offset), slots.len());
        if let Some(&s) = slots.get(at) {
            let input = stretch(slot::probability(s));
            *seen = (at as u32) << 8 | u32::from(input as u8);
            sum = sum.wrapping_add(i32::from(weight as i16).wrapping_mul(input));
        }
    }
    let p = squash(sum >> 8);
    let bit = coder.bit(bit, p);
    let error = (i32::from(bit) << 16) - p as i32;
    if error.unsigned_abs() <= FORESEEN {
        return bit;
    }
    *bias = taught(*bias, BIAS, error);
    for (weight, &seen) in weights.iter_mut().zip(&seen) {
        *weight = taught(*weight, i32::from(seen as i8), error);
        if let Some(s) = slots.get_mut((seen >> 8) as usize) {
            slot::update_here(s, bit, slot::SEASONED);
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
    mixed(coder, slots, weights, contexts, 0, bit)
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
        let offset = node.wrapping_mul(STRIDE);
        let bit = mixed(coder, slots, weights, contexts, offset, truth);
        node = node << 1 | u32::from(bit);
    }
    node as u8
}

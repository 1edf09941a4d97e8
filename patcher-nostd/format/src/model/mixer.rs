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
pub(super) const STRIDE: u32 = 0x9E37_79B1;

/// The slot that `hashed` falls on in a table of `len`.
#[inline(always)]
fn index(hashed: u32, len: usize) -> usize {
    ((u64::from(hashed) * len as u64) >> 32) as usize
}

/// `weight` after a decision that was off by `error` and had `input` for it.
#[inline(always)]
fn taught(weight: u16, input: i32, error: i32) -> u16 {
    let step = input.wrapping_mul(error).wrapping_add(1 << 13) >> 14;
    let moved = i32::from(weight as i16).wrapping_add(step);
    moved.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16 as u16
}

/// What a decision is made of, as two words each; of flags the last is not used. Once they
/// are hashed: the hash, and what it found.
pub type Contexts = [[u32; 2]; BYTE_INPUTS - 1];

/// Codes one decision from `contexts` (up to 7), hashed and moved on by `offset`, into `slots`.
/// The weight behind theirs is for the bias.
#[inline(always)]
pub(super) fn mixed<C: Coder>(
    coder: &mut C,
    slots: &mut [u16],
    weights: &mut [u16; BYTE_INPUTS],
    contexts: &mut [[u32; 2]],
    offset: u32,
    bit: bool,
) -> bool {
    let at_bias = contexts.len();
    let bias = weights
        .get(at_bias)
        .map_or(0, |&bias| i32::from(bias as i16));
    let mut sum = bias.wrapping_mul(BIAS);
    for ([hashed, seen], &weight) in contexts.iter_mut().zip(weights.iter()) {
        let at = index(hashed.wrapping_add(offset), slots.len());
        let input = stretch(slots.get(at).copied().unwrap_or(0));
        // The place of its slot (24 bits), then its input (8 bits, signed).
        *seen = ((at as u32) << 8).wrapping_add(input as u32);
        sum = sum.wrapping_add(i32::from(weight as i16).wrapping_mul(input));
    }
    let p = squash(sum >> 8);
    let bit = coder.bit(bit, p);
    let error = if bit { 1 << 16 } else { 0 } - p as i32;
    if error.unsigned_abs() <= FORESEEN {
        return bit;
    }
    if let Some(bias) = weights.get_mut(at_bias) {
        *bias = taught(*bias, BIAS, error);
    }
    for ([_, seen], weight) in contexts.iter().zip(weights) {
        let input = i32::from(*seen as i8);
        *weight = taught(*weight, input, error);
        let at = seen.wrapping_sub(input as u32) >> 8;
        if let Some(s) = slots.get_mut(at as usize) {
            slot::update(s, bit, slot::SEASONED);
        }
    }
    bit
}

//! One adaptive probability in 16 bits: 12 bits of probability, 4 bits of count.
//!
//! The count sets the rate, so a fresh slot learns fast and a seasoned one is calm
//! (state counters of PAQ6, without its history). SPEC §6.3.

use crate::coder::Coder;

/// 65536 / (count + 1.6), rounded down.
const RATE: [u16; 16] = [
    40960, 25206, 18204, 14246, 11702, 9929, 8623, 7620, 6826, 6182, 5649, 5201, 4818, 4488, 4201,
    3947,
];

/// Rate of a seasoned slot of the byte models and of single flags: 65536 / 24.
pub(super) const CALM_BYTE: u32 = 2730;
/// Rate of a seasoned slot of the mixed flags: 65536 / 40.
pub(super) const CALM_FLAG: u32 = 1638;

/// Rate of a seasoned slot that is only asked, never coded with: 65536 / 16.
pub(super) const CALM_UNCODED: u32 = 4096;

/// The 12-bit probability of `true`.
#[inline]
pub(super) fn probability(slot: u16) -> u16 {
    slot >> 4
}

/// Moves `slot` towards `bit`.
#[cfg_attr(feature = "small-code", inline(never))]
#[cfg_attr(not(feature = "small-code"), inline)]
pub(super) fn update(slot: &mut u16, bit: bool, calm: u32) {
    update_here(slot, bit, calm);
}

/// [`update`] where every instruction counts.
#[inline(always)]
pub(super) fn update_here(slot: &mut u16, bit: bool, calm: u32) {
    let count = *slot & 15;
    // As many rates as counts.
    #[allow(clippy::indexing_slicing)]
    let rate = if count == 15 {
        calm
    } else {
        u32::from(RATE[usize::from(count)])
    } as i32;
    let p = i32::from(*slot >> 4);
    let goal = if bit { 4095 } else { 0 };
    let moved = (p + (((goal - p) * rate) >> 16)).clamp(1, 4094);
    *slot = (moved as u16) << 4 | (count + 1).min(15);
}

/// Codes a decision with the slot alone.
#[inline]
pub(super) fn code<C: Coder>(coder: &mut C, slot: &mut u16, bit: bool) -> bool {
    let p = (u32::from(probability(*slot)) * 16 + 8).clamp(64, 65472);
    let bit = coder.bit(bit, p);
    update(slot, bit, CALM_BYTE);
    bit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_formula() {
        for (n, &rate) in RATE.iter().enumerate() {
            assert_eq!(u32::from(rate), (655_360 / (n as u32 * 10 + 16)));
        }
    }

    #[test]
    fn a_slot_learns_and_stays_in_range() {
        let mut s = super::super::BLANK_SLOT;
        for _ in 0..1000 {
            update(&mut s, true, CALM_BYTE);
        }
        assert!(probability(s) > 4000);
        for _ in 0..5000 {
            update(&mut s, false, CALM_FLAG);
        }
        assert!((1..100).contains(&probability(s)));
    }
}

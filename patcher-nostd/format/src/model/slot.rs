//! One adaptive probability in 16 bits: 12 bits of probability, 4 bits of count.
//!
//! The count sets the rate, so a fresh slot learns fast and a seasoned one is calm
//! (state counters of PAQ6, without its history). SPEC §6.3.

/// Of 65536, by count: 65536 / (count + 1.6) and, of a seasoned slot, 65536 / 24, rounded down.
static RATE: [u16; 16] = [
    40960, 25206, 18204, 14246, 11702, 9929, 8623, 7620, 6826, 6182, 5649, 5201, 4818, 4488, 4201,
    2730,
];

/// Largest count of a slot that is coded with.
pub(super) const SEASONED: u16 = 15;
/// Largest count of a slot that is only asked: it stays a little quicker.
pub(super) const ASKED: u16 = 14;

/// The 12-bit probability of `true`.
#[inline]
pub(super) fn probability(slot: u16) -> u16 {
    slot >> 4
}

/// Moves `slot` towards `bit`, to a count of at most `most`.
#[inline(always)]
pub(super) fn update(slot: &mut u16, bit: bool, most: u16) {
    let count = *slot & 15;
    // As many rates as counts.
    #[allow(clippy::indexing_slicing)]
    let rate = i32::from(RATE[usize::from(count)]);
    let p = i32::from(*slot >> 4);
    let goal = if bit { 4095 } else { 0 };
    // Between `p` and `goal`: a rate is below 65536.
    let moved = p + (((goal - p) * rate) >> 16);
    *slot = (moved as u16) << 4 | (count + 1).min(most);
}

/// The probability of `true` of a decision that is coded with the slot alone, of 65536.
#[inline]
pub(super) fn odds(slot: u16) -> u32 {
    (u32::from(probability(slot)) * 16 + 8).clamp(64, 65472)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_formula() {
        for (n, &rate) in RATE.iter().enumerate() {
            let exact = match n {
                15 => 65_536 / 24,
                _ => 655_360 / (n as u32 * 10 + 16),
            };
            assert_eq!(u32::from(rate), exact);
        }
    }

    #[test]
    fn a_slot_learns_and_stays_in_range() {
        let mut s = super::super::BLANK_SLOT;
        for _ in 0..1000 {
            update(&mut s, true, SEASONED);
        }
        assert!(probability(s) > 4000);
        for _ in 0..5000 {
            update(&mut s, false, SEASONED);
        }
        assert!(probability(s) < 100);
    }

    #[test]
    fn every_slot_moves_towards_the_decision() {
        for s in 0..=u16::MAX {
            for bit in [false, true] {
                let mut moved = s;
                update(&mut moved, bit, SEASONED);
                let (from, to) = (probability(s), probability(moved));
                assert!(if bit { to >= from } else { to <= from }, "{s:#x}");
                assert_eq!(moved & 15, (s & 15).saturating_add(1).min(15), "{s:#x}");
            }
        }
    }
}

//! The logistic domain: `stretch(p) = ln(p / (1 - p))` and its inverse, in integers.
//!
//! Used by the mixers ([`crate::model`]), which add evidence in this domain
//! (logistic mixing, M. Mahoney, "Adaptive weighing of context models", 2005).
//! Stretched values are in 1/16 nat, what is squashed in 1/256. SPEC §6.2 has both tables;
//! a test compares them with the formula.

/// One nat, in the unit of stretched values.
pub const NAT: i32 = 16;

/// 16 ln(p / (1 - p)) in the middle of each 128th below one half; above it is the same with
/// the other sign. Finer steps or a finer unit save no measurable bytes, because the weights
/// that scale them learn.
static STRETCH: [i8; 64] = [
    -89, -71, -63, -57, -53, -50, -47, -44, -42, -40, -39, -37, -36, -34, -33, -32, -31, -29, -28,
    -27, -27, -26, -25, -24, -23, -22, -21, -21, -20, -19, -19, -18, -17, -17, -16, -15, -15, -14,
    -13, -13, -12, -12, -11, -11, -10, -10, -9, -8, -8, -7, -7, -6, -6, -5, -5, -4, -4, -3, -3, -2,
    -2, -1, -1, 0,
];

/// 65536 / (1 + exp(-x)) at x = -8, -7.75 .. 0.25 nats; of -x it is the rest to 65536.
static SQUASH: [u16; 34] = [
    22, 28, 36, 47, 60, 77, 98, 126, 162, 208, 267, 342, 439, 562, 720, 922, 1179, 1506, 1921,
    2446, 3108, 3938, 4971, 6249, 7812, 9702, 11955, 14595, 17625, 21025, 24743, 28693, 32768,
    36843,
];

/// ln(p / (1 - p)) of the 12-bit probability in the upper bits of `slot`, in 1/16 nat.
#[inline(always)]
pub fn stretch(slot: u16) -> i32 {
    // All ones where it is above one half.
    let above = i32::from(slot as i16) >> 15;
    let below = (i32::from(slot as i16) ^ above) as usize;
    let value = STRETCH.get(below >> 9 & 63).map_or(0, |&v| i32::from(v));
    (value ^ above).wrapping_sub(above)
}

/// The 16-bit probability (16..=65520) whose logit is `x` (1/256 nat, clamped to
/// -2047..=2047), linearly interpolated.
#[inline]
pub fn squash(x: i32) -> u32 {
    // Of -|x|; that of |x| is the rest, and a tie is rounded up there too. As many bits as
    // one instruction clamps to: -2048 and -2047 give the same.
    let x = x.clamp(-2048, 2047);
    let above = u32::from(x > 0);
    let x = 2048 - x.unsigned_abs();
    let (step, part) = ((x >> 6) as usize, x & 63);
    let at = |i: usize| u32::from(SQUASH.get(i).copied().unwrap_or(0));
    let p = (at(step) * 64 + (at(step + 1) - at(step)) * part + 32 - above) >> 6;
    if above != 0 { 65536 - p } else { p }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn squash_follows_the_formula() {
        for (i, &v) in SQUASH.iter().enumerate() {
            let x = (i as f64 * 64.0 - 2048.0) / 256.0;
            let exact = (65536.0 / (1.0 + (-x).exp())).round().clamp(16.0, 65520.0);
            assert_eq!(f64::from(v), exact, "entry {i}");
        }
    }

    /// As SPEC.md has it: a table that goes on to 8 nats, rounded alike on both sides.
    #[test]
    #[allow(clippy::indexing_slicing)]
    fn squash_is_that_of_the_whole_table() {
        let at = |i: usize| match SQUASH.get(i).filter(|_| i < 33) {
            Some(&v) => u32::from(v),
            None => 65536 - u32::from(SQUASH[64 - i]),
        };
        for x in -3000..3000i32 {
            let clamped = (x.clamp(-2047, 2047) + 2048) as u32;
            let (step, part) = ((clamped >> 6) as usize, clamped & 63);
            let p = (at(step) * (64 - part) + at(step + 1) * part + 32) >> 6;
            assert_eq!(squash(x), p, "of {x}");
        }
    }

    #[test]
    fn stretch_follows_the_formula() {
        for p in 0..4096u16 {
            let x = (f64::from(p / 32) + 0.5) / 128.0;
            let exact = ((x / (1.0 - x)).ln() * f64::from(NAT)).round();
            for count in [0, 15] {
                assert_eq!(f64::from(stretch(p << 4 | count)), exact, "p {p}");
            }
        }
    }

    #[test]
    fn squash_inverts_stretch() {
        for p in 64..4032u16 {
            let back = squash(stretch(p << 4) * (256 / NAT)) as f64 / 16.0;
            assert!(
                (back - f64::from(p)).abs() <= 48.0,
                "{p} came back as {back}"
            );
        }
    }
}

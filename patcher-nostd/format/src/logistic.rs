//! The logistic domain: `stretch(p) = ln(p / (1 - p))` and its inverse, in integers.
//!
//! Used by the mixers ([`crate::model`]), which add evidence in this domain
//! (logistic mixing, M. Mahoney, "Adaptive weighing of context models", 2005).
//! Stretched values are in 1/16 nat, what is squashed in 1/256. SPEC §6.2 has both tables;
//! a test compares them with the formula.

/// One nat, in the unit of stretched values.
pub const NAT: i32 = 16;

/// 16 ln(p / (1 - p)) in the middle of each 128th: finer steps or a finer unit save no
/// measurable bytes, because the weights that scale them learn.
static STRETCH: [i8; 128] = [
    -89, -71, -63, -57, -53, -50, -47, -44, -42, -40, -39, -37, -36, -34, -33, -32, -31, -29, -28,
    -27, -27, -26, -25, -24, -23, -22, -21, -21, -20, -19, -19, -18, -17, -17, -16, -15, -15, -14,
    -13, -13, -12, -12, -11, -11, -10, -10, -9, -8, -8, -7, -7, -6, -6, -5, -5, -4, -4, -3, -3, -2,
    -2, -1, -1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 10, 10, 11, 11, 12, 12,
    13, 13, 14, 15, 15, 16, 17, 17, 18, 19, 19, 20, 21, 21, 22, 23, 24, 25, 26, 27, 27, 28, 29, 31,
    32, 33, 34, 36, 37, 39, 40, 42, 44, 47, 50, 53, 57, 63, 71, 89,
];

/// Largest input of [`squash`]: 8 nats.
const SQUASH_MAX: i32 = 2047;

/// 65536 / (1 + exp(-x)) at x = -8, -7.75 .. 8 nats, kept within 16..=65520.
const SQUASH: [u16; 65] = [
    22, 28, 36, 47, 60, 77, 98, 126, 162, 208, 267, 342, 439, 562, 720, 922, 1179, 1506, 1921,
    2446, 3108, 3938, 4971, 6249, 7812, 9702, 11955, 14595, 17625, 21025, 24743, 28693, 32768,
    36843, 40793, 44511, 47911, 50941, 53581, 55834, 57724, 59287, 60565, 61598, 62428, 63090,
    63615, 64030, 64357, 64614, 64816, 64974, 65097, 65194, 65269, 65328, 65374, 65410, 65438,
    65459, 65476, 65489, 65500, 65508, 65514,
];

/// ln(p / (1 - p)) of a 12-bit probability, in 1/16 nat.
#[inline(always)]
pub fn stretch(p: u16) -> i32 {
    STRETCH
        .get(usize::from(p >> 5))
        .map_or(0, |&v| i32::from(v))
}

/// The 16-bit probability (16..=65520) whose logit is `x` (1/256 nat, clamped to
/// -2047..=2047), linearly interpolated.
#[inline]
pub fn squash(x: i32) -> u32 {
    let x = (x.clamp(-SQUASH_MAX, SQUASH_MAX) + 2048) as u32;
    let (step, part) = ((x >> 6) as usize, x & 63);
    let at = |i: usize| u32::from(SQUASH.get(i).copied().unwrap_or(0));
    (at(step) * (64 - part) + at(step + 1) * part + 32) >> 6
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

    #[test]
    fn stretch_follows_the_formula() {
        for (i, &v) in STRETCH.iter().enumerate() {
            let x = (i as f64 + 0.5) / 128.0;
            let exact = ((x / (1.0 - x)).ln() * f64::from(NAT)).round();
            assert_eq!(f64::from(v), exact, "entry {i}");
        }
        for p in 0..4096u16 {
            let step = STRETCH.get(usize::from(p) / 32);
            assert_eq!(Some(stretch(p)), step.map(|&v| i32::from(v)), "p {p}");
        }
    }

    #[test]
    fn squash_inverts_stretch() {
        for p in 64..4032u16 {
            let back = squash(stretch(p) * (256 / NAT)) as f64 / 16.0;
            assert!(
                (back - f64::from(p)).abs() <= 48.0,
                "{p} came back as {back}"
            );
        }
    }
}

//! The logistic domain: `stretch(p) = ln(p / (1 - p))` and its inverse, in integers.
//!
//! Used by the mixers ([`crate::model`]), which add evidence in this domain
//! (logistic mixing, M. Mahoney, "Adaptive weighing of context models", 2005).
//! Stretched values are in 1/256 nat, -2047..=2047. SPEC §6.2 has both tables; a test
//! compares them with the formula.

/// Largest stretched value: 8 nats.
pub const STRETCH_MAX: i32 = 2047;

/// 16 * 256 * ln(1 + i / 64).
const LN_MANTISSA: [u16; 65] = [
    0, 64, 126, 188, 248, 308, 367, 425, 482, 539, 595, 650, 704, 757, 810, 862, 914, 965, 1015,
    1065, 1114, 1162, 1210, 1258, 1304, 1351, 1396, 1442, 1486, 1531, 1575, 1618, 1661, 1703, 1745,
    1787, 1828, 1869, 1909, 1949, 1989, 2028, 2067, 2105, 2143, 2181, 2218, 2255, 2292, 2329, 2365,
    2400, 2436, 2471, 2506, 2541, 2575, 2609, 2642, 2676, 2709, 2742, 2775, 2807, 2839,
];

/// 16 * 256 * ln(2).
const LN_TWO: i32 = 2839;

/// 65536 / (1 + exp(-x)) at x = -8, -7.75 .. 8 nats, kept within 16..=65520.
const SQUASH: [u16; 65] = [
    22, 28, 36, 47, 60, 77, 98, 126, 162, 208, 267, 342, 439, 562, 720, 922, 1179, 1506, 1921,
    2446, 3108, 3938, 4971, 6249, 7812, 9702, 11955, 14595, 17625, 21025, 24743, 28693, 32768,
    36843, 40793, 44511, 47911, 50941, 53581, 55834, 57724, 59287, 60565, 61598, 62428, 63090,
    63615, 64030, 64357, 64614, 64816, 64974, 65097, 65194, 65269, 65328, 65374, 65410, 65438,
    65459, 65476, 65489, 65500, 65508, 65514,
];

/// `stretch` of a 12-bit probability (1..=4095): the difference of two logarithms in
/// 1/4096 nat, each from the mantissa table without interpolation beyond its 64 steps: the
/// error is below 1/64 nat, which costs no measurable bytes.
#[inline(always)]
const fn stretch_computed(p: u32) -> i32 {
    // 0 has no logarithm, but more zeros than any, so that it is clamped as 1 is.
    let q = if p > 4095 { 1 } else { 4096 - p };
    let (p_zeros, q_zeros) = (p.leading_zeros(), q.leading_zeros());
    // The six bits behind the first one; the table has 65 entries.
    #[allow(clippy::indexing_slicing)]
    let fractions = LN_MANTISSA[(p.wrapping_shl(p_zeros) >> 25 & 63) as usize] as i32
        - LN_MANTISSA[(q.wrapping_shl(q_zeros) >> 25 & 63) as usize] as i32;
    let d = ((q_zeros as i32 - p_zeros as i32) * LN_TWO + fractions) / 16;
    if d > STRETCH_MAX {
        STRETCH_MAX
    } else if d < -STRETCH_MAX {
        -STRETCH_MAX
    } else {
        d
    }
}

#[cfg(not(feature = "compact-tables"))]
static STRETCH: [i16; 4096] = {
    let mut table = [0i16; 4096];
    let mut p = 0;
    while p < 4096 {
        // `p` runs over the table's own length.
        #[allow(clippy::indexing_slicing)]
        {
            table[p] = stretch_computed(p as u32) as i16;
        }
        p += 1;
    }
    table
};

/// ln(p / (1 - p)) of a 12-bit probability, in 1/256 nat.
#[inline(always)]
pub fn stretch(p: u16) -> i32 {
    #[cfg(not(feature = "compact-tables"))]
    {
        STRETCH.get(usize::from(p)).map_or(0, |&v| i32::from(v))
    }
    #[cfg(feature = "compact-tables")]
    {
        stretch_computed(u32::from(p))
    }
}

/// The 16-bit probability (16..=65520) whose stretch is `x` (1/256 nat, clamped to
/// -2047..=2047), linearly interpolated.
#[inline]
pub fn squash(x: i32) -> u32 {
    let x = (x.clamp(-STRETCH_MAX, STRETCH_MAX) + 2048) as u32;
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
        for (i, &v) in LN_MANTISSA.iter().enumerate() {
            let exact = (4096.0 * (1.0 + i as f64 / 64.0).ln()).round();
            assert_eq!(f64::from(v), exact, "entry {i}");
        }
        for p in 1..4096u32 {
            let x = f64::from(p) / 4096.0;
            let exact = ((x / (1.0 - x)).ln() * 256.0).clamp(-2047.0, 2047.0);
            let got = f64::from(stretch_computed(p));
            assert!((got - exact).abs() <= 5.0, "p {p}: {got} for {exact}");
            assert_eq!(stretch(p as u16), stretch_computed(p), "table entry {p}");
        }
    }

    #[test]
    fn squash_inverts_stretch() {
        for p in 64..4032u16 {
            let back = squash(stretch(p)) as f64 / 16.0;
            assert!(
                (back - f64::from(p)).abs() <= 20.0,
                "{p} came back as {back}"
            );
        }
    }
}

//! Candidates from a table of short sequences, old and new alike.
//!
//! What bidiff passes over because it is too short or repeats inside the new image.
//! One pass, a table of the last place where each sequence was seen.

use deltamote_format::le;

/// Bytes of a sequence.
const LENGTH: usize = 8;
/// log2 of the table's largest size; 4 bytes each.
const TABLE_LOG2: u32 = 20;
const NOWHERE: u32 = u32::MAX;

#[inline]
fn key(window: &[u8; LENGTH], log2: u32) -> usize {
    // Fibonacci hashing; the top bits are the mixed ones.
    let [a, b, c, d, e, f, g, h] = *window;
    let (low, high) = (le::word([a, b, c, d]), le::word([e, f, g, h]));
    let value = u64::from(low) | u64::from(high) << 32;
    (value.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - log2)) as usize
}

/// Every sequence of `image` with its offset.
fn sequences(image: &[u8]) -> impl Iterator<Item = (usize, &[u8; LENGTH])> {
    let windows = image.windows(LENGTH).enumerate();
    windows.filter_map(|(at, window)| Some((at, window.first_chunk()?)))
}

/// New offset and source (in coordinates of old followed by new) where a sequence was
/// seen before and the match at hand does not go on.
pub(super) fn seeds((old, new): (&[u8], &[u8])) -> Vec<(u32, u32)> {
    // As many places as there are sequences, or more.
    let log2 = ((old.len() + new.len()).max(1).ilog2() + 1).clamp(12, TABLE_LOG2);
    let mut table = vec![NOWHERE; 1 << log2];
    for (at, window) in sequences(old) {
        table[key(window, log2)] = at as u32;
    }
    let mut found = Vec::new();
    let mut diagonal = i64::MAX;
    for (at, window) in sequences(new) {
        let place = &mut table[key(window, log2)];
        let here = (old.len() + at) as u32;
        let source = std::mem::replace(place, here);
        if source == NOWHERE {
            continue;
        }
        let step = i64::from(source) - at as i64;
        let goes_on = step == diagonal;
        let there = match (source as usize).checked_sub(old.len()) {
            None => old.get(source as usize..source as usize + LENGTH),
            Some(q) => new.get(q..q + LENGTH),
        };
        if !goes_on && there == Some(&window[..]) {
            diagonal = step;
            found.push((at as u32, source));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_old_and_new() {
        let old = b"....0123456789....";
        let new = b"abcdefgh--0123456789--abcdefgh";
        let found = seeds((old, new));
        assert!(found.contains(&(10, 4)), "{found:?}");
        assert!(found.contains(&(22, old.len() as u32)), "{found:?}");
    }
}

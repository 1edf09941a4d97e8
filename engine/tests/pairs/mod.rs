//! Images that are relatives, for property tests.

use proptest::prelude::*;

/// An image and a relative: pieces of up to `longest` bytes kept, moved, changed and made up.
pub fn relatives(longest: usize) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let old = prop::collection::vec(any::<u8>(), 1..3000);
    let piece = (any::<u16>(), 1..longest, any::<u8>(), 0..4u8);
    let pieces = prop::collection::vec(piece, 0..12);
    let fresh = prop::collection::vec(any::<u8>(), 1..60);
    (old, pieces, fresh).prop_map(|(old, pieces, fresh)| {
        let mut new = Vec::new();
        for (at, len, value, what) in pieces {
            let start = usize::from(at) % old.len();
            let end = (start + len).min(old.len());
            match what {
                0 => new.extend_from_slice(&fresh),
                1 => new.extend(old[start..end].iter().map(|b| b.wrapping_add(value))),
                _ => new.extend_from_slice(&old[start..end]),
            }
        }
        if new.is_empty() {
            new = fresh;
        }
        (old, new)
    })
}

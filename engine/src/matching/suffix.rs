//! A suffix array with its inverse and its neighbours' common prefixes.

/// Common prefixes are counted up to this length.
const MAX_PREFIX: u32 = u16::MAX as u32;

/// Sorted suffixes of a text.
pub(super) struct Suffixes {
    /// Suffix starts in sorted order.
    pub sorted: Vec<i32>,
    /// Place in `sorted` of each suffix from `from` on.
    pub place: Vec<u32>,
    /// Common prefix of `sorted[i - 1]` and `sorted[i]`.
    pub prefix: Vec<u16>,
}

impl Suffixes {
    /// Sorts the suffixes of `text` (divsufsort, the sorting that bidiff uses) and
    /// finds the prefixes (the phi algorithm: Kärkkäinen, Manzini, Puglisi, *Permuted
    /// Longest-Common-Prefix Array*, 2009). Places are kept from `from` on.
    pub fn of(text: Vec<u8>, from: usize) -> Suffixes {
        let mut sorted = vec![0i32; text.len()];
        divsufsort::sort_in_place(&text, &mut sorted);
        let by_start = permuted_prefixes(&text, &sorted);
        drop(text);
        let shortened = |&start: &i32| by_start[start as usize].min(MAX_PREFIX) as u16;
        let prefix = sorted.iter().map(shortened).collect();
        drop(by_start);
        let mut place = vec![0u32; sorted.len() - from];
        for (i, &start) in sorted.iter().enumerate() {
            if let Some(at) = (start as usize).checked_sub(from) {
                place[at] = i as u32;
            }
        }
        Suffixes {
            sorted,
            place,
            prefix,
        }
    }
}

/// For each start of a suffix: bytes in common with the one sorted before it.
fn permuted_prefixes(text: &[u8], sorted: &[i32]) -> Vec<u32> {
    let mut prefixes = vec![0u32; text.len()];
    // First the start of the suffix before; its place is taken as the prefix becomes known.
    for pair in sorted.windows(2) {
        prefixes[pair[1] as usize] = pair[0] as u32;
    }
    let mut common = 0;
    for (start, out) in prefixes.iter_mut().enumerate() {
        if sorted.first() == Some(&(start as i32)) {
            (*out, common) = (0, 0);
            continue;
        }
        let other = *out as usize;
        let most = text.len() - start.max(other);
        while common < most && text[start + common] == text[other + common] {
            common += 1;
        }
        *out = common as u32;
        common = common.saturating_sub(1);
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_places_and_prefixes_are_those_of_the_text(
            text in prop::collection::vec(0..4u8, 0..200),
            from in any::<prop::sample::Index>(),
        ) {
            let from = from.index(text.len() + 1);
            let mut order: Vec<usize> = (0..text.len()).collect();
            order.sort_by_key(|&start| &text[start..]);
            let made = Suffixes::of(text.clone(), from);
            prop_assert!(made.sorted.iter().map(|&s| s as usize).eq(order.iter().copied()));
            let places: Vec<u32> = (from..text.len())
                .map(|start| order.iter().position(|&s| s == start).expect("sorted") as u32)
                .collect();
            prop_assert_eq!(made.place, places);
            for (i, pair) in order.windows(2).enumerate() {
                let [a, b] = [&text[pair[0]..], &text[pair[1]..]];
                let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
                prop_assert_eq!(usize::from(made.prefix[i + 1]), common);
            }
        }
    }
}

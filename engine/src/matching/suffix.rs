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
    /// finds the prefixes (Kasai et al., 2001). Places are kept from `from` on.
    pub fn of(text: &[u8], from: usize) -> Suffixes {
        let mut sorted = vec![0i32; text.len()];
        divsufsort::sort_in_place(text, &mut sorted);
        let mut place = vec![0u32; text.len()];
        for (i, &start) in sorted.iter().enumerate() {
            place[start as usize] = i as u32;
        }
        let mut prefix = vec![0u16; text.len()];
        let mut common = 0usize;
        for start in 0..text.len() {
            let at = place[start] as usize;
            if at == 0 {
                common = 0;
                continue;
            }
            let other = sorted[at - 1] as usize;
            let most = text.len() - start.max(other);
            while common < most && text[start + common] == text[other + common] {
                common += 1;
            }
            prefix[at] = (common as u32).min(MAX_PREFIX) as u16;
            common = common.saturating_sub(1);
        }
        place.drain(..from);
        place.shrink_to_fit();
        Suffixes {
            sorted,
            place,
            prefix,
        }
    }
}

//! The equivalence map: how far each part of the old image has moved.
//!
//! Sent ahead of the ops, so that references into parts that are still to come can
//! be predicted; every entry is a copy command too. Long inline copies join it while
//! decoding. An entry holds from its own old offset up to the next entry's (the
//! predecessor rule), so no lengths are needed. Equivalence maps after Zucchini
//! (Chromium); bounded and without lengths here. SPEC §6.7.

/// Words of workspace per entry.
pub(super) const ENTRY_WORDS: usize = 4;

/// Set in the stored new offset of entries learned from inline copies.
const LEARNED: u32 = 1 << 31;

/// An equivalence: old offset and new offset of the same content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Old offset of its first byte.
    pub old: u32,
    /// New offset of its first byte.
    pub new: u32,
}

/// Entries in ascending old offset, in caller-given words.
#[derive(Debug)]
pub(super) struct Map<'w> {
    words: &'w mut [u16],
    len: usize,
}

fn join(lo: u16, hi: u16) -> u32 {
    u32::from(lo) | u32::from(hi) << 16
}

impl<'w> Map<'w> {
    pub(super) fn new(words: &'w mut [u16]) -> Self {
        Map { words, len: 0 }
    }

    pub(super) fn capacity(&self) -> usize {
        self.words.len() / ENTRY_WORDS
    }

    /// Old offset, new offset, learned.
    #[inline]
    fn get(&self, i: usize) -> Option<(Entry, bool)> {
        if i >= self.len {
            return None;
        }
        let words = self.words.get(i * ENTRY_WORDS..)?;
        let &[a, b, c, d] = words.first_chunk::<ENTRY_WORDS>()?;
        let new = join(c, d);
        let entry = Entry {
            old: join(a, b),
            new: new & !LEARNED,
        };
        Some((entry, new & LEARNED != 0))
    }

    /// Index of the first entry whose old offset is above `old`.
    #[inline]
    fn above(&self, old: u32) -> usize {
        let (mut lo, mut hi) = (0, self.len);
        while lo < hi {
            let mid = (lo + hi) / 2;
            match self.get(mid) {
                Some((entry, _)) if entry.old <= old => lo = mid + 1,
                _ => hi = mid,
            }
        }
        lo
    }

    /// How far the content at `old` has moved (new minus old, wrapping), by the entry
    /// at or before it; 0 before the first.
    #[inline]
    pub(super) fn shift(&self, old: u32) -> u32 {
        let before = self.above(old).checked_sub(1);
        before
            .and_then(|i| self.get(i))
            .map_or(0, |(e, _)| e.new.wrapping_sub(e.old))
    }

    /// Adds an entry; nothing happens when the map is full.
    pub(super) fn insert(&mut self, entry: Entry, learned: bool) {
        if self.len >= self.capacity() {
            return;
        }
        let at = self.above(entry.old) * ENTRY_WORDS;
        let end = self.len * ENTRY_WORDS;
        if at > end || end + ENTRY_WORDS > self.words.len() {
            return;
        }
        self.words.copy_within(at..end, at + ENTRY_WORDS);
        let new = entry.new | if learned { LEARNED } else { 0 };
        let place = self.words.get_mut(at..at + ENTRY_WORDS);
        if let Some([a, b, c, d]) = place {
            (*a, *b) = (entry.old as u16, (entry.old >> 16) as u16);
            (*c, *d) = (new as u16, (new >> 16) as u16);
            self.len += 1;
        }
    }

    /// Forgets the learned entries.
    pub(super) fn drop_learned(&mut self) {
        let mut kept = 0;
        for i in 0..self.len {
            if let Some((_, false)) = self.get(i) {
                let from = i * ENTRY_WORDS;
                // `kept <= i < len`, so both ranges lie in the words.
                self.words
                    .copy_within(from..from + ENTRY_WORDS, kept * ENTRY_WORDS);
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// The sent entry with the smallest new offset at or above `new`.
    pub(super) fn next_from(&self, new: u32) -> Option<Entry> {
        (0..self.len)
            .filter_map(|i| self.get(i))
            .filter(|(entry, learned)| !learned && entry.new >= new)
            .map(|(entry, _)| entry)
            .min_by_key(|entry| entry.new)
    }
}

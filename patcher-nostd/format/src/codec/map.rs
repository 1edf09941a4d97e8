//! The equivalence map: how far each part of the old image has moved.
//!
//! Sent ahead of the ops, so that references into parts that are still to come can
//! be predicted; every entry is a copy command too. Long inline copies join it while
//! decoding. An entry holds from its own old offset up to the next entry's (the
//! predecessor rule), so no lengths are needed. Equivalence maps after Zucchini
//! (Chromium); bounded and without lengths here. SPEC §6.7.

use crate::Error;
use crate::model::copied;
use core::cell::Cell;

/// Set in the stored new offset of entries learned from inline copies.
const LEARNED: u32 = 1 << 31;
/// Offsets that narrow entries can hold.
pub(crate) const NARROW_LIMIT: u32 = 1 << 23;

/// An equivalence: old offset and new offset of the same content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Old offset of its first byte.
    pub old: u32,
    /// New offset of its first byte.
    pub new: u32,
}

/// Old offsets that one entry speaks for.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Stretch {
    /// First old offset.
    pub start: u32,
    /// First old offset behind it.
    pub end: u32,
    /// How far the content has moved: new minus old offset, wrapping.
    pub shift: u32,
}

/// Entries in ascending old offset, in caller-given words.
#[derive(Debug)]
pub(super) struct Map<'w> {
    words: &'w mut [u16],
    /// Words of an entry: 4, or 3 where images are below [`NARROW_LIMIT`].
    width: usize,
    len: usize,
    /// The last answer of [`Map::stretch`]: most references point near where the one
    /// before did.
    last: Cell<Stretch>,
}

/// The words of an entry.
fn pack(entry: Entry, learned: bool, narrow: bool) -> [u16; 4] {
    let flag = if learned { LEARNED } else { 0 };
    let (old, new) = (entry.old, entry.new | flag);
    let low = [old as u16, new as u16];
    if narrow {
        // 8 bits of old, 7 of new, the flag.
        let high = (old >> 16 & 0xff) as u16 | ((new >> 16 & 0x7f | new >> 24 & 0x80) << 8) as u16;
        [low[0], low[1], high, 0]
    } else {
        [low[0], low[1], (old >> 16) as u16, (new >> 16) as u16]
    }
}

fn unpack(words: &[u16], narrow: bool) -> Option<(Entry, bool)> {
    let (old, new) = match *words {
        [a, b, high] if narrow => {
            let high = u32::from(high);
            let new_high = high >> 8 & 0x7f | (high & 0x8000);
            (join(a, (high & 0xff) as u16), join(b, new_high as u16))
        }
        [a, b, old_high, new_high] if !narrow => (join(a, old_high), join(b, new_high)),
        _ => return None,
    };
    let entry = Entry {
        old,
        new: new & !LEARNED,
    };
    Some((entry, new & LEARNED != 0))
}

fn join(lo: u16, hi: u16) -> u32 {
    u32::from(lo) | u32::from(hi) << 16
}

/// Moves all but the last `by` items up by `by`. Not `copy_within`, which can panic.
pub(super) fn open_gap<T: Copy>(items: &mut [T], by: usize) {
    let items = Cell::from_mut(items).as_slice_of_cells();
    let to = items.get(by..).unwrap_or(&[]);
    for (to, from) in to.iter().zip(items).rev() {
        to.set(from.get());
    }
}

/// Moves all but the first `by` items down by `by`; as [`open_gap`].
pub(super) fn close_gap<T: Copy>(items: &mut [T], by: usize) {
    let items = Cell::from_mut(items).as_slice_of_cells();
    let from = items.get(by..).unwrap_or(&[]);
    for (to, from) in items.iter().zip(from) {
        to.set(from.get());
    }
}

impl<'w> Map<'w> {
    pub(super) fn new(words: &'w mut [u16], width: usize) -> Self {
        Map {
            words,
            width,
            len: 0,
            last: Cell::default(),
        }
    }

    /// The same entries in the front of `rest`.
    pub(super) fn fork<'x>(&self, rest: &mut &'x mut [u16]) -> Result<Map<'x>, Error> {
        Ok(Map {
            words: copied(self.words, rest)?,
            width: self.width,
            len: self.len,
            last: self.last.clone(),
        })
    }

    /// Takes a sent entry out, if it is there.
    pub(super) fn remove(&mut self, gone: Entry) {
        let found = (0..self.len).find(|&i| self.get(i) == Some((gone, false)));
        let Some(tail) = found.and_then(|i| self.words.get_mut(i * self.width..)) else {
            return;
        };
        close_gap(tail, self.width);
        self.len -= 1;
        self.last.take();
    }

    pub(super) fn capacity(&self) -> usize {
        self.words.len() / self.width.max(1)
    }

    /// Whether offsets into an image of `len` bytes fit the entries.
    pub(super) fn holds(&self, len: u32) -> bool {
        self.width > 3 || len <= NARROW_LIMIT
    }

    /// The entry, and whether it was learned.
    #[inline]
    fn get(&self, i: usize) -> Option<(Entry, bool)> {
        if i >= self.len {
            return None;
        }
        let at = i * self.width;
        unpack(self.words.get(at..at + self.width)?, self.width == 3)
    }

    /// The old offset of entry `i`, which is one of them.
    #[inline]
    fn old_at(&self, i: usize) -> u32 {
        let high = if self.width == 3 { 0xff } else { 0xffff };
        match self.words.get(i * self.width..) {
            Some(&[a, _, c, ..]) => join(a, c & high),
            _ => u32::MAX,
        }
    }

    /// Index of the first entry whose old offset is above `old`.
    #[inline]
    fn above(&self, old: u32) -> usize {
        let (mut lo, mut hi) = (0, self.len);
        while lo < hi {
            let mid = (lo + hi) / 2;
            if self.old_at(mid) <= old {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        lo
    }

    /// What the entry at or before `old` says of it; before the first entry nothing has
    /// moved.
    #[inline]
    pub(super) fn stretch(&self, old: u32) -> Stretch {
        let last = self.last.get();
        if (last.start..last.end).contains(&old) {
            return last;
        }
        let above = self.above(old);
        let entry = above.checked_sub(1).and_then(|i| self.get(i));
        let (start, shift) = entry.map_or((0, 0), |(e, _)| (e.old, e.new.wrapping_sub(e.old)));
        let end = self.get(above).map_or(u32::MAX, |(e, _)| e.old);
        let found = Stretch { start, end, shift };
        self.last.set(found);
        found
    }

    /// Adds an entry; nothing happens when the map is full.
    pub(super) fn insert(&mut self, entry: Entry, learned: bool) {
        if self.len >= self.capacity() {
            return;
        }
        let at = self.above(entry.old) * self.width;
        let end = self.len * self.width;
        let Some(tail) = self.words.get_mut(at..end + self.width) else {
            return;
        };
        self.last.take();
        open_gap(tail, self.width);
        let packed = pack(entry, learned, self.width == 3);
        for (to, from) in tail.iter_mut().take(self.width).zip(packed) {
            *to = from;
        }
        self.len += 1;
    }

    /// Forgets the learned entries.
    pub(super) fn drop_learned(&mut self) {
        self.last.take();
        let mut kept = 0;
        for i in 0..self.len {
            if let Some((_, false)) = self.get(i) {
                for k in 0..self.width {
                    if let Some(word) = self.words.get(i * self.width + k).copied()
                        && let Some(to) = self.words.get_mut(kept * self.width + k)
                    {
                        *to = word;
                    }
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_open_and_close_as_copy_within_does() {
        for by in 0..10 {
            let mut items = [1u16, 2, 3, 4, 5, 6, 7, 8];
            let mut expect = items;
            let moved = items.len().saturating_sub(by);
            if by < items.len() {
                expect.copy_within(..moved, by);
            }
            open_gap(&mut items, by);
            assert_eq!(items, expect, "up by {by}");
            if by < items.len() {
                expect.copy_within(by.., 0);
            }
            close_gap(&mut items, by);
            assert_eq!(items, expect, "down by {by}");
        }
    }

    #[test]
    fn entries_come_back() {
        for narrow in [true, false] {
            let width = if narrow { 3 } else { 4 };
            for old in [0, 1, 0xffff, 0x1_0000, 0x7f_ffff] {
                for learned in [true, false] {
                    let entry = Entry {
                        old,
                        new: 0x7f_ffff - old,
                    };
                    let packed = pack(entry, learned, narrow);
                    let back = unpack(packed.get(..width).unwrap_or(&[]), narrow);
                    assert_eq!(back, Some((entry, learned)));
                }
            }
        }
    }
}

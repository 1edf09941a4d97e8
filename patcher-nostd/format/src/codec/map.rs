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
    #[cfg(not(feature = "small-code"))]
    last: Cell<Stretch>,
}

/// The words of the entry at the front of `words`, as two numbers; of narrow entries the third
/// word has the upper 8 bits of old, 7 of new and the flag.
fn unpack(words: &[u16], narrow: bool) -> Option<(u32, u32)> {
    let (&[a, b, c], rest) = words.split_first_chunk()?;
    let high = u32::from(c);
    let (old, new) = if narrow {
        (high & 0xff, high >> 8 & 0x7f | high & 0x8000)
    } else {
        (high, u32::from(*rest.first()?))
    };
    Some((u32::from(a) | old << 16, u32::from(b) | new << 16))
}

/// Writes an entry into the front of `words`; as [`unpack`].
fn pack(words: &mut [u16], old: u32, new: u32, narrow: bool) {
    let Some(([a, b, c], rest)) = words.split_first_chunk_mut() else {
        return;
    };
    (*a, *b) = (old as u16, new as u16);
    if narrow {
        *c = (old >> 16 & 0xff | new >> 8 & 0x7f00 | new >> 16 & 0x8000) as u16;
    } else if let Some(d) = rest.first_mut() {
        (*c, *d) = ((old >> 16) as u16, (new >> 16) as u16);
    }
}

/// Moves all but the last `by` words up by `by`. Not `copy_within`, which can panic.
#[cfg_attr(feature = "small-code", inline(never))]
pub(super) fn open_gap(words: &mut [u16], by: usize) {
    let words = Cell::from_mut(words).as_slice_of_cells();
    let to = words.get(by..).unwrap_or(&[]);
    for (to, from) in to.iter().zip(words).rev() {
        to.set(from.get());
    }
}

/// Moves all but the first `by` words down by `by`; as [`open_gap`].
pub(super) fn close_gap(words: &mut [u16], by: usize) {
    let words = Cell::from_mut(words).as_slice_of_cells();
    let from = words.get(by..).unwrap_or(&[]);
    for (to, from) in words.iter().zip(from) {
        to.set(from.get());
    }
}

impl<'w> Map<'w> {
    pub(super) fn new(words: &'w mut [u16], width: usize) -> Self {
        Map {
            words,
            width,
            len: 0,
            #[cfg(not(feature = "small-code"))]
            last: Cell::default(),
        }
    }

    /// The same entries in the front of `rest`.
    pub(super) fn fork<'x>(&self, rest: &mut &'x mut [u16]) -> Result<Map<'x>, Error> {
        Ok(Map {
            words: copied(self.words, rest)?,
            width: self.width,
            len: self.len,
            #[cfg(not(feature = "small-code"))]
            last: self.last.clone(),
        })
    }

    /// The entries have changed.
    #[inline]
    fn changed(&mut self) {
        #[cfg(not(feature = "small-code"))]
        self.last.take();
    }

    /// Takes a sent entry out, if it is there.
    pub(super) fn remove(&mut self, gone: Entry) {
        let found = (0..self.len).find(|&i| self.get(i) == Some((gone.old, gone.new)));
        let Some(tail) = found.and_then(|i| self.words.get_mut(i * self.width..)) else {
            return;
        };
        close_gap(tail, self.width);
        self.len -= 1;
        self.changed();
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn capacity(&self) -> usize {
        self.words.len() / self.width.max(1)
    }

    /// Whether offsets into an image of `len` bytes fit the entries.
    pub(super) fn holds(&self, len: u32) -> bool {
        self.width > 3 || len <= NARROW_LIMIT
    }

    /// Old and new offset of entry `i`, the new one with the flag of learned entries.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn get(&self, i: usize) -> Option<(u32, u32)> {
        if i >= self.len {
            return None;
        }
        unpack(self.words.get(i * self.width..)?, self.width == 3)
    }

    /// The old offset of entry `i`, which is one of them.
    #[inline]
    fn old_at(&self, i: usize) -> u32 {
        let high = if self.width == 3 { 0xff } else { 0xffff };
        match self.words.get(i * self.width..) {
            Some(&[a, _, c, ..]) => u32::from(a) | u32::from(c & high) << 16,
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
        #[cfg(not(feature = "small-code"))]
        {
            let last = self.last.get();
            if (last.start..last.end).contains(&old) {
                return last;
            }
        }
        let above = self.above(old);
        let entry = above.checked_sub(1).and_then(|i| self.get(i));
        let (start, shift) = entry.map_or((0, 0), |(o, n)| (o, (n & !LEARNED).wrapping_sub(o)));
        let end = self.get(above).map_or(u32::MAX, |(o, _)| o);
        let found = Stretch { start, end, shift };
        #[cfg(not(feature = "small-code"))]
        self.last.set(found);
        found
    }

    /// Adds an entry; nothing happens when the map is full.
    pub(super) fn insert(&mut self, entry: Entry, learned: bool) {
        let at = self.above(entry.old) * self.width;
        let end = (self.len + 1) * self.width;
        let Some(tail) = self.words.get_mut(at..end) else {
            return;
        };
        open_gap(tail, self.width);
        let flag = if learned { LEARNED } else { 0 };
        pack(tail, entry.old, entry.new | flag, self.width == 3);
        self.len += 1;
        self.changed();
    }

    /// Forgets the learned entries.
    pub(super) fn drop_learned(&mut self) {
        self.changed();
        let mut kept = 0;
        for i in 0..self.len {
            if let Some((old, new)) = self.get(i)
                && new & LEARNED == 0
                && let Some(to) = self.words.get_mut(kept * self.width..)
            {
                pack(to, old, new, self.width == 3);
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// The sent entry with the smallest new offset at or above `new`; one at `end`, which is
    /// behind all, where there is none.
    #[inline]
    pub(super) fn next_from(&self, new: u32, end: u32) -> Entry {
        let mut next = Entry { old: 0, new: end };
        // Learned entries have an offset above all others.
        for i in 0..self.len {
            if let Some((old, at)) = self.get(i)
                && at >= new
                && at < next.new
            {
                next = Entry { old, new: at };
            }
        }
        next
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
                    let flag = if learned { LEARNED } else { 0 };
                    let mut packed = [0; 4];
                    pack(&mut packed, entry.old, entry.new | flag, narrow);
                    let back = unpack(packed.get(..width).unwrap_or(&[]), narrow);
                    assert_eq!(back, Some((entry.old, entry.new | flag)));
                }
            }
        }
    }
}

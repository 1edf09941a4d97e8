//! The correction cache: references whose target moved otherwise than the map says.
//!
//! Learns from references that missed their prediction, and is asked before the map;
//! for pointers into RAM, which no map covers, the nearest known neighbours answer.
//! Sorted by old target; when full, an entry chosen by a pseudo-random counter
//! leaves. SPEC §6.8.

use super::magnitude;
use super::map::{close_gap, open_gap};
use crate::Error;
use crate::model::copied;

/// Words of workspace per entry.
pub(super) const ENTRY_WORDS: usize = 4;

/// A lone neighbour further away than this says nothing about a RAM pointer.
const LONE_NEIGHBOUR: u32 = 0x1_0000;

/// Classes of distance to a neighbour.
const NEARNESS: usize = 4;
/// Classes of what [`Corrections::neighbour`] finds.
pub(super) const NEIGHBOUR_CLASSES: usize = 3 * NEARNESS;

/// Whether a class is of two neighbours that moved differently.
pub(super) fn disagrees(class: usize) -> bool {
    class / NEARNESS == 1
}

/// How sure a prediction is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(super) enum Confidence {
    None = 0,
    /// One neighbour, or two that disagree.
    Guess = 1,
    /// The map, or two neighbours that agree.
    Map = 2,
    /// Seen before.
    Exact = 3,
}

#[derive(Debug)]
pub(super) struct Corrections<'w> {
    words: &'w mut [u16],
    len: usize,
    leaving: u32,
}

impl<'w> Corrections<'w> {
    pub(super) fn new(words: &'w mut [u16]) -> Self {
        Corrections {
            words,
            len: 0,
            leaving: 0,
        }
    }

    /// The same entries in the front of `rest`.
    pub(super) fn fork<'x>(&self, rest: &mut &'x mut [u16]) -> Result<Corrections<'x>, Error> {
        Ok(Corrections {
            words: copied(self.words, rest)?,
            len: self.len,
            leaving: self.leaving,
        })
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.leaving = 0;
    }

    fn capacity(&self) -> usize {
        self.words.len() / ENTRY_WORDS
    }

    /// Old and new target of entry `i`.
    #[inline]
    fn get(&self, i: usize) -> Option<(u32, u32)> {
        if i >= self.len {
            return None;
        }
        let words = self.words.get(i * ENTRY_WORDS..)?;
        let &[a, b, c, d] = words.first_chunk::<ENTRY_WORDS>()?;
        let join = |lo, hi| u32::from(lo) | u32::from(hi) << 16;
        Some((join(a, b), join(c, d)))
    }

    /// Index of the first entry at or above `old`: where the questions below begin.
    pub(super) fn at_or_above(&self, old: u32) -> usize {
        let entries = self.words.as_chunks::<ENTRY_WORDS>().0;
        let (mut lo, mut hi) = (0, self.len);
        while lo < hi {
            let mid = (lo + hi) / 2;
            match entries.get(mid) {
                Some(&[a, b, ..]) if (u32::from(a) | u32::from(b) << 16) < old => lo = mid + 1,
                _ => hi = mid,
            }
        }
        lo
    }

    /// The new target of `old`, if it was seen; `above` as [`Corrections::at_or_above`]
    /// says.
    #[inline]
    pub(super) fn exact(&self, old: u32, above: usize) -> Option<u32> {
        match self.get(above) {
            Some((entry, new)) if entry == old => Some(new),
            _ => None,
        }
    }

    /// How many targets below `old`, and from `old` up, are no entries.
    pub(super) fn between(&self, old: u32, above: usize) -> (u32, u32) {
        let lower = above.checked_sub(1).and_then(|i| self.get(i));
        let upper = self.get(above);
        (
            lower.map_or(old, |(entry, _)| old.wrapping_sub(entry).wrapping_sub(1)),
            upper.map_or(u32::MAX, |(entry, _)| entry.wrapping_sub(old)),
        )
    }

    /// The new target of `old` if it moved as its neighbours did.
    pub(super) fn nearest(&self, old: u32, above: usize) -> (u32, Confidence) {
        let upper = self
            .get(above)
            .map(|(o, n)| (o.wrapping_sub(old), n.wrapping_sub(o)));
        let lower = above
            .checked_sub(1)
            .and_then(|i| self.get(i))
            .map(|(o, n)| (old.wrapping_sub(o), n.wrapping_sub(o)));
        let (shift, confidence) = match (lower, upper) {
            (Some((_, a)), Some((_, b))) if a == b => (a, Confidence::Map),
            (Some((da, a)), Some((db, b))) => (if da <= db { a } else { b }, Confidence::Guess),
            (Some((d, s)), None) | (None, Some((d, s))) if d < LONE_NEIGHBOUR => {
                (s, Confidence::Guess)
            }
            _ => (0, Confidence::None),
        };
        (old.wrapping_add(shift), confidence)
    }

    /// How far the entries next to `old` moved, and how telling that is: one of
    /// [`NEIGHBOUR_CLASSES`], by whether both agree and how near they are. `inside` says
    /// of a distance from `old` (wrapping) whether an entry there counts.
    pub(super) fn neighbour(
        &self,
        old: u32,
        above: usize,
        inside: impl Fn(u32) -> bool,
    ) -> Option<(u32, usize)> {
        let found = |entry: Option<(u32, u32)>| {
            let (o, n) = entry?;
            let distance = o.wrapping_sub(old);
            // What did not move was no reference, most of the time.
            (o != n && inside(distance))
                .then_some(((distance as i32).unsigned_abs(), n.wrapping_sub(o)))
        };
        let lower = found(above.checked_sub(1).and_then(|i| self.get(i)));
        let upper = found(self.get(above));
        let (distance, shift, agreement) = match (lower, upper) {
            (Some((da, a)), Some((db, b))) if a == b => (da.max(db), a, 0),
            (Some((da, a)), Some((db, b))) => (da.min(db), if da <= db { a } else { b }, 1),
            (Some((d, shift)), None) | (None, Some((d, shift))) => (d, shift, 2),
            (None, None) => return None,
        };
        let nearness = (magnitude(distance >> 3) / 3).min(NEARNESS as u32 - 1) as usize;
        Some((shift, agreement * NEARNESS + nearness))
    }

    /// Remembers that what pointed at `old` now points at `new`.
    pub(super) fn learn(&mut self, old: u32, new: u32) {
        let mut at = self.at_or_above(old);
        let known = matches!(self.get(at), Some((entry, _)) if entry == old);
        if !known {
            let capacity = self.capacity();
            if capacity == 0 {
                return;
            }
            if self.len >= capacity {
                // Numerical Recipes' generator: both sides draw the same entry.
                self.leaving = self
                    .leaving
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                let leaves = (self.leaving >> 8) as usize % capacity;
                let tail = leaves * ENTRY_WORDS..self.len * ENTRY_WORDS;
                if let Some(tail) = self.words.get_mut(tail) {
                    close_gap(tail.as_chunks_mut::<ENTRY_WORDS>().0, 1);
                }
                self.len -= 1;
                if leaves < at {
                    at -= 1;
                }
            }
            let tail = at * ENTRY_WORDS..(self.len + 1) * ENTRY_WORDS;
            if let Some(tail) = self.words.get_mut(tail) {
                open_gap(tail.as_chunks_mut::<ENTRY_WORDS>().0, 1);
            }
            self.len += 1;
        }
        let place = self.words.get_mut(at * ENTRY_WORDS..(at + 1) * ENTRY_WORDS);
        if let Some([a, b, c, d]) = place {
            (*a, *b) = (old as u16, (old >> 16) as u16);
            (*c, *d) = (new as u16, (new >> 16) as u16);
        }
    }
}

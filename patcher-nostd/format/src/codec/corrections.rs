//! The correction cache: references whose target moved otherwise than the map says.
//!
//! Learns from references that missed their prediction, and is asked before the map;
//! for pointers into RAM, which no map covers, the nearest known neighbours answer.
//! Sorted by old target; when full, an entry chosen by a pseudo-random counter
//! leaves. SPEC §6.8.

use super::magnitude;
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

/// What entries next to a target say together: one of [`NEIGHBOUR_CLASSES`], with
/// [`Telling::LITTLE`] of one that is alone and far away.
struct Telling(u32);

impl Telling {
    const LITTLE: u32 = 16;
    const NOTHING: u32 = 32;
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

    /// Old and new target of entry `i`.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
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

    /// How far the entries next to `old` moved, and how telling that is. Only those count that
    /// are among the `len` targets from `start` on (wrapping) and, unless `still`, have moved.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn said(
        &self,
        old: u32,
        above: usize,
        (start, len): (u32, u32),
        still: bool,
    ) -> (u32, Telling) {
        // Further away than any: none.
        const NONE: (u32, u32) = (u32::MAX, 0);
        let (mut near, mut far) = (NONE, NONE);
        // The one from `old` on, then the one below it, which is the nearer one of a tie.
        for back in 0..2 {
            if let Some((o, n)) = self.get(above.wrapping_sub(back))
                && o.wrapping_sub(start) < len
                && (still || o != n)
            {
                let found = (o.abs_diff(old), n.wrapping_sub(o));
                if found.0 <= near.0 {
                    far = near;
                    near = found;
                } else {
                    far = found;
                }
            }
        }
        let (mut distance, mut agreement) = (near.0, 1);
        if far.0 == NONE.0 {
            agreement = 2;
        } else if near.1 == far.1 {
            (distance, agreement) = (far.0, 0);
        }
        let nearness = (magnitude(distance >> 3) / 3).min(NEARNESS as u32 - 1);
        let mut telling = agreement * NEARNESS as u32 + nearness;
        if near.0 == NONE.0 {
            telling = Telling::NOTHING;
        } else if agreement == 2 && near.0 >= LONE_NEIGHBOUR {
            telling |= Telling::LITTLE;
        }
        (near.1, Telling(telling))
    }

    /// How far `old`, which is no entry, moved if it moved as its neighbours did.
    #[inline]
    pub(super) fn shift(&self, old: u32, above: usize) -> (u32, Confidence) {
        let all = (old.wrapping_add(1), u32::MAX);
        let (shift, Telling(telling)) = self.said(old, above, all, true);
        if telling >= Telling::LITTLE {
            (0, Confidence::None)
        } else if telling < NEARNESS as u32 {
            (shift, Confidence::Map)
        } else {
            (shift, Confidence::Guess)
        }
    }

    /// How far the entries next to `old` moved, and how telling that is: one of
    /// [`NEIGHBOUR_CLASSES`], by whether both agree and how near they are. Those outside
    /// `stretch`, first target and count, do not count.
    #[inline]
    pub(super) fn neighbour(
        &self,
        old: u32,
        above: usize,
        stretch: (u32, u32),
    ) -> Option<(u32, usize)> {
        // What did not move was no reference, most of the time.
        let (shift, Telling(telling)) = self.said(old, above, stretch, false);
        let class = telling & (Telling::LITTLE - 1);
        (telling != Telling::NOTHING).then_some((shift, class as usize))
    }

    /// Remembers that what pointed at `old` now points at `new`.
    pub(super) fn learn(&mut self, old: u32, new: u32) {
        let mut at = self.at_or_above(old);
        let known = matches!(self.get(at), Some((entry, _)) if entry == old);
        let entries = self.words.as_chunks_mut::<ENTRY_WORDS>().0;
        if !known {
            at = self.len;
            if at < entries.len() {
                self.len += 1;
            } else {
                // Numerical Recipes' generator: both sides draw the same entry.
                self.leaving = self
                    .leaving
                    .wrapping_mul(1_664_525)
                    .wrapping_add(1_013_904_223);
                at = (self.leaving >> 8) as usize;
                at = at.checked_rem(entries.len()).unwrap_or(0);
            }
        }
        let entries = entries.get_mut(..self.len).unwrap_or(&mut []);
        if let Some(entry) = entries.get_mut(at) {
            *entry = [
                old as u16,
                (old >> 16) as u16,
                new as u16,
                (new >> 16) as u16,
            ];
        }
        // To its place, down or up: the others are in order.
        let mut order = |k: usize| {
            let key = |[a, b, ..]: &[u16; ENTRY_WORDS]| u32::from(*a) | u32::from(*b) << 16;
            match entries.get_mut(k..k + 2) {
                Some([below, above]) if key(below) > key(above) => {
                    core::mem::swap(below, above);
                    true
                }
                _ => false,
            }
        };
        let mut k = at;
        while k > 0 && order(k - 1) {
            k -= 1;
        }
        while order(at) {
            at += 1;
        }
    }
}

//! Candidate sources for every new offset.

use super::AT_ONCE_FROM;
use super::suffix::Suffixes;
use rayon::prelude::*;
use std::iter;

/// How hard to look.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Neighbours taken on each side in the suffix array.
    pub neighbours: usize,
    /// Shortest match of the plain images, in bytes.
    pub least_plain: u16,
    /// Shortest match of the blanked images, in bytes.
    pub least_blank: u16,
    /// A match at least this long is followed without looking for others until it is
    /// nearly over.
    pub skip_from: u16,
}

/// Sources per new offset, in coordinates of old followed by new.
#[derive(Debug)]
pub struct Candidates {
    /// Of [`STRETCH`] new offsets each: one great array would be held twice while it grows.
    stretches: Vec<Stretch>,
}

/// Sources of a stretch of new offsets.
#[derive(Clone, Debug, Default)]
struct Stretch {
    /// Where the sources of each offset begin, and where the last ones end. Empty: nothing was
    /// looked for yet.
    first: Vec<u32>,
    sources: Vec<u32>,
}

impl Candidates {
    /// Looks in the images as they are and, where given, blanked; each pair old and new.
    pub fn find(
        plain: (&[u8], &[u8]),
        blank: Option<(&[u8], &[u8])>,
        effort: &Effort,
    ) -> Candidates {
        let (old_len, new_len) = (plain.0.len(), plain.1.len());
        let both_at_once = (AT_ONCE_FROM..ONE_AT_A_TIME).contains(&(old_len + new_len));
        let texts = iter::once(plain).chain(blank);
        let sorted = |(old, new)| Suffixes::of([old, new].concat(), old_len);
        // Each array goes before the sources from the next are added: they hold the most.
        let mut stretches = vec![Stretch::default(); new_len.div_ceil(STRETCH)];
        let mut add = |suffixes: Suffixes, least| {
            extend(&mut stretches, &suffixes, old_len, least, effort);
        };
        let least = [effort.least_plain, effort.least_blank];
        if both_at_once {
            let texts: Vec<_> = texts.collect();
            let arrays: Vec<Suffixes> = texts.into_par_iter().map(sorted).collect();
            iter::zip(arrays, least).for_each(|(suffixes, least)| add(suffixes, least));
        } else {
            iter::zip(texts, least).for_each(|(text, least)| add(sorted(text), least));
        }
        Candidates { stretches }
    }

    /// These and `more`, of the same images.
    pub fn with(self, more: Candidates) -> Candidates {
        let pairs = self.stretches.into_par_iter().zip(more.stretches);
        let stretches = pairs.map(|(a, b)| a.merged(b)).collect();
        Candidates { stretches }
    }

    /// Candidates from pairs of new offset and source, ascending, for a new image of
    /// `len` bytes.
    pub(super) fn from_pairs(mut pairs: &[(u32, u32)], len: usize) -> Candidates {
        let mut stretches = Vec::new();
        for start in (0..len).step_by(STRETCH) {
            let range = start..len.min(start + STRETCH);
            let mut stretch = Stretch::of(range.len());
            for at in range {
                stretch.first.push(stretch.sources.len() as u32);
                let here = pairs.iter().take_while(|p| p.0 as usize <= at).count();
                let (found, rest) = pairs.split_at(here);
                stretch
                    .sources
                    .extend(found.iter().map(|&(_, source)| source));
                pairs = rest;
            }
            stretch.first.push(stretch.sources.len() as u32);
            stretch.sources.shrink_to_fit();
            stretches.push(stretch);
        }
        Candidates { stretches }
    }

    /// Sources of new offset `at`, ascending.
    #[inline]
    pub fn at(&self, at: usize) -> &[u32] {
        self.stretches[at / STRETCH].at(at % STRETCH)
    }
}

impl Stretch {
    /// Room for `len` offsets.
    fn of(len: usize) -> Stretch {
        Stretch {
            first: Vec::with_capacity(len + 1),
            sources: Vec::new(),
        }
    }

    #[inline]
    fn at(&self, at: usize) -> &[u32] {
        &self.sources[self.first[at] as usize..self.first[at + 1] as usize]
    }

    fn merged(self, mut other: Stretch) -> Stretch {
        if self.first.is_empty() {
            other.sources.shrink_to_fit();
            return other;
        }
        let len = self.first.len() - 1;
        let mut first = Vec::with_capacity(len + 1);
        let mut sources = Vec::with_capacity(self.sources.len() + other.sources.len() / 2);
        for i in 0..len {
            first.push(sources.len() as u32);
            let from = sources.len();
            sources.extend_from_slice(self.at(i));
            sources.extend_from_slice(other.at(i));
            sources[from..].sort_unstable();
            let mut kept = from;
            for k in from..sources.len() {
                if kept == from || sources[kept - 1] != sources[k] {
                    sources[kept] = sources[k];
                    kept += 1;
                }
            }
            sources.truncate(kept);
        }
        first.push(sources.len() as u32);
        sources.shrink_to_fit();
        Stretch { first, sources }
    }
}

/// Bytes from which the two suffix arrays are made one after the other again: both at once
/// would double the memory.
const ONE_AT_A_TIME: usize = 16 << 20;

/// New offsets whose sources lie together: what grows while they are looked for is small.
const STRETCH: usize = 1 << 12;

/// Stretches handled as one task, within which long matches are followed.
const TASK: usize = 4;

/// Adds the sources that `suffixes` has to those that are known.
fn extend(known: &mut [Stretch], suffixes: &Suffixes, old_len: usize, least: u16, effort: &Effort) {
    let new_len = suffixes.sorted.len() - old_len;
    let tasks = known.par_chunks_mut(TASK).enumerate();
    tasks.for_each(|(task, known)| {
        let mut at = task * TASK * STRETCH;
        let mut next = at;
        for known in known {
            let end = new_len.min(at + STRETCH);
            let mut stretch = Stretch::of(end - at);
            while at < end {
                stretch.first.push(stretch.sources.len() as u32);
                if at == next {
                    let longest = look(suffixes, old_len, at, least, effort, &mut stretch.sources);
                    next = if longest >= effort.skip_from {
                        at + usize::from(longest / 2)
                    } else {
                        at + 1
                    };
                }
                at += 1;
            }
            stretch.first.push(stretch.sources.len() as u32);
            *known = std::mem::take(known).merged(stretch);
        }
    });
}

/// Adds the sources of new offset `at`; gives the longest match.
fn look(
    suffixes: &Suffixes,
    old_len: usize,
    at: usize,
    least: u16,
    effort: &Effort,
    out: &mut Vec<u32>,
) -> u16 {
    let target = old_len + at;
    let place = suffixes.place[at] as usize;
    let from = out.len();
    let mut longest = 0;
    let mut walk = |indices: &mut dyn Iterator<Item = (usize, usize)>| {
        let mut common = u16::MAX;
        let mut found = 0;
        // `edge`: where the prefix with the neighbour before is stored.
        for (neighbour, edge) in indices.take(effort.neighbours * 4) {
            common = common.min(suffixes.prefix[edge]);
            if common < least {
                break;
            }
            let source = suffixes.sorted[neighbour] as usize;
            // Only what lies before, and not across the seam of the two images.
            let usable =
                source < target && !(source < old_len && source + usize::from(least) > old_len);
            if usable {
                longest = longest.max(common);
                out.push(source as u32);
                found += 1;
                if found == effort.neighbours {
                    break;
                }
            }
        }
    };
    walk(&mut (0..place).rev().map(|i| (i, i + 1)));
    walk(&mut (place + 1..suffixes.sorted.len()).map(|i| (i, i)));
    out[from..].sort_unstable();
    longest
}

//! Candidate sources for every new offset.

use super::suffix::Suffixes;
use rayon::prelude::*;

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
#[derive(Debug, Default)]
struct Stretch {
    /// Where the sources of each offset begin, and where the last ones end.
    first: Vec<u32>,
    sources: Vec<u32>,
}

impl Candidates {
    /// Looks in `plain` and `blank`, each old followed by new, old being `old_len` long.
    pub fn find(plain: &[u8], blank: Option<&[u8]>, old_len: usize, effort: &Effort) -> Candidates {
        let plainly = || collect(plain, old_len, effort.least_plain, effort);
        let blanked = || blank.map(|text| collect(text, old_len, effort.least_blank, effort));
        let (a, b) = if plain.len() > ONE_AT_A_TIME {
            (plainly(), blanked())
        } else {
            rayon::join(plainly, blanked)
        };
        let stretches = match b {
            Some(b) => a.into_iter().zip(b).map(|(a, b)| a.merged(&b)).collect(),
            None => a,
        };
        Candidates { stretches }
    }

    /// Candidates from pairs of new offset and source, ascending, for a new image of
    /// `len` bytes.
    pub(super) fn from_pairs(mut pairs: &[(u32, u32)], len: usize) -> Candidates {
        let mut stretches = Vec::new();
        for start in (0..len).step_by(STRETCH) {
            let mut stretch = Stretch::default();
            for at in start..len.min(start + STRETCH) {
                stretch.first.push(stretch.sources.len() as u32);
                let here = pairs.iter().take_while(|p| p.0 as usize <= at).count();
                let (found, rest) = pairs.split_at(here);
                stretch
                    .sources
                    .extend(found.iter().map(|&(_, source)| source));
                pairs = rest;
            }
            stretch.first.push(stretch.sources.len() as u32);
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
    #[inline]
    fn at(&self, at: usize) -> &[u32] {
        &self.sources[self.first[at] as usize..self.first[at + 1] as usize]
    }

    fn merged(self, other: &Stretch) -> Stretch {
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

/// Above this many bytes the two suffix arrays are made one after the other: both at
/// once would double the memory.
const ONE_AT_A_TIME: usize = 16 << 20;

/// New offsets handled as one task.
const STRETCH: usize = 1 << 14;

fn collect(text: &[u8], old_len: usize, least: u16, effort: &Effort) -> Vec<Stretch> {
    let suffixes = Suffixes::of(text);
    let new_len = text.len() - old_len;
    (0..new_len.div_ceil(STRETCH))
        .into_par_iter()
        .map(|task| {
            let range = task * STRETCH..new_len.min((task + 1) * STRETCH);
            let mut stretch = Stretch::default();
            let mut next = range.start;
            for at in range {
                stretch.first.push(stretch.sources.len() as u32);
                if at == next {
                    let longest = look(&suffixes, old_len, at, least, effort, &mut stretch.sources);
                    next = if longest >= effort.skip_from {
                        at + usize::from(longest / 2)
                    } else {
                        at + 1
                    };
                }
            }
            stretch.first.push(stretch.sources.len() as u32);
            stretch.sources.shrink_to_fit();
            stretch
        })
        .collect()
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
    let place = suffixes.place[target] as usize;
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

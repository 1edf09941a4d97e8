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
        match b {
            Some(b) => a.merged(&b),
            None => a,
        }
    }

    /// Candidates from pairs of new offset and source, ascending, for a new image of
    /// `len` bytes.
    pub(super) fn from_pairs(pairs: &[(u32, u32)], len: usize) -> Candidates {
        let mut first = vec![0u32; len + 1];
        for &(at, _) in pairs {
            first[at as usize + 1] += 1;
        }
        for i in 0..len {
            first[i + 1] += first[i];
        }
        Candidates {
            first,
            sources: pairs.iter().map(|&(_, source)| source).collect(),
        }
    }

    /// Sources of new offset `at`, ascending.
    #[inline]
    pub fn at(&self, at: usize) -> &[u32] {
        &self.sources[self.first[at] as usize..self.first[at + 1] as usize]
    }

    fn merged(&self, other: &Candidates) -> Candidates {
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
        Candidates { first, sources }
    }
}

/// Above this many bytes the two suffix arrays are made one after the other: both at
/// once would double the memory.
const ONE_AT_A_TIME: usize = 16 << 20;

/// New offsets handled as one task.
const TASK: usize = 1 << 16;

fn collect(text: &[u8], old_len: usize, least: u16, effort: &Effort) -> Candidates {
    let suffixes = Suffixes::of(text);
    let new_len = text.len() - old_len;
    let tasks: Vec<(Vec<u32>, Vec<u32>)> = (0..new_len.div_ceil(TASK))
        .into_par_iter()
        .map(|task| {
            let range = task * TASK..new_len.min((task + 1) * TASK);
            let mut counts = vec![0u32; range.len()];
            let mut sources = Vec::new();
            let mut at = range.start;
            while at < range.end {
                let before = sources.len();
                let longest = look(&suffixes, old_len, at, least, effort, &mut sources);
                counts[at - range.start] = (sources.len() - before) as u32;
                at += if longest >= effort.skip_from {
                    usize::from(longest / 2)
                } else {
                    1
                };
            }
            (counts, sources)
        })
        .collect();
    let mut first = Vec::with_capacity(new_len + 1);
    let mut total = 0;
    for (counts, _) in &tasks {
        for count in counts {
            first.push(total);
            total += count;
        }
    }
    first.push(total);
    let sources = tasks.into_iter().flat_map(|(_, sources)| sources).collect();
    Candidates { first, sources }
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

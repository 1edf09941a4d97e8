//! Value ranges of pointers that point outside the image: RAM, mostly.
//!
//! Windows of 64 KiB of values in which aligned words change often where everything
//! around them is copied. Words that are references of code do not count: on AArch64
//! branches would pass for pointers (compression research, part B).

use crate::plan::Segment;
use crate::survey::References;
use deltamote_format::codec::{Header, ValueRange};
use deltamote_format::isa::Kind;
use deltamote_format::le;
use std::collections::BTreeMap;

/// Changes that make a window a candidate.
const LEAST_CHANGES: u32 = 6;
/// A window may have this many unchanged words for each changed one.
const CALM_PER_CHANGE: u32 = 3;
/// Candidates given back, best first.
const CANDIDATES: usize = 10;

/// The little-endian word of `image` at `at`, which lies inside.
pub(super) fn word(image: &[u8], at: usize) -> u32 {
    let w = &image[at..at + 4];
    le::word([w[0], w[1], w[2], w[3]])
}

/// Candidate ranges, the most changing first. The caller keeps those that pay.
pub fn ranges(
    (old, new): (&[u8], &[u8]),
    segments: &[Segment],
    header: &Header,
    references: &References,
) -> Vec<ValueRange> {
    let mut windows: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for segment in segments {
        let Some(start) = segment.old() else { continue };
        let mut done = segment.new.wrapping_neg() & 3;
        while done + 4 <= segment.len {
            let (o, n) = ((start + done) as usize, (segment.new + done) as usize);
            done += 4;
            if o & 3 != 0 || references.at(o).is_some() {
                continue;
            }
            let (from, to) = (word(old, o), word(new, n));
            let inside = header.word_kind(from) == Kind::Pointer;
            if from <= 0x1_0000 || inside || from >> 16 != to >> 16 {
                continue;
            }
            let (changed, calm) = windows.entry(from >> 16).or_default();
            if from == to {
                *calm += 1;
            } else {
                *changed += 1;
            }
        }
    }
    let mut list: Vec<(u32, u32)> = windows
        .into_iter()
        .filter(|&(_, (changed, calm))| {
            changed >= LEAST_CHANGES && changed * CALM_PER_CHANGE >= calm
        })
        .map(|(window, (changed, _))| (changed, window))
        .collect();
    list.sort_unstable_by_key(|&(changed, window)| (std::cmp::Reverse(changed), window));
    list.truncate(CANDIDATES);
    list.into_iter()
        .map(|(_, window)| ValueRange {
            start: window << 16,
            len: 0x1_0000,
        })
        .collect()
}

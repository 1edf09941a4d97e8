//! The load address, from pointers that moved with what they point at.
//!
//! Where the image alone does not tell ([`super::base`]): an aligned word that changed
//! by `d` between copied places, and content that moved by `d`, name the load address
//! together. Needs a first parse.

use super::ranges::word;
use crate::plan::Segment;
use std::collections::BTreeMap;

/// Changed words looked at, and shifts per word.
const VOTERS: usize = 4000;
const SHIFTS_PER_VOTER: usize = 16;
/// Segments shorter than this move too freely to vote.
const LEAST_SEGMENT: u32 = 64;
/// Largest segment or old range that one vote may cover, in units of 256 bytes.
const WIDEST_VOTE: u32 = 8192;
/// Words that an accepted address must explain, and the share of all changed words
/// (of at most 2000), in tenths.
const LEAST_EXPLAINED: usize = 24;
const LEAST_TENTHS: usize = 1;
/// Candidates that are checked in full.
const CHECKED: usize = 200;

struct Moved {
    old: u32,
    len: u32,
    shift: u32,
}

/// Aligned words that changed, with how much: value in the old image, difference.
fn changed((old, new): (&[u8], &[u8]), segments: &[Segment]) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for segment in segments {
        let Some(start) = segment.old() else { continue };
        let mut done = segment.new.wrapping_neg() & 3;
        while done + 4 <= segment.len {
            let (o, n) = (start + done, segment.new + done);
            done += 4;
            if o & 3 != 0 {
                continue;
            }
            let (from, to) = (word(old, o as usize), word(new, n as usize));
            let shift = to.wrapping_sub(from);
            if shift != 0 && (shift as i32).unsigned_abs() < 1 << 22 && from > 0x1000 {
                found.push((from, shift));
            }
        }
    }
    found
}

/// The load address that explains how words changed, if one does.
pub fn base_from_changes(images: (&[u8], &[u8]), segments: &[Segment]) -> Option<u32> {
    let mut by_shift: Vec<Moved> = segments
        .iter()
        .filter(|s| s.len >= LEAST_SEGMENT)
        .filter_map(|s| {
            let old = s.old()?;
            Some(Moved {
                old,
                len: s.len,
                shift: s.new.wrapping_sub(old),
            })
        })
        .collect();
    let words = changed(images, segments);
    by_shift.sort_by_key(|m| (m.shift, m.old));
    let mut votes: BTreeMap<u32, u32> = BTreeMap::new();
    let step = (words.len() / VOTERS).max(1);
    for &(value, shift) in words.iter().step_by(step) {
        let first = by_shift.partition_point(|m| m.shift < shift);
        let alike = by_shift[first..].iter().take_while(|m| m.shift == shift);
        for moved in alike.take(SHIFTS_PER_VOTER) {
            let lowest = value.wrapping_sub(moved.old + moved.len) >> 8;
            let highest = value.wrapping_sub(moved.old) >> 8;
            if lowest <= highest && highest - lowest <= WIDEST_VOTE {
                for base in lowest..=highest {
                    *votes.entry(base).or_default() += 1;
                }
            }
        }
    }
    let most = *votes.values().max()?;
    let mut candidates: Vec<u32> = votes
        .iter()
        .filter(|(_, n)| **n * 10 >= most * 9)
        .map(|(base, _)| *base)
        .collect();
    // Round addresses first: among equals the linker's choice is the round one.
    candidates.sort_by_key(|b| (std::cmp::Reverse((b << 8).trailing_zeros()), *b));
    candidates.truncate(CHECKED);
    by_shift.sort_by_key(|m| m.old);
    let explained = |base: u32| {
        let inside = |&&(value, shift): &&(u32, u32)| {
            let offset = value.wrapping_sub(base);
            let k = by_shift.partition_point(|m| m.old <= offset);
            (offset as usize) < images.0.len() && k > 0 && by_shift[k - 1].shift == shift
        };
        words.iter().filter(inside).count()
    };
    let mut best = (0, 0);
    for candidate in candidates {
        let score = explained(candidate << 8);
        if score > best.0 + best.0 / 50 {
            best = (score, candidate << 8);
        }
    }
    let (score, base) = best;
    let enough = score * 10 >= words.len().min(2000) * LEAST_TENTHS;
    (score >= LEAST_EXPLAINED && enough).then_some(base)
}

//! Which copies enter the equivalence map.
//!
//! A map entry costs bytes and earns them by predicting references. The true samples
//! (old target, how far it really moved) of all copied references say what each entry
//! earns over its predecessor; entries that earn nothing are coded inline, where they
//! cost less.

use crate::plan::Segment;
use crate::survey::References;
use deltamote_format::codec::Header;

/// How far old offset `target` moved, once per reference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sample {
    target: u32,
    shift: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    old: u32,
    shift: u32,
    segment: usize,
}

/// Marks the segments that enter the map, `most` at the most.
pub fn choose(
    segments: &mut [Segment],
    header: &Header,
    old_references: &References,
    new_references: &References,
    most: usize,
) {
    let samples = samples(segments, header, old_references, new_references);
    let mut entries: Vec<Entry> = segments
        .iter()
        .enumerate()
        .filter_map(|(segment, s)| {
            let old = s.old()?;
            Some(Entry {
                old,
                shift: s.new.wrapping_sub(old),
                segment,
            })
        })
        .collect();
    entries.sort_by_key(|e| (e.old, e.segment));
    drop_idle(&mut entries, &samples);
    while entries.len() > most {
        thin(&mut entries, &samples, most);
    }
    for s in segments.iter_mut() {
        s.mapped = false;
    }
    for e in &entries {
        segments[e.segment].mapped = true;
    }
}

/// New offset of virtual address `address`.
fn new_offset(header: &Header, address: u32) -> Option<u32> {
    header.spaces().iter().find_map(|s| {
        let inside = address.wrapping_sub(s.new.address);
        (inside < s.new.len).then(|| s.new.offset + inside)
    })
}

fn samples(
    segments: &[Segment],
    header: &Header,
    old_references: &References,
    new_references: &References,
) -> Vec<Sample> {
    let mut found = Vec::new();
    for segment in segments {
        let Some(start) = segment.old() else { continue };
        let known = &old_references.known;
        let first = known.partition_point(|k| k.at < start);
        for old in &known[first..] {
            if old.at >= start + segment.len {
                break;
            }
            let at = segment.new + (old.at - start);
            let Some(new) = new_references.at(at as usize) else {
                continue;
            };
            let (a, b) = (old.reference, new_references.known[new].reference);
            if a.kind != b.kind || a.len != b.len {
                continue;
            }
            let Some((target, _)) = header.old_offset(a.target) else {
                continue;
            };
            if let Some(moved) = new_offset(header, b.target) {
                let shift = moved.wrapping_sub(target);
                found.push(Sample { target, shift });
            }
        }
    }
    found.sort_unstable();
    found
}

/// Samples in `lo..hi` that moved by `shift`.
fn explained(samples: &[Sample], lo: u32, hi: u32, shift: u32) -> i64 {
    let first = samples.partition_point(|s| s.target < lo);
    let last = samples.partition_point(|s| s.target < hi);
    let inside = &samples[first.min(last)..last];
    inside.iter().filter(|s| s.shift == shift).count() as i64
}

/// What entry `e` explains between itself and `hi`, over what `before` would.
fn gain(samples: &[Sample], before: Option<&Entry>, e: &Entry, hi: u32) -> i64 {
    let own = explained(samples, e.old, hi, e.shift);
    own - before.map_or(0, |b| explained(samples, e.old, hi, b.shift))
}

/// Drops entries that explain no more than their predecessor, until none is left.
fn drop_idle(entries: &mut Vec<Entry>, samples: &[Sample]) {
    loop {
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for (i, e) in entries.iter().enumerate() {
            let hi = entries.get(i + 1).map_or(u32::MAX, |n| n.old);
            if gain(samples, kept.last(), e, hi) > 0 {
                kept.push(*e);
            }
        }
        let settled = kept.len() == entries.len();
        *entries = kept;
        if settled {
            return;
        }
    }
}

/// Drops a part of what is too many: those that gain least, no two neighbours at once.
fn thin(entries: &mut Vec<Entry>, samples: &[Sample], most: usize) {
    let excess = entries.len() - most;
    let mut gains: Vec<(i64, usize)> = (0..entries.len())
        .map(|i| {
            let hi = entries.get(i + 1).map_or(u32::MAX, |n| n.old);
            let before = i.checked_sub(1).map(|k| &entries[k]);
            (gain(samples, before, &entries[i], hi), i)
        })
        .collect();
    gains.sort_unstable();
    let mut gone = vec![false; entries.len()];
    let mut left = excess.div_ceil(4);
    for (_, i) in gains {
        let neighbours = (i > 0 && gone[i - 1]) || gone.get(i + 1) == Some(&true);
        if left > 0 && !neighbours {
            gone[i] = true;
            left -= 1;
        }
    }
    let mut flags = gone.into_iter();
    entries.retain(|_| flags.next() != Some(true));
}

//! Small changes of a plan that may make it cheaper.

use crate::plan::Segment;
use deltamote_format::codec::Position;

/// Longest insertion that a neighbouring copy may take over, and longest copy that
/// insertion may, in bytes.
const SHORT: u32 = 64;
/// How far a copy's ends are tried elsewhere, in bytes.
const NUDGES: [i32; 6] = [-4, -2, -1, 1, 2, 4];

/// Segments `first..last` of a plan replaced by `with`.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub first: usize,
    pub last: usize,
    pub with: Vec<Segment>,
}

impl Edit {
    /// Whether the equivalence map is another with it.
    pub fn moves_map(&self, segments: &[Segment]) -> bool {
        let gone = segments.get(self.first..self.last).unwrap_or(&[]);
        let start = |s: &Segment| (s.new, s.source);
        let before = gone.iter().filter(|s| s.mapped).map(start);
        before.ne(self.with.iter().filter(|s| s.mapped).map(start))
    }
}

/// The images and a plan's copies.
pub(super) struct Subject<'a> {
    pub old: &'a [u8],
    pub new: &'a [u8],
    pub segments: &'a [Segment],
}

impl Subject<'_> {
    /// All changes that are worth a trial, in the order of what they change first, around
    /// the copies that were `touched`.
    pub fn edits(&self, touched: &[bool]) -> Vec<Edit> {
        let mut found = Vec::new();
        for (i, _) in touched.iter().enumerate().filter(|(_, t)| **t) {
            self.around(i, &mut found);
        }
        found.sort_by_key(|e| e.first);
        found
    }

    fn around(&self, i: usize, found: &mut Vec<Edit>) {
        let segments = self.segments;
        let segment = segments[i];
        let before = i.checked_sub(1).map(|k| segments[k]);
        let after = segments.get(i + 1).copied();
        let new_len = self.new.len() as u32;
        let mut put = |first, last, with: &[Option<Segment>]| {
            if with.iter().all(Option::is_some) {
                let with = with.iter().flatten().copied().collect();
                found.push(Edit { first, last, with });
            }
        };
        if segment.len <= SHORT {
            put(i, i + 1, &[]);
        }
        if segment.old().is_some() {
            let mapped = !segment.mapped;
            put(i, i + 1, &[Some(Segment { mapped, ..segment })]);
        }
        // A neighbour takes over, or both.
        if let Some(before) = before {
            put(i - 1, i + 1, &[self.until(before, segment.end())]);
        }
        if let Some(after) = after {
            put(i, i + 2, &[self.from(after, segment.new)]);
        }
        if let (Some(before), Some(after)) = (before, after)
            && goes_on(before, after)
        {
            put(i - 1, i + 2, &[self.until(before, after.end())]);
        }
        // The insertion behind, and in front of the first copy.
        let next = after.map_or(new_len, |s| s.new);
        let gap = next - segment.end();
        if (1..=SHORT).contains(&gap) {
            put(i, i + 1, &[self.until(segment, next)]);
            if let Some(after) = after {
                put(i + 1, i + 2, &[self.from(after, segment.end())]);
                if goes_on(segment, after) {
                    put(i, i + 2, &[self.until(segment, after.end())]);
                }
            }
        }
        if i == 0 && (1..=SHORT).contains(&segment.new) {
            put(0, 1, &[self.from(segment, 0)]);
        }
        for nudge in NUDGES {
            let end = segment.end().wrapping_add_signed(nudge);
            let inside = end > segment.new && end <= new_len;
            match after {
                Some(after) if gap == 0 && inside && end < after.end() => {
                    let with = [self.until(segment, end), self.from(after, end)];
                    // Whichever grows must grow by what is there.
                    let grown = with[usize::from(nudge < 0)];
                    let moved = segment.end().min(end)..segment.end().max(end);
                    if grown.is_some_and(|s| self.equal(s, moved.clone()) == moved.len()) {
                        put(i, i + 2, &with);
                    }
                }
                Some(after) if gap > 0 => {
                    if inside && end < after.new && self.pays(segment, segment.end(), end) {
                        put(i, i + 1, &[self.until(segment, end)]);
                    }
                    let start = after.new.wrapping_add_signed(nudge);
                    let inside = start > segment.end() && start < after.end();
                    if inside && self.pays(after, start, after.new) {
                        put(i + 1, i + 2, &[self.from(after, start)]);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether it may pay to move an end of `segment` from `from` to `to`, or back if `to` is
    /// below: bytes that are equal should be copied, others need not.
    fn pays(&self, segment: Segment, from: u32, to: u32) -> bool {
        let moved = from.min(to)..from.max(to);
        let inside = segment.new <= moved.start && moved.end <= segment.end();
        let all = self.equal(segment, moved.clone()) == moved.len();
        all != inside
    }

    /// How many bytes of the new image in `range` are as `segment`, were it longer, would
    /// copy them.
    fn equal(&self, segment: Segment, range: std::ops::Range<u32>) -> usize {
        let (image, at) = match segment.source {
            Position::Old(at) => (self.old, at),
            Position::New(at) => (self.new, at),
        };
        let shift = i64::from(at) - i64::from(segment.new);
        let there = |new: u32| usize::try_from(i64::from(new) + shift).ok();
        let same = |&new: &u32| {
            let byte = there(new).and_then(|at| image.get(at));
            byte.is_some() && byte == self.new.get(new as usize)
        };
        range.filter(same).count()
    }

    /// `segment` with another end.
    fn until(&self, segment: Segment, end: u32) -> Option<Segment> {
        let longer = Segment {
            len: end - segment.new,
            ..segment
        };
        let added = segment.end().min(end)..end;
        self.fits(longer, added).then_some(longer)
    }

    /// `segment` with another start.
    fn from(&self, segment: Segment, start: u32) -> Option<Segment> {
        let by = segment.new as i32 - start as i32;
        let moved = |at: u32| at.checked_add_signed(-by);
        let source = match segment.source {
            Position::Old(at) => Position::Old(moved(at)?),
            Position::New(at) => Position::New(moved(at)?),
        };
        let other = Segment {
            new: start,
            source,
            len: segment.end() - start,
            ..segment
        };
        self.fits(other, start..segment.new.max(start))
            .then_some(other)
    }

    /// Whether `segment` has a source, which is not unlike the new image in `added`.
    fn fits(&self, segment: Segment, added: std::ops::Range<u32>) -> bool {
        let len = added.len();
        let inside = match segment.source {
            Position::Old(at) => at as usize + segment.len as usize <= self.old.len(),
            Position::New(at) => at < segment.new,
        };
        inside && (len <= SHORT as usize || 2 * self.equal(segment, added) >= len)
    }
}

/// Whether `b` copies from where `a`, gone on with, would.
fn goes_on(a: Segment, b: Segment) -> bool {
    let by = b.new - a.new;
    match (a.source, b.source) {
        (Position::Old(from), Position::Old(to)) => from.checked_add(by) == Some(to),
        (Position::New(from), Position::New(to)) => from.checked_add(by) == Some(to),
        _ => false,
    }
}

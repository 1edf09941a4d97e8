//! The plan of a patch: header, equivalences and ops in new order, before coding.
//!
//! Made by the parse, read by the encoder through [`Cursor`].

use deltamote_format::codec::{Entry, Guide, Header, Op, Position};
use deltamote_format::isa::Code;
use deltamote_format::le;
use std::ops::Range;

/// A copy. What no segment covers is inserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// New offset of its first byte.
    pub new: u32,
    /// Where its bytes come from.
    pub source: Position,
    /// Bytes, at least 1.
    pub len: u32,
    /// Sent ahead in the equivalence map.
    pub mapped: bool,
}

impl Segment {
    /// New offset behind it.
    pub fn end(&self) -> u32 {
        self.new + self.len
    }

    /// Its entry in the map, if it is there.
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            old: self.old().unwrap_or(0),
            new: self.new,
        }
    }

    /// Old offset, for a copy from the old image.
    pub fn old(&self) -> Option<u32> {
        match self.source {
            Position::Old(at) => Some(at),
            Position::New(_) => None,
        }
    }
}

/// What to encode.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Header; its `map_len` is set by [`Plan::cursor`]'s caller through
    /// [`Plan::count_map`].
    pub header: Header,
    /// Copies in ascending new offset, without overlap.
    pub segments: Vec<Segment>,
}

impl Plan {
    /// Number of mapped segments.
    pub fn count_map(&self) -> u32 {
        self.cursor(&[]).count_map()
    }

    /// The same with no copy over a multiple of `1 << log2` new bytes; for 0 as it is.
    pub fn in_blocks(&self, log2: u8) -> Plan {
        let mut plan = Plan {
            header: self.header.clone(),
            segments: Vec::with_capacity(self.segments.len()),
        };
        plan.header.reset_log2 = log2;
        for segment in &self.segments {
            let mut rest = *segment;
            while log2 != 0 && (rest.end() - 1) >> log2 != rest.new >> log2 {
                let len = (((rest.new >> log2) + 1) << log2) - rest.new;
                plan.segments.push(Segment { len, ..rest });
                rest = Segment {
                    new: rest.new + len,
                    source: match rest.source {
                        Position::Old(at) => Position::Old(at + len),
                        Position::New(at) => Position::New(at + len),
                    },
                    len: rest.len - len,
                    mapped: false,
                };
            }
            plan.segments.push(rest);
        }
        plan
    }

    /// The plan as the codec asks for it.
    pub fn cursor<'a>(&'a self, new: &'a [u8]) -> Cursor<'a> {
        self.detour(0..0, &[], new)
    }

    /// The plan with `with` in place of the segments `gone`, from in front of those on.
    pub(crate) fn detour<'a>(
        &'a self,
        gone: Range<usize>,
        with: &'a [Segment],
        new: &'a [u8],
    ) -> Cursor<'a> {
        Cursor {
            before: &self.segments[..gone.start],
            with,
            rest: &self.segments[gone.end..],
            at: gone.start,
            mapped: 0,
            new,
        }
    }
}

/// Walks a plan while it is coded.
#[derive(Debug)]
pub struct Cursor<'a> {
    before: &'a [Segment],
    with: &'a [Segment],
    rest: &'a [Segment],
    /// The next segment, counted over all three.
    at: usize,
    /// The first that may be the next of the map, likewise.
    mapped: usize,
    new: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn get(&self, at: usize) -> Option<&'a Segment> {
        let Some(at) = at.checked_sub(self.before.len()) else {
            return self.before.get(at);
        };
        let Some(at) = at.checked_sub(self.with.len()) else {
            return self.with.get(at);
        };
        self.rest.get(at)
    }

    /// Number of mapped segments.
    pub(crate) fn count_map(&self) -> u32 {
        let parts = [self.before, self.with, self.rest].into_iter().flatten();
        parts.filter(|s| s.mapped).count() as u32
    }
}

impl Guide for Cursor<'_> {
    fn gap(&mut self, pos: u32, room: u32) -> u32 {
        self.get(self.at).map_or(room, |s| (s.new - pos).min(room))
    }

    fn op(&mut self) -> Op {
        let nothing = Op {
            source: Position::Old(0),
            len: 1,
        };
        self.get(self.at).map_or(nothing, |s| Op {
            source: s.source,
            len: s.len,
        })
    }

    fn taken(&mut self) {
        self.at += 1;
    }

    fn entry(&mut self, _index: u32) -> Entry {
        while let Some(segment) = self.get(self.mapped) {
            self.mapped += 1;
            if segment.mapped {
                return segment.entry();
            }
        }
        Entry { old: 0, new: 0 }
    }

    #[inline]
    fn truth(&self, at: u32, len: u32) -> u32 {
        truth(self.new, at, len)
    }
}

/// `len` (1..=4) bytes of `image` at `at`, little-endian; 0 behind its end.
#[inline]
fn truth(image: &[u8], at: u32, len: u32) -> u32 {
    let at = at as usize;
    match image.get(at..at + 4) {
        Some(b) => {
            let word = le::word([b[0], b[1], b[2], b[3]]);
            if len == 4 {
                word
            } else {
                word & ((1 << (8 * len)) - 1)
            }
        }
        None => (0..len as usize).rev().fold(0, |w, k| {
            w << 8 | u32::from(image.get(at + k).copied().unwrap_or(0))
        }),
    }
}

/// The new image as a decoder would see it: only what has been written so far.
#[derive(Debug)]
pub struct Written<'a> {
    image: &'a [u8],
    len: u32,
}

impl<'a> Written<'a> {
    /// Nothing of `image` has been written.
    pub fn nothing_of(image: &'a [u8]) -> Self {
        Written { image, len: 0 }
    }

    fn seen(&self) -> &'a [u8] {
        &self.image[..self.len as usize]
    }
}

impl Code for Written<'_> {
    #[inline]
    fn byte(&mut self, at: u32) -> Option<u8> {
        self.seen().byte(at)
    }

    #[inline]
    fn window(&mut self, at: u32) -> &[u8] {
        self.seen().get(at as usize..).unwrap_or(&[])
    }

    #[inline]
    fn reveal(&mut self, len: u32) {
        self.len = len;
    }
}

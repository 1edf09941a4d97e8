//! What a plan costs with an edit, found from a fork of the codec in front of it.

use super::edits::Edit;
use crate::Error;
use crate::encode::{self, workspace};
use crate::plan::{Cursor, Plan, Segment, Written};
use crate::price::PriceCounter;
use deltamote_format::Profile;
use deltamote_format::codec::{Codec, Entry, Step};
use deltamote_format::isa::Code;
use deltamote_format::model::Prior;
use std::sync::Mutex;

/// A copy is followed this far behind an edit, in bytes: what an edit teaches the models
/// shows there.
const TAIL: u32 = 1024;
/// What a trial may be worse than the plan behind the first of these copies, in 1/1024 bit.
const HOPE: i64 = 4 << 10;
/// Copies behind an edit that are coded in its trial.
const FOLLOWING: usize = 2;

/// The images and how they are coded.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub old: &'a [u8],
    pub new: &'a [u8],
    pub profile: Profile,
    pub prior: Option<Prior<'a>>,
}

/// Prices up to places in a plan, in 1/1024 bit.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    /// Up to the segment's end.
    end: u64,
    /// Up to [`TAIL`] behind its start, if it is longer.
    tail: u64,
}

/// A plan and its prices.
pub(super) struct Marked<'p> {
    pub plan: &'p Plan,
    pub marks: Vec<Mark>,
    /// Price of header and map.
    pub front: u64,
    /// Price of it all.
    pub total: u64,
}

/// Where coding stands in front of a segment.
pub(super) struct Standing<'w, 'p> {
    /// Locked for as long as a fork takes: the map remembers its last answer.
    codec: Mutex<Codec<'w, 'p>>,
    counter: PriceCounter,
}

impl<'a> Setting<'a> {
    /// Prices `plan` up to its places.
    pub fn mark<'p>(&self, plan: &'p Plan) -> Result<Marked<'p>, Error> {
        let mut words = workspace(self.profile);
        let mut codec = encode::codec(&mut words, self.profile, plan, self.prior)?;
        let mut counter = PriceCounter::default();
        let mut marks = vec![Mark::default(); plan.segments.len()];
        let mut front = None;
        let (mut ending, mut tailing) = (0, 0);
        let mut guide = plan.cursor(self.new);
        let mut written = Written::nothing_of(self.new);
        let mut source = self.old;
        while codec.step(&mut counter, &mut source, &mut written, &mut guide)? != Step::Done {
            let pos = codec.pos();
            written.reveal(pos);
            if front.is_none() && codec.map_ready() {
                front = Some(counter.total());
            }
            while let Some(s) = plan.segments.get(tailing).filter(|s| pos >= s.new + TAIL) {
                if s.len > TAIL {
                    marks[tailing].tail = counter.total();
                }
                tailing += 1;
            }
            while plan.segments.get(ending).is_some_and(|s| pos >= s.end()) {
                marks[ending].end = counter.total();
                ending += 1;
            }
        }
        Ok(Marked {
            plan,
            marks,
            front: front.unwrap_or(0),
            total: counter.total(),
        })
    }

    /// What `edit` saves, in 1/1024 bit, as far as a trial sees.
    pub fn gain(
        &self,
        marked: &Marked<'_>,
        standing: &Standing<'_, 'a>,
        edit: &Edit,
        words: &mut [u16],
    ) -> Result<i64, Error> {
        let plan = marked.plan;
        let segments = &plan.segments;
        let (mut until, mut now) = (self.new.len() as u32, marked.total);
        for (k, s) in segments.iter().enumerate().skip(edit.last).take(FOLLOWING) {
            let mark = &marked.marks[k];
            if s.len > TAIL {
                (until, now) = (s.new + TAIL, mark.tail);
                break;
            }
            let rest = self.new.len() as u32 - s.end();
            if k + 1 < segments.len() || rest > TAIL {
                (until, now) = (s.end(), mark.end);
            } else {
                (until, now) = (self.new.len() as u32, marked.total);
            }
        }
        let mut map = 0;
        let moves_map = edit.moves_map(segments);
        if moves_map {
            map = marked.front as i64 - self.front(plan, edit, words)? as i64;
        }
        let mut codec = match standing.codec.lock() {
            Ok(codec) => codec.fork(words)?,
            Err(_) => return Err(Error::internal("a trial was broken off")),
        };
        if moves_map {
            let entries = |s: &[Segment]| -> Vec<Entry> {
                s.iter().filter(|s| s.mapped).map(Segment::entry).collect()
            };
            codec.remap(
                &entries(&segments[edit.first..edit.last]),
                &entries(&edit.with),
            );
        }
        let mut counter = standing.counter.clone();
        let mut guide = plan.detour(edit.first..edit.last, &edit.with, self.new);
        let mut written = Written::nothing_of(self.new);
        let mut source = self.old;
        let most = (now as i64 + map).max(0) as u64;
        // Behind the edit a trial that is far behind the plan does not catch up.
        let (soon, soon_most) = self.soon(marked, edit, map);
        let mut early = soon < until;
        while codec.pos() < until {
            written.reveal(codec.pos());
            if codec.step(&mut counter, &mut source, &mut written, &mut guide)? == Step::Done {
                break;
            }
            if early && codec.pos() >= soon {
                early = false;
                if counter.total() > soon_most {
                    return Ok(0);
                }
            }
            if counter.total() > most {
                return Ok(0);
            }
        }
        Ok(now as i64 - counter.total() as i64 + map)
    }

    /// Where the copy behind `edit` ends, and what may have been spent up to there for the
    /// rest to be worth coding.
    fn soon(&self, marked: &Marked<'_>, edit: &Edit, map: i64) -> (u32, u64) {
        let at = edit.last;
        match (marked.plan.segments.get(at), marked.marks.get(at)) {
            (Some(s), Some(mark)) if s.len <= TAIL => {
                (s.end(), (mark.end as i64 + map + HOPE).max(0) as u64)
            }
            _ => (u32::MAX, u64::MAX),
        }
    }

    /// Price of header and map with `edit`.
    fn front(&self, plan: &Plan, edit: &Edit, words: &mut [u16]) -> Result<u64, Error> {
        let mut guide = plan.detour(edit.first..edit.last, &edit.with, self.new);
        let mut header = plan.header.clone();
        header.map_len = guide.count_map();
        if header.map_len as usize > self.profile.limits().map_entries {
            return Ok(u64::MAX >> 1);
        }
        let mut codec = Codec::new(words, self.profile, header, self.prior)?;
        let mut counter = PriceCounter::default();
        let mut written = Written::nothing_of(self.new);
        let mut source = self.old;
        while !codec.map_ready() {
            codec.step(&mut counter, &mut source, &mut written, &mut guide)?;
        }
        Ok(counter.total())
    }
}

/// Codes a plan and stops in front of each segment.
pub(super) struct Walk<'s, 'w, 'p> {
    codec: Codec<'w, 'p>,
    counter: PriceCounter,
    guide: Cursor<'s>,
    written: Written<'s>,
    old: &'s [u8],
    segments: &'s [Segment],
    next: usize,
}

impl<'s, 'w, 'p> Walk<'s, 'w, 'p> {
    pub fn new(setting: &Setting<'p>, plan: &'s Plan, words: &'w mut [u16]) -> Result<Self, Error>
    where
        'p: 's,
    {
        Ok(Walk {
            codec: encode::codec(words, setting.profile, plan, setting.prior)?,
            counter: PriceCounter::default(),
            guide: plan.cursor(setting.new),
            written: Written::nothing_of(setting.new),
            old: setting.old,
            segments: &plan.segments,
            next: 0,
        })
    }

    /// How coding stands in front of the next segment, before any insertion there; kept in
    /// `words`.
    pub fn stand<'x>(&mut self, words: &'x mut [u16]) -> Result<Standing<'x, 'p>, Error> {
        let before = self.next.checked_sub(1).and_then(|k| self.segments.get(k));
        let from = before.map_or(0, Segment::end);
        while !self.codec.map_ready() || self.codec.pos() < from {
            self.written.reveal(self.codec.pos());
            let Walk {
                codec,
                counter,
                guide,
                written,
                old,
                ..
            } = self;
            codec.step(counter, old, written, guide)?;
        }
        self.next += 1;
        Ok(Standing {
            codec: Mutex::new(self.codec.fork(words)?),
            counter: self.counter.clone(),
        })
    }
}

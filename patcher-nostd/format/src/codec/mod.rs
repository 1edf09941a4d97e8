//! The payload codec: header, map, then ops until the new image is complete.
//!
//! One state machine for both directions. The engine drives it with a [`Guide`] (the
//! plan and the new image) and an encoder or a price counter; the patcher drives it
//! through [`Decoder`] with authentic bytes. A call of [`Codec::step`] codes one
//! command, one flag or one unit, uses at most [`STEP_RESERVE`] payload bytes and
//! yields at most four bytes of the new image. SPEC §6.

mod copy;
mod corrections;
mod decoder;
mod fork;
mod header;
mod literal;
mod map;
mod ops;
mod predict;
mod predictor;
mod run;
mod trust;

pub use decoder::Decoder;
pub use header::{
    Extent, Header, MAX_RANGES, MAX_REGIONS, MAX_SPACES, RESET_LOG2, Region, Space, ValueRange,
};
pub use map::Entry;
pub(crate) use map::NARROW_LIMIT;
pub use predictor::Unit;

use crate::coder::{Coder, Section};
use crate::isa::{Code, Isa};
use crate::model::{Models, NumberModel, Prior, split};
use crate::profile::{Limits, Profile};
use crate::{Error, ErrorKind};
use core::cell::Cell;
use corrections::Corrections;
use map::Map;
use ops::LEARNED_COPY;
use trust::Straight;

/// Payload bytes that must be readable before a step, unless none follow. The longest
/// step is a map entry with two large numbers against trained statistics: below 63
/// bytes (SPEC §6.1).
pub const STEP_RESERVE: usize = 64;

/// Largest image, in bytes: what the numbers of the payload can address.
pub const MAX_IMAGE: u32 = 1 << 29;

/// A file offset, with the image it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// In the old image.
    Old(u32),
    /// In the new image.
    New(u32),
}

impl Position {
    #[inline]
    fn advanced(self, by: u32) -> Position {
        match self {
            Position::Old(at) => Position::Old(at.wrapping_add(by)),
            Position::New(at) => Position::New(at.wrapping_add(by)),
        }
    }

    #[inline]
    fn offset(self) -> u32 {
        match self {
            Position::Old(at) | Position::New(at) => at,
        }
    }

    #[inline]
    fn is_new(self) -> bool {
        matches!(self, Position::New(_))
    }
}

/// A copy with the corrections that its references need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Op {
    /// Where it copies from.
    pub source: Position,
    /// Bytes.
    pub len: u32,
}

/// What an encoding side knows. A decoding side uses `()`.
pub trait Guide {
    /// Bytes to insert at `pos` before the next copy, at most `room`.
    fn gap(&mut self, pos: u32, room: u32) -> u32;
    /// The next copy (without taking it).
    fn op(&mut self) -> Op;
    /// The copy has been coded.
    fn taken(&mut self);
    /// Map entry `index`.
    fn entry(&mut self, index: u32) -> Entry;
    /// `len` (1..=4) bytes of the new image at `at`, little-endian.
    fn truth(&self, at: u32, len: u32) -> u32;
}

impl Guide for () {
    fn gap(&mut self, _pos: u32, _room: u32) -> u32 {
        0
    }
    fn op(&mut self) -> Op {
        Op {
            source: Position::Old(0),
            len: 0,
        }
    }
    fn taken(&mut self) {}
    fn entry(&mut self, _index: u32) -> Entry {
        Entry { old: 0, new: 0 }
    }
    fn truth(&self, _at: u32, _len: u32) -> u32 {
        0
    }
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The next `len` (1..=4) bytes of the new image: the low bytes of `word`,
    /// little-endian.
    Output {
        /// The bytes.
        word: u32,
        /// How many.
        len: u8,
    },
    /// Control information; no output.
    Control,
    /// The models were reset; decoding may start again from here.
    Reset(ResumePoint),
    /// The new image is complete. Sticky.
    Done,
}

/// Where decoding can start again after a reset, once the map is decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResumePoint {
    /// Bytes of the new image before this point.
    pub new_pos: u32,
    /// Payload offset (chunk links not counted) of the first byte behind the reset.
    pub payload_pos: u32,
    /// The running op, as the journal keeps it; SPEC §6.9 has the layout.
    pub op: [u32; 8],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// This part of the header comes next.
    Header(header::Part),
    /// Map entry `index` comes next.
    Map { index: u32, last: Entry },
    /// A command comes next.
    Gap,
    /// The source of an inline copy comes next.
    Source,
    /// The length of the copy comes next.
    Length { source: Position, mapped: bool },
    /// `left` inserted bytes follow; then a copy's source, unless the insert fills the
    /// room up to the next map entry.
    Literal { left: u32, fills: bool },
    /// `left` bytes follow from `source`.
    Copy { source: Position, left: u32 },
    /// Complete.
    Done,
}

/// Payload bytes since the last reset below which a reset is put off: what a device
/// may have to fetch again after a power cut, against what learning anew costs.
pub const RESET_THRESHOLD: u32 = 4096;

/// Everything a direction keeps between steps.
#[derive(Debug)]
pub struct Codec<'w, 'p> {
    /// The header; an encoding side fills it in before the first step.
    pub header: Header,
    models: Models<'w>,
    prior: Option<Prior<'p>>,
    map: Map<'w>,
    corrections: Corrections<'w>,
    /// The last simple answer of [`Codec::moved`]; none once map or corrections changed.
    straight: Cell<Straight>,
    state: State,
    pos: u32,
    /// Instruction set at `pos`, valid up to `region_end`.
    isa: Isa,
    region_end: u32,
    /// [`Header::pointer_tops`] of the header, once it is coded.
    pointer_tops: u32,
    /// The map entry whose copy comes next.
    next: Option<Entry>,
    /// Bytes inserted since the last copy.
    gap: u32,
    /// Old offset behind the last copy.
    last_end: u32,
    /// Old minus new offset of the last copies, latest first.
    diagonals: [u32; 4],
    recent: Recent,
    /// Source offset from which instruction boundaries are known.
    synced_from: u32,
    block: copy::Block,
    at_boundary: bool,
    /// Payload bytes used when the models were last reset.
    reset_at: u32,
}

/// What was coded last: the contexts that change with every unit.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    /// The last eight new bytes, the latest lowest.
    bytes: u64,
    /// Unit misses, the latest lowest.
    misses: u32,
    /// Byte hits inside missed units, the latest lowest.
    equal: u32,
    /// New offset behind the last miss, or of the copy's start.
    last_miss: u32,
    /// Last difference to the prediction, by byte of the unit.
    deltas: [u8; 4],
}

impl Recent {
    /// The new byte `back` bytes ago (0: the last).
    #[inline]
    fn byte(&self, back: u32) -> u32 {
        (self.bytes >> (8 * back)) as u32 & 0xff
    }

    #[inline]
    fn push(&mut self, word: u32, len: u32) {
        for k in 0..len {
            self.bytes = self.bytes << 8 | u64::from(word >> (8 * k) & 0xff);
        }
    }
}

/// Bits needed to write `v`; 0 for 0.
#[inline]
fn magnitude(v: u32) -> u32 {
    32 - v.leading_zeros()
}

impl<'w, 'p> Codec<'w, 'p> {
    /// Words of workspace for `limits`.
    pub const fn words(limits: &Limits) -> usize {
        Models::words(limits)
            + limits.map_entries * limits.map_entry_words
            + limits.corrections * corrections::ENTRY_WORDS
    }

    /// A codec in front of a payload. `header` holds the lengths of the images, and
    /// all the rest on an encoding side.
    pub fn new(
        words: &'w mut [u16],
        profile: Profile,
        header: Header,
        prior: Option<Prior<'p>>,
    ) -> Result<Self, Error> {
        let limits = profile.limits();
        if words.len() < Codec::words(&limits) {
            return Err(Error::new(ErrorKind::WorkspaceTooSmall, 0));
        }
        let mut codec = Codec::laid_out(words, &limits, header, prior);
        codec.models.reset(prior.as_ref());
        Ok(codec)
    }

    /// The same with `words` that suffice, and garbage in the models.
    #[inline(always)]
    fn laid_out(
        words: &'w mut [u16],
        limits: &Limits,
        header: Header,
        prior: Option<Prior<'p>>,
    ) -> Self {
        let mut rest = words;
        Codec {
            header,
            models: Models::laid_out(&mut rest, limits),
            prior,
            map: Map::new(
                split(&mut rest, limits.map_entries * limits.map_entry_words),
                limits.map_entry_words,
            ),
            corrections: Corrections::new(split(
                &mut rest,
                limits.corrections * corrections::ENTRY_WORDS,
            )),
            straight: Cell::default(),
            state: State::Header(header::Part::Flags),
            pos: 0,
            isa: Isa::None,
            region_end: 0,
            pointer_tops: 0,
            next: None,
            gap: 0,
            last_end: 0,
            diagonals: [0; 4],
            recent: Recent::default(),
            synced_from: 0,
            block: copy::Block::default(),
            at_boundary: false,
            reset_at: 0,
        }
    }

    /// Bytes of the new image coded so far.
    pub fn pos(&self) -> u32 {
        self.pos
    }

    /// Where the next bytes are copied from; `None` outside a copy. For reports.
    pub fn copy_source(&self) -> Option<Position> {
        match self.state {
            State::Copy { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the header has been coded.
    pub fn header_ready(&self) -> bool {
        !matches!(self.state, State::Header(_))
    }

    /// Whether header and map have been coded.
    pub fn map_ready(&self) -> bool {
        !matches!(self.state, State::Header(_) | State::Map { .. })
    }

    /// Where the engine's parse should expect the target of an old reference now.
    pub fn predicted_target(&self, target: u32, kind: crate::isa::Kind) -> u32 {
        if kind == crate::isa::Kind::Pointer && !self.is_pointer(target) {
            return target;
        }
        self.moved(target, kind).target
    }

    /// The models, for the trainer.
    pub fn models_mut(&mut self) -> &mut Models<'w> {
        &mut self.models
    }

    /// Codes one command, flag or unit.
    #[inline]
    pub fn step<C: Coder, O: Code, N: Code, G: Guide>(
        &mut self,
        coder: &mut C,
        old: &mut O,
        new: &mut N,
        guide: &mut G,
    ) -> Result<Step, Error> {
        if self.at_boundary {
            self.at_boundary = false;
            let used = coder.position().wrapping_sub(self.reset_at);
            if used >= RESET_THRESHOLD && self.pos < self.header.new_len {
                coder.restart();
                self.reset_at = coder.position();
                self.reset(old, new);
                return Ok(Step::Reset(self.resume_point(coder.position())));
            }
        }
        match self.state {
            State::Copy { source, left } => self.copy(coder, old, new, guide, source, left),
            State::Literal { left, fills } => self.literal(coder, guide, left, fills),
            State::Gap => self.gap(coder, guide),
            State::Source => self.source(coder, guide),
            State::Length { source, mapped } => self.length(coder, old, new, guide, source, mapped),
            State::Header(part) => self.header_step(coder, part),
            State::Map { index, last } => self.map_entry(coder, guide, index, last),
            State::Done => Ok(Step::Done),
        }
    }

    fn fault(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.pos)
    }

    /// Bytes that a unit at `pos` may have: within the op, the region and the stretch
    /// up to the next possible reset.
    #[inline]
    fn unit_room(&self, pos: u32, left: u32) -> u32 {
        let mut room = left.min(self.region_end.wrapping_sub(pos));
        let log2 = self.header.reset_log2;
        if log2 != 0 {
            let period = 1u32.checked_shl(u32::from(log2)).unwrap_or(u32::MAX);
            room = room.min(period - (pos & (period - 1)));
        }
        room
    }

    /// Accounts for `len` new bytes.
    #[inline]
    fn produced(&mut self, word: u32, len: u32) -> Step {
        self.recent.push(word, len);
        self.advance(len);
        Step::Output {
            word,
            len: len as u8,
        }
    }

    /// Moves on by `len` new bytes.
    #[inline]
    fn advance(&mut self, len: u32) {
        self.pos = self.pos.wrapping_add(len);
        if self.pos >= self.region_end && self.pos < self.header.new_len {
            self.enter_region();
        }
        let log2 = self.header.reset_log2;
        if log2 != 0 {
            let period = 1u32.checked_shl(u32::from(log2)).unwrap_or(u32::MAX);
            self.at_boundary = self.pos & (period - 1) == 0;
        }
    }

    fn enter_region(&mut self) {
        let region = self.header.region_at(self.pos);
        self.isa = region.isa;
        self.region_end = region.end;
    }

    fn header_step<C: Coder>(&mut self, coder: &mut C, part: header::Part) -> Result<Step, Error> {
        if let Some(next) = self.header.code(coder, part)? {
            self.state = State::Header(next);
            return Ok(Step::Control);
        }
        let longest = self.header.old_len.max(self.header.new_len);
        if longest > MAX_IMAGE || !self.map.holds(longest) {
            return Err(self.fault(ErrorKind::ImageTooLarge));
        }
        if self.header.map_len as usize > self.map.capacity() {
            return Err(self.fault(ErrorKind::MapTooLarge));
        }
        if self.header.reset_log2 != 0 && !RESET_LOG2.contains(&self.header.reset_log2) {
            return Err(self.fault(ErrorKind::HeaderUnsupported));
        }
        self.enter_region();
        self.pointer_tops = self.header.pointer_tops();
        let last = Entry { old: 0, new: 0 };
        self.state = State::Map { index: 0, last };
        Ok(Step::Control)
    }

    fn map_entry<C: Coder, G: Guide>(
        &mut self,
        coder: &mut C,
        guide: &mut G,
        index: u32,
        last: Entry,
    ) -> Result<Step, Error> {
        coder.section(Section::Map);
        if index == self.header.map_len {
            self.next = self.map.next_from(0);
            self.state = State::Gap;
            return Ok(Step::Control);
        }
        let truth = if C::ENCODES {
            guide.entry(index)
        } else {
            Entry { old: 0, new: 0 }
        };
        let gap = truth.new.wrapping_sub(last.new);
        let gap = self.models.number(coder, NumberModel::MapGap, gap);
        let new = last.new.wrapping_add(gap);
        let straight = last.old.wrapping_add(gap);
        let moved = self
            .models
            .bit(coder, bit::MAP_MOVED, truth.old != straight);
        let old = if moved {
            let shift = truth.old.wrapping_sub(straight) as i32;
            let shift = self.models.signed(coder, NumberModel::MapShift, shift);
            straight.wrapping_add(shift as u32)
        } else {
            straight
        };
        let ascending = index == 0 || gap != 0;
        if !ascending || old >= self.header.old_len || new >= self.header.new_len {
            return Err(self.fault(ErrorKind::MapOutOfRange));
        }
        let entry = Entry { old, new };
        self.straight.take();
        self.map.insert(entry, false);
        self.state = State::Map {
            index: index + 1,
            last: entry,
        };
        Ok(Step::Control)
    }

    /// Everything learned goes back to the initial state; the op goes on.
    fn reset<O: Code, N: Code>(&mut self, old: &mut O, new: &mut N) {
        self.models.reset(self.prior.as_ref());
        self.forget();
        self.recent = Recent {
            last_miss: self.pos,
            ..Recent::default()
        };
        self.block = copy::Block::default();
        if let State::Copy { source, .. } = self.state {
            self.synchronise(old, new, source);
        }
    }

    /// What was learned about targets, and where the next map entry begins.
    fn forget(&mut self) {
        self.straight.take();
        self.corrections.clear();
        self.map.drop_learned();
        self.next = self.map.next_from(self.pos);
    }

    fn resume_point(&self, payload_pos: u32) -> ResumePoint {
        let [d0, d1, d2, _] = self.diagonals;
        let (tag, from, left) = match self.state {
            State::Copy { source, left } => (1 + u32::from(source.is_new()), source.offset(), left),
            State::Literal { left, fills } => (3 + u32::from(fills), 0, left),
            State::Source => (5, 0, 0),
            _ => (0, 0, 0),
        };
        ResumePoint {
            new_pos: self.pos,
            payload_pos,
            op: [tag, from, left, self.gap, self.last_end, d0, d1, d2],
        }
    }

    /// Goes on behind a reset: header and map have been coded, nothing else.
    fn resume<O: Code, N: Code>(
        &mut self,
        point: &ResumePoint,
        old: &mut O,
        new: &mut N,
    ) -> Result<(), Error> {
        let [tag, from, left, gap, last_end, d0, d1, d2] = point.op;
        self.pos = point.new_pos;
        let room = self.header.new_len.checked_sub(self.pos);
        if !self.map_ready() || room.is_none_or(|room| left > room || room == 0) {
            return Err(self.fault(ErrorKind::HeaderInconsistent));
        }
        self.state = match tag {
            0 => State::Gap,
            1 | 2 => {
                let (source, limit) = if tag == 1 {
                    (Position::Old(from), self.header.old_len)
                } else {
                    (Position::New(from), self.pos)
                };
                if from >= limit || (tag == 1 && left > limit - from) {
                    return Err(self.fault(ErrorKind::CopyOutOfRange));
                }
                State::Copy { source, left }
            }
            3 | 4 => State::Literal {
                left,
                fills: tag == 4,
            },
            5 => State::Source,
            _ => return Err(self.fault(ErrorKind::HeaderInconsistent)),
        };
        (self.gap, self.last_end) = (gap, last_end);
        self.diagonals = [d0, d1, d2, 0];
        self.enter_region();
        self.reset_at = point.payload_pos;
        self.reset(old, new);
        // A running op ends before the next mapped copy at the latest; none is empty.
        if matches!(tag, 1..=4) && (left == 0 || left > self.room()) {
            return Err(self.fault(ErrorKind::HeaderInconsistent));
        }
        Ok(())
    }
}

/// Single adaptive flags: their numbers in [`Models::bit`].
mod bit {
    pub const MAP_MOVED: usize = 0;
    pub const FILLS: usize = 1;
    pub const FROM_NEW: usize = 2;
    pub const SUBSTITUTES: usize = 3;
    pub const CONTINUES: usize = 4;
    /// Three in a row, one a diagonal.
    pub const DIAGONAL: usize = 5;
    pub const NEAR_NEXT: usize = 8;
    /// One a kind.
    pub const UNCHANGED: usize = 9;
    /// One a kind.
    pub const OTHER_TARGET: usize = UNCHANGED + KINDS;
    /// One a kind.
    pub const POINTER_STEP: usize = OTHER_TARGET + KINDS;
    /// One a form of words that could be pointers.
    pub const FORM: usize = POINTER_STEP + KINDS;
    /// One a part of the old image that they could point at.
    pub const PLACE: usize = FORM + 32;
    /// log2 of [`PLACES`].
    pub const PLACES_LOG2: u32 = 4;
    /// Parts of the old image.
    pub const PLACES: usize = 1 << PLACES_LOG2;
    /// One a class of neighbours.
    pub const NEIGHBOUR: usize = PLACE + PLACES;
    /// How many there are in all.
    pub const COUNT: usize = NEIGHBOUR + super::corrections::NEIGHBOUR_CLASSES;

    const KINDS: usize = 9;
    const _: () = assert!(COUNT <= crate::model::BITS);
}

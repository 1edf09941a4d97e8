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
mod straight;
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
use crate::model::{FIXED_WORDS, Models, NumberModel, Prior, split};
use crate::profile::{Limits, Profile};
use crate::{Error, ErrorKind};
use corrections::Corrections;
use map::Map;
use ops::LEARNED_COPY;
use predict::Prediction;
use straight::Straight;

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

/// Both images, to read from.
// As one: a pointer to it is handed on, and not four words.
pub(crate) struct Images<'a, O: ?Sized, N: ?Sized> {
    pub(crate) old: &'a mut O,
    /// As far as it has been written.
    pub(crate) new: &'a mut N,
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
    /// The models were reset; decoding may start again from [`Decoder::resume_point`].
    Reset,
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

/// What comes next. Its particulars are fields of [`Codec`]: what is handed from function to
/// function takes text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The part of the header that `part` says.
    Header,
    /// The map entry behind `last`.
    Map,
    /// A command.
    Gap,
    /// The source of an inline copy.
    Source,
    /// The length of the copy from `source`; the copy of a map entry, where `flag` is set.
    Length,
    /// `left` inserted bytes; then a copy's source, unless the insert fills the room up to
    /// the next map entry (`flag`).
    Literal,
    /// `left` bytes from `source`.
    Copy,
    /// Nothing.
    Done,
}

/// Payload bytes since the last reset below which a reset is put off: what a device
/// may have to fetch again after a power cut, against what learning anew costs.
pub const RESET_THRESHOLD: u32 = 4096;

/// What a part of a step gives: nothing, or the rule that is broken at the current place. In
/// one register on a device; what was put out is in [`Codec::made`].
type Coded = Result<(), ErrorKind>;

/// [`Codec::made_len`] of a step that was a reset.
const RESET: u8 = 0xff;

/// Everything a direction keeps between steps.
// Small and often used fields in front: a Cortex-M reaches those with short instructions. The
// models first of all: who has a pointer to this has one to them.
#[derive(Debug)]
#[repr(C)]
pub struct Codec<'w, 'p> {
    models: Models<'w>,
    /// Instruction set at `pos`, valid up to `region_end`.
    isa: Isa,
    at_boundary: bool,
    /// How many bytes of `made` this step has put out; [`RESET`]: none, but a reset.
    made_len: u8,
    stage: Stage,
    flag: bool,
    part: u8,
    source: Position,
    left: u32,
    /// The last map entry, while they come; before, where the last space ends.
    last: Entry,
    /// Little-endian.
    made: u32,
    pos: u32,
    region_end: u32,
    block: copy::Block,
    /// The unit of a copy that is being coded.
    unit: Prediction,
    recent: Recent,
    /// Bytes inserted since the last copy.
    gap: u32,
    /// Old offset behind the last copy.
    last_end: u32,
    /// Old minus new offset of the last copies, latest first.
    diagonals: [u32; 3],
    /// Source offset from which instruction boundaries are known.
    synced_from: u32,
    /// The map entry whose copy comes next; where there is none, one at the end.
    next: Entry,
    map: Map<'w>,
    corrections: Corrections<'w>,
    straight: Straight,
    /// Bit `n` is set where an aligned old word with `n` in its top five bits may be a pointer.
    pointer_tops: u32,
    /// Payload bytes used when the models were last reset.
    reset_at: u32,
    /// Words that the models begin with; none: they begin blank.
    prior: &'p [u16],
    /// The header; an encoding side fills it in before the first step.
    pub header: Header,
}

/// What was coded last: the contexts that change with every unit.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    /// The last four new bytes, the latest lowest.
    bytes: u32,
    /// Unit misses, the latest lowest.
    misses: u32,
    /// Byte hits inside missed units, the latest lowest.
    equal: u32,
    /// New offset behind the last miss, or of the copy's start.
    last_miss: u32,
    /// Last difference to the prediction, by byte of the unit, little-endian.
    deltas: u32,
}

impl Recent {
    /// The new byte `back` (0..=3) bytes ago (0: the last).
    #[inline]
    fn byte(&self, back: u32) -> u32 {
        self.bytes.wrapping_shr(8 * back) & 0xff
    }

    /// The first `len` (1..=4) bytes of `word` are new.
    #[inline]
    fn push(&mut self, word: u32, len: u32) {
        // In two steps: four bytes are all there are.
        let kept = self.bytes << 8 << ((8 * (len - 1)) & 31);
        self.bytes = kept | word.swap_bytes() >> ((32 - 8 * len) & 31);
    }
}

/// Bytes from one possible reset to the next; `log2` is in [`RESET_LOG2`].
#[inline]
fn period(log2: u8) -> u32 {
    1 << (log2 & 31)
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
        let mut codec = Codec::laid_out(words, &profile.limits(), header, prior)?;
        codec.models.reset(codec.prior);
        Ok(codec)
    }

    /// The same with garbage in the models.
    #[inline(always)]
    fn laid_out(
        words: &'w mut [u16],
        limits: &Limits,
        header: Header,
        prior: Option<Prior<'p>>,
    ) -> Result<Self, Error> {
        let mut rest = words;
        let bytes = split(&mut rest, limits.byte_slots);
        let flags = split(&mut rest, limits.flag_slots);
        let fixed = split(&mut rest, FIXED_WORDS);
        let map_words = limits.map_entries * limits.map_entry_words;
        let map = split(&mut rest, map_words);
        // Where one part is not there in full, those behind it are empty.
        let corrections = split(&mut rest, limits.corrections * corrections::ENTRY_WORDS);
        let (Ok(fixed), false) = (fixed.try_into(), corrections.is_empty()) else {
            return Err(Error::new(ErrorKind::WorkspaceTooSmall, 0));
        };
        Ok(Codec {
            header,
            models: Models::of(bytes, flags, fixed),
            prior: prior.map_or(&[], |prior| prior.words),
            map: Map::new(map, limits.map_entry_words),
            corrections: Corrections::new(corrections),
            straight: Straight::default(),
            stage: Stage::Header,
            flag: false,
            part: header::FIRST_PART,
            source: Position::Old(0),
            left: 0,
            last: Entry { old: 0, new: 0 },
            pos: 0,
            made: 0,
            made_len: 0,
            isa: Isa::None,
            region_end: 0,
            pointer_tops: 0,
            next: Entry { old: 0, new: 0 },
            gap: 0,
            last_end: 0,
            diagonals: [0; 3],
            recent: Recent::default(),
            synced_from: 0,
            block: copy::Block::default(),
            unit: Prediction::NONE,
            at_boundary: false,
            reset_at: 0,
        })
    }

    /// Bytes of the new image coded so far.
    pub fn pos(&self) -> u32 {
        self.pos
    }

    /// Where the next bytes are copied from; `None` outside a copy. For reports.
    pub fn copy_source(&self) -> Option<Position> {
        (self.stage == Stage::Copy).then_some(self.source)
    }

    /// Whether the header has been coded.
    pub fn header_ready(&self) -> bool {
        self.stage != Stage::Header
    }

    /// Whether header and map have been coded.
    pub fn map_ready(&self) -> bool {
        !matches!(self.stage, Stage::Header | Stage::Map)
    }

    /// Where the engine's parse should expect the target of an old reference now.
    pub fn predicted_target(&self, target: u32, kind: crate::isa::Kind) -> u32 {
        if kind == crate::isa::Kind::Pointer && !self.is_pointer(target) {
            return target;
        }
        self.moved(target, kind, &mut trust::Rival::NONE.clone()).0
    }

    /// The models, for the trainer.
    pub fn models_mut(&mut self) -> &mut Models<'w> {
        &mut self.models
    }

    /// Codes one command, flag or unit.
    #[inline]
    pub fn step<C: Coder, O: Code + ?Sized, N: Code + ?Sized, G: Guide>(
        &mut self,
        coder: &mut C,
        old: &mut O,
        new: &mut N,
        guide: &mut G,
    ) -> Result<Step, Error> {
        let coded = self.step_with(coder, &mut Images { old, new }, guide);
        self.step_of(coded)
    }

    /// What [`Codec::step_with`] did, where it gave `coded`. Where it is asked for, so that
    /// a step hands on no more than a register.
    #[inline]
    pub(crate) fn step_of(&self, coded: Coded) -> Result<Step, Error> {
        match coded {
            Err(kind) => Err(self.fault(kind)),
            Ok(()) => Ok(match self.made_len {
                0 if self.stage == Stage::Done => Step::Done,
                0 => Step::Control,
                RESET => Step::Reset,
                len => Step::Output {
                    word: self.made,
                    len,
                },
            }),
        }
    }

    #[inline]
    pub(crate) fn step_with<C: Coder, O: Code + ?Sized, N: Code + ?Sized, G: Guide>(
        &mut self,
        coder: &mut C,
        images: &mut Images<'_, O, N>,
        guide: &mut G,
    ) -> Coded {
        if self.at_boundary {
            self.at_boundary = false;
            let used = coder.position().wrapping_sub(self.reset_at);
            if used >= RESET_THRESHOLD && self.pos < self.header.new_len {
                coder.restart();
                self.reset_at = coder.position();
                self.reset(images);
                self.made_len = RESET;
                return Ok(());
            }
        }
        self.made_len = 0;
        match self.stage {
            Stage::Copy => self.copy(coder, images, guide),
            Stage::Literal => self.literal(coder, guide),
            Stage::Gap => self.gap(coder, guide),
            Stage::Source => self.source(coder, guide),
            Stage::Length => self.length(coder, images, guide),
            Stage::Header => self.header_step(coder),
            Stage::Map => self.map_entry(coder, guide),
            Stage::Done => Ok(()),
        }
    }

    fn fault(&self, kind: ErrorKind) -> Error {
        Error::new(kind, self.pos)
    }

    /// Bytes that the next unit of the op may have: within the op, the region and the stretch
    /// up to the next possible reset.
    #[inline]
    fn unit_room(&self) -> u32 {
        let room = self.left.min(self.region_end.wrapping_sub(self.pos));
        match self.header.reset_log2 {
            0 => room,
            log2 => room.min(period(log2) - (self.pos & (period(log2) - 1))),
        }
    }

    /// Accounts for `len` new bytes.
    #[inline]
    fn produced(&mut self, word: u32, len: u32) {
        self.recent.push(word, len);
        self.advance(len);
        (self.made, self.made_len) = (word, len as u8);
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
            self.at_boundary = self.pos & (period(log2) - 1) == 0;
        }
    }

    fn enter_region(&mut self) {
        let region = self.header.region_at(self.pos);
        self.isa = region.isa;
        self.region_end = region.end;
    }

    #[cfg_attr(feature = "small-code", inline(never))]
    fn header_step<C: Coder>(&mut self, coder: &mut C) -> Coded {
        let (tops, end) = (&mut self.pointer_tops, &mut self.last);
        let next = self.header.code(coder, self.part, tops, end);
        self.part = next.ok_or(ErrorKind::HeaderInconsistent)?.get();
        if self.part != header::LAST_PART {
            return Ok(());
        }
        let longest = self.header.old_len.max(self.header.new_len);
        if longest > MAX_IMAGE || !self.map.holds(longest) {
            return Err(ErrorKind::ImageTooLarge);
        }
        if self.header.map_len as usize > self.map.capacity() {
            return Err(ErrorKind::MapTooLarge);
        }
        if self.header.reset_log2 != 0 && !RESET_LOG2.contains(&self.header.reset_log2) {
            return Err(ErrorKind::HeaderUnsupported);
        }
        self.enter_region();
        self.last = Entry { old: 0, new: 0 };
        self.stage = Stage::Map;
        Ok(())
    }

    #[cfg_attr(feature = "small-code", inline(never))]
    fn map_entry<C: Coder, G: Guide>(&mut self, coder: &mut C, guide: &mut G) -> Coded {
        coder.section(Section::Map);
        // All that came before are in the map: it has room for as many as the header says.
        let index = self.map.len() as u32;
        if index == self.header.map_len {
            self.seek(0);
            self.stage = Stage::Gap;
            return Ok(());
        }
        let truth = if C::ENCODES {
            guide.entry(index)
        } else {
            Entry { old: 0, new: 0 }
        };
        let gap = truth.new.wrapping_sub(self.last.new);
        let gap = self.models.number(coder, NumberModel::MapGap, gap);
        let new = self.last.new.wrapping_add(gap);
        let mut old = self.last.old.wrapping_add(gap);
        if self.models.bit(coder, bit::MAP_MOVED, truth.old != old) {
            let shift = truth.old.wrapping_sub(old) as i32;
            let shift = self.models.signed(coder, NumberModel::MapShift, shift);
            old = old.wrapping_add(shift as u32);
        }
        let ascending = index == 0 || gap != 0;
        if !ascending || old >= self.header.old_len || new >= self.header.new_len {
            return Err(ErrorKind::MapOutOfRange);
        }
        self.last = Entry { old, new };
        self.straight.forget();
        self.map.insert(self.last, false);
        Ok(())
    }

    /// Everything learned goes back to the initial state; the op goes on.
    fn reset<O: Code + ?Sized, N: Code + ?Sized>(&mut self, images: &mut Images<'_, O, N>) {
        self.models.reset(self.prior);
        self.forget();
        self.recent = Recent::default();
        self.align(images);
    }

    /// What was learned about targets, and where the next map entry begins.
    fn forget(&mut self) {
        self.straight.forget();
        self.corrections.clear();
        self.map.drop_learned();
        self.seek(self.pos);
    }

    /// The next mapped copy is the first at new offset `from` or behind.
    #[cfg_attr(feature = "small-code", inline(never))]
    fn seek(&mut self, from: u32) {
        self.next = self.map.next_from(from, self.header.new_len);
    }

    /// Where decoding may start again, if the last step was a reset.
    #[inline]
    pub fn resume_point(&self) -> ResumePoint {
        let [d0, d1, d2] = self.diagonals;
        let tag = match self.stage {
            Stage::Copy => 1 + u32::from(self.source.is_new()),
            Stage::Literal => 3 + u32::from(self.flag),
            Stage::Source => 5,
            _ => 0,
        };
        // Outside of copies and inserts both are zero.
        let (from, left) = (self.source.offset(), self.left);
        ResumePoint {
            new_pos: self.pos,
            payload_pos: self.reset_at,
            op: [tag, from, left, self.gap, self.last_end, d0, d1, d2],
        }
    }

    /// Goes on behind a reset: header and map have been coded, nothing else.
    fn resume<O: Code + ?Sized, N: Code + ?Sized>(
        &mut self,
        point: &ResumePoint,
        images: &mut Images<'_, O, N>,
    ) -> Coded {
        /// By tag.
        const STAGES: [Stage; 6] = [
            Stage::Gap,
            Stage::Copy,
            Stage::Copy,
            Stage::Literal,
            Stage::Literal,
            Stage::Source,
        ];
        let [tag, from, left, gap, last_end, d0, d1, d2] = point.op;
        (self.pos, self.reset_at) = (point.new_pos, point.payload_pos);
        (self.left, self.gap, self.last_end) = (left, gap, last_end);
        self.diagonals = [d0, d1, d2];
        self.flag = tag == 4;
        let Some(&stage) = STAGES.get(tag as usize) else {
            return Err(ErrorKind::HeaderInconsistent);
        };
        self.stage = stage;
        let room = self.header.new_len.wrapping_sub(self.pos);
        if self.pos >= self.header.new_len || left > room {
            return Err(ErrorKind::HeaderInconsistent);
        }
        self.source = Position::Old(from);
        let mut limit = self.header.old_len;
        let mut most = limit.wrapping_sub(from);
        if tag == 2 {
            self.source = Position::New(from);
            (limit, most) = (self.pos, u32::MAX);
        }
        if stage == Stage::Copy && (from >= limit || left > most) {
            return Err(ErrorKind::CopyOutOfRange);
        }
        self.enter_region();
        self.reset(images);
        // A running op ends before the next mapped copy at the latest; none is empty.
        if matches!(tag, 1..=4) && (left == 0 || left > self.room()) {
            return Err(ErrorKind::HeaderInconsistent);
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

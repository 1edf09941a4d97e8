//! Copies: whether each unit is as predicted, and what it is where it is not.
//!
//! Far from the last miss a single flag answers for a whole block. SPEC §6.10.

use super::corrections::Confidence;
use super::predict::Prediction;
use super::{Codec, Guide, Position, State, Step, bit, magnitude};
use crate::coder::{Coder, Section};
use crate::isa::{Code, Kind};
use crate::model::{NumberModel, hash};
use crate::{Error, ErrorKind};

/// Block sizes in bytes, and how far behind the last miss each may be used.
const BLOCKS: [(u32, u32); 3] = [(32, 64), (256, 512), (2048, 4096)];

/// First flag set of the byte flags of a missed unit, and of the blocks.
const SET_BYTES: usize = 64;
const SET_BLOCKS: usize = 72;

/// Situation of the byte mixer for missed bytes.
const SITUATION_MISS: usize = 0;

/// What the last block flag said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    /// Units that start before this new offset are as predicted.
    hit_end: u32,
    /// Encoding side: where the last of those units ends.
    hit_stop: u32,
    /// Blocks of this size index and above are known to contain a miss up to
    /// `miss_end`.
    cap: u8,
    /// End of the smallest block known to contain a miss.
    miss_end: u32,
}

impl Block {
    /// New offset up to which a block flag has answered. The encoding side has looked
    /// at the units already and need not predict them again.
    #[inline]
    fn answered<C: Coder>(&self) -> u32 {
        if C::ENCODES {
            self.hit_stop
        } else {
            self.hit_end
        }
    }

    /// Units that start before this new offset are as predicted.
    #[inline]
    pub(super) fn hit_end(&self) -> u32 {
        self.hit_end
    }

    pub(super) fn start(&mut self, pos: u32) {
        *self = Block {
            hit_end: pos,
            hit_stop: pos,
            cap: BLOCKS.len() as u8,
            miss_end: pos,
        };
    }
}

/// The bytes of a unit in front of an image that is written up to it.
struct Overlay<'n, N> {
    image: &'n mut N,
    at: u32,
    word: u32,
    len: u32,
}

impl<N: Code> Code for Overlay<'_, N> {
    fn byte(&mut self, at: u32) -> Option<u8> {
        match at.checked_sub(self.at) {
            None => self.image.byte(at),
            Some(inside) if inside < self.len => Some((self.word >> (8 * inside)) as u8),
            Some(_) => None,
        }
    }
}

impl Codec<'_, '_> {
    pub(super) fn copy<C: Coder, O: Code, N: Code, G: Guide>(
        &mut self,
        coder: &mut C,
        old: &mut O,
        new: &mut N,
        guide: &mut G,
        source: Position,
        left: u32,
    ) -> Result<Step, Error> {
        let inside = self.pos < self.block.answered::<C>();
        if !inside && let Some(size) = self.block_size(left) {
            coder.section(Section::Flags);
            self.code_block(coder, old, new, guide, source, left, size)?;
            return Ok(Step::Control);
        }
        let room = self.unit_room(self.pos, left);
        if C::ENCODES && inside {
            let known = self.block.hit_stop.wrapping_sub(self.pos);
            let len = room.min(known).min(4);
            let word = guide.truth(self.pos, len);
            return Ok(self.copied(source, left, word, len));
        }
        let prediction = if source.is_new() {
            self.predict(new, source, self.pos, room)
        } else {
            self.predict(old, source, self.pos, room)
        };
        let prediction = prediction.ok_or(self.fault(ErrorKind::CopyOutOfRange))?;
        let word = if inside {
            prediction.word
        } else {
            self.unit(coder, new, guide, source, left, &prediction)?
        };
        Ok(self.copied(source, left, word, prediction.len))
    }

    /// Accounts for a unit of a copy.
    #[inline]
    fn copied(&mut self, source: Position, left: u32, word: u32, len: u32) -> Step {
        self.copied_from(source, left, len);
        self.produced(word, len)
    }

    /// The state behind `len` of the `left` bytes of a copy from `source`.
    #[inline]
    pub(super) fn copied_from(&mut self, source: Position, left: u32, len: u32) {
        let left = left.wrapping_sub(len);
        self.state = if left == 0 {
            State::Gap
        } else {
            State::Copy {
                source: source.advanced(len),
                left,
            }
        };
    }

    /// Index into [`BLOCKS`] of the block whose flag comes next, if any.
    #[inline]
    fn block_size(&mut self, left: u32) -> Option<usize> {
        if self.pos >= self.block.miss_end {
            self.block.cap = BLOCKS.len() as u8;
        }
        let distance = self.pos.wrapping_sub(self.recent.last_miss);
        let known = if self.block.cap == BLOCKS.len() as u8 {
            u32::MAX
        } else {
            self.block.miss_end.wrapping_sub(self.pos)
        };
        let allowed = BLOCKS.iter().take(usize::from(self.block.cap));
        allowed
            .enumerate()
            .filter(|(_, (size, after))| distance >= *after && left >= *size + 4 && known >= *size)
            .map(|(i, _)| i)
            .next_back()
    }

    #[allow(clippy::too_many_arguments)]
    fn code_block<C: Coder, O: Code, N: Code, G: Guide>(
        &mut self,
        coder: &mut C,
        old: &mut O,
        new: &mut N,
        guide: &mut G,
        source: Position,
        left: u32,
        index: usize,
    ) -> Result<(), Error> {
        let size = BLOCKS.get(index).map_or(0, |b| b.0);
        let end = self.pos.wrapping_add(size);
        let stop = if C::ENCODES {
            self.block_stop(old, new, guide, source, left, end)
        } else {
            None
        };
        let distance = magnitude(self.pos.wrapping_sub(self.recent.last_miss)).min(16);
        let capped = u32::from(self.block.cap);
        let tag = 0xb00 | index as u32 | capped << 4;
        let history = self.recent.misses;
        let contexts = [
            hash(tag, 1),
            hash(tag, distance << 8 | 2),
            hash(tag, (history & 15) << 8 | 3),
            hash(tag, (history & 255) << 8 | 4),
            hash(tag, magnitude(left).min(14) << 8 | 5),
            hash(tag, distance << 16 | (history & 15) << 8 | 6),
        ];
        let set = SET_BLOCKS + index;
        if self.models.flag(coder, set, &contexts, stop.is_some()) {
            self.block.hit_end = end;
            self.block.hit_stop = stop.unwrap_or(end);
            self.recent.misses <<= 1;
        } else {
            self.block.cap = index as u8;
            self.block.miss_end = end;
        }
        Ok(())
    }

    /// Encoding side: where the units that start before `end` end, if all of them are as
    /// predicted.
    fn block_stop<O: Code, N: Code, G: Guide>(
        &mut self,
        old: &mut O,
        new: &mut N,
        guide: &mut G,
        source: Position,
        left: u32,
        end: u32,
    ) -> Option<u32> {
        let (start, isa, region_end) = (self.pos, self.isa, self.region_end);
        let mut pos = start;
        let mut holds = true;
        while holds && pos < end {
            if pos >= self.region_end {
                // The flag answers for what the decoder will do, regions included.
                let region = self.header.region_at(pos);
                (self.isa, self.region_end) = (region.isa, region.end);
            }
            let done = pos.wrapping_sub(start);
            let room = self.unit_room(pos, left.wrapping_sub(done));
            let at = source.advanced(done);
            let prediction = if source.is_new() {
                new.reveal(pos);
                self.predict(new, at, pos, room)
            } else {
                self.predict(old, at, pos, room)
            };
            match prediction {
                Some(p) => {
                    holds = guide.truth(pos, p.len) == p.word;
                    pos = pos.wrapping_add(p.len);
                }
                None => holds = false,
            }
        }
        new.reveal(start);
        (self.isa, self.region_end) = (isa, region_end);
        holds.then_some(pos)
    }

    /// Codes one unit with a flag of its own.
    fn unit<C: Coder, N: Code, G: Guide>(
        &mut self,
        coder: &mut C,
        new: &mut N,
        guide: &mut G,
        source: Position,
        left: u32,
        p: &Prediction,
    ) -> Result<u32, Error> {
        coder.section(Section::Flags);
        let truth = guide.truth(self.pos, p.len);
        let top = if p.len >= 2 { 1 } else { 0 };
        let top_byte = p.word >> (8 * top) & 0xff;
        let kind = p.kind as u32;
        let changed = p.changed();
        let confidence = p.confidence as u32;
        let class = kind * 8 + confidence * 2 + u32::from(changed);
        let history = self.recent.misses;
        let distance = magnitude(self.pos.wrapping_sub(self.recent.last_miss)).min(9);
        let remaining = magnitude(left).min(6);
        let before = self.recent.byte(top);
        let last = if p.len == 1 { self.recent.byte(0) } else { 0 };
        let contexts = [
            hash(class, history & 7 | p.len << 8),
            hash(top_byte | kind << 8, history & 3 | 0x100),
            hash(p.word, class),
            hash(history & 0xff, kind),
            hash(distance | remaining << 4, class),
            hash(top_byte | before << 8 | last << 16, kind + 77),
        ];
        let reference = u32::from(p.kind != Kind::Plain);
        let set = (kind & 7) * 8
            + (confidence & 1) * 4 * reference
            + u32::from(changed) * 2
            + (history & 1);
        let hit = self
            .models
            .flag(coder, set as usize, &contexts, truth == p.word);
        self.recent.misses = history << 1 | u32::from(!hit);
        let word = if hit {
            p.word
        } else {
            self.recent.last_miss = self.pos.wrapping_add(p.len);
            self.block.start(self.pos);
            self.miss(coder, new, p, truth)?
        };
        if !source.is_new() {
            self.judge(new, p, word);
        }
        if !source.is_new() && (!hit || p.kind == Kind::Ram) {
            self.learn(new, p, word);
        }
        Ok(word)
    }

    /// The target of the unit `word` at the current place, if it is a reference like
    /// `p`'s.
    pub(super) fn target_of<N: Code>(&self, new: &mut N, p: &Prediction, word: u32) -> Option<u32> {
        let (reference, _) = p.reference?;
        if matches!(reference.kind, Kind::Pointer | Kind::Ram) {
            return Some(word);
        }
        let pc = self.header.address(Position::New(self.pos));
        let mut image = Overlay {
            image: new,
            at: self.pos,
            word,
            len: p.len,
        };
        #[cfg(feature = "small-code")]
        let mut image = crate::isa::Image(&mut image);
        let found = self.isa.decode(&mut image, self.pos, pc)?;
        (found.kind == reference.kind && found.len == reference.len).then_some(found.target)
    }

    pub(super) fn learn<N: Code>(&mut self, new: &mut N, p: &Prediction, word: u32) {
        let Some((reference, _)) = p.reference else {
            return;
        };
        // A page alone is half an address; short references say nothing about others.
        if matches!(reference.kind, Kind::Page | Kind::Literal | Kind::Branch) {
            return;
        }
        if let Some(target) = self.target_of(new, p, word) {
            self.straight.take();
            self.corrections.learn(reference.target, target);
        }
    }

    /// Codes a unit that is not as predicted.
    fn miss<C: Coder, N: Code>(
        &mut self,
        coder: &mut C,
        new: &mut N,
        p: &Prediction,
        truth: u32,
    ) -> Result<u32, Error> {
        let kind = p.kind as usize;
        coder.section(Section::Corrections);
        if p.changed()
            && self
                .models
                .bit(coder, bit::UNCHANGED + kind, truth == p.source_word)
        {
            return Ok(p.source_word);
        }
        if let Some((reference, predicted)) = p.reference {
            coder.section(Section::References);
            let pc = self.header.address(Position::New(self.pos));
            let mut target = None;
            if C::ENCODES {
                target = self.target_of(new, p, truth).filter(|&t| {
                    let near = (t.wrapping_sub(predicted) as i32).unsigned_abs() < 1 << 29;
                    near && self.isa.encode(p.source_word, &reference, pc, t) == Some(truth)
                });
            }
            let other = bit::OTHER_TARGET + kind;
            if self.models.bit(coder, other, target.is_some()) {
                let target = self.other_target(coder, p.kind, predicted, target.unwrap_or(0));
                return self
                    .isa
                    .encode(p.source_word, &reference, pc, target)
                    .ok_or(self.fault(ErrorKind::NumberTooLarge));
            }
        }
        coder.section(Section::Corrections);
        Ok(self.missed_bytes(coder, p, truth))
    }

    /// Codes a target against its prediction, or against the pointer before it: tables
    /// of strings and handlers are in steps.
    fn other_target<C: Coder>(
        &mut self,
        coder: &mut C,
        kind: Kind,
        predicted: u32,
        truth: u32,
    ) -> u32 {
        let from_prediction = truth.wrapping_sub(predicted) as i32;
        if matches!(kind, Kind::Pointer | Kind::Ram) {
            let before = (self.recent.bytes as u32).swap_bytes();
            if self.header.word_kind(before) == kind {
                let step = truth.wrapping_sub(before) as i32;
                let nearer = step.unsigned_abs() < from_prediction.unsigned_abs();
                let which = bit::POINTER_STEP + kind as usize;
                if self.models.bit(coder, which, nearer) {
                    let step = self.models.signed(coder, NumberModel::PointerStep, step);
                    return before.wrapping_add(step as u32);
                }
            }
        }
        let d = self
            .models
            .signed(coder, NumberModel::Reference, from_prediction);
        predicted.wrapping_add(d as u32)
    }

    /// Codes the bytes of a missed unit, each first as equal to its prediction or not.
    fn missed_bytes<C: Coder>(&mut self, coder: &mut C, p: &Prediction, truth: u32) -> u32 {
        let top = if p.len >= 2 { 1 } else { 0 };
        let top_byte = p.word >> (8 * top) & 0xff;
        let before = self.recent.byte(top);
        let two_before = self.recent.bytes as u32 & 0xffff;
        let history = self.recent.misses >> 1;
        let mut word = 0;
        let mut coded = 0u32;
        let mut missed = false;
        for k in 0..p.len {
            // The byte with the opcode goes first.
            let j = match p.len {
                4 if self.isa.opcode_on_top() => 3 - k,
                2 | 4 => k ^ 1,
                _ => k,
            };
            let expected = p.word >> (8 * j) & 0xff;
            let actual = truth >> (8 * j) & 0xff;
            let place = (p.kind as u32) << 2 | j | p.len << 8;
            let m = u32::from(missed);
            // One byte must differ: the last cannot be equal if all others are.
            if k + 1 < p.len || missed {
                let contexts = [
                    hash(place, m | 0x4000),
                    hash(expected | place << 8, m | 0x8000),
                    hash(p.word, (place | m << 16).wrapping_add(0x5000)),
                    hash(place, coded & 0xff | 0x2000),
                    hash(place, self.recent.equal & 0xff | 0xa000),
                    hash(top_byte | place << 8, history & 1 | 0x6000),
                ];
                let set = SET_BYTES + (k as usize & 3) * 2 + usize::from(missed);
                let equal = self.models.flag(coder, set, &contexts, actual == expected);
                self.recent.equal = self.recent.equal << 1 | u32::from(equal);
                if equal {
                    word |= expected << (8 * j);
                    coded = coded << 8 | expected;
                    continue;
                }
            }
            missed = true;
            let delta = self.recent.deltas.get(j as usize).copied().unwrap_or(0);
            let delta = u32::from(delta);
            let source = p.source_word >> (8 * j) & 0xff;
            let contexts = [
                hash(expected, place),
                hash(p.word ^ 0x5555, coded | place << 20),
                hash(expected | delta << 8, coded & 0xff),
                hash(place ^ delta.wrapping_mul(0x3001), 0x77),
                hash(top_byte | before << 8, coded | place << 20),
                hash(coded, j | 0x900),
                hash(source | expected << 8, hash(two_before, place)),
            ];
            let byte = self
                .models
                .byte(coder, SITUATION_MISS, &contexts, actual as u8);
            if let Some(delta) = self.recent.deltas.get_mut(j as usize) {
                *delta = byte.wrapping_sub(expected as u8);
            }
            word |= u32::from(byte) << (8 * j);
            coded = coded << 8 | u32::from(byte);
        }
        word
    }
}

const _: () = assert!(Confidence::Exact as u32 == 3);

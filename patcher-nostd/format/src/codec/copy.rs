//! Copies: whether each unit is as predicted, and what it is where it is not.
//!
//! Far from the last miss a single flag answers for a whole block. SPEC §6.10.

use super::corrections::Confidence;
use super::{Codec, Coded, Guide, Images, Position, Stage, bit, magnitude};
use crate::ErrorKind;
use crate::coder::{Coder, Section};
use crate::isa::{Code, Kind};
use crate::model::{NumberModel, hash};

/// How many sizes of blocks there are.
const BLOCKS: u8 = 3;

/// Bytes of the blocks with this index. Each may be used where the last miss is twice as far
/// behind, and four bytes of the copy come after it.
#[inline]
fn block_bytes(index: u32) -> u32 {
    32 << ((3 * index) & 31)
}

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
    /// End of the smallest block known to contain a miss; the last number where none is.
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
            cap: BLOCKS,
            miss_end: u32::MAX,
        };
    }
}

impl Codec<'_, '_> {
    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn copy<C: Coder, O: Code + ?Sized, N: Code + ?Sized, G: Guide>(
        &mut self,
        coder: &mut C,
        images: &mut Images<'_, O, N>,
        guide: &mut G,
    ) -> Coded {
        let inside = self.pos < self.block.answered::<C>();
        if !inside && let Some(size) = self.block_size() {
            coder.section(Section::Flags);
            return self.code_block(coder, images, guide, size);
        }
        if C::ENCODES && inside {
            let known = self.block.hit_stop.wrapping_sub(self.pos);
            let len = self.unit_room().min(known).min(4);
            let word = guide.truth(self.pos, len);
            self.copied(word, len);
            return Ok(());
        }
        if !self.predict(images) {
            return Err(ErrorKind::CopyOutOfRange);
        }
        let word = if inside {
            self.unit.word
        } else {
            self.unit(coder, images, guide)?
        };
        self.copied(word, self.unit.len);
        Ok(())
    }

    /// Accounts for a unit of a copy.
    #[inline]
    fn copied(&mut self, word: u32, len: u32) {
        self.copied_from(len);
        self.produced(word, len);
    }

    /// `len` bytes of the copy are done with.
    #[inline]
    pub(super) fn copied_from(&mut self, len: u32) {
        self.left = self.left.wrapping_sub(len);
        self.source = self.source.advanced(len);
        if self.left == 0 {
            self.source = Position::Old(0);
            self.stage = Stage::Gap;
        }
    }

    /// Index of the block whose flag comes next, if any.
    #[inline]
    fn block_size(&mut self) -> Option<u32> {
        if self.pos >= self.block.miss_end {
            self.block.cap = BLOCKS;
            self.block.miss_end = u32::MAX;
        }
        let distance = self.pos.wrapping_sub(self.recent.last_miss);
        let most = self.left.saturating_sub(4).min(distance / 2);
        let most = most.min(self.block.miss_end.wrapping_sub(self.pos));
        // A third of the bits, without a division: from one size to the next there are three
        // more, and the first has six.
        let sizes = (magnitude(most) * 11) >> 5;
        sizes.min(u32::from(self.block.cap) + 1).checked_sub(2)
    }

    #[cfg_attr(feature = "small-code", inline(never))]
    fn code_block<C: Coder, O: Code + ?Sized, N: Code + ?Sized, G: Guide>(
        &mut self,
        coder: &mut C,
        images: &mut Images<'_, O, N>,
        guide: &mut G,
        index: u32,
    ) -> Coded {
        let end = self.pos.wrapping_add(block_bytes(index));
        let stop = if C::ENCODES {
            self.block_stop(images, guide, end)
        } else {
            None
        };
        let distance = magnitude(self.pos.wrapping_sub(self.recent.last_miss)).min(16);
        let capped = u32::from(self.block.cap);
        let tag = 0xb00 | index | capped << 4;
        let history = self.recent.misses;
        let mut contexts = [
            [tag, 1],
            [tag, distance << 8 | 2],
            [tag, (history & 15) << 8 | 3],
            [tag, (history & 255) << 8 | 4],
            [tag, magnitude(self.left).min(14) << 8 | 5],
            [tag, distance << 16 | (history & 15) << 8 | 6],
            [0; 2],
        ];
        let set = SET_BLOCKS + index as usize;
        if self.models.flag(coder, set, &mut contexts, stop.is_some()) {
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
    fn block_stop<O: Code + ?Sized, N: Code + ?Sized, G: Guide>(
        &mut self,
        images: &mut Images<'_, O, N>,
        guide: &mut G,
        end: u32,
    ) -> Option<u32> {
        let before = (self.source, self.left, self.pos, self.isa, self.region_end);
        let mut holds = true;
        while holds && self.pos < end {
            if self.pos >= self.region_end {
                // The flag answers for what the decoder will do, regions included.
                self.enter_region();
            }
            if self.source.is_new() {
                images.new.reveal(self.pos);
            }
            holds = self.predict(images);
            if holds {
                let len = self.unit.len;
                holds = guide.truth(self.pos, len) == self.unit.word;
                self.pos = self.pos.wrapping_add(len);
                self.left = self.left.wrapping_sub(len);
                self.source = self.source.advanced(len);
            }
        }
        let stop = self.pos;
        (self.source, self.left, self.pos, self.isa, self.region_end) = before;
        images.new.reveal(self.pos);
        holds.then_some(stop)
    }

    /// Codes one unit with a flag of its own.
    #[cfg_attr(feature = "small-code", inline(never))]
    fn unit<C: Coder, O: Code + ?Sized, N: Code + ?Sized, G: Guide>(
        &mut self,
        coder: &mut C,
        images: &mut Images<'_, O, N>,
        guide: &mut G,
    ) -> Result<u32, ErrorKind> {
        let p = self.unit;
        coder.section(Section::Flags);
        let truth = guide.truth(self.pos, p.len);
        let top = if p.len >= 2 { 1 } else { 0 };
        let top_byte = p.word >> (8 * top) & 0xff;
        let kind = p.kind() as u32;
        let changed = p.changed();
        let confidence = p.confidence as u32;
        let class = kind * 8 + confidence * 2 + u32::from(changed);
        let history = self.recent.misses;
        let distance = magnitude(self.pos.wrapping_sub(self.recent.last_miss)).min(9);
        let remaining = magnitude(self.left).min(6);
        let before = self.recent.byte(top);
        let last = if p.len == 1 { self.recent.byte(0) } else { 0 };
        let mut contexts = [
            [class, history & 7 | p.len << 8],
            [top_byte | kind << 8, history & 3 | 0x100],
            [p.word, class],
            [history & 0xff, kind],
            [distance | remaining << 4, class],
            [top_byte | before << 8 | last << 16, kind + 77],
            [0; 2],
        ];
        // Without a reference there is no confidence.
        let set = (kind & 7) * 8 + (confidence & 1) * 4 + u32::from(changed) * 2 + (history & 1);
        let hit = self
            .models
            .flag(coder, set as usize, &mut contexts, truth == p.word);
        self.recent.misses = history << 1 | u32::from(!hit);
        let word = if hit {
            self.unit.word
        } else {
            self.recent.last_miss = self.pos.wrapping_add(self.unit.len);
            self.block.start(self.pos);
            self.miss(coder, images, truth)?
        };
        if !self.source.is_new() {
            self.learn(images, word);
        }
        Ok(word)
    }

    /// Codes a unit that is not as predicted.
    fn miss<C: Coder, O: ?Sized, N: Code + ?Sized>(
        &mut self,
        coder: &mut C,
        images: &mut Images<'_, O, N>,
        truth: u32,
    ) -> Result<u32, ErrorKind> {
        let p = &self.unit;
        let kind = p.kind() as usize;
        coder.section(Section::Corrections);
        if p.changed()
            && self
                .models
                .bit(coder, bit::UNCHANGED + kind, truth == p.source_word)
        {
            return Ok(p.source_word);
        }
        if p.kind() != Kind::Plain {
            coder.section(Section::References);
            let pc = self.header.address(Position::New(self.pos));
            let mut target = None;
            if C::ENCODES {
                target = self.target_of(images, truth).filter(|&t| {
                    let near = (t.wrapping_sub(p.target) as i32).unsigned_abs() < 1 << 29;
                    near && self.isa.encode(p.source_word, &p.reference, pc, t) == Some(truth)
                });
            }
            let other = bit::OTHER_TARGET + kind;
            if self.models.bit(coder, other, target.is_some()) {
                let target = self.other_target(coder, target.unwrap_or(0));
                let p = &self.unit;
                return self
                    .isa
                    .encode(p.source_word, &p.reference, pc, target)
                    .ok_or(ErrorKind::NumberTooLarge);
            }
        }
        coder.section(Section::Corrections);
        Ok(self.missed_bytes(coder, truth))
    }

    /// Codes a target against its prediction, or against the pointer before it: tables
    /// of strings and handlers are in steps.
    fn other_target<C: Coder>(&mut self, coder: &mut C, truth: u32) -> u32 {
        let (kind, predicted) = (self.unit.kind(), self.unit.target);
        let from_prediction = truth.wrapping_sub(predicted) as i32;
        if matches!(kind, Kind::Pointer | Kind::Ram) {
            let before = self.recent.bytes.swap_bytes();
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
    fn missed_bytes<C: Coder>(&mut self, coder: &mut C, truth: u32) -> u32 {
        let mut done = Missed::default();
        for k in 0..self.unit.len {
            self.missed_byte(coder, k, truth, &mut done);
        }
        done.word
    }

    // A function of its own: what a loop keeps from one byte to the next takes text.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline(always))]
    fn missed_byte<C: Coder>(&mut self, coder: &mut C, k: u32, truth: u32, done: &mut Missed) {
        let p = &self.unit;
        let (len, predicted) = (p.len, p.word);
        // The byte with the opcode goes first.
        let j = match len {
            4 if self.isa.opcode_on_top() => k ^ 3,
            2 | 4 => k ^ 1,
            _ => k,
        };
        let shift = (8 * j) & 24;
        let top = u32::from(len >= 2);
        let top_byte = predicted >> (8 * top) & 0xff;
        let expected = predicted >> shift & 0xff;
        let actual = truth >> shift & 0xff;
        let place = (p.kind() as u32) << 2 | j | len << 8;
        let (coded, missed) = (done.coded, done.missed);
        let mut byte = expected;
        let mut equal = false;
        // One byte must differ: the last cannot be equal if all others are.
        if k + 1 < len || missed {
            let m = u32::from(missed);
            let mut contexts = [
                [place, m | 0x4000],
                [expected | place << 8, m | 0x8000],
                [predicted, (place | m << 16).wrapping_add(0x5000)],
                [place, coded & 0xff | 0x2000],
                [place, self.recent.equal & 0xff | 0xa000],
                [top_byte | place << 8, self.recent.misses >> 1 & 1 | 0x6000],
                [0; 2],
            ];
            let set = SET_BYTES + (k as usize & 3) * 2 + m as usize;
            equal = self
                .models
                .flag(coder, set, &mut contexts, actual == expected);
            self.recent.equal = self.recent.equal << 1 | u32::from(equal);
        }
        if !equal {
            done.missed = true;
            let delta = self.recent.deltas >> shift & 0xff;
            let source = self.unit.source_word >> shift & 0xff;
            let before = self.recent.byte(top);
            let two_before = self.recent.bytes & 0xffff;
            let mut contexts = [
                [expected, place],
                [predicted ^ 0x5555, coded | place << 20],
                [expected | delta << 8, coded & 0xff],
                [place ^ delta.wrapping_mul(0x3001), 0x77],
                [top_byte | before << 8, coded | place << 20],
                [coded, j | 0x900],
                [source | expected << 8, hash(two_before, place)],
            ];
            byte = u32::from(
                self.models
                    .byte(coder, SITUATION_MISS, &mut contexts, actual as u8),
            );
            let moved = byte.wrapping_sub(expected) & 0xff;
            self.recent.deltas ^= (moved ^ delta) << shift;
        }
        done.word |= byte << shift;
        done.coded = coded << 8 | byte;
    }
}

/// What has been coded of a missed unit.
#[derive(Default)]
struct Missed {
    /// The bytes, each at its place.
    word: u32,
    /// The same in the order of coding, the latest lowest.
    coded: u32,
    /// Whether one was not as predicted.
    missed: bool,
}

const _: () = assert!(Confidence::Exact as u32 == 3);

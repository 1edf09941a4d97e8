//! Commands: how much to insert, where to copy from, how long.
//!
//! Between two map entries the ops alternate insert and inline copy; at a map entry a
//! copy starts by itself. SPEC §6.7.

use super::{Codec, Coded, Entry, Guide, Images, Op, Position, Stage, bit};
use crate::ErrorKind;
use crate::coder::{Coder, Section};
use crate::isa::Code;
use crate::model::NumberModel;

/// Inline copies at least this long enter the map.
pub(super) const LEARNED_COPY: u32 = 48;

/// How far before a copy the sweep for instruction boundaries starts.
const SYNC_DISTANCE: u32 = 48;

impl Codec<'_, '_> {
    /// Bytes up to the next map entry or the end.
    pub(super) fn room(&self) -> u32 {
        self.next.new.wrapping_sub(self.pos)
    }

    /// Whether a map entry comes before the end.
    pub(super) fn has_next(&self) -> bool {
        self.next.new != self.header.new_len
    }

    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn gap<C: Coder, G: Guide>(&mut self, coder: &mut C, guide: &mut G) -> Coded {
        coder.section(Section::Ops);
        if self.pos == self.header.new_len {
            self.stage = Stage::Done;
            return Ok(());
        }
        self.gap = 0;
        let room = self.room();
        if room == 0 {
            self.source = Position::Old(self.next.old);
            (self.stage, self.flag) = (Stage::Length, true);
            self.seek(self.pos.wrapping_add(1));
            return Ok(());
        }
        let truth = if C::ENCODES {
            guide.gap(self.pos, room)
        } else {
            0
        };
        let fills = self.models.bit(coder, bit::FILLS, truth == room);
        let gap = if fills {
            room
        } else {
            self.models.number(coder, NumberModel::Insert, truth)
        };
        if gap > room || (gap == room && !fills) {
            return Err(ErrorKind::OutputOverrun);
        }
        (self.gap, self.left, self.flag) = (gap, gap, fills);
        self.stage = if gap > 0 {
            Stage::Literal
        } else {
            Stage::Source
        };
        Ok(())
    }

    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn source<C: Coder, G: Guide>(&mut self, coder: &mut C, guide: &mut G) -> Coded {
        coder.section(Section::Ops);
        let truth = guide.op().source;
        let from_new = self.models.bit(coder, bit::FROM_NEW, truth.is_new());
        let (at, limit) = if from_new {
            let distance = self.pos.wrapping_sub(truth.offset());
            let distance = self
                .models
                .number(coder, NumberModel::SelfDistance, distance);
            // Out of range too where the distance is none or leads to before the start.
            (self.pos.wrapping_sub(distance), self.pos)
        } else {
            (self.old_source(coder, truth.offset()), self.header.old_len)
        };
        if at >= limit {
            return Err(ErrorKind::CopyOutOfRange);
        }
        self.source = if from_new {
            Position::New(at)
        } else {
            Position::Old(at)
        };
        (self.stage, self.flag) = (Stage::Length, false);
        Ok(())
    }

    /// Where an inline copy from the old image starts.
    fn old_source<C: Coder>(&mut self, coder: &mut C, truth: u32) -> u32 {
        // An insert that replaced as many bytes, or one that came in between.
        let mut from = self.last_end.wrapping_add(self.gap);
        if self.models.bit(coder, bit::SUBSTITUTES, truth == from) {
            return from;
        }
        if self
            .models
            .bit(coder, bit::CONTINUES, truth == self.last_end)
        {
            return self.last_end;
        }
        for (k, &diagonal) in self.diagonals.iter().enumerate() {
            let at = self.pos.wrapping_add(diagonal);
            if self.models.bit(coder, bit::DIAGONAL + k, truth == at) {
                return at;
            }
        }
        let mut model = NumberModel::Source;
        let at = self.next.old.wrapping_sub(self.room());
        if self.has_next() && at != from {
            let distance = |from| (truth.wrapping_sub(from) as i32).unsigned_abs();
            let nearer = distance(at) < distance(from);
            if self.models.bit(coder, bit::NEAR_NEXT, nearer) {
                (from, model) = (at, NumberModel::SourceNext);
            }
        }
        let distance = self.models.number(coder, model, truth.wrapping_sub(from));
        from.wrapping_add(distance)
    }

    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn length<C: Coder, O: Code + ?Sized, N: Code + ?Sized, G: Guide>(
        &mut self,
        coder: &mut C,
        images: &mut Images<'_, O, N>,
        guide: &mut G,
    ) -> Coded {
        coder.section(Section::Ops);
        let (source, mapped) = (self.source, self.flag);
        let Op { len: truth, .. } = guide.op();
        let room = self.room();
        let len = if mapped {
            let rest = room.wrapping_sub(truth);
            room.wrapping_sub(self.models.number(coder, NumberModel::MapRest, rest))
        } else {
            let model = if source.is_new() {
                NumberModel::SelfLength
            } else {
                NumberModel::CopyLength
            };
            let less = self.models.number(coder, model, truth.wrapping_sub(1));
            less.wrapping_add(1)
        };
        // More than the room too where the rest is.
        if len.wrapping_sub(1) >= room {
            return Err(ErrorKind::OutputOverrun);
        }
        if let Position::Old(at) = source {
            // Both are below 2^30.
            let end = at.wrapping_add(len);
            if end > self.header.old_len {
                return Err(ErrorKind::CopyOutOfRange);
            }
            self.last_end = end;
            self.remember_diagonal(at.wrapping_sub(self.pos));
            if !mapped && len >= LEARNED_COPY && self.header.learn_map {
                let entry = Entry {
                    old: at,
                    new: self.pos,
                };
                self.straight.forget();
                self.map.insert(entry, true);
            }
        }
        guide.taken();
        self.start_copy(images, len);
        Ok(())
    }

    pub(super) fn start_copy<O: Code + ?Sized, N: Code + ?Sized>(
        &mut self,
        images: &mut Images<'_, O, N>,
        len: u32,
    ) {
        self.align(images);
        (self.stage, self.left) = (Stage::Copy, len);
    }

    /// Moves `diagonal` to the front of the last ones.
    fn remember_diagonal(&mut self, diagonal: u32) {
        let mut carry = diagonal;
        for d in &mut self.diagonals {
            core::mem::swap(d, &mut carry);
            if carry == diagonal {
                break;
            }
        }
    }

    /// Nothing is known of units from here on: no block is answered for, and the first
    /// instruction boundary at or behind the source is found by sweeping over instruction
    /// lengths from a little before, which resynchronise quickly.
    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn align<O: Code + ?Sized, N: Code + ?Sized>(
        &mut self,
        images: &mut Images<'_, O, N>,
    ) {
        self.recent.last_miss = self.pos;
        self.block.start(self.pos);
        let at = self.source.offset();
        self.synced_from = if !self.isa.needs_sync() {
            at
        } else if self.source.is_new() {
            sweep(self.isa, images.new, at)
        } else {
            sweep(self.isa, images.old, at)
        };
    }
}

fn sweep<S: Code + ?Sized>(isa: crate::isa::Isa, image: &mut S, target: u32) -> u32 {
    let mut at = target.saturating_sub(SYNC_DISTANCE) & !3;
    while at < target {
        at = at.wrapping_add(isa.unit_len(image, at));
    }
    at
}

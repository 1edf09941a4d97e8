//! Commands: how much to insert, where to copy from, how long.
//!
//! Between two map entries the ops alternate insert and inline copy; at a map entry a
//! copy starts by itself. SPEC §6.7.

use super::{Codec, Entry, Guide, Op, Position, State, Step, bit};
use crate::coder::{Coder, Section};
use crate::isa::Code;
use crate::model::NumberModel;
use crate::{Error, ErrorKind};

/// Inline copies at least this long enter the map.
pub(super) const LEARNED_COPY: u32 = 48;

/// How far before a copy the sweep for instruction boundaries starts.
const SYNC_DISTANCE: u32 = 48;

impl Codec<'_, '_> {
    /// Bytes up to the next map entry or the end.
    pub(super) fn room(&self) -> u32 {
        let end = self.next.map_or(self.header.new_len, |e| e.new);
        end.wrapping_sub(self.pos)
    }

    pub(super) fn gap<C: Coder, G: Guide>(
        &mut self,
        coder: &mut C,
        guide: &mut G,
    ) -> Result<Step, Error> {
        coder.section(Section::Ops);
        if self.pos == self.header.new_len {
            self.state = State::Done;
            return Ok(Step::Done);
        }
        self.gap = 0;
        if let Some(entry) = self.next.filter(|e| e.new == self.pos) {
            self.state = State::Length {
                source: Position::Old(entry.old),
                mapped: true,
            };
            self.next = self.map.next_from(self.pos + 1);
            return Ok(Step::Control);
        }
        let room = self.room();
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
            return Err(self.fault(ErrorKind::OutputOverrun));
        }
        self.gap = gap;
        self.state = if gap > 0 {
            State::Literal { left: gap, fills }
        } else {
            State::Source
        };
        Ok(Step::Control)
    }

    pub(super) fn source<C: Coder, G: Guide>(
        &mut self,
        coder: &mut C,
        guide: &mut G,
    ) -> Result<Step, Error> {
        coder.section(Section::Ops);
        let truth = guide.op().source;
        let from_new = self.models.bit(coder, bit::FROM_NEW, truth.is_new());
        let source = if from_new {
            let distance = self.pos.wrapping_sub(truth.offset());
            let distance = self
                .models
                .number(coder, NumberModel::SelfDistance, distance);
            if distance == 0 || distance > self.pos {
                return Err(self.fault(ErrorKind::CopyOutOfRange));
            }
            Position::New(self.pos - distance)
        } else {
            let at = self.old_source(coder, truth.offset());
            if at >= self.header.old_len {
                return Err(self.fault(ErrorKind::CopyOutOfRange));
            }
            Position::Old(at)
        };
        self.state = State::Length {
            source,
            mapped: false,
        };
        Ok(Step::Control)
    }

    /// Where an inline copy from the old image starts.
    fn old_source<C: Coder>(&mut self, coder: &mut C, truth: u32) -> u32 {
        let models = &mut self.models;
        // An insert that replaced as many bytes, or one that came in between.
        let substitutes = self.last_end.wrapping_add(self.gap);
        if models.bit(coder, bit::SUBSTITUTES, truth == substitutes) {
            return substitutes;
        }
        if models.bit(coder, bit::CONTINUES, truth == self.last_end) {
            return self.last_end;
        }
        for (k, &diagonal) in self.diagonals.iter().take(3).enumerate() {
            let at = self.pos.wrapping_add(diagonal);
            if models.bit(coder, bit::DIAGONAL + k, truth == at) {
                return at;
            }
        }
        let distance = truth.wrapping_sub(substitutes) as i32;
        if let Some(next) = self.next {
            let at = next.old.wrapping_sub(next.new.wrapping_sub(self.pos));
            if at != substitutes {
                let from_next = truth.wrapping_sub(at) as i32;
                let nearer = from_next.unsigned_abs() < distance.unsigned_abs();
                if models.bit(coder, bit::NEAR_NEXT, nearer) {
                    let d = models.signed(coder, NumberModel::SourceNext, from_next);
                    return at.wrapping_add(d as u32);
                }
            }
        }
        let d = models.signed(coder, NumberModel::Source, distance);
        substitutes.wrapping_add(d as u32)
    }

    pub(super) fn length<C: Coder, O: Code, N: Code, G: Guide>(
        &mut self,
        coder: &mut C,
        old: &mut O,
        new: &mut N,
        guide: &mut G,
        source: Position,
        mapped: bool,
    ) -> Result<Step, Error> {
        coder.section(Section::Ops);
        let Op { len: truth, .. } = guide.op();
        let room = self.room();
        let len = if mapped {
            let rest = room.wrapping_sub(truth);
            let rest = self.models.number(coder, NumberModel::MapRest, rest);
            room.checked_sub(rest)
        } else {
            let model = if source.is_new() {
                NumberModel::SelfLength
            } else {
                NumberModel::CopyLength
            };
            let less = self.models.number(coder, model, truth.wrapping_sub(1));
            Some(less.wrapping_add(1)).filter(|&len| len <= room)
        };
        let len = len
            .filter(|&len| len > 0)
            .ok_or(self.fault(ErrorKind::OutputOverrun))?;
        if let Position::Old(at) = source {
            let end = at.checked_add(len).filter(|&e| e <= self.header.old_len);
            self.last_end = end.ok_or(self.fault(ErrorKind::CopyOutOfRange))?;
            self.remember_diagonal(at.wrapping_sub(self.pos));
            if !mapped && len >= LEARNED_COPY && self.header.learn_map {
                let entry = Entry {
                    old: at,
                    new: self.pos,
                };
                self.straight.take();
                self.map.insert(entry, true);
            }
        }
        guide.taken();
        self.start_copy(old, new, source, len);
        Ok(Step::Control)
    }

    pub(super) fn start_copy<O: Code, N: Code>(
        &mut self,
        old: &mut O,
        new: &mut N,
        source: Position,
        len: u32,
    ) {
        self.synchronise(old, new, source);
        self.recent.last_miss = self.pos;
        self.block.start(self.pos);
        self.state = State::Copy { source, left: len };
    }

    fn remember_diagonal(&mut self, diagonal: u32) {
        let known = self.diagonals.iter().position(|&d| d == diagonal);
        let last = known.unwrap_or(3);
        let mut carry = diagonal;
        for d in self.diagonals.iter_mut().take(last + 1) {
            core::mem::swap(d, &mut carry);
        }
    }

    /// Finds the first instruction boundary at or behind `source` by sweeping over
    /// instruction lengths from a little before: lengths resynchronise quickly.
    pub(super) fn synchronise<O: Code, N: Code>(
        &mut self,
        old: &mut O,
        new: &mut N,
        source: Position,
    ) {
        let at = source.offset();
        self.synced_from = if !self.isa.needs_sync() {
            at
        } else if source.is_new() {
            sweep(self.isa, new, at)
        } else {
            sweep(self.isa, old, at)
        };
    }
}

fn sweep<S: Code>(isa: crate::isa::Isa, image: &mut S, target: u32) -> u32 {
    let mut at = target.saturating_sub(SYNC_DISTANCE) & !3;
    while at < target {
        at = at.wrapping_add(isa.unit_len(image, at));
    }
    at
}

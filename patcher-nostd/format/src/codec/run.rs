//! Runs of units that a block flag has answered for: most of what a device does.
//!
//! Decoding side only. Does what as many calls of [`Codec::step`] would, without leaving
//! for each unit: no input is read, nothing is learned, and bytes go straight to where the
//! caller gathers them. SPEC §6.10.

use super::{Codec, Position, State};
use crate::isa::{Code, Kind};
use crate::le;

impl Codec<'_, '_> {
    /// Units of a copy from the old image whose flags have been coded, as many as fit
    /// `out`; gives the bytes written. Stops before whatever is not such a unit.
    pub(super) fn run<O: Code>(&mut self, old: &mut O, out: &mut [u8]) -> usize {
        let State::Copy {
            source: Position::Old(from),
            left: all,
        } = self.state
        else {
            return 0;
        };
        let mut done = 0u32;
        while self.pos < self.block.hit_end() && done < all && !self.at_boundary {
            let room = self.unit_room(self.pos, all - done);
            let at = from.wrapping_add(done);
            let Some(to) = out.get_mut(done as usize..) else {
                break;
            };
            let mut len = self.plain(old.window(at), at, room, to);
            if len == 0 {
                // What a step reports as an error is left to it.
                let Some(unit) = self.predict(old, Position::Old(at), self.pos, room) else {
                    break;
                };
                let Some(to) = to.get_mut(..unit.len as usize) else {
                    break;
                };
                le::copy(to, &le::word_bytes(unit.word));
                len = unit.len;
            }
            done += len;
            self.advance(len);
        }
        if done > 0 {
            let end = done as usize;
            for &byte in out.get(end.saturating_sub(8)..end).unwrap_or(&[]) {
                self.recent.push(u32::from(byte), 1);
            }
            self.copied_from(Position::Old(from), all, done);
        }
        done as usize
    }

    /// Whether `word` may be a pointer: first by a look at its top bits.
    #[inline]
    fn may_point(&self, word: u32) -> bool {
        self.pointer_tops >> (word >> 27) & 1 != 0 && self.header.word_kind(word) != Kind::Plain
    }

    /// Length of the instruction `word` if it stays as it is on its way from old offset
    /// `at` to new offset `pos`: it refers to nothing, or to what moves along.
    fn unmoved(&self, word: u32, at: u32, pos: u32) -> Option<u8> {
        let old_pc = self.header.address(Position::Old(at));
        if old_pc & 1 != 0 {
            return None;
        }
        let (len, reference) = self.isa.glance(word, old_pc);
        if let Some((kind, target)) = reference {
            let pc = self.header.address(Position::New(pos));
            if !self.isa.is_relative(kind) || !self.moves_along(kind, target, old_pc, pc) {
                return None;
            }
        }
        Some(len)
    }

    /// The units at the front of `window`, old bytes from `at` on, that are certainly
    /// copied as they are: no reference, no pointer. Gives the bytes written to `out`.
    fn plain(&self, window: &[u8], at: u32, room: u32, out: &mut [u8]) -> u32 {
        let Some(forms) = self.isa.forms() else {
            return 0;
        };
        if (at | self.pos) & 1 != 0 || at < self.synced_from {
            return 0;
        }
        // Four bytes are looked at for each two that are copied. Units start before the
        // block's end and end within the room.
        let block = self.block.hit_end().wrapping_sub(self.pos);
        let len = out.len().min(room.min(block) as usize);
        let Some(mut to) = out.get_mut(..len) else {
            return 0;
        };
        let mut from = window;
        // Two where words of both images meet, so that one may be a pointer.
        let mut phase = if (at ^ self.pos) & 2 == 0 { at & 2 } else { 1 };
        while let Some(head) = from.first_chunk::<4>() {
            let word = le::word(*head);
            if phase == 0 && self.may_point(word) {
                break;
            }
            let mut unit = 2;
            if forms >> (word >> 11 & 31) & 1 != 0 {
                let done = (window.len() - from.len()) as u32;
                match self.unmoved(word, at.wrapping_add(done), self.pos.wrapping_add(done)) {
                    Some(len) => unit = len,
                    None => break,
                }
            }
            let Some((put, rest)) = to.split_at_mut_checked(usize::from(unit)) else {
                break;
            };
            match put {
                [_, _, _, _] => le::copy(put, head),
                [a, b] => {
                    let [first, second, ..] = *head;
                    (*a, *b) = (first, second);
                }
                _ => break,
            }
            phase ^= u32::from(unit) & 2;
            to = rest;
            from = from.get(usize::from(unit)..).unwrap_or(&[]);
        }
        (window.len() - from.len()) as u32
    }
}

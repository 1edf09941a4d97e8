//! Runs of units that a block flag has answered for: most of what a device does.
//!
//! Decoding side only. Does what as many calls of [`Codec::step`] would, without leaving
//! for each unit: no input is read, nothing is learned, and bytes go straight to where the
//! caller gathers them. SPEC §6.10.

use super::{Codec, Position, Stage};
use crate::isa::{Code, Kind};
use crate::le;

impl Codec<'_, '_> {
    /// Units of a copy from the old image whose flags have been coded, as many as fit
    /// `out`; gives the bytes written. Stops before whatever is not such a unit.
    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn run<O: Code + ?Sized>(&mut self, old: &mut O, out: &mut [u8]) -> usize {
        let mut done = 0;
        while let (Stage::Copy, Position::Old(at)) = (self.stage, self.source)
            && self.pos < self.block.hit_end()
            && !self.at_boundary
            && let Some(to) = out.get_mut(done..)
        {
            let room = self.unit_room();
            let mut len = self.plain(old.window(at), at, room, to);
            if len == 0 {
                // What a step reports as an error is left to it.
                if !self.predict_from(old, room) {
                    break;
                }
                len = self.unit.len;
                let Some(to) = to.get_mut(..len as usize) else {
                    break;
                };
                le::copy(to, &le::word_bytes(self.unit.word));
            }
            done += len as usize;
            self.copied_from(len);
            self.advance(len);
        }
        for &byte in out.get(done.saturating_sub(4)..done).unwrap_or(&[]) {
            self.recent.push(u32::from(byte), 1);
        }
        done
    }

    /// Whether `word` may be a pointer: first by a look at its top bits.
    #[inline]
    fn may_point(&self, word: u32) -> bool {
        self.pointer_tops >> (word >> 27) & 1 != 0 && self.header.word_kind(word) != Kind::Plain
    }

    /// Whether the instruction `word` stays as it is on its way from old offset `at` to new
    /// offset `pos`: it refers to nothing, or to what moves along.
    fn unmoved(&self, word: u32, at: u32, pos: u32) -> bool {
        let old_pc = self.header.address(Position::Old(at));
        if old_pc & 1 != 0 {
            return false;
        }
        let (kind, target) = self.isa.glance(word, old_pc);
        if kind == Kind::Plain {
            return true;
        }
        let pc = self.header.address(Position::New(pos));
        self.isa.is_relative(kind) && self.moves_along(kind, target, old_pc, pc)
    }

    /// The units at the front of `window`, old bytes from `at` on, that are certainly
    /// copied as they are: no reference, no pointer. Gives the bytes written to `out`.
    #[inline]
    fn plain(&self, window: &[u8], at: u32, room: u32, out: &mut [u8]) -> u32 {
        let Some(forms) = self.isa.forms() else {
            return 0;
        };
        if (at | self.pos) & 1 != 0 || at < self.synced_from {
            return 0;
        }
        // Units start before the block's end and end within the room.
        let block = self.block.hit_end().wrapping_sub(self.pos);
        let most = out.len().min(room.min(block) as usize);
        let out = out.get_mut(..most).unwrap_or(&mut []);
        let mut done = 0;
        // Four bytes are looked at for each two that are copied.
        while let Some(head) = window
            .get(done as usize..)
            .and_then(|w| w.first_chunk::<4>())
        {
            let word = le::word(*head);
            let (from, to) = (at.wrapping_add(done), self.pos.wrapping_add(done));
            if (from | to) & 3 == 0 && self.may_point(word) {
                break;
            }
            let mut len = 2;
            if forms >> (word >> 11 & 31) & 1 != 0 {
                len = 2 + 2 * u32::from(self.isa.is_long(word));
                if !self.unmoved(word, from, to) {
                    break;
                }
            }
            let place = done as usize..(done + len) as usize;
            let [first, second, third, fourth] = *head;
            match out.get_mut(place) {
                Some([a, b]) => (*a, *b) = (first, second),
                Some([a, b, c, d]) => (*a, *b, *c, *d) = (first, second, third, fourth),
                _ => break,
            }
            done += len;
        }
        done
    }
}

//! Runs of units that a block flag has answered for: most of what a device does.
//!
//! Decoding side only. Does what as many calls of [`Codec::step`] would, without leaving
//! for each unit: no input is read, nothing is learned, and bytes go straight to where the
//! caller gathers them. SPEC §6.10.

use super::{Codec, Position, State};
use crate::isa::Code;

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
            let at = Position::Old(from.wrapping_add(done));
            // What a step reports as an error is left to it.
            let Some(unit) = self.predict(old, at, self.pos, room) else {
                break;
            };
            let Some(to) = out.get_mut(done as usize..(done + unit.len) as usize) else {
                break;
            };
            let mut word = unit.word;
            for byte in to {
                *byte = word as u8;
                word >>= 8;
            }
            done += unit.len;
            self.advance(unit.len);
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
}

//! Inserted bytes: coded with what came just before them as context.
//!
//! Where instructions come in halfwords the high byte goes first: it holds the
//! opcode, which says most about the rest. SPEC §6.11.

use super::{Codec, Guide, State, Step};
use crate::Error;
use crate::coder::{Coder, Section};
use crate::isa::Isa;
use crate::model::{BYTE_INPUTS, hash};

/// Situations of the byte mixer; [`super::copy`] has 0.
const SITUATION_HIGH: usize = 1;
const SITUATION_LOW: usize = 2;
const SITUATION_BYTE: usize = 3;

impl Codec<'_, '_> {
    pub(super) fn literal<C: Coder, G: Guide>(
        &mut self,
        coder: &mut C,
        guide: &mut G,
        left: u32,
        fills: bool,
    ) -> Result<Step, Error> {
        coder.section(Section::Literals);
        let halfwords = matches!(self.isa, Isa::Thumb | Isa::RiscV | Isa::Avr);
        let room = self.unit_room(self.pos, left);
        let (word, len) = if halfwords && self.pos & 1 == 0 && room >= 2 {
            (self.literal_halfword(coder, guide), 2)
        } else {
            (self.literal_byte(coder, guide), 1)
        };
        self.recent.misses = self.recent.misses << 1 | 1;
        let left = left.wrapping_sub(len);
        self.state = match (left, fills) {
            (0, true) => State::Gap,
            (0, false) => State::Source,
            _ => State::Literal { left, fills },
        };
        Ok(self.produced(word, len))
    }

    /// Contexts of what was `seen`, apart for each place in it, for each `tag` and for each
    /// instruction set.
    fn hashed(&self, tag: u32, seen: [u32; BYTE_INPUTS - 1]) -> [u32; BYTE_INPUTS - 1] {
        let mut tag = tag | (self.isa as u32) << 8;
        seen.map(|seen| {
            let context = hash(tag, seen);
            tag += 1;
            context
        })
    }

    fn literal_byte<C: Coder, G: Guide>(&mut self, coder: &mut C, guide: &mut G) -> u32 {
        let c = |k| self.recent.byte(k);
        let phase = self.pos & 3;
        let contexts = self.hashed(
            0x30,
            [
                phase,
                c(0),
                c(0) | c(1) << 8,
                c(1) | phase << 16,
                c(3) | phase << 8,
                c(0) | c(1) << 8 | c(2) << 16,
                0,
            ],
        );
        let truth = guide.truth(self.pos, 1) as u8;
        u32::from(self.models.byte(coder, SITUATION_BYTE, &contexts, truth))
    }

    fn literal_halfword<C: Coder, G: Guide>(&mut self, coder: &mut C, guide: &mut G) -> u32 {
        let c = |k| self.recent.byte(k);
        let phase = self.pos & 3;
        let truth = guide.truth(self.pos, 2);
        let before = c(0) | c(1) << 8;
        let two_before = before | c(2) << 16 | c(3) << 24;
        let contexts = self.hashed(
            0x10,
            [
                0,
                c(0),
                c(0) | c(2) << 8,
                before,
                phase | c(2) << 8 | c(3) << 16,
                two_before,
                phase,
            ],
        );
        let high = self
            .models
            .byte(coder, SITUATION_HIGH, &contexts, (truth >> 8) as u8);
        let high = u32::from(high);
        let contexts = self.hashed(
            0x20,
            [
                high,
                high | c(1) << 8,
                high | c(0) << 8,
                high | before << 8,
                high | phase << 8 | c(3) << 16,
                high ^ hash(two_before, 9),
                0,
            ],
        );
        let low = self
            .models
            .byte(coder, SITUATION_LOW, &contexts, truth as u8);
        high << 8 | u32::from(low)
    }
}

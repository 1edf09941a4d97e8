//! Inserted bytes: coded with what came just before them as context.
//!
//! Where instructions come in halfwords the high byte goes first: it holds the
//! opcode, which says most about the rest. SPEC §6.11.

use super::{Codec, Coded, Guide, Stage};
use crate::coder::{Coder, Section};
use crate::isa::Isa;
use crate::model::{BYTE_INPUTS, hash};

/// Situations of the byte mixer; [`super::copy`] has 0.
const SITUATION_HIGH: usize = 1;
const SITUATION_LOW: usize = 2;
const SITUATION_BYTE: usize = 3;

impl Codec<'_, '_> {
    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn literal<C: Coder, G: Guide>(&mut self, coder: &mut C, guide: &mut G) -> Coded {
        coder.section(Section::Literals);
        let halfwords = matches!(self.isa, Isa::Thumb | Isa::RiscV | Isa::Avr);
        let room = self.unit_room();
        let (word, len) = if halfwords && self.pos & 1 == 0 && room >= 2 {
            (self.literal_halfword(coder, guide), 2)
        } else {
            (self.literal_byte(coder, guide), 1)
        };
        self.recent.misses = self.recent.misses << 1 | 1;
        self.left = self.left.wrapping_sub(len);
        if self.left == 0 {
            self.stage = if self.flag { Stage::Gap } else { Stage::Source };
        }
        self.produced(word, len);
        Ok(())
    }

    /// Codes a byte by what was `seen`: contexts apart for each place in it, for each situation
    /// and for each instruction set.
    #[cfg_attr(feature = "small-code", inline(never))]
    fn literal_part<C: Coder>(
        &mut self,
        coder: &mut C,
        situation: usize,
        seen: &[u32; BYTE_INPUTS - 1],
        truth: u32,
    ) -> u32 {
        let mut tag = (situation as u32) << 4 | (self.isa as u32) << 8;
        let mut contexts = seen.map(|seen| {
            tag += 1;
            [tag - 1, seen]
        });
        let byte = self
            .models
            .byte(coder, situation, &mut contexts, truth as u8);
        u32::from(byte)
    }

    fn literal_byte<C: Coder, G: Guide>(&mut self, coder: &mut C, guide: &mut G) -> u32 {
        let before = self.recent.bytes;
        let phase = self.pos & 3;
        let seen = [
            phase,
            before & 0xff,
            before & 0xffff,
            before >> 8 & 0xff | phase << 16,
            before >> 24 | phase << 8,
            before & 0xff_ffff,
            0,
        ];
        let truth = guide.truth(self.pos, 1);
        self.literal_part(coder, SITUATION_BYTE, &seen, truth)
    }

    fn literal_halfword<C: Coder, G: Guide>(&mut self, coder: &mut C, guide: &mut G) -> u32 {
        let before = self.recent.bytes;
        let phase = self.pos & 3;
        let truth = guide.truth(self.pos, 2);
        let seen = [
            0,
            before & 0xff,
            before & 0xff | before >> 8 & 0xff00,
            before & 0xffff,
            before >> 8 & 0xff_ff00 | phase,
            before,
            phase,
        ];
        let high = self.literal_part(coder, SITUATION_HIGH, &seen, truth >> 8);
        let seen = [
            high,
            high | before & 0xff00,
            high | (before & 0xff) << 8,
            high | (before & 0xffff) << 8,
            high | phase << 8 | before >> 24 << 16,
            high ^ hash(before, 9),
            0,
        ];
        let low = self.literal_part(coder, SITUATION_LOW, &seen, truth);
        high << 8 | low
    }
}

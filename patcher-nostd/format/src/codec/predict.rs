//! Prediction of a unit at its new place: the source bytes, with a reference in them
//! pointed where its target went.
//!
//! Fed by the source image and the map; feeds the flags of [`super::copy`]. SPEC §6.10.

use super::corrections::Confidence;
use super::trust::Rival;
use super::{Codec, Images, Position};
use crate::isa::{Code, Kind, Reference, Words};

/// What a unit should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prediction {
    /// Bytes, 1..=4.
    pub len: u32,
    /// Predicted bytes, little-endian.
    pub word: u32,
    /// Bytes at the source, little-endian.
    pub source_word: u32,
    /// The reference at the source; of [`Kind::Plain`] where there is none.
    pub reference: Reference,
    /// Its predicted new target.
    pub target: u32,
    pub confidence: Confidence,
    /// What else the target could have been.
    pub rival: Rival,
}

impl Prediction {
    /// No unit.
    pub(super) const NONE: Prediction = Prediction {
        len: 0,
        word: 0,
        source_word: 0,
        reference: Reference::NONE,
        target: 0,
        confidence: Confidence::None,
        rival: Rival::NONE,
    };

    pub(super) fn changed(&self) -> bool {
        self.word != self.source_word
    }

    pub(super) fn kind(&self) -> Kind {
        self.reference.kind
    }
}

/// The low `len` (1..=4) bytes of `word`.
#[inline]
fn low_bytes(word: u32, len: u32) -> u32 {
    word & u32::MAX.checked_shr(32 - 8 * len).unwrap_or(0)
}

/// Whether an instruction that moved by `pc` and its target that moved by `target` moved
/// alike, so that its bits stay as they are.
#[inline]
fn is_alike(target: u32, pc: u32) -> bool {
    target & 3 == 0 && target == pc
}

impl Codec<'_, '_> {
    /// Whether the target `target` of a relative reference moves as the instruction does,
    /// from `old_pc` to `pc`.
    pub(super) fn moves_along(&self, kind: Kind, target: u32, old_pc: u32, pc: u32) -> bool {
        let (moved, _) = self.moved(target, kind, &mut Rival::NONE.clone());
        is_alike(moved.wrapping_sub(target), pc.wrapping_sub(old_pc))
    }

    /// Puts the next unit of the copy, as it should be, into [`Codec::unit`]. False: the
    /// source ends.
    #[inline]
    pub(super) fn predict<O: Code + ?Sized, N: Code + ?Sized>(
        &mut self,
        images: &mut Images<'_, O, N>,
    ) -> bool {
        let room = self.unit_room();
        if self.source.is_new() {
            self.predict_from(images.new, room)
        } else {
            self.predict_from(images.old, room)
        }
    }

    /// As [`Codec::predict`], of at most `room` (>= 1) bytes, from the image of the source.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline(always))]
    pub(super) fn predict_from<S: Code + ?Sized>(&mut self, image: &mut S, room: u32) -> bool {
        let (at, pos) = (self.source.offset(), self.pos);
        let synced = at >= self.synced_from;
        let alignment = self.isa.alignment() - 1;
        // One read for pointer, instruction and length.
        let (head, here) = image.head(at);
        let most = room.min(here);
        let mut reference = Reference::NONE;
        // Before the instructions: word tables read as code look full of branches.
        if (at | pos) & 3 == 0 && most == 4 {
            reference = self.header.pointer(head);
        }
        // On a host: most units are plain, and a glance shows it.
        #[cfg(not(feature = "small-code"))]
        if reference.kind == Kind::Plain && (at | pos) & alignment == 0 && here == 4 {
            let len = if synced {
                self.isa.plain_len(head)
            } else {
                Some(1)
            };
            if let Some(len) = len {
                let len = len.min(room);
                let unit = &mut self.unit;
                (unit.len, unit.word) = (len, low_bytes(head, len));
                unit.source_word = unit.word;
                (unit.reference.kind, unit.confidence) = (Kind::Plain, Confidence::None);
                unit.rival = Rival::NONE;
                return true;
            }
        }
        let mut source_pc = 0;
        if reference.kind == Kind::Plain && synced && pos & alignment == 0 {
            source_pc = self.header.address(self.source);
            let place = &mut reference;
            self.isa.decode_head(head, image, at, source_pc, place);
        }
        let mut len = u32::from(reference.len);
        if reference.kind == Kind::Plain || len > most {
            reference.kind = Kind::Plain;
            len = 1;
            if synced && (at | pos) & alignment == 0 {
                len = self.isa.head_len((head, here)).min(room);
            }
            if len > here {
                len = 1;
            }
        }
        let word = low_bytes(head, len);
        self.unit = Prediction {
            len,
            word,
            source_word: word,
            reference,
            ..Prediction::NONE
        };
        if reference.kind == Kind::Plain {
            return here > 0;
        }
        let mut target = reference.target;
        let mut confidence = Confidence::Map;
        if !self.source.is_new() {
            let mut rival = Rival::NONE;
            (target, confidence) = self.moved(target, reference.kind, &mut rival);
            self.unit.rival = rival;
        }
        self.unit.target = target;
        let pc = self.header.address(Position::New(pos));
        let shift = target.wrapping_sub(reference.target);
        if self.isa.is_relative(reference.kind) && is_alike(shift, pc.wrapping_sub(source_pc)) {
            self.unit.confidence = confidence;
        } else if (reference.kind != Kind::Pointer || shift == 0 || self.is_pointer(word))
            && let Some(encoded) = self.isa.encode(word, &reference, pc, target)
        {
            self.unit.word = encoded;
            self.unit.confidence = confidence;
        }
        true
    }
}

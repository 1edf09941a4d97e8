//! Prediction of a unit at its new place: the source bytes, with a reference in them
//! pointed where its target went.
//!
//! Fed by the source image and the map; feeds the flags of [`super::copy`]. SPEC §6.10.

use super::corrections::Confidence;
use super::trust::{Moved, Rival};
use super::{Codec, Position};
use crate::isa::{Code, Isa, Kind, Reference};

/// What a unit should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prediction {
    /// Bytes, 1..=4.
    pub len: u32,
    pub kind: Kind,
    pub confidence: Confidence,
    /// Predicted bytes, little-endian.
    pub word: u32,
    /// Bytes at the source, little-endian.
    pub source_word: u32,
    /// The reference at the source and its predicted new target.
    pub reference: Option<(Reference, u32)>,
    /// What else the target could have been.
    pub rival: Option<Rival>,
}

impl Prediction {
    /// A unit without a reference: the low `len` bytes of `word`.
    #[inline]
    fn plain(word: u32, len: u32) -> Prediction {
        let word = low_bytes(word, len);
        Prediction {
            len,
            kind: Kind::Plain,
            confidence: Confidence::None,
            word,
            source_word: word,
            reference: None,
            rival: None,
        }
    }

    pub(super) fn changed(&self) -> bool {
        self.word != self.source_word
    }
}

/// The low `len` (1..=4) bytes of `word`.
#[inline]
fn low_bytes(word: u32, len: u32) -> u32 {
    word & u32::MAX.checked_shr(32 - 8 * len).unwrap_or(0)
}

/// `len` bytes at `at`, little-endian.
#[inline]
fn read<S: Code>(source: &mut S, at: u32, len: u32) -> Option<u32> {
    match len {
        4 => source.u32(at),
        2 => source.u16(at),
        3 => Some(source.u16(at)? | u32::from(source.byte(at.wrapping_add(2))?) << 16),
        _ => source.byte(at).map(u32::from),
    }
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
        let moved = self.moved(target, kind).target.wrapping_sub(target);
        is_alike(moved, pc.wrapping_sub(old_pc))
    }

    /// The unit at new offset `pos` as copied from `source`, at most `room` (>= 1)
    /// bytes. `None`: the source ends.
    #[inline]
    pub(super) fn predict<S: Code>(
        &self,
        image: &mut S,
        source: Position,
        pos: u32,
        room: u32,
    ) -> Option<Prediction> {
        let at = source.offset();
        let synced = at >= self.synced_from;
        let alignment = self.isa.alignment() - 1;
        let mut found = None;
        // One read for pointer, instruction and length; it fails near the end only.
        let head = image.u32(at);
        if let Some(head) = head {
            // Before the instructions: word tables read as code look full of branches.
            if (at | pos) & 3 == 0 && room >= 4 {
                found = self.header.pointer(head);
            }
            if found.is_none() && (at | pos) & alignment == 0 {
                let plain = if synced {
                    self.isa.plain_len(head)
                } else {
                    Some(1)
                };
                if let Some(len) = plain {
                    return Some(Prediction::plain(head, len.min(room)));
                }
            }
        }
        let aligned = pos & alignment == 0;
        let mut source_pc = 0;
        if found.is_none() && synced && aligned && self.isa != Isa::None {
            source_pc = self.header.address(source);
            let reference = match head {
                Some(head) => self.isa.decode_head(head, image, at, source_pc),
                None => self.isa.decode(image, at, source_pc),
            };
            found = reference.filter(|r| u32::from(r.len) <= room);
        }
        if let Some(reference) = found {
            let len = u32::from(reference.len);
            let source_word = match head {
                Some(head) => low_bytes(head, len),
                None => read(image, at, len)?,
            };
            let moved = if source.is_new() {
                Moved::certain(reference.target, Confidence::Map)
            } else {
                self.moved(reference.target, reference.kind)
            };
            let target = moved.target;
            let pc = self.header.address(Position::New(pos));
            let mut encoded = self.encoded(source_pc, source_word, &reference, pc, target);
            if reference.kind == Kind::Pointer
                && target != reference.target
                && !self.is_pointer(source_word)
            {
                encoded = None;
            }
            return Some(Prediction {
                len,
                kind: reference.kind,
                confidence: if encoded.is_some() {
                    moved.confidence
                } else {
                    Confidence::None
                },
                word: encoded.unwrap_or(source_word),
                source_word,
                reference: Some((reference, target)),
                rival: moved.rival,
            });
        }
        let mut len = 1;
        if synced && (at | pos) & alignment == 0 {
            len = self.isa.unit_len(image, at).min(room);
        }
        let source_word = match read(image, at, len) {
            Some(word) => word,
            None => {
                len = 1;
                read(image, at, 1)?
            }
        };
        Some(Prediction::plain(source_word, len))
    }

    /// `reference`, found at `source_pc`, with its new target, at `pc`.
    #[inline]
    fn encoded(
        &self,
        source_pc: u32,
        word: u32,
        reference: &Reference,
        pc: u32,
        target: u32,
    ) -> Option<u32> {
        let moved = target.wrapping_sub(reference.target);
        if self.isa.is_relative(reference.kind) && is_alike(moved, pc.wrapping_sub(source_pc)) {
            return Some(word);
        }
        self.isa.encode(word, reference, pc, target)
    }
}

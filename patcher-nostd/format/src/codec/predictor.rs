//! The prediction of copies by itself: for another payload codec, which has its own way to
//! say where copies come from and which units are not as predicted.
//!
//! Stands on a [`Codec`] that has coded header and map. Fed with ops and with what missed
//! units really are, feeds that codec with units as they should be. Learns as the codec of
//! §6 does, but from misses alone, so that a run of hits needs no look at each. SPEC §13.

use super::predict::Prediction;
use super::{Codec, Entry, Images, LEARNED_COPY, Position, Stage};
use crate::isa::{Code, Kind};
use crate::{Error, ErrorKind};

/// A unit of a copy as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Unit(Prediction);

impl Unit {
    /// The predicted bytes, little-endian.
    #[inline]
    pub fn word(&self) -> u32 {
        self.0.word
    }

    /// Bytes, 1..=4.
    #[inline]
    pub fn len(&self) -> u32 {
        self.0.len
    }

    /// Whether there is a reference in it, or what is taken for one.
    pub fn is_reference(&self) -> bool {
        self.0.kind() != Kind::Plain
    }

    /// Never: a unit has a byte at least.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl Codec<'_, '_> {
    /// Starts at new offset `pos`, with nothing learned and no op begun.
    ///
    /// # Errors
    /// [`ErrorKind::HeaderInconsistent`] if header and map have not been coded, or `pos` is
    /// not inside the new image.
    pub fn begin_at(&mut self, pos: u32) -> Result<(), Error> {
        if !self.map_ready() || pos >= self.header.new_len {
            return Err(self.fault(ErrorKind::HeaderInconsistent));
        }
        self.pos = pos;
        self.stage = Stage::Gap;
        (self.last_end, self.at_boundary) = (0, false);
        self.enter_region();
        // The other models lie idle: to fill 2 MB with blanks takes as long as a small block.
        self.models.forget_taught();
        self.forget();
        Ok(())
    }

    /// The sent map entry whose copy comes next, and how many bytes come before it (or
    /// before the end of the new image).
    pub fn next_mapped(&self) -> (Option<Entry>, u32) {
        (Some(self.next).filter(|_| self.has_next()), self.room())
    }

    /// Old offset behind the last copy from old; 0 before the first.
    pub fn last_end(&self) -> u32 {
        self.last_end
    }

    /// `len` inserted bytes follow on. The caller has compared `len` with the room.
    pub fn inserted(&mut self, len: u32) {
        self.advance(len);
    }

    /// A copy of `len` bytes begins: that of the map entry due here, or an inline one.
    ///
    /// # Errors
    /// [`ErrorKind::OutputOverrun`] if it is empty or longer than the room,
    /// [`ErrorKind::CopyOutOfRange`] if it reads where there is nothing.
    pub fn begin_copy<O: Code, N: Code>(
        &mut self,
        old: &mut O,
        new: &mut N,
        source: Position,
        len: u32,
    ) -> Result<(), Error> {
        let mapped = self.has_next() && self.next.new == self.pos;
        if mapped {
            self.seek(self.pos.wrapping_add(1));
        }
        if len == 0 || len > self.room() {
            return Err(self.fault(ErrorKind::OutputOverrun));
        }
        match source {
            Position::Old(at) => {
                let end = at.checked_add(len).filter(|&e| e <= self.header.old_len);
                self.last_end = end.ok_or(self.fault(ErrorKind::CopyOutOfRange))?;
                if !mapped && len >= LEARNED_COPY && self.header.learn_map {
                    let new = self.pos;
                    self.straight.forget();
                    self.map.insert(Entry { old: at, new }, true);
                }
            }
            Position::New(at) if at >= self.pos => {
                return Err(self.fault(ErrorKind::CopyOutOfRange));
            }
            Position::New(_) => (),
        }
        self.source = source;
        self.start_copy(&mut Images { old, new }, len);
        Ok(())
    }

    /// The next unit of the copy; `None` at its end.
    ///
    /// # Errors
    /// [`ErrorKind::CopyOutOfRange`] if the source has nothing there.
    #[inline]
    pub fn next_unit<O: Code, N: Code>(
        &mut self,
        old: &mut O,
        new: &mut N,
    ) -> Result<Option<Unit>, Error> {
        if self.stage != Stage::Copy {
            return Ok(None);
        }
        if self.predict(&mut Images { old, new }) {
            Ok(Some(Unit(self.unit)))
        } else {
            Err(self.fault(ErrorKind::CopyOutOfRange))
        }
    }

    /// `unit`, the one that [`Codec::next_unit`] gave last, turned out to be `word`: learns
    /// from it and goes on behind it. `new` is the new image in front of the unit.
    #[inline]
    pub fn settle<N: Code>(&mut self, new: &mut N, unit: &Unit, word: u32) {
        let p = &unit.0;
        if self.stage != Stage::Copy {
            return;
        }
        if !self.source.is_new() {
            self.learn(&mut Images { old: &mut (), new }, word);
        }
        self.copied_from(p.len);
        self.advance(p.len);
    }
}

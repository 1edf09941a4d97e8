//! From decoded bytes to the slot: pages, erase blocks, the frontier.
//!
//! Fed by the codec's output, feeds flash and journal. Bytes below the frontier are
//! already in the slot and are only counted; from there on each erase block is erased,
//! programmed page by page and then recorded. Invariants: a block is erased in the same
//! session in which it is programmed (J5), unless its units may be programmed again and a
//! checkpoint inside it says that it was; the journal has a page of this session before
//! the slot is touched (J7); a mark never runs ahead of the slot. SPEC §10.

use crate::error::Stop;
use crate::flash::{Block, Flash, Geometry};
use crate::hand_over::HandOver;
use crate::journal::Journal;
use crate::receive::LinkWords;
use crate::sabotage::{Rule, broken};
use deltamote_format::codec::ResumePoint;
use deltamote_format::journal::padded;

/// Where units may be programmed again ([`Geometry::write_once`] is false), a checkpoint
/// follows each so many bytes of an erase block: a cut then costs this and not a sector
/// of 128 KiB.
pub const CHECKPOINT_BYTES: u32 = 4096;

/// What is small and often used stands in front, where short instructions reach it.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Sink<'w> {
    page: &'w mut [u8],
    /// Bytes in `page`.
    fill: usize,
    /// New-image bytes produced.
    pos: u32,
    new_size: u32,
    /// New-image position where the block being written ends; below it nothing is
    /// written but what the block still lacks. At first the frontier.
    block_end: u32,
    /// First byte of the new image in the slot.
    offset: u32,
    /// Whether the block that ends at `block_end` was erased by us.
    writing: bool,
    journal: Journal,
}

fn is_rewritable(geometry: &Geometry) -> bool {
    !geometry.write_once || broken(Rule::WriteOnce)
}

impl<'w> Sink<'w> {
    /// The image will have `new_size` bytes. In place, as [`Sink::begin`]: to make a sink and
    /// move it takes code and stack.
    pub(crate) fn expect(&mut self, new_size: u32) {
        self.new_size = new_size;
    }

    /// Prepares the empty sink for the image at `offset`.
    pub(crate) fn begin(&mut self, page: &'w mut [u8], offset: u32) {
        self.page = page;
        self.offset = offset;
    }

    /// Takes over what the journal says of sessions before.
    pub(crate) fn take_over<J: Flash>(
        &mut self,
        journal: &mut J,
        binding: &LinkWords,
    ) -> Result<(), Stop> {
        self.journal.scan(journal, binding)?;
        self.block_end = self.journal.frontier();
        Ok(())
    }

    /// New-image bytes produced.
    pub(crate) fn pos(&self) -> u32 {
        self.pos
    }

    /// Bytes of the new image.
    pub(crate) fn new_size(&self) -> u32 {
        self.new_size
    }

    /// First byte of the new image in the slot.
    pub(crate) fn offset(&self) -> u32 {
        self.offset
    }

    /// New-image bytes that are in the slot for good.
    pub(crate) fn frontier(&self) -> u32 {
        self.journal.frontier().min(self.new_size)
    }

    /// Whether the slot held the whole new image already when this session began.
    pub(crate) fn is_complete(&self) -> bool {
        self.journal.frontier() >= self.new_size
    }

    /// Bytes produced that can be read back from flash.
    pub(crate) fn flushed(&self) -> u32 {
        self.pos - self.fill as u32
    }

    /// Bytes produced behind those.
    pub(crate) fn unflushed(&self) -> &[u8] {
        self.page.get(..self.fill).unwrap_or(&[])
    }

    /// The reset point to resume from and its link. False if there is none.
    pub(crate) fn resume_point(&self, point: &mut ResumePoint, link: &mut LinkWords) -> bool {
        self.journal.resume_point(point, link)
    }

    /// Production goes on at `pos`, which is at most the frontier.
    pub(crate) fn jump(&mut self, pos: u32) {
        self.pos = pos;
    }

    /// A reset point was passed; it is recorded with the next checkpoint, or at once if it
    /// lies at one, as resets at multiples of 64 KiB mostly do.
    pub(crate) fn reset<J: Flash>(
        &mut self,
        point: &ResumePoint,
        link: &LinkWords,
        journal: &mut J,
    ) -> Result<(), Stop> {
        if broken(Rule::Reset) || broken(Rule::ResetInHeader) && !self.journal.is_open() {
            return Ok(());
        }
        self.journal.note(point, link);
        if self.writing && self.pos == self.journal.frontier() && !broken(Rule::ResetAtOnce) {
            self.journal.append(journal, self.pos, self.page)?;
        }
        Ok(())
    }

    /// Room for bytes that follow on, as far as they need no flash operation; what is put
    /// there counts with [`Sink::filled`].
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let end = self.block_end.min(self.new_size);
        let room = end.saturating_sub(self.pos) as usize;
        // Below the frontier bytes are only counted, and the page is scratch.
        let rest = self.page.get_mut(self.fill..).unwrap_or(&mut []);
        let room = room.min(rest.len());
        rest.get_mut(..room).unwrap_or(&mut [])
    }

    /// Takes the low `len` bytes of `word`, which the new image still lacks.
    pub(crate) fn put<S: Flash, J: Flash, H: HandOver<S>>(
        &mut self,
        mut word: u32,
        len: u8,
        slot: &mut S,
        journal: &mut J,
        hand_over: &mut H,
    ) -> Result<(), Stop> {
        for _ in 0..len {
            if self.pos >= self.block_end {
                self.begin_block(slot, journal, hand_over)?;
            }
            *self.page.get_mut(self.fill).ok_or(Stop::Bug)? = word as u8;
            word >>= 8;
            self.filled(1, slot, journal)?;
        }
        Ok(())
    }

    /// Erases the block that begins at `pos`, unless it is to be gone on with.
    #[cold]
    fn begin_block<S: Flash, J: Flash, H: HandOver<S>>(
        &mut self,
        slot: &mut S,
        journal: &mut J,
        hand_over: &mut H,
    ) -> Result<(), Stop> {
        let at = self.offset.checked_add(self.pos).ok_or(Stop::Bug)?;
        let geometry = slot.geometry();
        // Behind a checkpoint inside a block: it was erased in full, and what a cut may
        // have left behind the frontier is of the same bytes, which may be programmed again.
        let goes_on = |block: &Block| block.start == at || is_rewritable(&geometry);
        // Otherwise the journal's frontier was not one of ours.
        let block = geometry.block_here(at).filter(goes_on);
        let block = block.ok_or(Stop::SlotGeometry)?;
        let resumed = self.pos > 0 && !self.writing;
        if !self.journal.is_open() && !broken(Rule::JournalFirst) {
            let frontier = self.journal.frontier();
            self.journal.append(journal, frontier, self.page)?;
            if !broken(Rule::ClearPending) {
                hand_over.clear_pending(slot).map_err(Stop::slot)?;
            }
        }
        self.block_end = block.end() - self.offset;
        self.writing = true;
        if block.start != at
            || broken(Rule::EraseAgain) && resumed
            || broken(Rule::BlankIsNoProof) && reads_blank(block, slot)
        {
            return Ok(());
        }
        slot.erase(block).map_err(Stop::slot)?;
        if broken(Rule::RecordLast) {
            self.journal.append(journal, self.block_end, self.page)?;
        }
        Ok(())
    }

    /// `n` bytes of [`Sink::room`] have been written. Programs the page, padded to whole
    /// units, if it is full or the block or image ends; records it if that ends a block or
    /// brings a checkpoint.
    #[inline(never)]
    pub(crate) fn filled<S: Flash, J: Flash>(
        &mut self,
        n: usize,
        slot: &mut S,
        journal: &mut J,
    ) -> Result<(), Stop> {
        self.pos += n as u32;
        if !self.writing {
            return Ok(());
        }
        self.fill += n;
        // Where this ends a block or the image; 0: it does not.
        let mut frontier = 0;
        if self.pos == self.block_end || self.pos == self.new_size {
            frontier = self.block_end;
        } else if self.fill != self.page.len() {
            return Ok(());
        }
        let geometry = slot.geometry();
        let start = self.offset + self.flushed();
        let padded = padded(self.fill, geometry.write_size as usize);
        let page = self.page.get_mut(..padded).ok_or(Stop::Bug)?;
        if let Some(rest) = page.get_mut(self.fill..) {
            rest.fill(geometry.erased);
        }
        slot.program(start, page).map_err(Stop::slot)?;
        self.fill = 0;
        if frontier == 0 {
            let at = self.offset + self.pos;
            if !is_rewritable(&geometry)
                || !at.is_multiple_of(CHECKPOINT_BYTES)
                || broken(Rule::Checkpoint)
            {
                return Ok(());
            }
            frontier = self.pos;
        }
        if !broken(Rule::RecordLast) {
            self.journal.append(journal, frontier, self.page)?;
        }
        Ok(())
    }

    /// Starts over next time: what the slot holds is not what it should.
    pub(crate) fn forget<J: Flash>(&mut self, journal: &mut J) -> Result<(), Stop> {
        self.journal.forget(journal)
    }
}

/// Whether `block` reads as erased: never a reason to do without erasing it.
fn reads_blank<S: Flash>(block: Block, slot: &mut S) -> bool {
    let mut byte = [0];
    let erased = slot.geometry().erased;
    (block.start..block.end()).all(|at| slot.read(at, &mut byte).is_ok() && byte == [erased])
}

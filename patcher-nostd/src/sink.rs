//! From decoded bytes to the slot: pages, erase blocks, the frontier.
//!
//! Fed by the codec's output, feeds flash and journal. Bytes below the frontier are
//! already in the slot and are only counted; from there on each erase block is erased,
//! programmed page by page and then recorded. Invariants: a block is erased in the same
//! session in which it is programmed (J5), unless its units may be programmed again and a
//! checkpoint inside it says that it was; the journal has a page of this session before
//! the slot is touched (J7); a mark never runs ahead of the slot. SPEC §10.

use crate::error::{Device, Error};
use crate::flash::{Block, Flash, Geometry};
use crate::hand_over::HandOver;
use crate::journal::Journal;
use crate::sabotage::{Rule, broken};
use deltamote_format::ErrorKind::OutputOverrun;
use deltamote_format::journal::{ResetMark, padded};

/// Where units may be programmed again ([`Geometry::write_once`] is false), a checkpoint
/// follows each so many bytes of an erase block: a cut then costs this and not a sector
/// of 128 KiB.
pub const CHECKPOINT_BYTES: u32 = 4096;

#[derive(Debug)]
pub(crate) struct Sink<'w> {
    page: &'w mut [u8],
    /// Bytes in `page`.
    fill: usize,
    /// New-image bytes produced.
    pos: u32,
    new_size: u32,
    /// First byte of the new image in the slot.
    offset: u32,
    geometry: Geometry,
    /// New-image position where the block being written ends; below it nothing is
    /// written but what the block still lacks. At first the frontier.
    block_end: u32,
    /// Whether the block that ends at `block_end` was erased by us.
    writing: bool,
    journal: Journal,
    /// A reset point that the journal does not have yet.
    reset: Option<ResetMark>,
}

impl<'w> Sink<'w> {
    pub(crate) fn new(
        page: &'w mut [u8],
        new_size: u32,
        offset: u32,
        geometry: Geometry,
        journal: Journal,
    ) -> Self {
        Sink {
            page,
            fill: 0,
            pos: 0,
            new_size,
            offset,
            geometry,
            block_end: 0,
            writing: false,
            journal,
            reset: None,
        }
    }

    /// Takes over what the journal says of sessions before.
    pub(crate) fn take_over<J: Flash>(&mut self, journal: &mut J) -> Result<(), Error> {
        self.journal.scan(journal)?;
        self.block_end = self.journal.mark().frontier;
        Ok(())
    }

    /// New-image bytes produced.
    pub(crate) fn pos(&self) -> u32 {
        self.pos
    }

    /// New-image bytes that are in the slot for good.
    pub(crate) fn frontier(&self) -> u32 {
        self.journal.mark().frontier.min(self.new_size)
    }

    /// Whether the slot held the whole new image already when this session began.
    pub(crate) fn is_complete(&self) -> bool {
        self.frontier() >= self.new_size
    }

    /// Bytes produced that can be read back from flash.
    pub(crate) fn flushed(&self) -> u32 {
        self.pos - self.fill as u32
    }

    /// Bytes produced behind those.
    pub(crate) fn unflushed(&self) -> &[u8] {
        self.page.get(..self.fill).unwrap_or(&[])
    }

    /// The reset point to resume from, if there is one.
    pub(crate) fn resume_point(&self) -> Option<ResetMark> {
        let mark = self.journal.mark();
        mark.reset.filter(|r| r.point.new_pos <= mark.frontier)
    }

    /// Production goes on at `pos`, which is at most the frontier.
    pub(crate) fn jump(&mut self, pos: u32) {
        self.pos = pos;
    }

    /// A reset point was passed; it is recorded with the next checkpoint, or at once if it
    /// lies at one, as resets at multiples of 64 KiB mostly do.
    #[cold]
    #[inline(never)]
    pub(crate) fn reset<J: Flash>(
        &mut self,
        mark: ResetMark,
        journal: &mut J,
    ) -> Result<(), Error> {
        if broken(Rule::Reset) {
            return Ok(());
        }
        let at_checkpoint = self.writing && self.pos == self.journal.mark().frontier;
        if at_checkpoint && !broken(Rule::ResetAtOnce) {
            return self
                .journal
                .append(journal, self.pos, Some(mark), self.page);
        }
        self.reset = Some(mark);
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

    /// `n` bytes of [`Sink::room`] have been written.
    pub(crate) fn filled<S: Flash, J: Flash>(
        &mut self,
        n: usize,
        slot: &mut S,
        journal: &mut J,
    ) -> Result<(), Error> {
        self.pos += n as u32;
        if !self.writing {
            return Ok(());
        }
        self.fill += n;
        if self.fill == self.page.len() || self.pos == self.block_end || self.pos == self.new_size {
            self.flush(slot, journal)?;
        }
        Ok(())
    }

    /// Takes the low `len` bytes of `word`.
    #[inline]
    pub(crate) fn put<S: Flash, J: Flash, H: HandOver<S>>(
        &mut self,
        word: u32,
        len: u8,
        slot: &mut S,
        journal: &mut J,
        hand_over: &mut H,
    ) -> Result<(), Error> {
        if self.new_size - self.pos < u32::from(len) {
            return Err(deltamote_format::Error::new(OutputOverrun, self.pos).into());
        }
        for k in 0..u32::from(len) {
            let byte = word.checked_shr(8 * k).unwrap_or(0) as u8;
            self.put_byte(byte, slot, journal, hand_over)?;
        }
        Ok(())
    }

    #[inline]
    fn put_byte<S: Flash, J: Flash, H: HandOver<S>>(
        &mut self,
        byte: u8,
        slot: &mut S,
        journal: &mut J,
        hand_over: &mut H,
    ) -> Result<(), Error> {
        if self.pos >= self.block_end {
            self.begin_block(slot, journal, hand_over)?;
        } else if !self.writing {
            self.pos += 1;
            return Ok(());
        }
        *self.page.get_mut(self.fill).ok_or(Error::Bug)? = byte;
        self.fill += 1;
        self.pos += 1;
        if self.fill == self.page.len() || self.pos == self.block_end || self.pos == self.new_size {
            self.flush(slot, journal)?;
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
    ) -> Result<(), Error> {
        let at = self.offset.checked_add(self.pos).ok_or(Error::Bug)?;
        // Behind a checkpoint inside a block: it was erased in full, and what a cut may
        // have left behind the frontier is of the same bytes, which may be programmed again.
        let goes_on = |block: &Block| block.start == at || self.is_rewritable();
        // Otherwise the journal's frontier was not one of ours.
        let block = self.geometry.block(at).filter(goes_on);
        let block = block.ok_or(Error::Geometry(Device::Slot))?;
        let resumed = self.pos > 0 && !self.writing;
        if !self.journal.is_open() && !broken(Rule::JournalFirst) {
            let mut mark = *self.journal.mark();
            if !broken(Rule::ResetInHeader) {
                mark.reset = self.reset.take().or(mark.reset);
            }
            self.journal.open(journal, mark, self.page)?;
            if !broken(Rule::ClearPending) {
                hand_over
                    .clear_pending(slot)
                    .map_err(|fault| Error::Flash(Device::Slot, fault))?;
            }
        }
        self.block_end = block.end() - self.offset;
        self.writing = true;
        if block.start != at
            || broken(Rule::EraseAgain) && resumed
            || broken(Rule::BlankIsNoProof) && self.reads_blank(block, slot)
        {
            return Ok(());
        }
        slot.erase(block)
            .map_err(|fault| Error::Flash(Device::Slot, fault))?;
        if broken(Rule::RecordLast) {
            let reset = self.reset.take();
            self.journal
                .append(journal, self.block_end, reset, self.page)?;
        }
        Ok(())
    }

    fn is_rewritable(&self) -> bool {
        !self.geometry.write_once || broken(Rule::WriteOnce)
    }

    /// Whether `block` reads as erased: never a reason to do without erasing it.
    fn reads_blank<S: Flash>(&self, block: Block, slot: &mut S) -> bool {
        let mut byte = [0];
        (block.start..block.end())
            .all(|at| slot.read(at, &mut byte).is_ok() && byte == [self.geometry.erased])
    }

    /// Programs the page, padded to whole units; records it if that ends a block or brings
    /// a checkpoint.
    #[cold]
    fn flush<S: Flash, J: Flash>(&mut self, slot: &mut S, journal: &mut J) -> Result<(), Error> {
        let start = self.offset + self.flushed();
        let padded = padded(self.fill, self.geometry.write_size as usize);
        let page = self.page.get_mut(..padded).ok_or(Error::Bug)?;
        for byte in page.iter_mut().skip(self.fill) {
            *byte = self.geometry.erased;
        }
        slot.program(start, page)
            .map_err(|fault| Error::Flash(Device::Slot, fault))?;
        self.fill = 0;
        let at = self.offset + self.pos;
        let frontier = if self.pos == self.block_end || self.pos == self.new_size {
            self.block_end
        } else if self.is_rewritable()
            && at.is_multiple_of(CHECKPOINT_BYTES)
            && !broken(Rule::Checkpoint)
        {
            self.pos
        } else {
            return Ok(());
        };
        if !broken(Rule::RecordLast) {
            let reset = self.reset.take();
            self.journal.append(journal, frontier, reset, self.page)?;
        }
        Ok(())
    }

    /// Starts over next time: what the slot holds is not what it should.
    pub(crate) fn forget<J: Flash>(&mut self, journal: &mut J) -> Result<(), Error> {
        self.journal.forget(journal)
    }
}

//! Keeps the journal: which page counts, where the next record goes.
//!
//! Called by the sink behind each checkpoint and by the patcher at start and
//! end; the layouts are `deltamote_format::journal`'s. The rules (field notes J1 to J11)
//! reduce to two here. *A page is written only in the session that erased it*: the first
//! write of a session opens another page, so no unit is ever programmed whose state a
//! power cut could have left in doubt, and "reads as erased" is never evidence. *The
//! header repeats the mark*: a page is complete by itself, a torn header is no header,
//! and the page before stays valid until the new one is. What was written last before a
//! cut may be weak (valid now, gone at the next reset). So a record follows each header
//! before the slot is touched: where it is missing, header or not, the slot is still as the
//! page before says, and the page is opened again; where it is there, the header was
//! written well, and the page before, which may say too much by now, is the one to erase.
//! Starting over erases all other pages, whatever they read as. SPEC §10.

use crate::error::{Device, Error};
use crate::flash::{Block, Blocks, Fault, Flash, Geometry};
use crate::sabotage::{Rule, broken};
use crate::sink::CHECKPOINT_BYTES;
use deltamote_format::Profile;
use deltamote_format::journal::{
    Binding, HEADER_BYTES, Header, Mark, PROGRESS_BYTES, RESET_BYTES, Record, ResetMark, crc32,
    min_page_bytes, padded,
};

/// Bytes of flash that the journal needs on a device like `flash` (its erase blocks, its
/// program unit) with a patcher of `profile`: two pages of whole, equal erase blocks.
/// `None`: not possible there.
pub const fn journal_bytes(flash: &Geometry, profile: Profile) -> Option<u32> {
    let block = match flash.blocks {
        Blocks::Uniform(len) => len,
        Blocks::Runs([first, ..]) => first.len,
        Blocks::Runs([]) => return None,
    };
    let unit = flash.write_size as usize;
    if unit == 0
        || (block as usize) < min_page_bytes(unit)
        || profile.limits().page_bytes < padded(HEADER_BYTES, unit)
    {
        return None;
    }
    block.checked_mul(2)
}

/// Checkpoints of an update that writes `new_size` bytes from `new_offset` of a slot like
/// `slot`: one for each erase block, and where units may be programmed again one for each
/// [`crate::CHECKPOINT_BYTES`].
pub fn checkpoints(slot: &Geometry, new_offset: u32, new_size: u32) -> u32 {
    let end = new_offset.saturating_add(new_size);
    let (mut at, mut count) = (new_offset, 0u32);
    while at < end {
        let Some(block) = slot.block(at) else { break };
        let mut next = block.end();
        if !slot.write_once {
            let checkpoint = (at / CHECKPOINT_BYTES + 1).saturating_mul(CHECKPOINT_BYTES);
            next = next.min(checkpoint);
        }
        if next <= at {
            break;
        }
        at = next;
        count += 1;
    }
    count
}

/// Most bytes that one update, if no power cut comes, programs into the journal: a
/// record for each of so many [`checkpoints`] and for each of so many `resets`, in
/// pages of `page` bytes on flash with units of `write_size` bytes.
pub const fn journal_bytes_written(
    checkpoints: u32,
    resets: u32,
    page: u32,
    write_size: u32,
) -> u64 {
    let header = padded(HEADER_BYTES, write_size as usize) as u64;
    let short = padded(PROGRESS_BYTES, write_size as usize) as u64;
    let long = padded(RESET_BYTES, write_size as usize) as u64;
    let records = checkpoints as u64 * short + resets as u64 * long;
    // A page may end with less than a long record unused; behind its header comes a record
    // that repeats it.
    let header = header + short;
    let room = (page as u64).saturating_sub(header + long);
    let pages = match records.checked_div(room) {
        Some(full) => full + 1,
        None => checkpoints as u64 + resets as u64,
    };
    pages * header + records
}

#[derive(Debug)]
pub(crate) struct Journal {
    geometry: Geometry,
    binding: Binding,
    /// Largest epoch seen.
    epoch: u32,
    /// The page that counts.
    page: Option<Block>,
    /// Set once a page was opened in this session: where the next record goes.
    write_at: Option<u32>,
    sequence: u16,
    /// The mark as the journal has it.
    mark: Mark,
    /// The page that counts has a header and no record, and another page of this update
    /// is there to fall back to.
    may_be_weak: bool,
}

fn flash(fault: Fault) -> Error {
    Error::Flash(Device::Journal, fault)
}

/// A read that treats poisoned bytes as "nothing valid here" (J6).
fn read<J: Flash>(flash_: &mut J, at: u32, out: &mut [u8]) -> Result<bool, Error> {
    match flash_.read(at, out) {
        Ok(()) => Ok(true),
        Err(Fault::Poisoned) => Ok(false),
        Err(fault) => Err(flash(fault)),
    }
}

/// The page header at `at`, if there is a valid one.
fn header<J: Flash>(flash: &mut J, at: u32) -> Result<Option<Header>, Error> {
    let mut bytes = [0u8; HEADER_BYTES];
    if !read(flash, at, &mut bytes)? {
        return Ok(None);
    }
    if broken(Rule::Checksum) {
        mend(&mut bytes);
    }
    Ok(Header::parse(&bytes))
}

/// Makes a checksum right, whatever is in front of it: what must never be done.
fn mend(bytes: &mut [u8]) {
    if let Some((body, crc)) = bytes.split_last_chunk_mut::<4>() {
        let right = crc32(body);
        for (k, byte) in crc.iter_mut().enumerate() {
            *byte = (right >> (8 * k)) as u8;
        }
    }
}

impl Journal {
    /// Whether `geometry` can hold a journal, given a scratch buffer of `page_bytes`.
    pub(crate) fn suits(geometry: &Geometry, page_bytes: usize) -> bool {
        let write_size = geometry.write_size as usize;
        let mut pages = 0;
        let mut at = 0;
        while let Some(block) = geometry.block(at) {
            if (block.len as usize) < min_page_bytes(write_size) {
                return false;
            }
            pages += 1;
            at = block.end();
        }
        pages >= 2
            && geometry.is_sound(page_bytes as u32)
            && page_bytes >= padded(HEADER_BYTES, write_size)
    }

    /// A journal that knows nothing yet, for the update that `binding` stands for.
    pub(crate) fn new(geometry: Geometry, binding: Binding) -> Self {
        Journal {
            geometry,
            binding,
            epoch: 0,
            page: None,
            write_at: None,
            sequence: 0,
            mark: Mark::default(),
            may_be_weak: false,
        }
    }

    /// Finds the page that counts and reads it. The mark is empty unless the page belongs
    /// to this update. In place, behind [`Journal::new`]: to make a journal and move it takes
    /// stack.
    #[inline(never)]
    pub(crate) fn scan<J: Flash>(&mut self, flash: &mut J) -> Result<(), Error> {
        let mut bound = false;
        let mut at = 0;
        while let Some(block) = self.geometry.block(at) {
            if let Some(header) = header(flash, at)?
                && (self.page.is_none() || header.epoch > self.epoch)
            {
                self.page = Some(block);
                self.epoch = header.epoch;
                bound = header.binding == self.binding;
                self.mark = header.mark;
            }
            at = block.end();
        }
        match self.page {
            Some(page) if bound => {
                self.read_records(flash, page)?;
                self.may_be_weak = self.sequence == 0 && self.falls_back(flash, page)?;
            }
            _ => self.mark = Mark::default(),
        }
        Ok(())
    }

    /// Takes over the last valid record of `page`. Records that are torn or poisoned
    /// are stepped over one unit at a time.
    fn read_records<J: Flash>(&mut self, flash: &mut J, page: Block) -> Result<(), Error> {
        let write_size = self.geometry.write_size as usize;
        // All lengths are multiples of 4, so smaller units need no smaller steps.
        let stride = self.geometry.write_size.max(4);
        let mut at = page.start + padded(HEADER_BYTES, write_size) as u32;
        let mut last = None;
        while at + PROGRESS_BYTES as u32 <= page.end() {
            let mut bytes = [0u8; RESET_BYTES];
            let room = ((page.end() - at) as usize).min(RESET_BYTES);
            // Short first: what is behind a progress record may be poisoned.
            let mut found = None;
            for len in [PROGRESS_BYTES, room] {
                let out = bytes.get_mut(..len).ok_or(Error::Bug)?;
                if !read(flash, at, out)? {
                    break;
                }
                if broken(Rule::Checksum) {
                    mend(out);
                }
                found = Record::parse(out).filter(|(r, _)| r.epoch == self.epoch);
                if found.is_some() || !Record::is_long(out) {
                    break;
                }
            }
            let Some((record, len)) = found else {
                at += stride;
                continue;
            };
            if last.is_none_or(|last| record.sequence > last) {
                last = Some(record.sequence);
                self.sequence = record.sequence.saturating_add(1);
                self.mark.frontier = record.mark.frontier;
                self.mark.reset = record.mark.reset.or(self.mark.reset);
            }
            at += padded(len, write_size) as u32;
            if broken(Rule::FreshPage) {
                self.write_at = Some(at);
            }
        }
        Ok(())
    }

    /// How far the update has come.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Whether a page was opened in this session, which must be before the slot is
    /// erased (J7).
    pub(crate) fn is_open(&self) -> bool {
        self.write_at.is_some()
    }

    /// Opens the next page with `mark`. From here on the page before does not count.
    /// `buf` is scratch.
    pub(crate) fn open<J: Flash>(
        &mut self,
        flash_: &mut J,
        mark: Mark,
        buf: &mut [u8],
    ) -> Result<(), Error> {
        let next = match self.page {
            Some(page) if self.may_be_weak => page.start,
            Some(page) => page.end(),
            None => 0,
        };
        self.may_be_weak = false;
        let page = self.geometry.block(next).or(self.geometry.block(0));
        let page = page.ok_or(Error::Geometry(Device::Journal))?;
        self.write_at = None;
        self.epoch = self.epoch.wrapping_add(1);
        let header = Header {
            epoch: self.epoch,
            binding: self.binding,
            mark,
        };
        let len = header
            .emit(self.geometry.write_size as usize, buf)
            .ok_or(Error::Bug)?;
        flash_.erase(page).map_err(flash)?;
        flash_
            .program(page.start, buf.get(..len).ok_or(Error::Bug)?)
            .map_err(flash)?;
        self.page = Some(page);
        self.mark = mark;
        if mark.frontier == 0 {
            // Starting over: a stale page of this very update must not come back if
            // the new header's bits were to fade (J7).
            let mut at = 0;
            while let Some(block) = self.geometry.block(at) {
                if block != page {
                    flash_.erase(block).map_err(flash)?;
                }
                at = block.end();
            }
        }
        // Says nothing new, but that the header was written well.
        self.sequence = 0;
        self.write(flash_, page.start + len as u32, mark.frontier, None, buf)
    }

    /// Writes the next record of the page, at `at`.
    fn write<J: Flash>(
        &mut self,
        flash_: &mut J,
        at: u32,
        frontier: u32,
        reset: Option<ResetMark>,
        buf: &mut [u8],
    ) -> Result<(), Error> {
        let record = Record {
            epoch: self.epoch,
            sequence: self.sequence,
            mark: Mark { frontier, reset },
        };
        let len = record
            .emit(self.geometry.write_size as usize, buf)
            .ok_or(Error::Bug)?;
        flash_
            .program(at, buf.get(..len).ok_or(Error::Bug)?)
            .map_err(flash)?;
        self.write_at = Some(at + len as u32);
        self.sequence += 1;
        Ok(())
    }

    /// Records that the slot is good up to `frontier`, and the reset point if it is new.
    pub(crate) fn append<J: Flash>(
        &mut self,
        flash_: &mut J,
        frontier: u32,
        reset: Option<ResetMark>,
        buf: &mut [u8],
    ) -> Result<(), Error> {
        let mark = Mark {
            frontier,
            reset: reset.or(self.mark.reset),
        };
        let (Some(page), Some(at)) = (self.page, self.write_at) else {
            if broken(Rule::JournalFirst) {
                return self.open(flash_, mark, buf);
            }
            return Err(Error::Bug);
        };
        let len = match reset {
            Some(_) => RESET_BYTES,
            None => PROGRESS_BYTES,
        };
        let end = at.checked_add(padded(len, self.geometry.write_size as usize) as u32);
        if end.is_none_or(|end| end > page.end()) || self.sequence == u16::MAX {
            return self.open(flash_, mark, buf);
        }
        self.write(flash_, at, frontier, reset, buf)?;
        self.mark = mark;
        Ok(())
    }

    /// Erases every page that has a valid header: the update is over.
    pub(crate) fn forget<J: Flash>(&mut self, flash_: &mut J) -> Result<(), Error> {
        self.write_at = None;
        self.mark = Mark::default();
        let mut at = 0;
        while let Some(block) = self.geometry.block(at) {
            if header(flash_, at)?.is_some() {
                flash_.erase(block).map_err(flash)?;
            }
            at = block.end();
        }
        Ok(())
    }

    /// Whether a page other than `page` belongs to the same update.
    fn falls_back<J: Flash>(&self, flash: &mut J, page: Block) -> Result<bool, Error> {
        let mut at = 0;
        while let Some(block) = self.geometry.block(at) {
            if block != page && header(flash, at)?.is_some_and(|h| h.binding == self.binding) {
                return Ok(true);
            }
            at = block.end();
        }
        Ok(false)
    }
}

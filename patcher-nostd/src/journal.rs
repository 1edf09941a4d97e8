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
//!
//! The geometry is asked of the flash wherever it is needed and not kept: on a device it is
//! mostly constant, and then the compiler works out there what follows from it.

use crate::error::Stop;
use crate::flash::{Block, Blocks, Fault, Flash, Geometry};
use crate::receive::LinkWords;
use crate::sabotage::{Rule, broken};
use crate::sink::CHECKPOINT_BYTES;
use deltamote_format::Profile;
use deltamote_format::codec::ResumePoint;
use deltamote_format::journal::{
    HEADER_BYTES, PROGRESS_BYTES, RESET_BYTES, min_page_bytes, padded, words,
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

/// [`Journal::write_at`] before a page was opened.
const CLOSED: u32 = u32::MAX;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct Journal {
    /// Where the next page is to be opened: behind the page that counts, or there, if it may
    /// be weak (it has a header and no record, and another page of this update is there to
    /// fall back to).
    next: u32,
    /// Set once a page was opened in this session: where the next record goes; the page
    /// ends at `next`.
    write_at: u32,
    /// Number of the next record in the page that counts. More than a record can have, if
    /// the page had the last number.
    sequence: u32,
    /// Words of the header's reset point that the flash does not have yet: all or none.
    news: usize,
    /// The header that the next page would get: largest epoch seen, binding, mark.
    header: [u32; words::HEADER],
}

impl Default for Journal {
    /// A journal that knows nothing yet.
    fn default() -> Self {
        Journal {
            next: 0,
            write_at: CLOSED,
            sequence: 0,
            news: 0,
            header: [0; words::HEADER],
        }
    }
}

/// Bytes of the page that begins at `at`; 0 behind the last.
fn page_len<J: Flash>(flash: &J, at: u32) -> u32 {
    let block = flash.geometry().block_here(at);
    block.map_or(0, |block| block.len)
}

/// Reads `into` from `at` and checks it. Poisoned bytes are "nothing valid here" and leave
/// it as it is (J6).
#[inline(never)]
fn load<J: Flash>(flash_: &mut J, at: u32, into: &mut [u32]) -> Result<(), Stop> {
    let mut bytes = [0; HEADER_BYTES];
    let bytes = bytes.get_mut(..4 * into.len()).ok_or(Stop::Bug)?;
    match flash_.read(at, bytes) {
        Ok(()) => {}
        Err(Fault::Poisoned) => return Err(Stop::Nothing),
        Err(fault) => return Err(Stop::journal(fault)),
    }
    words::read(into, bytes);
    if words::is_sealed(into) || broken(Rule::Checksum) {
        Ok(())
    } else {
        Err(Stop::Nothing)
    }
}

/// Reads a valid page header at `at` into `into`.
#[inline(never)]
fn header<J: Flash>(flash: &mut J, at: u32, into: &mut [u32; words::HEADER]) -> Result<(), Stop> {
    load(flash, at, into)?;
    if words::is_header(into) {
        Ok(())
    } else {
        Err(Stop::Nothing)
    }
}

/// Whether something was found.
#[inline(always)]
fn found(read: Result<(), Stop>) -> Result<bool, Stop> {
    match read {
        Ok(()) => Ok(true),
        Err(Stop::Nothing) => Ok(false),
        Err(stop) => Err(stop),
    }
}

impl Journal {
    /// Whether `geometry` can hold a journal, given a scratch buffer of `page_bytes`.
    /// Compiled where it is called, as [`Geometry::block_here`].
    #[inline(always)]
    pub(crate) fn suits(geometry: &Geometry, page_bytes: usize) -> bool {
        let write_size = geometry.write_size as usize;
        let mut pages = 0;
        let mut at = 0;
        while let Some(block) = geometry.block_here(at) {
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

    /// Finds the page that counts and reads it. The mark is empty unless the page belongs
    /// to the update that `binding` stands for.
    #[inline(never)]
    pub(crate) fn scan<J: Flash>(
        &mut self,
        flash: &mut J,
        binding: &LinkWords,
    ) -> Result<(), Stop> {
        let mut read = [0; words::HEADER];
        // Pages of this update; the start of the one that counts, CLOSED: there is none.
        let (mut related, mut page) = (0, CLOSED);
        let mut at = 0u32;
        loop {
            let end = at.saturating_add(page_len(flash, at));
            if end == at {
                break;
            }
            if found(header(flash, at, &mut read))? {
                related += u32::from(read[words::BINDING..words::FRONTIER] == *binding);
                if page == CLOSED || read[words::EPOCH] > self.header[words::EPOCH] {
                    page = at;
                    self.next = end;
                    self.header = read;
                }
            }
            at = end;
        }
        if self.header[words::BINDING..words::FRONTIER] == *binding && page != CLOSED {
            self.read_records(flash, page)?;
            if self.sequence == 0 && related > 1 {
                self.next = page;
            }
        } else {
            words::copy::<4>(&mut self.header[words::BINDING..words::FRONTIER], binding);
            self.header[words::FRONTIER..words::END].fill(0);
        }
        Ok(())
    }

    /// Takes over the last valid record of the page at `page`, which ends at `next`. Records
    /// that are torn or poisoned are stepped over one unit at a time.
    fn read_records<J: Flash>(&mut self, flash: &mut J, page: u32) -> Result<(), Stop> {
        let write_size = flash.geometry().write_size;
        let mut at = page + padded(HEADER_BYTES, write_size as usize) as u32;
        while at + PROGRESS_BYTES as u32 <= self.next {
            let mut record = [0; words::RESET];
            let short = record.get_mut(..words::PROGRESS).ok_or(Stop::Bug)?;
            // Short first: what is behind a progress record may be poisoned.
            let mut holds = found(load(flash, at, short))?;
            let mut len = PROGRESS_BYTES;
            let mut kind = words::PROGRESS_KIND;
            if record[0] & 0xffff == words::RESET_KIND && at + RESET_BYTES as u32 <= self.next {
                len = RESET_BYTES;
                kind = words::RESET_KIND;
                holds = found(load(flash, at, &mut record))?;
            }
            if !holds
                || record[0] & 0xffff != kind
                || record[words::EPOCH] != self.header[words::EPOCH]
            {
                // All lengths are multiples of 4, so smaller units need no smaller steps.
                at += write_size.max(4);
                continue;
            }
            let sequence = record[0] >> 16;
            if sequence >= self.sequence {
                self.sequence = sequence + 1;
                self.header[words::FRONTIER] = record[words::RECORD_FRONTIER];
                if len == RESET_BYTES {
                    self.header[words::PRESENT] = 1;
                    words::copy::<{ words::POINT_WORDS }>(
                        &mut self.header[words::POINT..words::END],
                        &record[words::RECORD_POINT..words::RECORD_END],
                    );
                }
            }
            at += padded(len, write_size as usize) as u32;
            if broken(Rule::FreshPage) {
                self.write_at = at;
            }
        }
        Ok(())
    }

    /// Up to where the slot is good.
    pub(crate) fn frontier(&self) -> u32 {
        self.header[words::FRONTIER]
    }

    /// The reset point to resume from and its link. False if there is none.
    pub(crate) fn resume_point(&self, point: &mut ResumePoint, link: &mut LinkWords) -> bool {
        let header = &self.header;
        point.new_pos = header[words::POINT];
        point.payload_pos = header[words::POINT + 1];
        words::copy::<8>(&mut point.op, &header[words::POINT + 2..words::END - 4]);
        words::copy::<4>(link, &header[words::END - 4..words::END]);
        header[words::PRESENT] != 0 && point.new_pos <= self.frontier()
    }

    /// A reset point that goes into the next header, or else into the next record.
    pub(crate) fn note(&mut self, point: &ResumePoint, link: &LinkWords) {
        let header = &mut self.header;
        self.news = words::POINT_WORDS;
        header[words::PRESENT] = 1;
        header[words::POINT] = point.new_pos;
        header[words::POINT + 1] = point.payload_pos;
        words::copy::<8>(&mut header[words::POINT + 2..words::END - 4], &point.op);
        words::copy::<4>(&mut header[words::END - 4..words::END], link);
    }

    /// Whether a page was opened in this session, which must be before the slot is
    /// erased (J7).
    pub(crate) fn is_open(&self) -> bool {
        self.write_at != CLOSED
    }

    /// Records that the slot is good up to `frontier`, and the reset point if it is new: in
    /// the page opened last, or in the next, if there is none in this session or no room in
    /// it. From there on the page before does not count. `buf` is scratch.
    #[inline(never)]
    pub(crate) fn append<J: Flash>(
        &mut self,
        flash_: &mut J,
        frontier: u32,
        buf: &mut [u8],
    ) -> Result<(), Stop> {
        let unit = flash_.geometry().write_size as usize;
        self.header[words::FRONTIER] = frontier;
        let len = PROGRESS_BYTES + 4 * self.news;
        let room = self.next.saturating_sub(self.write_at);
        if room < padded(len, unit) as u32 || self.sequence >= u16::MAX.into() {
            self.open(flash_, buf)?;
        }
        // A reset record ends as a header does, so it is one whose front is another; a progress
        // record is the front alone.
        let mut record = self.header;
        let news = core::mem::take(&mut self.news);
        let kind = if news > 0 {
            words::RESET_KIND
        } else {
            words::PROGRESS_KIND
        };
        const FRONT: usize = words::HEADER - words::RESET;
        record[FRONT] = self.sequence << 16 | kind;
        record[FRONT + words::EPOCH] = self.header[words::EPOCH];
        record[FRONT + words::RECORD_FRONTIER] = frontier;
        self.sequence += 1;
        let record = record.get_mut(FRONT..FRONT + words::PROGRESS + news);
        let record = record.ok_or(Stop::Bug)?;
        self.store(flash_, record, buf)
    }

    /// Seals `words` and programs them at `write_at`, in whole units.
    #[inline(never)]
    fn store<J: Flash>(
        &mut self,
        flash_: &mut J,
        words: &mut [u32],
        buf: &mut [u8],
    ) -> Result<(), Stop> {
        words::seal(words);
        let unit = flash_.geometry().write_size as usize;
        let bytes = buf.get_mut(..padded(4 * words.len(), unit));
        let bytes = bytes.ok_or(Stop::Bug)?;
        bytes.fill(0);
        words::write(bytes, words);
        flash_
            .program(self.write_at, bytes)
            .map_err(Stop::journal)?;
        self.write_at += bytes.len() as u32;
        Ok(())
    }

    /// Opens the next page. The record to be written behind its header says nothing new, but
    /// that the header was written well.
    fn open<J: Flash>(&mut self, flash_: &mut J, buf: &mut [u8]) -> Result<(), Stop> {
        let mut start = self.next;
        let mut len = page_len(flash_, start);
        if len == 0 {
            start = 0;
            len = page_len(flash_, start);
        }
        if len == 0 {
            return Err(Stop::JournalGeometry);
        }
        self.news = 0;
        self.sequence = 0;
        self.header[words::EPOCH] = self.header[words::EPOCH].wrapping_add(1);
        words::begin(&mut self.header);
        let page = Block { start, len };
        flash_.erase(page).map_err(Stop::journal)?;
        self.next = page.end();
        self.write_at = start;
        let mut header = self.header;
        self.store(flash_, &mut header, buf)?;
        if self.frontier() == 0 {
            // Starting over: a stale page of this very update must not come back if
            // the new header's bits were to fade (J7).
            let mut at = 0;
            loop {
                let len = page_len(flash_, at);
                if len == 0 {
                    break;
                }
                let page = Block { start: at, len };
                if at != start {
                    flash_.erase(page).map_err(Stop::journal)?;
                }
                at = page.end();
            }
        }
        Ok(())
    }

    /// Erases every page that has a valid header: the update is over.
    #[inline(never)]
    pub(crate) fn forget<J: Flash>(&mut self, flash_: &mut J) -> Result<(), Stop> {
        self.write_at = CLOSED;
        self.header[words::FRONTIER..words::END].fill(0);
        let mut read = [0; words::HEADER];
        let mut at = 0;
        loop {
            let len = page_len(flash_, at);
            if len == 0 {
                return Ok(());
            }
            let page = Block { start: at, len };
            if found(header(flash_, at, &mut read))? {
                flash_.erase(page).map_err(Stop::journal)?;
            }
            at = page.end();
        }
    }
}

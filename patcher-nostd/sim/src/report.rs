//! What a sweep found.

use crate::device::Board;
use crate::flash::SimFlash;
use crate::oracle::Promise;
use deltamote_patcher::Block;

/// What a sweep found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Cuts with what they left behind that were followed to the end.
    pub outcomes: u64,
    /// Flash operations of the update without a cut.
    pub cut_points: u64,
    /// Boots.
    pub sessions: u64,
    /// Outcomes that did not end as they must.
    pub failures: u64,
    /// The first few of them.
    pub examples: Vec<String>,
    /// Erase blocks of the slot that were written again because of cuts, at most.
    pub worst_blocks_again: u64,
    /// Bytes of the image that were programmed again because of cuts, at most.
    pub worst_programmed_again_bytes: u64,
    /// New-image bytes that were decoded again, at most.
    pub worst_redone_bytes: u64,
    /// Patch bytes that were pushed again, at most.
    pub worst_download_again_bytes: u64,
    /// Erasures of the most erased block of slot and journal, in any run.
    pub erases_max_per_block: u64,
    /// Erasures of slot and journal, in the run with the most.
    pub erases_max: u64,
    /// Bytes programmed, in the run with the most.
    pub programmed_bytes_max: u64,
    /// Bytes of workspace, the same in every session.
    pub workspace_bytes: Option<usize>,
    /// Bytes of the image that are programmed between two checkpoints, at most: what one
    /// cut may cost in flash.
    pub flash_interval: u64,
    /// New-image bytes between a resume point and the place where a later one is in force,
    /// at most: what one cut may cost in decoding.
    pub decode_interval: u64,
    /// Patch bytes that one cut may cost, at most.
    pub download_interval: u64,
    /// What each erase block took, slot first.
    pub wear: Vec<BlockWear>,
    /// The update without a cut.
    pub uncut: Uncut,
    pub(crate) promise: Promise,
}

/// What one erase block took in an update: without a cut, and at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockWear {
    /// The flash: "slot", "journal", or "flash" where both are parts of it.
    pub flash: &'static str,
    /// The block.
    pub block: Block,
    /// Erasures without a cut.
    pub uncut_erases: u64,
    /// Erasures in the run with the most.
    pub erases: u64,
    /// Bytes programmed without a cut.
    pub uncut_programmed_bytes: u64,
    /// Bytes programmed in the run with the most.
    pub programmed_bytes: u64,
}

/// What an update costs without a cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncut {
    /// Erasures of slot and journal.
    pub erases: u64,
    /// Bytes programmed into slot and journal.
    pub programmed_bytes: u64,
    /// Bytes of those that are the journal's.
    pub journal_bytes: u64,
    /// Patch bytes pushed.
    pub pushed_bytes: u64,
    /// Microseconds that the flash is busy, by the preset's typical times.
    pub flash_us: u64,
}

impl Report {
    /// An empty report with the figures to compare with.
    pub(crate) fn baseline(&self) -> Report {
        Report {
            promise: self.promise.clone(),
            workspace_bytes: self.workspace_bytes,
            ..Report::default()
        }
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.failures += 1;
        if self.examples.len() < 5 {
            self.examples.push(what);
        }
    }

    pub(crate) fn wear(&mut self, board: &Board) {
        let written = [&board.slot, &board.journal];
        let named = if board.is_one_device() {
            [("flash", &board.slot), ("journal", &board.journal)]
        } else {
            [("slot", &board.slot), ("journal", &board.journal)]
        };
        let blocks = named
            .iter()
            .filter(|(name, _)| *name != "journal" || !board.is_one_device())
            .flat_map(|(name, flash)| flash.wear().iter().map(move |wear| (*name, wear)));
        let mut most = 0;
        for (n, (flash, wear)) in blocks.enumerate() {
            most = most.max(wear.erases);
            match self.wear.get_mut(n) {
                Some(worst) => {
                    worst.erases = worst.erases.max(wear.erases);
                    worst.programmed_bytes = worst.programmed_bytes.max(wear.programmed_bytes);
                }
                None => self.wear.push(BlockWear {
                    flash,
                    block: wear.block,
                    uncut_erases: 0,
                    erases: wear.erases,
                    uncut_programmed_bytes: 0,
                    programmed_bytes: wear.programmed_bytes,
                }),
            }
        }
        let sum = |count: fn(&SimFlash) -> u64| written.iter().map(|f| count(f)).sum::<u64>();
        self.erases_max_per_block = self.erases_max_per_block.max(most);
        self.erases_max = self.erases_max.max(sum(|f| f.counts().erases));
        let programmed = sum(|f| f.counts().programmed_bytes);
        self.programmed_bytes_max = self.programmed_bytes_max.max(programmed);
    }

    /// Adds what another sweep found; wear only block by block, of boards alike.
    pub fn add(&mut self, other: Report) {
        self.outcomes += other.outcomes;
        self.cut_points += other.cut_points;
        self.sessions += other.sessions;
        self.failures += other.failures;
        self.examples.extend(other.examples);
        self.examples.truncate(5);
        let most = |a: &mut u64, b: u64| *a = (*a).max(b);
        most(&mut self.worst_blocks_again, other.worst_blocks_again);
        most(
            &mut self.worst_programmed_again_bytes,
            other.worst_programmed_again_bytes,
        );
        most(&mut self.worst_redone_bytes, other.worst_redone_bytes);
        most(&mut self.flash_interval, other.flash_interval);
        most(&mut self.decode_interval, other.decode_interval);
        most(&mut self.download_interval, other.download_interval);
        most(
            &mut self.worst_download_again_bytes,
            other.worst_download_again_bytes,
        );
        most(&mut self.erases_max_per_block, other.erases_max_per_block);
        most(&mut self.erases_max, other.erases_max);
        most(&mut self.programmed_bytes_max, other.programmed_bytes_max);
        for (mine, theirs) in self.wear.iter_mut().zip(other.wear) {
            most(&mut mine.erases, theirs.erases);
            most(&mut mine.programmed_bytes, theirs.programmed_bytes);
        }
    }
}

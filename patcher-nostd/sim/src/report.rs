//! What a sweep found.

use crate::device::Board;
use crate::flash::SimFlash;

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
    /// The update without a cut.
    pub uncut: Uncut,
    pub(crate) uncut_erases: u64,
    pub(crate) uncut_pushed: u64,
}

/// What an update costs without a cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uncut {
    /// Erasures of slot and journal.
    pub erases: u64,
    /// Bytes programmed into slot and journal.
    pub programmed_bytes: u64,
    /// Bytes of those that are the journal's; known where it is a device of its own.
    pub journal_bytes: u64,
    /// Microseconds that the flash is busy, by the preset's typical times.
    pub flash_us: u64,
}

impl Report {
    /// An empty report with the figures to compare with.
    pub(crate) fn baseline(&self) -> Report {
        Report {
            uncut_erases: self.uncut_erases,
            uncut_pushed: self.uncut_pushed,
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
        let most = written.iter().flat_map(|f| f.block_erases());
        let most = most.map(|(_, n)| *n).max().unwrap_or(0);
        let sum = |count: fn(&SimFlash) -> u64| written.iter().map(|f| count(f)).sum::<u64>();
        self.erases_max_per_block = self.erases_max_per_block.max(most);
        self.erases_max = self.erases_max.max(sum(|f| f.counts().erases));
        let programmed = sum(|f| f.counts().programmed_bytes);
        self.programmed_bytes_max = self.programmed_bytes_max.max(programmed);
    }

    /// Adds what another sweep found.
    pub fn add(&mut self, other: Report) {
        self.outcomes += other.outcomes;
        self.cut_points += other.cut_points;
        self.sessions += other.sessions;
        self.failures += other.failures;
        self.examples.extend(other.examples);
        self.examples.truncate(5);
        let most = |a: &mut u64, b: u64| *a = (*a).max(b);
        most(&mut self.worst_blocks_again, other.worst_blocks_again);
        most(&mut self.worst_redone_bytes, other.worst_redone_bytes);
        most(
            &mut self.worst_download_again_bytes,
            other.worst_download_again_bytes,
        );
        most(&mut self.erases_max_per_block, other.erases_max_per_block);
        most(&mut self.erases_max, other.erases_max);
        most(&mut self.programmed_bytes_max, other.programmed_bytes_max);
    }
}

//! Power cuts, all of them: at every operation of an update, again at every operation of
//! the recovery.
//!
//! A session is run once without a cut and logged; then the log is played again up to each
//! operation, the operation is torn there in every way, and the next session starts from
//! what that leaves. So one outcome costs one session, at any depth, and nothing is drawn
//! where it can be enumerated. Used by the tests and by `deltamote simulate`. What must
//! hold after each session is in `Sweep::check` and in [`crate::oracle`].

use crate::device::{Board, Options, Stats};
use crate::flash::ERASE_STEPS;
use crate::oracle::{Past, Seen};
use crate::power::{Action, Logged, Power, Tear};
use crate::report::{BlockWear, Report, Uncut};
use deltamote_patcher::codec::Codec;
use deltamote_patcher::{
    CHECKPOINT_BYTES, Error, Geometry, Verifier, checkpoints, journal_bytes_written,
};
use rayon::prelude::*;
use std::marker::PhantomData;

/// A patch and the image that it makes.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The patch.
    pub patch: &'a [u8],
    /// The new image.
    pub new: &'a [u8],
}

/// Where a program operation is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Units {
    /// At each program unit.
    #[default]
    Each,
    /// At one that is drawn.
    One,
}

/// What happens besides the cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Aftermath {
    /// Nothing.
    #[default]
    None,
    /// A bit of the slot turns over while power is off. The attempt may fail, the next
    /// may not, and a wrong image is never handed over.
    Rot,
}

/// One way in which one operation does not take place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    Erase(u32, Tear),
    Program(usize, Tear),
    Flag(Tear),
    /// It does, but the part is not done with it when the MCU is reset, and refuses so
    /// many accesses.
    Reset(u32),
}

/// What is done.
#[derive(Debug)]
pub struct Sweep<'a, C, V> {
    /// Board and transport. Its `cuts` do not count.
    pub options: &'a Options,
    /// Checks signatures.
    pub verifier: &'a V,
    /// Session n gets number n, or the last one.
    pub updates: &'a [Update<'a>],
    /// Cuts on the way to one outcome.
    pub depth: usize,
    /// Where program operations are cut.
    pub units: Units,
    /// What happens besides.
    pub aftermath: Aftermath,
    /// Most new-image bytes between two resets, where that is known.
    pub reset_every: Option<u64>,
    /// The payload codec.
    pub codec: PhantomData<fn() -> C>,
}

impl<'a, C: Codec, V: Verifier + Sync> Sweep<'a, C, V> {
    /// A sweep of single cuts at each unit of each operation.
    pub fn new(options: &'a Options, verifier: &'a V, updates: &'a [Update<'a>]) -> Self {
        Sweep {
            options,
            verifier,
            updates,
            depth: 1,
            units: Units::Each,
            aftermath: Aftermath::None,
            reset_every: None,
            codec: PhantomData,
        }
    }

    /// Sweeps from `start`. `done` is told of each operation of the first session (their
    /// number is known after the first call, which gives it).
    pub fn run(&self, start: &Board, done: &(dyn Fn(u64, u64) + Sync)) -> Report {
        let (mut report, log, skipped) = self.uncut(start);
        if self.depth == 0 || report.failures > 0 {
            return report;
        }
        let total = log.len() as u64;
        done(0, total);
        let chunk = log.len().div_ceil(64).max(1);
        let parts: Vec<Report> = (0..log.len().div_ceil(chunk))
            .into_par_iter()
            .map(|k| {
                let mut part = report.baseline();
                let range = k * chunk..((k + 1) * chunk).min(log.len());
                let past = Past::default();
                self.cuts(start, (&log, skipped), range, &past, &mut part, &|| {
                    done(1, total)
                });
                part
            })
            .collect();
        parts.into_iter().for_each(|part| report.add(part));
        report
    }

    /// `runs` updates from `start`, each with up to `most` cuts drawn from `seed`.
    pub fn soak(
        &self,
        start: &Board,
        runs: u64,
        most: usize,
        seed: u64,
        done: &(dyn Fn(u64, u64) + Sync),
    ) -> Report {
        let (mut report, ..) = self.uncut(start);
        if report.failures > 0 {
            return report;
        }
        done(0, runs);
        let parts: Vec<Report> = (0..runs)
            .into_par_iter()
            .map(|run| {
                let mut part = report.baseline();
                let dice = Power::new(seed.wrapping_mul(0x1_0001).wrapping_add(run));
                self.soak_once(start.fork(run), most, &dice, &mut part);
                done(1, runs);
                part
            })
            .collect();
        parts.into_iter().for_each(|part| report.add(part));
        report
    }

    fn soak_once(&self, mut board: Board, most: usize, dice: &Power, report: &mut Report) {
        let cuts = 1 + dice.below(most.max(1));
        let mut past = Past::default();
        for level in 0..=cuts {
            let after = board.fork(dice.random());
            let Some((_, log, skipped)) = self.session(after, level, &past, report) else {
                return;
            };
            if level == cuts || log.is_empty() {
                return;
            }
            let n = dice.below(log.len());
            let each = self.each_cut(&log[n].action, dice);
            let cut = each[dice.below(each.len())];
            let mut torn = board.fork(dice.random());
            self.replay(&mut torn, &log[..n]);
            self.tear(&mut torn, &log[n].action, cut);
            past = self.past(&past, (&log, skipped), n, cut, &torn);
            report.outcomes += 1;
            board = torn;
        }
    }

    /// The session without a cut: what the others are compared with.
    fn uncut(&self, start: &Board) -> (Report, Vec<Logged>, u32) {
        let mut report = Report::default();
        let after = start.fork(0);
        let past = Past::default();
        match self.session(after, 0, &past, &mut report) {
            Some((stats, log, skipped)) => {
                let seen = self.seen(start, 0, &log);
                let promise = seen.promise(&stats, self.update(0).patch);
                report.cut_points = log.len() as u64;
                report.decode_interval = promise.decode_interval;
                report.flash_interval = promise.flash_interval;
                report.download_interval = promise.download_interval;
                report.promise = promise;
                log.iter()
                    .for_each(|l| self.tally(&mut report.uncut, start, l));
                report.uncut.pushed_bytes = stats.pushed_bytes;
                let wear = |wear: &mut BlockWear| {
                    wear.uncut_erases = wear.erases;
                    wear.uncut_programmed_bytes = wear.programmed_bytes;
                };
                report.wear.iter_mut().for_each(wear);
                self.keeps_interval(&mut report);
                self.keeps_to_journal(start, &mut report);
                (report, log, skipped)
            }
            None => (report, Vec::new(), 0),
        }
    }

    /// Checkpoints come as often as flash and codec allow: the intervals, which all cuts
    /// are measured by, are not longer than they must be.
    fn keeps_interval(&self, report: &mut Report) {
        let new_len = self.update(0).new.len() as u32;
        let slot = self.slot(new_len);
        let mut longest = 0;
        let mut at = self.options.device.new_offset;
        while at < self.options.device.new_offset + new_len
            && let Some(block) = slot.block(at)
        {
            longest = longest.max(block.len);
            at = block.end();
        }
        if !slot.write_once {
            longest = longest.min(CHECKPOINT_BYTES);
        }
        let longest = u64::from(longest);
        if report.flash_interval > longest {
            let is = report.flash_interval;
            report.fail(format!("{is} bytes between checkpoints, not {longest}"));
        }
        // A reset is recorded with the next checkpoint behind it, or at once if it is at one.
        let most = self.reset_every.map(|period| match period % longest {
            0 => period,
            _ => period + longest,
        });
        if most.is_some_and(|most| report.decode_interval > most) {
            let is = report.decode_interval;
            report.fail(format!("{is} bytes are decoded again, not {most:?}"));
        }
    }

    /// Erase blocks for an image of `new_len` bytes.
    fn slot(&self, new_len: u32) -> Geometry {
        let offset = self.options.device.new_offset;
        self.options.preset.slot(offset + new_len)
    }

    /// The journal takes no more than `journal_bytes_written` says.
    fn keeps_to_journal(&self, start: &Board, report: &mut Report) {
        let new_len = self.update(0).new.len() as u32;
        let slot = self.slot(new_len);
        let count = checkpoints(&slot, self.options.device.new_offset, new_len);
        let (page, unit) = (start.journal_len() / 2, self.options.preset.write_size());
        let most = journal_bytes_written(count, report.promise.resets, page, unit);
        let is = report.uncut.journal_bytes;
        if is > most {
            report.fail(format!("{is} bytes of journal written, not {most}"));
        }
    }

    fn seen<'s>(&'s self, board: &'s Board, level: usize, log: &'s [Logged]) -> Seen<'s> {
        Seen {
            board,
            options: self.options,
            new_len: self.update(level).new.len() as u32,
            log,
        }
    }

    fn tally(&self, sum: &mut Uncut, board: &Board, logged: &Logged) {
        let timing = &self.options.preset.timing;
        match &logged.action {
            Action::Erase { block, .. } => {
                sum.erases += 1;
                sum.flash_us += timing.erase(block.len);
            }
            Action::Program { device, at, bytes } => {
                let n = bytes.len() as u64;
                sum.programmed_bytes += n;
                sum.flash_us += timing.program(n);
                if board.in_journal(*device, *at).is_some() {
                    sum.journal_bytes += n;
                }
            }
            Action::Flag(_) => {}
        }
    }

    fn update(&self, level: usize) -> &Update<'a> {
        &self.updates[level.min(self.updates.len() - 1)]
    }

    /// One boot and what must hold after it.
    fn session(
        &self,
        mut board: Board,
        level: usize,
        past: &Past,
        report: &mut Report,
    ) -> Option<(Stats, Vec<Logged>, u32)> {
        let update = self.update(level);
        let before = (self.aftermath == Aftermath::Rot).then(|| board.clone());
        board.power.record();
        let mut stats = Stats::default();
        let mut tries = 0;
        let result = loop {
            let most = report.promise.watchdog(update, board.journal_len());
            board.power.set_watchdog(most);
            let before = board.power.accesses();
            let result =
                board.session::<C, V>(update.patch, self.verifier, self.options, &mut stats);
            let was_busy = matches!(result, Err(Error::Flash(..) | Error::HandOver(_)));
            stats.accesses = board.power.accesses() - before;
            // Rotten: once. Busy: the driver gives up, the device boots again.
            let again = match self.aftermath {
                Aftermath::Rot => result.is_err() && tries < 1,
                _ => result.is_err() && was_busy && tries < 8 && board.is_sound(),
            };
            if !again {
                break result;
            }
            tries += 1;
            // A driver that waits would not have failed: only the boots are counted.
            stats = Stats {
                sessions: stats.sessions,
                ..Stats::default()
            };
        };
        let log = board.power.take_log();
        if before.is_some_and(|board| self.hands_over_rot(board, &log, level)) {
            report.fail(format!("a wrong image was handed over {:?}", past.cuts));
            return None;
        }
        report.sessions += stats.sessions;
        if let Err(what) = self.check(&board, level, result, (&log, &stats), past, report) {
            report.fail(format!("{what}; update {level} after {:?}", past.cuts));
            return None;
        }
        let skipped = stats.skipped_bytes;
        Some((stats, log, skipped))
    }

    /// The oracles.
    fn check(
        &self,
        board: &Board,
        level: usize,
        result: Result<u32, Error>,
        (log, stats): (&[Logged], &Stats),
        past: &Past,
        report: &mut Report,
    ) -> Result<(), String> {
        if board.power.watchdog_bit() {
            return Err(format!("no end after {} accesses", stats.accesses));
        }
        // Covers: the old slot is never written or erased (it is protected), no unit is
        // programmed twice, none that was not erased in full, nothing out of range.
        if let Some(what) = board.violation() {
            return Err(format!("flash rule broken: {what}"));
        }
        result.map_err(|e| format!("refused: {e}"))?;
        if !self.holds(board, self.update(level).new) {
            return Err("the slot does not hold the new image".into());
        }
        if !board.is_pending(&self.options.bootloader) || !board.boots(&self.options.bootloader) {
            return Err("the bootloader was not told".into());
        }
        let workspace = *report.workspace_bytes.get_or_insert(stats.workspace_bytes);
        if workspace != stats.workspace_bytes || !stats.kept_to_workspace {
            return Err(format!("needs more than {workspace} bytes of RAM"));
        }
        report.wear(board);
        let plain = self.updates.len() == 1 && self.aftermath == Aftermath::None && !past.over;
        if !plain || past.cuts.is_empty() {
            return Ok(());
        }
        let seen = self.seen(board, level, log);
        let again = seen.check(past, &report.promise, stats, self.update(level).patch)?;
        let most = |a: &mut u64, b: u64| *a = (*a).max(b);
        most(&mut report.worst_blocks_again, again.blocks);
        most(&mut report.worst_programmed_again_bytes, again.programmed);
        most(&mut report.worst_redone_bytes, again.decoded);
        most(&mut report.worst_download_again_bytes, again.pushed);
        Ok(())
    }

    fn holds(&self, board: &Board, image: &[u8]) -> bool {
        let from = self.options.device.new_offset as usize;
        board.slot_bytes().get(from..from + image.len()) == Some(image)
    }

    /// The bootloader would take something that no update made.
    fn hands_over_wrongly(&self, board: &Board, level: usize) -> bool {
        let updates = &self.updates[..=level.min(self.updates.len() - 1)];
        board.is_pending(&self.options.bootloader)
            && !updates.iter().any(|update| self.holds(board, update.new))
    }

    /// Some operation of `log` makes a wrong image pending, be it for a moment.
    fn hands_over_rot(&self, mut board: Board, log: &[Logged], level: usize) -> bool {
        log.iter().any(|logged| {
            let was = board.is_pending(&self.options.bootloader);
            self.apply(&mut board, &logged.action);
            !was && self.hands_over_wrongly(&board, level)
        })
    }

    /// All cuts of the operations `range` of `log`, which is of a session from `start`.
    fn cuts(
        &self,
        start: &Board,
        (log, skipped): (&[Logged], u32),
        range: std::ops::Range<usize>,
        past: &Past,
        report: &mut Report,
        done: &dyn Fn(),
    ) {
        let seed = (range.start as u64) << 20 | past.cuts.len() as u64;
        let mut at = start.fork(seed);
        let stale = start.is_pending(&self.options.bootloader);
        self.replay(&mut at, &log[..range.start]);
        for n in range {
            let action = &log[n].action;
            for cut in self.each_cut(action, &at.power) {
                let mut torn = at.fork(at.power.random());
                self.tear(&mut torn, action, cut);
                report.outcomes += 1;
                let level = past.cuts.len();
                let past = self.past(past, (log, skipped), n, cut, &torn);
                if !torn.boots(&self.options.bootloader) {
                    report.fail(format!("nothing boots after {:?}", past.cuts));
                    continue;
                }
                let untouched = stale && torn.slot_bytes() == start.slot_bytes();
                if self.hands_over_wrongly(&torn, level) && !untouched {
                    report.fail(format!("a wrong image is pending after {:?}", past.cuts));
                    continue;
                }
                if self.aftermath == Aftermath::Rot {
                    self.rot(&mut torn);
                }
                let after = torn.fork(at.power.random());
                let Some((_, log, skipped)) = self.session(after, level + 1, &past, report) else {
                    continue;
                };
                if past.cuts.len() < self.depth {
                    let all = 0..log.len();
                    self.cuts(&torn, (&log, skipped), all, &past, report, &|| ());
                }
            }
            self.apply(&mut at, action);
            done();
        }
    }

    fn each_cut(&self, action: &Action, dice: &Power) -> Vec<Cut> {
        let mut out = Vec::new();
        // Rot is told from a busy part by the error: one of them at a time.
        if self.aftermath == Aftermath::None {
            out.push(Cut::Reset(1 + dice.below(3) as u32));
        }
        match action {
            Action::Erase { .. } => {
                out.extend([Tear::None, Tear::All].map(|tear| Cut::Erase(0, tear)));
                for step in 0..ERASE_STEPS {
                    let tears = [Tear::RandomBits, Tear::Weak, Tear::Poisoned];
                    out.extend(tears.map(|tear| Cut::Erase(step, tear)));
                }
            }
            Action::Program { bytes, .. } => {
                let units = bytes.len() / self.options.preset.write_size() as usize;
                let units = match self.units {
                    Units::Each => 0..units,
                    Units::One => {
                        let one = dice.below(units);
                        one..one + 1
                    }
                };
                for unit in units.clone() {
                    // "Nothing" here is "all" of the unit before.
                    let skip = usize::from(unit > units.start);
                    out.extend(Tear::ALL[skip..].iter().map(|t| Cut::Program(unit, *t)));
                }
            }
            Action::Flag(_) => {
                out.extend([Tear::None, Tear::All].map(Cut::Flag));
            }
        }
        out
    }

    fn tear(&self, board: &mut Board, action: &Action, cut: Cut) {
        match (action, cut) {
            (Action::Erase { device, block }, Cut::Erase(step, tear)) => {
                board.device(*device).cut_erase(*block, step, tear);
            }
            (Action::Program { device, at, bytes }, Cut::Program(nth, tear)) => {
                board.device(*device).cut_program(*at, bytes, nth, tear);
            }
            (Action::Flag(_), Cut::Flag(Tear::None)) => {}
            (Action::Erase { device, .. } | Action::Program { device, .. }, Cut::Reset(n)) => {
                self.apply(board, action);
                board.device(*device).stay_busy(n);
            }
            _ => self.apply(board, action),
        }
    }

    fn replay(&self, board: &mut Board, log: &[Logged]) {
        for logged in log {
            self.apply(board, &logged.action);
        }
    }

    fn apply(&self, board: &mut Board, action: &Action) {
        match action {
            Action::Erase { device, .. } | Action::Program { device, .. } => {
                board.device(*device).apply(action);
            }
            Action::Flag(to) => board.flag.pending.clone_from(to),
        }
    }

    /// Turns over a bit of the image in the slot.
    fn rot(&self, board: &mut Board) {
        let len = self.update(0).new.len();
        let at = self.options.device.new_offset + board.power.below(len) as u32;
        let bit = board.power.below(8) as u8;
        board.flip_slot(at, bit);
    }

    /// `past` and the cut at operation `n` of the session that `log` is of.
    fn past(
        &self,
        past: &Past,
        (log, skipped): (&[Logged], u32),
        n: usize,
        cut: Cut,
        torn: &Board,
    ) -> Past {
        let level = past.cuts.len();
        let mut next = self.seen(torn, level, log).past(past, skipped, n, cut);
        next.over |= self.options_pending(torn);
        next
    }

    fn options_pending(&self, board: &Board) -> bool {
        board.is_pending(&self.options.bootloader)
            && self.updates.iter().any(|u| self.holds(board, u.new))
    }
}

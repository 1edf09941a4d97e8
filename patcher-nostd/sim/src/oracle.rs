//! What must hold after every session, and what a cut may cost.
//!
//! Fed by the sweep with each session's log. [`Ledger`] reads in the log what the journal
//! was told, which is what no cut may take back; [`Promise`] says, from the session without
//! a cut, what lies at most between two checkpoints; [`Past`] sums up what was spent on the
//! way to a state. Invariant: nothing here is asked of the patcher but what it did to flash
//! and which patch bytes it wanted.

use crate::device::{Board, Options, Stats, Transport};
use crate::feed;
use crate::power::{Action, Logged};
use crate::sweep::{Cut, Update};
use deltamote_patcher::format::journal::{Header, Mark, Record};

/// The journal as it was written: the marks that are complete on flash.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    /// Start, epoch and mark of each page with a header.
    pages: Vec<(u32, u32, Mark)>,
}

impl Ledger {
    /// Takes note of an operation that took place.
    pub(crate) fn note(&mut self, board: &Board, action: &Action) {
        match action {
            Action::Erase { device, block } => {
                if let Some(at) = board.in_journal(*device, block.start) {
                    self.pages.retain(|page| page.0 != at);
                }
            }
            Action::Program { device, at, bytes } => {
                let Some(at) = board.in_journal(*device, *at) else {
                    return;
                };
                if let Some(header) = Header::parse(bytes) {
                    self.pages.push((at, header.epoch, header.mark));
                } else if let Some((record, _)) = Record::parse(bytes)
                    && let Some(page) = self.pages.iter_mut().find(|p| p.1 == record.epoch)
                {
                    let reset = record.mark.reset.or(page.2.reset);
                    page.2 = Mark {
                        reset,
                        ..record.mark
                    };
                }
            }
            Action::Flag(_) => {}
        }
    }

    /// The mark that counts.
    pub(crate) fn mark(&self) -> Mark {
        let latest = self.pages.iter().max_by_key(|page| page.1);
        latest.map(|page| page.2).unwrap_or_default()
    }

    /// Where in a new image of `new_len` bytes decoding goes on.
    fn resumes_at(&self, new_len: u32) -> u32 {
        let mark = self.mark();
        if mark.frontier >= new_len {
            return new_len;
        }
        let reset = mark.reset.filter(|r| r.point.new_pos <= mark.frontier);
        reset.map_or(0, |r| r.point.new_pos)
    }
}

/// What the update without a cut says of all others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    /// Erasures of blocks of the image.
    pub(crate) erases: u64,
    /// Bytes programmed into them.
    pub(crate) programmed: u64,
    /// Patch bytes pushed.
    pub(crate) pushed: u64,
    /// Of those, until the slot was touched first: envelope, header and map.
    pub(crate) front: u64,
    /// Most bytes decoded since the resume point in force.
    pub(crate) decode_interval: u64,
    /// Most patch bytes wanted again for a single cut.
    pub(crate) download_interval: u64,
    /// Most bytes programmed since the last checkpoint.
    pub(crate) flash_interval: u64,
    /// Resume points recorded.
    pub(crate) resets: u32,
    /// Reads, erases, programs and pushes.
    pub(crate) accesses: u64,
}

impl Promise {
    /// Accesses that no session needs, however cut: a multiple of what the update without a
    /// cut took, or of what its images could ever take, and the journal word by word.
    pub(crate) fn watchdog(&self, update: &Update<'_>, journal_len: u32) -> u64 {
        let journal = 10_000 + u64::from(journal_len);
        match self.accesses {
            0 => journal + 1_000 * (1_000 + update.new.len() + update.patch.len()) as u64,
            uncut => journal + 3 * uncut,
        }
    }
}

/// How one came to a state, and what it took.
#[derive(Clone, Default)]
pub(crate) struct Past {
    pub(crate) cuts: Vec<(usize, Cut)>,
    spent: Spent,
    ledger: Ledger,
    /// The bootloader had been told: the update was over.
    pub(crate) over: bool,
}

/// What sessions did to the image's blocks and to the transport.
#[derive(Clone, Copy, Default)]
struct Spent {
    erases: u64,
    programmed: u64,
    pushed: u64,
    decoded: u64,
}

/// Where in the image an operation is, if it is on the image's blocks.
fn in_image(board: &Board, options: &Options, new_len: u32, action: &Action) -> Option<u32> {
    let (device, at) = match action {
        Action::Erase { device, block } => (*device, block.start),
        Action::Program { device, at, .. } => (*device, *at),
        Action::Flag(_) => return None,
    };
    let at = board.in_slot(device, at)?;
    let at = at.checked_sub(options.device.new_offset)?;
    (at < new_len).then_some(at)
}

/// A session as the oracles see it.
pub(crate) struct Seen<'s> {
    pub(crate) board: &'s Board,
    pub(crate) options: &'s Options,
    pub(crate) new_len: u32,
    pub(crate) log: &'s [Logged],
}

impl Seen<'_> {
    fn place(&self, logged: &Logged) -> Option<u32> {
        in_image(self.board, self.options, self.new_len, &logged.action)
    }

    /// Image position behind what `logged` programs.
    fn written(&self, logged: &Logged) -> Option<u32> {
        match &logged.action {
            Action::Program { bytes, .. } => Some(self.place(logged)? + bytes.len() as u32),
            _ => None,
        }
    }

    /// How far decoding was at operation `n`. Output is written as it is decoded, so the
    /// last write tells; before the first one, the place where writing will begin does.
    fn reached(&self, n: usize) -> u32 {
        let begins = || self.log.iter().find_map(|l| self.place(l));
        let wrote = self.log[..=n].iter().rev().find_map(|l| self.written(l));
        wrote
            .or_else(begins)
            .unwrap_or(self.new_len)
            .min(self.new_len)
    }

    fn spent(&self, until: usize) -> (u64, u64) {
        let log = &self.log[..until];
        let erase = |l: &&Logged| matches!(l.action, Action::Erase { .. });
        let erases = log
            .iter()
            .filter(erase)
            .filter_map(|l| self.place(l))
            .count();
        let programmed = log.iter().filter_map(|l| match &l.action {
            Action::Program { bytes, .. } => self.place(l).map(|_| bytes.len() as u64),
            _ => None,
        });
        (erases as u64, programmed.sum())
    }

    /// From a session without cuts.
    pub(crate) fn promise(&self, stats: &Stats, patch: &[u8]) -> Promise {
        let (erases, programmed) = self.spent(self.log.len());
        let touched = self.log.iter().find(|l| self.place(l).is_some());
        let mut promise = Promise {
            erases,
            programmed,
            pushed: stats.pushed_bytes,
            front: touched.map_or(stats.pushed_bytes, |l| l.pushed),
            accesses: stats.accesses,
            ..Promise::default()
        };
        let mut ledger = Ledger::default();
        for (n, logged) in self.log.iter().enumerate() {
            let since = |from: u32, to: u32| u64::from(to.saturating_sub(from));
            let decoded = since(ledger.resumes_at(self.new_len), self.reached(n));
            promise.decode_interval = promise.decode_interval.max(decoded);
            if let Some(end) = self.written(logged) {
                let programmed = since(ledger.mark().frontier, end);
                promise.flash_interval = promise.flash_interval.max(programmed);
            }
            let wanted = logged.pushed + self.may_want(&ledger, &promise, patch);
            let again = wanted.saturating_sub(promise.pushed);
            promise.download_interval = promise.download_interval.max(again);
            let before = ledger.mark().reset;
            ledger.note(self.board, &logged.action);
            let after = ledger.mark().reset;
            promise.resets += u32::from(after.is_some() && after != before);
        }
        promise
    }

    /// `past` and the cut at operation `n` of this session, of which `skipped` image bytes
    /// were not decoded.
    pub(crate) fn past(&self, past: &Past, skipped: u32, n: usize, cut: Cut) -> Past {
        let mut next = past.clone();
        next.cuts.push((n, cut));
        let (erases, programmed) = self.spent((n + 1).min(self.log.len()));
        next.spent.erases += erases;
        next.spent.programmed += programmed;
        next.spent.pushed += self.log[n].pushed;
        next.spent.decoded += u64::from(self.reached(n).saturating_sub(skipped));
        for logged in &self.log[..n] {
            next.ledger.note(self.board, &logged.action);
        }
        // Half an erasure is enough to lose a page; half a record is none.
        if let erase @ Action::Erase { .. } = &self.log[n].action {
            next.ledger.note(self.board, erase);
        }
        next
    }

    /// Bytes that arrive at once, at most.
    fn piece(&self, patch: &[u8]) -> u64 {
        match self.options.split {
            0 => (patch.len() as u64).max(1),
            split => split as u64,
        }
    }

    /// Patch bytes that a session may want that starts from `ledger`: the front again, and
    /// all from the chunk on that holds the last checkpoint's place in the payload.
    fn may_want(&self, ledger: &Ledger, promise: &Promise, patch: &[u8]) -> u64 {
        match (self.options.transport, self.options.seek) {
            (Transport::Clean, true) => {}
            (Transport::Clean, false) => return promise.pushed,
            (Transport::Lossy, _) => return u64::MAX / 2,
            (Transport::Staged, _) => return 0,
        }
        let all = promise.pushed.max(patch.len() as u64);
        let said = feed::announced(patch);
        let mark = ledger.mark();
        if mark.frontier >= self.new_len {
            // The envelope, in whole pieces.
            let piece = self.piece(patch);
            let envelope = said.map(|said| u64::from(said.payload_start).next_multiple_of(piece));
            return envelope.map_or(all, |envelope| all.min(envelope));
        }
        let Some(reset) = mark.reset.filter(|r| r.point.new_pos <= mark.frontier) else {
            return all;
        };
        let rest = said.and_then(|said| {
            let chunk = said.layout.chunk_of(reset.point.payload_pos);
            let start = said.payload_start + said.layout.chunk(chunk)?.start;
            Some(patch.len() as u64 - u64::from(start))
        });
        rest.map_or(all, |rest| all.min(promise.front + rest))
    }

    /// What must hold of a session from `past`, which is the last: it goes on at the last
    /// checkpoint, in flash, in decoding and in the patch; and all that was done twice on
    /// the way fits one checkpoint interval a cut. Gives what was done again.
    pub(crate) fn check(
        &self,
        past: &Past,
        promise: &Promise,
        stats: &Stats,
        patch: &[u8],
    ) -> Result<Again, String> {
        let mark = past.ledger.mark();
        let first = self.log.iter().find_map(|l| self.place(l));
        if first.is_some_and(|at| at < mark.frontier) {
            let at = first.unwrap_or(0);
            return Err(format!("writes {at} again, was at {}", mark.frontier));
        }
        let resumes_at = past.ledger.resumes_at(self.new_len);
        if stats.skipped_bytes < resumes_at {
            let from = stats.skipped_bytes;
            return Err(format!("decodes from {from}, could from {resumes_at}"));
        }
        let may_want = self.may_want(&past.ledger, promise, patch);
        if stats.pushed_bytes > may_want {
            let wanted = stats.pushed_bytes;
            return Err(format!("wants {wanted} patch bytes, {may_want} suffice"));
        }
        let (erases, programmed) = self.spent(self.log.len());
        let decoded = u64::from(self.new_len.saturating_sub(stats.skipped_bytes));
        let spent = past.spent;
        let again = Again {
            blocks: (spent.erases + erases).saturating_sub(promise.erases),
            programmed: (spent.programmed + programmed).saturating_sub(promise.programmed),
            decoded: (spent.decoded + decoded).saturating_sub(self.new_len.into()),
            pushed: (spent.pushed + stats.pushed_bytes).saturating_sub(promise.pushed),
        };
        let cuts = past.cuts.len() as u64;
        // Behind a jump pieces begin elsewhere, so the one at the cut may be a longer one.
        let piece = self.piece(patch);
        for (what, did, most) in [
            ("blocks erased", again.blocks, cuts),
            (
                "bytes programmed",
                again.programmed,
                cuts * promise.flash_interval,
            ),
            (
                "bytes decoded",
                again.decoded,
                cuts * promise.decode_interval,
            ),
            (
                "patch bytes downloaded",
                again.pushed,
                cuts.saturating_mul(promise.download_interval + piece),
            ),
        ] {
            if did > most {
                return Err(format!("{did} {what} again, {most} is an interval a cut"));
            }
        }
        Ok(again)
    }
}

/// What cuts made the device do again.
pub(crate) struct Again {
    pub(crate) blocks: u64,
    pub(crate) programmed: u64,
    pub(crate) decoded: u64,
    pub(crate) pushed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::SimFlash;
    use deltamote_patcher::Flash;

    /// Each oracle says no when its figure is off by one, and yes before.
    #[test]
    fn each_oracle_can_fail() {
        let options = Options::default();
        let board = Board::new(&[1; 64], 10_000, &options);
        let unit = board.journal.geometry().write_size as usize;
        let mut log = Vec::new();
        let mut push = |action| log.push(Logged { action, pushed: 70 });
        let mut record = |board: &Board, at: u32, frontier: u32| {
            let header = Header {
                epoch: 1,
                binding: [0; 16],
                mark: Mark {
                    frontier,
                    reset: None,
                },
            };
            let mut bytes = vec![0; 256];
            let len = header.emit(unit, &mut bytes).unwrap();
            bytes.truncate(len);
            assert_eq!(board.in_journal(2, at), Some(at));
            push(Action::Program {
                device: 2,
                at,
                bytes,
            });
        };
        record(&board, 0, 4096);
        let erase = |flash: &SimFlash, at| Action::Erase {
            device: 1,
            block: flash.geometry().block(at).unwrap(),
        };
        push(erase(&board.slot, 4096));
        let write = Action::Program {
            device: 1,
            at: 4096,
            bytes: vec![0; 256],
        };
        push(write);
        let uncut = Promise {
            erases: 2,
            programmed: 256,
            pushed: 100,
            front: 30,
            decode_interval: 4352,
            download_interval: 70,
            flash_interval: 256,
            resets: 0,
            accesses: 10,
        };
        board.power.note_pushed(0);
        let seen = Seen {
            board: &board,
            options: &options,
            new_len: 8192,
            log: &log,
        };
        let past = seen.past(&Past::default(), 0, 2, Cut::Reset(0));
        assert_eq!(past.ledger.mark().frontier, 4096);
        let again = &log[1..];
        let good = Stats {
            pushed_bytes: 100,
            ..Stats::default()
        };
        let check = |log: &[Logged], stats: &Stats, promise: &Promise| {
            let seen = Seen {
                log,
                ..Seen {
                    board: &board,
                    options: &options,
                    new_len: 8192,
                    log,
                }
            };
            seen.check(&past, promise, stats, &[0; 100])
                .map(|again| again.decoded)
        };
        assert_eq!(check(again, &good, &uncut), Ok(4352));
        let fails = |log: &[Logged], stats: &Stats, promise: &Promise, why: &str| {
            let said = check(log, stats, promise).unwrap_err();
            assert!(said.contains(why), "{said}");
        };
        let early = [Logged {
            action: erase(&board.slot, 0),
            pushed: 0,
        }];
        fails(&early, &good, &uncut, "writes 0 again");
        let greedy = Stats {
            pushed_bytes: 101,
            ..Stats::default()
        };
        fails(again, &greedy, &uncut, "wants 101 patch bytes, 100 suffice");
        for (promise, why) in [
            (
                Promise {
                    erases: 0,
                    ..uncut.clone()
                },
                "2 blocks erased again",
            ),
            (
                Promise {
                    flash_interval: 255,
                    ..uncut.clone()
                },
                "256 bytes programmed again",
            ),
            (
                Promise {
                    decode_interval: 4351,
                    ..uncut.clone()
                },
                "4352 bytes decoded again",
            ),
            (
                Promise {
                    pushed: 10,
                    download_interval: 59,
                    ..uncut.clone()
                },
                "160 patch bytes downloaded again",
            ),
        ] {
            fails(again, &good, &promise, why);
        }
        let done = Seen {
            new_len: 4096,
            ..seen
        };
        let said = done.check(&past, &uncut, &good, &[0; 100]);
        assert!(said.is_err_and(|said| said.contains("decodes from 0, could from 4096")));
    }

    #[test]
    fn the_watchdog_ends_a_session() {
        let options = Options::default();
        let mut board = Board::new(&[1; 64], 10_000, &options);
        board.power.set_watchdog(3);
        let mut reads = 0;
        while board.slot.read(0, &mut [0]).is_ok() {
            reads += 1;
        }
        assert_eq!(reads, 3);
        assert!(board.power.watchdog_bit() && !board.is_sound());
    }
}

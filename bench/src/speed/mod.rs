//! Times and memory of making and applying patches, beside the peers, in one run.
//!
//! Fed by a corpus with pairs of real images and by `growth` with pairs of every size;
//! feeds the record with one row per pair and tool. All tools take turns on a pair, and
//! again each round, so that what else the machine does falls on all of them alike.

pub mod growth;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use deltamote_format::Profile;
use serde::{Deserialize, Serialize};

use crate::corpus::Pair;
use crate::digest::sha256_hex;
use crate::peers::own::Own;
use crate::peers::trial::{Cost, Status, Trial, Trials};
use crate::peers::{self, Peer, RawImage};
use crate::runs::DELTAMOTE;
use crate::setting::{LARGE_IMAGE_BYTES, Level, Setting};

/// Which question a row answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Question {
    /// How long a real update takes.
    Pair,
    /// How that grows with the image.
    Growth,
}

/// One row of `speed.csv`. Times are medians over the rounds, memory is the most of
/// all; a figure that was not measured is empty.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Why it was measured.
    pub question: Question,
    /// Pair id, or the size that was asked for.
    pub pair: String,
    /// Size of the old image.
    pub old_bytes: u64,
    /// Size of the new image.
    pub new_bytes: u64,
    /// Tool.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// Its setting.
    pub setting: String,
    /// Threads it was given; empty for tools that choose themselves.
    pub threads: Option<usize>,
    /// Rounds that ended well.
    pub rounds: usize,
    /// How it ended; the worst of all rounds.
    pub status: Status,
    /// Size of the patch file.
    pub bytes: Option<u64>,
    /// Wall time of making the patch. Of ours this includes its proof on the simulated
    /// device and its signature.
    pub diff_seconds: Option<f64>,
    /// The shortest of the rounds.
    pub diff_seconds_least: Option<f64>,
    /// Processor time, all threads.
    pub diff_cpu_seconds: Option<f64>,
    /// Resident memory, at most.
    pub diff_peak_bytes: Option<u64>,
    /// Wall time of applying. Ours is the device's code on a simulated flash, with the
    /// signature and the digests of both images.
    pub apply_seconds: Option<f64>,
    /// The shortest of the rounds.
    pub apply_seconds_least: Option<f64>,
    /// Processor time of applying.
    pub apply_cpu_seconds: Option<f64>,
    /// Resident memory of applying, at most.
    pub apply_peak_bytes: Option<u64>,
    /// Why the status is not `ok`.
    pub reason: Option<String>,
}

/// What to measure.
pub struct Options {
    /// How trials are run.
    pub trials: Trials,
    /// Peers, with their versions; `None` where one is not installed.
    pub peers: Vec<(Box<dyn Peer>, Option<String>)>,
    /// Our levels.
    pub levels: Vec<Level>,
    /// Threads that ours are given, in turn.
    pub threads: Vec<usize>,
    /// Rounds on real pairs.
    pub rounds: usize,
    /// Rounds on pairs of growing size.
    pub growth_rounds: usize,
}

/// A pair to be timed: raw images in files.
pub struct Timed {
    /// Why.
    pub question: Question,
    /// Pair id, or size.
    pub name: String,
    /// Instruction set, as the corpus names it; empty where it has none.
    pub isa: String,
    /// The old image.
    pub old: RawImage,
    /// The new image.
    pub new: RawImage,
}

impl Timed {
    /// Writes the images to files in `dir`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn new(
        question: Question,
        (name, isa): (&str, &str),
        (old, new): (&[u8], &[u8]),
        dir: &Path,
    ) -> Result<Timed> {
        let raw = |end: &str, bytes: &[u8]| -> Result<RawImage> {
            let path: PathBuf = dir.join(format!("{}.{end}", sha256_hex(name.as_bytes())));
            fs::write(&path, bytes).with_context(|| path.display().to_string())?;
            Ok(RawImage {
                path,
                sha256: sha256_hex(bytes),
            })
        };
        Ok(Timed {
            question,
            name: name.to_owned(),
            isa: isa.to_owned(),
            old: raw("old", old)?,
            new: raw("new", new)?,
        })
    }
}

/// Pairs of a corpus that are timed unless others are asked for: the first of a product,
/// of kinds that are shipped often, one per size class from 64 KiB to 4 MiB.
pub fn chosen(pairs: &[Pair]) -> Vec<&Pair> {
    let classes = [
        64u64 << 10,
        128 << 10,
        256 << 10,
        512 << 10,
        1 << 20,
        2 << 20,
    ];
    let of_class = |&low: &u64| {
        pairs.iter().find(|p| {
            (low..2 * low).contains(&p.new_bytes) && ["patch", "minor"].contains(&p.kind.as_str())
        })
    };
    classes.iter().filter_map(of_class).collect()
}

/// Our ways of making a patch for an image of `bytes`.
fn ours(options: &Options, question: Question, bytes: u64) -> Vec<Own> {
    let profile = match bytes > LARGE_IMAGE_BYTES {
        true => Profile::Large,
        false => Profile::Small,
    };
    let mut out = Vec::new();
    for &level in &options.levels {
        // Growth is drawn for all threads; `best` is for the last build, not for curves.
        let curve = question == Question::Growth;
        if curve && level == Level::Best {
            continue;
        }
        let last = options.threads.len().saturating_sub(1);
        let threads = options.threads.get(if curve { last } else { 0 }..);
        let setting = Setting { profile, level };
        out.extend(
            threads
                .unwrap_or_default()
                .iter()
                .map(|&n| Own::new(setting, n)),
        );
    }
    out
}

/// What is known of a tool on a pair.
struct Turn<'a> {
    peer: &'a dyn Peer,
    version: Option<&'a str>,
    threads: Option<usize>,
    trials: Vec<Trial>,
    given_up: Option<String>,
}

/// Times every tool on every pair. `done` gets each row as soon as it is there.
///
/// A tool that did not finish a size in time is not tried at larger ones: the row says so.
pub fn run(options: &Options, pairs: &[Timed], mut done: impl FnMut(&Timing)) -> Vec<Timing> {
    let mut rows: Vec<Timing> = Vec::new();
    for pair in pairs {
        let bytes = fs::metadata(&pair.new.path).map_or(0, |m| m.len());
        let own = ours(options, pair.question, bytes);
        let mut turns: Vec<Turn> = Vec::new();
        for peer in &own {
            turns.push(turn(
                peer,
                Some(env!("CARGO_PKG_VERSION")),
                Some(peer.threads()),
            ));
        }
        for (peer, version) in &options.peers {
            if peer.suits(&pair.isa) {
                turns.push(turn(peer.as_ref(), version.as_deref(), None));
            }
        }
        for turn in &mut turns {
            turn.given_up = late_before(&rows, pair.question, turn);
        }
        let rounds = match pair.question {
            Question::Pair => options.rounds,
            Question::Growth => options.growth_rounds,
        };
        for round in 0..rounds.max(1) {
            let count = turns.len().max(1);
            // Each round another tool begins.
            turns.rotate_left(round * 7 % count);
            for turn in &mut turns {
                turn.take(options, pair);
            }
        }
        let theirs = options.peers.iter().map(|p| p.0.as_ref());
        for tool in own.iter().map(|o| o as &dyn Peer).chain(theirs) {
            let found = turns
                .iter()
                .find(|t| peers::name(t.peer) == peers::name(tool));
            if let Some(turn) = found {
                let row = turn.row(pair, bytes);
                done(&row);
                rows.push(row);
            }
        }
    }
    rows
}

fn turn<'a>(peer: &'a dyn Peer, version: Option<&'a str>, threads: Option<usize>) -> Turn<'a> {
    Turn {
        peer,
        version,
        threads,
        trials: Vec::new(),
        given_up: None,
    }
}

/// Why a tool is not tried: it was too slow for a smaller size.
fn late_before(rows: &[Timing], question: Question, turn: &Turn<'_>) -> Option<String> {
    if question != Question::Growth {
        return None;
    }
    let same = |r: &&Timing| {
        let level = |s: &str| s.split('-').nth(1).map(str::to_owned);
        let own = r.tool == DELTAMOTE && level(&r.setting) == level(turn.peer.setting());
        r.question == question
            && r.tool == turn.peer.tool()
            && (own || r.setting == turn.peer.setting())
    };
    let late = |r: &&Timing| {
        r.reason
            .as_ref()
            .is_some_and(|why| why.contains("not done after"))
    };
    let row = rows.iter().rev().find(same).filter(late)?;
    let why = row.reason.clone().unwrap_or_default();
    Some(if why.starts_with("not tried") {
        why
    } else {
        format!("not tried: {} took too long ({why})", row.pair)
    })
}

impl Turn<'_> {
    fn take(&mut self, options: &Options, pair: &Timed) {
        let failed = self.trials.iter().any(|t| t.status != Status::Ok);
        if self.given_up.is_some() || failed {
            return;
        }
        self.trials.push(match self.version {
            Some(_) => options.trials.now(self.peer, &pair.old, &pair.new),
            None => Trial::missing(self.peer),
        });
    }

    fn row(&self, pair: &Timed, new_bytes: u64) -> Timing {
        let good = || self.trials.iter().filter(|t| t.status == Status::Ok);
        let bad = self.trials.iter().find(|t| t.status != Status::Ok);
        let diffs: Vec<Cost> = good().filter_map(|t| t.diff).collect();
        let applies: Vec<Cost> = good().filter_map(|t| t.apply).collect();
        let given_up = self.given_up.as_ref().map(|_| Status::Failed);
        Timing {
            question: pair.question,
            pair: pair.name.clone(),
            old_bytes: fs::metadata(&pair.old.path).map_or(0, |m| m.len()),
            new_bytes,
            tool: self.peer.tool().to_owned(),
            version: self.version.unwrap_or_default().to_owned(),
            setting: self.peer.setting().to_owned(),
            threads: self.threads,
            rounds: good().count(),
            status: given_up.or(bad.map(|t| t.status)).unwrap_or(Status::Ok),
            bytes: good().next_back().and_then(|t| t.bytes),
            diff_seconds: median(diffs.iter().map(|c| c.seconds)),
            diff_seconds_least: diffs.iter().map(|c| c.seconds).reduce(f64::min),
            diff_cpu_seconds: median(diffs.iter().filter_map(|c| c.cpu_seconds)),
            diff_peak_bytes: diffs.iter().filter_map(|c| c.peak_bytes).max(),
            apply_seconds: median(applies.iter().map(|c| c.seconds)),
            apply_seconds_least: applies.iter().map(|c| c.seconds).reduce(f64::min),
            apply_cpu_seconds: median(applies.iter().filter_map(|c| c.cpu_seconds)),
            apply_peak_bytes: applies.iter().filter_map(|c| c.peak_bytes).max(),
            reason: self.given_up.clone().or(bad.and_then(|t| t.reason.clone())),
        }
    }
}

/// The middle value; the lower of the two middle ones where there are two.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// Writes `rows` as CSV.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, rows: &[Timing]) -> Result<()> {
    let mut writer = csv::Writer::from_path(path).with_context(|| path.display().to_string())?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer.flush().with_context(|| path.display().to_string())
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The file is absent or has other columns.
pub fn read(path: &Path) -> Result<Vec<Timing>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    let rows = reader.deserialize().collect::<Result<Vec<Timing>, _>>();
    rows.with_context(|| path.display().to_string())
}

/// The row as a line for people; [`heading`] is above.
pub fn line(row: &Timing) -> String {
    let name = match row.setting.as_str() {
        "" => row.tool.clone(),
        setting => format!("{}-{setting}", row.tool),
    };
    let start = format!("{:<44} {name:<32} ", row.pair);
    if row.status != Status::Ok {
        let why = row
            .reason
            .as_deref()
            .unwrap_or_default()
            .replace('\n', " | ");
        return format!("{start}{:?}: {why}", row.status);
    }
    let seconds = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.3}"));
    let mib = |v: Option<u64>| {
        v.map_or("-".into(), |v| {
            format!("{:.1}", v as f64 / (1 << 20) as f64)
        })
    };
    format!(
        "{start}{:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        row.bytes.unwrap_or(0),
        seconds(row.diff_seconds),
        seconds(row.diff_cpu_seconds),
        mib(row.diff_peak_bytes),
        seconds(row.apply_seconds),
        seconds(row.apply_cpu_seconds),
        mib(row.apply_peak_bytes),
    )
}

/// What the columns of [`line()`] are.
pub fn heading() -> String {
    format!(
        "{:<44} {:<32} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "pair", "tool", "bytes", "diff s", "cpu s", "MiB", "apply s", "cpu s", "MiB"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median(std::iter::empty()), None);
    }
}

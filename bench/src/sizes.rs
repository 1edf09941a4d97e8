//! Every pair of a corpus made into patches: the work behind the table.
//!
//! Fed by the arguments, `corpus` and `targets`; feeds `report` and `summary` with
//! rows. Invariant: each pair that was asked for ends as rows, as a missing pair, or
//! as a pair left out by size, and the three are counted.

use std::collections::HashMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result};
use deltamote_engine::image::Image;
use deltamote_format::Profile;
use regex_lite::Regex;
use serde::Serialize;
use tempfile::TempDir;

use crate::corpus::{Corpus, Pair, Source};
use crate::detools::{Codec, Detools, PeerPatch, RawImage};
use crate::digest::sha256_hex;
use crate::measure::Measured;
use crate::priors;
use crate::registry::{self, Missing};
use crate::setting::{self, Level, Setting};
use crate::targets::Target;
use crate::worker::Worker;

/// Sizes of new images for which times are compared: below, the start of Python is most
/// of the peer's time; above are no microcontroller's images.
pub const TIMED_BYTES: RangeInclusive<u64> = 100 << 10..=2 << 20;

/// What to measure and how.
pub struct Options {
    /// Corpus folder.
    pub corpora: PathBuf,
    /// Folder of fetched images and of detools' sizes.
    pub cache: PathBuf,
    /// Whether absent registry images are fetched.
    pub fetch: bool,
    /// Pairs to measure, by id.
    pub pairs: Option<Regex>,
    /// Pairs whose new image is larger are left out.
    pub max_bytes: Option<u64>,
    /// Profiles; the first is the one that levels are compared in.
    pub profiles: Vec<Profile>,
    /// Levels; the first is the one that profiles are compared at.
    pub levels: Vec<Level>,
    /// Pairs in work at once; one when timing.
    pub jobs: usize,
    /// Runs per timing; no timing when absent.
    pub time: Option<usize>,
    /// Folder that `train` wrote: each pair starts from the state that was trained
    /// without its family. Built-in states when absent.
    pub cross_validate: Option<PathBuf>,
    /// This program, to be started again as the measuring child.
    pub program: PathBuf,
}

/// One patch of one pair, beside its peers.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Pair id.
    pub pair: String,
    /// Instruction set as the corpus names it.
    pub isa: String,
    /// Kind of step.
    pub kind: String,
    /// Size of the old raw image.
    pub old_bytes: u64,
    /// Size of the new raw image.
    pub new_bytes: u64,
    /// Profile and level.
    #[serde(flatten)]
    pub setting: Setting,
    /// Our figures; absent when the pair failed.
    pub ours: Option<Measured>,
    /// Why it failed.
    pub failure: Option<String>,
    /// Why detools has no figures.
    pub peer_failure: Option<String>,
    /// detools with lzma: bytes.
    pub detools_lzma_bytes: Option<u64>,
    /// detools with heatshrink: bytes.
    pub detools_heatshrink_bytes: Option<u64>,
    /// detools with lzma, timed right beside our run.
    pub detools_beside: Option<PeerPatch>,
    /// Peers and research, from the table of targets.
    pub target: Option<Target>,
}

/// All that came out.
#[derive(Serialize)]
pub struct Results {
    /// Rows in the order of the corpus.
    pub rows: Vec<Row>,
    /// Pairs that could not be measured for want of a file.
    pub missing: Vec<Missing>,
    /// Pairs above `max_bytes`.
    pub left_out: Vec<String>,
}

impl Row {
    /// Our payload against `bytes` of something else.
    pub fn payload_ratio(&self, bytes: Option<u64>) -> Option<f64> {
        ratio(self.ours.as_ref()?.payload_bytes, bytes?)
    }

    /// Our whole file against `bytes` of something else.
    pub fn shipped_ratio(&self, bytes: Option<u64>) -> Option<f64> {
        ratio(self.ours.as_ref()?.shipped_bytes, bytes?)
    }

    /// Binary decisions of the decoder per byte of the new image.
    pub fn decisions_per_byte(&self) -> Option<f64> {
        ratio(self.ours.as_ref()?.decisions, self.new_bytes)
    }
}

fn ratio(bytes: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| bytes as f64 / of as f64)
}

/// Measures all pairs that `options` ask for. `done` gets each pair's rows as soon as
/// they and all before them are there.
pub fn run(
    options: &Options,
    detools: Option<&Detools>,
    targets: &HashMap<String, Target>,
    mut done: impl FnMut(&[Row]),
) -> Result<Results> {
    let corpus = Corpus::open(&options.corpora)?;
    let asked = |pair: &&Pair| options.pairs.as_ref().is_none_or(|r| r.is_match(&pair.id));
    let fits = |pair: &Pair| options.max_bytes.is_none_or(|max| pair.new_bytes <= max);
    let (pairs, left_out): (Vec<Pair>, Vec<Pair>) =
        corpus.pairs.iter().filter(asked).cloned().partition(fits);
    if options.fetch {
        registry::fetch(&corpus, &options.cache, &pairs)?;
    }
    let missing = registry::missing(&corpus.dir, &options.cache, &pairs);
    let present: Vec<&Pair> = pairs
        .iter()
        .filter(|p| missing.iter().all(|m| m.pair != p.id))
        .collect();

    let bench = Bench {
        options,
        corpus: &corpus,
        detools,
        targets,
        worker: Worker {
            program: options.program.clone(),
            // Two diffs of one thread each finish sooner than one after the other
            // with two; a timed diff has the machine to itself.
            jobs: options.time.is_none().then_some(1),
        },
    };
    let workers = if options.time.is_some() {
        1
    } else {
        options.jobs.max(1)
    };
    let mut rows = Vec::new();
    in_order(
        workers,
        &present,
        |pair| bench.rows(pair),
        |pair_rows: Vec<Row>| {
            done(&pair_rows);
            rows.extend(pair_rows);
        },
    );
    Ok(Results {
        rows,
        missing,
        left_out: left_out.into_iter().map(|p| p.id).collect(),
    })
}

/// Runs `work` over `items` on `workers` threads and hands the results to `take` in the
/// order of the items. Plain threads, since all they do is wait for child processes.
fn in_order<T: Sync, R: Send>(
    workers: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(R),
) {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    if sender.send((i, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = HashMap::new();
        let mut due = 0;
        for (i, result) in receiver {
            waiting.insert(i, result);
            while let Some(result) = waiting.remove(&due) {
                take(result);
                due += 1;
            }
        }
    });
}

/// What every pair is measured with.
struct Bench<'a> {
    options: &'a Options,
    corpus: &'a Corpus,
    detools: Option<&'a Detools>,
    targets: &'a HashMap<String, Target>,
    worker: Worker,
}

/// The images of one pair as raw files: what detools is given.
struct RawPair {
    old: RawImage,
    new: RawImage,
    _dir: TempDir,
}

impl Bench<'_> {
    /// The rows of one pair; a failure fills its rows instead of ending the run.
    fn rows(&self, pair: &Pair) -> Vec<Row> {
        let settings =
            setting::settings(&self.options.profiles, &self.options.levels, pair.new_bytes);
        let blank = |setting| Row {
            pair: pair.id.clone(),
            isa: pair.isa.clone(),
            kind: pair.kind.clone(),
            old_bytes: pair.old_bytes,
            new_bytes: pair.new_bytes,
            setting,
            ours: None,
            failure: None,
            peer_failure: None,
            detools_lzma_bytes: None,
            detools_heatshrink_bytes: None,
            detools_beside: None,
            target: self.targets.get(&pair.id).cloned(),
        };
        let mut rows: Vec<Row> = settings.into_iter().map(blank).collect();
        match self.raw_pair(pair) {
            Ok(raw) => rows.iter_mut().for_each(|row| {
                let outcome = self.fill(row, pair, &raw);
                row.failure = outcome.err().map(|e| format!("{e:#}"));
            }),
            Err(e) => rows
                .iter_mut()
                .for_each(|row| row.failure = Some(format!("{e:#}"))),
        }
        rows
    }

    fn fill(&self, row: &mut Row, pair: &Pair, raw: &RawPair) -> Result<()> {
        let target = row.target.as_ref();
        row.detools_lzma_bytes = target.and_then(|t| t.detools_lzma_bytes);
        row.detools_heatshrink_bytes = target.and_then(|t| t.detools_heatshrink_bytes);
        if let Some(detools) = self.detools {
            let bytes = |codec| detools.patch(codec, &raw.old, &raw.new).map(|p| p.bytes);
            let both = bytes(Codec::Lzma).and_then(|l| Ok((l, bytes(Codec::Heatshrink)?)));
            match both {
                Ok((lzma, heatshrink)) => {
                    row.detools_lzma_bytes = Some(lzma);
                    row.detools_heatshrink_bytes = Some(heatshrink);
                }
                // The peer's trouble is told, and does not hide our own result.
                Err(e) => row.peer_failure = Some(format!("{e:#}")),
            }
        }
        let (old, new) = (self.path(&pair.old), self.path(&pair.new));
        let priors = match &self.options.cross_validate {
            Some(dir) => Some(priors::without(dir, pair.product())?),
            None => None,
        };
        let priors = priors.as_deref();
        if let Some(times) = self.options.time {
            let compared = TIMED_BYTES.contains(&pair.new_bytes) && row.peer_failure.is_none();
            let (ours, beside) = self.worker.measure_beside(
                self.detools.filter(|_| compared),
                (&old, &new),
                (&raw.old, &raw.new),
                row.setting,
                priors,
                if compared { times } else { 1 },
            )?;
            row.ours = Some(ours);
            row.detools_beside = beside;
        } else {
            row.ours = Some(self.worker.measure((&old, &new), row.setting, priors)?);
        }
        Ok(())
    }

    fn path(&self, source: &Source) -> PathBuf {
        source.path(&self.corpus.dir, &self.options.cache)
    }

    fn raw_pair(&self, pair: &Pair) -> Result<RawPair> {
        let dir = tempfile::tempdir()?;
        Ok(RawPair {
            old: self.raw_image(&pair.old, dir.path().join("old"))?,
            new: self.raw_image(&pair.new, dir.path().join("new"))?,
            _dir: dir,
        })
    }

    /// Writes the raw image to `path`. An image whose digest is not the corpus's is
    /// another image than the peers were measured on, so it fails its pair.
    fn raw_image(&self, source: &Source, path: PathBuf) -> Result<RawImage> {
        let file: &Path = &self.path(source);
        let image = Image::open(file).with_context(|| format!("{}", file.display()))?;
        let sha256 = sha256_hex(image.bytes());
        if let Some(stated) = self.corpus.digest(source) {
            anyhow::ensure!(
                stated == sha256,
                "{}: the raw image ({} bytes) is not the one that the corpus states",
                file.display(),
                image.bytes().len()
            );
        }
        fs::write(&path, image.bytes())?;
        Ok(RawImage { path, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..40).collect();
        let mut taken = Vec::new();
        let slow_start = |&i: &u64| {
            thread::sleep(std::time::Duration::from_millis(if i < 3 { 20 } else { 0 }));
            i * i
        };
        in_order(4, &items, slow_start, |square| taken.push(square));
        assert_eq!(taken, items.iter().map(|i| i * i).collect::<Vec<u64>>());
    }

    #[test]
    fn nothing_to_divide_by_has_no_ratio() {
        assert_eq!(ratio(3, 4), Some(0.75));
        assert_eq!(ratio(3, 0), None);
    }
}

//! Every pair of a corpus made into patches: the work behind the table.
//!
//! Fed by the arguments, `corpus` and `targets`; feeds `report` and `summary` with
//! rows. Invariant: each pair that was asked for ends as rows, as a missing pair, or
//! as a pair left out by size, and the three are counted.

use std::collections::HashMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use deltamote_engine::image::Image;
use deltamote_format::Profile;
use regex_lite::Regex;
use serde::Serialize;
use tempfile::TempDir;

use crate::corpus::{Corpus, Pair, Source};
use crate::digest::sha256_hex;
use crate::fetch;
use crate::in_order::in_order;
use crate::measure::Measured;
use crate::peers::trial::{Status, Trial, Trials};
use crate::peers::{self, Peer, RawImage};
use crate::priors;
use crate::registry::{self, Missing};
use crate::runs::Run;
use crate::setting::{self, Level, Setting};
use crate::targets::Target;
use crate::worker::{Beside, Worker};

/// Sizes of new images for which times are compared: below, the start of Python is most
/// of the peer's time; above are no microcontroller's images.
pub const TIMED_BYTES: RangeInclusive<u64> = 100 << 10..=2 << 20;

/// What to measure and how.
pub struct Options {
    /// Corpus folders.
    pub corpora: Vec<PathBuf>,
    /// Folder of fetched images.
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

/// A peer, and whether it is there.
pub struct Asked {
    /// The peer.
    pub peer: Box<dyn Peer>,
    /// Its version; `None` where it is not installed.
    pub version: Option<String>,
}

/// The peers of a run.
pub struct Peers {
    /// Those that are asked for.
    pub list: Vec<Asked>,
    /// How they are run.
    pub trials: Trials,
}

impl Peers {
    /// The line that installs each peer that is missing, once per tool.
    pub fn missing(&self) -> Vec<(&str, &str)> {
        let absent = self.list.iter().filter(|asked| asked.version.is_none());
        let mut lines: Vec<(&str, &str)> = absent
            .map(|asked| (asked.peer.tool(), asked.peer.install()))
            .collect();
        lines.dedup();
        lines
    }

    /// Name and version of each.
    pub fn versions(&self) -> Vec<(String, Option<String>)> {
        let named = |asked: &Asked| (peers::name(asked.peer.as_ref()), asked.version.clone());
        self.list.iter().map(named).collect()
    }

    /// Version of the tool, where it is asked for and installed.
    pub fn version_of(&self, tool: &str) -> Option<String> {
        let found = self.list.iter().find(|asked| asked.peer.tool() == tool)?;
        found.version.clone()
    }

    fn trial_of(&self, asked: &Asked, raw: &RawPair) -> Trial {
        let peer = asked.peer.as_ref();
        match &asked.version {
            Some(version) => self.trials.kept(peer, version, &raw.old, &raw.new),
            None => Trial::missing(peer),
        }
    }
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
    pub detools_beside: Option<Beside>,
    /// Peers and research, from the table of targets.
    pub target: Option<Target>,
}

/// All that came out.
#[derive(Serialize)]
pub struct Results {
    /// Rows in the order of the corpus.
    pub rows: Vec<Row>,
    /// Our results and the peers', pair by pair.
    pub runs: Vec<Run>,
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
    peers: &Peers,
    targets: &HashMap<String, Target>,
    mut done: impl FnMut(&[Row]),
) -> Result<Results> {
    let corpus = Corpus::open(&options.corpora)?;
    let asked = |pair: &&Pair| options.pairs.as_ref().is_none_or(|r| r.is_match(&pair.id));
    let fits = |pair: &Pair| options.max_bytes.is_none_or(|max| pair.new_bytes <= max);
    let (pairs, left_out): (Vec<Pair>, Vec<Pair>) =
        corpus.pairs.iter().filter(asked).cloned().partition(fits);
    get_images(&corpus, &options.cache, &pairs, options.fetch)?;
    let missing = registry::missing(&options.cache, &pairs);
    let present: Vec<&Pair> = pairs
        .iter()
        .filter(|p| missing.iter().all(|m| m.pair != p.id))
        .collect();

    let bench = Bench {
        options,
        corpus: &corpus,
        peers,
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
    let (mut rows, mut runs) = (Vec::new(), Vec::new());
    in_order(
        workers,
        &present,
        |pair| pair.new_bytes,
        |pair| bench.rows(pair),
        |(pair_rows, pair_runs)| {
            done(&pair_rows);
            rows.extend(pair_rows);
            runs.extend(pair_runs);
        },
    );
    Ok(Results {
        rows,
        runs,
        missing,
        left_out: left_out.into_iter().map(|p| p.id).collect(),
    })
}

/// Generates what is generated and, where `clients` may be started, fetches the rest. A
/// failure is told on standard error and is no error here: the images that stay away are
/// listed with their pairs anyway.
pub fn get_images(corpus: &Corpus, cache: &Path, pairs: &[Pair], clients: bool) -> Result<()> {
    let images = corpus.images_of(pairs);
    if !clients {
        return fetch::generate(&images, cache);
    }
    let outcome = fetch::fetch(&images, cache);
    for (what, why) in &outcome.failures {
        eprintln!("not fetched: {what}: {why}");
    }
    registry::fetch(corpus, cache, pairs)
}

/// What every pair is measured with.
struct Bench<'a> {
    options: &'a Options,
    corpus: &'a Corpus,
    peers: &'a Peers,
    targets: &'a HashMap<String, Target>,
    worker: Worker,
}

/// The images of one pair as raw files: what peers are given.
struct RawPair {
    old: RawImage,
    new: RawImage,
    _dir: TempDir,
}

impl Bench<'_> {
    /// The rows of one pair, and its runs; a failure fills its rows instead of ending
    /// the measurement.
    fn rows(&self, pair: &Pair) -> (Vec<Row>, Vec<Run>) {
        let settings =
            setting::settings(&self.options.profiles, &self.options.levels, pair.new_bytes);
        let target = self.targets.get(&pair.id);
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
            detools_lzma_bytes: target.and_then(|t| t.detools_lzma_bytes),
            detools_heatshrink_bytes: target.and_then(|t| t.detools_heatshrink_bytes),
            detools_beside: None,
            target: target.cloned(),
        };
        let mut rows: Vec<Row> = settings.into_iter().map(blank).collect();
        let raw = match self.raw_pair(pair) {
            Ok(raw) => raw,
            Err(e) => {
                let why = format!("{e:#}");
                rows.iter_mut()
                    .for_each(|row| row.failure = Some(why.clone()));
                let runs = rows.iter().map(Run::ours).collect();
                return (rows, runs);
            }
        };
        let theirs = match rows.first_mut() {
            Some(first) => self.peer_runs(first, &raw),
            None => Vec::new(),
        };
        for row in &mut rows {
            take_detools(row, &theirs);
            let outcome = self.fill(row, pair, &raw);
            row.failure = outcome.err().map(|e| format!("{e:#}"));
        }
        let runs = rows.iter().map(Run::ours).chain(theirs).collect();
        (rows, runs)
    }

    /// What the peers make of the pair of `row`.
    fn peer_runs(&self, row: &Row, raw: &RawPair) -> Vec<Run> {
        let run = |asked: &Asked| {
            let trial = self.peers.trial_of(asked, raw);
            Run::peer(row, asked.peer.as_ref(), asked.version.as_deref(), &trial)
        };
        let suited = self.peers.list.iter().filter(|a| a.peer.suits(&row.isa));
        suited.map(run).collect()
    }

    fn fill(&self, row: &mut Row, pair: &Pair, raw: &RawPair) -> Result<()> {
        let (old, new) = (self.path(&pair.old), self.path(&pair.new));
        let priors = match &self.options.cross_validate {
            Some(dir) => Some(priors::without(dir, pair.product())?),
            None => None,
        };
        let priors = priors.as_deref();
        if let Some(times) = self.options.time {
            let compared = TIMED_BYTES.contains(&pair.new_bytes) && row.peer_failure.is_none();
            let lzma = |asked: &&Asked| {
                asked.version.is_some() && peers::name(asked.peer.as_ref()) == DETOOLS_LZMA
            };
            let lzma = self.peers.list.iter().find(lzma).filter(|_| compared);
            let again = lzma.map(|asked| {
                let (peer, trials) = (asked.peer.as_ref(), &self.peers.trials);
                move || trials.now(peer, &raw.old, &raw.new)
            });
            let (ours, beside) = self.worker.measure_beside(
                again.as_ref().map(|again| again as &dyn Fn() -> Trial),
                (&old, &new),
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
        source.path(&self.options.cache)
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

/// Names of the two peers that have columns of their own.
const DETOOLS_LZMA: &str = "detools-lzma";
const DETOOLS_HEATSHRINK: &str = "detools-heatshrink";

/// The sizes for detools' columns, where it was run; its trouble is told, and does not
/// hide our own result.
fn take_detools(row: &mut Row, runs: &[Run]) {
    for run in runs {
        let column = match run.name().as_str() {
            DETOOLS_LZMA => &mut row.detools_lzma_bytes,
            DETOOLS_HEATSHRINK => &mut row.detools_heatshrink_bytes,
            _ => continue,
        };
        match run.status {
            Status::Ok => *column = run.bytes,
            Status::Missing => {}
            Status::Failed | Status::Wrong => row.peer_failure.clone_from(&run.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_divide_by_has_no_ratio() {
        assert_eq!(ratio(3, 4), Some(0.75));
        assert_eq!(ratio(3, 0), None);
    }
}

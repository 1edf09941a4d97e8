//! The device half measured on emulated boards: text, memory, instructions, flash work.
//!
//! ```text
//! board (names, targets, emulators) ── firmware (cargo, ELF) ── text (what a feature costs)
//! corpus ── patch (the engine) ── update (the emulator, power cuts) ── report (JSON, tables, bars)
//! ```
//! Builds `patcher-nostd/demo` for each board and profile, lets it take a signed update of
//! a real pair, and checks the new image byte for byte. Nothing here is estimated: text is
//! read from linked ELF files, instructions are counted by the emulator.

mod board;
mod boot;
mod budgets;
mod firmware;
mod report;
mod signatures;
mod text;
mod update;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use deltamote_engine::encrypt::{EncryptTo, Secret};
use deltamote_engine::image::Image;
use deltamote_engine::keys::RecipientKey;
use deltamote_engine::{DiffOptions, NoProgress, SigningKey};
use deltamote_format::Profile;
use rayon::prelude::*;
use regex_lite::Regex;

pub use board::Board;
pub use boot::demonstrate;
pub use budgets::Total;
pub use report::{Measured, failures, text as tables};
pub use signatures::Checked;
pub use text::{Part, Text};

use crate::corpus::{Corpus, Pair, Source};
use crate::registry;

/// What to measure.
pub struct Options {
    /// Boards; on each of them every profile that it has room for.
    pub boards: Vec<Board>,
    /// Profiles.
    pub profiles: Vec<Profile>,
    /// Corpus folder.
    pub corpora: PathBuf,
    /// Folder of fetched images.
    pub cache: PathBuf,
    /// Pairs, by id.
    pub pairs: Option<Regex>,
    /// Kinds of step; all when empty.
    pub kinds: Vec<String>,
    /// Leave out pairs whose new image is larger.
    pub max_bytes: Option<u64>,
    /// Whether power fails on the way, too.
    pub cuts: bool,
    /// Whether the patches are encrypted, for a key in the firmware.
    pub encrypted: bool,
    /// Whether to measure what each feature costs in text.
    pub features: bool,
    /// Folder for firmware, images and patches; patches found there are used again.
    pub work: PathBuf,
}

/// All that came out.
pub struct Results {
    /// One per board, profile and pair.
    pub rows: Vec<Measured>,
    /// Text of the patcher on Cortex-M4, feature by feature.
    pub parts: Vec<Part>,
    /// What checking a signature takes there, scheme by scheme.
    pub checks: Vec<Checked>,
    /// RAM in all there, with more work than an Ed25519 signature.
    pub totals: Vec<Total>,
}

/// The folder of the demo firmware.
fn demo_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../patcher-nostd/demo")
}

/// Measures all that `options` ask for; `done` gets each row as soon as it is there.
pub fn run(options: &Options, done: impl Fn(&Measured) + Sync) -> Result<Results> {
    let work = std::path::absolute(&options.work)?;
    fs::create_dir_all(&work).with_context(|| format!("{}", work.display()))?;
    let pairs = pairs(options)?;
    ensure!(
        !pairs.is_empty(),
        "no pair of the corpus was asked for and is here"
    );
    let mut rows = Vec::new();
    for &profile in &options.profiles {
        for &board in &options.boards {
            if !board.has_room_for(profile) {
                continue;
            }
            let features: &[&str] = match options.encrypted {
                true => &["ed25519", "thumb", "x25519"],
                false => &["ed25519", "thumb"],
            };
            let demo = firmware::build(board, profile, "demo", features, &work)?;
            let text = text::measure(board, profile, &work)?;
            let measured: Result<Vec<Measured>> = pairs
                .par_iter()
                .map(|pair| {
                    let what = || format!("{} {} {}", board.name(), profile.name(), pair.id());
                    let files = pair
                        .files(&work, profile, options.encrypted)
                        .with_context(what)?;
                    let update = update::run(board, &demo, &files).with_context(what)?;
                    let mut row = Measured::new(board, profile, &pair.pair, &text, &update);
                    if options.cuts {
                        row.resets =
                            Some(update::through_cuts(board, &demo, &files).with_context(what)?);
                    }
                    done(&row);
                    Ok(row)
                })
                .collect();
            rows.extend(measured?);
        }
    }
    let (mut parts, mut checks, mut totals) = (Vec::new(), Vec::new(), Vec::new());
    if options.features {
        parts = text::parts(&work)?;
        checks = signatures::measure(&work)?;
        totals = budgets::measure(&pairs[0], &work)?;
    }
    Ok(Results {
        rows,
        parts,
        checks,
        totals,
    })
}

/// A pair whose images are here.
struct Present {
    pair: Pair,
    old: PathBuf,
    new: PathBuf,
}

/// What an update on a board starts from.
struct Files {
    old: Vec<u8>,
    new: Vec<u8>,
    patch: Vec<u8>,
    key: Vec<u8>,
    /// Secret and public half of the key that encrypted patches are for.
    recipient: Vec<u8>,
}

impl Present {
    fn id(&self) -> &str {
        &self.pair.id
    }

    fn images(&self) -> Result<(Image, Image)> {
        let open = |path: &Path| Image::open(path).with_context(|| format!("{}", path.display()));
        Ok((open(&self.old)?, open(&self.new)?))
    }

    /// The raw images and the signed patch; a patch is kept in `work` and used again.
    fn files(&self, work: &Path, profile: Profile, encrypted: bool) -> Result<Files> {
        let key = SigningKey::from_bytes(&[0x5a; 32]);
        let (old, new) = self.images()?;
        let kind = if encrypted { "encrypted.dmp" } else { "dmp" };
        let kept = work.join(format!("{}.{}.{kind}", self.pair.id, profile.name()));
        let recipient = RecipientKey::new([0x33; 32].into()).context("a key")?;
        let patch = match fs::read(&kept) {
            Ok(patch) => patch,
            Err(_) => {
                let options = DiffOptions {
                    profile,
                    jobs: Some(1),
                    encrypt_to: encrypted.then(|| {
                        EncryptTo::derived(recipient.public(), Secret::SigningKey, key.as_bytes())
                    }),
                    ..Default::default()
                };
                let patch = deltamote_engine::diff(&old, &new, &options, Some(&key), &NoProgress)?;
                fs::write(&kept, &patch.bytes).with_context(|| format!("{}", kept.display()))?;
                patch.bytes
            }
        };
        Ok(Files {
            old: old.bytes().to_vec(),
            new: new.bytes().to_vec(),
            patch,
            key: key.verifying_key().to_bytes().to_vec(),
            recipient: [[0x33; 32], recipient.public()].concat(),
        })
    }
}

/// Pairs of Cortex-M images that are asked for and here.
fn pairs(options: &Options) -> Result<Vec<Present>> {
    let corpus = Corpus::open(std::slice::from_ref(&options.corpora))?;
    let asked = |pair: &&Pair| {
        options.pairs.as_ref().is_none_or(|r| r.is_match(&pair.id))
            && (options.kinds.is_empty() || options.kinds.contains(&pair.kind))
            && options.max_bytes.is_none_or(|max| pair.new_bytes <= max)
            && (pair.isa.starts_with("thumb-m") || pair.isa.starts_with("thumb2-m"))
    };
    let pairs: Vec<Pair> = corpus.pairs.iter().filter(asked).cloned().collect();
    let missing = registry::missing(&options.cache, &pairs);
    for absent in &missing {
        eprintln!("missing: {}", absent.pair);
    }
    let here = |pair: Pair| {
        let path = |source: &Source| source.path(&options.cache);
        let (old, new) = (path(&pair.old), path(&pair.new));
        Present { pair, old, new }
    };
    let present = |pair: &Pair| missing.iter().all(|m| m.pair != pair.id);
    Ok(pairs.into_iter().filter(present).map(here).collect())
}

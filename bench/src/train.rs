//! Trains the initial states of the models on a corpus.
//!
//! Fed by the pairs; writes `all/` (what ships, in the format crate) and one folder per
//! product family that leaves that family out (what `sizes --cross-validate` uses).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use deltamote_engine::image::Image;
use deltamote_engine::planner::{self, Settings};
use deltamote_engine::train::{Trainer, learned};
use deltamote_engine::{Level, NoProgress};
use deltamote_format::Profile;
use deltamote_format::le;
use rayon::prelude::*;

use crate::corpus::{Corpus, PATHOLOGICAL, Pair};
use crate::priors::{PROFILES, family_of, file};
use crate::registry;

/// What to train on and where to write.
pub struct Options {
    /// Corpus folders.
    pub corpora: Vec<PathBuf>,
    /// Folder of fetched images.
    pub cache: PathBuf,
    /// Folder for the states.
    pub out: PathBuf,
    /// Pairs with a larger new image are left out.
    pub max_bytes: u64,
}

/// What the models of one profile learned from one pair.
struct Lesson {
    family: String,
    words: Vec<u16>,
}

/// Trains and writes; prints what was used.
pub fn run(options: &Options) -> Result<()> {
    let corpus = Corpus::open(&options.corpora)?;
    let pairs: Vec<&Pair> = corpus
        .pairs
        .iter()
        .filter(|p| p.new_bytes <= options.max_bytes)
        .filter(|p| p.kind != "compressed" && p.kind != PATHOLOGICAL)
        .collect();
    let missing = registry::missing(&options.cache, pairs.iter().copied());
    for absent in &missing {
        eprintln!("missing, not trained on: {}", absent.pair);
    }
    let pairs: Vec<&Pair> = pairs
        .into_iter()
        .filter(|pair| missing.iter().all(|absent| absent.pair != pair.id))
        .collect();
    ensure!(
        !pairs.is_empty(),
        "no pair to train on: run deltamote-bench fetch"
    );
    for profile in PROFILES {
        let lessons: Vec<Lesson> = pairs
            .par_iter()
            .map(|pair| lesson(pair, options, profile).with_context(|| pair.id.clone()))
            .collect::<Result<_>>()?;
        let families: BTreeSet<&str> = lessons.iter().map(|l| l.family.as_str()).collect();
        write(&lessons, None, profile, &options.out.join("all"))?;
        for family in &families {
            write(&lessons, Some(family), profile, &options.out.join(family))?;
        }
        println!(
            "{}: {} pairs of {} families",
            profile.name(),
            lessons.len(),
            families.len()
        );
    }
    Ok(())
}

fn lesson(pair: &Pair, options: &Options, profile: Profile) -> Result<Lesson> {
    let old = Image::open(pair.old.path(&options.cache))?;
    let new = Image::open(pair.new.path(&options.cache))?;
    let settings = Settings {
        profile,
        level: Level::Default,
        isa: None,
        base: None,
        prior: None,
    };
    let planned = planner::plan(&old, &new, &settings, &NoProgress)?;
    let words = learned(&planned.plan, (old.bytes(), new.bytes()), profile)?;
    Ok(Lesson {
        family: family_of(pair.product())?,
        words,
    })
}

fn write(lessons: &[Lesson], without: Option<&str>, profile: Profile, dir: &Path) -> Result<()> {
    let mut trainer = Trainer::new(profile)?;
    for lesson in lessons {
        if Some(lesson.family.as_str()) != without {
            trainer.add(&lesson.words);
        }
    }
    let bytes: Vec<u8> = trainer
        .finish()
        .iter()
        .flat_map(|&w| le::halfword_bytes(w))
        .collect();
    let path = file(dir, profile);
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(&path, bytes))
        .with_context(|| format!("{}", path.display()))
}

//! Images that are not in the repository: got through package clients, or generated,
//! checked, and kept in the cache folder.
//!
//! ```text
//! manifest ── client (pip, npm, cargo, apt) ── archive ── unpack ── image ── cache
//! pathological ──────────────────────────────────────────────────┘
//! ```
//!
//! Fed by `corpus` with images and where they are from; leaves
//! `CACHE/<product>/<version>.bin`. Invariant: a file under that name had the digest of
//! the manifest when it was written, and is written whole or not at all.

pub mod apt;
pub mod client;
pub mod python;
pub mod unpack;

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use crate::digest::sha256_hex;
use crate::in_order::in_order;
use crate::manifest::Package;
use crate::pathological::Case;
use unpack::Step;

/// Clients at work at once: they mostly wait for the network.
const AT_ONCE: usize = 4;

/// An image that can be got, and its place in the cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetchable {
    /// Product and version: the image's place in the cache.
    pub name: (String, String),
    /// Where it is from.
    pub origin: Origin,
    /// SHA-256 of the raw image.
    pub sha256: String,
}

/// Where an image is from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A member of a package's archive.
    Package {
        /// The package.
        package: Package,
        /// Path inside its archive.
        member: String,
        /// What to take out of the member.
        unpack: Vec<Step>,
    },
    /// A recipe.
    Generated(Case),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Images that are there without a client: from before, or generated.
    pub present: usize,
    /// Images that were got.
    pub fetched: usize,
    /// Packages, or images, that could not be had, each with the reason.
    pub failures: Vec<(String, String)>,
}

impl Fetchable {
    /// The file in `cache`.
    pub fn path(&self, cache: &Path) -> PathBuf {
        let (product, version) = &self.name;
        cache.join(product).join(format!("{version}.bin"))
    }

    fn is_there(&self, cache: &Path) -> bool {
        fs::read(self.path(cache)).is_ok_and(|bytes| sha256_hex(&bytes) == self.sha256)
    }

    /// Checks `bytes` and puts them into `cache`.
    fn keep(&self, bytes: &[u8], cache: &Path) -> Result<()> {
        let sha256 = sha256_hex(bytes);
        ensure!(
            sha256 == self.sha256,
            "the image ({} bytes) has SHA-256 {sha256} instead of {}",
            bytes.len(),
            self.sha256
        );
        write_whole(&self.path(cache), bytes)
    }
}

/// Writes beside, syncs and renames.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().context("no folder")?;
    let write = || -> Result<()> {
        fs::create_dir_all(dir)?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("{}", path.display()))
}

/// Makes the generated ones of `images` where they are absent. Needs no client.
pub fn generate(images: &[&Fetchable], cache: &Path) -> Result<()> {
    for image in images {
        if let Origin::Generated(case) = image.origin
            && !image.is_there(cache)
        {
            let bytes = case.image()?;
            let kept = image.keep(&bytes, cache);
            kept.with_context(|| format!("{} {}", image.name.0, image.name.1))?;
        }
    }
    Ok(())
}

/// Gets those of `images` that are not in the cache, or not as they should be there. One
/// failure does not end it.
pub fn fetch(images: &[&Fetchable], cache: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(e) = generate(images, cache) {
        outcome
            .failures
            .push(("generated".to_owned(), format!("{e:#}")));
    }
    let mut packages: Vec<(&Package, Vec<&Fetchable>)> = Vec::new();
    for image in images {
        let Origin::Package { package, .. } = &image.origin else {
            outcome.present += usize::from(image.is_there(cache));
            continue;
        };
        if image.is_there(cache) {
            outcome.present += 1;
            continue;
        }
        match packages.iter_mut().find(|(p, _)| *p == package) {
            Some((_, images)) => images.push(image),
            None => packages.push((package, vec![image])),
        }
    }
    let bar = bar(packages.len() as u64);
    let get = |(package, images): &(&Package, Vec<&Fetchable>)| {
        let title = format!("{} {}", package.client.program(), package.title());
        bar.set_message(title.clone());
        if bar.is_hidden() {
            eprintln!("fetching: {title}");
        }
        let got = one(package, images, cache);
        bar.inc(1);
        (title, images.len(), got)
    };
    in_order(
        AT_ONCE,
        &packages,
        |_| 0,
        get,
        |(title, images, got)| match got {
            Ok(()) => outcome.fetched += images,
            Err(e) => outcome.failures.push((title, format!("{e:#}"))),
        },
    );
    bar.finish_and_clear();
    outcome
}

/// Shown where standard error is a terminal; elsewhere there are lines instead.
fn bar(packages: u64) -> ProgressBar {
    let bar = ProgressBar::new(packages);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} packages  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn one(package: &Package, images: &[&Fetchable], cache: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::create_dir_all(cache).with_context(|| format!("{}", cache.display()))?;
    let file = package.client.get(package, dir.path(), cache)?;
    let archive = fs::read(&file).with_context(|| format!("{}", file.display()))?;
    let sha256 = sha256_hex(&archive);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    ensure!(
        sha256 == package.sha256,
        "{name} has SHA-256 {sha256} instead of {}",
        package.sha256
    );
    let wanted = |image: &&&Fetchable| match &image.origin {
        Origin::Package { member, .. } => Some(member.clone()),
        Origin::Generated(_) => None,
    };
    let mut paths: Vec<String> = images.iter().filter_map(|i| wanted(&i)).collect();
    paths.sort();
    paths.dedup();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let members: HashMap<String, Vec<u8>> = unpack::members(&name, &archive, &paths)?;
    for image in images {
        let Origin::Package { member, unpack, .. } = &image.origin else {
            continue;
        };
        let bytes = members
            .get(member)
            .with_context(|| format!("no {member} in {name}"))?;
        let raw = unpack::image(bytes.clone(), unpack).with_context(|| member.clone())?;
        image.keep(&raw, cache).with_context(|| member.clone())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(sha256: &str) -> Fetchable {
        Fetchable {
            name: ("equal".into(), "old".into()),
            origin: Origin::Generated(Case::EqualOld),
            sha256: sha256.into(),
        }
    }

    #[test]
    fn an_image_of_another_digest_is_not_kept() {
        let cache = tempfile::tempdir().unwrap();
        let right = sha256_hex(&Case::EqualOld.image().unwrap());
        let image = generated("00");
        let outcome = fetch(&[&image], cache.path());
        assert_eq!(outcome.failures.len(), 1);
        assert!(
            outcome.failures[0].1.contains("instead of 00"),
            "{outcome:?}"
        );
        assert!(!image.path(cache.path()).exists());

        let image = generated(&right);
        assert!(fetch(&[&image], cache.path()).failures.is_empty());
        assert!(image.is_there(cache.path()));
        // A damaged file in the cache is made anew.
        fs::write(image.path(cache.path()), "x").unwrap();
        assert!(fetch(&[&image], cache.path()).failures.is_empty());
        assert!(image.is_there(cache.path()));
    }
}

//! What is missing, and the images of a corpus that brings its own script to get them.
//!
//! Fed by `corpus` with the pairs asked for; runs `fetch_registry.py` of a folder with
//! tables for products that are not yet in the cache folder (images of manifests are
//! the business of `fetch`). What is
//! still missing afterwards is reported by `missing`, pair by pair.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::corpus::{Corpus, Pair, Source};

/// A pair that cannot be measured because a file is not there.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Missing {
    /// Pair id.
    pub pair: String,
    /// The files that were looked for and not found.
    pub files: Vec<PathBuf>,
}

/// `$XDG_CACHE_HOME/deltamote/corpora`, or the same under `~/.cache`.
pub fn default_cache() -> PathBuf {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("deltamote/corpora")
}

/// The pairs of which at least one image file does not exist.
pub fn missing<'a>(cache: &Path, pairs: impl IntoIterator<Item = &'a Pair>) -> Vec<Missing> {
    let absent = |pair: &Pair| -> Option<Missing> {
        let files: Vec<PathBuf> = [&pair.old, &pair.new]
            .map(|source| source.path(cache))
            .into_iter()
            .filter(|path| !path.is_file())
            .collect();
        let pair = pair.id.clone();
        (!files.is_empty()).then_some(Missing { pair, files })
    };
    pairs.into_iter().filter_map(absent).collect()
}

/// Fetches the products of `pairs` that have an image missing from the cache. Says so
/// on standard error; a failure is no error here, because the images that stay away
/// are listed with their pairs anyway.
pub fn fetch(corpus: &Corpus, cache: &Path, pairs: &[Pair]) -> Result<()> {
    for dir in &corpus.tables {
        fetch_by_script(dir, cache, pairs)?;
    }
    Ok(())
}

fn fetch_by_script(dir: &Path, cache: &Path, pairs: &[Pair]) -> Result<()> {
    let products = products_to_fetch(cache, pairs);
    let script = dir.join("fetch_registry.py");
    if products.is_empty() || !script.is_file() {
        return Ok(());
    }
    eprintln!("fetching into {}: {products:?}", cache.display());
    std::fs::create_dir_all(cache).with_context(|| format!("{}", cache.display()))?;
    let names: Vec<String> = products.iter().map(|p| regex_lite::escape(p)).collect();
    let status = Command::new("python3")
        .arg(&script)
        .arg(dir.join("registry.tsv"))
        .arg(cache)
        .arg(format!("^({})$", names.join("|")))
        .stdin(Stdio::null())
        // Its report belongs with the other messages, not into the table.
        .stdout(std::io::stderr())
        .status();
    match status {
        Ok(s) if s.success() => {}
        Ok(s) => eprintln!("{}: {s}", script.display()),
        Err(e) => eprintln!("{}: {e}", script.display()),
    }
    Ok(())
}

fn products_to_fetch(cache: &Path, pairs: &[Pair]) -> BTreeSet<String> {
    let images = pairs.iter().flat_map(|p| [&p.old, &p.new]);
    images
        .filter(|source| !source.path(cache).is_file())
        .filter_map(|source| match source {
            Source::Registry { product, .. } => Some(product.clone()),
            Source::File(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn pair(id: &str, old: Source, new: Source) -> Pair {
        Pair {
            id: id.into(),
            isa: "avr".into(),
            kind: "patch".into(),
            old,
            new,
            old_bytes: 1,
            new_bytes: 1,
        }
    }

    fn registry(product: &str, version: &str) -> Source {
        Source::Registry {
            product: product.into(),
            version: version.into(),
        }
    }

    #[test]
    fn every_absent_image_is_listed_with_its_pair() {
        let dir = tempfile::tempdir().unwrap();
        let (corpus, cache) = (dir.path().join("corpus"), dir.path().join("cache"));
        fs::create_dir_all(cache.join("lock")).unwrap();
        fs::create_dir_all(&corpus).unwrap();
        fs::write(cache.join("lock/1.bin"), "x").unwrap();
        fs::write(cache.join("lock/2.bin"), "y").unwrap();
        fs::write(corpus.join("a.bin"), "z").unwrap();
        let pairs = [
            pair("lock__1__2", registry("lock", "1"), registry("lock", "2")),
            pair("lock__2__3", registry("lock", "2"), registry("lock", "3")),
            pair(
                "lamp__a__b",
                Source::File(corpus.join("a.bin")),
                Source::File(corpus.join("b.bin")),
            ),
            pair("door__1__2", registry("door", "1"), registry("door", "2")),
        ];
        let listed = missing(&cache, &pairs);
        let expected = [
            ("lock__2__3", vec![cache.join("lock/3.bin")]),
            ("lamp__a__b", vec![corpus.join("b.bin")]),
            (
                "door__1__2",
                vec![cache.join("door/1.bin"), cache.join("door/2.bin")],
            ),
        ];
        let expected = expected.map(|(pair, files)| Missing {
            pair: pair.into(),
            files,
        });
        assert_eq!(listed, expected);
        let products: Vec<String> = products_to_fetch(&cache, &pairs).into_iter().collect();
        assert_eq!(products, ["door", "lock"]);
    }
}

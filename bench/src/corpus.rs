//! A corpus of firmware pairs: which images exist, and where their files are.
//!
//! Fed by a folder with `pairs.tsv` (and, where present, `files.tsv` and
//! `registry.tsv` for the digests); feeds `sizes` with pairs. An image that cannot
//! be found keeps its pair in the list: `sizes` names it, nothing is dropped here.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tsv::Table;

/// Where one image of a pair comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// A file inside the corpus folder.
    File(PathBuf),
    /// An image inside a package, unpacked into the cache folder.
    Registry {
        /// Product, the first folder level in the cache.
        product: String,
        /// Version, the file name in the cache.
        version: String,
    },
}

/// One row of `pairs.tsv`.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `product__old__new`.
    pub id: String,
    /// Instruction set as the corpus names it (`thumb2-m4`, `riscv32imc`, ...).
    pub isa: String,
    /// `tiny`, `patch`, `minor`, `major`, ...
    pub kind: String,
    /// The image the device runs.
    pub old: Source,
    /// The image it shall run.
    pub new: Source,
    /// Size of the old raw image.
    pub old_bytes: u64,
    /// Size of the new raw image.
    pub new_bytes: u64,
}

/// A corpus folder, read.
pub struct Corpus {
    /// The folder.
    pub dir: PathBuf,
    /// All pairs, in file order.
    pub pairs: Vec<Pair>,
    digests: HashMap<Source, String>,
}

impl Pair {
    /// The product a pair belongs to: its id up to the first `__`.
    pub fn product(&self) -> &str {
        product_of(&self.id)
    }
}

/// The product in a pair's id: everything before the first `__`.
pub fn product_of(id: &str) -> &str {
    id.split_once("__").map_or(id, |(product, _)| product)
}

impl Source {
    fn parse(text: &str) -> Result<Source> {
        let Some(name) = text.strip_prefix("registry:") else {
            return Ok(Source::File(PathBuf::from(text)));
        };
        match name.split_once('/') {
            Some((product, version)) => Ok(Source::registry(product, version)),
            None => bail!("{text:?} is not registry:<product>/<version>"),
        }
    }

    fn registry(product: &str, version: &str) -> Source {
        Source::Registry {
            product: product.to_owned(),
            version: version.to_owned(),
        }
    }

    /// The file this image is in, whether or not it exists.
    pub fn path(&self, corpus: &Path, cache: &Path) -> PathBuf {
        match self {
            Source::File(relative) => corpus.join(relative),
            Source::Registry { product, version } => {
                cache.join(product).join(format!("{version}.bin"))
            }
        }
    }
}

impl Corpus {
    /// Reads the tables of `dir`.
    pub fn open(dir: &Path) -> Result<Corpus> {
        let mut digests = HashMap::new();
        if let Some(files) = optional_table(&dir.join("files.tsv"))? {
            for row in files.rows() {
                let source = Source::File(PathBuf::from(row.text("path")?));
                digests.insert(source, row.text("raw_sha256")?.to_owned());
            }
        }
        if let Some(registry) = optional_table(&dir.join("registry.tsv"))? {
            for row in registry.rows() {
                let source = Source::registry(row.text("product")?, row.text("version")?);
                digests.insert(source, row.text("raw_sha256")?.to_owned());
            }
        }
        let path = dir.join("pairs.tsv");
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let pairs = parse_pairs(&text).with_context(|| format!("{}", path.display()))?;
        Ok(Corpus {
            dir: dir.to_owned(),
            pairs,
            digests,
        })
    }

    /// SHA-256 of the raw image as the corpus states it, in hexadecimal.
    pub fn digest(&self, source: &Source) -> Option<&str> {
        self.digests.get(source).map(String::as_str)
    }
}

fn optional_table(path: &Path) -> Result<Option<Table>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let table = Table::parse(&text).with_context(|| format!("{}", path.display()))?;
    Ok(Some(table))
}

fn parse_pairs(text: &str) -> Result<Vec<Pair>> {
    let table = Table::parse(text)?;
    let pair = |row: crate::tsv::Row| -> Result<Pair> {
        Ok(Pair {
            id: row.text("id")?.to_owned(),
            isa: row.text("isa")?.to_owned(),
            kind: row.text("kind")?.to_owned(),
            old: Source::parse(row.text("old")?)?,
            new: Source::parse(row.text("new")?)?,
            old_bytes: row.number("old_size")?,
            new_bytes: row.number("new_size")?,
        })
    };
    table.rows().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: &str = "id\tisa\told\tnew\told_size\tnew_size\tkind\n\
        lamp__1__2\tavr\tgithub/lamp/1.hex\tgithub/lamp/2.hex\t100\t110\tpatch\n\
        lock-m0__1.0__1.1\tthumb-m0\tregistry:lock-m0/1.0\tregistry:lock-m0/1.1\t7\t8\tminor\n";

    #[test]
    fn pairs_are_read_from_both_kinds_of_source() {
        let pairs = parse_pairs(PAIRS).unwrap();
        assert_eq!(pairs.len(), 2);
        assert_eq!(pairs[0].product(), "lamp");
        assert_eq!(pairs[0].kind, "patch");
        assert_eq!((pairs[1].old_bytes, pairs[1].new_bytes), (7, 8));
        let (corpus, cache) = (Path::new("/corpus"), Path::new("/cache"));
        assert_eq!(
            pairs[0].old.path(corpus, cache),
            Path::new("/corpus/github/lamp/1.hex")
        );
        assert_eq!(
            pairs[1].new.path(corpus, cache),
            Path::new("/cache/lock-m0/1.1.bin")
        );
    }

    #[test]
    fn a_registry_name_without_version_is_refused() {
        assert!(Source::parse("registry:lamp").is_err());
    }

    #[test]
    fn products_end_at_the_first_double_underscore() {
        assert_eq!(product_of("a-b_c__1__2"), "a-b_c");
        assert_eq!(product_of("plain"), "plain");
    }
}

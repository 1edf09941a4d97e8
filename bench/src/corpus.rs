//! Corpora of firmware pairs: which images exist, and where their files are.
//!
//! Fed by folders, each with `corpus.toml` (its own or its subfolders'), with tables
//! (`pairs.tsv` and, where present, `files.tsv` and `registry.tsv` for the digests), or
//! with both; feeds `fetch` with images to get, `sizes` with pairs. An image that cannot
//! be found keeps its pair in the list: `sizes` names it, nothing is dropped here.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use deltamote_engine::image::Image;

use crate::fetch::{Fetchable, Origin};
use crate::manifest::{self, Long, Manifest, Short};
use crate::tsv::Table;

/// Where one image of a pair comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// A file of the corpus.
    File(PathBuf),
    /// An image that is fetched or generated into the cache folder.
    Registry {
        /// Product, the first folder level in the cache.
        product: String,
        /// Version, the file name in the cache.
        version: String,
    },
}

/// One update.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `product__old__new`.
    pub id: String,
    /// Instruction set as the corpus names it (`thumb2-m4`, `riscv32imc`, ...).
    pub isa: String,
    /// `tiny`, `patch`, `minor`, `major`, ...; `update` where nobody said.
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

/// Corpus folders, read.
#[derive(Default)]
pub struct Corpus {
    /// All pairs, in file order; of two with the same id, the first.
    pub pairs: Vec<Pair>,
    /// Images of the manifests that are fetched or generated.
    pub images: Vec<Fetchable>,
    /// Folders with tables; they bring a `fetch_registry.py` of their own.
    pub tables: Vec<PathBuf>,
    digests: HashMap<Source, String>,
}

/// The manifest's name.
const MANIFEST: &str = "corpus.toml";

/// Kind of the generated pairs: no product, so no part of training.
pub const PATHOLOGICAL: &str = "pathological";

/// The folders that are measured when none is named: `corpora`, and the large corpus
/// where it lies beside the repository.
pub fn default_folders() -> Result<Vec<PathBuf>> {
    let own = PathBuf::from("corpora");
    ensure!(
        own.is_dir(),
        "no folder corpora here: run this in the repository's root, or name one with --corpora"
    );
    let large = PathBuf::from("../shared/corpora");
    Ok(match large.is_dir() {
        true => vec![own, large],
        false => vec![own],
    })
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
    fn parse(text: &str, dir: &Path) -> Result<Source> {
        let Some(name) = text.strip_prefix("registry:") else {
            return Ok(Source::File(dir.join(text)));
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
    pub fn path(&self, cache: &Path) -> PathBuf {
        match self {
            Source::File(path) => path.clone(),
            Source::Registry { product, version } => {
                cache.join(product).join(format!("{version}.bin"))
            }
        }
    }
}

impl Corpus {
    /// Reads the folders `dirs`.
    pub fn open(dirs: &[PathBuf]) -> Result<Corpus> {
        let mut corpus = Corpus::default();
        for dir in dirs {
            corpus.read(dir)?;
        }
        let mut ids = HashSet::new();
        corpus.pairs.retain(|pair| ids.insert(pair.id.clone()));
        Ok(corpus)
    }

    fn read(&mut self, dir: &Path) -> Result<()> {
        let mut manifests = vec![dir.join(MANIFEST)];
        let mut folders = Vec::new();
        for entry in fs::read_dir(dir).with_context(|| format!("{}", dir.display()))? {
            folders.push(entry?.path());
        }
        folders.sort();
        manifests.extend(folders.into_iter().map(|folder| folder.join(MANIFEST)));
        manifests.retain(|path| path.is_file());
        for path in &manifests {
            self.read_manifest(path)
                .with_context(|| format!("{}", path.display()))?;
        }
        if dir.join("pairs.tsv").is_file() {
            self.read_tables(dir)?;
        } else if manifests.is_empty() {
            bail!("{}: neither {MANIFEST} nor pairs.tsv", dir.display());
        }
        Ok(())
    }

    fn read_manifest(&mut self, path: &Path) -> Result<()> {
        let dir = path.parent().unwrap_or(Path::new(""));
        match manifest::parse(&fs::read_to_string(path)?)? {
            Manifest::Short(short) => self.add_short(dir, &short),
            Manifest::Long(long) => self.add_long(dir, &long),
        }
    }

    /// A user's own images: each is made into the next.
    fn add_short(&mut self, dir: &Path, short: &Short) -> Result<()> {
        let mut versions = Vec::new();
        for file in &short.images {
            let path = dir.join(file);
            let image = Image::open(&path)?;
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            versions.push((stem, path, image.bytes().len() as u64));
        }
        for pair in versions.windows(2) {
            let [(old, old_path, old_bytes), (new, new_path, new_bytes)] = pair else {
                continue;
            };
            self.pairs.push(Pair {
                id: format!("{}__{old}__{new}", short.product),
                isa: short.isa.clone().unwrap_or_else(|| "unknown".to_owned()),
                kind: "update".to_owned(),
                old: Source::File(old_path.clone()),
                new: Source::File(new_path.clone()),
                old_bytes: *old_bytes,
                new_bytes: *new_bytes,
            });
        }
        Ok(())
    }

    fn add_long(&mut self, dir: &Path, long: &Long) -> Result<()> {
        for product in &long.products {
            let mut known = HashMap::new();
            for image in &product.image {
                let source = match &image.file {
                    Some(file) => Source::File(dir.join(file)),
                    None => Source::registry(&product.name, &image.version),
                };
                self.digests.insert(source.clone(), image.sha256.clone());
                let title = image.package.as_deref().unwrap_or_default();
                let package = long.packages.iter().find(|p| p.title() == title);
                let origin = match (package, &image.member, image.generate) {
                    (Some(package), Some(member), _) => Some(Origin::Package {
                        package: package.clone(),
                        member: member.clone(),
                        unpack: image.unpack.clone(),
                    }),
                    (_, _, case) => case.map(Origin::Generated),
                };
                self.images.extend(origin.map(|origin| Fetchable {
                    name: (product.name.clone(), image.version.clone()),
                    origin,
                    sha256: image.sha256.clone(),
                }));
                known.insert(image.version.as_str(), (source, image.bytes));
            }
            for (old, new, kind) in &product.pairs {
                let image = |version: &String| {
                    let found = known.get(version.as_str()).cloned();
                    found.with_context(|| format!("{}: no image {version:?}", product.name))
                };
                let ((old_source, old_bytes), (new_source, new_bytes)) = (image(old)?, image(new)?);
                self.pairs.push(Pair {
                    id: format!("{}__{old}__{new}", product.name),
                    isa: product.isa.clone(),
                    kind: kind.clone(),
                    old: old_source,
                    new: new_source,
                    old_bytes,
                    new_bytes,
                });
            }
        }
        Ok(())
    }

    fn read_tables(&mut self, dir: &Path) -> Result<()> {
        if let Some(files) = optional_table(&dir.join("files.tsv"))? {
            for row in files.rows() {
                let source = Source::File(dir.join(row.text("path")?));
                self.digests
                    .insert(source, row.text("raw_sha256")?.to_owned());
            }
        }
        if let Some(registry) = optional_table(&dir.join("registry.tsv"))? {
            for row in registry.rows() {
                let source = Source::registry(row.text("product")?, row.text("version")?);
                self.digests
                    .insert(source, row.text("raw_sha256")?.to_owned());
            }
        }
        let path = dir.join("pairs.tsv");
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let pairs = parse_pairs(&text, dir).with_context(|| format!("{}", path.display()))?;
        self.pairs.extend(pairs);
        self.tables.push(dir.to_owned());
        Ok(())
    }

    /// Those of the images to fetch or generate that `pairs` need.
    pub fn images_of<'a>(&self, pairs: impl IntoIterator<Item = &'a Pair>) -> Vec<&Fetchable> {
        let needed: HashSet<&Source> = pairs.into_iter().flat_map(|p| [&p.old, &p.new]).collect();
        let is_needed = |image: &&Fetchable| {
            let (product, version) = &image.name;
            needed.contains(&Source::registry(product, version))
        };
        self.images.iter().filter(is_needed).collect()
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

fn parse_pairs(text: &str, dir: &Path) -> Result<Vec<Pair>> {
    let table = Table::parse(text)?;
    let pair = |row: crate::tsv::Row| -> Result<Pair> {
        Ok(Pair {
            id: row.text("id")?.to_owned(),
            isa: row.text("isa")?.to_owned(),
            kind: row.text("kind")?.to_owned(),
            old: Source::parse(row.text("old")?, dir)?,
            new: Source::parse(row.text("new")?, dir)?,
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
        let pairs = parse_pairs(PAIRS, Path::new("/corpus")).unwrap();
        assert_eq!(pairs.len(), 2);
        assert_eq!(pairs[0].product(), "lamp");
        assert_eq!(pairs[0].kind, "patch");
        assert_eq!((pairs[1].old_bytes, pairs[1].new_bytes), (7, 8));
        let cache = Path::new("/cache");
        assert_eq!(
            pairs[0].old.path(cache),
            Path::new("/corpus/github/lamp/1.hex")
        );
        assert_eq!(
            pairs[1].new.path(cache),
            Path::new("/cache/lock-m0/1.1.bin")
        );
    }

    #[test]
    fn a_registry_name_without_version_is_refused() {
        assert!(Source::parse("registry:lamp", Path::new("")).is_err());
    }

    #[test]
    fn products_end_at_the_first_double_underscore() {
        assert_eq!(product_of("a-b_c__1__2"), "a-b_c");
        assert_eq!(product_of("plain"), "plain");
    }

    #[test]
    fn two_lines_make_a_corpus() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lamp")).unwrap();
        for (version, bytes) in [("1.0", 10), ("1.1", 20), ("2.0", 30)] {
            fs::write(
                dir.path().join(format!("lamp/{version}.bin")),
                vec![1; bytes],
            )
            .unwrap();
        }
        let manifest = "product = \"lamp\"\nimages = [\"1.0.bin\", \"1.1.bin\", \"2.0.bin\"]\n";
        fs::write(dir.path().join("lamp/corpus.toml"), manifest).unwrap();
        // As the folder itself, and as a family inside one: the same pairs, once.
        let dirs = [dir.path().to_owned(), dir.path().join("lamp")];
        let corpus = Corpus::open(&dirs).unwrap();
        let ids: Vec<&str> = corpus.pairs.iter().map(|p| p.id.as_str()).collect();
        assert_eq!(ids, ["lamp__1.0__1.1", "lamp__1.1__2.0"]);
        assert_eq!(
            (corpus.pairs[1].old_bytes, corpus.pairs[1].new_bytes),
            (20, 30)
        );
        assert!(Corpus::open(&[dir.path().join("absent")]).is_err());
    }
}

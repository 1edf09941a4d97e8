//! `corpus.toml`: the images of a family, where they come from, which pairs they make.
//!
//! Fed by `corpus` with file text; hands back products with everything checked that can
//! be checked without the images. The fields are explained in `corpora/README.md`.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::fetch::client::Client;
use crate::fetch::unpack::Step;
use crate::pathological::Case;

/// A manifest.
#[derive(Debug)]
pub enum Manifest {
    /// One product from files in order of release, each made into the next.
    Short(Short),
    /// Everything said.
    Long(Long),
}

/// The two-line form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Short {
    /// Name of the product.
    pub product: String,
    /// Files beside the manifest, oldest first.
    pub images: Vec<String>,
    /// Label for the instruction set.
    pub isa: Option<String>,
}

/// The long form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Long {
    /// Packages that images are in.
    #[serde(default, rename = "package")]
    pub packages: Vec<Package>,
    /// Products.
    #[serde(rename = "product")]
    pub products: Vec<Product>,
}

/// An archive that a package client gets.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Who gets it.
    pub client: Client,
    /// Its name there; for apt with `:ARCHITECTURE` where it is not `all`.
    pub name: String,
    /// Its version there.
    pub version: String,
    /// SHA-256 of the archive.
    pub sha256: String,
}

/// A product: the unit that means are first taken within.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Name; no double underscore, which separates it from the versions in a pair's id.
    pub name: String,
    /// Label for the instruction set.
    pub isa: String,
    /// Chip, for readers.
    #[serde(default)]
    pub chip: String,
    /// Licence, for readers.
    #[serde(default)]
    pub licence: String,
    /// Old version, new version, kind.
    pub pairs: Vec<(String, String, String)>,
    /// The images.
    pub image: Vec<ImageEntry>,
}

/// One version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEntry {
    /// Name of the version.
    pub version: String,
    /// A file beside the manifest ...
    pub file: Option<String>,
    /// ... or `NAME VERSION` of a package ...
    pub package: Option<String>,
    /// ... and the path in it ...
    pub member: Option<String>,
    /// ... and what to take out of that; or ...
    #[serde(default)]
    pub unpack: Vec<Step>,
    /// ... a generated image.
    pub generate: Option<Case>,
    /// Size of the raw image.
    pub bytes: u64,
    /// SHA-256 of the raw image.
    pub sha256: String,
}

/// Reads a manifest.
pub fn parse(text: &str) -> Result<Manifest> {
    let table: toml::Table = toml::from_str(text)?;
    match table.get("product") {
        None => bail!("no product"),
        Some(toml::Value::String(_)) => {
            let short: Short = toml::from_str(text)?;
            let name = &short.product;
            ensure!(is_file_name(name), "product {name:?}: {NAME_RULE}");
            ensure!(
                short.images.len() >= 2,
                "product {name:?}: `images` must list two files or more, oldest first"
            );
            Ok(Manifest::Short(short))
        }
        Some(_) => {
            let long: Long = toml::from_str(text)?;
            for product in &long.products {
                check(product, &long.packages).with_context(|| product.name.clone())?;
            }
            Ok(Manifest::Long(long))
        }
    }
}

const NAME_RULE: &str = "a name has no slash and no double underscore";

/// Names become folders of the cache, and parts of a pair's id.
fn is_file_name(name: &str) -> bool {
    let plain = !name.is_empty() && !name.contains(['/', '\\']) && !name.contains("__");
    plain && name != "." && name != ".."
}

fn check(product: &Product, packages: &[Package]) -> Result<()> {
    ensure!(is_file_name(&product.name), "{NAME_RULE}");
    for (old, new, _) in &product.pairs {
        for version in [old, new] {
            let known = product.image.iter().any(|i| i.version == *version);
            ensure!(known, "a pair with {version:?}, of which there is no image");
        }
    }
    for image in &product.image {
        let version = &image.version;
        let sources = [
            image.file.is_some(),
            image.package.is_some(),
            image.generate.is_some(),
        ];
        ensure!(
            sources.iter().filter(|&&s| s).count() == 1,
            "{version}: exactly one of file, package, generate"
        );
        ensure!(
            image.package.is_some() == image.member.is_some(),
            "{version}: package and member go together"
        );
        ensure!(
            image.package.is_some() || image.unpack.is_empty(),
            "{version}: unpack goes with package"
        );
        if let Some(name) = &image.package {
            let known = packages.iter().any(|p| p.title() == *name);
            ensure!(known, "{version}: no [[package]] {name:?}");
        }
        ensure!(is_file_name(version), "version {version:?}: {NAME_RULE}");
    }
    Ok(())
}

impl Package {
    /// What images call it: `NAME VERSION`.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn two_lines_are_a_manifest() {
        let manifest = parse("product = \"lamp\"\nimages = [\"1.0.hex\", \"1.1.hex\"]\n").unwrap();
        let Manifest::Short(short) = manifest else {
            panic!("{manifest:?}")
        };
        assert_eq!((short.product.as_str(), short.images.len()), ("lamp", 2));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(refused("images = []").contains("no product"));
        assert!(refused("product = 'lamp'\nimages = ['1']").contains("two files or more"));
        assert!(refused("product = 'a__b'\nimages = ['1', '2']").contains("underscore"));
        let product = |pair: &str, image: &str| {
            format!(
                "[[product]]\nname = 'lamp'\nisa = 'avr'\npairs = [['1', '{pair}', 'patch']]\n\
                 [[product.image]]\nversion = '1'\nbytes = 3\nsha256 = ''\n{image}\n"
            )
        };
        assert!(parse(&product("1", "file = 'x'")).is_ok());
        assert!(refused(&product("2", "file = 'x'")).contains("there is no image"));
        assert!(refused(&product("1", "")).contains("exactly one of"));
        let lost = product("1", "package = 'p 1'\nmember = 'm'");
        assert!(refused(&lost).contains("no [[package]] \"p 1\""));
        assert!(refused(&product("1", "file = 'x'\nunpack = ['zip:y']")).contains("unpack"));
        assert!(refused(&product("1", "file = 'x'\nfiel = 'y'")).contains("fiel"));
    }
}

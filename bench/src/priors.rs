//! Trained initial states in files: one folder per state of training.
//!
//! `train` writes them; `measure` starts patches from them. For cross-validation there
//! is a folder for each product family, trained on all pairs *outside* it, so that no
//! image is measured with a state that has seen it or its relatives.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use deltamote_format::Profile;
use deltamote_format::le;
use deltamote_format::model::Prior;
use deltamote_format::prior::id_of;

use crate::tsv::Table;

/// Profiles that have a trained state.
pub const PROFILES: [Profile; 3] = [Profile::Tiny, Profile::Small, Profile::Medium];

/// Product families that share code, beyond what their names say.
const FAMILIES: &str = include_str!("../families.tsv");

/// The family of `product`: by the table, else its name up to the first hyphen.
pub fn family_of(product: &str) -> Result<String> {
    let table = Table::parse(FAMILIES)?;
    for row in table.rows() {
        if product.starts_with(row.text("prefix")?) {
            return Ok(row.text("family")?.to_owned());
        }
    }
    let first = product.split('-').next().unwrap_or(product);
    Ok(first.to_owned())
}

/// The folder in `dir` of the states that were trained without the family of `product`:
/// `all` for a family that was not in the training set.
pub fn without(dir: &Path, product: &str) -> Result<PathBuf> {
    let left_out = dir.join(family_of(product)?);
    Ok(if left_out.is_dir() {
        left_out
    } else {
        dir.join("all")
    })
}

/// The file of the state for `profile` in folder `dir`.
pub fn file(dir: &Path, profile: Profile) -> PathBuf {
    dir.join(profile.name()).with_extension("bin")
}

/// Reads the states of `dir`. They live as long as the process, as the patcher wants
/// of what a device keeps in flash.
pub fn read(dir: &Path) -> Result<&'static [Prior<'static>]> {
    let mut list = Vec::new();
    for profile in PROFILES {
        let path = file(dir, profile);
        let bytes = std::fs::read(&path).with_context(|| format!("{}", path.display()))?;
        let (pairs, rest) = bytes.as_chunks::<2>();
        ensure!(
            rest.is_empty(),
            "{}: an odd number of bytes",
            path.display()
        );
        let words: Vec<u16> = pairs.iter().map(|&b| le::halfword(b)).collect();
        let words: &'static [u16] = words.leak();
        list.push(Prior {
            id: id_of(words),
            words,
        });
    }
    Ok(list.leak())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relatives_share_a_family() {
        let family = |p| family_of(p).unwrap();
        assert_eq!(family("openmv4"), family("pybricks-cityhub"));
        assert_eq!(family("detools-shell"), family("detools-synthesizer"));
        assert_ne!(family("detools-shell"), family("detools-pybv11"));
        assert_eq!(family("greatfet"), "greatfet");
    }
}

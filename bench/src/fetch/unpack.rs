//! From an archive to an image: containers of packages, and images inside files.
//!
//! Fed by `fetch` with the bytes of an archive; hands back the bytes of a member and of
//! what lies in it. The containers are read by kept crates. No member is ever written
//! under its own name, so no archive can write outside the cache.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use deltamote_engine::image::Image;
use serde::Deserialize;

use crate::fetch::python;

/// The largest member that is read.
const MOST_BYTES: u64 = 512 << 20;

/// What to take out of a member.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Step {
    /// `zip:PATH`: the file in it.
    Zip(String),
    /// `python:NAME`: the string or bytes that Python source assigns to a name or to a
    /// dictionary's key.
    Python(String),
    /// `base64`: what that encodes.
    Base64,
}

impl TryFrom<String> for Step {
    type Error = String;

    fn try_from(text: String) -> Result<Step, String> {
        match text.split_once(':') {
            Some(("zip", path)) => Ok(Step::Zip(path.to_owned())),
            Some(("python", name)) => Ok(Step::Python(name.to_owned())),
            None if text == "base64" => Ok(Step::Base64),
            _ => Err(format!("{text:?} is none of zip:PATH, python:NAME, base64")),
        }
    }
}

/// The raw image in `member` after `steps`; Intel HEX, UF2, S-records and the like are
/// read as everywhere in Deltamote.
pub fn image(member: Vec<u8>, steps: &[Step]) -> Result<Vec<u8>> {
    let mut bytes = member;
    for step in steps {
        bytes = match step {
            Step::Zip(path) => {
                let mut found = of_zip(&bytes, &[path])?;
                found
                    .remove(path)
                    .with_context(|| format!("no {path} in the zip"))?
            }
            Step::Python(name) => python::literal(&bytes, name)?,
            Step::Base64 => {
                bytes.retain(|b| !b.is_ascii_whitespace());
                base64::engine::general_purpose::STANDARD.decode(&bytes)?
            }
        };
    }
    Ok(Image::from_bytes(bytes)?.bytes().to_vec())
}

/// The members of the archive `name` (its end says what it is) that are wanted.
pub fn members(name: &str, archive: &[u8], wanted: &[&str]) -> Result<HashMap<String, Vec<u8>>> {
    if name.ends_with(".whl") || name.ends_with(".zip") {
        of_zip(archive, wanted)
    } else if name.ends_with(".deb") {
        of_deb(archive, wanted)
    } else {
        of_tar(decompressed(name, archive)?, wanted)
    }
}

fn of_zip(archive: &[u8], wanted: &[&str]) -> Result<HashMap<String, Vec<u8>>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive))?;
    let mut found = HashMap::new();
    for &path in wanted {
        if let Ok(file) = zip.by_name(path) {
            found.insert(path.to_owned(), bounded(file)?);
        }
    }
    Ok(found)
}

/// A Debian package: an `ar` archive in which `data.tar.*` has the files.
fn of_deb(archive: &[u8], wanted: &[&str]) -> Result<HashMap<String, Vec<u8>>> {
    let mut ar = ar::Archive::new(archive);
    while let Some(entry) = ar.next_entry() {
        let entry = entry?;
        let name = String::from_utf8_lossy(entry.header().identifier()).into_owned();
        if name.starts_with("data.tar") {
            let data = bounded(entry)?;
            return of_tar(decompressed(&name, &data)?, wanted);
        }
    }
    bail!("no data.tar in the Debian package")
}

/// The stream inside the compression that the end of `name` tells.
fn decompressed<'a>(name: &str, bytes: &'a [u8]) -> Result<Box<dyn Read + 'a>> {
    let end = name.rsplit('.').next().unwrap_or_default();
    Ok(match end {
        "tgz" | "gz" | "crate" => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        "xz" => Box::new(lzma_rust2::XzReader::new(bytes, true)),
        "zst" => Box::new(zstd::Decoder::new(bytes)?),
        "tar" => Box::new(bytes),
        _ => bail!("{name}: an archive of unknown kind"),
    })
}

fn of_tar(tar: Box<dyn Read + '_>, wanted: &[&str]) -> Result<HashMap<String, Vec<u8>>> {
    let mut tar = tar::Archive::new(tar);
    let mut found = HashMap::new();
    for entry in tar.entries()? {
        let entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // Debian's begin with "./".
        let path = path.strip_prefix("./").unwrap_or(&path);
        if wanted.contains(&path) && entry.header().entry_type().is_file() {
            found.insert(path.to_owned(), bounded(entry)?);
        }
        if found.len() == wanted.len() {
            break;
        }
    }
    Ok(found)
}

fn bounded(from: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    ensure!(
        bytes.len() as u64 <= MOST_BYTES,
        "a member above {MOST_BYTES} bytes"
    );
    Ok(bytes)
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;

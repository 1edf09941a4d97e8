//! Peers that are libraries: bytes in, bytes out; this file does the rest.
//!
//! Fed by one small implementation per library; gives it the shape of a [`Peer`]. The
//! version is that of the lock file the program was built with.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::peers::Peer;

const LOCK: &str = include_str!("../../../Cargo.lock");

/// A delta library.
pub trait Library: Send + Sync {
    /// As [`Peer::tool`].
    const TOOL: &'static str;
    /// The crates that do the work, first the one that names the version.
    const CRATES: &'static [&'static str];

    /// As [`Peer::setting`].
    fn setting(&self) -> &str {
        ""
    }

    /// The patch from `old` to `new`.
    fn diff(&self, old: &[u8], new: &[u8]) -> Result<Vec<u8>>;

    /// The new image.
    fn apply(&self, old: &[u8], patch: &[u8]) -> Result<Vec<u8>>;
}

/// A library as a peer.
pub struct Linked<L>(pub L);

impl<L: Library> Peer for Linked<L> {
    fn tool(&self) -> &str {
        L::TOOL
    }

    fn setting(&self) -> &str {
        self.0.setting()
    }

    fn version(&self) -> Option<String> {
        let versions = L::CRATES.iter().map(|name| {
            let version = locked_version(name).unwrap_or("of unknown version");
            format!("{name} {version}")
        });
        Some(versions.collect::<Vec<_>>().join(" + "))
    }

    fn install(&self) -> &str {
        "(linked)"
    }

    fn diff(&self, old: &Path, new: &Path, patch: &Path) -> Result<Option<f64>> {
        let made = self.0.diff(&read(old)?, &read(new)?)?;
        write(patch, &made)?;
        Ok(None)
    }

    fn apply(&self, old: &Path, patch: &Path, back: &Path) -> Result<()> {
        let made = self.0.apply(&read(old)?, &read(patch)?)?;
        write(back, &made)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{}", path.display()))
}

/// The version of `name` in the lock file.
fn locked_version(name: &str) -> Option<&'static str> {
    let mut lines = LOCK.lines();
    lines.find(|line| line.strip_prefix("name = \"") == Some(&format!("{name}\"")))?;
    lines
        .next()?
        .strip_prefix("version = \"")?
        .strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let digits = |v: &str| v.starts_with(|c: char| c.is_ascii_digit());
        assert!(locked_version("qbsdiff").is_some_and(digits));
        assert_eq!(locked_version("no-such-crate"), None);
    }
}

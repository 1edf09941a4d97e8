//! The peer that everybody knows: detools, run as its users run it.
//!
//! Fed by `sizes` with raw images on disk; feeds patch sizes and times. Each patch is
//! applied again and compared before its size counts. Sizes are kept in the cache
//! folder under a digest of everything they depend on, so a second run is quick;
//! times for a comparison are never taken from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::digest::sha256_hex;

/// Compression of the peer's patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// `-c lzma`: its smallest, decoded in megabytes.
    Lzma,
    /// `-c heatshrink`: what its C patcher is used with on microcontrollers.
    Heatshrink,
}

/// A patch made by detools.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct PeerPatch {
    /// Size of the patch file.
    pub bytes: u64,
    /// Wall time of the command.
    pub wall_seconds: f64,
    /// The time that detools prints: the same without the start of Python.
    pub own_seconds: Option<f64>,
}

/// A raw image in a file, with its digest.
pub struct RawImage {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// An installed detools.
pub struct Detools {
    /// What it calls its version.
    pub version: String,
    store: PathBuf,
}

impl Codec {
    /// Name on detools' command line.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Lzma => "lzma",
            Codec::Heatshrink => "heatshrink",
        }
    }
}

impl Detools {
    /// The detools on the search path, if there is one; sizes are kept under `cache`.
    pub fn find(cache: &Path) -> Option<Detools> {
        let output = Command::new("detools").arg("--version").output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        let store = cache.join("detools");
        (output.status.success() && !version.is_empty()).then_some(Detools { version, store })
    }

    /// The patch from `old` to `new`, from the cache where it was made before.
    pub fn patch(&self, codec: Codec, old: &RawImage, new: &RawImage) -> Result<PeerPatch> {
        let key = format!(
            "{} {} create_patch -c {} detools {}",
            old.sha256,
            new.sha256,
            codec.name(),
            self.version
        );
        let entry = self.store.join(sha256_hex(key.as_bytes()) + ".json");
        let kept = fs::read(&entry).ok();
        if let Some(patch) = kept.and_then(|json| serde_json::from_slice(&json).ok()) {
            return Ok(patch);
        }
        let patch = self.patch_now(codec, old, new)?;
        fs::create_dir_all(&self.store).with_context(|| format!("{}", self.store.display()))?;
        fs::write(&entry, serde_json::to_vec(&patch)?)
            .with_context(|| format!("{}", entry.display()))?;
        Ok(patch)
    }

    /// The patch from `old` to `new`, made, timed and checked now.
    pub fn patch_now(&self, codec: Codec, old: &RawImage, new: &RawImage) -> Result<PeerPatch> {
        let dir = tempfile::tempdir()?;
        let (patch, back) = (dir.path().join("patch"), dir.path().join("back"));
        let started = Instant::now();
        let create = Command::new("detools")
            .args(["create_patch", "-c", codec.name()])
            .args([&old.path, &new.path, &patch])
            .stdin(Stdio::null())
            .output()
            .context("detools")?;
        let wall_seconds = started.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&create.stdout);
        ensure!(
            create.status.success(),
            "detools create_patch: {}{said}{}",
            create.status,
            String::from_utf8_lossy(&create.stderr)
        );
        let apply = Command::new("detools")
            .arg("apply_patch")
            .args([&old.path, &patch, &back])
            .stdin(Stdio::null())
            .output()
            .context("detools")?;
        ensure!(
            apply.status.success() && fs::read(&back)? == fs::read(&new.path)?,
            "detools apply_patch does not give back the new image"
        );
        Ok(PeerPatch {
            bytes: fs::metadata(&patch)?.len(),
            wall_seconds,
            own_seconds: own_seconds(&said),
        })
    }
}

/// The figure in "Successfully created 'PATCH' in 0.11 seconds!". Long runs are told in
/// minutes; those have no figure here.
fn own_seconds(said: &str) -> Option<f64> {
    let (before, _) = said.rsplit_once(" seconds")?;
    before.rsplit_once(' ')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_own_clock_is_read() {
        let said = "Successfully created '/tmp/a b/p' in 0.11 seconds!\n";
        assert_eq!(own_seconds(said), Some(0.11));
        assert_eq!(own_seconds("Successfully created 'p' in 2 minutes!"), None);
        assert_eq!(own_seconds(""), None);
    }

    #[test]
    fn a_kept_size_is_used_without_running_the_peer() {
        let dir = tempfile::tempdir().unwrap();
        let image = |digest: &str| RawImage {
            path: dir.path().join("absent"),
            sha256: digest.into(),
        };
        let detools = Detools {
            version: "0".into(),
            store: dir.path().into(),
        };
        let kept = PeerPatch {
            bytes: 7,
            wall_seconds: 0.5,
            own_seconds: None,
        };
        let key = "aa bb create_patch -c lzma detools 0";
        let entry = dir.path().join(sha256_hex(key.as_bytes()) + ".json");
        fs::write(entry, serde_json::to_vec(&kept).unwrap()).unwrap();
        let found = detools.patch(Codec::Lzma, &image("aa"), &image("bb"));
        assert_eq!(found.unwrap(), kept);
        assert!(
            detools
                .patch(Codec::Heatshrink, &image("aa"), &image("bb"))
                .is_err()
        );
    }
}

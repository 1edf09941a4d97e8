//! One peer on one pair: patch made, applied, compared, and what it cost.
//!
//! Fed by `sizes`; runs each step of the peer in a child process of this program
//! (`step` there), so that a crash costs one result and the memory high-water mark
//! belongs to that step alone. A result that is good, or wrong, is kept in the cache
//! folder under everything it depends on; failures are tried again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use wait_timeout::ChildExt;

use crate::digest::sha256_hex;
use crate::measure::peak_resident_bytes;
use crate::peers::{Peer, RawImage, command, name};

/// How a trial ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The applied patch gave the new image.
    Ok,
    /// No patch was made, or it could not be applied.
    Failed,
    /// The applied patch gave something else than the new image.
    Wrong,
    /// The tool is not installed.
    Missing,
}

/// What one step took.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Wall time.
    pub seconds: f64,
    /// Processor time, of all threads.
    pub cpu_seconds: Option<f64>,
    /// High-water mark of resident memory.
    pub peak_bytes: Option<u64>,
    /// Wall time by the tool's own account (without the start of an interpreter).
    pub own_seconds: Option<f64>,
}

/// The outcome of a peer on a pair.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// How it ended.
    pub status: Status,
    /// Why, where it did not end well.
    pub reason: Option<String>,
    /// Size of the patch file, where one was made.
    pub bytes: Option<u64>,
    /// Making the patch.
    pub diff: Option<Cost>,
    /// Applying it.
    pub apply: Option<Cost>,
}

/// How trials are run.
pub struct Trials {
    /// This program, for the child processes.
    pub program: PathBuf,
    /// The file that user-described peers come from; the child reads it again.
    pub described: Option<PathBuf>,
    /// Folder of kept results.
    pub store: PathBuf,
    /// Longest time for one step.
    pub limit: Duration,
}

impl Trial {
    fn bad(status: Status, reason: String) -> Trial {
        Trial {
            status,
            reason: Some(reason),
            bytes: None,
            diff: None,
            apply: None,
        }
    }

    /// The trial of a peer that is not installed.
    pub fn missing(peer: &dyn Peer) -> Trial {
        Trial::bad(Status::Missing, format!("install: {}", peer.install()))
    }
}

impl Trials {
    /// `peer` (of `version`) on the pair, from the cache where it was run before.
    pub fn kept(&self, peer: &dyn Peer, version: &str, old: &RawImage, new: &RawImage) -> Trial {
        let (name, old_sha, new_sha) = (name(peer), &old.sha256, &new.sha256);
        let key = format!("{name}\n{version}\n{old_sha}\n{new_sha}");
        let entry = self.store.join(sha256_hex(key.as_bytes()) + ".json");
        let kept = fs::read(&entry).ok();
        if let Some(trial) = kept.and_then(|json| serde_json::from_slice(&json).ok()) {
            return trial;
        }
        let trial = self.now(peer, old, new);
        if matches!(trial.status, Status::Ok | Status::Wrong) {
            // A cache that cannot be written costs time, not a result.
            if let Err(e) = keep(&entry, &trial) {
                eprintln!("not kept: {}: {e:#}", entry.display());
            }
        }
        trial
    }

    /// `peer` on the pair, run now.
    pub fn now(&self, peer: &dyn Peer, old: &RawImage, new: &RawImage) -> Trial {
        self.attempt(peer, old, new)
            .unwrap_or_else(|e| Trial::bad(Status::Failed, format!("{e:#}")))
    }

    fn attempt(&self, peer: &dyn Peer, old: &RawImage, new: &RawImage) -> Result<Trial> {
        let dir = tempfile::tempdir()?;
        let (patch, back) = (dir.path().join("patch"), dir.path().join("back"));
        let diff = self.step(peer, "diff", [&old.path, &new.path, &patch])?;
        let bytes = fs::metadata(&patch).context("no patch was made")?.len();
        let apply = self.step(peer, "apply", [&old.path, &patch, &back]);
        let mut trial = Trial {
            status: Status::Ok,
            reason: None,
            bytes: Some(bytes),
            diff: Some(diff),
            apply: None,
        };
        let made = match apply {
            Ok(cost) => {
                trial.apply = Some(cost);
                fs::read(&back).context("nothing was written")
            }
            Err(e) => Err(e),
        };
        (trial.status, trial.reason) = match made {
            Err(e) => (Status::Failed, Some(format!("apply: {e:#}"))),
            Ok(made) => match difference(&made, &fs::read(&new.path)?) {
                None => (Status::Ok, None),
                Some(where_) => (Status::Wrong, Some(where_)),
            },
        };
        Ok(trial)
    }

    fn step(&self, peer: &dyn Peer, what: &str, files: [&PathBuf; 3]) -> Result<Cost> {
        let mut child = Command::new(&self.program);
        child.args(["peer", "--name", &name(peer), "--limit"]);
        child.arg(self.limit.as_secs().to_string());
        if let Some(file) = &self.described {
            child.arg("--peers-file").arg(file);
        }
        child.arg(what).args(files).stdin(Stdio::null());
        child.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child
            .spawn()
            .with_context(|| self.program.display().to_string())?;
        // The child ends its command in time; only a library can make it late.
        if child
            .wait_timeout(self.limit + Duration::from_secs(5))?
            .is_none()
        {
            child.kill()?;
            child.wait()?;
            bail!("{what}: not done after {} s", self.limit.as_secs());
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{what}: {} ({})", said.trim(), output.status);
        }
        serde_json::from_slice(&output.stdout).context("the child's figures")
    }
}

/// Writes beside and renames, so that nobody reads half an entry.
fn keep(entry: &Path, trial: &Trial) -> Result<()> {
    let dir = entry.parent().context("no folder")?;
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer(&mut file, trial)?;
    file.persist(entry)?;
    Ok(())
}

/// How `made` differs from `new`; `None` where it does not.
fn difference(made: &[u8], new: &[u8]) -> Option<String> {
    if made == new {
        return None;
    }
    let same = made.iter().zip(new).take_while(|(a, b)| a == b).count();
    Some(format!(
        "the applied patch gives {} bytes instead of {}, first wrong at {same}",
        made.len(),
        new.len()
    ))
}

/// The child's side: runs one step of `peer` and tells what it took.
pub fn step(peer: &dyn Peer, diff: bool, files: [&Path; 3], limit: Duration) -> Result<Cost> {
    command::set_limit(limit);
    let [first, second, made] = files;
    let started = Instant::now();
    let own_seconds = if diff {
        peer.diff(first, second, made)?
    } else {
        peer.apply(first, second, made)?;
        None
    };
    let seconds = started.elapsed().as_secs_f64();
    let (cpu_seconds, peak_bytes) = used();
    Ok(Cost {
        seconds,
        cpu_seconds,
        peak_bytes,
        own_seconds,
    })
}

/// Processor time and memory of the commands that this process has run, or of itself
/// where it has run none.
#[cfg(unix)]
pub(crate) fn used() -> (Option<f64>, Option<u64>) {
    use nix::sys::resource::{Usage, UsageWho, getrusage};
    let seconds = |usage: &Usage| {
        let microseconds =
            |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
        microseconds(usage.user_time()) + microseconds(usage.system_time())
    };
    // In KiB, but on macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let peak = |usage: &Usage| u64::try_from(usage.max_rss()).ok().map(|n| n * unit);
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
    if let Some(usage) = children.filter(|u| u.max_rss() > 0) {
        return (Some(seconds(&usage)), peak(&usage));
    }
    let own = getrusage(UsageWho::RUSAGE_SELF).ok();
    // What it counts for a process itself has in it what the one that started it had.
    let memory = peak_resident_bytes().or_else(|| own.as_ref().and_then(peak));
    (own.as_ref().map(seconds), memory)
}

#[cfg(not(unix))]
pub(crate) fn used() -> (Option<f64>, Option<u64>) {
    (None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told() {
        assert_eq!(difference(b"abc", b"abc"), None);
        let told = difference(b"abd", b"abcd").unwrap();
        assert!(
            told.contains("3 bytes instead of 4, first wrong at 2"),
            "{told}"
        );
    }

    #[test]
    fn a_kept_result_is_used_without_running_the_peer() {
        let dir = tempfile::tempdir().unwrap();
        let image = |digest: &str| RawImage {
            path: dir.path().join("absent"),
            sha256: digest.into(),
        };
        let trials = Trials {
            program: dir.path().join("absent"),
            described: None,
            store: dir.path().into(),
            limit: Duration::from_secs(1),
        };
        let kept = Trial {
            bytes: Some(7),
            status: Status::Ok,
            ..Trial::missing(&crate::peers::bsdiff::Bsdiff)
        };
        let entry = dir
            .path()
            .join(sha256_hex(b"bsdiff\n4.3\naa\nbb") + ".json");
        keep(&entry, &kept).unwrap();
        let peer = crate::peers::bsdiff::Bsdiff;
        assert_eq!(trials.kept(&peer, "4.3", &image("aa"), &image("bb")), kept);
        let other = trials.kept(&peer, "4.4", &image("aa"), &image("bb"));
        assert_eq!(other.status, Status::Failed);
    }
}

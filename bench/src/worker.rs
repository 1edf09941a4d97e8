//! Runs `measure` in a child process, once or several times beside a peer.
//!
//! Fed by `sizes`; hands back the child's figures, or its last words as the error.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};

use crate::detools::{Codec, Detools, PeerPatch, RawImage};
use crate::measure::Measured;
use crate::setting::Setting;

/// How to start a measuring child: this program, and the threads it may use.
pub struct Worker {
    /// The program that understands the hidden subcommand `measure`.
    pub program: PathBuf,
    /// Threads of one diff; all cores when absent.
    pub jobs: Option<usize>,
}

impl Worker {
    /// Measures one patch in a child process.
    pub fn measure(
        &self,
        (old, new): (&Path, &Path),
        setting: Setting,
        priors: Option<&Path>,
    ) -> Result<Measured> {
        let mut command = Command::new(&self.program);
        command.arg("measure");
        command.args(["--profile", setting.profile.name()]);
        command.args(["--level", setting.level.name()]);
        if let Some(jobs) = self.jobs {
            command.arg("--jobs").arg(jobs.to_string());
        }
        if let Some(dir) = priors {
            command.arg("--priors").arg(dir);
        }
        let child = command
            .args([old, new])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{}", self.program.display()))?;
        if !child.status.success() {
            let said = String::from_utf8_lossy(&child.stderr);
            return Err(anyhow!("{} ({})", said.trim(), child.status));
        }
        serde_json::from_slice(&child.stdout).context("the child's figures")
    }

    /// Measures one patch `times` times, a detools run with lzma after each, so that
    /// both meet the same machine. Times are medians, memory is the maximum.
    pub fn measure_beside(
        &self,
        detools: Option<&Detools>,
        files: (&Path, &Path),
        raw: (&RawImage, &RawImage),
        setting: Setting,
        priors: Option<&Path>,
        times: usize,
    ) -> Result<(Measured, Option<PeerPatch>)> {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..times.max(1) {
            ours.push(self.measure(files, setting, priors)?);
            if let Some(detools) = detools {
                theirs.push(detools.patch_now(Codec::Lzma, raw.0, raw.1)?);
            }
        }
        let mut measured = ours.last().cloned().context("no run")?;
        measured.encode_seconds = median(ours.iter().map(|m| m.encode_seconds));
        measured.decode_seconds = median(ours.iter().map(|m| m.decode_seconds));
        measured.peak_bytes = ours.iter().filter_map(|m| m.peak_bytes).max();
        let peer = theirs.last().map(|last| PeerPatch {
            bytes: last.bytes,
            wall_seconds: median(theirs.iter().map(|p| p.wall_seconds)),
            own_seconds: theirs
                .iter()
                .map(|p| p.own_seconds)
                .collect::<Option<Vec<f64>>>()
                .map(median),
        });
        Ok((measured, peer))
    }
}

/// The middle value; the lower of the two middle ones where there are two.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.0);
        assert_eq!(median([5.0]), 5.0);
        assert!(median([]).is_nan());
    }
}

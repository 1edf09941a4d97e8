//! Runs `measure` in a child process, once or several times beside a peer.
//!
//! Fed by `sizes`; hands back the child's figures, or its last words as the error.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};

use serde::Serialize;

use crate::measure::Measured;
use crate::peers::trial::{Status, Trial};
use crate::setting::Setting;

/// How to start a measuring child: this program, and the threads it may use.
pub struct Worker {
    /// The program that understands the hidden subcommand `measure`.
    pub program: PathBuf,
    /// Threads of one diff; all cores when absent.
    pub jobs: Option<usize>,
}

/// A peer's patch, timed beside ours.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Beside {
    /// Size of the patch file.
    pub bytes: u64,
    /// Wall time of the command.
    pub wall_seconds: f64,
    /// The time that the peer prints: the same without the start of its interpreter.
    pub own_seconds: Option<f64>,
}

impl Beside {
    fn of(trial: Trial) -> Result<Beside> {
        match (trial.status, trial.bytes, trial.diff) {
            (Status::Ok, Some(bytes), Some(cost)) => Ok(Beside {
                bytes,
                wall_seconds: cost.seconds,
                own_seconds: cost.own_seconds,
            }),
            _ => Err(anyhow!("the peer timed beside: {:?}", trial.reason)),
        }
    }
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

    /// Measures one patch `times` times, a run of the `peer` after each, so that both
    /// meet the same machine. Times are medians, memory is the maximum.
    pub fn measure_beside(
        &self,
        peer: Option<&dyn Fn() -> Trial>,
        files: (&Path, &Path),
        setting: Setting,
        priors: Option<&Path>,
        times: usize,
    ) -> Result<(Measured, Option<Beside>)> {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..times.max(1) {
            ours.push(self.measure(files, setting, priors)?);
            if let Some(peer) = peer {
                theirs.push(Beside::of(peer())?);
            }
        }
        let mut measured = ours.last().cloned().context("no run")?;
        measured.encode_seconds = median(ours.iter().map(|m| m.encode_seconds));
        measured.decode_seconds = median(ours.iter().map(|m| m.decode_seconds));
        measured.peak_bytes = ours.iter().filter_map(|m| m.peak_bytes).max();
        let peer = theirs.last().map(|last| Beside {
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

//! The long form of a measurement: one row per pair, tool and setting.
//!
//! Fed by `sizes`; written as CSV (`--runs FILE`) for `report`, records and scripts,
//! and read back by them. Deltamote's own patches are rows like the others: tool
//! `deltamote`, setting `PROFILE LEVEL`.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::corpus::product_of;
use crate::peers::Peer;
use crate::peers::trial::{Status, Trial};
use crate::sizes::Row;

/// Name of our own tool in the rows.
pub const DELTAMOTE: &str = "deltamote";

/// One row. Columns of the CSV file, in this order; a figure that was not measured is
/// empty.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Pair id.
    pub pair: String,
    /// Product: the pair's id up to the first `__`.
    pub product: String,
    /// Instruction set as the corpus names it.
    pub isa: String,
    /// Kind of step.
    pub kind: String,
    /// Size of the old raw image.
    pub old_bytes: u64,
    /// Size of the new raw image.
    pub new_bytes: u64,
    /// Tool that made the patch.
    pub tool: String,
    /// Its version; empty where it is not installed.
    pub version: String,
    /// Setting of the tool; empty where it has only one.
    pub setting: String,
    /// How it ended.
    pub status: Status,
    /// What is compared: the size of a peer's patch file, and of our payload.
    pub bytes: Option<u64>,
    /// The whole file. Ours has a manifest and a signature, which no peer has.
    pub file_bytes: Option<u64>,
    /// Wall time of making the patch. Of ours this includes its proof.
    pub diff_seconds: Option<f64>,
    /// Processor time of making it, all threads.
    pub diff_cpu_seconds: Option<f64>,
    /// Resident memory when making it, at most.
    pub diff_peak_bytes: Option<u64>,
    /// Wall time of applying it on this host.
    pub apply_seconds: Option<f64>,
    /// Processor time of applying it.
    pub apply_cpu_seconds: Option<f64>,
    /// Resident memory when applying it, at most.
    pub apply_peak_bytes: Option<u64>,
    /// Working RAM that the patch asks of a device (ours only).
    pub ram_bytes: Option<u64>,
    /// Binary decisions of the decoder (ours only).
    pub decisions: Option<u64>,
    /// Why the status is not `ok`.
    pub reason: Option<String>,
}

impl Run {
    /// Our own result.
    pub fn ours(row: &Row) -> Run {
        let ours = row.ours.as_ref();
        let setting = format!("{} {}", row.setting.profile.name(), row.setting.level);
        Run {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            setting,
            status: match row.failure {
                None => Status::Ok,
                Some(_) => Status::Failed,
            },
            bytes: ours.map(|o| o.payload_bytes),
            file_bytes: ours.map(|o| o.shipped_bytes),
            diff_seconds: ours.map(|o| o.encode_seconds),
            diff_peak_bytes: ours.and_then(|o| o.peak_bytes),
            apply_seconds: ours.map(|o| o.decode_seconds),
            ram_bytes: ours.map(|o| o.ram_bytes),
            decisions: ours.map(|o| o.decisions),
            reason: row.failure.clone(),
            ..Run::blank(row, DELTAMOTE)
        }
    }

    /// A peer's result on the pair of `row`.
    pub fn peer(row: &Row, peer: &dyn Peer, version: Option<&str>, t: &Trial) -> Run {
        let (diff, apply) = (t.diff.as_ref(), t.apply.as_ref());
        Run {
            version: version.unwrap_or_default().to_owned(),
            setting: peer.setting().to_owned(),
            status: t.status,
            bytes: t.bytes,
            file_bytes: t.bytes,
            diff_seconds: diff.map(|c| c.seconds),
            diff_cpu_seconds: diff.and_then(|c| c.cpu_seconds),
            diff_peak_bytes: diff.and_then(|c| c.peak_bytes),
            apply_seconds: apply.map(|c| c.seconds),
            apply_cpu_seconds: apply.and_then(|c| c.cpu_seconds),
            apply_peak_bytes: apply.and_then(|c| c.peak_bytes),
            reason: t.reason.clone(),
            ..Run::blank(row, peer.tool())
        }
    }

    fn blank(row: &Row, tool: &str) -> Run {
        Run {
            pair: row.pair.clone(),
            product: product_of(&row.pair).to_owned(),
            isa: row.isa.clone(),
            kind: row.kind.clone(),
            old_bytes: row.old_bytes,
            new_bytes: row.new_bytes,
            tool: tool.to_owned(),
            version: String::new(),
            setting: String::new(),
            status: Status::Ok,
            bytes: None,
            file_bytes: None,
            diff_seconds: None,
            diff_cpu_seconds: None,
            diff_peak_bytes: None,
            apply_seconds: None,
            apply_cpu_seconds: None,
            apply_peak_bytes: None,
            ram_bytes: None,
            decisions: None,
            reason: None,
        }
    }

    /// The size that counts: that of a patch which gave the new image back.
    pub fn good_bytes(&self) -> Option<u64> {
        self.bytes.filter(|_| self.status == Status::Ok)
    }

    /// Tool and setting in one word, as `--peers` has it.
    pub fn name(&self) -> String {
        match self.setting.as_str() {
            "" => self.tool.clone(),
            setting => format!("{}-{setting}", self.tool),
        }
    }
}

/// Writes `runs` as CSV.
pub fn write(path: &Path, runs: &[Run]) -> Result<()> {
    let mut writer = csv::Writer::from_path(path).with_context(|| path.display().to_string())?;
    for run in runs {
        writer.serialize(run)?;
    }
    writer.flush().with_context(|| path.display().to_string())
}

/// Reads what [`write()`] wrote.
pub fn read(path: &Path) -> Result<Vec<Run>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    let rows = reader.deserialize().collect::<Result<Vec<Run>, _>>();
    rows.with_context(|| path.display().to_string())
}

//! Where our payload bytes go: one row per pair, setting and kind.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::sizes::Row;

/// One row of `kinds.csv`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Kind {
    /// Pair id.
    pub pair: String,
    /// Instruction set as the corpus names it.
    pub isa: String,
    /// `PROFILE LEVEL`.
    pub setting: String,
    /// Name of the kind, as `inspect` has it.
    pub kind: String,
    /// Payload bytes.
    pub bytes: u64,
}

/// The rows of all patches that were made.
pub fn of(rows: &[Row]) -> Vec<Kind> {
    let kinds = |row: &Row| -> Vec<Kind> {
        let ours = row.ours.iter().flat_map(|o| &o.breakdown);
        ours.map(|(kind, &bytes)| Kind {
            pair: row.pair.clone(),
            isa: row.isa.clone(),
            setting: format!("{} {}", row.setting.profile.name(), row.setting.level),
            kind: kind.clone(),
            bytes,
        })
        .collect()
    };
    rows.iter().flat_map(kinds).collect()
}

/// Writes `kinds` as CSV.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, kinds: &[Kind]) -> Result<()> {
    let mut writer = csv::Writer::from_path(path).with_context(|| path.display().to_string())?;
    for kind in kinds {
        writer.serialize(kind)?;
    }
    writer.flush().with_context(|| path.display().to_string())
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The file is absent or has other columns.
pub fn read(path: &Path) -> Result<Vec<Kind>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    let rows = reader.deserialize().collect::<Result<Vec<Kind>, _>>();
    rows.with_context(|| path.display().to_string())
}

//! What peers and the research prototype reached, pair by pair.
//!
//! Fed by `targets.tsv`; feeds the ratio columns and the summary.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::tsv::Table;

/// One row of the table: bytes, all for the same pair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Target {
    /// Tool and setting with the smallest patch.
    pub best_peer: String,
    /// Its bytes.
    pub best_peer_bytes: u64,
    /// The smallest that a microcontroller can apply today.
    pub best_mcu_peer_bytes: u64,
    /// detools with lzma, as measured when the table was made.
    pub detools_lzma_bytes: Option<u64>,
    /// detools with heatshrink, likewise.
    pub detools_heatshrink_bytes: Option<u64>,
    /// The prototype at 16 KiB of decoder state.
    pub research_16k: Option<u64>,
}

/// Reads a table of targets, keyed by pair id.
pub fn read(path: &Path) -> Result<HashMap<String, Target>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    parse(&text).with_context(|| format!("{}", path.display()))
}

fn parse(text: &str) -> Result<HashMap<String, Target>> {
    let table = Table::parse(text)?;
    let target = |row: crate::tsv::Row| -> Result<(String, Target)> {
        let target = Target {
            best_peer: row.text("best_peer")?.to_owned(),
            best_peer_bytes: row.number("best_peer_bytes")?,
            best_mcu_peer_bytes: row.number("best_mcu_peer_bytes")?,
            detools_lzma_bytes: row.measured("detools_lzma_bytes")?,
            detools_heatshrink_bytes: row.measured("detools_heatshrink_bytes")?,
            research_16k: row.measured("research_16k")?,
        };
        Ok((row.text("pair")?.to_owned(), target))
    };
    table.rows().map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmeasured_figures_are_none() {
        let text = "pair\tbest_peer\tbest_peer_bytes\tbest_mcu_peer_bytes\tdetools_lzma_bytes\tdetools_heatshrink_bytes\tresearch_16k\n\
            a__1__2\thdiffz\t100\t120\t130\t-\t-\n";
        let targets = parse(text).unwrap();
        let a = &targets["a__1__2"];
        assert_eq!((a.best_peer.as_str(), a.best_peer_bytes), ("hdiffz", 100));
        assert_eq!(a.detools_lzma_bytes, Some(130));
        assert_eq!((a.detools_heatshrink_bytes, a.research_16k), (None, None));
    }
}

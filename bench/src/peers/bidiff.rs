//! bidiff: bsdiff's algorithm with a compact control stream; zstd outside, as its own
//! command does it.

use std::io::{Cursor, Read};

use anyhow::Result;

use crate::peers::linked::Library;
use crate::peers::zstd;

/// bidiff, then zstd at its highest level.
pub struct BidiffZstd;

impl Library for BidiffZstd {
    const TOOL: &'static str = "bidiff";
    const CRATES: &'static [&'static str] = &["bidiff", "zstd"];

    fn setting(&self) -> &str {
        "zstd"
    }

    fn diff(&self, old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
        let mut control = Vec::new();
        ::bidiff::simple_diff(old, new, &mut control)?;
        zstd::compress(&control)
    }

    fn apply(&self, old: &[u8], patch: &[u8]) -> Result<Vec<u8>> {
        let control = zstd::decompress(patch)?;
        let mut reader = bipatch::Reader::new(control.as_slice(), Cursor::new(old))?;
        let mut new = Vec::new();
        reader.read_to_end(&mut new)?;
        Ok(new)
    }
}

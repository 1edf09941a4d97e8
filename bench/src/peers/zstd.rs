//! zstd with the old image as the prefix: what `zstd --patch-from` does; and the plain
//! zstd that other peers put around their streams.

use std::io::{Read, Write};

use anyhow::Result;
use zstd::{Decoder, Encoder};

use crate::peers::linked::Library;

/// The highest level, `--ultra -22`.
const LEVEL: i32 = 22;

/// Bounds of the window: what zstd takes as a logarithm.
const WINDOW_LOG: std::ops::RangeInclusive<u32> = 10..=31;

/// `zstd --ultra -22 --patch-from`.
pub struct PatchFrom;

impl Library for PatchFrom {
    const TOOL: &'static str = "zstd";
    const CRATES: &'static [&'static str] = &["zstd", "zstd-sys"];

    fn setting(&self) -> &str {
        "patch-from"
    }

    fn diff(&self, old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
        let mut encoder = Encoder::with_ref_prefix(Vec::new(), LEVEL, old)?;
        encoder.window_log(window_log(old.len().saturating_add(new.len())))?;
        encoder.long_distance_matching(true)?;
        encoder.include_checksum(false)?;
        encoder.set_pledged_src_size(Some(new.len() as u64))?;
        encoder.write_all(new)?;
        Ok(encoder.finish()?)
    }

    fn apply(&self, old: &[u8], patch: &[u8]) -> Result<Vec<u8>> {
        let mut decoder = Decoder::with_ref_prefix(patch, old)?;
        decoder.window_log_max(*WINDOW_LOG.end())?;
        let mut new = Vec::new();
        decoder.read_to_end(&mut new)?;
        Ok(new)
    }
}

/// `bytes` alone, at the highest level.
pub fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(zstd::bulk::compress(bytes, LEVEL)?)
}

/// What [`compress`] was given.
pub fn decompress(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(zstd::decode_all(bytes)?)
}

/// The smallest window that reaches over `bytes`.
fn window_log(bytes: usize) -> u32 {
    let log = usize::BITS - bytes.leading_zeros();
    log.clamp(*WINDOW_LOG.start(), *WINDOW_LOG.end())
}

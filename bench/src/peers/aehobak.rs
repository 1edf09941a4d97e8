//! aehobak: bsdiff patches in a byte-oriented form made for fast application.

use anyhow::Result;

use crate::peers::linked::Library;
use crate::peers::zstd;

/// The largest new image: that of our own format.
const MOST_BYTES: usize = 512 << 20;

/// As it is, or with zstd outside: the form itself is not compressed.
pub struct Aehobak {
    /// Whether zstd follows.
    pub zstd: bool,
}

impl Library for Aehobak {
    const TOOL: &'static str = "aehobak";
    const CRATES: &'static [&'static str] = &["aehobak", "zstd"];

    fn setting(&self) -> &str {
        if self.zstd { "zstd" } else { "plain" }
    }

    fn diff(&self, old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
        let mut patch = Vec::new();
        aehobak::diff(old, new, &mut patch)?;
        if self.zstd {
            zstd::compress(&patch)
        } else {
            Ok(patch)
        }
    }

    fn apply(&self, old: &[u8], patch: &[u8]) -> Result<Vec<u8>> {
        // The form does not state the size, and its decoder stops at the capacity.
        // Address space, not memory.
        let mut new = Vec::with_capacity(MOST_BYTES);
        if self.zstd {
            aehobak::patch(old, &zstd::decompress(patch)?, &mut new)?;
        } else {
            aehobak::patch(old, patch, &mut new)?;
        }
        Ok(new)
    }
}

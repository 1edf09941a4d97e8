//! qbsdiff: bsdiff 4 in Rust, bzip2 inside.

use anyhow::Result;
use qbsdiff::{Bsdiff, Bspatch, ParallelScheme};

use crate::peers::linked::Library;

/// At its best compression, one thread: a patch that depended on the number of cores
/// could not be compared.
pub struct Qbsdiff;

impl Library for Qbsdiff {
    const TOOL: &'static str = "qbsdiff";
    const CRATES: &'static [&'static str] = &["qbsdiff"];

    fn diff(&self, old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
        let mut patch = Vec::new();
        Bsdiff::new(old, new)
            .parallel_scheme(ParallelScheme::Never)
            .compression_level(9)
            .compare(&mut patch)?;
        Ok(patch)
    }

    fn apply(&self, old: &[u8], patch: &[u8]) -> Result<Vec<u8>> {
        let mut new = Vec::new();
        Bspatch::new(patch)?.apply(old, &mut new)?;
        Ok(new)
    }
}

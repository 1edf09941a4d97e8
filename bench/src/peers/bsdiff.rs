//! bsdiff 4, the classic: the commands `bsdiff` and `bspatch`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::peers::{Peer, command};

/// The installed commands.
pub struct Bsdiff;

impl Peer for Bsdiff {
    fn tool(&self) -> &str {
        "bsdiff"
    }

    fn version(&self) -> Option<String> {
        command::digest("bsdiff")
    }

    fn install(&self) -> &str {
        "apt-get install bsdiff"
    }

    fn diff(&self, old: &Path, new: &Path, patch: &Path) -> Result<Option<f64>> {
        command::run(Command::new("bsdiff").args([old, new, patch]))?;
        Ok(None)
    }

    fn apply(&self, old: &Path, patch: &Path, back: &Path) -> Result<()> {
        command::run(Command::new("bspatch").args([old, back, patch]))?;
        Ok(())
    }
}

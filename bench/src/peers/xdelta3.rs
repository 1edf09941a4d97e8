//! xdelta3: VCDIFF with secondary compression, at its highest level.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::peers::{Peer, command};

/// The installed command.
pub struct Xdelta3;

impl Peer for Xdelta3 {
    fn tool(&self) -> &str {
        "xdelta3"
    }

    fn version(&self) -> Option<String> {
        let said = command::said(Command::new("xdelta3").arg("-V"))?;
        let (_, rest) = said.split_once("version ")?;
        let version = rest.split([',', ' ', '\n']).next()?;
        Some(version.to_owned())
    }

    fn install(&self) -> &str {
        "apt-get install xdelta3"
    }

    fn diff(&self, old: &Path, new: &Path, patch: &Path) -> Result<Option<f64>> {
        let encode = ["-e", "-9", "-f", "-s"];
        command::run(Command::new("xdelta3").args(encode).args([old, new, patch]))?;
        Ok(None)
    }

    fn apply(&self, old: &Path, patch: &Path, back: &Path) -> Result<()> {
        let decode = ["-d", "-f", "-s"];
        command::run(
            Command::new("xdelta3")
                .args(decode)
                .args([old, patch, back]),
        )?;
        Ok(())
    }
}

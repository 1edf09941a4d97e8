//! The tools that Deltamote is measured beside: one trait, one small file per tool.
//!
//! Fed by `sizes` (and by whatever else compares) with images on disk; `trial` runs a
//! peer in a process of its own, applies what it made and compares. To add a peer,
//! write a file like `bsdiff.rs` and list it in [`known`]; a user's own needs two
//! command lines in a TOML file (`described`).

pub mod aehobak;
pub mod bidiff;
pub mod bsdiff;
pub mod command;
pub mod described;
pub mod detools;
pub mod linked;
pub mod own;
pub mod qbsdiff;
pub mod trial;
pub mod xdelta3;
pub mod zstd;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, bail};

/// A tool in one setting that makes a patch from two files and applies it again.
pub trait Peer: Send + Sync {
    /// The tool, e.g. `detools`.
    fn tool(&self) -> &str;

    /// What distinguishes this way of using the tool, e.g. `heatshrink`; empty where
    /// there is only one.
    fn setting(&self) -> &str {
        ""
    }

    /// Version of the tool, or `None` where it is not installed.
    fn version(&self) -> Option<String>;

    /// The line that installs it.
    fn install(&self) -> &str;

    /// Whether this setting is meant for images of `isa` (as the corpus names it).
    fn suits(&self, _isa: &str) -> bool {
        true
    }

    /// Makes the file `patch` from `old` to `new`. Returns the seconds that the tool
    /// itself claims to have taken, where it tells.
    fn diff(&self, old: &Path, new: &Path, patch: &Path) -> Result<Option<f64>>;

    /// Makes the file `back` from `old` and `patch`.
    fn apply(&self, old: &Path, patch: &Path, back: &Path) -> Result<()>;
}

/// A raw image in a file, with its digest.
pub struct RawImage {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// Name of a peer on the command line: tool and setting.
pub fn name(peer: &dyn Peer) -> String {
    match peer.setting() {
        "" => peer.tool().to_owned(),
        setting => format!("{}-{setting}", peer.tool()),
    }
}

/// Every peer this program knows, installed or not.
pub fn known() -> Vec<Box<dyn Peer>> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    for setting in detools::SETTINGS {
        peers.push(Box::new(detools::Detools(setting)));
    }
    peers.push(Box::new(bsdiff::Bsdiff));
    peers.push(Box::new(xdelta3::Xdelta3));
    peers.push(Box::new(linked::Linked(qbsdiff::Qbsdiff)));
    peers.push(Box::new(linked::Linked(bidiff::BidiffZstd)));
    peers.push(Box::new(linked::Linked(aehobak::Aehobak { zstd: false })));
    peers.push(Box::new(linked::Linked(aehobak::Aehobak { zstd: true })));
    peers.push(Box::new(linked::Linked(zstd::PatchFrom)));
    peers
}

/// Which peers a run is to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// All known ones and those described in a file.
    All,
    /// None.
    None,
    /// Those of these names; the name of a tool stands for all its settings.
    Named(Vec<String>),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Wanted, String> {
        Ok(match text {
            "all" => Wanted::All,
            "none" => Wanted::None,
            "" => return Err("all, none, or names with commas between".to_owned()),
            names => Wanted::Named(names.split(',').map(str::to_owned).collect()),
        })
    }
}

impl Wanted {
    /// The peers of `peers` that are wanted; a name that nobody bears is an error.
    pub fn of(&self, mut peers: Vec<Box<dyn Peer>>) -> Result<Vec<Box<dyn Peer>>> {
        match self {
            Wanted::All => {}
            Wanted::None => peers.clear(),
            Wanted::Named(names) => {
                let bears = |peer: &dyn Peer, n: &String| *n == name(peer) || n == peer.tool();
                for wanted in names {
                    if !peers.iter().any(|p| bears(p.as_ref(), wanted)) {
                        let all: Vec<String> = peers.iter().map(|p| name(p.as_ref())).collect();
                        bail!("no peer {wanted:?}; there are {}", all.join(", "));
                    }
                }
                peers.retain(|peer| names.iter().any(|n| bears(peer.as_ref(), n)));
            }
        }
        Ok(peers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Vec<String> {
        let peers = text.parse::<Wanted>().unwrap().of(known()).unwrap();
        peers.iter().map(|p| name(p.as_ref())).collect()
    }

    #[test]
    fn names_are_unique_and_choose() {
        let mut all = chosen("all");
        assert_eq!(chosen("none").len(), 0);
        assert_eq!(chosen("xdelta3,detools-lzma"), ["detools-lzma", "xdelta3"]);
        assert_eq!(chosen("detools").len(), detools::SETTINGS.len());
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!("nobody".parse::<Wanted>().unwrap().of(known()).is_err());
    }
}

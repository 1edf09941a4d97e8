//! RAM in all of updates that do more in software than check an Ed25519 signature.
//!
//! Fed with one pair; each kind of work takes the whole update on the emulated Cortex-M4 in
//! profile small. What comes out is held to what the engine tells its users
//! ([`deltamote_engine::ram`]): it must not be less than was measured, nor much more.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use deltamote_engine::encrypt::{EncryptTo, Secret};
use deltamote_engine::keys::{self, Height, RecipientKey, Scheme, Sign};
use deltamote_engine::ram::Work;
use deltamote_engine::{DiffOptions, NoProgress};
use deltamote_format::Profile;

use super::board::Board;
use super::{Files, Present, firmware, update};

/// What an update took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Total {
    /// The work.
    pub name: &'static str,
    /// Highest stack.
    pub stack_bytes: u64,
    /// Workspace and stack.
    pub ram_bytes: u64,
    /// The stack that the engine says.
    pub said_bytes: u64,
}

/// Bytes of stack that the engine may say too much.
const SLACK: u64 = 512;

impl Total {
    /// What is wrong with what the engine says, if anything is.
    pub(super) fn complaint(&self) -> Option<String> {
        let (took, said) = (self.stack_bytes, self.said_bytes);
        (took > said || took + SLACK < said).then(|| {
            let name = self.name;
            format!("m4 small: stack with {name} {took}, engine/src/ram.rs says {said}")
        })
    }
}

/// Work, its name, and the features of its firmware.
const KINDS: [(Work, &str, &[&str]); 3] = [
    (
        Work::Signature(Scheme::Ed25519),
        "Ed25519",
        &["ed25519", "thumb"],
    ),
    (
        Work::Signature(Scheme::P256),
        "P-256",
        // The demo has its Ed25519 in any case; which of them is used is by the key.
        &["ed25519", "p256", "thumb"],
    ),
    (
        Work::ContentKey,
        "Ed25519, HPKE and X25519",
        &["ed25519", "thumb", "x25519"],
    ),
];

pub(super) fn measure(pair: &Present, work: &Path) -> Result<Vec<Total>> {
    let one = |&(kind, name, features): &(Work, &'static str, &[&str])| {
        let demo = firmware::build(Board::M4, Profile::Small, "demo", features, work)?;
        let files = files(pair, kind)?;
        let said = update::run(Board::M4, &demo, &files)
            .with_context(|| name.to_owned())?
            .said;
        ensure!(said.workspace_bytes + said.stack_bytes == said.ram_bytes);
        Ok(Total {
            name,
            stack_bytes: said.stack_bytes,
            ram_bytes: said.ram_bytes,
            said_bytes: kind.stack_bytes(),
        })
    };
    KINDS.iter().map(one).collect()
}

/// The pair's images and a patch that wants `work` done.
fn files(pair: &Present, work: Work) -> Result<Files> {
    let (old, new) = pair.images()?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("secret");
    let (scheme, encrypted) = match work {
        Work::Signature(scheme) => (scheme, false),
        Work::ContentKey => (Scheme::Ed25519, true),
    };
    keys::generate(&path, scheme, Height::H5)?;
    let secret = keys::read_secret(&path)?.key;
    let recipient = RecipientKey::new([0x33; 32].into()).context("a key")?;
    let seed = [0x44; 32];
    let options = DiffOptions {
        encrypt_to: encrypted.then(|| EncryptTo::derived(recipient.public(), Secret::Seed, &seed)),
        ..Default::default()
    };
    let signer: &dyn Sign = &secret;
    let patch = deltamote_engine::diff(&old, &new, &options, Some(signer), &NoProgress)?;
    Ok(Files {
        old: old.bytes().to_vec(),
        new: new.bytes().to_vec(),
        patch: patch.bytes,
        key: secret.public().bytes.clone(),
        recipient: [[0x33; 32], recipient.public()].concat(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_and_far_too_much_are_told() {
        let total = |stack_bytes| Total {
            name: "P-256",
            stack_bytes,
            ram_bytes: 0,
            said_bytes: 7000,
        };
        let told = [7001, 7000, 6488, 6487].map(|n| total(n).complaint().is_some());
        assert_eq!(told, [true, false, false, true]);
    }
}

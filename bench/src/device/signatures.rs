//! What checking one signature takes on a Cortex-M4: text, stack, instructions.
//!
//! Text is a difference of two linked programs (`footprint`); stack and instructions are
//! those of the program `signature`, which checks one on the emulated board. Nothing else
//! is linked there, so the stack is that of the scheme and not of the update around it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use deltamote_engine::keys::{self, Height, Scheme, Sign};
use deltamote_format::Profile;
use serde::{Deserialize, Serialize};

use super::board::Board;
use super::firmware::build;
use super::text::linked;
use super::update::boot;

/// What the check of one signature takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Checked {
    /// The scheme, or the two that are checked one after the other.
    pub name: &'static str,
    /// Bytes of the public key, or of both.
    pub key_bytes: usize,
    /// Bytes of the signature, or of both.
    pub signature_bytes: usize,
    /// Bytes that the scheme adds to a patcher without any.
    pub text_bytes: i64,
    /// Highest stack of the check; of two, the higher one.
    pub stack_bytes: u64,
    /// Instructions; of two, the sum.
    pub insns: u64,
    /// Whether the linker saw that no panic can be reached. Of the crates p256 and ml-dsa
    /// it cannot: programs with them are linked with a panic that does nothing.
    pub no_panic: bool,
}

/// A scheme by its feature.
struct Kind {
    name: &'static str,
    feature: &'static str,
    scheme: Scheme,
    no_panic: bool,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "Ed25519",
        feature: "ed25519",
        scheme: Scheme::Ed25519,
        no_panic: true,
    },
    Kind {
        name: "P-256",
        feature: "p256",
        scheme: Scheme::P256,
        no_panic: false,
    },
    Kind {
        name: "LMS, SHA-256/192, 1024 signatures",
        feature: "lms",
        scheme: Scheme::Lms,
        no_panic: true,
    },
    Kind {
        name: "ML-DSA-65",
        feature: "ml-dsa",
        scheme: Scheme::MlDsa65,
        no_panic: false,
    },
];

/// Two at once, as a policy wants them: a classical one and another, by their places above.
const TWO: [(&str, usize, usize); 2] = [("Ed25519 and LMS", 0, 2), ("Ed25519 and ML-DSA-65", 0, 3)];

/// Bytes that are signed: about those of a manifest.
const MESSAGE: [u8; 150] = [7; 150];

/// What the firmware says.
#[derive(Deserialize)]
struct Said {
    stack_bytes: u64,
    stack_room_bytes: u64,
    insns_signature: u64,
}

pub(super) fn measure(work: &Path) -> Result<Vec<Checked>> {
    let text = |features: &[&str]| {
        let all = [&["patcher", "thumb"], features].concat();
        Ok::<_, anyhow::Error>(linked(Board::M4, Profile::Small, &all, work)?.text as i64)
    };
    let base = text(&[])?;
    let mut out = Vec::new();
    for kind in &KINDS {
        let text_bytes = text(&[kind.feature])? - base;
        let checked = check(kind, text_bytes, work).with_context(|| kind.name.to_owned())?;
        out.push(checked);
    }
    for (name, first, second) in TWO {
        let (a, b) = (&out[first], &out[second]);
        let both = Checked {
            name,
            key_bytes: a.key_bytes + b.key_bytes,
            signature_bytes: a.signature_bytes + b.signature_bytes,
            text_bytes: text(&[KINDS[first].feature, KINDS[second].feature])? - base,
            stack_bytes: a.stack_bytes.max(b.stack_bytes),
            insns: a.insns + b.insns,
            no_panic: a.no_panic && b.no_panic,
        };
        out.push(both);
    }
    Ok(out)
}

fn check(kind: &Kind, text_bytes: i64, work: &Path) -> Result<Checked> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("secret");
    keys::generate(&path, kind.scheme, Height::H10)?;
    let secret = keys::read_secret(&path)?.key;
    let signature = secret.sign(0, &MESSAGE)?;
    let key = &secret.public().bytes;
    let flash = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| fs::write(flash.path().join(name), bytes);
    write("key.bin", key)?;
    write("message.bin", &MESSAGE)?;
    write("signature.bin", &signature)?;
    let firmware = build(
        Board::M4,
        Profile::Small,
        "signature",
        &[kind.feature],
        work,
    )?;
    let output = boot(flash.path(), Board::M4, &firmware, &[])?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(output.status.success(), "{}: {said}", output.status);
    let line = said.lines().find(|l| l.starts_with('{'));
    let said: Said = serde_json::from_str(line.context("no figures")?)?;
    ensure!(
        said.stack_bytes < said.stack_room_bytes,
        "the stack went deeper than it is painted"
    );
    // The check is alive: of a changed message the signature does not hold.
    write("message.bin", &[8; MESSAGE.len()])?;
    let output = boot(flash.path(), Board::M4, &firmware, &[])?;
    ensure!(
        output.status.code() == Some(1),
        "a changed message was accepted"
    );
    Ok(Checked {
        name: kind.name,
        key_bytes: key.len(),
        signature_bytes: signature.len(),
        text_bytes,
        stack_bytes: said.stack_bytes,
        insns: said.insns_signature,
        no_panic: kind.no_panic,
    })
}

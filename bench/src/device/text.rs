//! What the patcher takes of a firmware's flash: linked with and without it, and subtracted.
//!
//! The program is `footprint` of the demo: start code, a flash driver, memory functions,
//! and the patcher where it is asked for. SHA-256 is taken off by its symbols, which are
//! functions of their own; everything else is a difference of two linked files.

use std::path::Path;

use anyhow::Result;
use deltamote_format::Profile;
use serde::Serialize;

use super::board::Board;
use super::firmware::{Sizes, build, sizes};

/// Flash that the patcher takes on one board in one profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text {
    /// Decode, journal, resume; without SHA-256, Ed25519 and trained state.
    pub patcher: u64,
    /// With SHA-256 and Ed25519.
    pub with_crypto: u64,
    /// The trained initial state.
    pub prior: u64,
}

/// What one feature costs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Part {
    /// The feature, in words.
    pub name: &'static str,
    /// Bytes of text that it adds.
    pub bytes: i64,
}

pub(super) fn linked(
    board: Board,
    profile: Profile,
    features: &[&str],
    work: &Path,
) -> Result<Sizes> {
    sizes(&build(board, profile, "footprint", features, work)?)
}

pub(super) fn measure(board: Board, profile: Profile, work: &Path) -> Result<Text> {
    let linked = |features: &[&str]| linked(board, profile, features, work);
    let empty = linked(&[])?;
    let patcher = linked(&["patcher", "thumb"])?;
    let signed = linked(&["patcher", "thumb", "ed25519"])?;
    let trained = linked(&["patcher", "thumb", "prior"])?;
    Ok(Text {
        patcher: patcher.text - patcher.sha256 - empty.text,
        with_crypto: signed.text - empty.text,
        prior: trained.text - patcher.text,
    })
}

/// Features of the footprint program, in words, as additions to a patcher for Thumb that has
/// the other features given.
const PARTS: [(&str, &[&str], &[&str]); 14] = [
    ("Ed25519 verification", &["ed25519"], &[]),
    ("trained initial state", &["prior"], &[]),
    ("patches with two signatures", &["two-signatures"], &[]),
    (
        "keys from a key set, beside Ed25519",
        &["key-sets"],
        &["ed25519"],
    ),
    (
        "flash whose geometry is not a constant of its driver",
        &["any-geometry"],
        &[],
    ),
    ("instruction set A32", &["a32"], &[]),
    ("instruction set AArch64", &["aarch64"], &[]),
    ("instruction set RISC-V", &["riscv"], &[]),
    ("instruction set Xtensa", &["xtensa"], &[]),
    ("instruction set AVR", &["avr"], &[]),
    ("instruction set 8051", &["i8051"], &[]),
    ("all instruction sets", &["all-isas"], &[]),
    (
        "encrypted payloads, key from a secure element",
        &["encryption"],
        &[],
    ),
    (
        "encrypted payloads, HPKE and X25519 in software",
        &["x25519"],
        &[],
    ),
];

/// What each feature costs, on Cortex-M4 in profile small.
pub(super) fn parts(work: &Path) -> Result<Vec<Part>> {
    let linked = |features: &[&str]| linked(Board::M4, Profile::Small, features, work);
    let patcher = |others: &[&str]| linked(&[&["patcher", "thumb"], others].concat());
    let base = patcher(&[])?;
    let difference = |with: Sizes, without: Sizes| with.text as i64 - without.text as i64;
    let mut parts = vec![
        Part {
            name: "decode, journal, resume (Thumb only)",
            bytes: difference(base, linked(&[])?) - base.sha256 as i64,
        },
        Part {
            name: "SHA-256 (compact)",
            bytes: base.sha256 as i64,
        },
        Part {
            name: "of the first line: references of Thumb",
            bytes: difference(base, linked(&["patcher"])?),
        },
    ];
    for (name, features, others) in PARTS {
        let bytes = difference(patcher(&[features, others].concat())?, patcher(others)?);
        parts.push(Part { name, bytes });
    }
    Ok(parts)
}

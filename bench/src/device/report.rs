//! The rows as JSON and as tables, and the bars that they are held to.

use std::fmt::Write;

use deltamote_format::Profile;
use serde::Serialize;

use super::Results;
use super::board::Board;
use super::text::Text;
use super::update::Update;
use crate::corpus::Pair;

/// What one update on one board took.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Name of the board.
    pub board: &'static str,
    /// Name of the profile.
    pub profile: &'static str,
    /// Text of the patcher (decode, journal, resume): no crypto, no trained state.
    pub text_bytes: u64,
    /// Text in all with SHA-256 and Ed25519, without the trained state.
    pub text_with_crypto_bytes: u64,
    /// The trained initial state.
    pub prior_bytes: u64,
    /// The workspace.
    pub workspace_bytes: u64,
    /// Highest stack of the whole update, the `Patcher` on it included.
    pub stack_bytes: u64,
    /// Of it: the `Patcher`.
    pub patcher_bytes: u64,
    /// Workspace and stack.
    pub ram_bytes: u64,
    /// Instructions per byte of the new image for decoding and writing it.
    pub insns_per_byte: f64,
    /// Instructions per byte of both images for their digests.
    pub hash_insns_per_byte: f64,
    /// Instructions of the signature check.
    pub signature_insns: u64,
    /// Instructions of the whole update.
    pub total_insns: u64,
    /// Blocks of the slot and of the journal that were erased.
    pub flash_erases: u64,
    /// Programs of the slot and of the journal.
    pub flash_writes: u64,
    /// Pair id.
    pub pair: String,
    /// Kind of step.
    pub kind: String,
    /// Bytes of the patch.
    pub patch_bytes: u64,
    /// Bytes of the new image.
    pub new_bytes: u64,
    /// Power cuts that the update survived on the board, where that was tried.
    pub resets: Option<u64>,
}

impl Measured {
    pub(super) fn new(
        board: Board,
        profile: Profile,
        pair: &Pair,
        text: &Text,
        update: &Update,
    ) -> Measured {
        let said = &update.said;
        // Opening is the envelope, the signature and the digest of the old image; the end
        // is the digest of the new one.
        let hashing = said.insns_open.saturating_sub(said.insns_signature) + said.insns_finish;
        let hashed = pair.old_bytes + said.new_bytes;
        Measured {
            board: board.name(),
            profile: profile.name(),
            text_bytes: text.patcher,
            text_with_crypto_bytes: text.with_crypto,
            prior_bytes: text.prior,
            workspace_bytes: said.workspace_bytes,
            stack_bytes: said.stack_bytes,
            patcher_bytes: said.patcher_bytes,
            ram_bytes: said.ram_bytes,
            insns_per_byte: per(said.insns_decode, said.new_bytes),
            hash_insns_per_byte: per(hashing, hashed),
            signature_insns: said.insns_signature,
            total_insns: said.insns_open + said.insns_decode + said.insns_finish,
            flash_erases: said.slot_erases + said.journal_erases,
            flash_writes: said.slot_programs + said.journal_programs,
            pair: pair.id.clone(),
            kind: pair.kind.clone(),
            patch_bytes: update.patch_bytes,
            new_bytes: said.new_bytes,
            resets: None,
        }
    }
}

/// To a tenth.
fn per(count: u64, of: u64) -> f64 {
    (count as f64 * 10.0 / of.max(1) as f64).round() / 10.0
}

/// Bytes of a bar: RAM by profile.
fn ram_bar(profile: &str) -> u64 {
    if profile == Profile::Tiny.name() {
        10 << 10
    } else {
        16 << 10
    }
}

/// Bars for text, and for instructions per byte by kind of step.
const TEXT_BAR: u64 = 18 << 10;
const CRYPTO_BAR: u64 = 38 << 10;
const INSN_BARS: [(&str, f64); 2] = [("patch", 250.0), ("major", 2000.0)];

/// Mean instructions per byte over the M4 rows in profile small of `kind`.
fn mean(results: &Results, kind: &str) -> Option<(usize, f64)> {
    let values: Vec<f64> = results
        .rows
        .iter()
        .filter(|r| r.kind == kind && r.board == "m4" && r.profile == "small")
        .map(|r| r.insns_per_byte)
        .collect();
    let n = values.len();
    (n > 0).then(|| (n, values.iter().sum::<f64>() / n as f64))
}

/// Bars that do not hold, one line each.
pub fn failures(results: &Results) -> Vec<String> {
    let mut out = Vec::new();
    for r in &results.rows {
        let bar = ram_bar(r.profile);
        if r.ram_bytes > bar {
            out.push(format!(
                "{} {}: RAM {} of {bar}",
                r.board, r.profile, r.ram_bytes
            ));
        }
        if r.board == "m4" && r.text_bytes > TEXT_BAR {
            out.push(format!(
                "m4 {}: text {} of {TEXT_BAR}",
                r.profile, r.text_bytes
            ));
        }
        if r.board == "m4" && r.text_with_crypto_bytes > CRYPTO_BAR {
            let bytes = r.text_with_crypto_bytes;
            out.push(format!(
                "m4 {}: text with crypto {bytes} of {CRYPTO_BAR}",
                r.profile
            ));
        }
    }
    out.sort();
    out.dedup();
    out
}

/// Tables for people.
pub fn text(results: &Results) -> String {
    let mut out = String::from(
        "| board | profile | text | with crypto | trained state | RAM in all | bar | workspace | stack | decode, insns per byte | digests, insns per byte | signature, insns | erases | writes | cuts survived | pair |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for r in &results.rows {
        let resets = r.resets.map_or("-".to_owned(), |n| n.to_string());
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {resets} | {} |",
            r.board,
            r.profile,
            r.text_bytes,
            r.text_with_crypto_bytes,
            r.prior_bytes,
            r.ram_bytes,
            ram_bar(r.profile),
            r.workspace_bytes,
            r.stack_bytes,
            r.insns_per_byte,
            r.hash_insns_per_byte,
            r.signature_insns,
            r.flash_erases,
            r.flash_writes,
            r.pair,
        );
    }
    for (kind, bar) in INSN_BARS {
        if let Some((n, mean)) = mean(results, kind) {
            let _ = writeln!(
                out,
                "\nM4, small, {n} pairs of kind {kind}: {mean:.1} instructions per output byte in the mean (bar {bar})."
            );
        }
    }
    if !results.parts.is_empty() {
        out += "\n| feature (M4, small) | bytes of text |\n|---|--:|\n";
        for part in &results.parts {
            let _ = writeln!(out, "| {} | {} |", part.name, part.bytes);
        }
    }
    out
}

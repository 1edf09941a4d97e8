//! The rows as JSON and as tables, and the bars that they are held to.

use std::fmt::Write;

use deltamote_format::Profile;
use serde::Serialize;

use super::board::Board;
use super::text::Text;
use super::update::Update;
use super::{Results, Total};
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

/// Bars of the M4 board in profile small: text without crypto, and with SHA-256 and Ed25519.
const TEXT: u64 = 18 << 10;
const TEXT_WITH_CRYPTO: u64 = 38 << 10;
/// Instructions per byte by kind of step: bars for the mean over the corpora.
const INSN_BARS: [(&str, f64); 2] = [("patch", 250.0), ("major", 2000.0)];
/// Pairs from which on a mean stands for the corpora.
const CORPUS: usize = 10;
/// The pair that is in the tree, and the most instructions per byte that it may take there.
const TREE: (&str, f64) = ("uflash-microbit-v1__1.2.0__1.2.4", 576.6);

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

/// Bars that do not hold, one line each, and what the pair in the tree takes more than it did.
pub fn failures(results: &Results) -> Vec<String> {
    let mut out = Vec::new();
    let mut hold = |row: &Measured, what: &str, value: f64, limit: f64| {
        if value > limit {
            out.push(format!(
                "{} {}: {what} {value} of {limit}",
                row.board, row.profile
            ));
        }
    };
    for r in &results.rows {
        let bytes = |n: u64| n as f64;
        hold(r, "RAM", bytes(r.ram_bytes), bytes(ram_bar(r.profile)));
        if r.board != "m4" || r.profile != Profile::Small.name() {
            continue;
        }
        hold(r, "text", bytes(r.text_bytes), bytes(TEXT));
        let text = bytes(r.text_with_crypto_bytes);
        hold(r, "text with crypto", text, bytes(TEXT_WITH_CRYPTO));
        if r.pair == TREE.0 {
            hold(r, "instructions per byte", r.insns_per_byte, TREE.1);
        }
    }
    out.sort();
    out.dedup();
    out.extend(results.totals.iter().filter_map(Total::complaint));
    for (kind, bar) in INSN_BARS {
        if let Some((n, mean)) = mean(results, kind)
            && n >= CORPUS
            && mean > bar
        {
            out.push(format!(
                "m4 small: {mean:.1} instructions per byte of {bar}, {n} pairs of kind {kind}"
            ));
        }
    }
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
    if let Some(r) = (results.rows.iter()).find(|r| r.board == "m4" && r.profile == "small") {
        let rows = [
            ("text", r.text_bytes, TEXT),
            (
                "text with crypto",
                r.text_with_crypto_bytes,
                TEXT_WITH_CRYPTO,
            ),
        ];
        for (what, bytes, bar) in rows {
            let _ = writeln!(out, "\nM4, small, {what}: {bytes} bytes (bar {bar}).");
        }
    }
    if !results.parts.is_empty() {
        out += "\n| feature (M4, small) | bytes of text |\n|---|--:|\n";
        for part in &results.parts {
            let _ = writeln!(out, "| {} | {} |", part.name, part.bytes);
        }
    }
    if !results.totals.is_empty() {
        out += "\n| an update with, in software (M4, small) | stack | RAM in all | stack that the engine says |\n\
                |---|--:|--:|--:|\n";
        for t in &results.totals {
            let (stack, ram, said) = (t.stack_bytes, t.ram_bytes, t.said_bytes);
            let _ = writeln!(out, "| {} | {stack} | {ram} | {said} |", t.name);
        }
    }
    if !results.checks.is_empty() {
        out += "\n| one signature checked (M4) | key | signature | text | stack | instructions | no panic |\n\
                |---|--:|--:|--:|--:|--:|---|\n";
        for c in &results.checks {
            let proof = if c.no_panic { "linked" } else { "not shown" };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {proof} |",
                c.name, c.key_bytes, c.signature_bytes, c.text_bytes, c.stack_bytes, c.insns,
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Measured {
        Measured {
            board: "m4",
            profile: "small",
            text_bytes: TEXT,
            text_with_crypto_bytes: TEXT_WITH_CRYPTO,
            prior_bytes: 0,
            workspace_bytes: 0,
            stack_bytes: 0,
            patcher_bytes: 0,
            ram_bytes: ram_bar("small"),
            insns_per_byte: TREE.1,
            hash_insns_per_byte: 0.0,
            signature_insns: 0,
            total_insns: 0,
            flash_erases: 0,
            flash_writes: 0,
            pair: TREE.0.to_owned(),
            kind: "patch".to_owned(),
            patch_bytes: 0,
            new_bytes: 1,
            resets: None,
        }
    }

    fn said(rows: Vec<Measured>) -> Vec<String> {
        failures(&Results {
            rows,
            parts: Vec::new(),
            checks: Vec::new(),
            totals: Vec::new(),
        })
    }

    #[test]
    fn what_is_at_its_limit_holds_and_what_is_above_is_said() {
        assert_eq!(said(vec![row()]), [""; 0]);
        let above: [fn(&mut Measured); 4] = [
            |r| r.ram_bytes += 1,
            |r| r.text_bytes += 1,
            |r| r.text_with_crypto_bytes += 1,
            |r| r.insns_per_byte += 0.1,
        ];
        for spoil in above {
            let mut bad = row();
            spoil(&mut bad);
            assert_eq!(said(vec![row(), bad]).len(), 1);
        }
        // RAM is held to its bar on every board, in each profile to its own.
        let tiny = |ram_bytes| Measured {
            board: "m0",
            profile: "tiny",
            ram_bytes,
            ..row()
        };
        assert_eq!(said(vec![tiny(10_240)]), [""; 0]);
        assert_eq!(said(vec![tiny(10_241)]), ["m0 tiny: RAM 10241 of 10240"]);
    }

    #[test]
    fn a_mean_over_the_corpora_is_held_to_its_bar() {
        let rows = |n: usize| {
            let slow = || Measured {
                kind: "major".to_owned(),
                pair: "another".to_owned(),
                insns_per_byte: 2000.1,
                ..row()
            };
            (0..n).map(|_| slow()).collect::<Vec<_>>()
        };
        assert_eq!(said(rows(CORPUS)).len(), 1);
        assert_eq!(said(rows(CORPUS - 1)), [""; 0]);
    }
}

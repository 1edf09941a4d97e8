//! The device half: RAM, text and instructions on emulated boards.

use std::collections::BTreeSet;

use anyhow::Result;
use deltamote_draw::{Bar, Ink, Page, Table, bars, legend};
use serde::Deserialize;

use super::thousands;

/// What is read of a row of `device --json`.
#[derive(Deserialize)]
struct Row {
    board: String,
    profile: String,
    text_bytes: u64,
    text_with_crypto_bytes: u64,
    workspace_bytes: u64,
    stack_bytes: u64,
    ram_bytes: u64,
    insns_per_byte: f64,
    pair: String,
    kind: String,
}

pub(super) fn draw(page: &mut Page, json: &[u8]) -> Result<()> {
    let rows: Vec<Row> = serde_json::from_slice(json)?;
    page.heading("On the device");
    let mut seen = BTreeSet::new();
    // Memory and text are those of a build: the most of its updates.
    let mut ram = Vec::new();
    let mut text = Vec::new();
    for row in &rows {
        if !seen.insert((row.board.clone(), row.profile.clone())) {
            continue;
        }
        let same = || {
            rows.iter()
                .filter(|r| r.board == row.board && r.profile == row.profile)
        };
        let stack = same().map(|r| r.stack_bytes).max().unwrap_or(0);
        let most = same().map(|r| r.ram_bytes).max().unwrap_or(0);
        let name = format!("{}, profile {}", row.board, row.profile);
        ram.push(Bar {
            name: name.clone(),
            parts: vec![
                (Ink::Series(0), row.workspace_bytes as f64),
                (Ink::Series(4), stack as f64),
            ],
            figure: thousands(most),
        });
        let crypto = row.text_with_crypto_bytes.saturating_sub(row.text_bytes);
        text.push(Bar {
            name,
            parts: vec![
                (Ink::Series(0), row.text_bytes as f64),
                (Ink::Series(6), crypto as f64),
            ],
            figure: thousands(row.text_with_crypto_bytes),
        });
    }
    let mut work: Vec<Bar> = Vec::new();
    let kinds: BTreeSet<(&str, &str, &str)> = rows
        .iter()
        .map(|r| (r.board.as_str(), r.profile.as_str(), r.kind.as_str()))
        .collect();
    for (board, profile, kind) in kinds {
        let of: Vec<f64> = rows
            .iter()
            .filter(|r| {
                (r.board.as_str(), r.profile.as_str(), r.kind.as_str()) == (board, profile, kind)
            })
            .map(|r| r.insns_per_byte)
            .collect();
        let mean = of.iter().sum::<f64>() / of.len() as f64;
        work.push(Bar {
            name: format!(
                "{board}, {profile}, kind {kind} ({} update{})",
                of.len(),
                if of.len() == 1 { "" } else { "s" }
            ),
            parts: vec![(Ink::Series(2), mean)],
            figure: format!("{mean:.0}"),
        });
    }
    let key = |a, b| legend([(Ink::Series(0), a), b]);
    page.figures(&[
        (
            "Working RAM, bytes".into(),
            key(
                "workspace",
                (Ink::Series(4), "stack, signature check included"),
            ) + &bars(&ram, None)?,
            "The highest of all updates on that board.".into(),
        ),
        (
            "Text, bytes".into(),
            key("patcher", (Ink::Series(6), "SHA-256 and Ed25519")) + &bars(&text, None)?,
            "Without the trained state.".into(),
        ),
        (
            "Instructions per byte of the new image".into(),
            bars(&work, None)?,
            "Decoding and writing, counted by the emulator; plain mean over the updates.".into(),
        ),
    ]);
    let mut table = Table::new(&["board", "profile", "pair", "#RAM", "#instructions / byte"]);
    for r in &rows {
        let work = format!("{:.1}", r.insns_per_byte);
        table.row(&[
            r.board.clone(),
            r.profile.clone(),
            r.pair.clone(),
            thousands(r.ram_bytes),
            work,
        ]);
    }
    page.details(
        &format!("All {} updates on boards", rows.len()),
        &table.finish(),
    );
    Ok(())
}

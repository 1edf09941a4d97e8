//! Executes SPEC.md: every `vector`, `reject` and `table` block, in both directions.
//!
//! Each block holds both sides (fields and bytes, plan and payload), and a check
//! compares them through the crate: a digit that changes on either side fails the test
//! with the name of the block. After a change of the format,
//! `cargo test -p deltamote-format --test spec -- --ignored` writes what the code says
//! into SPEC.md and `vectors/`; the difference belongs into the same commit.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

#[path = "spec/blocks.rs"]
mod blocks;
#[path = "spec/encryption.rs"]
mod encryption;
#[path = "spec/models.rs"]
mod models;
#[path = "spec/payload.rs"]
mod payload;
#[path = "spec/references.rs"]
mod references;
#[path = "spec/sections.rs"]
mod sections;
#[path = "spec/values.rs"]
mod values;
#[path = "spec/wire.rs"]
mod wire;

use blocks::{Block, Findings};

type Check = fn(&Block, &mut Findings);

/// Class, kind and check of every block there is, and how many lines or blocks there
/// are at least.
const CHECKS: &[(&str, &str, Check, usize)] = &[
    ("table", "", models::table, 4),
    ("vector", "coder", models::coder, 2),
    ("vector", "models", models::models, 3),
    ("vector", "payload", payload::payload, 4),
    ("reject", "payload", payload::reject, 10),
    ("vector", "references", references::references, 7),
    ("vector", "envelope", wire::envelope, 3),
    ("vector", "key-set", wire::key_set, 2),
    ("vector", "manifest", wire::manifest, 2),
    ("vector", "chain", wire::chain, 2),
    ("vector", "encryption", encryption::encryption, 2),
    ("vector", "journal-header", wire::journal_header, 2),
    ("vector", "journal-record", wire::journal_record, 2),
    ("vector", "journal-binding", wire::journal_binding, 1),
    ("reject", "head", wire::reject, 3),
    ("reject", "envelope", wire::reject, 5),
    ("reject", "key-set", wire::reject, 10),
    ("reject", "manifest", wire::reject, 5),
    ("reject", "layout", wire::reject, 2),
    ("reject", "journal-header", wire::reject, 1),
    ("reject", "journal-record", wire::reject, 1),
];

fn all_findings() -> Findings {
    let blocks = blocks::parse(&blocks::read_spec());
    let mut findings = Findings::default();
    for (class, kind, check, least) in CHECKS {
        let mine = blocks
            .iter()
            .filter(|b| b.class == *class && b.kind == *kind);
        let mut count = 0;
        for block in mine {
            let mut found = Findings::default();
            check(block, &mut found);
            findings.failures.append(&mut found.failures);
            findings.repairs.append(&mut found.repairs);
            findings.files.append(&mut found.files);
            count += if block.name.is_empty() {
                block.fields.len()
            } else {
                1
            };
        }
        if count < *least {
            let what = format!("only {count} blocks `{class} {kind}`, expected {least}");
            findings.failures.push(what);
        }
    }
    for block in &blocks {
        let known = |c: &&(&str, &str, Check, usize)| c.0 == block.class && c.1 == block.kind;
        if CHECKS.iter().find(known).is_none() {
            findings.fail(block, "no check knows this kind");
        }
        let twin =
            |b: &&Block| (&b.class, &b.kind, &b.name) == (&block.class, &block.kind, &block.name);
        if blocks.iter().filter(twin).count() > 1 {
            findings.fail(block, "another block has this name");
        }
    }
    findings
}

#[test]
fn every_block_holds() {
    let failures = all_findings().failures;
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

/// Writes what the code says into SPEC.md and `vectors/`.
#[test]
#[ignore = "rewrites SPEC.md"]
fn repair() {
    blocks::repair(&mut all_findings());
}

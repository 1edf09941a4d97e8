//! Measures Deltamote on a corpus of real firmware, beside its peers.
//!
//! ```text
//! corpus.toml ─ manifest ─ corpus ─ fetch (package clients, generator) ─ cache
//! pairs.tsv ─ corpus ─┐
//! registry.tsv ─ registry ─ sizes ── worker ══ measure (child process, calls the engine)
//! targets.tsv ─ targets ─┘    │  └── peers ══ trial (child processes, one per step)
//!   priors ── train            ├─ summary, against (means) ─ report (text, CSV, JSON)
//!                              └─ runs (long form: a row per pair, tool and setting)
//! corpus ── device (emulated boards)
//! ```

pub mod against;
pub mod codecs;
pub mod corpus;
pub mod device;
pub mod digest;
pub mod fetch;
pub mod in_order;
pub mod manifest;
pub mod means;
pub mod measure;
pub mod page;
pub mod pathological;
pub mod peers;
pub mod priors;
pub mod record;
pub mod registry;
pub mod report;
pub mod runs;
pub mod setting;
pub mod sizes;
pub mod speed;
pub mod summary;
pub mod targets;
pub mod train;
pub mod tsv;
pub mod worker;

/// The examples of the README, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

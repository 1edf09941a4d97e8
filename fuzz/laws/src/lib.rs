//! Laws of format, patcher and engine, each a function of arbitrary bytes that panics
//! where the law does not hold.
//!
//! ```text
//! fuzz/fuzz_targets/NAME.rs --+
//!                             +--> [LAWS] NAME --> [wire] [signatures] [chain] [encryption]
//! tests/replay.rs ------------+                    [payload] [zstd] [references] [update]
//!                                                  [journal] [boot] [pairs] [images] [fitness]
//! ```
//!
//! libFuzzer calls them with inputs of its own, `cargo test` with those that are kept in
//! `fuzz/corpus` and `fuzz/regressions`. A new law: a function here, a line in [`LAWS`],
//! a target of the same name.

pub mod boot;
pub mod chain;
pub mod encryption;
pub mod fitness;
mod fixtures;
pub mod images;
pub mod journal;
pub mod pairs;
pub mod payload;
pub mod references;
pub mod signatures;
mod store;
pub mod update;
pub mod wire;
pub mod zstd;

/// One law.
pub struct Law {
    /// Its name, and that of its fuzz target.
    pub name: &'static str,
    /// Panics where it does not hold for these bytes.
    pub check: fn(&[u8]),
}

const fn law(name: &'static str, check: fn(&[u8])) -> Law {
    Law { name, check }
}

/// All of them.
pub const LAWS: &[Law] = &[
    law("envelope_is_canonical", wire::envelope_is_canonical),
    law("manifest_is_canonical", wire::manifest_is_canonical),
    law("key_set_is_canonical", wire::key_set_is_canonical),
    law(
        "signatures_hold_only_as_made",
        signatures::signatures_hold_only_as_made,
    ),
    law(
        "key_sets_open_what_they_say",
        signatures::key_sets_open_what_they_say,
    ),
    law(
        "chunks_open_only_as_sealed",
        encryption::chunks_open_only_as_sealed,
    ),
    law(
        "chunks_pass_only_as_sealed",
        chain::chunks_pass_only_as_sealed,
    ),
    law("payload_stays_in_bounds", payload::payload_stays_in_bounds),
    law(
        "zstd_payload_stays_in_bounds",
        zstd::zstd_payload_stays_in_bounds,
    ),
    law(
        "references_encode_as_they_read",
        references::references_encode_as_they_read,
    ),
    law(
        "the_first_reason_is_given",
        fitness::the_first_reason_is_given,
    ),
    law(
        "unauthentic_bytes_change_nothing",
        update::unauthentic_bytes_change_nothing,
    ),
    law("any_split_is_the_same", update::any_split_is_the_same),
    law("resume_is_no_cut", update::resume_is_no_cut),
    law("any_journal_is_survived", journal::any_journal_is_survived),
    law(
        "any_boot_state_is_survived",
        boot::any_boot_state_is_survived,
    ),
    law("any_plan_round_trips", pairs::any_plan_round_trips),
    law("every_pair_round_trips", pairs::every_pair_round_trips),
    law("images_stay_inside", images::images_stay_inside),
    law("written_images_read_back", images::written_images_read_back),
];

/// The law called `name`.
pub fn named(name: &str) -> Option<&'static Law> {
    LAWS.iter().find(|law| law.name == name)
}

//! The Deltamote wire format, both directions: `SPEC.md` beside this crate is normative.
//!
//! ```text
//! patch file = envelope (manifest, signature) + chunks (chain of digests)
//!                 |                                |
//!              [envelope] [manifest]            [chain]
//!                                                  |
//!                                              payload = [codec]: header, map, ops
//!                                                  |         driven by [isa] and [model]
//!                                                  +-------- through [coder]
//! ```
//!
//! The patcher parses and decodes with this crate, the engine emits and encodes with
//! it: each structure and each model is written once, for both directions. No heap, no
//! `std`, no `unsafe`, no panic.

#![no_std]

mod cbor;
pub mod chain;
pub mod codec;
pub mod coder;
pub mod encryption;
pub mod envelope;
mod error;
pub mod isa;
pub mod journal;
pub mod key_set;
pub mod le;
mod logistic;
pub mod manifest;
pub mod model;
pub mod prior;
mod profile;

pub use error::{Error, ErrorKind};
pub use profile::{Limits, Profile};

/// Whether this build reads envelopes with two signatures (feature `two-signatures`).
pub const TWO_SIGNATURES: bool = cfg!(feature = "two-signatures");

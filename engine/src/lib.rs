//! The engine: from two firmware images to a signed patch that has been proved.
//!
//! ```text
//! old, new -> [image] -> [survey] -> [matching] -> parse -> [refine] -> [encode] -> seal -> prove
//!             bytes,     isa,        candidate     which    small      format      manifest,   applied by the
//!             segments   addresses,  sources       copies   changes,   crate's     chunks,     real patcher
//!                        references                         priced     models      signature   on simulated flash
//! ```
//!
//! The [`planner`] drives survey to refine; a [`plan`] is what comes out: header and copies.
//! [`diff`] is the whole way; [`apply`], [`verify`] and [`inspect()`] look at the result.
//! Nothing here defines a byte of the wire: layouts and models are `deltamote-format`'s.

#![deny(missing_docs, unsafe_code)]

mod apply;
mod codecs;
mod diff;
pub mod embedded;
pub mod encode;
pub mod encrypt;
mod equivalence;
mod error;
mod explain;
pub mod image;
mod inspect;
pub mod key_sets;
pub mod keys;
mod matching;
pub mod outside;
mod parse;
pub mod parts;
pub mod plan;
pub mod planner;
mod price;
pub mod prior;
mod progress;
mod prove;
pub mod provenance;
pub mod ram;
mod refine;
pub mod sbom;
mod seal;
pub mod simulate;
mod survey;
mod symbols;
pub mod train;
mod walk;

pub use apply::{Trust, apply, apply_as, apply_with, verify, verify_as};
pub use codecs::{CodecChoice, DecodeCost};
pub use deltamote_format::Profile;
pub use deltamote_format::isa::Isa;
pub use deltamote_format::manifest::UpdateClass;
pub use diff::{DiffOptions, Identity, Patch, diff};
pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use error::{Error, ErrorClass};
pub use explain::{Changed, Explanation, Origin, Stretch, explain};
pub use inspect::{
    Inspection, Place, PlacesBy, inspect, inspect_as, inspect_with_old, inspect_with_old_as,
};
pub use progress::{NoProgress, Progress};
pub use symbols::{Placed, place_symbols};

/// How hard the engine tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord)]
pub enum Level {
    /// One parse, few candidates.
    Fast,
    /// Parsed again with real predictions.
    #[default]
    Default,
    /// Everything that was ever seen to gain.
    Best,
}

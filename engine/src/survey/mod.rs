//! What an image is: its instruction sets, its addresses, its references.
//!
//! Works from the image alone, helped by header facts where a format states them;
//! feeds the payload header and the matching.

mod base;
mod detect;
mod ranges;
mod references;
mod shifted;

pub use base::{spaces, whole};
pub use detect::regions;
pub use ranges::ranges;
pub use references::{Known, References};
pub use shifted::base_from_changes;

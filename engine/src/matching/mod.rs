//! Where the content of the new image may come from.
//!
//! Two suffix arrays over old and new together: of the bytes as they are, and of the
//! bytes with reference targets blanked, in which code that moved is still equal.
//! Feeds the parse with a few candidate sources per new offset. Level `fast` and large
//! images take the approximate matches of bidiff instead, which need less of both time
//! and memory.

mod approximate;
mod candidates;
mod normalise;
mod seeds;
mod suffix;

pub use approximate::approximate;
pub use candidates::{Candidates, Effort};
pub use normalise::normalised;

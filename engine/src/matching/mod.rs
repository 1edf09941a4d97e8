//! Where the content of the new image may come from.
//!
//! Two suffix arrays over old and new together: of the bytes as they are, and of the
//! bytes with reference targets blanked, in which code that moved is still equal.
//! Feeds the parse with a few candidate sources per new offset. To them come the approximate
//! matches of bidiff, of the images and of their shapes, in which functions are equal that
//! use other registers. Large images, and at level `fast` all but small ones, have those alone,
//! which need less of both time and memory.

mod approximate;
mod candidates;
mod normalise;
mod seeds;
mod shape;
mod suffix;

pub use approximate::{Shapes, approximate};
pub use candidates::{Candidates, Effort};
pub use normalise::normalised;
pub use shape::Shape;

/// Bytes of old and new from which several texts are searched at once. With fewer there is
/// nothing to wait for, and the memory counts: the program itself weighs as much.
const AT_ONCE_FROM: usize = 1 << 20;

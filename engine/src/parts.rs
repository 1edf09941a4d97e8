//! The inner parts, for benchmarks that time each alone. No promise of stability.

pub use crate::matching::{Candidates, Effort, Shape, Shapes, approximate, normalised};
pub use crate::survey::References;

//! How far a long run is, for whoever watches.

/// Told about phases and steps; implementations must be cheap.
pub trait Progress: Sync {
    /// A phase begins that has `total` steps.
    fn phase(&self, name: &'static str, total: u64);
    /// `n` more steps of the current phase are done.
    fn advance(&self, n: u64);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn phase(&self, _name: &'static str, _total: u64) {}
    fn advance(&self, _n: u64) {}
}

//! Targets around the last one that moved as it did: most references point near where the
//! one before did.
//!
//! An answer kept, never another one. A build for least text does without: about a tenth more
//! instructions on a patch release, 330 bytes less.

#[cfg(not(feature = "small-code"))]
use core::cell::Cell;

/// Targets that all moved by the same distance: what the map, the corrections around them and
/// the spaces say.
#[derive(Clone, Default, Debug)]
pub(super) struct Straight(#[cfg(not(feature = "small-code"))] Cell<Targets>);

#[cfg(not(feature = "small-code"))]
#[derive(Clone, Copy, Default, Debug)]
struct Targets {
    /// The first of them, an address in the old image.
    start: u32,
    /// How many there are.
    len: u32,
    /// New minus old address, wrapping.
    shift: u32,
}

#[cfg(not(feature = "small-code"))]
impl Straight {
    /// Whether answers are kept.
    pub(super) const KEPT: bool = true;

    /// The new target of `target`, if it is one of them.
    #[inline]
    pub(super) fn get(&self, target: u32) -> Option<u32> {
        let last = self.0.get();
        let inside = target.wrapping_sub(last.start) < last.len;
        inside.then(|| target.wrapping_add(last.shift))
    }

    /// Keeps the `len` targets from `start` on, which moved by `shift`.
    #[inline]
    pub(super) fn set(&self, start: u32, len: u32, shift: u32) {
        self.0.set(Targets { start, len, shift });
    }

    /// Map or corrections have changed.
    #[inline]
    pub(super) fn forget(&self) {
        self.0.take();
    }
}

#[cfg(feature = "small-code")]
impl Straight {
    pub(super) const KEPT: bool = false;

    #[inline]
    pub(super) fn get(&self, _target: u32) -> Option<u32> {
        None
    }

    #[inline]
    pub(super) fn set(&self, _start: u32, _len: u32, _shift: u32) {}

    #[inline]
    pub(super) fn forget(&self) {}
}

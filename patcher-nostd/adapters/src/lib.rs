//! Flash drivers written for the embedded-storage traits, under the patcher.
//!
//! ```text
//! NorFlash --------> [Nor] --------------------------------------> Patcher
//! async NorFlash --> [AsyncNor] --> [Deferred] --> [Writes] queue --> AsyncPatcher
//! ```
//!
//! A crate of its own, so that the patcher depends on neither trait crate. Blocking: wrap
//! the driver (or a partition of it) in [`Nor`] and use `Patcher` as it is. Async: the same
//! patcher, inside [`AsyncPatcher`], which awaits every erase and program before it
//! decodes on; **reads are not awaited** (see there).

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "async")]
mod async_nor;
#[cfg(feature = "async")]
mod async_patcher;
#[cfg(feature = "async")]
mod deferred;
#[cfg(feature = "blocking")]
mod nor;

#[cfg(feature = "async")]
pub use async_nor::{AsyncFlash, AsyncNor, MixedNor};
#[cfg(feature = "async")]
pub use async_patcher::AsyncPatcher;
#[cfg(feature = "async")]
pub use deferred::{Deferred, ReadOnly, Writes, writes_bytes};
#[cfg(feature = "blocking")]
pub use nor::Nor;

use deltamote_patcher::{Blocks, Geometry};

/// The geometry of a NOR flash with these numbers, which the trait gives as `usize`.
fn geometry(capacity: usize, write: usize, erase: usize, multiwrite: bool) -> Geometry {
    let number = |n: usize| u32::try_from(n).unwrap_or(0);
    Geometry {
        size: number(capacity),
        write_size: number(write),
        write_once: !multiwrite,
        erased: 0xff,
        blocks: Blocks::Uniform(number(erase)),
    }
}

/// Largest read unit that is coped with.
const MAX_READ_UNIT: usize = 32;

/// Where the next read of whole units lies: its offset, how many bytes of it come before
/// `at`, and its length, for a read of `len` bytes at `at` through [`MAX_READ_UNIT`] bytes.
fn aligned(at: u32, unit: usize) -> Option<(u32, usize)> {
    if unit == 0 || unit > MAX_READ_UNIT {
        return None;
    }
    let before = at.checked_rem(unit as u32)?;
    Some((at - before, before as usize))
}

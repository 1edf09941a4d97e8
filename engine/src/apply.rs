//! Applying and verifying a patch on the host, by the device's own code.

use crate::inspect::{self, Inspection};
use crate::{Error, Progress, prior, prove};
use deltamote_format::model::Prior;
use ed25519_dalek::VerifyingKey;

/// Whom to believe.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Patches signed with one of these keys.
    Keys(Vec<VerifyingKey>),
    /// Any patch, signed or not: for tests and unsigned channels.
    AllowUnsigned,
}

impl Trust {
    /// Patches signed with `key` only.
    pub fn key(key: VerifyingKey) -> Trust {
        Trust::Keys(vec![key])
    }
}

/// The new image that `patch` makes of `old`.
///
/// # Errors
/// Not authentic, wrong base, damaged: [`Error::class`] tells.
pub fn apply(
    old: &[u8],
    patch: &[u8],
    trust: &Trust,
    progress: &dyn Progress,
) -> Result<Vec<u8>, Error> {
    apply_with(old, patch, trust, prior::BUILT_IN, progress)
}

/// As [`apply`], on a device whose trained initial states are `priors`.
///
/// # Errors
/// As [`apply`].
pub fn apply_with(
    old: &[u8],
    patch: &[u8],
    trust: &Trust,
    priors: &'static [Prior<'static>],
    progress: &dyn Progress,
) -> Result<Vec<u8>, Error> {
    progress.phase("apply", 1);
    let new = prove::run(old, patch, trust, priors)?;
    progress.advance(1);
    Ok(new)
}

/// All checks that a device makes, the new image's digest included; nothing is kept.
///
/// # Errors
/// As [`apply`].
pub fn verify(old: &[u8], patch: &[u8], trust: &Trust) -> Result<Inspection, Error> {
    prove::run(old, patch, trust, prior::BUILT_IN)?;
    inspect::inspect(patch)
}

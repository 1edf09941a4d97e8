//! Applying and verifying a patch on the host, by the device's own code.

use crate::inspect::{self, Inspection};
use crate::key_sets::KeySetTrust;
use crate::keys::{PublicKey, RecipientKey, Sign};
use crate::{Error, NoProgress, Progress, prior, prove};
use deltamote_format::model::Prior;
use deltamote_patcher::encryption::Recipient;

/// Whom to believe.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Patches signed with one of these keys; if there are two signatures, a classical one
    /// and a post-quantum one, both by these keys.
    Keys(Vec<PublicKey>),
    /// Patches with two such signatures only.
    Both(Vec<PublicKey>),
    /// Patches signed with the keys of a set.
    KeySet(KeySetTrust),
    /// Any patch, signed or not: for tests and unsigned channels.
    AllowUnsigned,
}

impl Trust {
    /// Patches signed with `key` only.
    pub fn key(key: impl Into<PublicKey>) -> Trust {
        Trust::Keys(vec![key.into()])
    }

    /// Patches signed as `signer` signs.
    pub fn of_signer(signer: &dyn Sign) -> Trust {
        let keys = signer.public_keys();
        if keys.len() == 2 {
            Trust::Both(keys)
        } else {
            Trust::Keys(keys)
        }
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
    let new = prove::run(old, patch, trust, priors, None)?;
    progress.advance(1);
    Ok(new)
}

/// As [`apply`], of a patch that may be encrypted for `recipient`.
///
/// # Errors
/// As [`apply`]; encrypted for somebody else.
pub fn apply_as(
    old: &[u8],
    patch: &[u8],
    trust: &Trust,
    recipient: Option<&RecipientKey>,
    progress: &dyn Progress,
) -> Result<Vec<u8>, Error> {
    progress.phase("apply", 1);
    let recipient = recipient.map(|key| key as &dyn Recipient);
    let new = prove::run(old, patch, trust, prior::BUILT_IN, recipient)?;
    progress.advance(1);
    Ok(new)
}

/// All checks that a device makes, the new image's digest included; nothing is kept.
///
/// # Errors
/// As [`apply`].
pub fn verify(old: &[u8], patch: &[u8], trust: &Trust) -> Result<Inspection, Error> {
    verify_as(old, patch, trust, None)
}

/// As [`verify`], of a patch that may be encrypted for `recipient`.
///
/// # Errors
/// As [`apply_as`].
pub fn verify_as(
    old: &[u8],
    patch: &[u8],
    trust: &Trust,
    recipient: Option<&RecipientKey>,
) -> Result<Inspection, Error> {
    apply_as(old, patch, trust, recipient, &NoProgress)?;
    inspect::inspect_as(patch, recipient)
}

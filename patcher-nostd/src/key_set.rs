//! Keys that change: a set signed by an offline root, and patches judged by it.
//!
//! The integrator calls [`accept`] with a key set that came beside a patch or in front of
//! it, keeps what it gives in storage of its own, and hands the patcher a [`KeySetKeys`]
//! as its verifier. Invariants: a set that is older than the newest one accepted, or says
//! other things under its version, is refused, a revoked key opens nothing, and no key is
//! copied: a set may lie in flash. SPEC §4.5.
//!
//! Through power cuts: the set goes where the one in use does not lie (two places, in
//! turns), then [`Accepted`] of it into [`crate::Memory`], which is stored in one piece;
//! after each reset the set in use is the one that [`Accepted::is`] of. Whenever power
//! fails it is the old one or the new one.

use crate::error::Error;
use crate::hashes::sha256;
use crate::signature::{Distrust, PublicKey, Verifier, holds, key_id, same_scheme};
use crate::trust;
use core::ops::Range;
use deltamote_format::envelope::{self, HEAD_BYTES, OPEN_HEADROOM, Purpose, Signer, manifest_of};
use deltamote_format::key_set::{Entry, KeySet, Role};
use deltamote_format::manifest::View;

/// Bytes of the key set file in front of a patch, head included, from the first bytes of
/// what was received; `None` if the patch begins at once. The patch's own offsets count
/// from behind it.
///
/// # Errors
/// The key set has an impossible length.
pub fn in_front(head: &[u8; HEAD_BYTES]) -> Result<Option<usize>, Error> {
    if head.starts_with(Purpose::KeySet.magic()) {
        return Ok(Some(HEAD_BYTES + Purpose::KeySet.parse_head(head)?));
    }
    Ok(None)
}

/// The newest key set that was accepted, as a device remembers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Its version.
    pub version: u64,
    /// SHA-256 of the set, as [`accept`] places it in the buffer.
    pub digest: [u8; 32],
}

impl Accepted {
    /// What to remember of `set`, which [`accept`] has accepted.
    ///
    /// # Errors
    /// It is no key set.
    pub fn of(set: &[u8]) -> Result<Self, Error> {
        Ok(Accepted {
            version: KeySet::parse(set)?.version,
            digest: sha256(set),
        })
    }

    /// Whether `set`, found in storage, is the set accepted last, unchanged.
    pub fn is(&self, set: &[u8]) -> bool {
        sha256(set) == self.digest
    }
}

/// Checks the key set file at the front of `file` under the root key, in `buf` (the bytes
/// of the workspace will do), and gives where in `buf` the set then lies: for storage,
/// and for [`KeySet::parse`]. `newest` is the newest set accepted so far; the very same
/// again is accepted.
///
/// # Errors
/// Why the set must not be used; nothing has changed then.
pub fn accept<V: Verifier>(
    file: &[u8],
    buf: &mut [u8],
    root: &V,
    newest: Option<&Accepted>,
) -> Result<Range<usize>, Error> {
    let head = file.first_chunk().ok_or(Error::Incomplete)?;
    let len = Purpose::KeySet.parse_head(head)?;
    let from = (file.get(HEAD_BYTES..HEAD_BYTES + len)).ok_or(Error::Incomplete)?;
    let place = OPEN_HEADROOM..OPEN_HEADROOM + len;
    let needed = place.end as u32;
    buf.get_mut(place.clone())
        .ok_or(Error::RamTooSmall { needed })?
        .copy_from_slice(from);
    let opened = envelope::open(buf, place, Purpose::KeySet)?;
    if opened.signer.is_none() {
        return Err(Error::NotSigned);
    }
    trust::signatures(buf, &opened, Purpose::KeySet, root)?;
    let set = buf.get(opened.manifest()).ok_or(Error::Bug)?;
    let version = KeySet::parse(set)?.version;
    if let Some(newest) = newest
        && (version < newest.version || version == newest.version && !newest.is(set))
    {
        return Err(Error::KeySetTooOld);
    }
    Ok(opened.manifest())
}

/// The keys of a set, as a verifier of patches.
#[derive(Clone, Copy, Debug)]
pub struct KeySetKeys<'s> {
    /// The set, which [`accept`] has accepted.
    pub set: KeySet<'s>,
    /// Take what test keys sign, too.
    pub test_device: bool,
    /// Want two signatures: a classical one, then a post-quantum one.
    pub both: bool,
}

impl KeySetKeys<'_> {
    fn find(&self, signer: &Signer) -> Option<Entry<'_>> {
        self.set.entries().find(|entry| {
            same_scheme(entry.algorithm, signer.algorithm) && key_id(entry.key) == signer.kid
        })
    }

    fn check(
        &self,
        signer: &Signer,
        message: &[u8],
        signature: &[u8],
        second: bool,
    ) -> Result<(), Distrust> {
        if self.set.is_revoked(&signer.kid) {
            return Err(Distrust::Revoked);
        }
        let entry = self.find(signer).ok_or(Distrust::UnknownKey)?;
        if self.both && entry.algorithm.is_post_quantum() != second {
            return Err(Distrust::UnknownKey);
        }
        let key = PublicKey {
            algorithm: entry.algorithm,
            bytes: entry.key,
        };
        holds(&key, message, signature)?;
        let role = entry.role == Role::Release || self.test_device;
        if role && may_sign(&entry, message) {
            Ok(())
        } else {
            Err(Distrust::NotEntitled)
        }
    }
}

/// Whether the manifest in `message` has a sequence number that the key may sign.
#[inline(never)]
fn may_sign(entry: &Entry<'_>, message: &[u8]) -> bool {
    match manifest_of(message).map(View::parse) {
        Some(Ok(manifest)) => (entry.first..=entry.last).contains(&manifest.sequence()),
        // Authentic, but of another version: that is said by the check that follows.
        Some(Err(_)) => true,
        None => false,
    }
}

impl Verifier for KeySetKeys<'_> {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.check(signer, message, signature, false)
    }
    fn verify_second(&self, signer: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        if !self.both {
            return Err(Distrust::UnknownKey);
        }
        self.check(signer, m, signature, true)
    }
    fn needs_second(&self) -> bool {
        self.both
    }
}

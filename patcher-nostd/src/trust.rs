//! Whom the device believes, and which patches it is meant for.
//!
//! Stands between the envelope and everything else: nothing of a patch is interpreted
//! before the signature holds (`signature`), nothing is erased before the rest holds
//! (`fitness`, then the digest of the old image). SPEC §4.2 has the order.

use crate::codec::Codec;
#[cfg(feature = "ed25519")]
use crate::ed25519;
use crate::error::Error;
use crate::flash::Geometry;
use crate::workspace::{workspace_bytes, workspace_len, workspace_words};
use deltamote_format::Profile;
use deltamote_format::envelope::{KID_BYTES, Opened, Signer};
use deltamote_format::isa::Isa;
use deltamote_format::manifest::Manifest;
use deltamote_format::model::Prior;
use sha2::{Digest, Sha256};

/// Why a signature is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distrust {
    /// No trusted key has this id, or not for this algorithm.
    UnknownKey,
    /// The signature does not hold.
    BadSignature,
}

/// Checks signatures: in software, in a secure element, in ROM.
pub trait Verifier {
    /// Whether `signer` is trusted and made `signature` over `message`.
    ///
    /// # Errors
    /// The reason not to believe it.
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust>;

    /// The key of a payload that is encrypted: see [`crate::encryption::WithRecipient`].
    ///
    /// # Errors
    /// Without one: there is no key.
    #[cfg(feature = "encryption")]
    fn content_key(
        &self,
        _: &deltamote_format::encryption::Encryption<'_>,
    ) -> Result<crate::encryption::ContentKey, crate::encryption::NoContentKey> {
        Err(crate::encryption::NoContentKey::OtherRecipient)
    }
}

impl<V: Verifier + ?Sized> Verifier for &V {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        (**self).verify(signer, message, signature)
    }

    #[cfg(feature = "encryption")]
    fn content_key(
        &self,
        encryption: &deltamote_format::encryption::Encryption<'_>,
    ) -> Result<crate::encryption::ContentKey, crate::encryption::NoContentKey> {
        (**self).content_key(encryption)
    }
}

/// Trusts nobody: for devices that take unsigned patches only.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys;

impl Verifier for NoKeys {
    fn verify(&self, _: &Signer, _: &[u8], _: &[u8]) -> Result<(), Distrust> {
        Err(Distrust::UnknownKey)
    }
}

/// The id of a public key: the first 8 bytes of its SHA-256.
pub fn key_id(public_key: &[u8]) -> [u8; KID_BYTES] {
    let digest: [u8; 32] = Sha256::digest(public_key).into();
    let mut kid = [0u8; KID_BYTES];
    for (to, from) in kid.iter_mut().zip(digest) {
        *to = from;
    }
    kid
}

/// Trusted Ed25519 public keys.
#[cfg(feature = "ed25519")]
#[derive(Clone, Copy, Debug)]
pub struct Ed25519Keys<'k>(pub &'k [[u8; 32]]);

#[cfg(feature = "ed25519")]
impl Ed25519Keys<'_> {
    /// Not inlined: its hash is gone from the stack before the signature's is there.
    #[inline(never)]
    fn find(&self, kid: &[u8; KID_BYTES]) -> Option<&[u8; 32]> {
        self.0.iter().find(|key| key_id(&key[..]) == *kid)
    }
}

#[cfg(feature = "ed25519")]
impl Verifier for Ed25519Keys<'_> {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        use deltamote_format::envelope::Algorithm;
        if !matches!(signer.algorithm, Algorithm::ED25519 | Algorithm::EDDSA) {
            return Err(Distrust::UnknownKey);
        }
        let key = self.find(&signer.kid).ok_or(Distrust::UnknownKey)?;
        // Strict: no small-order keys, no second encoding of a signature.
        match signature.try_into() {
            Ok(signature) if ed25519::verify(message, key, signature) => Ok(()),
            _ => Err(Distrust::BadSignature),
        }
    }
}

/// What the device is, and what it accepts.
#[derive(Clone, Copy, Debug)]
pub struct Device<'p> {
    /// Largest profile accepted.
    pub profile: Profile,
    /// Vendor id; a patch that names one must name this one.
    pub vendor: Option<[u8; 16]>,
    /// Class id; a patch that names one must name this one.
    pub class: Option<[u8; 16]>,
    /// Slot number of the new slot; a patch that names one must name this one.
    pub slot: Option<u32>,
    /// Where the new slot is mapped; a patch that names an address must name this one.
    pub load_address: Option<u64>,
    /// Smallest sequence number accepted.
    pub sequence_floor: u64,
    /// Accept patches without signature. For development.
    pub allow_unsigned: bool,
    /// First byte of the old image in its flash.
    pub old_offset: u32,
    /// First byte of the new image in its slot; begins an erase block (MCUboot
    /// swap-offset: the second one).
    pub new_offset: u32,
    /// Bytes at the end of the slot that belong to the bootloader (MCUboot trailer).
    pub reserved_tail: u32,
    /// Trained initial states that are built in.
    pub priors: &'p [Prior<'p>],
}

impl Device<'_> {
    /// A device with nothing special about it.
    pub const fn new(profile: Profile) -> Self {
        Device {
            profile,
            vendor: None,
            class: None,
            slot: None,
            load_address: None,
            sequence_floor: 0,
            allow_unsigned: false,
            old_offset: 0,
            new_offset: 0,
            reserved_tail: 0,
            priors: &[],
        }
    }
}

/// Check 1: the signature.
pub(crate) fn signature<V: Verifier>(
    buf: &[u8],
    opened: &Opened,
    allow_unsigned: bool,
    verifier: &V,
) -> Result<(), Error> {
    let Some(signer) = &opened.signer else {
        return if allow_unsigned {
            Ok(())
        } else {
            Err(Error::NotSigned)
        };
    };
    let message = buf.get(opened.message.clone()).ok_or(Error::Bug)?;
    let signature = buf.get(opened.signature.clone()).ok_or(Error::Bug)?;
    verifier
        .verify(signer, message, signature)
        .map_err(|d| match d {
            Distrust::UnknownKey => Error::UnknownKey,
            Distrust::BadSignature => Error::BadSignature,
        })
}

/// Checks 3 to 7: whether this build and this device can and may apply the patch.
/// (Check 2, version and unknown fields, is the manifest's parse; check 8, the digest
/// of the old image, comes last because it takes longest.) Gives the prior to use.
pub(crate) fn fitness<'p, C: Codec>(
    manifest: &Manifest<'_>,
    device: &Device<'p>,
    (words, bytes): (usize, usize),
    old: &Geometry,
    slot: &Geometry,
) -> Result<Option<Prior<'p>>, Error> {
    // 3: features.
    if manifest.codec != C::ID {
        return Err(Error::CodecUnknown);
    }
    if manifest.isa_mask >> Isa::ALL.len() != 0 {
        return Err(Error::IsaUnknown);
    }
    let prior = match manifest.prior {
        None => None,
        Some(id) => Some(
            *device
                .priors
                .iter()
                .find(|p| p.id == id)
                .ok_or(Error::PriorMissing)?,
        ),
    };
    if manifest.encryption.is_some() && !crate::ENCRYPTION {
        return Err(Error::EncryptionUnsupported);
    }
    // 4: memory.
    if manifest.profile > device.profile {
        return Err(Error::ProfileTooLarge);
    }
    let needed = workspace_len(manifest.profile) as u32;
    let needed = needed.max(manifest.ram_bytes.unwrap_or(0));
    if words < workspace_words(manifest.profile)
        || bytes < workspace_bytes(manifest.profile)
        || 2 * words + bytes < needed as usize
    {
        return Err(Error::RamTooSmall { needed });
    }
    // 5: addressee. A patch that names what the device does not know is not for it.
    if manifest.vendor.is_some() && manifest.vendor != device.vendor {
        return Err(Error::WrongVendor);
    }
    if manifest.class.is_some() && manifest.class != device.class {
        return Err(Error::WrongClass);
    }
    if manifest.slot.is_some() && manifest.slot != device.slot
        || manifest.load_address.is_some() && manifest.load_address != device.load_address
    {
        return Err(Error::WrongSlot);
    }
    // 6: rollback.
    if manifest.sequence < device.sequence_floor {
        return Err(Error::SequenceTooOld);
    }
    // 7: sizes.
    let fits = |offset: u32, size: u32, limit: u32| {
        offset.checked_add(size).is_some_and(|end| end <= limit)
    };
    if !fits(device.old_offset, manifest.old_size, old.size) {
        return Err(Error::OldImageMismatch);
    }
    let room = slot.size.saturating_sub(device.reserved_tail);
    if !fits(device.new_offset, manifest.new_size, room) {
        return Err(Error::NewImageTooLarge);
    }
    // The last program unit is padded: the padding must not reach the bootloader's bytes
    // either. (Erasing them is right: a stale trailer must not survive.)
    let end = device.new_offset + manifest.new_size;
    match end.checked_next_multiple_of(slot.write_size) {
        Some(end) if end <= room => Ok(prior),
        _ => Err(Error::NewImageTooLarge),
    }
}

//! Whose signatures are believed: the trait, and what implements it in software.
//!
//! Asked by [`crate::trust`] with the bytes that were signed; answers yes, or why not. A
//! secure element, a ROM function or PSA Crypto implements [`Verifier`] itself; the rest
//! of the patcher does not know the difference. Invariants: every signature of an
//! envelope must hold, so that no byte of one is free; an algorithm that is not built in,
//! or that belongs to another key, is an unknown key. SPEC §4.4 has the schemes.

#[cfg(feature = "ed25519")]
mod ed25519;
#[cfg(feature = "lms")]
mod lms;
#[cfg(feature = "ml-dsa")]
mod ml_dsa;
#[cfg(feature = "p256")]
mod p256;

use crate::error::Error;
use deltamote_format::envelope::{Algorithm, KID_BYTES, Signer};
use sha2::{Digest, Sha256};

/// Why a signature is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Distrust {
    /// No trusted key has this id, or not for this algorithm.
    UnknownKey,
    /// The signature does not hold.
    BadSignature,
    /// Two signatures are wanted and there is one.
    SecondMissing,
    /// The key is revoked.
    Revoked,
    /// The key may not sign this sequence number, or not for this kind of device.
    NotEntitled,
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        match distrust {
            Distrust::UnknownKey => Error::UnknownKey,
            Distrust::BadSignature => Error::BadSignature,
            Distrust::SecondMissing => Error::SecondSignatureMissing,
            Distrust::Revoked => Error::KeyRevoked,
            Distrust::NotEntitled => Error::KeyNotEntitled,
        }
    }
}

/// Checks signatures: in software, in a secure element, in ROM. What wraps a verifier
/// forwards all of its functions: the policy that two are needed is one of them.
pub trait Verifier {
    /// Whether `signer` is trusted and made `signature` over `message`.
    ///
    /// # Errors
    /// The reason not to believe it.
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust>;

    /// As [`Verifier::verify`], for the second of two signatures, called when the first
    /// one holds. Unless implemented no second signature is believed, and so no patch
    /// that has one.
    ///
    /// # Errors
    /// The reason not to believe it.
    fn verify_second(&self, _: &Signer, _: &[u8], _: &[u8]) -> Result<(), Distrust> {
        Err(Distrust::UnknownKey)
    }

    /// Whether one signature is not enough.
    fn needs_second(&self) -> bool {
        false
    }

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
    fn verify_second(&self, signer: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        (**self).verify_second(signer, m, signature)
    }
    fn needs_second(&self) -> bool {
        (**self).needs_second()
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

/// Two signatures, and both must hold: the first under `.0`, the second under `.1`. With
/// a classical and a post-quantum scheme, neither a quantum computer nor a weakness of
/// the younger scheme opens the device. A patch with one of them is refused. Needs feature
/// `two-signatures`.
#[cfg(feature = "two-signatures")]
#[derive(Clone, Copy, Debug)]
pub struct Both<A, B>(pub A, pub B);

#[cfg(feature = "two-signatures")]
impl<A: Verifier, B: Verifier> Verifier for Both<A, B> {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.0.verify(signer, message, signature)
    }
    fn verify_second(&self, signer: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.1.verify(signer, m, signature)
    }
    fn needs_second(&self) -> bool {
        true
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
        if !is_ed25519(signer.algorithm) {
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

/// A trusted public key of any scheme.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey<'k> {
    /// The scheme; [`Algorithm::EDDSA`] in a patch is taken as Ed25519.
    pub algorithm: Algorithm,
    /// The raw key, as SPEC §4.4 says for each scheme.
    pub bytes: &'k [u8],
}

/// Trusted public keys of all schemes that are built in. Any of them suffices.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'k>(pub &'k [PublicKey<'k>]);

impl Keys<'_> {
    #[inline(never)]
    fn find(&self, signer: &Signer) -> Option<&PublicKey<'_>> {
        let same = |key: &&PublicKey<'_>| {
            same_scheme(key.algorithm, signer.algorithm) && key_id(key.bytes) == signer.kid
        };
        self.0.iter().find(same)
    }
}

impl Verifier for Keys<'_> {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        let key = self.find(signer).ok_or(Distrust::UnknownKey)?;
        holds(key, message, signature)
    }
}

fn is_ed25519(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::ED25519 | Algorithm::EDDSA)
}

pub(crate) fn same_scheme(a: Algorithm, b: Algorithm) -> bool {
    a == b || is_ed25519(a) && is_ed25519(b)
}

/// Whether `signature` over `message` is that of the owner of `key`; an algorithm that is
/// not built in is an unknown key.
pub(crate) fn holds(key: &PublicKey<'_>, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
    let verdict: Option<bool> = match key.algorithm {
        #[cfg(feature = "ed25519")]
        Algorithm::ED25519 | Algorithm::EDDSA => match (key.bytes.try_into(), signature.try_into())
        {
            (Ok(key), Ok(signature)) => Some(ed25519::verify(message, key, signature)),
            _ => Some(false),
        },
        #[cfg(feature = "p256")]
        Algorithm::ESP256 => Some(p256::verify(message, key.bytes, signature)),
        #[cfg(feature = "lms")]
        Algorithm::HSS_LMS => Some(lms::verify(message, key.bytes, signature)),
        #[cfg(feature = "ml-dsa")]
        Algorithm::ML_DSA_65 => Some(ml_dsa::verify(message, key.bytes, signature)),
        _ => None,
    };
    // Without any scheme neither is used.
    let _ = (message, signature);
    match verdict {
        Some(true) => Ok(()),
        Some(false) => Err(Distrust::BadSignature),
        None => Err(Distrust::UnknownKey),
    }
}

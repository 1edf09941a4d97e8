//! Signing: one key or a pair, each over the bytes that the format says.

use super::lms::{self, Height};
use super::pem::Secret;
use super::{KeyError, KeyErrorKind, PublicKey};
use ed25519_dalek::{Signer, SigningKey};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Who signs patches and key sets: one key, or two of which both sign.
pub trait Sign: Sync {
    /// The public keys, one or two; for two the classical one first.
    fn public_keys(&self) -> Vec<PublicKey>;

    /// The signature of key number `which` over `message`.
    ///
    /// # Errors
    /// An LMS key that cannot sign.
    fn sign(&self, which: usize, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

impl Sign for SigningKey {
    fn public_keys(&self) -> Vec<PublicKey> {
        vec![self.verifying_key().into()]
    }
    fn sign(&self, _: usize, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature: ed25519_dalek::Signature = Signer::sign(self, message);
        Ok(signature.to_bytes().to_vec())
    }
}

/// A secret key of any scheme. Not `Debug`: it holds a secret.
pub struct SecretKey {
    secret: Secret,
    public: PublicKey,
    /// Beside it lies the state of an LMS key.
    path: PathBuf,
}

impl SecretKey {
    pub(super) fn new(secret: Secret, path: &Path) -> Self {
        SecretKey {
            public: secret.public(),
            secret,
            path: path.to_owned(),
        }
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Secret bytes to derive other secrets from (by HKDF); always the same for a key.
    ///
    /// # Errors
    /// The key cannot be encoded.
    pub fn keying_material(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let pem = self.secret.to_pem().map_err(|e| {
            let what = format!("cannot be encoded ({e})");
            KeyError::new(KeyErrorKind::NotAKey, &self.path, what)
        })?;
        Ok(Zeroizing::new(pem.as_bytes().to_vec()))
    }

    /// Signatures that the key can make in all its life; `None`: any number.
    pub fn capacity(&self) -> Option<u32> {
        match &self.secret {
            Secret::Lms(tree) => Some(Height::leaves(tree.height)),
            _ => None,
        }
    }
}

impl Sign for SecretKey {
    fn public_keys(&self) -> Vec<PublicKey> {
        vec![self.public.clone()]
    }

    fn sign(&self, _: usize, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(match &self.secret {
            Secret::Ed25519(key) => Sign::sign(key, 0, message)?,
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = Signer::sign(key, message);
                signature.normalize_s().to_bytes().to_vec()
            }
            Secret::MlDsa65(key) => {
                let signature: ml_dsa::Signature<ml_dsa::MlDsa65> = Signer::sign(&**key, message);
                signature.encode().to_vec()
            }
            Secret::Lms(tree) => {
                let mut randomizer = [0; 24];
                getrandom::fill(&mut randomizer).map_err(|e| {
                    let what = format!("no random bytes from the operating system ({e})");
                    KeyError::new(KeyErrorKind::NoRandomness, &self.path, what)
                })?;
                let leaf = lms::reserve(&self.path, &self.public, tree.height.leaves())?;
                tree.sign(leaf, &randomizer, message)
            }
        })
    }
}

/// Two keys, and both sign.
pub struct Pair<'k>(pub &'k dyn Sign, pub &'k dyn Sign);

impl Sign for Pair<'_> {
    fn public_keys(&self) -> Vec<PublicKey> {
        [self.0, self.1]
            .iter()
            .flat_map(|k| k.public_keys())
            .collect()
    }
    fn sign(&self, which: usize, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = if which == 0 { self.0 } else { self.1 };
        key.sign(0, message)
    }
}

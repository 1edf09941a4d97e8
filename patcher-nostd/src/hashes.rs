//! SHA-256 for the patcher: what the library inlines is in a build once.
//!
//! Of chunks, of the envelope and of whole images; the signature schemes hash for
//! themselves.

use sha2::{Digest, Sha256};

/// A digest under way.
pub(crate) struct Hash(Sha256);

impl Hash {
    #[inline(never)]
    pub(crate) fn new() -> Self {
        Hash(Sha256::new())
    }

    #[inline(never)]
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[inline(never)]
    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// SHA-256 of `bytes`.
#[inline(never)]
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = Hash::new();
    hash.add(bytes);
    hash.finish()
}

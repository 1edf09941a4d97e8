//! What encrypting a payload means on the wire: sizes, nonces and the names that keys
//! are derived under.
//!
//! The engine encrypts the coded payload chunk by chunk before the chain is laid over it
//! ([`crate::chain`]); the patcher decrypts a chunk once the chain has authenticated it.
//! Ciphers and keys are the callers': this crate has neither. Invariant: a content key
//! serves one payload in one layout, so that (key, nonce) never meets two plaintexts.
//! SPEC §8.1.

use crate::chain::LINK_BYTES;

/// The suite that this version knows: content key by HPKE (RFC 9180) in base mode with
/// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and export; chunks by ChaCha20-Poly1305
/// (RFC 8439).
pub const SUITE: u32 = 1;

/// Bytes of a content key.
pub const KEY_BYTES: usize = 32;

/// Bytes of a recipient's public key and of the encapsulated key in the manifest.
pub const PUBLIC_KEY_BYTES: usize = 32;

/// Bytes that the tag adds to each chunk.
pub const TAG_BYTES: usize = 16;

/// Bytes that a chunk of encrypted data carries besides data: tag and link.
pub const CHUNK_OVERHEAD: usize = TAG_BYTES + LINK_BYTES;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;

/// HPKE's `info`.
pub const HPKE_INFO: &[u8] = b"deltamote-1";

/// HPKE's exporter context of the content key.
pub const HPKE_EXPORT: &[u8] = b"content key";

/// The nonce of chunk `index`: the index, then zeros.
pub const fn nonce(index: u32) -> [u8; NONCE_BYTES] {
    let [a, b, c, d] = index.to_le_bytes();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Manifest field 23: for whom the payload is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encryption<'a> {
    /// First bytes of the SHA-256 of the recipient's public key.
    pub recipient: &'a [u8; crate::envelope::KID_BYTES],
    /// HPKE's encapsulated key, from which the recipient derives the content key.
    pub encapsulated: &'a [u8; PUBLIC_KEY_BYTES],
}

/// Cuts the encrypted data of a chunk (without link) into ciphertext and tag. `None`:
/// too short to hold a byte and a tag.
pub fn split_tag(sealed: &mut [u8]) -> Option<(&mut [u8], &mut [u8; TAG_BYTES])> {
    let (cipher, tag) = sealed.split_last_chunk_mut()?;
    (!cipher.is_empty()).then_some((cipher, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_the_index() {
        assert_eq!(nonce(0), [0; 12]);
        assert_eq!(nonce(0x0403_0201)[..5], [1, 2, 3, 4, 0]);
    }

    #[test]
    fn a_tag_without_data_is_no_chunk() {
        assert!(split_tag(&mut [0; 16]).is_none());
        assert!(split_tag(&mut [0; 3]).is_none());
        let mut one = [7; 17];
        let (cipher, tag) = split_tag(&mut one).map_or((0, 0), |(c, t)| (c.len(), t.len()));
        assert_eq!((cipher, tag), (1, 16));
    }
}

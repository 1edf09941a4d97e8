//! ECDSA with P-256 and SHA-256 (FIPS 186-5; SEC 1 §4.1.4), by the p256 crate.
//!
//! A signature is r and s, 32 bytes each, big-endian, and s is at most half the order:
//! (r, n - s) holds just as well in the standard, and a patch shall have one spelling.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};

/// Whether `signature` over `message` is that of the owner of `key`, an uncompressed point
/// of 65 bytes (SEC 1 §2.3.3).
#[inline(never)]
pub(super) fn verify(message: &[u8], key: &[u8], signature: &[u8]) -> bool {
    // Compressed points would be another spelling, with another id.
    if key.len() != 65 {
        return false;
    }
    let Ok(signature) = Signature::from_slice(signature) else {
        return false;
    };
    let Ok(key) = VerifyingKey::from_sec1_bytes(key) else {
        return false;
    };
    signature.normalize_s() == signature && key.verify(message, &signature).is_ok()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn unhex(hex: &str) -> Vec<u8> {
        let pair = |i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
        (0..hex.len() / 2).map(pair).collect()
    }

    /// RFC 6979 A.2.5: the key and its signatures with SHA-256 over "sample" and "test".
    const KEY: &str = "04\
        60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
        7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    const SAMPLE: &str = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
        f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    const TEST: &str = "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367\
        019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083";

    #[test]
    fn rfc_6979_vectors_hold_in_their_low_form() {
        let key = unhex(KEY);
        assert!(verify(b"test", &key, &unhex(TEST)));
        // Its s is above half the order: the one spelling is n - s.
        assert!(!verify(b"sample", &key, &unhex(SAMPLE)));
        let low = Signature::from_slice(&unhex(SAMPLE)).unwrap().normalize_s();
        assert!(verify(b"sample", &key, &low.to_bytes()));
    }

    #[test]
    fn every_bit_and_every_length_counts() {
        let (key, signature) = (unhex(KEY), unhex(TEST));
        for bit in 0..8 * signature.len() {
            let mut bad = signature.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(b"test", &key, &bad), "signature bit {bit}");
        }
        for bit in 0..8 * key.len() {
            let mut bad = key.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(b"test", &bad, &signature), "key bit {bit}");
        }
        for len in 0..signature.len() {
            assert!(!verify(b"test", &key, &signature[..len]));
        }
        // The same point, compressed.
        let compressed = [&[3], &key[1..33]].concat();
        assert!(!verify(b"test", &compressed, &signature));
        assert!(!verify(b"test", &key, &[signature, unhex("00")].concat()));
        assert!(!verify(b"test", &key, &[0; 64]));
    }
}

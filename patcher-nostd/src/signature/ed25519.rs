//! Ed25519 verification in little stack: what [`crate::Ed25519Keys`] checks with.
//!
//! Fed by [`crate::trust`] with the signed bytes; answers yes or no. It exists because
//! the signature is checked on the device's stack, next to a workspace that is in use:
//! ed25519-dalek's `verify_strict` keeps two tables of multiples there (7.5 KB of stack
//! on a Cortex-M4 at opt-level "s", for 1.85 million instructions), this keeps two sums
//! (2.0 KB at "z", for 3.9 million, in 1.4 KB of text less than a faster loop takes). Field
//! and point arithmetic are curve25519-dalek's, through its public API; only the loop over the bits of the two scalars is here, and
//! the remainder that makes one of them.
//!
//! The rules are those of `verify_strict`, held to it by tests: `s` canonical, key and
//! `R` decodable and not of small order, and `R` compared as bytes without cofactor
//! (RFC 8032 §5.1.7; Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs", 2020).
//!
//! Signature, key and message are public, so nothing here takes constant time. Each step
//! is a function of its own that is never inlined and writes through a reference: the
//! stack then holds the temporaries of one step at a time. The largest are those of
//! decompression and of the SHA-512 schedule.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT as BASE;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use sha2::{Digest, Sha512};

/// Whether `signature` over `message` is that of `key`'s owner.
#[inline(never)]
pub(crate) fn verify(message: &[u8], key: &[u8; 32], signature: &[u8; 64]) -> bool {
    let (Some((r, _)), Some((_, s))) = (
        signature.split_first_chunk::<32>(),
        signature.split_last_chunk::<32>(),
    ) else {
        return false;
    };
    // Where it was decompressed it stays: it is a fifth of the stack that this takes.
    match &mut decompress_negated(key) {
        Some(point) => is_canonical(s) && holds(point, message, key, r, s),
        None => false,
    }
}

/// The rest of [`verify`], for the key as a point.
#[inline(never)]
fn holds(
    point: &mut EdwardsPoint,
    message: &[u8],
    key: &[u8; 32],
    r: &[u8; 32],
    s: &[u8; 32],
) -> bool {
    if is_small_order(point) {
        return false;
    }
    combined(point, message, key, r, s);
    // `R` need not be decoded: bytes that the point encodes to decode to that point.
    encodes_as(point, r) && !is_small_order(point)
}

/// [`combine`] with the challenge, which is not on the stack before.
#[inline(never)]
fn combined(point: &mut EdwardsPoint, message: &[u8], key: &[u8; 32], r: &[u8; 32], s: &[u8; 32]) {
    let mut challenge = [0u8; 32];
    challenge_of(message, key, r, &mut challenge);
    combine(point, &challenge, s);
}

/// The order of the base point, little-endian: 2^252 +
/// 27742317777372353535851937790883648493 (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// Whether `scalar` is below the order. `Scalar::from_canonical_bytes` says the same by
/// a multiplication and 2.5 KB of text.
fn is_canonical(scalar: &[u8; 32]) -> bool {
    scalar.iter().rev().lt(ORDER.iter().rev())
}

/// The negative of the point that `bytes` encode: `R` is `s * BASE - challenge * key`.
#[inline(never)]
fn decompress_negated(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let mut bytes = CompressedEdwardsY(*bytes);
    bytes.0[31] ^= 0x80;
    bytes.decompress()
}

/// What the neutral point encodes to.
const NEUTRAL: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
};

/// Whether eight times `point` is the neutral point.
#[inline(never)]
fn is_small_order(point: &EdwardsPoint) -> bool {
    let mut point = *point;
    for _ in 0..3 {
        double(&mut point);
    }
    // As bytes, as `R` is: comparing points is text of its own.
    encodes_as(&point, &NEUTRAL)
}

/// SHA-512 of `R`, key and message, as a scalar.
#[inline(never)]
fn challenge_of(message: &[u8], key: &[u8; 32], r: &[u8; 32], out: &mut [u8; 32]) {
    let mut digest = [0u8; 64];
    hash(message, key, r, &mut digest);
    reduce(&digest, out);
}

#[inline(never)]
fn hash(message: &[u8], key: &[u8; 32], r: &[u8; 32], out: &mut [u8; 64]) {
    let mut sha = Sha512::new();
    sha.update(r);
    sha.update(key);
    sha.update(message);
    sha.finalize_into(out.into());
}

/// The remainder of `digest` by the order. Bit by bit, as on paper: of 512 bits that is an
/// eightieth of the time of a signature, and `Scalar::from_bytes_mod_order_wide` is
/// 2.4 KB of text on a Cortex-M4.
#[inline(never)]
fn reduce(digest: &[u8; 64], out: &mut [u8; 32]) {
    for byte in digest.iter().rev() {
        for bit in (0..8).rev() {
            let mut carry = byte >> bit & 1;
            for digit in out.iter_mut() {
                let doubled = u16::from(*digit) << 1 | u16::from(carry);
                (*digit, carry) = (doubled as u8, (doubled >> 8) as u8);
            }
            // Twice what is below the order, and one: that needs no more than 32 bytes.
            if !is_canonical(out) {
                let mut borrow = 0;
                for (digit, order) in out.iter_mut().zip(ORDER) {
                    let difference = i16::from(*digit) - i16::from(order) - borrow;
                    (*digit, borrow) = (difference as u8, (difference < 0).into());
                }
            }
        }
    }
}

/// Puts `challenge * point + s * BASE` in the place of `point`.
///
/// Both products in one run of doublings (Shamir's trick), bit by bit: the joint sparse form
/// of the scalars needs a sixth fewer additions, and 400 bytes of text and 127 of stack more.
#[inline(never)]
fn combine(point: &mut EdwardsPoint, challenge: &[u8; 32], s: &[u8; 32]) {
    let mut sum = *point;
    add(&mut sum, &BASE);
    let mut total = EdwardsPoint::default();
    for (c, s) in challenge.iter().zip(s).rev() {
        for bit in (0..8).rev() {
            double(&mut total);
            let (c, s) = (c >> bit & 1, s >> bit & 1);
            if c | s != 0 {
                let of_both = match (c, s) {
                    (1, 0) => &*point,
                    (0, _) => &BASE,
                    _ => &sum,
                };
                add(&mut total, of_both);
            }
        }
    }
    *point = total;
}

#[inline(never)]
fn add(to: &mut EdwardsPoint, point: &EdwardsPoint) {
    *to += point;
}

/// By way of addition, which is complete: a doubling of its own is 250 bytes of text.
#[inline(never)]
fn double(point: &mut EdwardsPoint) {
    let same = *point;
    add(point, &same);
}

#[inline(never)]
fn encodes_as(point: &EdwardsPoint, bytes: &[u8; 32]) -> bool {
    point.compress().0 == *bytes
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]
mod tests {
    extern crate std;
    use super::*;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::scalar::Scalar;
    use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
    use std::vec::Vec;

    /// xorshift64: the tests draw the same cases every time.
    struct Random(u64);

    impl Random {
        fn byte(&mut self) -> u8 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 24) as u8
        }
        fn bytes(&mut self, n: usize) -> Vec<u8> {
            (0..n).map(|_| self.byte()).collect()
        }
        fn array<const N: usize>(&mut self) -> [u8; N] {
            core::array::from_fn(|_| self.byte())
        }
    }

    /// The judgement of ed25519-dalek.
    fn strict(message: &[u8], key: &[u8; 32], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(key)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    #[track_caller]
    fn both(message: &[u8], key: &[u8; 32], signature: &[u8; 64]) -> bool {
        let ours = verify(message, key, signature);
        let theirs = strict(message, key, signature);
        assert_eq!(
            ours, theirs,
            "message {message:x?} key {key:x?} signature {signature:x?}"
        );
        ours
    }

    fn unhex<const N: usize>(hex: &str) -> [u8; N] {
        assert_eq!(hex.len(), 2 * N);
        core::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
    }

    /// `s + ORDER` in the place of `s`.
    fn second_encoding(signature: &[u8; 64]) -> [u8; 64] {
        let mut out = *signature;
        let mut carry = 0;
        for (byte, l) in out[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        out
    }

    #[test]
    fn remainders_are_those_of_the_library() {
        let mut random = Random(11);
        let mut cases: Vec<[u8; 64]> = (0..500).map(|_| random.array()).collect();
        cases.extend([[0; 64], [0xff; 64]]);
        // Multiples of the order, and their neighbours.
        for (times, add) in [(1u8, 0u8), (1, 1), (2, 0), (15, 0), (16, 0), (255, 3)] {
            let mut wide = [0u8; 64];
            let mut carry = u16::from(add);
            for (to, order) in wide.iter_mut().zip(ORDER.into_iter().chain([0; 32])) {
                let sum = u16::from(order) * u16::from(times) + carry;
                (*to, carry) = (sum as u8, sum >> 8);
            }
            cases.push(wide);
        }
        for digest in cases {
            let mut out = [0; 32];
            reduce(&digest, &mut out);
            let theirs = Scalar::from_bytes_mod_order_wide(&digest);
            assert_eq!(out, theirs.to_bytes(), "{digest:x?}");
        }
    }

    #[test]
    fn rfc_8032_vectors_hold() {
        struct Vector {
            name: &'static str,
            key: &'static str,
            message: &'static str,
            signature: &'static str,
        }
        // RFC 8032 §7.1.
        static VECTORS: [Vector; 3] = [
            Vector {
                name: "test 1",
                key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                message: "",
                signature: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
                            5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            },
            Vector {
                name: "test 2",
                key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                message: "72",
                signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                            085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            },
            Vector {
                name: "test 3",
                key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                message: "af82",
                signature: "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                            18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            },
        ];
        for v in &VECTORS {
            let message: Vec<u8> = (0..v.message.len() / 2)
                .map(|i| u8::from_str_radix(&v.message[2 * i..2 * i + 2], 16).unwrap())
                .collect();
            let (key, signature) = (unhex(v.key), unhex(v.signature));
            assert!(both(&message, &key, &signature), "{}", v.name);
            assert!(
                !both(&message, &key, &second_encoding(&signature)),
                "{}: s + L",
                v.name
            );
        }
    }

    #[test]
    fn random_signatures_are_judged_as_by_dalek() {
        let mut random = Random(0x0123_4567_89ab_cdef);
        let (mut good, mut bad) = (0, 0);
        for case in 0..1200 {
            let key = SigningKey::from_bytes(&random.array());
            let mut message = random.bytes(case % 300);
            let mut signature = key.sign(&message).to_bytes();
            let mut public = key.verifying_key().to_bytes();
            let bit = 1 << (random.byte() & 7);
            match case % 6 {
                1 => signature[usize::from(random.byte()) % 64] ^= bit,
                2 => public[usize::from(random.byte()) % 32] ^= bit,
                3 if !message.is_empty() => message[0] ^= bit,
                4 => signature = second_encoding(&signature),
                5 => {
                    let rotated = random.array::<64>();
                    signature[32..].copy_from_slice(&rotated[32..]);
                }
                _ => {}
            }
            if both(&message, &public, &signature) {
                good += 1;
            } else {
                bad += 1;
            }
        }
        assert!(good >= 200 && bad >= 800, "{good} good, {bad} bad");
    }

    #[test]
    fn every_bit_counts() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let public = key.verifying_key().to_bytes();
        let message = *b"update";
        let signature = key.sign(&message).to_bytes();
        assert!(both(&message, &public, &signature));
        for bit in 0..512 {
            let mut forged = signature;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!both(&message, &public, &forged), "bit {bit}");
        }
    }

    /// Torsion points and the encodings at and above the field's prime as key and `R`
    /// ("Taming the many EdDSAs", table 5; Wycheproof has the same kinds).
    #[test]
    fn small_orders_and_odd_encodings_are_refused() {
        let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|p| p.compress().0).collect();
        for low in 0xed..=0xff {
            for high in [0x7f, 0xff] {
                let mut encoding = [0xff; 32];
                (encoding[0], encoding[31]) = (low, high);
                encodings.push(encoding);
            }
        }
        // x = 0 with the sign bit set.
        for y in [1, 0xec] {
            let mut encoding = [if y == 1 { 0 } else { 0xff }; 32];
            (encoding[0], encoding[31]) = (y, if y == 1 { 0x80 } else { 0xff });
            encodings.push(encoding);
        }
        for key in &encodings {
            for r in &encodings {
                for s in 0..3 {
                    let mut signature = [0; 64];
                    signature[..32].copy_from_slice(r);
                    signature[32] = s;
                    assert!(!both(b"x", key, &signature));
                }
            }
        }
        let signer = SigningKey::from_bytes(&[5; 32]);
        let public = signer.verifying_key().to_bytes();
        let signed = signer.sign(b"y").to_bytes();
        for odd in &encodings {
            let mut signature = signed;
            signature[..32].copy_from_slice(odd);
            assert!(!both(b"y", &public, &signature));
            assert!(!both(b"y", odd, &signed));
        }
    }

    /// A key with a torsion component: without cofactor only some messages verify, and
    /// both sides must agree which.
    #[test]
    fn mixed_order_keys_are_judged_as_by_dalek() {
        let mut random = Random(77);
        let (mut good, mut bad) = (0, 0);
        for torsion in &EIGHT_TORSION {
            for case in 0..16u8 {
                let secret = Scalar::from_bytes_mod_order(random.array());
                let nonce = Scalar::from_bytes_mod_order(random.array());
                let key = (secret * BASE + torsion).compress().0;
                let r = (nonce * BASE).compress().0;
                let mut challenge = [0; 32];
                challenge_of(&[case], &key, &r, &mut challenge);
                let challenge = Scalar::from_bytes_mod_order(challenge);
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&r);
                signature[32..].copy_from_slice((nonce + challenge * secret).as_bytes());
                if both(&[case], &key, &signature) {
                    good += 1;
                } else {
                    bad += 1;
                }
            }
        }
        assert!(good >= 16 && bad >= 64, "{good} good, {bad} bad");
    }

    #[test]
    fn extreme_scalars_are_judged_as_by_dalek() {
        let below = (-Scalar::ONE).to_bytes();
        let mut power = [0; 32];
        power[31] = 0x10;
        let signer = SigningKey::from_bytes(&[5; 32]);
        let public = signer.verifying_key().to_bytes();
        let signed = signer.sign(b"z").to_bytes();
        for s in [[0; 32], [0xff; 32], ORDER, below, power] {
            let mut signature = signed;
            signature[32..].copy_from_slice(&s);
            assert!(!both(b"z", &public, &signature));
        }
    }

    #[test]
    fn both_products_are_those_of_the_library() {
        let mut random = Random(3);
        let scalars = [
            Scalar::ZERO,
            Scalar::ONE,
            -Scalar::ONE,
            Scalar::from_bytes_mod_order(random.array()),
            Scalar::from_bytes_mod_order(random.array()),
        ];
        let points = [BASE, -BASE, scalars[3] * BASE, BASE + EIGHT_TORSION[1]];
        for point in points.into_iter().chain(EIGHT_TORSION) {
            for a in scalars {
                for b in scalars {
                    let mut ours = point;
                    combine(&mut ours, a.as_bytes(), b.as_bytes());
                    assert_eq!(ours, a * point + b * BASE);
                }
            }
        }
    }
}

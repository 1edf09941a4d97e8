//! Vectors of RFC 8554 (appendix F, test case 1, the lower level alone) and of RFC 9858
//! (appendix A.1), and what must be refused.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]
extern crate std;
use super::*;
use std::vec::Vec;

/// Key, message, signature; twice. Framed as HSS of one level.
const VECTORS: &str = include_str!("lms_vectors.txt");

fn vectors() -> Vec<[Vec<u8>; 3]> {
    let blocks = VECTORS.split("\n\n").map(|block| {
        let digits: Vec<u8> = block.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect::<Vec<u8>>()
    });
    let all: Vec<Vec<u8>> = blocks.collect();
    all.chunks_exact(3)
        .map(|c| [c[0].clone(), c[1].clone(), c[2].clone()])
        .collect()
}

#[test]
fn the_vectors_of_both_rfcs_hold() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 2);
    for [key, message, signature] in &vectors {
        assert!(verify(message, key, signature));
    }
    assert_eq!(vectors[0][0].len(), 60);
    assert_eq!(vectors[1][2].len(), 784);
}

#[test]
fn every_bit_counts() {
    for [key, message, signature] in vectors() {
        for bit in 0..8 * signature.len() {
            let mut bad = signature.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&message, &key, &bad), "signature bit {bit}");
        }
        for bit in 0..8 * key.len() {
            let mut bad = key.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&message, &bad, &signature), "key bit {bit}");
        }
        for bit in 0..8 * message.len() {
            let mut bad = message.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&bad, &key, &signature), "message bit {bit}");
        }
    }
}

#[test]
fn every_length_counts() {
    for [key, message, signature] in vectors() {
        for len in 0..signature.len() {
            assert!(!verify(&message, &key, &signature[..len]));
        }
        for len in 0..key.len() {
            assert!(!verify(&message, &key[..len], &signature));
        }
        let longer = |bytes: &[u8]| [bytes, &[0]].concat();
        assert!(!verify(&message, &key, &longer(&signature)));
        assert!(!verify(&message, &longer(&key), &signature));
    }
}

#[test]
fn numbers_that_are_not_in_the_registry() {
    for number in [0, 9, u32::MAX] {
        assert!(Ots::of(number).is_none());
    }
    for number in [0, 4, 15, u32::MAX] {
        assert!(tree(number).is_none());
    }
    assert_eq!(tree(9), Some((32, 25)));
    assert_eq!(tree(10), Some((24, 5)));
    assert_eq!(tree(14), Some((24, 25)));
    // Table 1 of both: p digits hold message and checksum.
    for number in 1..=8 {
        let ots = Ots::of(number).unwrap();
        let digits = 8 * ots.n as u32 / ots.w;
        let most = digits * ((1 << ots.w) - 1);
        let bits = 32 - most.leading_zeros();
        assert_eq!(u32::from(ots.p), digits + bits.div_ceil(ots.w), "{number}");
        assert_eq!(ots.ls, 16 - bits.div_ceil(ots.w) * ots.w, "{number}");
    }
}

//! Vectors from outside: those of Wycheproof for each signature scheme that it has, all of
//! them, against the verifier that a device runs.
//!
//! Where the format is narrower than the standard (SPEC §4.4: P-256 with the smaller s,
//! ML-DSA with an empty context) a case that the standard accepts must be refused here, for
//! exactly that reason. LMS has the vectors of its RFCs (`src/signature/lms_tests.rs`).
//!
//! ```text
//! cargo test -p deltamote-patcher --all-features --test wycheproof -- --nocapture
//! ```
#![cfg(all(feature = "ed25519", feature = "p256", feature = "ml-dsa"))]
#![allow(clippy::unwrap_used, clippy::panic)]

use deltamote_patcher::format::envelope::{Algorithm, Signer};
use deltamote_patcher::{Distrust, Keys, PublicKey, Verifier, key_id};
use wycheproof::{TestResult, ecdsa, eddsa, mldsa_verify};

fn holds(algorithm: Algorithm, bytes: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let kid = key_id(bytes);
    let keys = [PublicKey { algorithm, bytes }];
    match Keys(&keys).verify(&Signer { algorithm, kid }, message, signature) {
        Ok(()) => true,
        Err(Distrust::BadSignature) => false,
        Err(other) => panic!("{algorithm:?} is not built in: {other:?}"),
    }
}

/// How many of the cases of a scheme were accepted, and how many refused.
#[derive(Default, PartialEq, Eq, Debug)]
struct Count {
    accepted: usize,
    refused: usize,
}

impl Count {
    #[track_caller]
    fn is(&mut self, case: usize, seen: bool, expected: bool) {
        assert_eq!(seen, expected, "case {case}");
        if seen {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
    }

    #[track_caller]
    fn end(self, cases: usize) {
        println!("{self:?}");
        assert_eq!(self.accepted + self.refused, cases);
        assert!(self.accepted > 0 && self.refused > 0, "{self:?}");
    }
}

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut count = Count::default();
    for group in &set.test_groups {
        for test in &group.tests {
            let seen = holds(Algorithm::ED25519, &group.key.pk, &test.msg, &test.sig);
            count.is(test.tc_id, seen, test.result == TestResult::Valid);
        }
    }
    count.end(set.number_of_tests);
}

/// Half of the order of P-256, rounded down (SEC 2 §2.4.2).
const HALF: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

#[test]
fn p256() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let (mut count, mut above) = (Count::default(), 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let check =
                |signature: &[u8]| holds(Algorithm::ESP256, &group.key.key, &test.msg, signature);
            let valid = test.result == TestResult::Valid;
            let high = test.sig.get(32..).is_some_and(|s| *s > HALF[..]);
            count.is(test.tc_id, check(&test.sig), valid && !high);
            if valid && high {
                // The same signature, spelt as a patch wants it.
                let signature = ::p256::ecdsa::Signature::from_slice(&test.sig).unwrap();
                let low = signature.normalize_s().to_bytes();
                assert!(check(&low), "case {}", test.tc_id);
                above += 1;
            }
        }
    }
    println!("{above} more in their other spelling");
    count.end(set.number_of_tests);
}

#[test]
fn ml_dsa_65() {
    let set = mldsa_verify::TestSet::load(mldsa_verify::TestName::MlDsa65Verify).unwrap();
    let (mut count, mut elsewhere) = (Count::default(), 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let seen = holds(Algorithm::ML_DSA_65, &group.pubkey, &test.msg, &test.sig);
            let valid = test.result == TestResult::Valid;
            let bare = test.ctx.as_ref().is_none_or(|context| context.is_empty());
            count.is(test.tc_id, seen, valid && bare);
            elsewhere += usize::from(valid && !bare);
        }
    }
    println!("{elsewhere} of the refused are good in a context");
    count.end(set.number_of_tests);
}

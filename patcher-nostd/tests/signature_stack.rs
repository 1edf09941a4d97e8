//! Stack that checking a signature takes, on this machine: a child process checks one on
//! a thread with less and less stack until it dies. Without `unsafe`, and so only roughly
//! (1 KiB); 64-bit code takes more than a Cortex-M. Prints what it found:
//!
//! ```text
//! cargo test -p deltamote-patcher --all-features --release --test signature_stack -- --nocapture
//! ```
#![cfg(all(
    feature = "ed25519",
    feature = "p256",
    feature = "lms",
    feature = "ml-dsa"
))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use deltamote_patcher::format::envelope::{Algorithm, Signer};
use deltamote_patcher::{Keys, PublicKey, Verifier, key_id};
use std::hint::black_box;
use std::process::Command;

const KIB: usize = 1024;
/// More than the smallest stack of any system: burnt before the check begins.
const BURNT: usize = 64 * KIB;
/// Nothing, then each scheme.
const NAMES: [&str; 5] = ["nothing", "ed25519", "p256", "lms", "ml-dsa-65"];

/// Algorithm, key, message, signature.
type Case = (Algorithm, Vec<u8>, Vec<u8>, Vec<u8>);

fn case(name: &str) -> Option<Case> {
    let message = vec![7; 150];
    Some(match name {
        "ed25519" => {
            let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
            let signature = ed25519_dalek::Signer::sign(&key, &message);
            let public = key.verifying_key().to_bytes().to_vec();
            (
                Algorithm::ED25519,
                public,
                message,
                signature.to_bytes().to_vec(),
            )
        }
        "p256" => {
            use p256::ecdsa::{Signature, SigningKey, signature::Signer};
            let key = SigningKey::from_slice(&[9; 32]).unwrap();
            let signature: Signature = key.sign(&message);
            let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
            let signature = signature.normalize_s().to_bytes().to_vec();
            (Algorithm::ESP256, public, message, signature)
        }
        "lms" => {
            let text = include_str!("../src/signature/lms_vectors.txt");
            let mut blocks = text.split("\n\n").skip(3).map(unhex);
            let mut next = || blocks.next().unwrap();
            (Algorithm::HSS_LMS, next(), next(), next())
        }
        "ml-dsa-65" => {
            use ml_dsa::{KeyExport, MlDsa65, SigningKey};
            let key = SigningKey::<MlDsa65>::from_seed(&[9; 32].into());
            let key = key.expanded_key();
            let signature = key.sign_deterministic(&message, &[]).unwrap();
            let public = key.verifying_key().to_bytes().to_vec();
            (
                Algorithm::ML_DSA_65,
                public,
                message,
                signature.encode().to_vec(),
            )
        }
        _ => return None,
    })
}

fn unhex(block: &str) -> Vec<u8> {
    let digits: String = block.split_whitespace().collect();
    let pair = |i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap();
    (0..digits.len() / 2).map(pair).collect()
}

fn check(case: &Option<Case>) {
    let Some((algorithm, bytes, message, signature)) = case else {
        return;
    };
    let (algorithm, kid) = (*algorithm, key_id(bytes));
    let keys = [PublicKey { algorithm, bytes }];
    let signer = Signer { algorithm, kid };
    assert_eq!(Keys(&keys).verify(&signer, message, signature), Ok(()));
}

#[inline(never)]
fn behind_a_burnt_stack(case: &Option<Case>) {
    let burnt = [1u8; BURNT];
    black_box(&burnt);
    check(case);
    black_box(&burnt);
}

fn on_a_thread(bytes: usize, f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(bytes);
    thread.spawn(f).unwrap().join().unwrap();
}

/// The child: does nothing unless it is told what to check.
#[test]
fn child() {
    let Ok(told) = std::env::var("DELTAMOTE_STACK") else {
        return;
    };
    let (name, bytes) = told.split_once(' ').unwrap();
    let (name, bytes) = (name.to_owned(), bytes.parse().unwrap());
    on_a_thread(8 << 20, move || {
        let case = case(&name);
        on_a_thread(bytes, move || behind_a_burnt_stack(&case));
    });
}

/// KiB of stack that suffice for `name`, the burnt ones included.
fn suffices(name: &str) -> usize {
    let lives = |kib: usize| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child", "--test-threads=1"]);
        child.env("DELTAMOTE_STACK", format!("{name} {}", kib * KIB));
        child.output().unwrap().status.success()
    };
    let (mut low, mut high) = (BURNT / KIB - 1, 1024);
    assert!(lives(high), "{name}");
    while high - low > 1 {
        let middle = low.midpoint(high);
        if lives(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[test]
fn stack_of_each_scheme() {
    let [nothing, rest @ ..] = NAMES.map(suffices);
    for (name, kib) in NAMES.iter().skip(1).zip(rest) {
        println!("{name}: {} KiB", kib - nothing);
    }
    let [ed25519, p256, lms, ml_dsa] = rest.map(|kib| kib - nothing);
    assert!(
        ed25519 <= 16 && p256 <= 24 && lms <= 8,
        "{ed25519} {p256} {lms}"
    );
    assert!(ml_dsa > lms && ml_dsa <= 512, "{ml_dsa}");
}

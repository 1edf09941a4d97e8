//! Firmware that checks one signature and says what it took: stack and instructions.
//!
//! Key, message and signature are files of the emulator; the scheme is the one that is
//! built in. Leaves with status 1 where the signature does not hold.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod board;
mod report;

use board::host::{self, File};
use deltamote_patcher::format::envelope::{Algorithm, Signer};
use deltamote_patcher::{Keys, PublicKey, Verifier, key_id};

const SCHEME: Algorithm = if cfg!(feature = "p256") {
    Algorithm::ESP256
} else if cfg!(feature = "lms") {
    Algorithm::HSS_LMS
} else if cfg!(feature = "ml-dsa") {
    Algorithm::ML_DSA_65
} else {
    Algorithm::ED25519
};

/// Longest of the files: a signature of ML-DSA-65 has 3309 bytes.
const MOST: usize = 4096;

/// What the file `name` holds.
fn load<'b>(name: &'static [u8], buf: &'b mut [u8; MOST]) -> Option<&'b [u8]> {
    let n = File::open(name)?.read(0, buf);
    buf.get(..n)
}

/// Key, message, signature.
fn files(buf: &mut [[u8; MOST]; 3]) -> Option<[&[u8]; 3]> {
    let [key, message, signature] = buf;
    Some([
        load(b"key.bin\0", key)?,
        load(b"message.bin\0", message)?,
        load(b"signature.bin\0", signature)?,
    ])
}

fn run() -> ! {
    let mut buf = [[0; MOST]; 3];
    let Some([key, message, signature]) = files(&mut buf) else {
        report::text("error: no files\n");
        host::exit(2);
    };
    let signer = Signer {
        algorithm: SCHEME,
        kid: key_id(key),
    };
    let (result, stack, room) = board::stack_of(|| {
        let keys = [PublicKey {
            algorithm: SCHEME,
            bytes: key,
        }];
        let began = board::ticks();
        let result = Keys(&keys).verify(&signer, message, signature);
        (result, board::ticks().wrapping_sub(began))
    });
    if result.0.is_err() {
        report::text("error: it does not hold\n");
        host::exit(1);
    }
    report::fields(&[
        ("stack_bytes", stack as u64),
        ("stack_room_bytes", room as u64),
        ("insns_signature", board::instructions(result.1)),
    ]);
    host::exit(0)
}

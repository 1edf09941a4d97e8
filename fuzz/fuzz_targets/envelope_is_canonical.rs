//! What is accepted is what emitting it gives.
#![no_main]

use deltamote_format::envelope::{Envelope, MAX_ENVELOPE};
use deltamote_format::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut out = [0; MAX_ENVELOPE];
    if let Ok(envelope) = Envelope::parse(data) {
        let len = envelope.emit(&mut out).expect("what was parsed can be emitted");
        assert_eq!(&out[..len], data);
    }
    if let Ok(manifest) = Manifest::parse(data) {
        let mut out = vec![0; data.len() + 64];
        let len = manifest.emit(&mut out).expect("what was parsed can be emitted");
        assert_eq!(&out[..len], data);
    }
});

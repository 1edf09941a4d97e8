//! An envelope that is accepted is the one that emitting it gives.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::wire::envelope_is_canonical(data));

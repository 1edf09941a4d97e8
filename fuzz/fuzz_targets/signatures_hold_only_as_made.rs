//! In each scheme a signature holds as it was made, and not with anything changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::signatures::signatures_hold_only_as_made(data));

//! An encrypted chunk opens as it was sealed, and not with anything changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::encryption::chunks_open_only_as_sealed(data));

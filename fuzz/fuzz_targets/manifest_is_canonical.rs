//! A manifest that is accepted is the one that emitting it gives, and its payload can be
//! cut into chunks of its profile.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::wire::manifest_is_canonical(data));

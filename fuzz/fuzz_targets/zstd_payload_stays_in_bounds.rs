//! Any payload, from its front or from any resume point, ends: in a complete image of the
//! declared size, or in an error; no step uses more than its reserve of input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::zstd::zstd_payload_stays_in_bounds(data));

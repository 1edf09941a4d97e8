//! The engine makes a patch of any pair of images, and the patcher makes the new image of
//! it; the same patch comes out again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::pairs::every_pair_round_trips(data));

//! Any plan over any pair of images encodes, and its payload decodes to the new image in
//! exactly its own length.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::pairs::any_plan_round_trips(data));

//! Any split of a patch, good or damaged, gives the same flash operations, the same new
//! image and the same error at the same place.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::update::any_split_is_the_same(data));

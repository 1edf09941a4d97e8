//! A key set is taken only from the root, and opens exactly what its keys may sign.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::signatures::key_sets_open_what_they_say(data));

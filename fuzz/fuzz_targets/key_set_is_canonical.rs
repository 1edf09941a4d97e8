//! A key set that is accepted is the one that emitting it gives; cut short or with a byte
//! behind it, it is refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::wire::key_set_is_canonical(data));

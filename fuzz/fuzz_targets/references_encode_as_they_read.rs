//! In any code: a reference encoded for its own target is the unit it was read from, and
//! encoded for another target it reads as a reference to that one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    deltamote_laws::references::references_encode_as_they_read(data)
});

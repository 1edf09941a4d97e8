//! An image written as Intel HEX, S-record or UF2, in records of any length and (but for
//! UF2) any order, reads back as itself at its address.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::images::written_images_read_back(data));

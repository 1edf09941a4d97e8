//! Whatever a reader accepts: its segments lie inside the image, and what is found at the
//! address of a byte has that address.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::images::images_stay_inside(data));

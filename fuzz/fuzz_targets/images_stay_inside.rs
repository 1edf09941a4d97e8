//! Whatever a reader accepts: its segments lie inside the image, and address and offset
//! are inverse to each other.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::images::images_stay_inside(data));

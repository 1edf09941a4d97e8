//! For any patch and any device: a patch that is not for it is refused for the first reason
//! in the order of SPEC §4.2, and nothing is touched; any other makes the new image, and
//! breaks no rule of the flash, with a journal that takes what is stated.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::fitness::the_first_reason_is_given(data));

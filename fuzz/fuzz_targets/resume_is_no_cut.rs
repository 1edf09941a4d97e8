//! Power cuts at any operations of any sessions, torn in any way, lead to the slot that an
//! update without cuts leaves.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::update::resume_is_no_cut(data));

//! Whatever the journal's flash and the slot hold, lies with good checksums included: no
//! image but the new one is handed over, no rule of flash is broken, and after one
//! refusal at most the update succeeds, but for a lie about a chunk's link: that one is
//! refused as long as it stands (a bad chunk from the air must not erase progress). And:
//! a header or record that reads is the one that writing it gives.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::journal::any_journal_is_survived(data));

//! Whatever the bootloader's flash holds: taking back and handing over do what they say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::boot::any_boot_state_is_survived(data));

//! Bytes that no trusted key signed cause no erase and no program; nor does a signed
//! patch complete of which one byte was changed or cut away.
#![no_main]

libfuzzer_sys::fuzz_target!(
    |data: &[u8]| deltamote_laws::update::unauthentic_bytes_change_nothing(data)
);

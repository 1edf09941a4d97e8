//! Bytes that no trusted key signed cause no erase and no program.
#![no_main]

use deltamote_patcher::NoKeys;
use deltamote_sim::{Options, apply_on_sim};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let options = Options {
        split: usize::from(data.first().copied().unwrap_or(0)),
        slot_size: Some(4096),
        ..Options::default()
    };
    assert!(apply_on_sim(&[0x55; 64], data, &NoKeys, &options).is_err());
});

//! Of a payload that was changed, cut short, reordered or lengthened, a decoder sees a
//! prefix of the sealed data and nothing else, and the update does not complete; and
//! chunks tile every payload that a layout exists for.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deltamote_laws::chain::chunks_pass_only_as_sealed(data));

//! Authentic but hostile payloads: the signer is trusted, the decoder must be safe all
//! the same.

#![allow(clippy::indexing_slicing, clippy::panic)]

use deltamote_format::codec::{Decoder, STEP_RESERVE, Step};
use deltamote_format::coder::Input;
use deltamote_format::{Error, Profile};
use proptest::prelude::*;

/// Decodes; panics if the payload neither ends nor errs, or writes too much.
fn decode(payload: &[u8], old: &[u8], new_len: usize) -> Result<Vec<u8>, Error> {
    let mut words = vec![0; Decoder::words(Profile::Tiny)];
    let lens = (old.len() as u32, new_len as u32);
    let mut decoder = Decoder::new(&mut words, Profile::Tiny, lens.0, lens.1, None)?;
    let mut input = Input {
        bytes: payload,
        last: true,
        used: 0,
    };
    let mut new = Vec::new();
    for _ in 0..64 * (new_len + 1) + 4096 {
        let before = input.used;
        let step = decoder.step(&mut input, &mut &*old, &mut &new[..])?;
        assert!(input.used - before <= STEP_RESERVE, "a step used too much");
        match step {
            Step::Output { word, len } => {
                new.extend_from_slice(&word.to_le_bytes()[..usize::from(len)]);
                assert!(new.len() <= new_len, "output beyond the declared size");
            }
            Step::Done => return Ok(new),
            Step::Control | Step::Reset => {}
        }
    }
    panic!("the payload does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_payload_ends(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        old in prop::collection::vec(any::<u8>(), 1..600),
        new_len in 1..2000usize,
    ) {
        if let Ok(new) = decode(&payload, &old, new_len) {
            prop_assert_eq!(new.len(), new_len);
        }
    }

    /// Extreme bytes drive the coder to the ends of its interval, where commands are
    /// long and numbers large.
    #[test]
    fn extreme_payloads_end(
        payload in prop::collection::vec(prop::sample::select(vec![0u8, 1, 0x7f, 0x80, 0xfe, 0xff]), 0..300),
        old in prop::collection::vec(any::<u8>(), 1..600),
        new_len in 1..2000usize,
    ) {
        if let Ok(new) = decode(&payload, &old, new_len) {
            prop_assert_eq!(new.len(), new_len);
        }
    }
}

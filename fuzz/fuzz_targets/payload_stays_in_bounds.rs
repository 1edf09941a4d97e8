//! Any payload ends in a complete image or in an error.
#![no_main]

use deltamote_format::Profile;
use deltamote_format::codec::{Decoder, Step};
use deltamote_format::coder::Input;
use deltamote_format::le;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [a, b, rest @ ..] = data else { return };
    let old_len = usize::from(*a) * 4 + 1;
    let new_len = usize::from(*b) * 8 + 1;
    let old: Vec<u8> = rest.iter().copied().cycle().take(old_len).collect();
    if old.len() < old_len {
        return;
    }
    let mut words = vec![0; Decoder::words(Profile::Tiny)];
    let mut decoder =
        Decoder::new(&mut words, Profile::Tiny, old_len as u32, new_len as u32, None)
            .expect("the workspace is large enough");
    let mut input = Input { bytes: rest, last: true, used: 0 };
    let mut new = Vec::new();
    // A byte takes a few steps at most; commands without bytes are bounded by them.
    for _ in 0..64 * (new_len + 1) + 4096 {
        match decoder.step(&mut input, &mut &old[..], &mut &new[..]) {
            Ok(Step::Output { word, len }) => {
                new.extend_from_slice(&le::word_bytes(word)[..usize::from(len)]);
                assert!(new.len() <= new_len);
            }
            Ok(Step::Done) => {
                assert_eq!(new.len(), new_len);
                return;
            }
            Ok(Step::Control | Step::Reset(_)) => {}
            Err(_) => return,
        }
    }
    panic!("the payload does not end");
});

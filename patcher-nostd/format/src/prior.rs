//! The trained initial states of the models, as constants that a device keeps in flash.
//!
//! Made by `deltamote-bench train` (the files under `prior/`, little-endian words in
//! the order of [`Prior::words`]); a device links those of the profiles that it names
//! in its list of priors, others cost nothing. SPEC §6.12.

use crate::model::{Models, Prior};
use crate::profile::Profile;

const fn count(profile: Profile) -> usize {
    Models::words(&profile.limits())
}

/// Reads little-endian words; fails to compile when the file does not fit the profile.
const fn words<const N: usize>(bytes: &[u8]) -> [u16; N] {
    assert!(
        bytes.len() == 2 * N,
        "the trained state does not fit the profile: run deltamote-bench train"
    );
    let mut words = [0; N];
    let mut i = 0;
    while i < N {
        // `i` is below both lengths.
        #[allow(clippy::indexing_slicing)]
        {
            words[i] = u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]);
        }
        i += 1;
    }
    words
}

/// Names a state: FNV-1a over its words, never 0.
pub const fn id_of(words: &[u16]) -> u32 {
    let mut hash = 0x811c_9dc5u32;
    let mut i = 0;
    while i < words.len() {
        // `i` is below the length.
        #[allow(clippy::indexing_slicing)]
        let word = words[i];
        hash = (hash ^ word as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    // 16 bits name a handful of states, and every manifest carries them.
    let short = (hash >> 16 ^ hash) & 0xffff;
    if short == 0 { 1 } else { short }
}

const fn prior(words: &'static [u16]) -> Prior<'static> {
    Prior {
        id: id_of(words),
        words,
    }
}

static TINY_WORDS: [u16; count(Profile::Tiny)] = words(include_bytes!("../prior/tiny.bin"));
static SMALL_WORDS: [u16; count(Profile::Small)] = words(include_bytes!("../prior/small.bin"));
static MEDIUM_WORDS: [u16; count(Profile::Medium)] = words(include_bytes!("../prior/medium.bin"));

/// For [`Profile::Tiny`].
pub const TINY: Prior<'static> = prior(&TINY_WORDS);
/// For [`Profile::Small`].
pub const SMALL: Prior<'static> = prior(&SMALL_WORDS);
/// For [`Profile::Medium`].
pub const MEDIUM: Prior<'static> = prior(&MEDIUM_WORDS);

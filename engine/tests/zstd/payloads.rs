//! Payloads as they are, and as nobody should make them. What the device's chunks let
//! through is authentic; these are sealed anew, as a signer gone bad would.

use crate::pairs::relatives;
use crate::{Pair, apply, firmware, options, pair, payload};
use deltamote_format::manifest::CODEC_ZSTD;
use deltamote_patcher::Error;
use deltamote_zstd::Zstd;
use proptest::prelude::*;

fn refused(pair: &Pair, payload: &[u8]) -> bool {
    match apply::<Zstd>(&pair.old, &pair.sealed(payload, CODEC_ZSTD), &options()) {
        Ok(new) => {
            assert!(new == pair.new, "another image was handed over");
            false
        }
        Err(e) => {
            let expected = matches!(e, Error::Payload { .. } | Error::NewImageMismatch);
            assert!(expected, "{e}");
            true
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn arbitrary_pairs_come_back((old, new) in relatives(2000), log2 in 12u8..=20) {
        let pair = pair(&old, &new, log2);
        let made = apply::<Zstd>(&old, &pair.patch(), &options());
        prop_assert_eq!(made, Ok(new));
    }

    #[test]
    fn arbitrary_changes_end_in_an_error(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let pair = firmware(6000, 12);
        let mut payload = pair.payload.clone();
        for (at, value) in noise {
            let at = at.index(payload.len());
            payload[at] = value;
        }
        if payload != pair.payload {
            refused(&pair, &payload);
        }
    }

    #[test]
    fn arbitrary_bytes_end_in_an_error(bytes in prop::collection::vec(any::<u8>(), 1..400)) {
        let pair = firmware(6000, 12);
        prop_assert!(refused(&pair, &bytes));
    }
}

#[test]
fn every_truncation_is_refused() {
    let pair = firmware(3000, 12);
    for len in 1..pair.payload.len() {
        assert!(refused(&pair, &pair.payload[..len]), "{len}");
    }
    let longer = [&pair.payload[..], &[0]].concat();
    assert!(refused(&pair, &longer));
    assert!(!refused(&pair, &pair.payload));
}

#[test]
fn every_changed_byte_is_refused_or_means_the_same() {
    let pair = firmware(1500, 12);
    let mut harmless = 0;
    for at in 0..pair.payload.len() {
        for bit in [0, 3, 7] {
            let mut bytes = pair.payload.clone();
            bytes[at] ^= 1 << bit;
            harmless += usize::from(!refused(&pair, &bytes));
        }
    }
    // Bits of frames that zstd does not look at, and of header fields without effect here.
    assert!(harmless * 20 < 3 * pair.payload.len(), "{harmless}");
}

/// Who looks on sees the new image, and each block cost what its frames take.
#[test]
fn looking_on_adds_up() {
    let pair = firmware(30_000, 13);
    let spent = deltamote_zstd::spent(&pair.payload).expect("a payload");
    assert_eq!(spent.blocks.len(), 4);
    let (mut new, mut prices) = (Vec::new(), [0; 4]);
    let (mut hits, mut misses) = (0, 0);
    deltamote_zstd::watch(&pair.payload, &pair.old, 30_000, |piece| {
        new.extend_from_slice(&piece.word.to_le_bytes()[..piece.len as usize]);
        prices[piece.start as usize >> 13] += piece.price;
        let copied = piece.source.is_some();
        hits += usize::from(copied && !piece.missed);
        misses += usize::from(copied && piece.missed);
        // A hit costs nothing by itself, a miss does.
        assert!(!piece.missed || piece.price > 0, "{piece:?}");
    })
    .expect("a payload");
    assert!(new == pair.new);
    assert!(hits > 10 * misses && misses > 0, "{hits} {misses}");
    assert_eq!(prices.map(|p| p / 8192).to_vec(), spent.blocks);
    // A payload that breaks off is an error, and no panic, wherever that is.
    for len in 0..pair.payload.len() {
        let cut = deltamote_zstd::watch(&pair.payload[..len], &pair.old, 30_000, |_| ());
        assert!(cut.is_err(), "{len}");
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let pair = firmware(30_000, 13);
    let again = payload(&pair.plan, (&pair.old, &pair.new), 13);
    assert!(again == pair.payload);
}

#[test]
fn blocks_above_the_limit_are_no_payload() {
    let pair = firmware(3000, 12);
    let header = pair.plan.in_blocks(21).header;
    let images = (&pair.old[..], &pair.new[..]);
    let mut cursor = pair.plan.cursor(&pair.new);
    let error = deltamote_zstd::encode(header, images, &mut cursor, 12).unwrap_err();
    assert_eq!(error.kind, deltamote_format::ErrorKind::HeaderUnsupported);
}

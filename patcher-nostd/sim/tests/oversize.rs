//! Lengths and sizes that no patch has: refused before memory or flash is used for them.

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::envelope::{
    Envelope, HEAD_BYTES, MAX_ENVELOPE, OPEN_HEADROOM, Rule, parse_head,
};
use deltamote_patcher::{Device, Ed25519Keys, Error, workspace_bytes};
use deltamote_sim::{Board, Options, Stats};

/// The refusal of a device of `profile`, on whose flash nothing has happened.
fn refused(old: &[u8], patch: &[u8], profile: Profile) -> Error {
    let keys = public_keys();
    let options = Options {
        device: Device::new(profile),
        ..Options::default()
    };
    let mut board = Board::new(old, 20_000, &options);
    let verifier = Ed25519Keys(&keys);
    let e = board
        .session::<Toy, _>(patch, &verifier, &options, &mut Stats::default())
        .expect_err("accepted");
    assert_eq!(board.power.ops(), 0, "{e}: flash was touched");
    e
}

#[test]
fn an_envelope_of_an_impossible_length_is_not_waited_for() {
    let old = image(3000, 1);
    let patch = |len: u16, more: usize| {
        let head = [&b"DMP1"[..], &len.to_le_bytes()].concat();
        [head, vec![0xa5; more]].concat()
    };
    for len in [0, MAX_ENVELOPE as u16 + 1, u16::MAX] {
        let e = refused(&old, &patch(len, 1), Profile::Large);
        let rule = Rule::EnvelopeLength;
        assert_eq!(e, Error::Wire { rule, at: 4 }, "{len}");
    }
    // The longest there is, on a device that has not the memory: full, and no byte more.
    let room = workspace_bytes(Profile::Tiny) - OPEN_HEADROOM;
    assert!(room < MAX_ENVELOPE);
    let needed = (OPEN_HEADROOM + MAX_ENVELOPE) as u32;
    let e = refused(
        &old,
        &patch(MAX_ENVELOPE as u16, MAX_ENVELOPE),
        Profile::Tiny,
    );
    assert_eq!(e, Error::RamTooSmall { needed });
}

/// Signed by the device's own signer, all of them.
#[test]
fn numbers_and_lengths_beyond_their_fields_are_refused() {
    let old = image(3000, 1);
    let new = image(5000, 2);
    let key = signing_key();
    let patch = seal(
        manifest(&old, &new, Profile::Small),
        &toy_payload(&old, &new, 10),
        Some(&key),
    );
    let start = HEAD_BYTES + parse_head(patch.first_chunk().unwrap()).unwrap();
    let good = Envelope::parse(&patch[HEAD_BYTES..start]).unwrap().manifest;
    let mut again = envelope(good, &[], Some(&key));
    again.extend_from_slice(&patch[start..]);
    assert_eq!(again, patch, "what is changed below is all that is wrong");
    // The head of a field, and what it grows to: 2^32, 2^64 - 1, and so many bytes.
    let old_size = [&[0x02, 0x19][..], &3000u16.to_be_bytes()].concat();
    let new_size = [&[0x04, 0x19][..], &5000u16.to_be_bytes()].concat();
    let mut payload_size = vec![0x07, 0x19];
    payload_size.extend(((patch.len() - start) as u16).to_be_bytes());
    let (digest, link) = (vec![0x03, 0x58, 0x20], vec![0x06, 0x50]);
    for (from, kind) in [
        (&old_size, 0x1b),
        (&new_size, 0x1b),
        (&payload_size, 0x1b),
        (&digest, 0x5b),
        (&link, 0x5b),
    ] {
        let at = good.windows(from.len()).position(|w| w == from).unwrap();
        for value in [1 << 32, u64::MAX >> 1, u64::MAX] {
            let field = [&[from[0], kind][..], &value.to_be_bytes()].concat();
            let bad = [&good[..at], &field, &good[at + from.len()..]].concat();
            let e = refused(&old, &envelope(&bad, &[], Some(&key)), Profile::Small);
            assert!(matches!(e, Error::Wire { .. }), "{from:x?} {value:x}: {e}");
        }
    }
}

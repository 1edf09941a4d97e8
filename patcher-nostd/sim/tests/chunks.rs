//! Chunks out of their order: each carries the digest of the next, the manifest that of
//! the first (SPEC §8).

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::{Ed25519Keys, Error};
use deltamote_sim::{ApplyError, Options, apply_with};

fn refused(old: &[u8], patch: &[u8]) -> Error {
    let keys = public_keys();
    match apply_with::<Toy, _>(old, patch, &Ed25519Keys(&keys), &Options::default()) {
        Err(ApplyError::Patch(e)) => e,
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn chunks_reordered_replayed_dropped_or_of_another_patch_are_refused() {
    let old = image(3000, 1);
    let (new, other) = (image(9000, 2), image(9000, 3));
    let [patch, stranger] = [&new, &other].map(|new| toy_patch(&old, new, Profile::Tiny));
    let start = 6 + usize::from(u16::from_le_bytes([patch[4], patch[5]]));
    assert_eq!(
        start,
        6 + usize::from(u16::from_le_bytes([stranger[4], stranger[5]]))
    );
    let size = Profile::Tiny.limits().chunk_bytes;
    let count = (patch.len() - start) / size;
    assert!(count >= 8, "{count}");
    let at = |n: usize| start + n * size..start + (n + 1) * size;
    let mismatch = |n: usize| Error::ChunkMismatch {
        at: (start + n * size) as u32,
    };
    for a in 0..count {
        for b in 0..count {
            // Chunk b in the place of a: what came twice, or too early, or too late.
            let mut bad = patch.clone();
            bad[at(a)].copy_from_slice(&patch[at(b)]);
            if a != b {
                assert_eq!(refused(&old, &bad), mismatch(a), "{b} for {a}");
                bad[at(b)].copy_from_slice(&patch[at(a)]);
                assert_eq!(
                    refused(&old, &bad),
                    mismatch(a.min(b)),
                    "{a} and {b} swapped"
                );
            }
        }
        let mut bad = patch.clone();
        bad[at(a)].copy_from_slice(&stranger[at(a)]);
        assert_eq!(refused(&old, &bad), mismatch(a), "another patch's {a}");
        // The chunk behind takes its place; behind the last full one there is too little.
        let dropped = [&patch[..at(a).start], &patch[at(a).end..]].concat();
        let expect = match a + 1 < count {
            true => mismatch(a),
            false => Error::Incomplete,
        };
        assert_eq!(refused(&old, &dropped), expect, "{a} dropped");
        let twice = [&patch[..at(a).end], &patch[at(a).start..]].concat();
        if a + 1 < count {
            assert_eq!(refused(&old, &twice), mismatch(a + 1), "{a} twice");
        }
    }
}

//! Key sets: both ways, limits, and one spelling.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]
extern crate std;
use super::*;
use std::vec;
use std::vec::Vec;

const KEY: [u8; 32] = [7; 32];

fn two() -> [Entry<'static>; 2] {
    [
        Entry::new(Algorithm::ED25519, &KEY),
        Entry {
            role: Role::Test,
            first: 5,
            last: 9,
            ..Entry::new(Algorithm::HSS_LMS, &[1, 2, 3])
        },
    ]
}

fn emitted(version: u64, keys: &[Entry<'_>], revoked: &[[u8; 8]]) -> Result<Vec<u8>, WireError> {
    let mut out = [0; 4096];
    let len = emit(version, keys, revoked, &mut out)?;
    Ok(out[..len].to_vec())
}

#[test]
fn both_ways() {
    let revoked = [[1; 8], [2; 8]];
    let bytes = emitted(3, &two(), &revoked).unwrap();
    let set = KeySet::parse(&bytes).unwrap();
    assert_eq!(set.version, 3);
    assert_eq!(set.entries().collect::<Vec<_>>(), two());
    assert!(set.is_revoked(&[2; 8]) && !set.is_revoked(&[3; 8]));
    let mut out = [0; 4096];
    for short in 0..bytes.len() {
        assert!(emit(3, &two(), &revoked, &mut out[..short]).is_err());
        assert!(KeySet::parse(&bytes[..short]).is_err(), "{short}");
    }
}

#[test]
fn limits() {
    let key = |n: u8| Entry::new(Algorithm::ED25519, std::vec![n; 32].leak());
    let many: Vec<_> = (0..17).map(key).collect();
    assert!(emitted(1, &many[..16], &[]).is_ok());
    for (keys, revoked, version) in [
        (&many[..], vec![], 1),
        (&[][..], vec![], 1),
        (&many[..1], vec![], 0),
        (&[many[0], many[0]], vec![], 1),
        (&many[..1], vec![[2; 8], [1; 8]], 1),
        (&many[..1], vec![[1; 8], [1; 8]], 1),
        (&many[..1], (0..65).map(|n| [n; 8]).collect(), 1),
        (
            &[Entry {
                first: 2,
                last: 1,
                ..many[0]
            }][..],
            vec![],
            1,
        ),
        (&[Entry::new(Algorithm::ED25519, &[])][..], vec![], 1),
    ] {
        let e = emitted(version, keys, &revoked).unwrap_err();
        assert_eq!(e.rule, Rule::OutOfRange, "{keys:?}");
    }
}

proptest::proptest! {
    #[test]
    fn accepted_bytes_have_one_spelling(bytes: Vec<u8>, at in 0usize..90, b: u8) {
        let mut near = emitted(3, &two(), &[[1; 8], [2; 8]]).unwrap();
        if let Some(x) = near.get_mut(at) { *x = b; }
        for bytes in [bytes, near] {
            if let Ok(set) = KeySet::parse(&bytes) {
                let keys: Vec<_> = set.entries().collect();
                let revoked: Vec<_> = set.revoked().copied().collect();
                let again = emitted(set.version, &keys, &revoked).unwrap();
                proptest::prop_assert_eq!(again, bytes);
            }
        }
    }
}

//! What the engine promises of every patch, on arbitrary and on real images.

mod pairs;

use deltamote_engine::image::Image;
use deltamote_engine::{
    DiffOptions, ErrorClass, Level, NoProgress, Patch, Profile, SigningKey, Trust, embedded,
};
use pairs::relatives;
use proptest::prelude::*;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn image(bytes: &[u8]) -> Image {
    Image::from_bytes(bytes.to_vec()).expect("raw bytes are an image")
}

fn diff(old: &[u8], new: &[u8], options: &DiffOptions) -> Patch {
    let key = key();
    deltamote_engine::diff(&image(old), &image(new), options, Some(&key), &NoProgress)
        .expect("a patch")
}

fn apply(old: &[u8], patch: &[u8]) -> Result<Vec<u8>, deltamote_engine::Error> {
    let trust = Trust::key(key().verifying_key());
    deltamote_engine::apply(old, patch, &trust, &NoProgress)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn arbitrary_pairs_come_back(
        (old, new) in relatives(400),
        profile in prop::sample::select(vec![Profile::Tiny, Profile::Small, Profile::Medium]),
        level in prop::sample::select(vec![Level::Fast, Level::Default, Level::Best]),
    ) {
        let options = DiffOptions { profile, level, ..DiffOptions::default() };
        let patch = diff(&old, &new, &options);
        prop_assert_eq!(apply(&old, &patch.bytes).expect("applies"), new);
    }

    #[test]
    fn unrelated_pairs_come_back(
        old in prop::collection::vec(any::<u8>(), 1..2000),
        new in prop::collection::vec(any::<u8>(), 1..2000),
    ) {
        let patch = diff(&old, &new, &DiffOptions::default());
        prop_assert_eq!(apply(&old, &patch.bytes).expect("applies"), new);
    }

    #[test]
    fn arbitrary_bytes_behind_a_good_front_are_refused(
        (old, new) in relatives(400),
        from in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let mut patch = diff(&old, &new, &DiffOptions::default()).bytes;
        let from = from.index(patch.len());
        let before = patch.clone();
        patch.truncate(from);
        patch.extend(noise);
        prop_assume!(patch != before);
        prop_assert!(apply(&old, &patch).is_err());
    }
}

/// Some Thumb code that calls around, and the same with bytes inserted in the middle.
fn small_pair() -> (Vec<u8>, Vec<u8>) {
    let old = embedded::OLD[0x4000..0x4800].to_vec();
    let mut new = old.clone();
    new.splice(0x300..0x300, *b"an insertion of odd length.");
    new[0x600] ^= 0x55;
    (old, new)
}

#[test]
fn no_truncation_is_accepted() {
    let (old, new) = small_pair();
    let patch = diff(&old, &new, &DiffOptions::default()).bytes;
    for len in 0..patch.len() {
        let error = apply(&old, &patch[..len]).expect_err("a truncated patch");
        assert_eq!(error.class(), ErrorClass::Damaged, "at {len}: {error}");
    }
    assert_eq!(apply(&old, &patch).expect("the whole patch"), new);
}

#[test]
fn no_flipped_byte_is_accepted() {
    let (old, new) = small_pair();
    let patch = diff(&old, &new, &DiffOptions::default()).bytes;
    for at in 0..patch.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bad = patch.clone();
            bad[at] ^= flip;
            let refused = apply(&old, &bad);
            assert!(
                refused.is_err(),
                "byte {at} flipped by {flip:#x} was accepted"
            );
        }
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let (old, new) = (embedded::OLD, embedded::NEW);
    for level in [Level::Fast, Level::Default] {
        let with = |jobs| {
            let options = DiffOptions {
                level,
                jobs,
                ..DiffOptions::default()
            };
            diff(old, new, &options).bytes
        };
        let one = with(Some(1));
        assert!(one == with(Some(2)) && one == with(Some(5)) && one == with(None));
    }
}

#[test]
fn swapped_and_foreign_images_are_the_wrong_base() {
    let (old, new) = small_pair();
    let patch = diff(&old, &new, &DiffOptions::default()).bytes;
    for wrong in [&new[..], b"something else", &old[..old.len() - 1]] {
        let error = apply(wrong, &patch).expect_err("a wrong base");
        assert_eq!(error.class(), ErrorClass::WrongBase, "{error}");
    }
}

#[test]
fn the_same_image_makes_a_tiny_patch() {
    let patch = diff(embedded::OLD, embedded::OLD, &DiffOptions::default());
    assert!(
        patch.summary.payload_bytes < 40,
        "{}",
        patch.summary.payload_bytes
    );
    assert_eq!(
        apply(embedded::OLD, &patch.bytes).expect("applies"),
        embedded::OLD
    );
}

#[test]
fn resets_do_not_change_the_image() {
    // Above 128 KiB patches have points from which decoding can start again.
    let patch = diff(embedded::OLD, embedded::NEW, &DiffOptions::default());
    assert_eq!(
        apply(embedded::OLD, &patch.bytes).expect("applies"),
        embedded::NEW
    );
}

#[test]
fn inspection_with_the_old_image_agrees_with_diff() {
    let patch = diff(embedded::OLD, embedded::NEW, &DiffOptions::default());
    let seen = deltamote_engine::inspect_with_old(&patch.bytes, embedded::OLD).expect("inspects");
    assert_eq!(seen.breakdown, patch.summary.breakdown);
    assert_eq!(seen.decisions, patch.summary.decisions);
    let kinds: f64 = seen.breakdown.values().sum();
    let total = seen.payload_bytes as f64;
    assert!((kinds - total).abs() < 0.01 * total, "{kinds} of {total}");
    let alone = deltamote_engine::inspect(&patch.bytes).expect("inspects");
    let sum: f64 = alone.breakdown.values().sum();
    assert_eq!(sum, total);
}

#[test]
fn empty_images_are_refused() {
    let error = Image::from_bytes(Vec::new()).expect_err("an empty image");
    assert!(error.to_string().contains("empty"), "{error}");
}

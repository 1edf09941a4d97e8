//! Without power cuts: what is accepted, what is refused and when, any split.

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::envelope::Signer;
use deltamote_patcher::format::manifest::Manifest;
use deltamote_patcher::{Class, Device, Distrust, Ed25519Keys, Error, FlashDevice, Verifier};
use deltamote_sim::{ApplyError, Board, Options, PRESETS, Stats, apply_with, preset};

fn apply(old: &[u8], patch: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    let keys = public_keys();
    match apply_with::<Toy, _>(old, patch, &Ed25519Keys(&keys), options) {
        Ok(outcome) => Ok(outcome.new_image),
        Err(ApplyError::Patch(e)) => Err(e),
        Err(e) => panic!("{e}"),
    }
}

/// Applies, and demands that a refused patch has not touched slot, journal or flag.
fn refused(old: &[u8], patch: &[u8], options: &Options) -> Error {
    let keys = public_keys();
    let mut board = Board::new(old, 20_000, options);
    let e = board
        .session::<Toy, _>(patch, &Ed25519Keys(&keys), options, &mut Stats::default())
        .expect_err("accepted");
    assert_eq!(board.power.ops(), 0, "{e}: flash was touched");
    e
}

fn options() -> Options {
    Options::default()
}

#[test]
fn on_every_preset_and_profile() {
    let old = image(9000, 1);
    for preset in PRESETS {
        for profile in [Profile::Tiny, Profile::Small, Profile::Medium] {
            for new_len in [1usize, 4095, 4096, 20_001] {
                let new = image(new_len, 2);
                let patch = toy_patch(&old, &new, profile);
                let options = Options {
                    preset,
                    ..options()
                };
                let got = apply(&old, &patch, &options);
                assert_eq!(got.as_ref(), Ok(&new), "{} {profile:?}", preset.name);
            }
        }
    }
}

#[test]
fn any_split_gives_the_same() {
    let old = image(3000, 1);
    let new = image(5000, 2);
    let patch = toy_patch(&old, &new, Profile::Tiny);
    let mut bad = patch.clone();
    bad[3000] ^= 1;
    let expect = apply(&old, &bad, &options()).unwrap_err();
    assert!(matches!(expect, Error::ChunkMismatch { .. }));
    for split in (1..70).chain([100, 511, 512, 513, 527, 528, 529, 1055, 1056, 3000]) {
        let options = Options { split, ..options() };
        assert_eq!(apply(&old, &patch, &options).as_ref(), Ok(&new), "{split}");
        assert_eq!(apply(&old, &bad, &options), Err(expect), "{split}");
    }
}

#[test]
fn no_flipped_byte_and_no_truncation_is_accepted() {
    let old = image(500, 1);
    let new = image(900, 2);
    let patch = toy_patch(&old, &new, Profile::Tiny);
    assert_eq!(apply(&old, &patch, &options()).as_ref(), Ok(&new));
    for at in 0..patch.len() {
        let mut bad = patch.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(apply(&old, &bad, &options()).is_err(), "byte {at}");
    }
    for len in 0..patch.len() {
        assert_eq!(
            apply(&old, &patch[..len], &options()),
            Err(Error::Incomplete),
            "{len}"
        );
    }
    let mut long = patch.clone();
    long.push(0);
    assert_eq!(apply(&old, &long, &options()), Err(Error::TrailingBytes));
    let one_by_one = Options {
        split: 1,
        ..options()
    };
    assert_eq!(apply(&old, &long, &one_by_one), Err(Error::TrailingBytes));
}

/// Negative control: with a verifier that believes everything, the test above would
/// notice.
#[test]
fn a_gullible_verifier_is_noticed() {
    struct Gullible;
    impl Verifier for Gullible {
        fn verify(&self, _: &Signer, _: &[u8], _: &[u8]) -> Result<(), Distrust> {
            Ok(())
        }
    }
    let (old, new) = (image(500, 1), image(900, 2));
    let patch = toy_patch(&old, &new, Profile::Tiny);
    let accepted = (0..patch.len()).filter(|at| {
        let mut bad = patch.clone();
        bad[*at] ^= 1;
        apply_with::<Toy, _>(&old, &bad, &Gullible, &options()).is_ok()
    });
    // The 64 bytes of the signature, the 8 of the key id, the algorithm, and no others.
    let n = accepted.count();
    assert!((72..=73).contains(&n), "{n}");
}

#[test]
fn refusals_come_before_the_first_erase() {
    let old = image(3000, 1);
    let new = image(5000, 2);
    let data = toy_payload(&old, &new, 10);
    let base = manifest(&old, &new, Profile::Small);
    let key = signing_key();
    let make = |m: Manifest<'_>| seal(m, &data, Some(&key));
    let device = Device {
        vendor: Some([1; 16]),
        class: Some([2; 16]),
        slot: Some(1),
        load_address: Some(0x1000),
        sequence_floor: 5,
        ..Device::new(Profile::Small)
    };
    let base = Manifest {
        sequence: 5,
        ..base
    };
    let opt = Options {
        device,
        ..options()
    };
    assert_eq!(apply(&old, &make(base), &opt).as_ref(), Ok(&new));

    let stranger = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let mut wrong_sig = make(base);
    wrong_sig[150] ^= 1;
    let mut other_old = old.clone();
    other_old[1234] ^= 4;
    let m = base;
    let cases: Vec<(Error, Class, Vec<u8>)> = vec![
        (Error::NotSigned, Class::NotAuthentic, seal(m, &data, None)),
        (
            Error::UnknownKey,
            Class::NotAuthentic,
            seal(m, &data, Some(&stranger)),
        ),
        (Error::BadSignature, Class::NotAuthentic, wrong_sig),
        (
            Error::CodecUnknown,
            Class::Unsupported,
            make(Manifest { codec: 0, ..m }),
        ),
        (
            Error::IsaUnknown,
            Class::Unsupported,
            make(Manifest { isa_mask: 256, ..m }),
        ),
        (
            Error::PriorMissing,
            Class::Unsupported,
            make(Manifest {
                prior: Some(1),
                ..m
            }),
        ),
        (
            Error::ProfileTooLarge,
            Class::Unsupported,
            make(Manifest {
                sequence: 5,
                ..manifest(&old, &new, Profile::Medium)
            }),
        ),
        (
            Error::RamTooSmall { needed: 1 << 20 },
            Class::Unsupported,
            make(Manifest {
                ram_bytes: Some(1 << 20),
                ..m
            }),
        ),
        (
            Error::WrongVendor,
            Class::WrongBase,
            make(Manifest {
                vendor: Some([9; 16]),
                ..m
            }),
        ),
        (
            Error::WrongClass,
            Class::WrongBase,
            make(Manifest {
                class: Some([9; 16]),
                ..m
            }),
        ),
        (
            Error::WrongSlot,
            Class::WrongBase,
            make(Manifest { slot: Some(0), ..m }),
        ),
        (
            Error::WrongSlot,
            Class::WrongBase,
            make(Manifest {
                load_address: Some(0),
                ..m
            }),
        ),
        (
            Error::SequenceTooOld,
            Class::WrongBase,
            make(Manifest { sequence: 4, ..m }),
        ),
        (
            Error::OldImageMismatch,
            Class::WrongBase,
            make(Manifest {
                old_size: 1 << 30,
                ..m
            }),
        ),
        (
            Error::OldImageMismatch,
            Class::WrongBase,
            make(Manifest {
                old_size: 2999,
                ..m
            }),
        ),
        (
            Error::OldImageMismatch,
            Class::WrongBase,
            make(Manifest {
                old_digest: sha(&other_old),
                ..m
            }),
        ),
        (
            Error::NewImageTooLarge,
            Class::WrongBase,
            make(Manifest {
                new_size: 1 << 20,
                ..m
            }),
        ),
        (
            Error::NewImageTooLarge,
            Class::WrongBase,
            make(Manifest {
                new_size: u32::MAX,
                ..m
            }),
        ),
    ];
    for (expect, class, patch) in cases {
        assert_eq!(refused(&old, &patch, &opt), expect);
        assert_eq!(expect.class(), class, "{expect}");
        let slowly = Options {
            split: 1,
            ..opt.clone()
        };
        assert_eq!(refused(&old, &patch, &slowly), expect);
    }
    assert_eq!(refused(&other_old, &make(m), &opt), Error::OldImageMismatch);
    let reserved = Device {
        reserved_tail: 17_000,
        ..device
    };
    let opt = Options {
        device: reserved,
        ..opt
    };
    assert_eq!(refused(&old, &make(m), &opt), Error::NewImageTooLarge);
}

#[test]
fn unsigned_patches_need_leave() {
    let (old, new) = (image(500, 1), image(900, 2));
    let data = toy_payload(&old, &new, 0);
    let patch = seal(manifest(&old, &new, Profile::Tiny), &data, None);
    assert_eq!(apply(&old, &patch, &options()), Err(Error::NotSigned));
    let device = Device {
        allow_unsigned: true,
        ..options().device
    };
    let lenient = Options {
        device,
        ..options()
    };
    assert_eq!(apply(&old, &patch, &lenient).as_ref(), Ok(&new));
}

#[test]
fn a_payload_that_breaks_its_promise_is_never_handed_over() {
    let (old, new) = (image(500, 1), image(9000, 2));
    let key = signing_key();
    let data = toy_payload(&old, &new, 5);
    let m = manifest(&old, &new, Profile::Tiny);
    let mut other = new.clone();
    other[8000] ^= 1;
    let mut longer = data.clone();
    longer.push(0);
    for (name, patch) in [
        (
            "other digest",
            seal(
                Manifest {
                    new_digest: sha(&other),
                    ..m
                },
                &data,
                Some(&key),
            ),
        ),
        ("payload too long", seal(m, &longer, Some(&key))),
        (
            "payload too short",
            seal(m, &data[..data.len() - 1], Some(&key)),
        ),
        ("not a payload", seal(m, &image(200, 5), Some(&key))),
    ] {
        let keys = public_keys();
        let mut board = Board::new(&old, 9216, &options());
        for _ in 0..2 {
            let mut stats = Stats::default();
            let e = board.session::<Toy, _>(&patch, &Ed25519Keys(&keys), &options(), &mut stats);
            let class = e.unwrap_err().class();
            assert!(
                matches!(class, Class::Damaged | Class::Unsupported),
                "{name}: {class:?}"
            );
            assert_eq!(board.flag.pending, None, "{name}");
        }
        // The journal holds no claim that would hinder the right patch.
        let good = seal(m, &data, Some(&key));
        let done = board
            .run::<Toy, _>(&good, &Ed25519Keys(&keys), &options())
            .unwrap();
        assert_eq!(done.new_image, new);
        assert_eq!(board.flag.pending.as_ref(), Some(&new));
    }
}

#[test]
fn offsets_and_trailer_are_respected() {
    let (old, new) = (image(5000, 1), image(9000, 2));
    let patch = toy_patch(&old, &new, Profile::Tiny);
    let device = Device {
        old_offset: 512,
        new_offset: 4096,
        reserved_tail: 64,
        ..options().device
    };
    let opt = Options {
        device,
        slot_size: Some(16384),
        ..options()
    };
    let keys = public_keys();
    let mut board = Board::new(&old, 16384, &opt);
    board.slot.preload(0, &[0x5a; 4096]);
    let done = board
        .run::<Toy, _>(&patch, &Ed25519Keys(&keys), &opt)
        .unwrap();
    assert_eq!(done.new_image, new);
    assert!(board.slot.bytes()[..4096].iter().all(|b| *b == 0x5a));
    assert!(board.slot.bytes()[16384 - 64..].iter().all(|b| *b == 0xff));
    // Not at the start of an erase block: refused before anything is written.
    let device = Device {
        new_offset: 2048,
        ..device
    };
    let opt = Options { device, ..opt };
    assert_eq!(
        refused(&old, &patch, &opt),
        Error::Geometry(FlashDevice::Slot)
    );
}

#[test]
fn an_unreadable_old_image_is_a_flash_failure() {
    let (old, new) = (image(5000, 1), image(9000, 2));
    let patch = toy_patch(&old, &new, Profile::Tiny);
    let opt = Options {
        preset: preset("stm32l4").unwrap(),
        ..options()
    };
    let keys = public_keys();
    let mut board = Board::new(&old, 9216, &opt);
    board.old.poison(4242);
    let e = board
        .session::<Toy, _>(&patch, &Ed25519Keys(&keys), &opt, &mut Stats::default())
        .unwrap_err();
    assert_eq!(e.class(), Class::Flash);
    assert_eq!(board.power.ops(), 0);
}

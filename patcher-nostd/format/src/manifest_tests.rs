//! Manifest: the default form byte by byte, the full form, mutations, properties.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]
extern crate std;
use super::*;
use crate::envelope::{Algorithm, Envelope, HEAD_BYTES, MAX_ENVELOPE, Signer};
use std::vec::Vec;

fn plain() -> Manifest<'static> {
    Manifest {
        old_size: 0x1_0000,
        old_digest: [0xaa; 32],
        new_size: 0x1_0100,
        new_digest: [0xbb; 32],
        first_chunk: [0xcc; 16],
        payload_size: 0x200,
        ..Manifest::new(Profile::Small)
    }
}

fn plain_bytes() -> Vec<u8> {
    let mut b = Vec::from([0xa7, 0x01, 0x01]); // seven pairs; version 1
    b.extend([0x02, 0x1a, 0, 1, 0, 0]); // old size
    b.extend([0x03, 0x58, 0x20]); // old digest
    b.extend([0xaa; 32]);
    b.extend([0x04, 0x1a, 0, 1, 1, 0]); // new size
    b.extend([0x05, 0x58, 0x20]); // new digest
    b.extend([0xbb; 32]);
    b.extend([0x06, 0x50]); // first chunk
    b.extend([0xcc; 16]);
    b.extend([0x07, 0x19, 2, 0]); // payload size
    b
}

fn full() -> Manifest<'static> {
    let mut advisories = Advisories::default();
    assert!(advisories.push("CVE-2026-12345"));
    assert!(advisories.push("GHSA-abcd-efgh-ijkl"));
    Manifest {
        profile: Profile::Tiny,
        ram_bytes: Some(9000),
        chunk_size: 256,
        codec: 3,
        isa_mask: 6,
        prior: Some(7),
        sequence: u64::MAX,
        vendor: Some([1; 16]),
        class: Some([2; 16]),
        load_address: Some(0x0800_0000),
        slot: Some(0),
        update_class: Some(UpdateClass::Mixed),
        advisories,
        sbom_old: Some([3; 32]),
        sbom_new: Some([4; 32]),
        encryption: Some(Encryption {
            recipient: &[5; 8],
            encapsulated: &[6; 32],
        }),
        extensions: Extensions::parse(&[0x18, 0x40, 5, 0x18, 0x7f, 0x61, b'x']).unwrap(),
        ..plain()
    }
}

#[test]
fn both_ways() {
    let bytes = plain_bytes();
    assert_eq!(Manifest::parse(&bytes), Ok(plain()));
    for m in [plain(), full()] {
        let mut out = [0u8; MAX_ENVELOPE];
        let len = m.emit(&mut out).unwrap();
        assert_eq!(Manifest::parse(&out[..len]), Ok(m));
        for short in 0..len {
            assert!(m.emit(&mut { out }[..short]).is_err());
            assert!(Manifest::parse(&out[..short]).is_err());
        }
    }
    let mut out = [0u8; MAX_ENVELOPE];
    let len = plain().emit(&mut out).unwrap();
    assert_eq!(out[..len], bytes);
}

/// The view by itself; that [`Manifest::parse`] makes a manifest of it the test above has.
#[test]
fn a_view_says_what_the_manifest_says() {
    for m in [plain(), full()] {
        let mut out = [0u8; MAX_ENVELOPE];
        let len = m.emit(&mut out).unwrap();
        let view = View::parse(&out[..len]).unwrap();
        assert_eq!(view.old_digest(), m.old_digest);
        assert_eq!(view.first_chunk(), m.first_chunk);
        assert_eq!(view.vendor(), m.vendor.as_slice().as_flattened());
        assert_eq!(view.class(), m.class.as_slice().as_flattened());
        assert_eq!(view.ram_bytes(), m.ram_bytes.unwrap_or(0));
        assert_eq!(view.extensions(), m.extensions.as_bytes());
        assert_eq!(view.layout(), m.layout());
        assert_eq!(view.manifest(), m);
    }
    let bytes = plain_bytes();
    let unread = View::new(&bytes);
    assert_eq!((unread.new_size(), unread.sequence()), (0, 0));
    assert!(unread.new_digest().is_empty() && unread.layout().is_none());
}

#[test]
fn a_default_signed_patch_costs_at_most_220_bytes() {
    let m = Manifest {
        old_size: 1 << 20,
        new_size: 1 << 20,
        payload_size: 70_000,
        isa_mask: 2,
        ..plain()
    };
    let mut manifest = [0u8; 256];
    let len = m.emit(&mut manifest).unwrap();
    let envelope = Envelope {
        signer: Some(Signer {
            algorithm: Algorithm::ED25519,
            kid: [0; 8],
        }),
        manifest: &manifest[..len],
        signature: &[0; 64],
        second: None,
    };
    let mut out = [0u8; MAX_ENVELOPE];
    let total = HEAD_BYTES + envelope.emit(&mut out).unwrap();
    std::println!("manifest {len}, head and envelope {total}");
    assert!(total <= 220, "{total}");
    // Every field in use still fits the envelope.
    let len = full().emit(&mut out).unwrap();
    assert!(len + 64 + 24 <= 512, "{len}");
}

#[test]
fn rejects() {
    use Rule::*;
    let base = plain_bytes();
    let with = |count: u8, tail: &[u8]| {
        let mut b = base.clone();
        b[0] = 0xa0 + count;
        b.extend_from_slice(tail);
        b
    };
    let chunk = |size: u32| {
        let [hi, lo] = (size as u16).to_be_bytes();
        with(8, &[10, 0x19, hi, lo])
    };
    let default_chunk = profile_chunk(Profile::Small);
    let cases: &[(&str, Vec<u8>, Rule)] = &[
        ("trailing byte", with(7, &[0]), NotCanonical),
        (
            "indefinite map",
            {
                let mut b = base.clone();
                b[0] = 0xbf;
                b.push(0xff);
                b
            },
            Malformed,
        ),
        (
            "other version",
            {
                let mut b = base.clone();
                b[2] = 2;
                b
            },
            UnknownValue,
        ),
        (
            "version, long form",
            {
                let mut b = base.clone();
                b.splice(2..3, [0x18, 1]);
                b
            },
            NotCanonical,
        ),
        (
            "default spelled out: profile",
            with(8, &[8, 1]),
            NotCanonical,
        ),
        (
            "default spelled out: codec",
            with(8, &[11, 0]),
            NotCanonical,
        ),
        (
            "default spelled out: chunk size",
            chunk(default_chunk),
            NotCanonical,
        ),
        (
            "default spelled out: sequence",
            with(8, &[14, 0]),
            NotCanonical,
        ),
        (
            "default spelled out: advisories",
            with(8, &[20, 0x80]),
            NotCanonical,
        ),
        ("unknown profile", with(8, &[8, 4]), UnknownValue),
        ("unknown update class", with(8, &[19, 3]), UnknownValue),
        ("keys out of order", with(9, &[12, 2, 11, 1]), NotCanonical),
        ("key twice", with(9, &[12, 2, 12, 2]), NotCanonical),
        (
            "key twice, required",
            with(8, &[7, 0x19, 2, 0]),
            NotCanonical,
        ),
        ("unknown key 24", with(8, &[0x18, 24, 0]), UnknownKey),
        ("unknown key 0", with(8, &[0, 0]), UnknownKey),
        (
            "must-understand extension",
            with(8, &[0x18, 0x80, 0]),
            UnknownKey,
        ),
        (
            "key behind all ranges",
            with(8, &[0x18, 0xc0, 0]),
            UnknownKey,
        ),
        (
            "extension is an array",
            with(8, &[0x18, 0x40, 0x80]),
            UnknownValue,
        ),
        (
            "extension value, long form",
            with(8, &[0x18, 0x40, 0x18, 1]),
            NotCanonical,
        ),
        (
            "extension key, long form",
            with(8, &[0x19, 0, 0x40, 1]),
            NotCanonical,
        ),
        (
            "extensions out of order",
            with(9, &[0x18, 0x41, 0, 0x18, 0x40, 0]),
            UnknownKey,
        ),
        (
            "extension before a field",
            with(9, &[0x18, 0x40, 0, 12, 2]),
            UnknownKey,
        ),
        (
            "extension twice",
            with(9, &[0x18, 0x40, 0, 0x18, 0x40, 0]),
            UnknownKey,
        ),
        (
            "vendor of 15 bytes",
            with(8, &[&[15, 0x4f][..], &[0; 15]].concat()),
            OutOfRange,
        ),
        (
            "chunk above the profile's",
            chunk(default_chunk + 1),
            OutOfRange,
        ),
        ("chunk too small", with(8, &[10, 0x18, 127]), OutOfRange),
        (
            "five advisories",
            with(
                8,
                &[20, 0x85, 0x61, 65, 0x61, 65, 0x61, 65, 0x61, 65, 0x61, 65],
            ),
            OutOfRange,
        ),
        ("empty advisory", with(8, &[20, 0x81, 0x60]), OutOfRange),
        (
            "endless advisories",
            with(8, &[20, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
            Malformed,
        ),
        (
            "missing payload size",
            base[..base.len() - 4]
                .iter()
                .copied()
                .enumerate()
                .map(|(i, b)| if i == 0 { 0xa6 } else { b })
                .collect(),
            MissingField,
        ),
        ("not a map", Vec::from([0x80]), Malformed),
        ("empty", Vec::new(), Malformed),
    ];
    for (name, bytes, rule) in cases {
        match Manifest::parse(bytes) {
            Ok(_) => panic!("{name}: accepted"),
            Err(e) => assert_eq!(e.rule, *rule, "{name}"),
        }
    }
}

#[test]
fn what_cannot_be_parsed_is_not_emitted() {
    let mut out = [0u8; MAX_ENVELOPE];
    for (m, key) in [
        (
            Manifest {
                new_size: 0,
                ..plain()
            },
            4,
        ),
        (
            Manifest {
                payload_size: 0,
                ..plain()
            },
            7,
        ),
        (
            Manifest {
                chunk_size: profile_chunk(Profile::Small) + 1,
                ..plain()
            },
            10,
        ),
    ] {
        assert_eq!(
            m.emit(&mut out),
            Err(WireError {
                rule: Rule::OutOfRange,
                at: key
            })
        );
    }
    let mut a = Advisories::default();
    assert!(!a.push("") && !a.push("0123456789012345678901234"));
    assert!(Extensions::parse(&[0x18, 0x80, 0]).is_err());
    assert!(Extensions::parse(&[0x18, 0x41, 0, 0x18, 0x40, 0]).is_err());
}

proptest::proptest! {
    #[test]
    fn accepted_bytes_have_one_spelling(bytes: Vec<u8>, edits: Vec<(u16, u8)>, use_full: bool) {
        let mut near = [0u8; MAX_ENVELOPE];
        let len = if use_full { full() } else { plain() }.emit(&mut near).unwrap();
        let mut near = near[..len].to_vec();
        for (at, b) in edits.iter().take(3) {
            let at = usize::from(*at) % near.len();
            near[at] = *b;
        }
        for bytes in [bytes, near] {
            if let Ok(m) = Manifest::parse(&bytes) {
                let mut out = [0u8; MAX_ENVELOPE];
                let len = m.emit(&mut out).unwrap();
                proptest::prop_assert_eq!(&out[..len], &bytes[..]);
            }
        }
    }
}

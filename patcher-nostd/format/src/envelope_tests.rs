//! Envelope: one annotated byte array used both ways, and mutations of it.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]
extern crate std;
use super::*;
use std::vec::Vec;

const SIGNER: Signer = Signer {
    algorithm: Algorithm::ED25519,
    kid: [1, 2, 3, 4, 5, 6, 7, 8],
};

/// A signed envelope with a 3-byte manifest and a 4-byte signature.
const SIGNED: &[u8] = &[
    0xd2, 0x84, // COSE_Sign1
    0x4d, 0xa2, // protected
    0x01, 0x32, // alg: -19
    0x04, 0x48, 1, 2, 3, 4, 5, 6, 7, 8,    // kid
    0xa0, // unprotected
    0x43, 0xaa, 0xbb, 0xcc, // manifest
    0x44, 9, 9, 9, 9, // signature
];
const UNSIGNED: &[u8] = &[0xd2, 0x84, 0x40, 0xa0, 0x43, 0xaa, 0xbb, 0xcc, 0x40];

fn signed() -> Envelope<'static> {
    Envelope {
        signer: Some(SIGNER),
        manifest: &[0xaa, 0xbb, 0xcc],
        signature: &[9, 9, 9, 9],
        second: None,
    }
}

fn unsigned() -> Envelope<'static> {
    Envelope {
        signer: None,
        manifest: &[0xaa, 0xbb, 0xcc],
        signature: &[],
        second: None,
    }
}

#[test]
fn both_ways() {
    for (value, bytes) in [(signed(), SIGNED), (unsigned(), UNSIGNED)] {
        let mut out = [0u8; 64];
        let len = value.emit(&mut out).unwrap();
        assert_eq!(&out[..len], bytes);
        assert_eq!(Envelope::parse(bytes), Ok(value));
        for short in 0..len {
            assert_eq!(
                value.emit(&mut out[..short]).unwrap_err().rule,
                Rule::BufferTooSmall
            );
            assert!(Envelope::parse(&bytes[..short]).is_err());
        }
    }
}

#[test]
fn rejects() {
    use Rule::*;
    let cases: &[(&str, Vec<u8>, Rule)] = &[
        ("trailing byte", [SIGNED, &[0]].concat(), NotCanonical),
        ("another tag", edit(SIGNED, 0, &[0xd1]), Malformed),
        ("five elements", edit(SIGNED, 1, &[0x85]), Malformed),
        ("indefinite array", edit(SIGNED, 1, &[0x9f]), Malformed),
        (
            "array length, long form",
            edit(SIGNED, 1, &[0x98, 4]),
            NotCanonical,
        ),
        ("tag, long form", edit(SIGNED, 0, &[0xd8, 18]), NotCanonical),
        (
            "unprotected not empty",
            edit(SIGNED, 16, &[0xa1, 1, 2]),
            UnknownKey,
        ),
        (
            "unprotected indefinite",
            edit(SIGNED, 16, &[0xbf, 0xff]),
            NotCanonical,
        ),
        (
            "manifest length, long form",
            edit(SIGNED, 17, &[0x58, 3]),
            NotCanonical,
        ),
        (
            "alg, long form",
            protected(&[0xa2, 1, 0x38, 18, 4, 0x48, 1, 2, 3, 4, 5, 6, 7, 8]),
            NotCanonical,
        ),
        (
            "kid first",
            protected(&[0xa2, 4, 0x48, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0x32]),
            UnknownKey,
        ),
        (
            "alg twice",
            protected(&[0xa2, 1, 0x32, 1, 0x32]),
            UnknownKey,
        ),
        (
            "critical header",
            protected(&[0xa3, 1, 0x32, 2, 0x81, 9, 4, 0x48, 1, 2, 3, 4, 5, 6, 7, 8]),
            UnknownKey,
        ),
        ("no kid", protected(&[0xa1, 1, 0x32]), UnknownKey),
        (
            "short kid",
            protected(&[0xa2, 1, 0x32, 4, 0x47, 1, 2, 3, 4, 5, 6, 7]),
            OutOfRange,
        ),
        (
            "protected has trailing bytes",
            protected(&[0xa2, 1, 0x32, 4, 0x48, 1, 2, 3, 4, 5, 6, 7, 8, 0]),
            NotCanonical,
        ),
        ("protected is an empty map", protected(&[0xa0]), UnknownKey),
        (
            "signer without signature",
            [&SIGNED[..21], &[0x40]].concat(),
            HalfSigned,
        ),
        (
            "signature without signer",
            [&UNSIGNED[..8], &[0x41, 1]].concat(),
            HalfSigned,
        ),
        ("empty", Vec::new(), EnvelopeLength),
    ];
    for (name, bytes, rule) in cases {
        match Envelope::parse(bytes) {
            Ok(_) => panic!("{name}: accepted"),
            Err(e) => assert_eq!(e.rule, *rule, "{name}"),
        }
    }
}

/// `bytes` with the byte at `at` replaced by `by`.
fn edit(bytes: &[u8], at: usize, by: &[u8]) -> Vec<u8> {
    [&bytes[..at], by, &bytes[at + 1..]].concat()
}

/// `SIGNED` with another protected header.
fn protected(inner: &[u8]) -> Vec<u8> {
    [
        &SIGNED[..2],
        &[0x40 + inner.len() as u8],
        inner,
        &SIGNED[16..],
    ]
    .concat()
}

#[cfg(feature = "two-signatures")]
const OTHER: Signer = Signer {
    algorithm: Algorithm::HSS_LMS,
    kid: [8, 7, 6, 5, 4, 3, 2, 1],
};

/// Two signatures, of 4 and 2 bytes, around the same manifest.
const TWICE: &[u8] = &[
    0xd8, 0x62, 0x84, // COSE_Sign
    0x40, 0xa0, // nothing in the body's headers
    0x43, 0xaa, 0xbb, 0xcc, // manifest
    0x82, 0x83, // the first
    0x4d, 0xa2, 0x01, 0x32, 0x04, 0x48, 1, 2, 3, 4, 5, 6, 7, 8, 0xa0, // its header
    0x44, 9, 9, 9, 9,    // its signature
    0x83, // the second
    0x4e, 0xa2, 0x01, 0x38, 0x2d, 0x04, 0x48, 8, 7, 6, 5, 4, 3, 2, 1, 0xa0, 0x42, 7, 7,
];

#[cfg(feature = "two-signatures")]
fn twice() -> Envelope<'static> {
    Envelope {
        second: Some((OTHER, &[7, 7])),
        ..signed()
    }
}

#[cfg(not(feature = "two-signatures"))]
#[test]
fn a_build_for_one_signature_refuses_two() {
    let refused = WireError {
        rule: Rule::UnknownValue,
        at: 2,
    };
    assert_eq!(Envelope::parse(TWICE), Err(refused));
    let mut buf = [0; 128];
    let place = OPEN_HEADROOM..OPEN_HEADROOM + TWICE.len();
    buf[place.clone()].copy_from_slice(TWICE);
    assert_eq!(open(&mut buf, place, Purpose::Patch), Err(refused));
}

#[cfg(feature = "two-signatures")]
#[test]
fn two_signatures_both_ways() {
    let mut out = [0u8; 64];
    let len = twice().emit(&mut out).unwrap();
    assert_eq!(&out[..len], TWICE);
    assert_eq!(Envelope::parse(TWICE), Ok(twice()));
    for short in 0..len {
        assert!(twice().emit(&mut out[..short]).is_err());
        assert!(Envelope::parse(&TWICE[..short]).is_err());
    }
}

#[cfg(feature = "two-signatures")]
#[test]
fn rejects_of_two() {
    use Rule::*;
    let cases: &[(&str, Vec<u8>, Rule)] = &[
        ("trailing byte", [TWICE, &[0]].concat(), NotCanonical),
        ("tag of one", [&[0xd2], &TWICE[2..]].concat(), Malformed),
        (
            "second stripped",
            [&TWICE[..9], &[0x81], &TWICE[10..31]].concat(),
            Malformed,
        ),
        ("a third", edit(TWICE, 9, &[0x83]), Malformed),
        ("body header", edit(TWICE, 3, &[0x41, 0xa0]), UnknownKey),
        ("unprotected", edit(TWICE, 4, &[0xa1, 1, 2]), UnknownKey),
        (
            "unprotected of the first",
            edit(TWICE, 25, &[0xa1, 1, 2]),
            UnknownKey,
        ),
        (
            "second empty",
            [&TWICE[..TWICE.len() - 3], &[0x40]].concat(),
            HalfSigned,
        ),
    ];
    for (name, bytes, rule) in cases {
        match Envelope::parse(bytes) {
            Ok(_) => panic!("{name}: accepted"),
            Err(e) => assert_eq!(e.rule, *rule, "{name}"),
        }
    }
}

#[cfg(feature = "two-signatures")]
#[test]
fn open_rewrites_into_the_sig_structure() {
    let long = [5u8; 900];
    for purpose in [Purpose::Patch, Purpose::KeySet] {
        for manifest_len in [3usize, 23, 24, 200, 255, 256, 300] {
            let manifest: Vec<u8> = (0..manifest_len).map(|i| i as u8).collect();
            for second in [None, Some((OTHER, &long[..])), Some((OTHER, &long[..2]))] {
                let envelope = Envelope {
                    manifest: &manifest,
                    signature: &[7; 64],
                    second,
                    ..signed()
                };
                let form = if second.is_some() {
                    Form::Two
                } else {
                    Form::One
                };
                let mut expect = [0u8; 600];
                let len =
                    emit_sig_structure(purpose, form, SIGNER, &manifest, &mut expect).unwrap();
                let mut buf = [0u8; 1600];
                let end = OPEN_HEADROOM + envelope.emit(&mut buf[OPEN_HEADROOM..]).unwrap();
                let opened = open(&mut buf, OPEN_HEADROOM..end, purpose).unwrap();
                assert_eq!(&buf[opened.message()], &expect[..len]);
                assert_eq!(manifest_of(&buf[opened.message()]), Some(&manifest[..]));
                assert_eq!(&buf[opened.manifest()], &manifest[..]);
                assert_eq!(&buf[opened.signature()], &[7; 64]);
                assert_eq!(opened.signer, Some(SIGNER));
                assert_eq!(opened.has_second(), second.is_some());
                let got = opened.second(&mut buf, purpose);
                assert_eq!(got.is_some(), second.is_some());
                if let (Some(got), Some((signer, signature))) = (got, second) {
                    let len = emit_sig_structure(purpose, form, signer, &manifest, &mut expect);
                    assert_eq!(&buf[got.message], &expect[..len.unwrap()]);
                    assert_eq!(&buf[got.signature], signature);
                    assert_eq!(got.signer, OTHER);
                }
            }
        }
    }
    let mut buf = [0u8; 16];
    buf[..UNSIGNED.len()].copy_from_slice(UNSIGNED);
    let opened = open(&mut buf, 0..UNSIGNED.len(), Purpose::Patch).unwrap();
    assert!(opened.message().is_empty() && opened.signature().is_empty());
    assert_eq!(&buf[opened.manifest()], &[0xaa, 0xbb, 0xcc]);
}

/// The longest front there can be still fits the headroom.
#[cfg(feature = "two-signatures")]
#[test]
fn the_headroom_suffices() {
    let signer = Signer {
        algorithm: Algorithm(i32::MIN),
        ..SIGNER
    };
    for second in [None, Some((signer, &[1u8][..]))] {
        let envelope = Envelope {
            signer: Some(signer),
            second,
            ..signed()
        };
        let mut buf = [0u8; 200];
        let end = OPEN_HEADROOM + envelope.emit(&mut buf[OPEN_HEADROOM..]).unwrap();
        let opened = open(&mut buf, OPEN_HEADROOM..end, Purpose::KeySet).unwrap();
        assert!(second.is_none() || opened.second(&mut buf, Purpose::KeySet).is_some());
    }
}

#[test]
fn the_head_is_checked() {
    let head = emit_head(0x0102).unwrap();
    assert_eq!(&head, b"DMP1\x02\x01");
    assert_eq!(parse_head(&head), Ok(0x0102));
    assert_eq!(parse_head(b"DMP2\x02\x01").unwrap_err().rule, Rule::Magic);
    for len in [0u16, MAX_ENVELOPE as u16 + 1, 0xffff] {
        let [a, b] = len.to_le_bytes();
        let head = [b'D', b'M', b'P', b'1', a, b];
        assert_eq!(parse_head(&head).unwrap_err().rule, Rule::EnvelopeLength);
        assert!(emit_head(usize::from(len)).is_err());
    }
}

proptest::proptest! {
    #[test]
    fn accepted_bytes_have_one_spelling(bytes: Vec<u8>, at in 0usize..30, b: u8) {
        let mut near = SIGNED.to_vec();
        if let Some(x) = near.get_mut(at) { *x = b; }
        let mut two = TWICE.to_vec();
        if let Some(x) = two.get_mut(at) { *x = b; }
        for bytes in [bytes, near, two] {
            if let Ok(envelope) = Envelope::parse(&bytes) {
                let mut out = [0u8; MAX_ENVELOPE];
                let len = envelope.emit(&mut out).unwrap();
                proptest::prop_assert_eq!(&out[..len], &bytes[..]);
            }
        }
    }
}

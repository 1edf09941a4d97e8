//! What an attacker can do to a patch or a key set, and that it is refused: for every
//! signature scheme, on the device's own code. README.md's table of attacks names these
//! tests, and its table of bytes is held to what is measured here.

use deltamote_engine::encrypt::{EncryptTo, Secret};
use deltamote_engine::image::Image;
use deltamote_engine::key_sets::{Draft, KeySetTrust, Role, SetKey, in_front};
use deltamote_engine::keys::{
    self, Height, Pair, PublicKey, RecipientKey, Scheme, SecretKey, Sign,
};
use deltamote_engine::{
    DiffOptions, ErrorClass, Identity, Level, NoProgress, Profile, Trust, apply_as, diff, outside,
};
use std::path::Path;
use tempfile::TempDir;

/// Bytes that no compressor likes.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut x = seed;
    let mut next = || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn images() -> (Vec<u8>, Vec<u8>) {
    let old = noise(600, 1);
    let new = [&old[..200], b"something new", &old[210..]].concat();
    (old, new)
}

fn key(dir: &TempDir, name: &str, scheme: Scheme) -> SecretKey {
    let path = dir.path().join(name);
    keys::generate(&path, scheme, Height::H5).unwrap();
    keys::read_secret(&path).unwrap().key
}

fn public(key: &SecretKey) -> PublicKey {
    key.public().clone()
}

fn patch_of(sequence: u64, profile: Profile, signer: Option<&dyn Sign>) -> Vec<u8> {
    patch_for(None, sequence, profile, signer)
}

fn patch_for(
    encrypt_to: Option<EncryptTo>,
    sequence: u64,
    profile: Profile,
    signer: Option<&dyn Sign>,
) -> Vec<u8> {
    let (old, new) = images();
    let options = DiffOptions {
        profile,
        level: Level::Fast,
        priors: &[],
        identity: Identity {
            sequence,
            ..Identity::default()
        },
        encrypt_to,
        ..DiffOptions::default()
    };
    let [old, new] = [old, new].map(|bytes| Image::from_bytes(bytes).unwrap());
    diff(&old, &new, &options, signer, &NoProgress)
        .unwrap()
        .bytes
}

/// The class of the refusal, or `None` if the patch was taken.
fn refusal(patch: &[u8], trust: &Trust) -> Option<ErrorClass> {
    refusal_to(None, patch, trust)
}

fn refusal_to(to: Option<&RecipientKey>, patch: &[u8], trust: &Trust) -> Option<ErrorClass> {
    let (old, new) = images();
    match apply_as(&old, patch, trust, to, &NoProgress) {
        Ok(made) => {
            assert!(made == new, "an accepted patch makes another image");
            None
        }
        Err(e) => Some(e.class()),
    }
}

#[track_caller]
fn not_authentic(patch: &[u8], trust: &Trust) {
    assert_eq!(refusal(patch, trust), Some(ErrorClass::NotAuthentic));
}

/// Every byte changed and every truncation: none is accepted. Bytes of patches below 500
/// bytes are changed in nine ways, the others in two.
fn nothing_but_the_patch(signer: &dyn Sign, profile: Profile) {
    let patch = patch_of(0, profile, Some(signer));
    nothing_but(&patch, &|patch| {
        refusal(patch, &Trust::of_signer(signer)).is_some()
    });
}

fn nothing_but(patch: &[u8], refused: &dyn Fn(&[u8]) -> bool) {
    assert!(!refused(patch));
    let short = patch.len() < 500;
    let mut tried = 0;
    for at in 0..patch.len() {
        let bits = 0..8;
        let bits = bits.filter(|bit| short || at % 8 == *bit);
        for mask in bits.map(|bit| 1 << bit).chain([0xff]) {
            let mut bad = patch.to_vec();
            bad[at] ^= mask;
            assert!(refused(&bad), "byte {at} ^ {mask:02x}");
            tried += 1;
        }
        assert!(refused(&patch[..at]), "cut at {at}");
        tried += 1;
    }
    assert!(refused(&[patch, &[0]].concat()));
    println!("{} bytes, {tried} variants, 0 accepted", patch.len());
}

#[test]
fn every_byte_and_truncation_ed25519() {
    let dir = tempfile::tempdir().unwrap();
    nothing_but_the_patch(&key(&dir, "k", Scheme::Ed25519), Profile::Tiny);
}

#[test]
fn every_byte_and_truncation_p256() {
    let dir = tempfile::tempdir().unwrap();
    nothing_but_the_patch(&key(&dir, "k", Scheme::P256), Profile::Tiny);
}

#[test]
fn every_byte_and_truncation_lms() {
    let dir = tempfile::tempdir().unwrap();
    nothing_but_the_patch(&key(&dir, "k", Scheme::Lms), Profile::Tiny);
}

#[test]
fn every_byte_and_truncation_ml_dsa() {
    let dir = tempfile::tempdir().unwrap();
    nothing_but_the_patch(&key(&dir, "k", Scheme::MlDsa65), Profile::Medium);
}

#[test]
fn every_byte_and_truncation_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let signer = key(&dir, "k", Scheme::Ed25519);
    let [mine, other] = ["mine", "other"].map(|name| {
        let path = dir.path().join(name);
        keys::generate_recipient(&path).unwrap();
        keys::read_recipient(&path).unwrap()
    });
    let trust = Trust::key(public(&signer));
    let to = |key: &RecipientKey| EncryptTo::derived(key.public(), Secret::Seed, &[7; 32]);
    let patch = patch_for(Some(to(&mine)), 0, Profile::Small, Some(&signer));
    nothing_but(&patch, &|patch| {
        refusal_to(Some(&mine), patch, &trust).is_some()
    });
    // Nor is it for anyone else, and no key makes up for a signature.
    for to in [None, Some(&other)] {
        assert_eq!(
            refusal_to(to, &patch, &trust),
            Some(ErrorClass::WrongBase),
            "a stranger"
        );
    }
    let unsigned = patch_for(Some(to(&mine)), 0, Profile::Small, None);
    let refused = refusal_to(Some(&mine), &unsigned, &trust);
    assert_eq!(refused, Some(ErrorClass::NotAuthentic));
}

/// A classical key and a post-quantum one, in all four ways, and a profile that has room
/// for what they sign.
fn pairs(dir: &TempDir) -> Vec<(SecretKey, SecretKey, Profile)> {
    let mut all = Vec::new();
    for classical in [Scheme::Ed25519, Scheme::P256] {
        for (second, profile) in [
            (Scheme::Lms, Profile::Tiny),
            (Scheme::MlDsa65, Profile::Medium),
        ] {
            let name = |which| format!("{which}-{}-{}", classical.name(), second.name());
            let [a, b] = [("a", classical), ("b", second)].map(|(w, s)| key(dir, &name(w), s));
            all.push((a, b, profile));
        }
    }
    all
}

#[test]
fn every_byte_and_truncation_of_both() {
    let dir = tempfile::tempdir().unwrap();
    for (a, b, profile) in pairs(&dir) {
        nothing_but_the_patch(&Pair(&a, &b), profile);
    }
}

/// Head, envelope and payload of a patch.
fn parts(patch: &[u8]) -> (&[u8], &[u8]) {
    let len = usize::from(u16::from_le_bytes([patch[4], patch[5]]));
    patch[6..].split_at(len)
}

fn joined(envelope: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = (envelope.len() as u16).to_le_bytes();
    [b"DMP1", &len[..], envelope, payload].concat()
}

#[test]
fn a_stripped_second_signature_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (a, b, profile) in pairs(&dir) {
        neither_is_stripped(&a, &b, profile);
    }
}

fn neither_is_stripped(a: &SecretKey, b: &SecretKey, profile: Profile) {
    let (ka, kb) = (public(a), public(b));
    let both = Trust::Both(vec![ka.clone(), kb.clone()]);
    let any = Trust::Keys(vec![ka.clone(), kb.clone()]);
    let patch = patch_of(0, profile, Some(&Pair(a, b)));
    assert_eq!(refusal(&patch, &both), None);
    assert_eq!(refusal(&patch, &any), None);
    // Good signatures of one key, where two are wanted.
    for one in [a, b] {
        let single = patch_of(0, profile, Some(one));
        assert_eq!(refusal(&single, &any), None);
        not_authentic(&single, &both);
    }
    // The signatures of the pair, shown alone: even a device that wants one refuses.
    let (envelope, payload) = parts(&patch);
    let unsigned = patch_of(0, profile, None);
    let bare = parts(&unsigned).0;
    // The lengths below are those of Ed25519 and P-256, which are the same.
    // d2 84 40 a0 MANIFEST 40 and d8 62 84 40 a0 MANIFEST 82 83 ...
    let manifest = &bare[4..bare.len() - 1];
    assert_eq!(&envelope[5..5 + manifest.len()], manifest);
    let signatures = &envelope[5 + manifest.len()..];
    assert_eq!(signatures[..2], [0x82, 0x83]);
    let first = &signatures[2..83];
    let second = &signatures[84..];
    for (signature, header) in [(first, 14), (second, 15)] {
        let (header, rest) = signature.split_at(header);
        let alone = [&[0xd2, 0x84], header, &[0xa0], manifest, &rest[1..]].concat();
        not_authentic(&joined(&alone, payload), &any);
    }
    // Swapped, and the first one twice.
    let front = &envelope[..6 + manifest.len()];
    let swapped = [front, &[0x83], second, &[0x83], first].concat();
    not_authentic(&joined(&swapped, payload), &both);
    not_authentic(&joined(&swapped, payload), &any);
    let twice = [front, &[0x83], first, &[0x83], first].concat();
    not_authentic(&joined(&twice, payload), &both);
    not_authentic(&joined(&twice, payload), &any);
    // A device that knows one of the keys does not look away from the other.
    not_authentic(&patch, &Trust::key(ka));
    not_authentic(&patch, &Trust::key(kb));
}

#[test]
fn wrong_keys_and_other_schemes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let all = Scheme::ALL.map(|s| key(&dir, s.name(), s));
    let others = Scheme::ALL.map(|s| key(&dir, &format!("{}-2", s.name()), s));
    for (mine, other) in all.iter().zip(&others) {
        let patch = patch_of(0, Profile::Medium, Some(mine));
        assert_eq!(refusal(&patch, &Trust::key(public(mine))), None);
        not_authentic(&patch, &Trust::key(public(other)));
        for stranger in all.iter().filter(|k| k.public() != mine.public()) {
            not_authentic(&patch, &Trust::key(public(stranger)));
            // The key's bytes under another scheme's name.
            let renamed = PublicKey {
                scheme: stranger.public().scheme,
                bytes: public(mine).bytes,
            };
            not_authentic(&patch, &Trust::key(renamed));
        }
        // A signature of another key of the scheme under this key's name, and of another
        // patch of this key.
        let unsigned = patch_of(0, Profile::Medium, None);
        let keys = [public(mine)];
        let message = outside::to_be_signed(&unsigned, &keys, 0).unwrap();
        let later = patch_of(9, Profile::Medium, None);
        let elsewhere = outside::to_be_signed(&later, &keys, 0).unwrap();
        for forged in [other.sign(0, &message), mine.sign(0, &elsewhere)] {
            let e = outside::attach(&unsigned, &keys, &[forged.unwrap()]).unwrap_err();
            assert_eq!(e.class(), ErrorClass::NotAuthentic);
        }
        let good = mine.sign(0, &message).unwrap();
        let signed = outside::attach(&unsigned, &keys, &[good]).unwrap();
        assert_eq!(refusal(&signed, &Trust::key(public(mine))), None);
    }
}

#[test]
fn unsigned_and_second_manifests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mine = key(&dir, "k", Scheme::Ed25519);
    let trust = Trust::key(public(&mine));
    let patch = patch_of(3, Profile::Tiny, Some(&mine));
    let unsigned = patch_of(3, Profile::Tiny, None);
    not_authentic(&unsigned, &trust);
    // Another envelope behind the first, in front of it, and inside the payload's place.
    let (envelope, payload) = parts(&patch);
    let other = parts(&unsigned).0;
    for bad in [
        joined(&[envelope, other].concat(), payload),
        joined(&[other, envelope].concat(), payload),
        joined(envelope, &[other, payload].concat()),
        [&patch[..], &unsigned[..]].concat(),
        [&patch[..], &patch[..]].concat(),
    ] {
        assert!(refusal(&bad, &trust).is_some());
    }
}

fn set_key(key: PublicKey) -> SetKey {
    SetKey {
        key,
        role: Role::Release,
        first: 0,
        last: u64::MAX,
    }
}

fn set_of(version: u64, keys: &[SetKey], revoked: &[[u8; 8]], root: &dyn Sign) -> Vec<u8> {
    let draft = Draft {
        version,
        keys: keys.to_vec(),
        revoked: revoked.iter().copied().collect(),
    };
    draft.emit(Some(root)).unwrap()
}

#[test]
fn a_key_set_rotates_and_revokes() {
    let dir = tempfile::tempdir().unwrap();
    let root = key(&dir, "root", Scheme::Ed25519);
    let root_trust = Trust::key(public(&root));
    let [a, b, c] = ["a", "b", "c"].map(|n| key(&dir, n, Scheme::Ed25519));
    let take = |set: &[u8], newest| KeySetTrust::accept(set, &root_trust, newest);
    let signed = |k: &SecretKey, sequence| patch_of(sequence, Profile::Tiny, Some(k));

    let one = set_of(1, &[set_key(public(&a))], &[], &root);
    let trust = Trust::KeySet(take(&one, 0).unwrap());
    assert_eq!(refusal(&signed(&a, 1), &trust), None);
    not_authentic(&signed(&b, 1), &trust);

    // Version 2: a is revoked, b signs 5 to 9, c is a test key.
    let b_entry = SetKey {
        first: 5,
        last: 9,
        ..set_key(public(&b))
    };
    let c_entry = SetKey {
        role: Role::Test,
        ..set_key(public(&c))
    };
    let entries = [set_key(public(&a)), b_entry, c_entry];
    let two = set_of(2, &entries, &[public(&a).id()], &root);
    let mut accepted = take(&two, 1).unwrap();
    assert_eq!(accepted.version, 2);
    let trust = Trust::KeySet(accepted.clone());
    // Revocation wins over presence in the set.
    not_authentic(&signed(&a, 6), &trust);
    for (sequence, good) in [(4, false), (5, true), (9, true), (10, false)] {
        let patch = signed(&b, sequence);
        assert_eq!(refusal(&patch, &trust).is_none(), good, "{sequence}");
    }
    not_authentic(&signed(&c, 6), &trust);
    accepted.test_device = true;
    assert_eq!(
        refusal(&signed(&c, 6), &Trust::KeySet(accepted.clone())),
        None
    );
    accepted.both = true;
    not_authentic(&signed(&b, 6), &Trust::KeySet(accepted));

    // The same again is taken, an older one is not.
    assert!(take(&two, 2).is_ok());
    let e = take(&one, 2).unwrap_err();
    assert_eq!(e.class(), ErrorClass::NotAuthentic);
    assert!(e.to_string().contains("older"), "{e}");

    // In front of a patch.
    let patch = signed(&b, 6);
    let together = [&two[..], &patch[..]].concat();
    assert_eq!(in_front(&together), two.len());
    assert_eq!(in_front(&patch), 0);
    assert!(take(&together, 1).is_ok());
}

#[test]
fn key_sets_that_the_root_did_not_sign_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = key(&dir, "root", Scheme::Ed25519);
    let second = key(&dir, "root2", Scheme::Lms);
    let a = key(&dir, "a", Scheme::Ed25519);
    let keys = [set_key(public(&a))];
    let unsigned = Draft {
        version: 1,
        keys: keys.to_vec(),
        ..Draft::default()
    };
    for (signer, trust) in [
        (&root as &dyn Sign, Trust::key(public(&root))),
        (
            &Pair(&root, &second),
            Trust::Both(vec![public(&root), public(&second)]),
        ),
    ] {
        let take = |set: &[u8]| KeySetTrust::accept(set, &trust, 0);
        let good = set_of(1, &keys, &[[7; 8]], signer);
        assert!(take(&good).is_ok());
        for at in 0..good.len() {
            for mask in [1 << (at % 8), 0xff] {
                let mut bad = good.clone();
                bad[at] ^= mask;
                assert!(take(&bad).is_err(), "byte {at}");
            }
            assert!(take(&good[..at]).is_err(), "cut at {at}");
        }
        for file in [unsigned.emit(None), unsigned.emit(Some(&a))] {
            let e = take(&file.unwrap()).unwrap_err();
            assert_eq!(e.class(), ErrorClass::NotAuthentic);
        }
    }
    // What the root signs as a key set is no patch, and a patch that it signs no key set.
    let root_keys = [public(&root)];
    let set = unsigned.emit(None).unwrap();
    let patch = patch_of(0, Profile::Tiny, None);
    let of_set = outside::to_be_signed(&set, &root_keys, 0).unwrap();
    let signature = root.sign(0, &of_set).unwrap();
    assert!(outside::attach(&set, &root_keys, std::slice::from_ref(&signature)).is_ok());
    assert!(outside::attach(&patch, &root_keys, &[signature]).is_err());
}

/// A patch of a 1 MiB image without signature, and the bytes of its payload.
fn large(profile: Profile, sequence: u64) -> (Vec<u8>, usize) {
    let old = noise(1 << 20, 3);
    let mut new = old.clone();
    new[5000..165_000].copy_from_slice(&noise(160_000, 4));
    let options = DiffOptions {
        profile,
        level: Level::Fast,
        identity: Identity {
            sequence,
            ..Identity::default()
        },
        ..DiffOptions::default()
    };
    let [old, new] = [old, new].map(|bytes| Image::from_bytes(bytes).unwrap());
    let patch = diff(&old, &new, &options, None, &NoProgress).unwrap();
    let payload = patch.summary.payload_bytes;
    if profile == Profile::Small {
        let links = patch.summary.breakdown["chunk links"];
        assert!(links <= 0.008 * payload as f64, "{links} of {payload}");
    }
    (patch.bytes, payload as usize)
}

/// README.md's table of what manifest and signatures add is what they add.
#[test]
fn the_overhead_is_as_the_readme_says() {
    let dir = tempfile::tempdir().unwrap();
    let [ed, p256, lms, ml] = Scheme::ALL.map(|s| key(&dir, s.name(), s));
    let lms10 = {
        let path = dir.path().join("lms10");
        keys::generate(&path, Scheme::Lms, Height::H10).unwrap();
        keys::read_secret(&path).unwrap().key
    };
    let rows: [(&str, Profile, Option<&dyn Sign>); 8] = [
        ("none", Profile::Small, None),
        ("Ed25519 (the default)", Profile::Small, Some(&ed)),
        ("P-256", Profile::Small, Some(&p256)),
        ("LMS, 32 signatures", Profile::Small, Some(&lms)),
        ("LMS, 1024 signatures", Profile::Small, Some(&lms10)),
        ("ML-DSA-65", Profile::Medium, Some(&ml)),
        (
            "Ed25519 and LMS, 1024",
            Profile::Small,
            Some(&Pair(&ed, &lms10)),
        ),
        (
            "Ed25519 and ML-DSA-65",
            Profile::Medium,
            Some(&Pair(&ed, &ml)),
        ),
    ];
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let mut missing = String::new();
    let (small, medium) = (large(Profile::Small, 0), large(Profile::Medium, 0));
    // The default, and the longest sequence number.
    let last = large(Profile::Small, u64::MAX);
    for (name, profile, signer) in rows {
        let (unsigned, payload) = match profile {
            Profile::Small => &small,
            _ => &medium,
        };
        let keys = signer.map_or(Vec::new(), Sign::public_keys);
        let sign = |(which, _)| {
            let message = outside::to_be_signed(unsigned, &keys, which).unwrap();
            signer.unwrap().sign(which, &message).unwrap()
        };
        let signatures: Vec<_> = keys.iter().enumerate().map(sign).collect();
        let signed = outside::attach(unsigned, &keys, &signatures).unwrap();
        let bytes = signed.len() - payload;
        let row = format!("| {name} | {bytes} | {} |", profile.name());
        if !readme.contains(&row) {
            missing += &format!("{row}\n");
        }
        if name.contains("default") {
            let more = last.0.len() - last.1 - (unsigned.len() - payload);
            assert!(more >= 10 && bytes + more <= 220, "{bytes} + {more}");
        }
    }
    assert!(missing.is_empty(), "README.md should say:\n{missing}");
}

/// The tests that README.md's table of attacks names are there: in this file (`T`), in
/// the tests of the simulated device (`S/file`), among the laws that are fuzzed (`law`).
#[test]
fn the_attacks_of_the_readme_have_their_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let readme = read("README.md");
    let table = readme.split("| attack |").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    let rows: Vec<_> = table.lines().filter(|row| row.starts_with("| ")).collect();
    assert!(rows.len() >= 14, "{}", rows.len());
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let named: Vec<_> = last.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            let (place, test) = name.split_once(' ').unwrap_or_else(|| panic!("{name}"));
            let source = match place.split_once('/') {
                None if place == "T" => read("engine/tests/trust.rs"),
                None if place == "law" => read("fuzz/laws/src/lib.rs"),
                None if place == "SPEC" => read("patcher-nostd/format/tests/spec.rs"),
                Some(("S", file)) => read(&format!("patcher-nostd/sim/tests/{file}.rs")),
                _ => panic!("{name}: in which file?"),
            };
            let test = test.trim_end_matches('*');
            let there = match place {
                "law" => source.contains(&format!("\"{test}\"")),
                _ => {
                    let tests = source.split("#[test]\n").skip(1);
                    let is_it = |rest: &str| rest.trim_start().starts_with(&format!("fn {test}"));
                    tests.filter(|rest| is_it(rest)).count() > 0
                }
            };
            assert!(there, "{name} is no test");
        }
    }
}

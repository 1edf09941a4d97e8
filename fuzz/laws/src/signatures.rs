//! Signatures, and the keys that a set allows.

use crate::fixtures::{manifest, stored};
use arbitrary::Unstructured;
use deltamote_engine::SigningKey;
use deltamote_engine::keys::Sign;
use deltamote_format::envelope::{
    Algorithm, Envelope, Form, HEAD_BYTES, MAX_ENVELOPE, OPEN_HEADROOM, Purpose, Signer,
    emit_sig_structure,
};
use deltamote_format::key_set::{Entry, KeySet, Role, emit};
use deltamote_patcher::key_set::{Accepted, KeySetKeys, accept, in_front};
use deltamote_patcher::{Distrust, Keys, PublicKey, Verifier, key_id};
use std::sync::OnceLock;

/// A key, what it signed and the signature.
struct Signed {
    algorithm: Algorithm,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("hex digits");
        u8::from_str_radix(pair, 16).expect("hex digits")
    };
    digits.chunks(2).map(byte).collect()
}

fn sign(secret: &SigningKey, message: &[u8]) -> Vec<u8> {
    Sign::sign(secret, 0, message).expect("no key of few signatures")
}

/// Made here, or taken from the documents.
fn signed() -> &'static [Signed] {
    static SIGNED: OnceLock<Vec<Signed>> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let message = b"what was signed".to_vec();
        let secret = SigningKey::from_bytes(&[7; 32]);
        let mut all = vec![
            Signed {
                algorithm: Algorithm::ED25519,
                key: secret.verifying_key().to_bytes().to_vec(),
                signature: sign(&secret, &message),
                message,
            },
            // RFC 6979, A.2.5, "test" with SHA-256; its s is in the lower half.
            Signed {
                algorithm: Algorithm::ESP256,
                key: unhex(
                    "04 60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6
                        7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
                ),
                message: b"test".to_vec(),
                signature: unhex(
                    "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367
                     019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
                ),
            },
        ];
        // RFC 8554, appendix F, and RFC 9858, A.1: key, message, signature; twice.
        let vectors = include_str!("../../../patcher-nostd/src/signature/lms_vectors.txt");
        let blocks: Vec<Vec<u8>> = vectors.split("\n\n").map(unhex).collect();
        for block in blocks.chunks_exact(3) {
            all.push(Signed {
                algorithm: Algorithm::HSS_LMS,
                key: block[0].clone(),
                message: block[1].clone(),
                signature: block[2].clone(),
            });
        }
        assert_eq!(all.len(), 4);
        all
    })
}

/// Changes bytes as the input says, up to its end.
fn edit(u: &mut Unstructured<'_>, parts: &mut [&mut Vec<u8>]) {
    while let (false, Ok((which, at, by))) = (u.is_empty(), u.arbitrary::<(u8, u16, u8)>()) {
        let which = usize::from(which) % parts.len();
        let bytes = &mut *parts[which];
        let at = usize::from(at) % (bytes.len() + 1);
        match (by, bytes.get_mut(at)) {
            (240..248, _) => bytes.truncate(at),
            (248.., _) => bytes.push(at as u8),
            (_, Some(byte)) => *byte ^= by,
            (_, None) => {}
        }
    }
}

/// In Ed25519, P-256 and LMS: a signature holds as it was made; with any byte of it, of the
/// key or of the message changed, cut away or added, under another scheme, and made of any
/// bytes at all, it does not.
pub fn signatures_hold_only_as_made(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else {
        return;
    };
    let all = signed();
    let made = &all[usize::from(how) % all.len()];
    let (mut key, mut message) = (made.key.clone(), made.message.clone());
    let mut signature = made.signature.clone();
    let mut algorithm = made.algorithm;
    match how >> 6 {
        // The front of the signature, or of the key, is the input itself.
        0 => {
            let len = rest.len().min(signature.len());
            signature[..len].copy_from_slice(&rest[..len]);
        }
        1 => {
            let len = rest.len().min(key.len());
            key[..len].copy_from_slice(&rest[..len]);
        }
        2 => {
            let parts = &mut [&mut signature, &mut key, &mut message];
            edit(&mut Unstructured::new(rest), parts);
        }
        _ => {
            algorithm = all[usize::from(how >> 2) % all.len()].algorithm;
            signature = rest.to_vec();
        }
    }
    let unchanged = algorithm == made.algorithm
        && key == made.key
        && message == made.message
        && signature == made.signature;
    let keys = [PublicKey {
        algorithm,
        bytes: &key,
    }];
    let signer = Signer {
        algorithm,
        kid: key_id(&key),
    };
    let verdict = Keys(&keys).verify(&signer, &message, &signature);
    let expected = match unchanged {
        true => Ok(()),
        false => Err(Distrust::BadSignature),
    };
    assert_eq!(verdict, expected);
    let stranger = Signer {
        kid: [0; 8],
        ..signer
    };
    let verdict = Keys(&keys).verify(&stranger, &message, &signature);
    assert_eq!(verdict, Err(Distrust::UnknownKey));
}

/// Two owners of keys.
fn owners() -> &'static [(SigningKey, [u8; 32]); 2] {
    static OWNERS: OnceLock<[(SigningKey, [u8; 32]); 2]> = OnceLock::new();
    OWNERS.get_or_init(|| {
        [7, 8].map(|seed| {
            let secret = SigningKey::from_bytes(&[seed; 32]);
            let public = secret.verifying_key().to_bytes();
            (secret, public)
        })
    })
}

fn signer_of(public: &[u8]) -> Signer {
    Signer {
        algorithm: Algorithm::ED25519,
        kid: key_id(public),
    }
}

fn structure(purpose: Purpose, signer: Signer, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 2 * MAX_ENVELOPE];
    let len = emit_sig_structure(purpose, Form::One, signer, body, &mut out).expect("fits");
    out.truncate(len);
    out
}

/// Sequence number of the manifest that the first owner signed.
const SEQUENCE: u64 = 100;
/// Version of the key set in [`rooted`].
const VERSION: u64 = 5;

/// The bytes that the first owner signed, a manifest of a patch, and the signature.
fn release() -> &'static (Vec<u8>, Vec<u8>) {
    static RELEASE: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let pair = stored();
        let mut manifest = manifest(&pair.old, &pair.new, 0);
        manifest.sequence = SEQUENCE;
        manifest.payload_size = 100;
        let mut body = [0; MAX_ENVELOPE];
        let len = manifest.emit(&mut body).expect("fits");
        let (secret, public) = &owners()[0];
        let message = structure(Purpose::Patch, signer_of(public), &body[..len]);
        let signature = sign(secret, &message);
        (message, signature)
    })
}

/// A key set file that the second owner, as the root, signed.
fn rooted() -> &'static (Vec<u8>, Vec<u8>) {
    static ROOTED: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    ROOTED.get_or_init(|| {
        let [(_, first), (root, root_public)] = owners();
        let entries = [
            Entry::new(Algorithm::ED25519, first),
            Entry::new(Algorithm::HSS_LMS, &signed()[2].key),
        ];
        let mut set = vec![0; MAX_ENVELOPE];
        let len = emit(VERSION, &entries, &[[9; 8]], &mut set).expect("fits");
        set.truncate(len);
        let signer = signer_of(root_public);
        let signature = sign(root, &structure(Purpose::KeySet, signer, &set));
        let envelope = Envelope {
            signer: Some(signer),
            manifest: &set,
            signature: &signature,
            second: None,
        };
        let mut out = [0; MAX_ENVELOPE];
        let len = envelope.emit(&mut out).expect("fits");
        let head = Purpose::KeySet.emit_head(len).expect("fits");
        ([&head[..], &out[..len]].concat(), set)
    })
}

/// A key set file is taken only if the root signed it, and no newer one and no other of its
/// version is known; and of a set, exactly its keys that are not revoked, for this kind of device and this sequence
/// number, open a patch.
pub fn key_sets_open_what_they_say(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(how) = u.arbitrary::<u8>() else {
        return;
    };
    match how & 3 {
        0 => taken(data.get(1..).unwrap_or(&[]).to_vec(), None),
        1 | 2 => {
            let newest = Accepted {
                version: u64::from(how >> 2) % 8,
                digest: match how >> 5 & 1 {
                    0 => Accepted::of(&rooted().1).expect("a set").digest,
                    _ => [how; 32],
                },
            };
            let mut file = rooted().0.clone();
            edit(&mut u, &mut [&mut file]);
            taken(file, Some(newest));
        }
        _ => {
            let _ = opens(how >> 2, &mut u);
        }
    }
}

fn taken(file: Vec<u8>, newest: Option<Accepted>) {
    let (good, set) = rooted();
    let root = [owners()[1].1];
    let root = deltamote_patcher::Ed25519Keys(&root);
    let mut buf = vec![0; OPEN_HEADROOM + MAX_ENVELOPE];
    let done = accept(&file, &mut buf, &root, newest.as_ref());
    // Bytes behind the set are the patch.
    let newer = newest.is_none_or(|n| VERSION > n.version || VERSION == n.version && n.is(set));
    let expected = file.starts_with(good) && newer;
    assert_eq!(done.is_ok(), expected, "{done:?}");
    if let Ok(place) = done {
        assert_eq!(&buf[place], &set[..]);
        let head = file.first_chunk::<HEAD_BYTES>().expect("it was read");
        assert_eq!(in_front(head), Ok(Some(good.len())));
    }
    let (first, signature) = (&owners()[0].1, &release().1);
    // What the root signed for another purpose opens no patch.
    let trusted = [*first, root.0[0]];
    let keys = deltamote_patcher::Ed25519Keys(&trusted);
    let verdict = keys.verify(&signer_of(&root.0[0]), &release().0, signature);
    assert_eq!(verdict, Err(Distrust::BadSignature));
}

/// What the set of these keys says of the patch in [`release`], against plain words.
fn opens(policy: u8, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (test_device, both) = (policy & 1 != 0, policy & 2 != 0);
    let publics = owners().each_ref().map(|(_, public)| public);
    let mut entries = Vec::new();
    for _ in 0..u.int_in_range(0..=3u8)? {
        let public = publics[usize::from(u.arbitrary::<bool>()?)];
        entries.push(Entry {
            role: match u.arbitrary::<bool>()? {
                true => Role::Test,
                false => Role::Release,
            },
            first: u.int_in_range(0..=2 * SEQUENCE)?,
            last: u.int_in_range(0..=2 * SEQUENCE)?,
            ..Entry::new(Algorithm::ED25519, public)
        });
    }
    let mut revoked = Vec::new();
    for public in publics {
        if u.arbitrary::<u8>()? > 200 {
            revoked.push(key_id(public));
        }
    }
    revoked.sort_unstable();
    let mut out = [0; MAX_ENVELOPE];
    let Ok(len) = emit(1, &entries, &revoked, &mut out) else {
        return Ok(());
    };
    let set = KeySet::parse(&out[..len]).expect("it was emitted");
    let keys = KeySetKeys {
        set,
        test_device,
        both,
    };
    let (message, signature) = release();
    let ours = entries.iter().find(|entry| entry.key == publics[0]);
    let expected = match ours {
        _ if revoked.contains(&key_id(publics[0])) => Err(Distrust::Revoked),
        None => Err(Distrust::UnknownKey),
        Some(entry) if entry.role == Role::Test && !test_device => Err(Distrust::NotEntitled),
        Some(entry) if entry.first > SEQUENCE || entry.last < SEQUENCE => {
            Err(Distrust::NotEntitled)
        }
        Some(_) => Ok(()),
    };
    let signer = signer_of(publics[0]);
    assert_eq!(keys.verify(&signer, message, signature), expected);
    // No classical key is the second of two.
    assert!(keys.verify_second(&signer, message, signature).is_err());
    assert_eq!(keys.needs_second(), both);
    Ok(())
}

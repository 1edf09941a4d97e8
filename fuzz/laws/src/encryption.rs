//! Encrypted chunks.

use crate::fixtures::noise;
use arbitrary::Unstructured;
use deltamote_engine::encrypt::{EncryptTo, Secret};
use deltamote_engine::image::Image;
use deltamote_engine::keys::RecipientKey;
use deltamote_engine::{DiffOptions, Level, NoProgress, diff};
use deltamote_format::chain::{self, Layout};
use deltamote_format::encryption::Encryption;
use deltamote_format::envelope::{Envelope, parse_head};
use deltamote_format::manifest::Manifest;
use deltamote_patcher::encryption::{ContentKey, NoContentKey, Recipient, X25519Key};
use deltamote_patcher::format::Profile;
use std::sync::OnceLock;

/// The recipient's key pair, what a patch for it says, and its chunks.
struct Sealed {
    secret: [u8; 32],
    public: [u8; 32],
    recipient: [u8; 8],
    encapsulated: [u8; 32],
    /// Ciphertext and tag of each.
    chunks: Vec<Vec<u8>>,
    texts: Vec<Vec<u8>>,
    key: ContentKey,
}

fn sealed() -> &'static Sealed {
    static SEALED: OnceLock<Sealed> = OnceLock::new();
    SEALED.get_or_init(|| {
        let secret = [0x42; 32];
        let public = RecipientKey::new(secret.into()).expect("a key").public();
        let (old, new) = (noise(64, 1), noise(5000, 2));
        let image = |bytes: Vec<u8>| Image::from_bytes(bytes).expect("raw bytes");
        let options = DiffOptions {
            profile: Profile::Small,
            level: Level::Fast,
            jobs: Some(1),
            priors: &[],
            encrypt_to: Some(EncryptTo::derived(public, Secret::Seed, &[3; 32])),
            ..DiffOptions::default()
        };
        let patch = diff(&image(old), &image(new), &options, None, &NoProgress);
        let patch = patch.expect("a patch").bytes;
        let head = patch.first_chunk().expect("a head");
        let at = head.len() + parse_head(head).expect("made here");
        let envelope = Envelope::parse(&patch[head.len()..at]).expect("made here");
        let manifest = Manifest::parse(envelope.manifest).expect("made here");
        let field = manifest.encryption.expect("it is encrypted");
        let payload = &patch[at..];
        let layout = Layout::new_encrypted(payload.len() as u32, manifest.chunk_size);
        let layout = layout.expect("made here");
        let key = X25519Key {
            secret: &secret,
            public: &public,
        };
        let key = key.content_key(&field).expect("for this recipient");
        let chunks: Vec<Vec<u8>> = (0..layout.count())
            .map(|n| {
                let place = layout.chunk(n).expect("there");
                let chunk = &payload[place.start as usize..place.end as usize];
                let (data, _) = chain::parse(chunk, layout.is_last(n)).expect("made here");
                data.to_vec()
            })
            .collect();
        assert!(chunks.len() > 2);
        let texts = chunks.iter().zip(0..).map(|(chunk, n)| {
            let mut text = chunk.clone();
            let len = key.open(n, &mut text).expect("made here");
            text.truncate(len);
            text
        });
        Sealed {
            secret,
            public,
            recipient: *field.recipient,
            encapsulated: *field.encapsulated,
            texts: texts.collect(),
            chunks,
            key,
        }
    })
}

/// An encrypted chunk opens, to what was sealed, at its own index, under the key that its
/// own patch encapsulates for this recipient; changed in any of that, it does not open.
pub fn chunks_open_only_as_sealed(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let sealed = sealed();
    let (Ok(which), Ok(index)) = (u.arbitrary::<u8>(), u.arbitrary::<u32>()) else {
        return;
    };
    let n = usize::from(which >> 2) % sealed.chunks.len();
    let mut chunk = sealed.chunks[n].clone();
    let (mut recipient, mut encapsulated) = (sealed.recipient, sealed.encapsulated);
    let mut index = match which & 1 {
        0 => n as u32,
        _ => index,
    };
    while let (false, Ok((what, at, by))) = (u.is_empty(), u.arbitrary::<(u8, u16, u8)>()) {
        let at = usize::from(at);
        match what % 8 {
            0 => encapsulated[at % 32] ^= by,
            // Points of small order, and whatever else the input holds.
            1 => encapsulated = u.arbitrary().unwrap_or([by; 32]),
            2 => recipient[at % 8] ^= by,
            3 => chunk.truncate(at),
            4 => chunk.push(by),
            5 => index ^= u32::from(by) << (at % 25),
            _ if chunk.is_empty() => {}
            _ => {
                let at = at % chunk.len();
                chunk[at] ^= by;
            }
        }
    }
    let made = X25519Key {
        secret: &sealed.secret,
        public: &sealed.public,
    };
    let other;
    let key = if (recipient, encapsulated) == (sealed.recipient, sealed.encapsulated) {
        &sealed.key
    } else {
        let field = Encryption {
            recipient: &recipient,
            encapsulated: &encapsulated,
        };
        other = match made.content_key(&field) {
            Ok(key) => key,
            Err(why) => {
                let stranger = why == NoContentKey::OtherRecipient;
                assert_eq!(stranger, recipient != sealed.recipient);
                return;
            }
        };
        assert_eq!(recipient, sealed.recipient);
        &other
    };
    let unchanged =
        encapsulated == sealed.encapsulated && index == n as u32 && chunk == sealed.chunks[n];
    match key.open(index, &mut chunk) {
        Ok(len) => {
            assert!(unchanged, "opened, and was not sealed like that");
            assert_eq!(&chunk[..len], &sealed.texts[n][..]);
        }
        Err(_) => assert!(!unchanged, "does not open as it was sealed"),
    }
}

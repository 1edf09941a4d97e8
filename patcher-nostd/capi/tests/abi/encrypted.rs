//! Encrypted payloads: the content key from a callback, and by X25519 in software.

use crate::board::Board;
use crate::{COPY, NEW, OLD, Workspace, common, images, open, payload, push_all};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use deltamote_capi::*;
use deltamote_patcher::format::Profile as WireProfile;
use deltamote_patcher::format::chain::{self, Layout};
use deltamote_patcher::format::encryption::{Encryption, nonce};
use deltamote_patcher::format::envelope::MAX_ENVELOPE;
use deltamote_patcher::format::manifest::{CODEC_DELTAMOTE, Manifest};
use std::ffi::c_void;

const CONTENT_KEY: [u8; 32] = [0x3c; 32];

/// An unsigned patch for `recipient`, encrypted under `key`.
fn patch(key: &[u8; 32], recipient: &[u8; 8], encapsulated: &[u8; 32]) -> (Vec<u8>, Vec<u8>) {
    let (old, new) = images();
    let mut manifest = Manifest {
        codec: CODEC_DELTAMOTE,
        // Several chunks.
        chunk_size: 200,
        encryption: Some(Encryption {
            recipient,
            encapsulated,
        }),
        ..common::manifest(&old, &new, WireProfile::Tiny)
    };
    let data = payload::data(&old, &new, 50, COPY);
    let layout = Layout::for_encrypted_data(data.len() as u32, manifest.chunk_size).unwrap();
    assert!(layout.count() > 2 || cfg!(miri));
    let cipher = ChaCha20Poly1305::new(key.into());
    let mut sealed = Vec::new();
    for k in 0..layout.count() {
        let end = match layout.is_last(k) {
            true => data.len(),
            false => layout.data_start(k + 1) as usize,
        };
        let mut chunk = data[layout.data_start(k) as usize..end].to_vec();
        let text = chunk.as_mut_slice().into();
        let tag = cipher.encrypt_inout_detached(&nonce(k).into(), &[], text);
        sealed.extend(chunk);
        sealed.extend(tag.unwrap());
    }
    let mut bytes = vec![0; layout.payload_size() as usize];
    manifest.payload_size = layout.payload_size();
    let link = |chunk: &[u8]| common::sha(chunk)[..16].try_into().unwrap();
    manifest.first_chunk = chain::seal(&sealed, layout, &mut bytes, link).unwrap();
    let mut buf = [0; MAX_ENVELOPE];
    let len = manifest.emit(&mut buf).unwrap();
    (common::envelope(&buf[..len], &bytes, None), new)
}

/// No recipient.
fn nobody() -> Recipient {
    // SAFETY: zeros are what C's `{0}` gives.
    unsafe { std::mem::zeroed() }
}

/// What `patch` gives on a device with `recipient`; on success the image is `new`.
fn update(recipient: Recipient, patch: &[u8], new: &[u8]) -> Status {
    let (old, _) = images();
    assert_eq!((old.len(), new.len()), (OLD, NEW));
    let mut board = Board::new(&old, NEW);
    let mut config = board.config();
    config.recipient = recipient;
    let mut workspace = Workspace::tiny();
    let handle = match open(&mut workspace, &config) {
        Ok(handle) => handle,
        Err(status) => return status,
    };
    let status = match push_all(handle, patch, 300) {
        // SAFETY: the handle is open.
        Ok(_) => unsafe { deltamote_finish(handle) },
        Err(status) => status,
    };
    assert_eq!(board.slot.bytes[..NEW] == *new, status == Status::Ok);
    let encrypted = board.loader.offered.as_ref().map(|seen| seen.encrypted);
    // Refused before the application is asked, or seen by it.
    assert!(matches!(encrypted, None | Some(1)), "{encrypted:?}");
    status
}

/// A secure element: what it answers, and what it was asked for.
struct Element {
    answer: i32,
    key: [u8; 32],
    asked: Option<([u8; 8], [u8; 32])>,
}

unsafe extern "C" fn content_key(
    context: *mut c_void,
    key_id: *const u8,
    encapsulated: *const u8,
    key: *mut u8,
) -> i32 {
    // SAFETY: the context is an `Element`; lengths are as the header says.
    unsafe {
        let element = &mut *context.cast::<Element>();
        element.asked = Some((
            key_id.cast::<[u8; 8]>().read(),
            encapsulated.cast::<[u8; 32]>().read(),
        ));
        key.cast::<[u8; 32]>().write(element.key);
        element.answer
    }
}

fn by_element(element: &mut Element) -> Recipient {
    Recipient {
        context: (&raw mut *element).cast(),
        content_key: Some(content_key),
        ..nobody()
    }
}

#[test]
fn a_key_from_a_callback_opens_the_payload() {
    let (recipient, encapsulated) = ([5; 8], [6; 32]);
    let (patch, new) = patch(&CONTENT_KEY, &recipient, &encapsulated);
    let built_in = cfg!(feature = "encryption");
    for (answer, key, status) in [
        (DELTAMOTE_CONTENT_KEY_OK, CONTENT_KEY, Status::Ok),
        (DELTAMOTE_CONTENT_KEY_OK, [1; 32], Status::NotDecrypted),
        (
            DELTAMOTE_OTHER_RECIPIENT,
            CONTENT_KEY,
            Status::WrongRecipient,
        ),
        (2, CONTENT_KEY, Status::ContentKeyUnavailable),
        (-1, CONTENT_KEY, Status::ContentKeyUnavailable),
    ] {
        let asked = None;
        let mut element = Element { answer, key, asked };
        let given = update(by_element(&mut element), &patch, &new);
        if built_in {
            assert_eq!(given, status);
            assert_eq!(element.asked, Some((recipient, encapsulated)));
        } else {
            assert_eq!(given, Status::EncryptionUnsupported);
            assert_eq!(element.asked, None);
        }
    }
    let refused = update(nobody(), &patch, &new);
    if built_in {
        assert_eq!(refused, Status::WrongRecipient);
    } else {
        // The patcher below has what any crate of the same build asks of it.
        assert!([Status::WrongRecipient, Status::EncryptionUnsupported].contains(&refused));
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused_at_init() {
    let (patch, new) = patch(&CONTENT_KEY, &[5; 8], &[6; 32]);
    let secret = [8u8; 32];
    let mut element = Element {
        answer: 0,
        key: CONTENT_KEY,
        asked: None,
    };
    let both = Recipient {
        secret: secret.as_ptr(),
        public_key: secret.as_ptr(),
        ..by_element(&mut element)
    };
    let half = Recipient {
        secret: secret.as_ptr(),
        ..nobody()
    };
    let statuses = [both, half].map(|recipient| update(recipient, &patch, &new));
    let unsupported = Status::EncryptionUnsupported;
    let invalid = Status::InvalidArgument;
    let expected = if cfg!(feature = "x25519") {
        [invalid, invalid]
    } else if cfg!(feature = "encryption") {
        [invalid, unsupported]
    } else {
        [unsupported, unsupported]
    };
    assert_eq!(statuses, expected);
}

#[cfg(feature = "x25519")]
mod software {
    use super::*;
    use deltamote_patcher::format::encryption::{HPKE_EXPORT, HPKE_INFO};
    use deltamote_patcher::key_id;
    use hpke::aead::ExportOnlyAead;
    use hpke::kdf::HkdfSha256;
    use hpke::kem::X25519HkdfSha256 as Dhkem;
    use hpke::rand_core::{TryCryptoRng, TryRng};
    use hpke::{Kem, OpModeS, Serializable, setup_sender_with_rng};
    use std::convert::Infallible;

    /// Always the same bytes.
    struct Fixed(u8);
    impl TryRng for Fixed {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(self.0.into())
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(self.0.into())
        }
        fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
            dst.fill(self.0);
            Ok(())
        }
    }
    impl TryCryptoRng for Fixed {}

    #[test]
    #[cfg_attr(miri, ignore = "a minute of curve arithmetic")]
    fn an_x25519_key_opens_what_was_encrypted_for_it() {
        let (secret, public) = Dhkem::derive_keypair(&[0x21; 32]);
        let (encapsulated, context) = setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, Dhkem>(
            &OpModeS::Base,
            &public,
            HPKE_INFO,
            &mut Fixed(0x43),
        )
        .unwrap();
        let mut key = [0; 32];
        context.export(HPKE_EXPORT, &mut key).unwrap();
        let bytes = |b: &[u8]| -> [u8; 32] { b.try_into().unwrap() };
        let (secret, public) = (bytes(&secret.to_bytes()), bytes(&public.to_bytes()));
        let id = key_id(&public);
        let (patch, new) = patch(&key, &id, &bytes(&encapsulated.to_bytes()));
        let by_key = |secret: &[u8; 32], public: &[u8; 32]| Recipient {
            secret: secret.as_ptr(),
            public_key: public.as_ptr(),
            ..nobody()
        };
        assert_eq!(update(by_key(&secret, &public), &patch, &new), Status::Ok);
        let other = [9; 32];
        let stranger = update(by_key(&other, &other), &patch, &new);
        assert_eq!(stranger, Status::WrongRecipient);
        // The id is right and the secret is not: another content key comes out.
        let wrong = update(by_key(&other, &public), &patch, &new);
        assert_eq!(wrong, Status::NotDecrypted);
    }
}

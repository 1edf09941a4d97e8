//! Key sets: which are taken, what is remembered, and whose patches they open.

use crate::board::Board;
use crate::{NEW, Workspace, case, common, open, payload, push_all};
use deltamote_capi::*;
use deltamote_patcher::format::envelope::{
    Algorithm, Envelope, Form, MAX_ENVELOPE, Purpose, Signer, emit_sig_structure,
};
#[cfg(feature = "key-sets")]
use deltamote_patcher::format::key_set::Role;
use deltamote_patcher::format::key_set::{Entry, emit};
use deltamote_patcher::key_id;
use ed25519_dalek::{Signer as _, SigningKey};
use std::ffi::c_void;
use std::ptr;

/// The key whose id is revoked in every set here.
const REVOKED: u8 = 9;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

/// Id and public half of key `n`. Miri is spared the curve: there nothing checks signatures.
fn public(n: u8) -> [u8; 32] {
    if cfg!(miri) {
        [n; 32]
    } else {
        key(n).verifying_key().to_bytes()
    }
}

/// A key set with `entries`, as it is signed.
fn set(version: u64, entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = [0; MAX_ENVELOPE];
    let revoked = [key_id(&public(REVOKED))];
    let len = emit(version, entries, &revoked, &mut out).unwrap();
    out[..len].to_vec()
}

/// The file of `set`, signed by key `root`.
fn file(set: &[u8], root: u8) -> Vec<u8> {
    let signer = Signer {
        algorithm: Algorithm::ED25519,
        kid: key_id(&public(root)),
    };
    let mut message = [0; MAX_ENVELOPE];
    let len = emit_sig_structure(Purpose::KeySet, Form::One, signer, set, &mut message).unwrap();
    let signature = if cfg!(miri) {
        [7; 64]
    } else {
        key(root).sign(&message[..len]).to_bytes()
    };
    let envelope = Envelope {
        signer: Some(signer),
        manifest: set,
        signature: &signature,
        second: None,
    };
    let mut out = [0; MAX_ENVELOPE];
    let len = envelope.emit(&mut out).unwrap();
    [&Purpose::KeySet.emit_head(len).unwrap()[..], &out[..len]].concat()
}

/// A set of version `version` with release key `n`.
fn simple(version: u64, n: u8) -> Vec<u8> {
    set(version, &[Entry::new(Algorithm::ED25519, &public(n))])
}

/// What the root's callback is asked for: the key id, and 0 for the first signature.
unsafe extern "C" fn root_verify(
    context: *mut c_void,
    second: i32,
    _algorithm: i32,
    key_id: *const u8,
    _message: *const u8,
    _message_len: usize,
    _signature: *const u8,
    _signature_len: usize,
) -> i32 {
    // SAFETY: the context is the id of the root key; ids have 8 bytes.
    let same = unsafe { context.cast::<[u8; 8]>().read() == key_id.cast::<[u8; 8]>().read() };
    if same && second == 0 {
        DELTAMOTE_TRUSTED
    } else {
        DELTAMOTE_NO_SUCH_KEY
    }
}

/// A root whose signatures a callback checks; `id` must stay.
fn root_by_callback(id: &mut [u8; 8]) -> Root {
    Root {
        verifier: Verifier {
            context: (&raw mut *id).cast(),
            verify: Some(root_verify),
        },
        keys: ptr::null(),
        key_count: 0,
        flags: 0,
    }
}

/// `deltamote_key_set_accept` with everything as it should be.
fn accept(
    file: &[u8],
    buffer: &mut [u8],
    root: &Root,
    newest: Option<&Accepted>,
) -> (Status, AcceptedSet) {
    let mut out = garbage();
    // SAFETY: all pointers are to values of the right size, or null where that is allowed.
    let status = unsafe {
        deltamote_key_set_accept(
            file.as_ptr(),
            file.len(),
            buffer.as_mut_ptr(),
            buffer.len(),
            root,
            size_of::<Root>(),
            newest.map_or(ptr::null(), ptr::from_ref),
            &mut out,
            DELTAMOTE_ABI,
        )
    };
    assert_eq!(out.set.is_null(), status != Status::Ok);
    (status, out)
}

/// What must be overwritten.
fn garbage() -> AcceptedSet {
    AcceptedSet {
        set: ptr::dangling(),
        len: 77,
        accepted: Accepted {
            version: 77,
            digest: [77; 32],
        },
        detail: 77,
    }
}

#[cfg(feature = "key-sets")]
mod built_in {
    use super::*;
    use crate::OLD;
    use deltamote_patcher::format::envelope::emit_head;

    /// What begins as a patch does: making a real one takes miri long.
    fn some_patch() -> Vec<u8> {
        [&emit_head(100).unwrap()[..], &[0; 200]].concat()
    }

    /// Whether `set` is what `accepted` remembers.
    fn is(accepted: &Accepted, set: &[u8]) -> bool {
        // SAFETY: all is there.
        unsafe { deltamote_key_set_is(accepted, set.as_ptr(), set.len()) == 1 }
    }

    #[test]
    fn a_set_is_taken_and_no_older_one_after_it() {
        let mut id = key_id(&public(1));
        let root = root_by_callback(&mut id);
        let mut buffer = vec![0; DELTAMOTE_KEY_SET_BUFFER];
        let five = simple(5, 2);
        let (status, taken) = accept(&file(&five, 1), &mut buffer, &root, None);
        assert_eq!(
            (status, taken.len, taken.detail),
            (Status::Ok, five.len(), 0)
        );
        // SAFETY: the set is in the buffer.
        let found = unsafe { std::slice::from_raw_parts(taken.set, taken.len) };
        assert_eq!(found, five);
        let five_accepted = taken.accepted;
        assert_eq!(five_accepted.version, 5);
        assert_eq!(five_accepted.digest, common::sha(&five));
        assert!(is(&five_accepted, &five));
        assert!(!is(&five_accepted, &simple(5, 3)) && !is(&five_accepted, &[]));

        for (bytes, signer, status) in [
            (five, 1, Status::Ok),
            (simple(6, 3), 1, Status::Ok),
            (simple(4, 2), 1, Status::KeySetTooOld),
            (simple(5, 3), 1, Status::KeySetTooOld),
            // Who signed is looked at first.
            (simple(4, 2), 4, Status::UnknownKey),
            (simple(6, 2), 4, Status::UnknownKey),
        ] {
            let signed = file(&bytes, signer);
            let taken = accept(&signed, &mut buffer, &root, Some(&five_accepted));
            assert_eq!(taken.0, status);
        }
    }

    #[test]
    fn a_set_in_front_of_a_patch_is_seen() {
        let signed = file(&simple(1, 2), 1);
        let patch = some_patch();
        let both = [signed.clone(), patch.clone()].concat();
        let in_front = |bytes: &[u8], out: &mut usize| {
            // SAFETY: all is there.
            unsafe { deltamote_key_set_in_front(bytes.as_ptr(), bytes.len(), out) }
        };
        let mut len = 77;
        assert_eq!(
            in_front(&both[..DELTAMOTE_HEAD_BYTES], &mut len),
            Status::Ok
        );
        assert_eq!(len, signed.len());
        assert_eq!(both[len..], patch);
        // More than the file may be there, too.
        let mut id = key_id(&public(1));
        let root = root_by_callback(&mut id);
        let mut buffer = vec![0; DELTAMOTE_KEY_SET_BUFFER];
        assert_eq!(accept(&both, &mut buffer, &root, None).0, Status::Ok);
        assert_eq!(in_front(&patch, &mut len), Status::Ok);
        assert_eq!(len, 0);
        let long = [&both[..4], &[0xff, 0xff]].concat();
        assert_eq!(in_front(&long, &mut len), Status::EnvelopeLength);
        assert_eq!(in_front(&both[..5], &mut len), Status::InvalidArgument);
        // SAFETY: null pointers are allowed.
        unsafe {
            let none = deltamote_key_set_in_front(ptr::null(), 6, &mut len);
            assert_eq!(none, Status::InvalidArgument);
            let none = deltamote_key_set_in_front(both.as_ptr(), 6, ptr::null_mut());
            assert_eq!(none, Status::InvalidArgument);
        }
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_size() {
        let mut id = key_id(&public(1));
        let root = root_by_callback(&mut id);
        let signed = file(&simple(1, 2), 1);
        let needed = signed.len() - DELTAMOTE_HEAD_BYTES + 48;
        let (status, out) = accept(&signed, &mut vec![0; needed - 1], &root, None);
        assert_eq!((status, out.detail), (Status::RamTooSmall, needed as u32));
        assert_eq!(
            accept(&signed, &mut vec![0; needed], &root, None).0,
            Status::Ok
        );
        let cut = accept(&signed[..signed.len() - 1], &mut vec![0; 4144], &root, None);
        assert_eq!(cut.0, Status::Incomplete);
        let patch = some_patch();
        let no_set = accept(&patch, &mut vec![0; 4144], &root, None);
        assert_eq!(no_set.0, Status::Magic);
    }

    #[test]
    fn bad_arguments_are_refused_and_not_followed() {
        let mut id = key_id(&public(1));
        let root = root_by_callback(&mut id);
        let signed = file(&simple(1, 2), 1);
        let mut buffer = vec![0u8; DELTAMOTE_KEY_SET_BUFFER];
        let no_root = Root {
            // SAFETY: zeros are what C's `{0}` gives.
            ..unsafe { std::mem::zeroed() }
        };
        let (from, len) = (signed.as_ptr(), signed.len());
        let (to, room) = (buffer.as_mut_ptr(), buffer.len());
        let inside = to.wrapping_add(100).cast_const();
        let odd_root = ptr::from_ref(&root).wrapping_byte_add(1);
        let odd_newest = ptr::dangling::<Accepted>().wrapping_byte_add(1);
        let size = size_of::<Root>();
        let none: *const Accepted = ptr::null();
        let invalid = Status::InvalidArgument;
        for (n, (from, to, room, root, size, newest, abi, status)) in [
            (
                from,
                to,
                room,
                &raw const root,
                size,
                none,
                1,
                Status::AbiMismatch,
            ),
            (
                from,
                to,
                room,
                &root,
                size - 1,
                none,
                2,
                Status::AbiMismatch,
            ),
            (none.cast(), to, room, &root, size, none, 2, invalid),
            (inside, to, room, &root, size, none, 2, invalid),
            (from, ptr::null_mut(), room, &root, size, none, 2, invalid),
            (from, to, usize::MAX, &root, size, none, 2, invalid),
            (from, to, room, none.cast(), size, none, 2, invalid),
            (from, to, room, odd_root, size, none, 2, invalid),
            (from, to, room, &root, size, odd_newest, 2, invalid),
            (from, to, room, &no_root, size, none, 2, Status::NoVerifier),
        ]
        .into_iter()
        .enumerate()
        {
            let mut out = garbage();
            // SAFETY: none of the bad pointers is followed, which is what miri checks.
            let given = unsafe {
                deltamote_key_set_accept(from, len, to, room, root, size, newest, &mut out, abi)
            };
            assert_eq!(given, status, "{n}");
            // A caller of another version has another structure there.
            assert_eq!(out.set.is_null(), status != Status::AbiMismatch, "{n}");
        }
        // SAFETY: as above.
        unsafe {
            let size = size_of::<Root>();
            let out = ptr::null_mut();
            let given = deltamote_key_set_accept(
                from,
                len,
                to,
                room,
                &root,
                size,
                none,
                out,
                DELTAMOTE_ABI,
            );
            assert_eq!(given, invalid);
            assert_eq!(deltamote_key_set_is(ptr::null(), from, len), 0);
            assert_eq!(deltamote_key_set_is(odd_newest, from, len), 0);
            assert_eq!(
                deltamote_key_set_is(&Accepted::default(), ptr::null(), 5),
                0
            );
        }
    }

    #[test]
    fn a_key_set_stands_alone_and_must_be_one() {
        let good = simple(1, 2);
        let keys = [public(2)];
        let mut id = [0; 8];
        let old = common::image(OLD, 1);
        type Spoil<'a> = &'a dyn Fn(&mut Config);
        let verifier = root_by_callback(&mut id).verifier;
        let spoils: [Spoil<'_>; 7] = [
            &|c| c.key_set = ptr::null(),
            &|c| c.key_set_len = 0,
            &|c| c.key_set_len -= 1,
            &|c| c.key_set_len = usize::MAX,
            &|c| c.key_set_len = DELTAMOTE_KEY_SET_BUFFER,
            &|c| {
                c.keys = keys.as_ptr().cast();
                c.key_count = 1;
            },
            &|c| c.verifier = verifier,
        ];
        for (n, spoil) in spoils.into_iter().enumerate() {
            let mut board = Board::new(&old, NEW);
            let mut config = board.config();
            config.key_set = good.as_ptr();
            config.key_set_len = good.len();
            assert!(open(&mut Workspace::tiny(), &config).is_ok());
            spoil(&mut config);
            let opened = open(&mut Workspace::tiny(), &config);
            assert_eq!(opened, Err(Status::InvalidArgument), "{n}");
        }
    }

    /// What an update signed by `signer` gives on a device with `set` and `flags`.
    fn update(set: &[u8], flags: u32, signer: u8) -> Status {
        let (old, new, _) = case();
        let patch = payload::patch(&old, &new, 50, crate::COPY, Some(&key(signer)));
        let mut board = Board::new(&old, NEW);
        board.flags = flags;
        let mut config = board.config();
        config.key_set = set.as_ptr();
        config.key_set_len = set.len();
        let mut workspace = Workspace::tiny();
        let handle = open(&mut workspace, &config).unwrap();
        let status = push_all(handle, &patch, 300).map_or_else(|status| status, |_| Status::Ok);
        let untouched = board.slot.bytes.iter().all(|byte| *byte == 0xff);
        assert_eq!(untouched, status != Status::Ok);
        status
    }

    #[test]
    #[cfg_attr(miri, ignore = "signs")]
    fn patches_are_judged_by_the_set() {
        let publics = [2, 3, 5, REVOKED].map(public);
        let entries = [
            Entry::new(Algorithm::ED25519, &publics[0]),
            Entry {
                role: Role::Test,
                ..Entry::new(Algorithm::ED25519, &publics[1])
            },
            // The patch has sequence number 0.
            Entry {
                first: 1,
                ..Entry::new(Algorithm::ED25519, &publics[2])
            },
            Entry::new(Algorithm::ED25519, &publics[3]),
        ];
        let set = set(1, &entries);
        for (signer, flags, status) in [
            (2, 0, Status::Ok),
            (3, 0, Status::KeyNotEntitled),
            (3, DELTAMOTE_TEST_DEVICE, Status::Ok),
            (5, 0, Status::KeyNotEntitled),
            (REVOKED, 0, Status::KeyRevoked),
            (6, 0, Status::UnknownKey),
            (
                2,
                DELTAMOTE_NEEDS_TWO_SIGNATURES,
                Status::SecondSignatureMissing,
            ),
        ] {
            assert_eq!(update(&set, flags, signer), status, "{signer} {flags}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "signs")]
    fn the_root_s_keys_check_in_software() {
        let roots = [public(8), public(1)];
        let root = |count| Root {
            keys: roots.as_ptr().cast(),
            key_count: count,
            // SAFETY: zeros are what C's `{0}` gives.
            ..unsafe { std::mem::zeroed() }
        };
        let mut buffer = vec![0; DELTAMOTE_KEY_SET_BUFFER];
        let signed = file(&simple(1, 2), 1);
        assert_eq!(accept(&signed, &mut buffer, &root(2), None).0, Status::Ok);
        assert_eq!(
            accept(&signed, &mut buffer, &root(1), None).0,
            Status::UnknownKey
        );
        let two = Root {
            flags: DELTAMOTE_NEEDS_TWO_SIGNATURES,
            ..root(2)
        };
        let missing = accept(&signed, &mut buffer, &two, None).0;
        assert_eq!(missing, Status::SecondSignatureMissing);
        for at in (0..signed.len()).step_by(7) {
            let mut bad = signed.clone();
            bad[at] ^= 1 << (at % 8);
            let status = accept(&bad, &mut buffer, &root(2), None).0;
            assert!(
                !matches!(status, Status::Ok | Status::Bug),
                "byte {at}: {status:?}"
            );
        }
    }
}

#[cfg(not(feature = "key-sets"))]
#[test]
fn without_the_feature_a_key_set_is_refused() {
    let mut id = key_id(&public(1));
    let root = root_by_callback(&mut id);
    let set = simple(1, 2);
    let signed = file(&set, 1);
    let refused = Status::KeySetUnsupported;
    let mut buffer = vec![0; DELTAMOTE_KEY_SET_BUFFER];
    assert_eq!(accept(&signed, &mut buffer, &root, None).0, refused);
    let mut len = 0;
    // SAFETY: all is there.
    let seen = unsafe { deltamote_key_set_in_front(signed.as_ptr(), signed.len(), &mut len) };
    assert_eq!(seen, refused);
    let (old, _, patch) = case();
    let mut board = Board::new(&old, NEW);
    let mut config = board.config();
    config.key_set = set.as_ptr();
    config.key_set_len = set.len();
    assert_eq!(open(&mut Workspace::tiny(), &config), Err(refused));
    config.key_set_len = 0;
    assert_eq!(open(&mut Workspace::tiny(), &config), Err(refused));
    config.key_set = ptr::null();
    let mut workspace = Workspace::tiny();
    let handle = open(&mut workspace, &config).unwrap();
    push_all(handle, &patch, 300).unwrap();
    let _ = (key(1), payload::data, common::sha);
}

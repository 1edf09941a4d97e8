//! Updates that go well, and those that go on after a reset.

use crate::board::{Board, Offered};
use crate::{COPY, NEW, OLD, Workspace, boot, case, common, open, payload, push_all};
use deltamote_capi::*;
use deltamote_patcher::format::manifest::{Advisories, CODEC_DELTAMOTE, Extensions, UpdateClass};
use std::ffi::c_void;
use std::ptr;

#[test]
fn a_patch_is_applied_in_pieces_of_any_size() {
    let (old, new, patch) = case();
    let pieces: &[usize] = if cfg!(miri) {
        &[61]
    } else {
        &[1, 7, 64, 100_000]
    };
    for piece in pieces {
        let mut board = Board::new(&old, NEW);
        let mut workspace = Workspace::tiny();
        let config = board.config();
        let handle = open(&mut workspace, &config).unwrap();
        let done = push_all(handle, &patch, *piece).unwrap();
        assert_eq!((done.decoded, done.new_size), (NEW as u32, NEW as u32));
        assert_eq!((done.wanted, done.skipped), (patch.len() as u32, 0));
        let mut again = Progress::default();
        // SAFETY: the handle is open.
        unsafe {
            assert_eq!(deltamote_progress(handle, &mut again), Status::Ok);
            assert_eq!(again, done);
            assert_eq!(deltamote_finish(handle), Status::Ok);
            // May be called again.
            assert_eq!(deltamote_finish(handle), Status::Ok);
            assert_eq!(deltamote_close(handle), Status::Ok);
        }
        assert_eq!(board.slot.bytes[..NEW], new);
        assert_eq!(board.loader.pending, Some(NEW as u32));
        assert!(board.loader.cleared > 0 && !board.broke_a_rule());
    }
}

#[test]
fn power_may_fail_at_any_operation() {
    let (old, new, patch) = case();
    let mut cut = 0;
    let mut boots_with_cut = 0;
    loop {
        let mut board = Board::new(&old, NEW);
        board.power.set(cut);
        let status = boot(&mut board, &patch, 200);
        if status == Status::Ok {
            break;
        }
        assert!(
            matches!(status, Status::FlashSlot | Status::FlashJournal),
            "{status:?}"
        );
        if board.loader.pending.is_some() {
            // Handed over; only the journal's end was cut.
            assert_eq!(status, Status::FlashJournal);
            assert_eq!(board.slot.bytes[..NEW], new);
        }
        boots_with_cut += 1;
        board.power.set(u32::MAX);
        assert_eq!(boot(&mut board, &patch, 200), Status::Ok, "cut {cut}");
        assert_eq!(board.slot.bytes[..NEW], new, "cut {cut}");
        assert_eq!(board.loader.pending, Some(NEW as u32));
        assert!(!board.broke_a_rule());
        cut += if cfg!(miri) { 13 } else { 1 };
    }
    assert!(boots_with_cut > if cfg!(miri) { 1 } else { 20 });
}

#[test]
fn a_hand_over_that_fails_can_be_repeated() {
    let (old, _, patch) = case();
    let mut board = Board::new(&old, NEW);
    board.loader.fail = -1;
    let mut workspace = Workspace::tiny();
    let config = board.config();
    let handle = open(&mut workspace, &config).unwrap();
    push_all(handle, &patch, 500).unwrap();
    // SAFETY: the handle is open.
    unsafe {
        assert_eq!(deltamote_finish(handle), Status::HandOver);
        assert_eq!(board.loader.pending, None);
        (*config.hand_over.context.cast::<crate::board::Loader>()).fail = 0;
        assert_eq!(deltamote_finish(handle), Status::Ok);
    }
    assert_eq!(board.loader.pending, Some(NEW as u32));
}

#[test]
fn an_image_that_is_not_confirmed_is_not_overwritten() {
    let (old, _, patch) = case();
    for (answer, status) in [
        (0, Status::NotConfirmed),
        (-3, Status::HandOver),
        (7, Status::HandOver),
    ] {
        let mut board = Board::new(&old, NEW);
        board.loader.confirmed = answer;
        board.slot.bytes.fill(0x77);
        assert_eq!(boot(&mut board, &patch, 500), status);
        assert!(board.slot.bytes.iter().all(|byte| *byte == 0x77));
    }
}

/// What the verifier callback saw, and what it is to say.
struct Seen {
    answer: i32,
    algorithm: i32,
    key_id: [u8; 8],
    message: Vec<u8>,
    signature: Vec<u8>,
}

unsafe extern "C" fn verify(
    context: *mut c_void,
    second: i32,
    algorithm: i32,
    key_id: *const u8,
    message: *const u8,
    message_len: usize,
    signature: *const u8,
    signature_len: usize,
) -> i32 {
    // SAFETY: the context is a `Seen`; the lengths are as the header says.
    unsafe {
        let seen = &mut *context.cast::<Seen>();
        assert_eq!(second, 0);
        seen.algorithm = algorithm;
        seen.key_id = key_id.cast::<[u8; 8]>().read();
        seen.message = std::slice::from_raw_parts(message, message_len).to_vec();
        seen.signature = std::slice::from_raw_parts(signature, signature_len).to_vec();
        seen.answer
    }
}

#[test]
#[cfg_attr(miri, ignore = "signs")]
fn the_verifier_callback_is_asked() {
    use ed25519_dalek::{Signature, Verifier as _};
    let (old, new, _) = case();
    let key = common::signing_key();
    let patch = payload::patch(&old, &new, 50, COPY, Some(&key));
    for (answer, status) in [
        (DELTAMOTE_TRUSTED, Status::Ok),
        (DELTAMOTE_NO_SUCH_KEY, Status::UnknownKey),
        (DELTAMOTE_REVOKED_KEY, Status::KeyRevoked),
        (DELTAMOTE_NOT_ENTITLED_KEY, Status::KeyNotEntitled),
        (4, Status::BadSignature),
        (-1, Status::BadSignature),
    ] {
        let mut board = Board::new(&old, NEW);
        board.flags = 0;
        let mut seen = Seen {
            answer,
            algorithm: 0,
            key_id: [0; 8],
            message: Vec::new(),
            signature: Vec::new(),
        };
        let mut config = board.config();
        config.verifier = Verifier {
            context: (&raw mut seen).cast(),
            verify: Some(verify),
        };
        let mut workspace = Workspace::tiny();
        let handle = open(&mut workspace, &config).unwrap();
        let result = push_all(handle, &patch, 300).map_or_else(|status| status, |_| Status::Ok);
        assert_eq!(result, status);
        assert_eq!(seen.algorithm, -19);
        let public = key.verifying_key();
        assert_eq!(seen.key_id, common::sha(public.as_bytes())[..8]);
        let signature = Signature::from_slice(&seen.signature).unwrap();
        public.verify(&seen.message, &signature).unwrap();
    }
}

#[test]
#[cfg_attr(miri, ignore = "signs")]
fn keys_are_enough_and_the_wrong_ones_are_not() {
    let (old, new, unsigned) = case();
    let patch = payload::patch(&old, &new, 50, COPY, Some(&common::signing_key()));
    let keys = common::public_keys();
    let mut forged = patch.clone();
    forged[60] ^= 1;
    for (count, patch, status) in [
        (2, &patch, Status::Ok),
        (1, &patch, Status::UnknownKey),
        (2, &unsigned, Status::NotSigned),
        (2, &forged, Status::BadSignature),
        // Two signatures wanted.
        (0x100 + 2, &patch, Status::SecondSignatureMissing),
    ] {
        let mut board = Board::new(&old, NEW);
        board.flags = if count > 0xff {
            DELTAMOTE_NEEDS_TWO_SIGNATURES
        } else {
            0
        };
        let mut config = board.config();
        config.keys = keys.as_ptr().cast();
        config.key_count = count & 0xff;
        let mut workspace = Workspace::tiny();
        let handle = open(&mut workspace, &config).unwrap();
        let result = push_all(handle, patch, 300).map_or_else(|status| status, |_| Status::Ok);
        assert_eq!(result, status);
        let untouched = board.slot.bytes.iter().all(|byte| *byte == 0xff);
        assert_eq!(untouched, status != Status::Ok);
    }
}

#[test]
fn addressee_and_floor_reach_the_patcher() {
    let (old, _, patch) = case();
    let mut board = Board::new(&old, NEW);
    let mut config = board.config();
    // The patch names neither vendor nor class; its sequence number is 0.
    let vendor = [7u8; 16];
    config.vendor = vendor.as_ptr();
    config.class_id = vendor.as_ptr();
    config.sequence_floor = 1;
    let mut workspace = Workspace::tiny();
    let handle = open(&mut workspace, &config).unwrap();
    assert_eq!(push_all(handle, &patch, 300), Err(Status::SequenceTooOld));
    let (_, new, _) = case();
    let mut board = Board::new(&old, NEW);
    board.loader.declined = Some(0);
    assert_eq!(boot(&mut board, &patch, 300), Status::Declined);
    let offered = board.loader.offered.unwrap();
    assert_eq!(offered.digests[1], Some(common::sha(&new).to_vec()));
    let mut other = vec![0; OLD];
    other[5] = 1;
    let mut board = Board::new(&other, NEW);
    assert_eq!(boot(&mut board, &patch, 300), Status::OldImageMismatch);
}

#[test]
fn the_application_sees_all_that_was_signed_before_anything_is_touched() {
    let (old, new, patch) = case();
    // A patch that says nothing, and one that says everything.
    let mut board = Board::new(&old, NEW);
    assert_eq!(boot(&mut board, &patch, 300), Status::Ok);
    let offered = board.loader.offered.unwrap();
    assert_eq!((offered.vendor, offered.class_id), (None, None));
    assert_eq!(offered.sboms, [None, None]);
    assert_eq!(offered.update_class, DELTAMOTE_UPDATE_NOT_SAID);
    assert!(offered.advisories.is_empty() && offered.extensions.is_empty());

    let ids = [
        "CVE-2026-1",
        "GHSA-abcd-efgh-ijkl",
        "x",
        "CVE-2026-123456789012345",
    ];
    let extension = [0x18, 0x40, 0x05];
    for (class, number) in [
        (UpdateClass::Security, DELTAMOTE_UPDATE_SECURITY),
        (UpdateClass::Feature, DELTAMOTE_UPDATE_FEATURE),
        (UpdateClass::Mixed, DELTAMOTE_UPDATE_MIXED),
    ] {
        let mut advisories = Advisories::default();
        assert!(ids.iter().all(|id| advisories.push(id)));
        let manifest = deltamote_patcher::format::manifest::Manifest {
            codec: CODEC_DELTAMOTE,
            sequence: 77,
            vendor: Some([1; 16]),
            class: Some([2; 16]),
            update_class: Some(class),
            advisories,
            sbom_old: Some([3; 32]),
            sbom_new: Some([4; 32]),
            extensions: Extensions::parse(&extension).unwrap(),
            ..common::manifest(&old, &new, deltamote_patcher::format::Profile::Tiny)
        };
        let patch = common::seal(manifest, &payload::data(&old, &new, 50, COPY), None);
        let mut board = Board::new(&old, NEW);
        board.loader.declined = Some(77);
        board.slot.bytes.fill(0x77);
        let ids_of_device = [[1u8; 16], [2; 16]];
        let mut config = board.config();
        config.vendor = ids_of_device[0].as_ptr();
        config.class_id = ids_of_device[1].as_ptr();
        let mut workspace = Workspace::tiny();
        let handle = open(&mut workspace, &config).unwrap();
        assert_eq!(push_all(handle, &patch, 300), Err(Status::Declined));
        assert!(board.slot.bytes.iter().all(|byte| *byte == 0x77));
        assert!(board.journal.bytes.iter().all(|byte| *byte == 0xff));
        let head = u16::from_le_bytes([patch[4], patch[5]]);
        let offered = Offered {
            sequence: 77,
            sizes: [OLD as u32, NEW as u32],
            digests: [&old, &new].map(|image| Some(common::sha(image).to_vec())),
            payload_size: (patch.len() - 6 - usize::from(head)) as u32,
            profile: 0,
            update_class: number,
            encrypted: 0,
            vendor: Some(vec![1; 16]),
            class_id: Some(vec![2; 16]),
            sboms: [Some(vec![3; 32]), Some(vec![4; 32])],
            advisories: ids.map(str::to_owned).to_vec(),
            extensions: extension.to_vec(),
        };
        assert_eq!(board.loader.offered, Some(offered));
    }
}

#[test]
fn a_gap_is_named_and_not_final() {
    let (old, new, patch) = case();
    let mut board = Board::new(&old, NEW);
    let mut workspace = Workspace::tiny();
    let config = board.config();
    let handle = open(&mut workspace, &config).unwrap();
    // SAFETY: the handle is open, the bytes are there.
    unsafe {
        let pushed = deltamote_push(handle, patch.as_ptr(), 100, ptr::null_mut());
        assert_eq!(pushed, Status::Ok);
        let gap = deltamote_push_at(handle, 101, patch[101..].as_ptr(), 9, ptr::null_mut());
        assert_eq!(gap, Status::Gap);
        assert_eq!(deltamote_error_detail(handle), 100);
        assert_eq!(deltamote_finish(handle), Status::Incomplete);
    }
    push_all(handle, &patch, 64).unwrap();
    assert_eq!(board.slot.bytes[..NEW], new);
}

#[test]
fn altered_patches_are_refused_and_name_no_unknown_error() {
    let (old, _, patch) = case();
    let step = if cfg!(miri) { 211 } else { 3 };
    for at in (0..patch.len()).step_by(step) {
        let mut bad = patch.clone();
        bad[at] ^= 1 << (at % 8);
        let mut board = Board::new(&old, NEW);
        let status = boot(&mut board, &bad, 500);
        assert_ne!(status, Status::Ok, "byte {at}");
        assert!(
            !matches!(status, Status::Other | Status::Bug),
            "byte {at}: {status:?}"
        );
        assert_eq!(board.loader.pending, None);
    }
}

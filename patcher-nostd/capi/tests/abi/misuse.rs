//! What C can do wrong and the library notices.

use crate::board::{Board, Chip};
use crate::{NEW, OLD, Workspace, boot, case, common, open, push_all};
use deltamote_capi::*;
use std::ffi::CStr;
use std::ptr;

fn init_with(
    workspace: *mut core::ffi::c_void,
    len: usize,
    config: *const Config,
    config_len: usize,
    abi: u32,
) -> Status {
    let mut handle = ptr::dangling_mut();
    // SAFETY: null pointers are allowed; the others are to what they should be.
    let status = unsafe { deltamote_init(&mut handle, workspace, len, config, config_len, abi) };
    assert!(handle.is_null() || status == Status::Ok);
    status
}

#[test]
fn init_wants_the_right_sizes_and_version() {
    let old = common::image(OLD, 1);
    let mut board = Board::new(&old, NEW);
    let config = board.config();
    let mut workspace = Workspace::new(deltamote_workspace_size(0) + 64);
    let (at, len) = (workspace.at(), workspace.len());
    let size = size_of::<Config>();
    let abi = DELTAMOTE_ABI;
    assert_eq!(init_with(at, len, &config, size, abi), Status::Ok);
    assert_eq!(
        init_with(at, len, &config, size, abi + 1),
        Status::AbiMismatch
    );
    assert_eq!(
        init_with(at, len, &config, size - 1, abi),
        Status::AbiMismatch
    );
    assert_eq!(
        init_with(ptr::null_mut(), len, &config, size, abi),
        Status::InvalidArgument
    );
    assert_eq!(
        init_with(at, len, ptr::null(), size, abi),
        Status::InvalidArgument
    );
    let skewed = config_at_odd_address(&config);
    let odd = skewed.as_ptr().wrapping_byte_add(1);
    assert_eq!(init_with(at, len, odd, size, abi), Status::InvalidArgument);
    let needed = deltamote_workspace_size(0);
    assert_eq!(init_with(at, needed, &config, size, abi), Status::Ok);
    for short in [0, 1, 100, needed - 1] {
        assert_eq!(
            init_with(at, short, &config, size, abi),
            Status::WorkspaceTooSmall
        );
    }
    for skew in 1..8 {
        let at = at.wrapping_byte_add(skew);
        assert_eq!(
            init_with(at, needed, &config, size, abi),
            Status::WorkspaceMisaligned
        );
    }
    // SAFETY: a null handle is allowed.
    let status = unsafe { deltamote_init(ptr::null_mut(), at, len, &config, size, abi) };
    assert_eq!(status, Status::InvalidArgument);
}

/// Room for a configuration one byte off; never read.
fn config_at_odd_address(config: &Config) -> Vec<Config> {
    vec![*config; 2]
}

#[test]
fn init_wants_callbacks_and_a_profile() {
    let old = common::image(OLD, 1);
    let mut board = Board::new(&old, NEW);
    let good = board.config();
    let breaks: [fn(&mut Config); 16] = [
        |c| c.slot.write_size = 0,
        |c| c.journal.write_size = 0,
        |c| c.profile = 4,
        |c| c.profile = u32::MAX,
        |c| c.old_image.read = None,
        |c| c.slot.read = None,
        |c| c.slot.erase = None,
        |c| c.slot.program = None,
        |c| c.journal.read = None,
        |c| c.journal.erase = None,
        |c| c.journal.program = None,
        |c| c.slot.erase_size = 0,
        |c| {
            c.slot.erase_size = 0;
            c.slot.run_count = 3;
        },
        |c| {
            c.slot.erase_size = 0;
            c.slot.run_count = usize::MAX;
            c.slot.runs = ptr::dangling();
        },
        |c| c.key_count = 1,
        |c| {
            c.key_count = usize::MAX;
            c.keys = ptr::dangling();
        },
    ];
    for (n, spoil) in breaks.into_iter().enumerate() {
        let mut config = good;
        spoil(&mut config);
        let mut workspace = Workspace::tiny();
        assert_eq!(
            open(&mut workspace, &config),
            Err(Status::InvalidArgument),
            "{n}"
        );
    }
    let mut config = good;
    config.flags = 0;
    assert_eq!(
        open(&mut Workspace::tiny(), &config),
        Err(Status::NoVerifier)
    );
    config = good;
    config.profile = Profile::Small as u32;
    assert_eq!(
        open(&mut Workspace::tiny(), &config),
        Err(Status::WorkspaceTooSmall)
    );
    // All that is optional left out.
    // SAFETY: zeros are what C's `{0}` gives.
    config.hand_over = unsafe { std::mem::zeroed() };
    config.profile = Profile::Tiny as u32;
    assert!(open(&mut Workspace::tiny(), &config).is_ok());
}

#[test]
fn geometries_that_cannot_work_are_refused_before_flash_is_touched() {
    let (old, _, patch) = case();
    type Spoil = fn(&mut Config);
    let spoils: [(Spoil, Status); 6] = [
        (|c| c.slot.write_size = 7, Status::GeometrySlot),
        (|c| c.slot.erase_size = 500, Status::GeometrySlot),
        (|c| c.journal.size = 512, Status::GeometryJournal),
        (|c| c.journal.erase_size = 8, Status::GeometryJournal),
        (|c| c.new_offset = 1, Status::GeometrySlot),
        (|c| c.slot.size = 3584, Status::NewImageTooLarge),
    ];
    for (n, (spoil, status)) in spoils.into_iter().enumerate() {
        let mut board = Board::new(&old, NEW);
        let mut config = board.config();
        spoil(&mut config);
        let mut workspace = Workspace::tiny();
        let handle = open(&mut workspace, &config).unwrap();
        assert_eq!(push_all(handle, &patch, 400), Err(status), "{n}");
        assert!(board.slot.bytes.iter().all(|byte| *byte == 0xff));
    }
}

#[test]
fn mixed_blocks_are_taken_as_runs() {
    let (old, new, patch) = case();
    let mut board = Board::new(&old, NEW);
    let runs = [Run { count: 2, len: 512 }, Run { count: 6, len: 512 }];
    let mut config = board.config();
    config.slot.erase_size = 0;
    config.slot.runs = runs.as_ptr();
    config.slot.run_count = runs.len();
    let mut workspace = Workspace::tiny();
    let handle = open(&mut workspace, &config).unwrap();
    push_all(handle, &patch, 400).unwrap();
    assert_eq!(board.slot.bytes[..NEW], new);
}

#[test]
fn handles_that_are_not_open_are_refused() {
    let old = common::image(OLD, 1);
    let mut board = Board::new(&old, NEW);
    let config = board.config();
    let mut workspace = Workspace::tiny();
    let handle = open(&mut workspace, &config).unwrap();
    // SAFETY: null, or the workspace of a closed handle.
    unsafe {
        assert_eq!(deltamote_close(handle), Status::Ok);
        let odd = handle.wrapping_byte_add(1);
        for (handle, status) in [
            (ptr::null_mut(), Status::InvalidArgument),
            (odd, Status::InvalidArgument),
            (handle, Status::NotOpen),
        ] {
            let mut progress = Progress::default();
            assert_eq!(
                deltamote_push(handle, [1].as_ptr(), 1, &mut progress),
                status
            );
            assert_eq!(
                deltamote_push_at(handle, 0, [1].as_ptr(), 1, &mut progress),
                status
            );
            assert_eq!(deltamote_finish(handle), status);
            assert_eq!(deltamote_progress(handle, &mut progress), status);
            assert_eq!(deltamote_close(handle), status);
            assert_eq!(deltamote_wanted_offset(handle), 0);
            assert_eq!(deltamote_error_detail(handle), 0);
        }
    }
}

#[test]
fn pushes_with_bad_pointers_change_nothing() {
    let (old, new, patch) = case();
    let mut board = Board::new(&old, NEW);
    let config = board.config();
    let mut workspace = Workspace::tiny();
    let inside = workspace.at().wrapping_byte_add(200).cast::<u8>();
    let before = workspace.at().wrapping_byte_sub(4).cast::<u8>();
    let handle = open(&mut workspace, &config).unwrap();
    let mut progress = [Progress::default(); 2];
    let odd = progress.as_mut_ptr().wrapping_byte_add(1);
    let none = ptr::null_mut();
    // SAFETY: none of the bad pointers is followed, which is what miri checks.
    unsafe {
        assert_eq!(
            deltamote_push(handle, ptr::null(), 1, none),
            Status::InvalidArgument
        );
        assert_eq!(
            deltamote_push(handle, inside, 10, none),
            Status::InvalidArgument
        );
        assert_eq!(
            deltamote_push(handle, before, 10, none),
            Status::InvalidArgument
        );
        let long = deltamote_push(handle, patch.as_ptr(), usize::MAX, none);
        assert_eq!(long, Status::InvalidArgument);
        let long = deltamote_push(handle, patch.as_ptr(), usize::MAX / 2 + 1, none);
        assert_eq!(long, Status::InvalidArgument);
        assert_eq!(
            deltamote_push(handle, patch.as_ptr(), 1, odd),
            Status::InvalidArgument
        );
        assert_eq!(deltamote_progress(handle, none), Status::InvalidArgument);
        assert_eq!(deltamote_progress(handle, odd), Status::InvalidArgument);
        // Nothing at all is fine.
        assert_eq!(
            deltamote_push(handle, ptr::null(), 0, &mut progress[0]),
            Status::Ok
        );
    }
    assert_eq!((progress[0].consumed, progress[0].wanted), (0, 0));
    push_all(handle, &patch, 400).unwrap();
    assert_eq!(board.slot.bytes[..NEW], new);
}

#[test]
fn calls_from_inside_a_callback_are_refused() {
    let (old, new, patch) = case();
    let mut board = Board::new(&old, NEW);
    let config = board.config();
    let mut workspace = Workspace::tiny();
    let handle = open(&mut workspace, &config).unwrap();
    // SAFETY: through the context, as C has it; nobody else refers to the chip now.
    unsafe { (*config.old_image.context.cast::<Chip>()).reenter = handle };
    push_all(handle, &patch, 400).unwrap();
    assert_eq!(board.old.reentered, Some([Status::Busy; 4]));
    assert_eq!(board.slot.bytes[..NEW], new);
}

#[test]
fn callbacks_that_fail_stop_the_update_with_their_device() {
    let (old, _, patch) = case();
    for (result, old_status, slot_status, journal_status) in [
        (
            DELTAMOTE_FLASH_POISONED,
            Status::PoisonedOld,
            Status::PoisonedSlot,
            // Poison in the journal is part of life.
            Status::Ok,
        ),
        (
            -1,
            Status::FlashOld,
            Status::FlashSlot,
            Status::FlashJournal,
        ),
        (
            i32::MIN,
            Status::FlashOld,
            Status::FlashSlot,
            Status::FlashJournal,
        ),
    ] {
        for reads in [0, 1, 3] {
            let mut board = Board::new(&old, NEW);
            board.old.read_result = result;
            board.old.reads_left = reads;
            assert_eq!(boot(&mut board, &patch, 400), old_status);
        }
        let mut board = Board::new(&old, NEW);
        board.slot.read_result = result;
        board.slot.reads_left = 0;
        assert_eq!(boot(&mut board, &patch, 400), slot_status);
        assert_eq!(board.loader.pending, None);
        let mut board = Board::new(&old, NEW);
        board.journal.read_result = result;
        board.journal.reads_left = 0;
        assert_eq!(boot(&mut board, &patch, 400), journal_status);
    }
}

#[test]
fn a_failure_is_repeated() {
    let (old, _, patch) = case();
    let mut board = Board::new(&old, NEW);
    board.old.read_result = -1;
    board.old.reads_left = 0;
    let config = board.config();
    let mut workspace = Workspace::tiny();
    let handle = open(&mut workspace, &config).unwrap();
    assert_eq!(push_all(handle, &patch, 400), Err(Status::FlashOld));
    // SAFETY: the handle is open.
    unsafe {
        let again = deltamote_push(handle, patch.as_ptr(), 1, ptr::null_mut());
        assert_eq!(again, Status::FlashOld);
        assert_eq!(deltamote_finish(handle), Status::FlashOld);
        assert_eq!(deltamote_close(handle), Status::Ok);
    }
}

#[test]
fn texts_are_there_for_any_number() {
    let mut texts = std::collections::HashSet::new();
    for code in (-2..300).chain([i32::MIN, i32::MAX]) {
        // SAFETY: the library's promise.
        let text = unsafe { CStr::from_ptr(deltamote_error_text(code)) };
        texts.insert(text.to_str().unwrap());
        assert!(!text.is_empty());
        assert_eq!(deltamote_error_class(code) == Class::None, code == 0);
    }
    assert!(texts.len() > 50);
    assert_eq!(deltamote_workspace_size(9), 0);
    assert_eq!(deltamote_abi_version(), DELTAMOTE_ABI);
}

//! The C interface, called as C does: whole updates, and every kind of misuse that it
//! promises to notice. Also run under miri (`.ci/capi`), which sees what C would not.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod board;
#[path = "../../../sim/tests/common/mod.rs"]
mod common;
mod encrypted;
mod key_set;
mod misuse;
mod payload;
mod update;

use board::Board;
use deltamote_capi::*;

/// Bytes of the images, and of the copy that begins at 50 of the old one. Miri takes a
/// thousand times as long as the processor.
const OLD: usize = if cfg!(miri) { 200 } else { 3000 };
const NEW: usize = if cfg!(miri) { 240 } else { 3600 };
const COPY: usize = if cfg!(miri) { 140 } else { 2900 };

/// Old image, new image: half a copy, half literals.
fn images() -> (Vec<u8>, Vec<u8>) {
    let (old, mut new) = (common::image(OLD, 1), common::image(NEW, 2));
    new[..COPY].copy_from_slice(&old[50..][..COPY]);
    (old, new)
}

/// Old image, new image, unsigned patch.
fn case() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (old, new) = images();
    let patch = payload::patch(&old, &new, 50, COPY, None);
    (old, new, patch)
}

/// Memory for the patcher, aligned.
struct Workspace(Vec<u64>);

impl Workspace {
    fn new(bytes: usize) -> Self {
        // Not zero: the library must not rely on what it finds.
        Workspace(vec![0x5a5a_5a5a_5a5a_5a5a; bytes.div_ceil(8)])
    }

    fn tiny() -> Self {
        Workspace::new(deltamote_workspace_size(Profile::Tiny as u32))
    }

    fn at(&mut self) -> *mut core::ffi::c_void {
        self.0.as_mut_ptr().cast()
    }

    fn len(&self) -> usize {
        8 * self.0.len()
    }
}

/// `deltamote_init` with everything as it should be.
fn open(workspace: &mut Workspace, config: &Config) -> Result<*mut Context, Status> {
    let mut handle = core::ptr::null_mut();
    let len = workspace.len();
    // SAFETY: all pointers are to values of the right size that outlive the handle.
    let status = unsafe {
        deltamote_init(
            &mut handle,
            workspace.at(),
            len,
            config,
            size_of::<Config>(),
            DELTAMOTE_ABI,
        )
    };
    assert_eq!(handle.is_null(), status != Status::Ok);
    if status == Status::Ok {
        Ok(handle)
    } else {
        Err(status)
    }
}

/// Pushes `patch` in pieces of `piece` bytes from where the patcher wants them.
fn push_all(handle: *mut Context, patch: &[u8], piece: usize) -> Result<Progress, Status> {
    let mut progress = Progress::default();
    while progress.complete == 0 {
        // SAFETY: the handle is open.
        let from = unsafe { deltamote_wanted_offset(handle) };
        let rest = &patch[from as usize..];
        let bytes = &rest[..piece.min(rest.len())];
        if bytes.is_empty() {
            return Err(Status::Incomplete);
        }
        // SAFETY: the handle is open, `bytes` and `progress` are there.
        let status =
            unsafe { deltamote_push_at(handle, from, bytes.as_ptr(), bytes.len(), &mut progress) };
        if status != Status::Ok {
            return Err(status);
        }
    }
    Ok(progress)
}

/// One boot: init, push, finish, close.
fn boot(board: &mut Board, patch: &[u8], piece: usize) -> Status {
    let mut workspace = Workspace::tiny();
    let config = board.config();
    let handle = match open(&mut workspace, &config) {
        Ok(handle) => handle,
        Err(status) => return status,
    };
    let status = match push_all(handle, patch, piece) {
        // SAFETY: the handle is open.
        Ok(_) => unsafe { deltamote_finish(handle) },
        Err(status) => status,
    };
    // SAFETY: the handle is open.
    assert_eq!(unsafe { deltamote_close(handle) }, Status::Ok);
    status
}

//! What lies in the caller's workspace: the patcher in front, its memory behind.
//!
//! ```text
//! workspace: | Context: marker, busy, last progress, Patcher | u16 words | bytes |
//! ```
//!
//! Invariants: the marker is set exactly while a patcher is in place; `busy` is set
//! exactly while a call is inside it, so that no two references to it exist at a time.

use crate::callbacks::{CFlash, CHandOver};
use crate::status::{self, Status};
use crate::trust::CVerifier;
use crate::types::{self, Config, Progress};
use core::mem::{align_of, size_of};
use core::ops::Range;
use core::ptr;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::model::Prior;
#[allow(unused_imports)]
use deltamote_patcher::format::prior;
use deltamote_patcher::{
    Device, Error, Parts, Patcher, WorkspaceRef, workspace_bytes, workspace_words,
};

/// The workspace must begin at a multiple of this many bytes.
pub const DELTAMOTE_WORKSPACE_ALIGN: usize = 8;

/// Bytes of workspace for profile tiny.
#[cfg(target_pointer_width = "32")]
pub const DELTAMOTE_WORKSPACE_TINY: usize = 8192;
/// Bytes of workspace for profile small.
#[cfg(target_pointer_width = "32")]
pub const DELTAMOTE_WORKSPACE_SMALL: usize = 13632;
/// Bytes of workspace for profile medium.
#[cfg(target_pointer_width = "32")]
pub const DELTAMOTE_WORKSPACE_MEDIUM: usize = 62464;

/// Bytes of workspace for profile tiny.
#[cfg(target_pointer_width = "64")]
pub const DELTAMOTE_WORKSPACE_TINY: usize = 8960;
/// Bytes of workspace for profile small.
#[cfg(target_pointer_width = "64")]
pub const DELTAMOTE_WORKSPACE_SMALL: usize = 14400;
/// Bytes of workspace for profile medium.
#[cfg(target_pointer_width = "64")]
pub const DELTAMOTE_WORKSPACE_MEDIUM: usize = 63232;

// Raise the constant that does not hold any more (and make the header again).
const _: () = assert!(workspace_size(Profile::Tiny) <= DELTAMOTE_WORKSPACE_TINY);
const _: () = assert!(workspace_size(Profile::Small) <= DELTAMOTE_WORKSPACE_SMALL);
const _: () = assert!(workspace_size(Profile::Medium) <= DELTAMOTE_WORKSPACE_MEDIUM);
const _: () = assert!(align_of::<Context>() <= DELTAMOTE_WORKSPACE_ALIGN);

/// Bytes of workspace that `profile` needs.
pub(crate) const fn workspace_size(profile: Profile) -> usize {
    size_of::<Context>() + 2 * workspace_words(profile) + workspace_bytes(profile)
}

/// The profile with number `n`.
pub(crate) fn profile(n: u32) -> Option<Profile> {
    Profile::from_wire(n)
}

static PRIORS: &[Prior<'static>] = &[
    #[cfg(feature = "prior-tiny")]
    prior::TINY,
    #[cfg(feature = "prior-small")]
    prior::SMALL,
    #[cfg(feature = "prior-medium")]
    prior::MEDIUM,
];

type CPatcher = Patcher<'static, 'static, CFlash, CFlash, CFlash, CVerifier, CHandOver>;

/// An update under way. Lies at the front of the workspace; use it through its pointer
/// only.
pub struct Context {
    marker: u32,
    busy: bool,
    /// Detail of the last failure.
    detail: u32,
    progress: Progress,
    /// The workspace, as addresses: nothing pushed may lie in it.
    workspace: Range<usize>,
    patcher: CPatcher,
}

/// Says that a [`Context`] is in place.
const MARKER: u32 = 0x444d_5031;

/// Makes a patcher in `workspace`.
///
/// # Safety
/// `workspace` points to `workspace_size` writable bytes that nobody else uses until the
/// context is closed. Callbacks, runs and keys of `config` keep what the header asks.
pub(crate) unsafe fn open(
    workspace: *mut u8,
    workspace_size: usize,
    config: &Config,
) -> Result<*mut Context, Status> {
    let profile = profile(config.profile).ok_or(Status::InvalidArgument)?;
    if !workspace.addr().is_multiple_of(DELTAMOTE_WORKSPACE_ALIGN) {
        return Err(Status::WorkspaceMisaligned);
    }
    if workspace_size < self::workspace_size(profile) {
        return Err(Status::WorkspaceTooSmall);
    }
    let end = workspace.addr().checked_add(workspace_size);
    let end = end.ok_or(Status::InvalidArgument)?;
    if isize::try_from(workspace_size).is_err() {
        return Err(Status::InvalidArgument);
    }
    // SAFETY: the caller's promises are those that are asked for.
    let parts = unsafe { parts(config) }?;
    // SAFETY: as above.
    let device = unsafe { device(config, profile) };
    let words = workspace_words(profile);
    let context = workspace.cast::<Context>();
    // SAFETY: all of it is writable, by the caller's promise; zeroed, it holds valid
    // `u16` and `u8`. The three parts do not overlap and end within `workspace_size`
    // (checked above). The context is aligned (checked above); the words are because the
    // size of `Context` is a multiple of its alignment, which is more than that of `u16`.
    // Nobody else refers to any of it until the context is closed, which is how long the
    // patcher, whose lifetime is said to be 'static, is used.
    unsafe {
        ptr::write_bytes(workspace, 0, workspace_size);
        let at = workspace.add(size_of::<Context>());
        let bytes = at.add(2 * words);
        let len = workspace_size - size_of::<Context>() - 2 * words;
        let lent = WorkspaceRef {
            words: core::slice::from_raw_parts_mut(at.cast::<u16>(), words),
            bytes: core::slice::from_raw_parts_mut(bytes, len),
        };
        place(context, lent, device, parts, workspace.addr()..end);
    }
    Ok(context)
}

/// Writes the context in place; a function of its own, so that what the compiler makes
/// on the stack before it moves it is gone afterwards.
///
/// # Safety
/// `context` may be written and is aligned.
#[inline(never)]
unsafe fn place(
    context: *mut Context,
    lent: WorkspaceRef<'static>,
    device: Device<'static>,
    parts: Parts<CFlash, CFlash, CFlash, CVerifier, CHandOver>,
    workspace: Range<usize>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        context.write(Context {
            marker: MARKER,
            busy: false,
            detail: 0,
            progress: Progress::default(),
            workspace,
            patcher: Patcher::new(lent, device, parts),
        });
    }
}

/// # Safety
/// As [`open`].
unsafe fn parts(
    config: &Config,
) -> Result<Parts<CFlash, CFlash, CFlash, CVerifier, CHandOver>, Status> {
    let bad = Status::InvalidArgument;
    // SAFETY: the caller's promises are those that are asked for.
    unsafe {
        Ok(Parts {
            old: CFlash::new(&config.old_image, false).ok_or(bad)?,
            slot: CFlash::new(&config.slot, true).ok_or(bad)?,
            journal: CFlash::new(&config.journal, true).ok_or(bad)?,
            verifier: CVerifier::new(config)?,
            hand_over: CHandOver::new(&config.hand_over),
        })
    }
}

/// # Safety
/// `vendor` and `class_id` are null or point to 16 bytes.
unsafe fn device(config: &Config, profile: Profile) -> Device<'static> {
    let has = |flag| config.flags & flag != 0;
    let uuid = |at: *const u8| {
        // SAFETY: null or 16 bytes, which have no alignment.
        unsafe { at.cast::<[u8; 16]>().as_ref() }.copied()
    };
    Device {
        vendor: uuid(config.vendor),
        class: uuid(config.class_id),
        slot: has(types::DELTAMOTE_HAS_SLOT_NUMBER).then_some(config.slot_number),
        load_address: has(types::DELTAMOTE_HAS_LOAD_ADDRESS).then_some(config.load_address),
        sequence_floor: config.sequence_floor,
        allow_unsigned: has(types::DELTAMOTE_ALLOW_UNSIGNED),
        old_offset: config.old_offset,
        new_offset: config.new_offset,
        reserved_tail: config.reserved_tail,
        priors: PRIORS,
        ..Device::new(profile)
    }
}

/// Whether a context is there and free.
///
/// # Safety
/// `context` is null or what [`open`] gave, with the workspace still in place.
pub(crate) unsafe fn check(context: *const Context) -> Result<(), Status> {
    if context.is_null() || !context.is_aligned() {
        return Err(Status::InvalidArgument);
    }
    // SAFETY: not null, aligned; the caller promises that it was a context once. Only
    // these two fields are read, each by value: the patcher may be borrowed by the call
    // from whose callback this one comes.
    unsafe {
        if (&raw const (*context).marker).read() != MARKER {
            return Err(Status::NotOpen);
        }
        // As a byte: after `close` and new use of the memory it may hold anything.
        if (&raw const (*context).busy).cast::<u8>().read() != 0 {
            return Err(Status::Busy);
        }
    }
    Ok(())
}

/// Runs `call` on the patcher of `context`; keeps detail and progress.
///
/// # Safety
/// As [`check`].
pub(crate) unsafe fn enter(
    context: *mut Context,
    call: impl FnOnce(&mut CPatcher, &Range<usize>) -> Result<Option<Progress>, Fail>,
) -> Status {
    // SAFETY: the caller's promise.
    if let Err(status) = unsafe { check(context) } {
        return status;
    }
    // SAFETY: `check` held, so the context is in place and nobody is inside it; `busy`
    // keeps others out until the borrow of the patcher is over. Other fields are reached
    // one by one through the pointer.
    let result = unsafe {
        (&raw mut (*context).busy).write(true);
        let workspace = (*context).workspace.clone();
        let result = call(&mut (*context).patcher, &workspace);
        (&raw mut (*context).busy).write(false);
        result
    };
    let (status, detail) = match result {
        Ok(progress) => {
            if let Some(progress) = progress {
                // SAFETY: as above; the borrow is over.
                unsafe { (&raw mut (*context).progress).write(progress) };
            }
            (Status::Ok, 0)
        }
        Err(fail) => fail.code(),
    };
    // SAFETY: as above.
    unsafe { (&raw mut (*context).detail).write(detail) };
    status
}

/// Why a call failed.
pub(crate) enum Fail {
    /// It was wrong.
    Usage(Status),
    /// The patcher said so.
    Patch(Error),
}

impl Fail {
    /// Its number and detail.
    pub(crate) fn code(&self) -> (Status, u32) {
        match self {
            Fail::Usage(status) => (*status, 0),
            Fail::Patch(error) => status::of(error),
        }
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Fail::Patch(error)
    }
}

/// Progress as of the last push, and detail of the last failure.
///
/// # Safety
/// As [`check`].
pub(crate) unsafe fn last(context: *const Context) -> Result<(Progress, u32), Status> {
    // SAFETY: the caller's promise.
    unsafe { check(context) }?;
    // SAFETY: the context is in place and nobody is inside it.
    let context = unsafe { &*context };
    Ok((context.progress, context.detail))
}

/// Patch offset of the next byte needed.
///
/// # Safety
/// As [`check`].
pub(crate) unsafe fn wanted(context: *const Context) -> Result<u32, Status> {
    // SAFETY: the caller's promise.
    unsafe { check(context) }?;
    // SAFETY: the context is in place and nobody is inside it.
    Ok(unsafe { &*context }.patcher.wanted_offset())
}

/// Ends the use of the workspace.
///
/// # Safety
/// As [`check`].
pub(crate) unsafe fn close(context: *mut Context) -> Result<(), Status> {
    // SAFETY: the caller's promise.
    unsafe { check(context) }?;
    // SAFETY: the context is in place and nobody is inside it. It is not dropped: nothing
    // in it owns anything but the workspace.
    unsafe { (&raw mut (*context).marker).write(0) };
    Ok(())
}

//! The functions of the header.

use crate::context::{self, Context, Fail, workspace_size};
use crate::status::{self, Class, Status};
use crate::types::{Config, DELTAMOTE_ABI, Progress};
use core::ffi::{c_char, c_void};
use core::ops::Range;
use deltamote_patcher::format::Profile;

/// The version of the interface that this library was built for: DELTAMOTE_ABI of its
/// header.
#[unsafe(no_mangle)]
pub extern "C" fn deltamote_abi_version() -> u32 {
    DELTAMOTE_ABI
}

/// Bytes of workspace that `profile` (a value of `deltamote_profile_t`) needs.
///
/// Returns 0 for a profile that does not exist. For the three smaller ones,
/// DELTAMOTE_WORKSPACE_TINY and the like are at least that, for a static array.
#[unsafe(no_mangle)]
pub extern "C" fn deltamote_workspace_size(profile: u32) -> usize {
    match context::profile(profile) {
        Some(Profile::Tiny) => workspace_size(Profile::Tiny),
        Some(Profile::Small) => workspace_size(Profile::Small),
        Some(Profile::Medium) => workspace_size(Profile::Medium),
        Some(Profile::Large) => workspace_size(Profile::Large),
        None => 0,
    }
}

/// Begins an update, or goes on with one that was interrupted: what was done before is in
/// the journal, if the same patch is pushed.
///
/// `workspace` points to `workspace_bytes` bytes at a multiple of
/// DELTAMOTE_WORKSPACE_ALIGN: all the memory there is. It belongs to the library until
/// `deltamote_close`; whatever it held is overwritten. `config_bytes` is `sizeof(deltamote_config_t)` and `abi_version`
/// is DELTAMOTE_ABI, as the caller's compiler saw them. The handle, which is a pointer into the
/// workspace, is stored in `*handle`.
///
/// No flash is touched. Returns DELTAMOTE_OK, DELTAMOTE_ABI_MISMATCH,
/// DELTAMOTE_INVALID_ARGUMENT (a pointer or callback is missing or one too many, no such
/// profile, no key set), DELTAMOTE_WORKSPACE_MISALIGNED, DELTAMOTE_WORKSPACE_TOO_SMALL,
/// DELTAMOTE_KEY_SET_UNSUPPORTED, DELTAMOTE_ENCRYPTION_UNSUPPORTED or
/// DELTAMOTE_NO_VERIFIER; `*handle` is NULL on failure.
///
/// # Safety
///
/// `handle`, `workspace` and `config` are each NULL or point to what is said above, and do
/// not overlap. The callbacks can be called with their contexts, on the thread that calls
/// this library, until `deltamote_close`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_init(
    handle: *mut *mut Context,
    workspace: *mut c_void,
    workspace_bytes: usize,
    config: *const Config,
    config_bytes: usize,
    abi_version: u32,
) -> Status {
    if handle.is_null() || !handle.is_aligned() {
        return Status::InvalidArgument;
    }
    // SAFETY: not null and aligned; the caller promises the rest.
    unsafe { handle.write(core::ptr::null_mut()) };
    if abi_version != DELTAMOTE_ABI || config_bytes != size_of::<Config>() {
        return Status::AbiMismatch;
    }
    if workspace.is_null() || config.is_null() || !config.is_aligned() {
        return Status::InvalidArgument;
    }
    // SAFETY: not null, aligned, of the size that the caller knows; outside the workspace.
    let config = unsafe { &*config };
    // SAFETY: the caller's promises are those that are asked for.
    match unsafe { context::open(workspace.cast(), workspace_bytes, config) } {
        Ok(context) => {
            // SAFETY: as above.
            unsafe { handle.write(context) };
            Status::Ok
        }
        Err(status) => status,
    }
}

/// `len` bytes at `bytes`, of which none lies in `apart_from`; an empty slice may be null.
///
/// # Safety
/// `bytes` is null or points to `len` readable bytes that do not change meanwhile.
pub(crate) unsafe fn slice<'a>(
    bytes: *const u8,
    len: usize,
    apart_from: &Range<usize>,
) -> Result<&'a [u8], Fail> {
    if len == 0 {
        return Ok(&[]);
    }
    let (start, end) = (bytes.addr(), bytes.addr().checked_add(len));
    let apart = end.is_some_and(|end| end <= apart_from.start || start >= apart_from.end);
    if bytes.is_null() || isize::try_from(len).is_err() || !apart {
        return Err(Fail::Usage(Status::InvalidArgument));
    }
    // SAFETY: not null, not too long, outside the memory that is written; the rest is the
    // caller's promise.
    Ok(unsafe { core::slice::from_raw_parts(bytes, len) })
}

/// # Safety
/// As [`deltamote_push_at`].
unsafe fn push(
    handle: *mut Context,
    offset: Option<u32>,
    bytes: *const u8,
    len: usize,
    progress: *mut Progress,
) -> Status {
    if !progress.is_aligned() {
        return Status::InvalidArgument;
    }
    let mut result = Progress::default();
    // SAFETY: the caller's promise.
    let status = unsafe {
        context::enter(handle, |patcher, workspace| {
            let bytes = slice(bytes, len, workspace)?;
            let done = match offset {
                Some(offset) => patcher.push_at(offset, bytes)?,
                None => patcher.push(bytes)?,
            };
            result = Progress {
                consumed: done.consumed,
                wanted: done.wanted,
                decoded: done.decoded,
                written: done.written,
                new_size: done.new_size,
                skipped: done.skipped,
                complete: done.complete.into(),
            };
            Ok(Some(result))
        })
    };
    if status == Status::Ok && !progress.is_null() {
        // SAFETY: not null and aligned; the rest is the caller's promise.
        unsafe { progress.write(result) };
    }
    status
}

/// Takes the `len` patch bytes that follow those pushed last, at any split: one byte or
/// the whole patch. Bytes that are not needed (after a resume) are skipped.
///
/// `progress` may be NULL, and is written on success only. Returns DELTAMOTE_OK, or why the patch is not
/// applied: final, but for DELTAMOTE_INVALID_ARGUMENT (`bytes` is NULL or lies in the
/// workspace) and DELTAMOTE_BUSY.
///
/// # Safety
///
/// `handle` is NULL or what `deltamote_init` gave, its workspace in place. `bytes` points
/// to `len` bytes and `progress` to a `deltamote_progress_t`, or they are NULL. One thread at
/// a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_push(
    handle: *mut Context,
    bytes: *const u8,
    len: usize,
    progress: *mut Progress,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { push(handle, None, bytes, len, progress) }
}

/// As `deltamote_push`, for bytes that begin at patch offset `offset`: the way to seek to
/// `deltamote_wanted_offset`.
///
/// Returns DELTAMOTE_GAP, which is not final, if they begin behind the byte that is needed.
///
/// # Safety
///
/// As `deltamote_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_push_at(
    handle: *mut Context,
    offset: u32,
    bytes: *const u8,
    len: usize,
    progress: *mut Progress,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { push(handle, Some(offset), bytes, len, progress) }
}

/// Patch offset of the next byte needed: what to ask the transport for (HTTP Range, CoAP
/// Block). After a resume it jumps forward once.
///
/// Returns 0 if `handle` is not open.
///
/// # Safety
///
/// As `deltamote_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_wanted_offset(handle: *const Context) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { context::wanted(handle) }.unwrap_or(0)
}

/// How far the update was after the last push that succeeded, in `*progress`.
///
/// Returns DELTAMOTE_OK, DELTAMOTE_INVALID_ARGUMENT, DELTAMOTE_BUSY or
/// DELTAMOTE_NOT_OPEN.
///
/// # Safety
///
/// `handle` as in `deltamote_push`; `progress` is NULL or points to a
/// `deltamote_progress_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_progress(
    handle: *const Context,
    progress: *mut Progress,
) -> Status {
    if progress.is_null() || !progress.is_aligned() {
        return Status::InvalidArgument;
    }
    // SAFETY: the caller's promise.
    match unsafe { context::last(handle) } {
        Ok((last, _)) => {
            // SAFETY: not null and aligned; the rest is the caller's promise.
            unsafe { progress.write(last) };
            Status::Ok
        }
        Err(status) => status,
    }
}

/// Reads the whole new image back, compares its digest with the signed one, and only then
/// hands over to the bootloader. Call when progress is complete. May be called again after
/// DELTAMOTE_INCOMPLETE, DELTAMOTE_HAND_OVER and success.
///
/// Returns DELTAMOTE_OK: the new image is good and pending; or why it must not be booted.
///
/// # Safety
///
/// As `deltamote_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_finish(handle: *mut Context) -> Status {
    // SAFETY: the caller's promise.
    unsafe {
        context::enter(handle, |patcher, _| {
            patcher.finish()?;
            Ok(None)
        })
    }
}

/// Ends the use of the workspace; its memory is the caller's again. Flash is not touched:
/// an update that was under way can be resumed.
///
/// Returns DELTAMOTE_OK, DELTAMOTE_INVALID_ARGUMENT, DELTAMOTE_BUSY or
/// DELTAMOTE_NOT_OPEN.
///
/// # Safety
///
/// As `deltamote_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_close(handle: *mut Context) -> Status {
    // SAFETY: the caller's promise.
    match unsafe { context::close(handle) } {
        Ok(()) => Status::Ok,
        Err(status) => status,
    }
}

/// What the status of the last call says more: a patch offset, a manifest key or a
/// number of bytes, as `deltamote_status_t` says; else 0.
///
/// # Safety
///
/// As `deltamote_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_error_detail(handle: *const Context) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { context::last(handle) }.map_or(0, |(_, detail)| detail)
}

/// `status` in English. Never NULL, whatever the number; stays for ever.
#[unsafe(no_mangle)]
pub extern "C" fn deltamote_error_text(status: i32) -> *const c_char {
    status::text(status).as_ptr()
}

/// What `status` means to whoever sent the patch: whether to send another one, the same
/// one again, or to look at the device.
#[unsafe(no_mangle)]
pub extern "C" fn deltamote_error_class(status: i32) -> Class {
    match status {
        0 => Class::None,
        1..=7 => Class::Usage,
        10..=17 => Class::NotAuthentic,
        20..=26 | 104 | 106 | 122 => Class::Unsupported,
        30..=38 => Class::WrongBase,
        50..=59 => Class::FlashFailed,
        _ => Class::Damaged,
    }
}

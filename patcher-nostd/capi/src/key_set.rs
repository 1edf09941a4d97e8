//! Key sets for C: which one is taken, and which one is in use after a reset.

use crate::api::slice;
use crate::context::Fail;
#[cfg(feature = "key-sets")]
use crate::status;
use crate::status::Status;
use crate::types::{Accepted, AcceptedSet, DELTAMOTE_ABI, Root};
use core::ops::Range;
use core::ptr;
use deltamote_patcher::format::envelope::{HEAD_BYTES, MAX_ENVELOPE, OPEN_HEADROOM};

/// Bytes that `deltamote_key_set_in_front` looks at.
pub const DELTAMOTE_HEAD_BYTES: usize = 6;
/// Bytes of the buffer that any key set can be checked in; most take less than 512.
pub const DELTAMOTE_KEY_SET_BUFFER: usize = 4144;

const _: () = assert!(DELTAMOTE_HEAD_BYTES == HEAD_BYTES);
const _: () = assert!(DELTAMOTE_KEY_SET_BUFFER == OPEN_HEADROOM + MAX_ENVELOPE);

/// Bytes of the key set file in front of a patch, into `*file_bytes`: 0 if the patch
/// begins at once. `head` points to the first DELTAMOTE_HEAD_BYTES bytes that were received.
/// The patch's own offsets count from behind the file.
///
/// Returns DELTAMOTE_OK, DELTAMOTE_INVALID_ARGUMENT, DELTAMOTE_ENVELOPE_LENGTH (a key set of
/// an impossible length) or DELTAMOTE_KEY_SET_UNSUPPORTED.
///
/// # Safety
///
/// `head` is NULL or points to `head_len` bytes, `file_bytes` is NULL or points to a `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_key_set_in_front(
    head: *const u8,
    head_len: usize,
    file_bytes: *mut usize,
) -> Status {
    if file_bytes.is_null() || !file_bytes.is_aligned() {
        return Status::InvalidArgument;
    }
    // SAFETY: the caller's promise; it is read before anything is written.
    let found = match unsafe { slice(head, head_len, &NOWHERE) } {
        Ok(head) => head.first_chunk().copied().map(in_front),
        Err(_) => None,
    };
    match found {
        Some(Ok(bytes)) => {
            // SAFETY: not null and aligned; the rest is the caller's promise.
            unsafe { file_bytes.write(bytes) };
            Status::Ok
        }
        Some(Err(status)) => status,
        None => Status::InvalidArgument,
    }
}

/// No address that a slice must not lie at.
const NOWHERE: Range<usize> = 0..0;

#[cfg(feature = "key-sets")]
fn in_front(head: [u8; HEAD_BYTES]) -> Result<usize, Status> {
    match deltamote_patcher::key_set::in_front(&head) {
        Ok(bytes) => Ok(bytes.unwrap_or(0)),
        Err(error) => Err(status::of(&error).0),
    }
}

#[cfg(not(feature = "key-sets"))]
fn in_front(_: [u8; HEAD_BYTES]) -> Result<usize, Status> {
    Err(Status::KeySetUnsupported)
}

/// Checks the key set file at `file`, which came beside a patch or in front of it
/// (`deltamote_key_set_in_front`), under the root key, in the `buffer_bytes` bytes at
/// `buffer`: those of the workspace will do while no update is open in it.
///
/// `newest` is what is remembered of the set accepted last, NULL if there is none: an older
/// set, or another one of the same version, is refused; the very same again is accepted.
/// `root_bytes` is `sizeof(deltamote_root_t)` and `abi_version` is DELTAMOTE_ABI, as the
/// caller's compiler saw them.
///
/// What to do then, through any power cut: store `out->set` where the set in use does not
/// lie, then `out->accepted` in one piece. After each reset the set in use is the one that
/// `deltamote_key_set_is` says 1 of.
///
/// Nothing is remembered here. Returns DELTAMOTE_OK, or why the set must not be used:
/// DELTAMOTE_KEY_SET_TOO_OLD, DELTAMOTE_NOT_SIGNED, DELTAMOTE_UNKNOWN_KEY,
/// DELTAMOTE_BAD_SIGNATURE, DELTAMOTE_INCOMPLETE (the file is longer than `file_bytes`),
/// DELTAMOTE_RAM_TOO_SMALL (detail: bytes of buffer needed), DELTAMOTE_MALFORMED and the like.
/// `*out` is written but for DELTAMOTE_ABI_MISMATCH.
///
/// # Safety
///
/// `file`, `buffer`, `root`, `newest` and `out` are each NULL or point to what is said above,
/// and `buffer` and `out` overlap nothing. The root's callback can be called with its context.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn deltamote_key_set_accept(
    file: *const u8,
    file_bytes: usize,
    buffer: *mut u8,
    buffer_bytes: usize,
    root: *const Root,
    root_bytes: usize,
    newest: *const Accepted,
    out: *mut AcceptedSet,
    abi_version: u32,
) -> Status {
    if out.is_null() || !out.is_aligned() {
        return Status::InvalidArgument;
    }
    if abi_version != DELTAMOTE_ABI || root_bytes != size_of::<Root>() {
        // `*out` may have another size.
        return Status::AbiMismatch;
    }
    let pointers = !root.is_null() && root.is_aligned() && newest.is_aligned();
    let accepted = if pointers && !buffer.is_null() && isize::try_from(buffer_bytes).is_ok() {
        let taken = buffer.addr()..buffer.addr().saturating_add(buffer_bytes);
        // SAFETY: root and newest are null or aligned, root is not null; the buffer is not
        // null and not too long, and the file lies outside of it (`slice`); the rest is the
        // caller's promise.
        unsafe {
            slice(file, file_bytes, &taken).and_then(|file| {
                let buffer = core::slice::from_raw_parts_mut(buffer, buffer_bytes);
                accept(file, buffer, &*root, newest.as_ref())
            })
        }
    } else {
        Err(Fail::Usage(Status::InvalidArgument))
    };
    let mut result = AcceptedSet {
        set: ptr::null(),
        len: 0,
        accepted: Accepted::default(),
        detail: 0,
    };
    let status = match accepted {
        Ok((place, accepted)) => {
            result.set = buffer.wrapping_add(place.start);
            result.len = place.len();
            result.accepted = accepted;
            Status::Ok
        }
        Err(fail) => {
            let (status, detail) = fail.code();
            result.detail = detail;
            status
        }
    };
    // SAFETY: not null and aligned; the rest is the caller's promise.
    unsafe { out.write(result) };
    status
}

/// Where in `buffer` the set then lies, and what to remember of it.
///
/// # Safety
/// Callback and keys of `root` can be used during the call.
#[cfg(feature = "key-sets")]
unsafe fn accept(
    file: &[u8],
    buffer: &mut [u8],
    root: &Root,
    newest: Option<&Accepted>,
) -> Result<(Range<usize>, Accepted), Fail> {
    use deltamote_patcher::{Error, key_set};
    // SAFETY: the caller's promise; it is dropped before this function ends.
    let root = unsafe { crate::trust::CVerifier::root(root) }.map_err(Fail::Usage)?;
    let newest = newest.map(|newest| key_set::Accepted {
        version: newest.version,
        digest: newest.digest,
    });
    let place = key_set::accept(file, buffer, &root, newest.as_ref())?;
    let accepted = key_set::Accepted::of(buffer.get(place.clone()).ok_or(Error::Bug)?)?;
    let accepted = Accepted {
        version: accepted.version,
        digest: accepted.digest,
    };
    Ok((place, accepted))
}

#[cfg(not(feature = "key-sets"))]
unsafe fn accept(
    _: &[u8],
    _: &mut [u8],
    _: &Root,
    _: Option<&Accepted>,
) -> Result<(Range<usize>, Accepted), Fail> {
    Err(Fail::Usage(Status::KeySetUnsupported))
}

/// Whether the `len` bytes at `set`, found in storage, are the set that `accepted`
/// remembers, unchanged: 1 yes, 0 no (or a pointer is NULL, or it is not built in).
///
/// # Safety
///
/// `accepted` is NULL or points to a `deltamote_accepted_t`, `set` is NULL or points to `len`
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn deltamote_key_set_is(
    accepted: *const Accepted,
    set: *const u8,
    len: usize,
) -> i32 {
    if accepted.is_null() || !accepted.is_aligned() {
        return 0;
    }
    // SAFETY: not null, aligned; the rest is the caller's promise.
    match unsafe { (&*accepted, slice(set, len, &NOWHERE)) } {
        (accepted, Ok(set)) => is(accepted, set).into(),
        _ => 0,
    }
}

#[cfg(feature = "key-sets")]
fn is(accepted: &Accepted, set: &[u8]) -> bool {
    let accepted = deltamote_patcher::key_set::Accepted {
        version: accepted.version,
        digest: accepted.digest,
    };
    accepted.is(set)
}

#[cfg(not(feature = "key-sets"))]
fn is(_: &Accepted, _: &[u8]) -> bool {
    false
}

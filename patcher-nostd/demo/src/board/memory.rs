//! The memory functions: every firmware has them, so the one without a patcher has too.

use core::hint::black_box;

/// Uses each of them, in all the alignments that the ABI knows, on the words of `a` and `b`.
#[inline(never)]
pub fn all(a: &mut [u64; 12], b: &[u64; 12], bytes: usize) -> bool {
    let (to, from) = (a.as_mut_ptr(), b.as_ptr());
    let bytes = bytes.min(size_of_val(b));
    // SAFETY: both have `bytes` bytes, are aligned for the widest access, and do not overlap
    // each other; what is written is as good a number as any.
    unsafe {
        // What the pointers are aligned to beyond their types is not to be known.
        with(
            black_box(to.cast::<u8>()),
            black_box(from.cast::<u8>()),
            bytes,
        );
        with(
            black_box(to.cast::<u32>()),
            black_box(from.cast::<u32>()),
            bytes / 4,
        );
        with(black_box(to), black_box(from), bytes / 8);
        let (a, b) = (to.cast::<u8>(), from.cast::<u8>());
        core::slice::from_raw_parts(a, bytes) == core::slice::from_raw_parts(b, bytes)
    }
}

/// # Safety
/// Both have `n` items and do not overlap, and any bytes are a `T`.
#[inline(always)]
unsafe fn with<T>(to: *mut T, from: *const T, n: usize) {
    // SAFETY: as the caller says; the second overlaps, as `copy` may.
    unsafe {
        to.copy_from_nonoverlapping(from, n);
        black_box(to);
        to.add(n / 2).copy_from(to, n - n / 2);
        black_box(to);
        to.write_bytes(0, n);
        black_box(to);
        to.write_bytes(n as u8, n);
        black_box(to);
    }
}

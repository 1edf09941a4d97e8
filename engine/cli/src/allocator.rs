//! The one setting of the C library's allocator.
//!
//! glibc gives blocks of 128 KiB and more pages of their own, until such a block was freed:
//! from then on blocks up to that size come from heaps, one for each thread, which keep what
//! is freed. A diff goes through arrays of all sizes, so that a good part of its memory at
//! the peak was nobody's. With the threshold held where it is (mallopt(3)): 55 bytes per
//! byte of two images of 105 KB where it was 61, and 46 where it was 54 at level fast, in
//! the same time.

#![allow(unsafe_code)]

/// Has the system take back every large block when it is freed.
pub fn return_what_is_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LARGE: libc::c_int = 128 << 10;
        // SAFETY: takes two numbers and sets one of the allocator's own, under its lock; a
        // number that it does not like is refused, and all is as it was.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    }
}

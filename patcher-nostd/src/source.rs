//! Image bytes for the decoder: the old image from its flash, the new one from what is
//! programmed and from the page that is not yet.
//!
//! Invariant: the decoder sees exactly the bytes of the image produced so far, never
//! what lies behind them on flash, so it reads the same after a resume as before.
//! A flash fault cannot travel through [`Code`]; the cache keeps it and the patcher asks
//! after every step.

use crate::error::Stop;
use crate::flash::{Fault, Flash};
use crate::workspace::CACHE_BYTES;
use deltamote_format::isa::Code;

/// Says of which device a fault is.
type StopOf = fn(Fault) -> Stop;

/// A few bytes of an image, read in one go.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Cache<'w> {
    buf: &'w mut [u8],
    start: u32,
    len: u32,
    /// First byte of the image in its flash.
    offset: u32,
    /// Bytes of the image that may be read.
    pub(crate) size: u32,
    failed: Result<(), Stop>,
}

impl Default for Cache<'_> {
    /// Of no image.
    fn default() -> Self {
        Cache {
            buf: &mut [],
            start: 0,
            len: 0,
            offset: 0,
            size: 0,
            failed: Ok(()),
        }
    }
}

impl<'w> Cache<'w> {
    /// Prepares the empty cache for the image that begins at `offset`.
    pub(crate) fn begin(&mut self, buf: &'w mut [u8], offset: u32) {
        self.buf = buf;
        self.offset = offset;
    }

    /// The first fault since the start; sticky.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        self.failed
    }

    /// The byte at `at`.
    #[inline]
    fn byte<F: Flash>(&mut self, flash: &mut F, stop: StopOf, at: u32) -> Option<u8> {
        let into = at.wrapping_sub(self.start);
        if into < self.len {
            return self.buf.get(into as usize).copied();
        }
        self.fill(flash, stop, at)
    }

    /// The bytes from `at` on that are at hand, after a read of flash if that takes one.
    fn window<F: Flash>(&mut self, flash: &mut F, stop: StopOf, at: u32) -> &[u8] {
        if self.byte(flash, stop, at).is_none() {
            return &[];
        }
        let into = at.wrapping_sub(self.start) as usize;
        self.buf.get(into..self.len as usize).unwrap_or(&[])
    }

    #[cold]
    fn fill<F: Flash>(&mut self, flash: &mut F, stop: StopOf, at: u32) -> Option<u8> {
        if at >= self.size {
            return None;
        }
        let capacity = CACHE_BYTES as u32;
        let start = at - at % capacity;
        let len = capacity.min(self.size - start);
        self.len = 0;
        let out = self.buf.get_mut(..len as usize)?;
        if let Err(fault) = flash.read(self.offset.checked_add(start)?, out) {
            if self.failed.is_ok() {
                self.failed = Err(stop(fault));
            }
            return None;
        }
        (self.start, self.len) = (start, len);
        self.buf.get((at - start) as usize).copied()
    }
}

/// The old image.
pub(crate) struct OldImage<'a, 'w, F> {
    pub(crate) flash: &'a mut F,
    pub(crate) cache: &'a mut Cache<'w>,
}

impl<F: Flash> Code for OldImage<'_, '_, F> {
    #[inline]
    fn byte(&mut self, at: u32) -> Option<u8> {
        self.cache.byte(self.flash, Stop::old, at)
    }

    fn window(&mut self, at: u32) -> &[u8] {
        self.cache.window(self.flash, Stop::old, at)
    }
}

/// The new image as far as it has been produced.
pub(crate) struct NewImage<'a, 'w, F> {
    pub(crate) flash: &'a mut F,
    /// Its size is the bytes that are on flash.
    pub(crate) cache: &'a mut Cache<'w>,
    /// The bytes behind those.
    pub(crate) page: &'a [u8],
}

impl<F: Flash> Code for NewImage<'_, '_, F> {
    #[inline]
    fn byte(&mut self, at: u32) -> Option<u8> {
        match at.checked_sub(self.cache.size) {
            Some(into) => self.page.get(into as usize).copied(),
            None => self.cache.byte(self.flash, Stop::slot, at),
        }
    }
}

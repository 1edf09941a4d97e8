//! Image bytes for the decoder: the old image from its flash, the new one from what is
//! programmed and from the page that is not yet.
//!
//! Invariant: the decoder sees exactly the bytes of the image produced so far, never
//! what lies behind them on flash, so it reads the same after a resume as before.
//! A flash fault cannot travel through [`Code`]; the cache keeps it and the patcher asks
//! after every step.

use crate::flash::{Fault, Flash};
use crate::workspace::CACHE_BYTES;
use deltamote_format::isa::Code;
use deltamote_format::le;

/// A few bytes of an image, read in one go.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Cache<'w> {
    buf: &'w mut [u8],
    start: u32,
    len: u32,
    /// First byte of the image in its flash.
    offset: u32,
    /// Bytes of the image that may be read.
    pub(crate) size: u32,
    fault: Option<Fault>,
}

impl<'w> Cache<'w> {
    /// Prepares an empty cache for the image of `size` bytes that begins at `offset`.
    pub(crate) fn begin(&mut self, buf: &'w mut [u8], offset: u32, size: u32) {
        self.buf = buf;
        self.offset = offset;
        self.size = size;
    }

    /// The first fault since the start; sticky.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The byte at `at`.
    #[inline]
    fn byte<F: Flash>(&mut self, flash: &mut F, at: u32) -> Option<u8> {
        let into = at.wrapping_sub(self.start);
        if into < self.len {
            return self.buf.get(into as usize).copied();
        }
        self.fill(flash, at)
    }

    /// The four bytes at `at`, if they are at hand.
    #[inline]
    fn word(&self, at: u32) -> Option<u32> {
        let into = at.wrapping_sub(self.start);
        if into.wrapping_add(4) > self.len || into >= self.len {
            return None;
        }
        let bytes = self.buf.get(into as usize..)?.first_chunk::<4>()?;
        Some(le::word(*bytes))
    }

    /// The bytes from `at` on that are at hand, after a read of flash if that takes one.
    fn window<F: Flash>(&mut self, flash: &mut F, at: u32) -> &[u8] {
        if self.byte(flash, at).is_none() {
            return &[];
        }
        let into = at.wrapping_sub(self.start) as usize;
        self.buf.get(into..self.len as usize).unwrap_or(&[])
    }

    #[cold]
    fn fill<F: Flash>(&mut self, flash: &mut F, at: u32) -> Option<u8> {
        if at >= self.size {
            return None;
        }
        let capacity = CACHE_BYTES as u32;
        let start = at - at % capacity;
        let len = capacity.min(self.size - start);
        self.len = 0;
        let out = self.buf.get_mut(..len as usize)?;
        if let Err(fault) = flash.read(self.offset.checked_add(start)?, out) {
            self.fault.get_or_insert(fault);
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
        self.cache.byte(self.flash, at)
    }

    #[inline]
    fn u16(&mut self, at: u32) -> Option<u32> {
        match self.cache.word(at) {
            Some(word) => Some(word & 0xffff),
            None => bytes(self, at, 2),
        }
    }

    #[inline]
    fn u32(&mut self, at: u32) -> Option<u32> {
        match self.cache.word(at) {
            Some(word) => Some(word),
            None => bytes(self, at, 4),
        }
    }

    fn window(&mut self, at: u32) -> &[u8] {
        self.cache.window(self.flash, at)
    }
}

/// `count` bytes at `at` one by one: where they are not all in the cache.
#[cold]
fn bytes<C: Code>(image: &mut C, at: u32, count: u32) -> Option<u32> {
    let mut word = 0;
    for k in 0..count {
        word |= u32::from(image.byte(at.checked_add(k)?)?) << (8 * k);
    }
    Some(word)
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
            None => self.cache.byte(self.flash, at),
        }
    }
}

//! From bytes as they arrive to authentic bytes for the decoder.
//!
//! Fed by [`crate::Patcher::push`], feeds the codec. Collects one chunk behind the tail
//! that the decoder left of the one before, checks it against the link that announced
//! it, and only then lets the decoder see it. Invariants: nothing in `window[..data]`
//! is unchecked; what is readable does not depend on how the input was split. SPEC §8.
//!
//! ```text
//! window: | read | unread tail | chunk: data ........ | link |
//!         0     used          body                  data
//!         ^ payload offset `base`, links not counted
//! ```

#[cfg(feature = "encryption")]
use crate::encryption::ContentKey;
use crate::error::Error;
use crate::hashes::sha256;
use core::ops::Range;
use deltamote_format::chain::{self, LINK_BYTES, Layout, Link};
use deltamote_format::codec::STEP_RESERVE;
use deltamote_format::journal::ResetMark;
use deltamote_format::le;

/// SHA-256 of a chunk, as long as a link.
pub(crate) fn link_of(chunk: &[u8]) -> Link {
    let digest = sha256(chunk);
    let mut link = [0u8; LINK_BYTES];
    for (to, from) in link.iter_mut().zip(digest) {
        *to = from;
    }
    link
}

#[derive(Debug)]
pub(crate) struct Receiver<'w> {
    window: &'w mut [u8],
    layout: Layout,
    /// Patch offset of the payload.
    payload_start: u32,
    /// The chunk in the window.
    chunk: u32,
    /// Bytes of it that have arrived; `None` once it is complete and checked.
    arrived: Option<usize>,
    base: u32,
    used: usize,
    /// After a jump: payload offset where reading goes on.
    skip_to: u32,
    body: usize,
    data: usize,
    /// Digest of the chunk before the one in the window, of it, and of the next.
    previous: Link,
    current: Link,
    next: Link,
    /// Of an encrypted payload.
    #[cfg(feature = "encryption")]
    key: Option<ContentKey>,
    /// Negative control of the tests below: believe every chunk.
    #[cfg(test)]
    gullible: bool,
}

impl<'w> Receiver<'w> {
    pub(crate) fn new(
        window: &'w mut [u8],
        layout: Layout,
        payload_start: u32,
        first: Link,
    ) -> Self {
        Receiver {
            window,
            layout,
            payload_start,
            chunk: 0,
            arrived: Some(0),
            base: 0,
            used: 0,
            skip_to: 0,
            body: 0,
            data: 0,
            previous: first,
            current: first,
            next: first,
            #[cfg(feature = "encryption")]
            key: None,
            #[cfg(test)]
            gullible: false,
        }
    }

    /// Decrypts what comes with `key`.
    #[cfg(feature = "encryption")]
    pub(crate) fn decrypt(&mut self, key: Option<ContentKey>) {
        self.key = key;
    }

    /// Patch offset behind the last byte of the payload.
    pub(crate) fn end(&self) -> u32 {
        self.payload_start + self.layout.payload_size()
    }

    /// Patch offset of the next byte that is needed.
    pub(crate) fn wanted(&self) -> u32 {
        let chunk = self.layout.chunk(self.chunk).unwrap_or(0..0);
        match self.arrived {
            Some(arrived) => self.payload_start + chunk.start + arrived as u32,
            None => self.payload_start + chunk.end,
        }
    }

    /// Whether the chunk in the window is complete and authentic.
    pub(crate) fn is_checked(&self) -> bool {
        self.arrived.is_none()
    }

    /// Whether the decoder may take a step.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_checked() && (self.is_last() || self.data.saturating_sub(self.used) >= STEP_RESERVE)
    }

    /// Whether the chunk in the window is the last.
    pub(crate) fn is_last(&self) -> bool {
        self.layout.is_last(self.chunk)
    }

    /// Bytes of the payload, links not counted.
    pub(crate) fn data_size(&self) -> u32 {
        self.layout.data_size()
    }

    /// The checked bytes that the decoder has not used.
    pub(crate) fn readable(&self) -> &[u8] {
        self.window.get(self.used..self.data).unwrap_or(&[])
    }

    /// The decoder used `n` bytes (it may count a few past the end of the payload).
    pub(crate) fn advance(&mut self, n: usize) {
        self.used = self.used.saturating_add(n).min(self.data);
    }

    /// Takes bytes of the chunk that is due; gives how many. Checks the chunk when it
    /// is complete.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let Some(arrived) = self.arrived else {
            return Ok(0);
        };
        let range = self.layout.chunk(self.chunk).ok_or(Error::Bug)?;
        let len = (range.end - range.start) as usize;
        let n = bytes.len().min(len.saturating_sub(arrived));
        let from = self.body + arrived;
        let (Some(to), Some(bytes)) = (self.window.get_mut(from..from + n), bytes.get(..n)) else {
            return Err(Error::Bug);
        };
        le::copy(to, bytes);
        self.arrived = Some(arrived + n);
        if arrived + n == len {
            self.check(len)?;
        }
        Ok(n)
    }

    fn check(&mut self, len: usize) -> Result<(), Error> {
        let chunk = self
            .window
            .get(self.body..self.body + len)
            .ok_or(Error::Bug)?;
        if !self.holds(chunk) {
            let start = self.layout.chunk(self.chunk).ok_or(Error::Bug)?.start;
            let at = self.payload_start + start;
            return Err(Error::ChunkMismatch { at });
        }
        let (data, link) = chain::parse(chunk, self.is_last()).ok_or(Error::Bug)?;
        let sealed = self.body..self.body + data.len();
        self.previous = self.current;
        self.current = self.next;
        if let Some(link) = link {
            self.next = *link;
        }
        self.data = self.opened(sealed)?;
        let into = self.skip_to.saturating_sub(self.base) as usize;
        self.used = self.used.max(into.min(self.data));
        self.arrived = None;
        Ok(())
    }

    /// Decrypts the chunk's data where they are encrypted; gives where they end.
    #[cfg(feature = "encryption")]
    #[inline(never)]
    fn opened(&mut self, sealed: Range<usize>) -> Result<usize, Error> {
        if self.layout.tag_bytes() == 0 {
            return Ok(sealed.end);
        }
        let start = sealed.start;
        let key = self.key.as_ref().ok_or(Error::Bug)?;
        let sealed = self.window.get_mut(sealed).ok_or(Error::Bug)?;
        match key.open(self.chunk, sealed) {
            Ok(len) => Ok(start + len),
            Err(_) => {
                let chunk = self.layout.chunk(self.chunk).ok_or(Error::Bug)?;
                let at = self.payload_start + chunk.start;
                Err(Error::NotDecrypted { at })
            }
        }
    }

    /// The data lie there as they are: a manifest that says otherwise was refused.
    #[cfg(not(feature = "encryption"))]
    #[inline]
    fn opened(&mut self, sealed: Range<usize>) -> Result<usize, Error> {
        Ok(sealed.end)
    }

    fn holds(&self, chunk: &[u8]) -> bool {
        #[cfg(test)]
        if self.gullible {
            return true;
        }
        link_of(chunk) == self.next
    }

    /// Makes room for the next chunk behind what is unread.
    pub(crate) fn advance_chunk(&mut self) {
        // Not `copy_within`, which can panic; the tail is short.
        for k in self.used..self.data {
            if let Some(byte) = self.window.get(k).copied()
                && let Some(to) = self.window.get_mut(k - self.used)
            {
                *to = byte;
            }
        }
        self.base += self.used as u32;
        self.body = self.data - self.used;
        self.data = self.body;
        self.used = 0;
        self.chunk += 1;
        self.arrived = Some(0);
    }

    /// The digest of the chunk that holds the data byte at `pos`, if it is one of those
    /// next to the window.
    pub(crate) fn link_at(&self, pos: u32) -> Option<Link> {
        let chunk = self.layout.chunk_of(pos);
        match chunk.checked_add(1)?.checked_sub(self.chunk)? {
            0 => Some(self.previous),
            1 => Some(self.current),
            2 => Some(self.next),
            _ => None,
        }
    }

    /// Moves on to a reset point. False: it lies behind us, so the place in the
    /// payload stays as it is.
    pub(crate) fn jump(&mut self, mark: &ResetMark) -> bool {
        let pos = mark.point.payload_pos;
        let Some(into) = pos.checked_sub(self.base) else {
            return false;
        };
        let into = into as usize;
        let chunk = self.layout.chunk_of(pos);
        if into < self.data || chunk <= self.chunk {
            self.used = into.min(self.data);
            return into <= self.data;
        }
        self.chunk = chunk;
        self.base = self.layout.data_start(chunk);
        self.body = 0;
        self.data = 0;
        self.used = 0;
        // Bytes before `pos` in this chunk are stepped over once it is checked.
        self.skip_to = pos;
        self.arrived = Some(0);
        self.next = mark.link;
        true
    }

    /// The window, for digests once everything is decoded.
    pub(crate) fn scratch(&mut self) -> &mut [u8] {
        self.window
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    const CHUNK: u32 = 128;

    fn sealed(data: &[u8]) -> (Layout, Vec<u8>, Link) {
        let layout = Layout::for_data(data.len() as u32, CHUNK).unwrap();
        let mut payload = vec![0; layout.payload_size() as usize];
        let first = chain::seal(data, layout, &mut payload, link_of).unwrap();
        (layout, payload, first)
    }

    /// Everything readable, taken in bites of `bite`, read in steps of `step`.
    fn receive(
        payload: &[u8],
        layout: Layout,
        first: Link,
        (bite, step): (usize, usize),
        gullible: bool,
    ) -> Result<Vec<u8>, (Error, Vec<u8>)> {
        let mut window = vec![0; STEP_RESERVE + CHUNK as usize];
        let mut r = Receiver::new(&mut window, layout, 0, first);
        r.gullible = gullible;
        let mut out = Vec::new();
        while r.wanted() < r.end() {
            let at = r.wanted() as usize;
            let end = payload.len().min(at + bite);
            if let Err(e) = r.take(&payload[at..end]) {
                return Err((e, out));
            }
            while r.is_ready() && !r.readable().is_empty() {
                let n = step.min(r.readable().len());
                out.extend_from_slice(&r.readable()[..n]);
                r.advance(n);
            }
            if r.is_checked() && !r.is_last() {
                r.advance_chunk();
            }
        }
        Ok(out)
    }

    #[test]
    fn all_data_comes_through_in_order() {
        for len in [1usize, 100, 128, 129, 240, 241, 600] {
            let data: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let (layout, payload, first) = sealed(&data);
            for bite in [1, 2, 7, 127, 128, 1000] {
                for step in [1, 3, 40, STEP_RESERVE] {
                    let got = receive(&payload, layout, first, (bite, step), false);
                    assert_eq!(got.as_ref(), Ok(&data), "{len} {bite} {step}");
                }
            }
        }
    }

    #[test]
    fn a_tampered_chunk_is_refused_unread_and_the_check_is_what_does_it() {
        let data: Vec<u8> = (0..500).map(|i| (i % 251) as u8).collect();
        let (layout, payload, first) = sealed(&data);
        for at in 0..payload.len() {
            let mut bad = payload.clone();
            bad[at] ^= 0x40;
            let chunk = at as u32 / CHUNK;
            let start = layout.chunk(chunk).unwrap().start;
            let (e, seen) = receive(&bad, layout, first, (64, 5), false).unwrap_err();
            assert_eq!(e, Error::ChunkMismatch { at: start });
            assert!(seen.len() as u32 <= layout.data_start(chunk));
            assert_eq!(seen, data[..seen.len()]);
            // Negative control: without the check the same bytes go through.
            let got = receive(&bad, layout, first, (64, 5), true).unwrap();
            assert_eq!(got.len(), data.len());
        }
    }
}

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
use crate::error::Stop;
use crate::hashes::sha256;
use core::ops::Range;
use deltamote_format::chain::{self, LINK_BYTES, Layout, Link};
use deltamote_format::codec::STEP_RESERVE;
use deltamote_format::journal::words;
use deltamote_format::le;

/// A link as words, as the journal has it.
pub(crate) type LinkWords = [u32; LINK_BYTES / 4];

/// SHA-256 of a chunk, as long as a link.
pub(crate) fn link_of(chunk: &[u8]) -> LinkWords {
    let mut link = LinkWords::default();
    words::read(&mut link, &sha256(chunk));
    link
}

/// A constant and not an expression: that would be a loop.
const NO_LINKS: [LinkWords; 3] = [[0; LINK_BYTES / 4]; 3];

/// What is small and often used stands in front, where short instructions reach it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Receiver<'w> {
    window: &'w mut [u8],
    used: usize,
    data: usize,
    body: usize,
    /// Where the next byte goes: behind what has arrived of the chunk.
    fill: usize,
    base: u32,
    /// Patch offset of the next byte that is needed.
    wanted: u32,
    /// Patch offset behind the chunk in the window.
    chunk_end: u32,
    /// Patch offset behind the payload.
    end: u32,
    /// The chunk in the window.
    chunk: u32,
    layout: Layout,
    /// Negative control of the tests below: believe every chunk.
    #[cfg(test)]
    gullible: bool,
    /// Digest of the chunk before the one in the window, of it, and of the next.
    links: [LinkWords; 3],
    /// Of an encrypted payload.
    #[cfg(feature = "encryption")]
    key: Option<ContentKey>,
}

impl Default for Receiver<'_> {
    /// One that has nothing to receive.
    fn default() -> Self {
        Receiver {
            window: &mut [],
            used: 0,
            data: 0,
            body: 0,
            fill: 0,
            base: 0,
            wanted: 0,
            chunk_end: 0,
            end: 0,
            chunk: 0,
            layout: Layout::empty(),
            #[cfg(test)]
            gullible: false,
            links: NO_LINKS,
            #[cfg(feature = "encryption")]
            key: None,
        }
    }
}

impl<'w> Receiver<'w> {
    /// The payload will have this layout and begin with a chunk whose digest is `first`.
    pub(crate) fn expect(&mut self, layout: Layout, first: &Link) {
        self.layout = layout;
        words::read(&mut self.links[2], first);
    }

    /// Prepares the empty receiver for the payload, which begins at patch offset
    /// `payload_start`.
    pub(crate) fn begin(&mut self, window: &'w mut [u8], payload_start: u32) {
        self.window = window;
        self.end = payload_start + self.layout.payload_size();
        self.enter(0);
    }

    /// Goes to the front of chunk `index`, which comes behind `body`.
    fn enter(&mut self, index: u32) {
        let size = self.layout.chunk_size();
        let behind = self.layout.payload_size() - index * size;
        self.chunk = index;
        self.wanted = self.end - behind;
        self.chunk_end = self.wanted + behind.min(size);
        self.fill = self.body;
        self.data = self.body;
    }

    /// Decrypts what comes with `key`.
    #[cfg(feature = "encryption")]
    pub(crate) fn decrypt(&mut self, key: ContentKey) {
        self.key = Some(key);
    }

    /// Patch offset of the next byte that is needed.
    pub(crate) fn wanted(&self) -> u32 {
        self.wanted
    }

    /// Bytes that are wanted of the chunk.
    pub(crate) fn missing(&self) -> usize {
        (self.chunk_end - self.wanted) as usize
    }

    /// Nothing more is needed.
    pub(crate) fn end(&mut self) {
        self.wanted = self.end;
    }

    /// Whether the chunk in the window is complete, and therefore authentic: else
    /// [`Receiver::take`] has said so.
    pub(crate) fn is_checked(&self) -> bool {
        self.wanted == self.chunk_end
    }

    /// Whether the decoder may take a step.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_checked() && (self.is_last() || self.data - self.used >= STEP_RESERVE)
    }

    /// Whether the chunk in the window is the last.
    pub(crate) fn is_last(&self) -> bool {
        self.chunk_end == self.end
    }

    /// Payload bytes up to the end of what is checked, links not counted: of the last chunk
    /// on all there are.
    pub(crate) fn checked(&self) -> u32 {
        self.base + self.data as u32
    }

    /// The checked bytes that the decoder has not used.
    pub(crate) fn readable(&self) -> Option<&[u8]> {
        self.window.get(self.used..self.data)
    }

    /// Payload bytes that the decoder has used, links not counted.
    pub(crate) fn used(&self) -> u32 {
        self.base + self.used as u32
    }

    /// The decoder used `n` bytes (it may count a few past the end of the payload).
    pub(crate) fn advance(&mut self, n: usize) {
        self.used = (self.used + n).min(self.data);
    }

    /// Patch offset of the chunk in the window.
    pub(crate) fn chunk_start(&self) -> u32 {
        self.wanted - (self.fill - self.body) as u32
    }

    /// Takes bytes of the chunk that is due, as many as are wanted. Checks the chunk when it
    /// is complete.
    #[inline(never)]
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let n = bytes.len().min(self.missing());
        let end = self.fill + n;
        le::copy(self.window.get_mut(self.fill..end).ok_or(Stop::Bug)?, bytes);
        self.fill = end;
        self.wanted += n as u32;
        if n > 0 && self.is_checked() {
            self.check()?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Stop> {
        let chunk = self.window.get(self.body..self.fill).ok_or(Stop::Bug)?;
        if !self.holds(chunk) {
            return Err(Stop::Chunk);
        }
        let (data, link) = chain::parse(chunk, self.is_last()).ok_or(Stop::Bug)?;
        let sealed = self.body..self.body + data.len();
        self.links.copy_within(1.., 0);
        if let Some(link) = link {
            words::read(&mut self.links[2], link);
        }
        self.data = self.opened(sealed)?;
        self.used = self.used.min(self.data);
        Ok(())
    }

    /// Decrypts the chunk's data where they are encrypted; gives where they end.
    #[cfg(feature = "encryption")]
    #[inline(never)]
    fn opened(&mut self, sealed: Range<usize>) -> Result<usize, Stop> {
        if self.layout.tag_bytes() == 0 {
            return Ok(sealed.end);
        }
        let start = sealed.start;
        let key = self.key.as_ref().ok_or(Stop::Bug)?;
        let sealed = self.window.get_mut(sealed).ok_or(Stop::Bug)?;
        match key.open(self.chunk, sealed) {
            Ok(len) => Ok(start + len),
            Err(_) => Err(Stop::Sealed),
        }
    }

    /// The data lie there as they are: a manifest that says otherwise was refused.
    #[cfg(not(feature = "encryption"))]
    #[inline]
    fn opened(&mut self, sealed: Range<usize>) -> Result<usize, Stop> {
        Ok(sealed.end)
    }

    fn holds(&self, chunk: &[u8]) -> bool {
        #[cfg(test)]
        if self.gullible {
            return true;
        }
        link_of(chunk) == self.links[2]
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
        self.used = 0;
        self.enter(self.chunk + 1);
    }

    /// The digest of the chunk that holds the data byte at `pos`, if it is one of those
    /// next to the window.
    pub(crate) fn link_at(&self, pos: u32) -> Option<&LinkWords> {
        let chunk = self.layout.chunk_of(pos);
        self.links
            .get((chunk + 1).wrapping_sub(self.chunk) as usize)
    }

    /// Moves on to a reset point at payload offset `pos`, in a chunk of digest `link`.
    /// False: it lies behind us, so the place in the payload stays as it is.
    pub(crate) fn jump(&mut self, pos: u32, link: &LinkWords) -> bool {
        let Some(into) = pos.checked_sub(self.base) else {
            return false;
        };
        let into = into as usize;
        let chunk = self.layout.chunk_of(pos);
        if into < self.data || chunk <= self.chunk {
            self.used = into.min(self.data);
            return into <= self.data;
        }
        self.base = self.layout.data_start(chunk);
        self.body = 0;
        // More than there is: bytes before `pos` in this chunk are stepped over once it is
        // checked.
        self.used = (pos - self.base) as usize;
        self.links[2] = *link;
        self.enter(chunk);
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

    fn link(chunk: &[u8]) -> Link {
        *sha256(chunk).first_chunk().unwrap()
    }

    fn sealed(data: &[u8]) -> (Layout, Vec<u8>, Link) {
        let layout = Layout::for_data(data.len() as u32, CHUNK).unwrap();
        let mut payload = vec![0; layout.payload_size() as usize];
        let first = chain::seal(data, layout, &mut payload, link).unwrap();
        (layout, payload, first)
    }

    /// Everything readable, taken in bites of `bite`, read in steps of `step`.
    fn receive(
        payload: &[u8],
        layout: Layout,
        first: Link,
        (bite, step): (usize, usize),
        gullible: bool,
    ) -> Result<Vec<u8>, (u32, Vec<u8>)> {
        let mut window = vec![0; STEP_RESERVE + CHUNK as usize];
        let mut r = Receiver::default();
        r.expect(layout, &first);
        r.begin(&mut window, 0);
        r.gullible = gullible;
        let mut out = Vec::new();
        while r.wanted < r.end {
            let at = r.wanted() as usize;
            let end = payload.len().min(at + bite);
            if let Err(e) = r.take(&payload[at..end]) {
                assert_eq!(e, Stop::Chunk);
                return Err((r.chunk_start(), out));
            }
            while r.is_ready() && r.used < r.data {
                let n = step.min(r.readable().unwrap().len());
                out.extend_from_slice(&r.readable().unwrap()[..n]);
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
            assert_eq!(e, start);
            assert!(seen.len() as u32 <= layout.data_start(chunk));
            assert_eq!(seen, data[..seen.len()]);
            // Negative control: without the check the same bytes go through.
            let got = receive(&bad, layout, first, (64, 5), true).unwrap();
            assert_eq!(got.len(), data.len());
        }
    }
}

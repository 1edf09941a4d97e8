//! The chunk chain: how a payload is cut so that every byte is authentic before it is
//! decoded, with one digest of state.
//!
//! The engine seals the coded payload with [`seal`]; the patcher walks the same
//! [`Layout`] and checks each chunk against the link that the chunk before it (or the
//! manifest, for the first) carried. Invariants: every chunk but the last is exactly
//! `chunk_size` bytes and ends with the link to the next; the last is longer than a
//! link (a shorter one would have fitted into the chunk before it), so each payload
//! length has one layout. Digests are computed by the caller, which keeps this crate
//! free of a hash function. Encrypted data has a tag in each chunk besides: the same cuts,
//! with fewer data bytes between them. SPEC §8.
//!
//! ```text
//! chunk 0            chunk 1            last
//! | data      |link1| data      |link2| data   |
//! '-- chunk_size --''-- chunk_size --'          link k = first 16 bytes of
//!                                                        SHA-256(chunk k, its link included)
//! ```

use crate::encryption::TAG_BYTES;
use core::num::NonZeroU32;
use core::ops::Range;

/// Bytes of a link: a truncated SHA-256. A forger needs a *second preimage* of a chunk
/// that the signer chose, 2^128 work; collisions (2^64) do not help him.
pub const LINK_BYTES: usize = 16;

/// A chunk digest, as a link holds it.
pub type Link = [u8; LINK_BYTES];

/// Smallest chunk size: so large that the unread tail of one chunk
/// (less than a decoder step's reserve) never spans two.
pub const MIN_CHUNK: u32 = 128;

/// Largest payload, links included: leaves room for head and envelope in a `u32` offset.
pub const MAX_PAYLOAD: u32 = u32::MAX - 4096;

const LINK: u32 = LINK_BYTES as u32;
const TAG: u32 = TAG_BYTES as u32;

/// Where the chunks of one payload begin and end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    // Not zero by type: dividing by them cannot panic.
    chunk_size: NonZeroU32,
    data_per_chunk: NonZeroU32,
    payload_size: u32,
}

impl Layout {
    /// The layout of no payload: what stands where one is not known yet.
    // A constant would be copied from read-only data.
    #[inline]
    pub const fn empty() -> Layout {
        Layout {
            chunk_size: NonZeroU32::MIN,
            data_per_chunk: NonZeroU32::MIN,
            payload_size: 0,
        }
    }

    /// The layout of a payload of `payload_size` bytes, links included. `None`: the
    /// sizes are out of range, or no payload has this length (see the invariants).
    pub fn new(payload_size: u32, chunk_size: u32) -> Option<Layout> {
        Layout::with_tags(payload_size, chunk_size, 0)
    }

    /// As [`Layout::new`], for a payload of encrypted data: each chunk has a tag.
    pub fn new_encrypted(payload_size: u32, chunk_size: u32) -> Option<Layout> {
        Layout::with_tags(payload_size, chunk_size, TAG)
    }

    fn with_tags(payload_size: u32, chunk_size: u32, tag: u32) -> Option<Layout> {
        if chunk_size < MIN_CHUNK || payload_size <= tag || payload_size > MAX_PAYLOAD {
            return None;
        }
        let layout = Layout {
            chunk_size: NonZeroU32::new(chunk_size)?,
            data_per_chunk: NonZeroU32::new(chunk_size - LINK - tag)?,
            payload_size,
        };
        // Bytes of the last chunk, less one.
        let last = (payload_size - 1) % layout.chunk_size;
        (payload_size <= chunk_size || last >= LINK + tag).then_some(layout)
    }

    /// The layout of `data_size` coded bytes, links not counted.
    pub fn for_data(data_size: u32, chunk_size: u32) -> Option<Layout> {
        Layout::for_data_with_tags(data_size, chunk_size, 0)
    }

    /// As [`Layout::for_data`], for data that will be encrypted.
    pub fn for_encrypted_data(data_size: u32, chunk_size: u32) -> Option<Layout> {
        Layout::for_data_with_tags(data_size, chunk_size, TAG)
    }

    fn for_data_with_tags(data_size: u32, chunk_size: u32, tag: u32) -> Option<Layout> {
        if chunk_size < MIN_CHUNK || data_size == 0 {
            return None;
        }
        let links = data_size
            .checked_add(tag)?
            .saturating_sub(chunk_size)
            .div_ceil(chunk_size - LINK - tag);
        let tags = links.checked_add(1)?.checked_mul(tag)?;
        let payload_size = links
            .checked_mul(LINK)?
            .checked_add(tags)?
            .checked_add(data_size)?;
        Layout::with_tags(payload_size, chunk_size, tag)
    }

    /// Bytes of every chunk but the last, link included.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size.get()
    }

    /// Bytes of the payload, links included.
    pub fn payload_size(&self) -> u32 {
        self.payload_size
    }

    /// Bytes of the payload without links and tags: what the decoder reads.
    pub fn data_size(&self) -> u32 {
        let tag = self.tag_bytes();
        self.payload_size - tag - (self.count() - 1) * (LINK + tag)
    }

    /// Bytes of the tag that ends the data of each chunk; 0 where nothing is encrypted.
    pub fn tag_bytes(&self) -> u32 {
        self.chunk_size.get() - LINK - self.data_per_chunk.get()
    }

    /// Number of chunks, at least 1.
    pub fn count(&self) -> u32 {
        self.payload_size.saturating_sub(1) / self.chunk_size + 1
    }

    /// Whether `index` is the last chunk.
    pub fn is_last(&self, index: u32) -> bool {
        // Asked at every step, and some cores cannot divide.
        index
            .saturating_add(1)
            .saturating_mul(self.chunk_size.get())
            >= self.payload_size
    }

    /// The payload bytes of chunk `index`, link included. `None` behind the last.
    pub fn chunk(&self, index: u32) -> Option<Range<u32>> {
        let start = index.checked_mul(self.chunk_size.get())?;
        (start < self.payload_size).then(|| {
            start
                ..start
                    .saturating_add(self.chunk_size.get())
                    .min(self.payload_size)
        })
    }

    /// Offset, links and tags not counted, of the first data byte of chunk `index`.
    pub fn data_start(&self, index: u32) -> u32 {
        index * self.data_per_chunk.get()
    }

    /// The chunk that holds the data byte at `data_pos` (the last one, if it lies behind).
    // Called twice on a device.
    #[inline(never)]
    pub fn chunk_of(&self, data_pos: u32) -> u32 {
        (data_pos / self.data_per_chunk).min(self.count() - 1)
    }
}

/// Cuts a chunk into its data and, unless it is the last, the link to the next.
/// `None`: too short to hold a link.
pub fn parse(chunk: &[u8], last: bool) -> Option<(&[u8], Option<&Link>)> {
    if last {
        Some((chunk, None))
    } else {
        chunk
            .split_last_chunk::<LINK_BYTES>()
            .map(|(data, link)| (data, Some(link)))
    }
}

/// Writes the payload for `data` into `out` (exactly `layout.payload_size()` bytes) and
/// gives the digest of the first chunk, for the manifest. Of an encrypted layout `data`
/// is each chunk's ciphertext with its tag behind it. `digest` maps a whole chunk to its
/// link. `None`: a length does not match the layout.
pub fn seal<F: FnMut(&[u8]) -> Link>(
    data: &[u8],
    layout: Layout,
    out: &mut [u8],
    mut digest: F,
) -> Option<Link> {
    let tags = layout.count() * layout.tag_bytes();
    if data.len() != (layout.data_size() + tags) as usize
        || out.len() != layout.payload_size as usize
    {
        return None;
    }
    let mut next: Option<Link> = None;
    // Back to front: a chunk's digest covers the link to the chunk behind it.
    for index in (0..layout.count()).rev() {
        let range = layout.chunk(index)?;
        let chunk = out.get_mut(range.start as usize..range.end as usize)?;
        let from = (layout.data_start(index) + index * layout.tag_bytes()) as usize;
        let data_len = match next {
            Some(link) => {
                *chunk.last_chunk_mut::<LINK_BYTES>()? = link;
                chunk.len() - LINK_BYTES
            }
            None => chunk.len(),
        };
        chunk
            .get_mut(..data_len)?
            .copy_from_slice(data.get(from..from.checked_add(data_len)?)?);
        next = Some(digest(chunk));
    }
    next
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// Not a hash: enough to see that the right bytes were covered.
    fn toy(chunk: &[u8]) -> Link {
        let mut link = [0u8; LINK_BYTES];
        for (i, b) in chunk.iter().enumerate() {
            let at = i % LINK_BYTES;
            link[at] = link[at].wrapping_mul(31).wrapping_add(*b);
        }
        link
    }

    #[test]
    fn every_data_size_has_one_layout_and_comes_back() {
        for chunk_size in [128u32, 129, 200, 528] {
            for data_size in 1..=(chunk_size * 4) {
                let layout = Layout::for_data(data_size, chunk_size).unwrap();
                assert_eq!(layout.data_size(), data_size);
                assert_eq!(Layout::new(layout.payload_size(), chunk_size), Some(layout));
                let data: Vec<u8> = (0..data_size).map(|i| (i * 7 + i / 256) as u8).collect();
                let mut out = vec![0u8; layout.payload_size() as usize];
                let mut expect = seal(&data, layout, &mut out, toy).unwrap();
                let mut back = Vec::new();
                for k in 0..layout.count() {
                    let r = layout.chunk(k).unwrap();
                    let chunk = &out[r.start as usize..r.end as usize];
                    assert_eq!(toy(chunk), expect);
                    assert_eq!(back.len() as u32, layout.data_start(k));
                    let (part, link) = parse(chunk, layout.is_last(k)).unwrap();
                    assert_eq!(link.is_none(), layout.is_last(k));
                    assert_eq!(layout.chunk_of(back.len() as u32), k);
                    back.extend_from_slice(part);
                    assert_eq!(layout.chunk_of(back.len() as u32 - 1), k);
                    if let Some(link) = link {
                        expect = *link;
                    }
                }
                assert_eq!(back, data);
            }
        }
    }

    #[test]
    fn encrypted_data_has_one_layout_with_the_same_cuts() {
        for chunk_size in [128u32, 129, 200] {
            for data_size in 1..=(chunk_size * 4) {
                let layout = Layout::for_encrypted_data(data_size, chunk_size).unwrap();
                assert_eq!(layout.data_size(), data_size);
                let (size, tags) = (layout.payload_size(), layout.count() * TAG);
                assert_eq!(Layout::new_encrypted(size, chunk_size), Some(layout));
                let plain = Layout::for_data(data_size + tags, chunk_size).unwrap();
                assert_eq!(plain.payload_size(), size);
                let sealed = vec![7u8; (data_size + tags) as usize];
                let mut out = vec![0u8; size as usize];
                let first = seal(&sealed, layout, &mut out, toy);
                let mut same = vec![0u8; size as usize];
                assert_eq!(seal(&sealed, plain, &mut same, toy), first);
                assert_eq!(out, same);
                for k in 0..layout.count() {
                    assert_eq!(layout.chunk(k), plain.chunk(k));
                    assert_eq!(layout.chunk_of(layout.data_start(k)), k);
                }
                assert_eq!(layout.chunk_of(data_size - 1), layout.count() - 1);
            }
        }
        assert_eq!(Layout::new_encrypted(16, 128), None);
        assert!(Layout::new_encrypted(17, 128).is_some());
        for short in 1..=32 {
            assert_eq!(Layout::new_encrypted(128 + short, 128), None);
        }
        assert!(Layout::new_encrypted(128 + 33, 128).is_some());
    }

    #[test]
    fn lengths_that_no_payload_has_are_refused() {
        assert_eq!(Layout::new(0, 528), None);
        assert_eq!(Layout::new(10, 127), None);
        for short in 1..=16 {
            assert_eq!(Layout::new(528 + short, 528), None);
        }
        assert!(Layout::new(528 + 17, 528).is_some());
        assert_eq!(Layout::for_data(0, 528), None);
        assert_eq!(Layout::for_data(u32::MAX, 528), None);
        assert_eq!(Layout::new(MAX_PAYLOAD + 1, 528), None);
    }

    #[test]
    fn one_chunk_pays_nothing() {
        assert_eq!(Layout::for_data(528, 528).unwrap().payload_size(), 528);
        assert_eq!(Layout::for_data(529, 528).unwrap().payload_size(), 545);
    }
}

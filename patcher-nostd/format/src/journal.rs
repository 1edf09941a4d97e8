//! The journal on flash: page headers and records that say how far an update has come.
//!
//! Written by the patcher behind each checkpoint, read by it after a reset.
//! The engine has no part in it. Invariants (J2): a header or record is written once,
//! as whole program units, holds its own checksum, and is either valid as a whole or
//! not there; nothing is ever cleared by overwriting. A page header repeats the latest
//! mark, so one page is enough to resume from. SPEC §10.
//!
//! ```text
//! page header, 92 bytes                 progress, 16 bytes    reset, 72 bytes
//!  0 "DMJ1"                              0 'P'                 0 'R'
//!  4 epoch u32                           1 zero                1 zero
//!  8 binding, 16 bytes                   2 sequence u16        2 sequence u16
//! 24 frontier u32                        4 epoch u32           4 epoch u32
//! 28 1 = a reset point follows, u32      8 frontier u32        8 frontier u32
//! 32 reset point (40) and link (16)     12 CRC-32             12 reset point (40)
//!    or 56 zero bytes                                         52 link (16)
//! 88 CRC-32                                                   68 CRC-32
//!
//! reset point: new_pos u32, payload_pos u32, op state 8 x u32
//! ```
//! Each is padded with zero bytes to whole program units.
//!
//! [`Header`] and [`Record`] are for those who look at a journal from outside. The patcher
//! works on the [`words`] that they are made of, which takes a device less code.

use crate::chain::Link;
use crate::codec::ResumePoint;
use crate::le::{Reader, Writer};

/// Bytes of a page header before padding.
pub const HEADER_BYTES: usize = 92;

/// Bytes of a progress record before padding.
pub const PROGRESS_BYTES: usize = 16;

/// Bytes of a reset record before padding.
pub const RESET_BYTES: usize = 72;

/// Bytes of the digest that ties a journal to one update.
pub const BINDING_BYTES: usize = 16;

const MAGIC: [u8; 4] = *b"DMJ1";
const PROGRESS: u8 = b'P';
const RESET: u8 = b'R';

/// What a journal belongs to: first 16 bytes of the SHA-256 of [`binding_message`].
pub type Binding = [u8; BINDING_BYTES];

/// A place where decoding can start again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResetMark {
    /// Where the decoder continues.
    pub point: ResumePoint,
    /// Digest of the chunk that holds `point.payload_pos`.
    pub link: Link,
}

/// How far an update has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    /// New-image bytes that are safely in the slot: the end of a finished erase block, a
    /// checkpoint inside one that may be gone on with, or 0.
    pub frontier: u32,
    /// The latest usable reset point; its `new_pos` is at most `frontier`.
    pub reset: Option<ResetMark>,
}

/// A page header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Grows by one with each page opened; the largest valid one counts.
    pub epoch: u32,
    /// The update this page belongs to.
    pub binding: Binding,
    /// How far the update was when the page was opened.
    pub mark: Mark,
}

/// A record: the mark since the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Epoch of the page it stands in.
    pub epoch: u32,
    /// Number of the record in its page.
    pub sequence: u16,
    /// The mark; `reset` is `None` where the one before still holds.
    pub mark: Mark,
}

/// Length of a structure of `len` bytes in whole program units.
pub const fn padded(len: usize, write_size: usize) -> usize {
    match write_size {
        0 => len,
        w => len.div_ceil(w) * w,
    }
}

/// Smallest usable journal page: header and four reset records. More makes pages
/// change less often.
pub const fn min_page_bytes(write_size: usize) -> usize {
    padded(HEADER_BYTES, write_size) + 4 * padded(RESET_BYTES, write_size)
}

/// Bytes of [`binding_message`].
pub const BINDING_MESSAGE: usize = 48;

/// The bytes whose digest is the [`Binding`]: another patch, another slot or another
/// cut of the slot makes another journal. The old image is in the manifest.
pub fn binding_message(
    envelope_digest: &[u8; 32],
    slot_size: u32,
    write_size: u32,
    first_block: u32,
    new_offset: u32,
) -> [u8; BINDING_MESSAGE] {
    let mut out = [0u8; BINDING_MESSAGE];
    if let Some(digest) = out.first_chunk_mut() {
        *digest = *envelope_digest;
    }
    bind(&mut out, &[slot_size, write_size, first_block, new_offset]);
    out
}

/// Makes the [`binding_message`] of one that has no more than the envelope's digest; `slot` is
/// what else that takes, in its order.
pub fn bind(message: &mut [u8; BINDING_MESSAGE], slot: &[u32; 4]) {
    if let Some((_, numbers)) = message.split_first_chunk_mut::<32>() {
        words::write(numbers, slot);
    }
}

impl Header {
    /// Reads a page header from the front of `bytes`; `None` if there is no valid one.
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        let mut r = Reader(checked(bytes, HEADER_BYTES)?);
        if r.array()? != &MAGIC {
            return None;
        }
        let epoch = r.u32()?;
        let binding = *r.array()?;
        let frontier = r.u32()?;
        let present = r.u32()?;
        let reset = get_reset(&mut r)?;
        let reset = match present {
            0 if reset == NO_RESET => None,
            1 => Some(reset),
            _ => return None,
        };
        Some(Header {
            epoch,
            binding,
            mark: Mark { frontier, reset },
        })
    }

    /// Writes the header, padded to whole program units; gives the length.
    pub fn emit(&self, write_size: usize, out: &mut [u8]) -> Option<usize> {
        let mut w = Writer::new(out);
        w.bytes(&MAGIC)?;
        w.u32(self.epoch)?;
        w.bytes(&self.binding)?;
        w.u32(self.mark.frontier)?;
        w.u32(u32::from(self.mark.reset.is_some()))?;
        put_reset(&mut w, &self.mark.reset.unwrap_or(NO_RESET))?;
        seal(w, HEADER_BYTES, write_size)
    }
}

impl Record {
    /// Reads a record from the front of `bytes`: the record and its length before
    /// padding; `None` if there is no valid one.
    pub fn parse(bytes: &[u8]) -> Option<(Record, usize)> {
        let len = match *bytes.first()? {
            PROGRESS => PROGRESS_BYTES,
            RESET => RESET_BYTES,
            _ => return None,
        };
        let mut r = Reader(checked(bytes, len)?);
        r.u8()?;
        if r.u8()? != 0 {
            return None;
        }
        let sequence = r.u16()?;
        let epoch = r.u32()?;
        let frontier = r.u32()?;
        let reset = if len == RESET_BYTES {
            Some(get_reset(&mut r)?)
        } else {
            None
        };
        let record = Record {
            epoch,
            sequence,
            mark: Mark { frontier, reset },
        };
        Some((record, len))
    }

    /// Whether `bytes` begin like a record of [`RESET_BYTES`].
    pub fn is_long(bytes: &[u8]) -> bool {
        bytes.first() == Some(&RESET)
    }

    /// Writes the record, padded to whole program units; gives the length.
    pub fn emit(&self, write_size: usize, out: &mut [u8]) -> Option<usize> {
        let mut w = Writer::new(out);
        let (kind, len) = match self.mark.reset {
            Some(_) => (RESET, RESET_BYTES),
            None => (PROGRESS, PROGRESS_BYTES),
        };
        w.u8(kind)?;
        w.u8(0)?;
        w.u16(self.sequence)?;
        w.u32(self.epoch)?;
        w.u32(self.mark.frontier)?;
        if let Some(reset) = &self.mark.reset {
            put_reset(&mut w, reset)?;
        }
        seal(w, len, write_size)
    }
}

const NO_RESET: ResetMark = ResetMark {
    point: ResumePoint {
        new_pos: 0,
        payload_pos: 0,
        op: [0; 8],
    },
    link: [0; 16],
};

fn get_reset(r: &mut Reader<'_>) -> Option<ResetMark> {
    let mut point = ResumePoint {
        new_pos: r.u32()?,
        payload_pos: r.u32()?,
        op: [0; 8],
    };
    for word in &mut point.op {
        *word = r.u32()?;
    }
    let link = *r.array()?;
    Some(ResetMark { point, link })
}

fn put_reset(w: &mut Writer<'_>, reset: &ResetMark) -> Option<()> {
    w.u32(reset.point.new_pos)?;
    w.u32(reset.point.payload_pos)?;
    for word in reset.point.op {
        w.u32(word)?;
    }
    w.bytes(&reset.link)
}

/// The first `len` bytes without their checksum, if the checksum holds.
fn checked(bytes: &[u8], len: usize) -> Option<&[u8]> {
    let (body, crc) = bytes.get(..len)?.split_last_chunk::<4>()?;
    (Reader(crc).u32()? == crc32(body)).then_some(body)
}

/// Adds checksum and padding.
fn seal(mut w: Writer<'_>, len: usize, write_size: usize) -> Option<usize> {
    let crc = crc32(w.written());
    w.u32(crc)?;
    if w.written().len() != len {
        return None;
    }
    let total = padded(len, write_size);
    for _ in len..total {
        w.u8(0)?;
    }
    Some(total)
}

/// Headers and records as little-endian words: what the patcher reads, keeps and writes.
pub mod words {
    use super::{HEADER_BYTES, MAGIC, PROGRESS_BYTES, RESET_BYTES};
    use crate::le;

    /// Words of a page header.
    pub const HEADER: usize = HEADER_BYTES / 4;
    /// Words of a progress record.
    pub const PROGRESS: usize = PROGRESS_BYTES / 4;
    /// Words of a reset record.
    pub const RESET: usize = RESET_BYTES / 4;
    /// What the first word of a progress record begins with; the sequence number follows.
    pub const PROGRESS_KIND: u32 = super::PROGRESS as u32;
    /// What the first word of a reset record begins with.
    pub const RESET_KIND: u32 = super::RESET as u32;
    /// Place of the epoch, in headers and records.
    pub const EPOCH: usize = 1;
    /// In headers: place of the binding.
    pub const BINDING: usize = 2;
    /// In headers: place of the frontier, behind the binding; the mark begins here.
    pub const FRONTIER: usize = 6;
    /// In headers: place of what says whether there is a reset point.
    pub const PRESENT: usize = 7;
    /// In headers: place of the reset point and its link.
    pub const POINT: usize = 8;
    /// Words of a reset point and its link.
    pub const POINT_WORDS: usize = END - POINT;
    /// In headers: place of the checksum, behind the mark.
    pub const END: usize = HEADER - 1;
    /// In records: place of the frontier.
    pub const RECORD_FRONTIER: usize = 2;
    /// In reset records: place of the reset point and its link.
    pub const RECORD_POINT: usize = 3;
    /// In reset records: place of the checksum, behind the reset point.
    pub const RECORD_END: usize = RESET - 1;

    /// Bytes as words, as many as there are of both.
    pub fn read(words: &mut [u32], bytes: &[u8]) {
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = le::word(*bytes);
        }
    }

    /// Words as bytes, as many as there are of both.
    pub fn write(bytes: &mut [u8], words: &[u32]) {
        for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = le::word_bytes(*word);
        }
    }

    /// Copies the first `N` words, if there are so many in both.
    pub fn copy<const N: usize>(to: &mut [u32], from: &[u32]) {
        if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk()) {
            *to = *from;
        }
    }

    /// Puts the checksum into the last word.
    pub fn seal(words: &mut [u32]) {
        let crc = checksum(words);
        if let Some(last) = words.last_mut() {
            *last = crc;
        }
    }

    /// Whether the last word is the checksum.
    pub fn is_sealed(words: &[u32]) -> bool {
        words.last() == Some(&checksum(words))
    }

    /// Makes a header of one whose other fields are filled in.
    pub fn begin(header: &mut [u32; HEADER]) {
        header[0] = le::word(MAGIC);
    }

    /// Whether this is a header, its checksum aside.
    pub fn is_header(header: &[u32; HEADER]) -> bool {
        let absent = || header[POINT..END].iter().all(|&word| word == 0);
        header[0] == le::word(MAGIC) && (header[PRESENT] == 1 || header[PRESENT] == 0 && absent())
    }

    /// CRC-32 of all words but the last: [`super::crc32`], a word at a time.
    #[inline(never)]
    fn checksum(words: &[u32]) -> u32 {
        let mut crc = !0;
        if let Some((_, words)) = words.split_last() {
            for word in words {
                crc ^= word;
                for _ in 0..32 {
                    crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
                }
            }
        }
        !crc
    }
}

/// CRC-32 (IEEE 802.3, reflected). Bit by bit: records are short and rare, a table
/// would cost more flash than it saves time.
pub fn crc32(bytes: &[u8]) -> u32 {
    !crc32_from(!0, bytes)
}

/// The register of a CRC-32 behind `bytes`, from `register` on; [`crc32`] begins with all
/// ones and complements what comes out.
pub fn crc32_from(register: u32, bytes: &[u8]) -> u32 {
    let mut crc = register;
    for b in bytes {
        crc ^= u32::from(*b);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    crc
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    const MARK: ResetMark = ResetMark {
        point: ResumePoint {
            new_pos: 0x0403_0201,
            payload_pos: 0x0807_0605,
            op: [1, 2, 3, 4, 5, 6, 7, u32::MAX],
        },
        link: [0xee; 16],
    };

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn progress_byte_by_byte() {
        let record = Record {
            epoch: 0x0d0c_0b0a,
            sequence: 0x0201,
            mark: Mark {
                frontier: 0x1000,
                reset: None,
            },
        };
        let mut out = [0u8; 32];
        assert_eq!(record.emit(32, &mut out), Some(32));
        let body = [b'P', 0, 1, 2, 0x0a, 0x0b, 0x0c, 0x0d, 0, 0x10, 0, 0];
        assert_eq!(out[..12], body);
        assert_eq!(out[12..16], crc32(&body).to_le_bytes());
        assert_eq!(out[16..], [0; 16]);
        assert_eq!(Record::parse(&out), Some((record, PROGRESS_BYTES)));
    }

    #[test]
    fn words_and_structures_are_the_same_bytes() {
        for reset in [None, Some(MARK)] {
            let mark = Mark {
                frontier: 8192,
                reset,
            };
            let header = Header {
                epoch: 9,
                binding: [5; 16],
                mark,
            };
            let mut out = [0u8; HEADER_BYTES];
            assert_eq!(header.emit(1, &mut out), Some(HEADER_BYTES));
            let mut words = [0; words::HEADER];
            words::read(&mut words, &out);
            assert!(words::is_sealed(&words) && words::is_header(&words));
            assert_eq!(words[words::EPOCH], 9);
            assert_eq!(words[words::BINDING..words::FRONTIER], [0x0505_0505; 4]);
            assert_eq!(words[words::FRONTIER], 8192);
            assert_eq!(words[words::PRESENT], u32::from(reset.is_some()));
            let mut back = [0u8; HEADER_BYTES];
            (words[0], words[words::HEADER - 1]) = (0, 0);
            words::begin(&mut words);
            words::seal(&mut words);
            words::write(&mut back, &words);
            assert_eq!(back, out);
            words[words::PRESENT] = 2;
            assert!(!words::is_header(&words) && !words::is_sealed(&words));
            words[words::PRESENT] = 0;
            assert_eq!(words::is_header(&words), reset.is_none());
            let record = Record {
                epoch: 9,
                sequence: 3,
                mark,
            };
            let len = record.emit(1, &mut out).unwrap();
            let mut words = [0; words::RESET];
            words::read(&mut words, &out[..len]);
            let (kind, count) = match reset {
                None => (words::PROGRESS_KIND, words::PROGRESS),
                Some(_) => (words::RESET_KIND, words::RESET),
            };
            assert!(words::is_sealed(&words[..count]));
            assert_eq!(words[0], kind | 3 << 16);
            assert_eq!(words[words::EPOCH], 9);
            assert_eq!(words[words::RECORD_FRONTIER], 8192);
            if let Some(mark) = reset {
                assert_eq!(words[words::RECORD_POINT], mark.point.new_pos);
                assert_eq!(
                    words[words::RECORD_END - 4..words::RECORD_END],
                    [0xeeee_eeee; 4]
                );
            }
        }
    }

    #[test]
    fn headers_and_records_come_back_and_no_flipped_bit_passes() {
        for reset in [None, Some(MARK)] {
            let mark = Mark {
                frontier: 8192,
                reset,
            };
            let header = Header {
                epoch: 9,
                binding: [5; 16],
                mark,
            };
            let record = Record {
                epoch: 9,
                sequence: 3,
                mark,
            };
            for write_size in [1usize, 4, 8, 16, 32, 256] {
                let mut out = [0u8; 256];
                let len = header.emit(write_size, &mut out).unwrap();
                assert_eq!(
                    (len, len % write_size),
                    (padded(HEADER_BYTES, write_size), 0)
                );
                assert_eq!(Header::parse(&out[..len]), Some(header));
                assert_eq!(header.emit(write_size, &mut out[..len - 1]), None);
            }
            let mut out = [0u8; 96];
            let len = header.emit(1, &mut out).unwrap();
            for bit in 0..len * 8 {
                let mut bad = out;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Header::parse(&bad), None);
            }
            assert_eq!(Header::parse(&out[..len - 1]), None);
            let len = record.emit(1, &mut out).unwrap();
            assert_eq!(Record::parse(&out), Some((record, len)));
            for bit in 0..len * 8 {
                let mut bad = out;
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Record::parse(&bad), None);
            }
            assert_eq!(Record::parse(&out[..len - 1]), None);
        }
        for blank in [[0u8; 96], [0xff; 96]] {
            assert_eq!(Header::parse(&blank), None);
            assert_eq!(Record::parse(&blank), None);
        }
    }
}

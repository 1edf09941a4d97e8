//! Intel HEX: one record per line, `:LLAAAATT<data>CC`.
//!
//! Fed with a text file; feeds [`Sparse`]. Record types 00 to 05; the checksum of
//! every record and the end record must be there, so a cut-off file is noticed.

use super::Reading;
use super::error::{ImageError, ImageErrorKind, Place};
use super::sparse::Sparse;

/// Longest record: count, address, type, 255 bytes, checksum.
const MAX_RECORD_BYTES: usize = 1 + 2 + 1 + 255 + 1;

/// How the 16 address bits of a record become an address.
#[derive(Clone, Copy)]
enum Upper {
    /// Added to the record's address, which wraps within 64 KiB (type 02).
    Segment(u32),
    /// The high 16 bits (type 04).
    Linear(u32),
}

pub(super) fn read(file: &[u8]) -> Result<Reading, ImageError> {
    let mut sparse = Sparse::default();
    let mut upper = Upper::Linear(0);
    let mut entry = None;
    let mut ended = false;
    let mut last = 0;
    for (i, line) in file.split(|&b| b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        last = i + 1;
        let place = Place::Line(last);
        if ended {
            return Err(ImageError::malformed(place, "data after the end record"));
        }
        let mut buffer = [0; MAX_RECORD_BYTES];
        let (at, kind, data) = record(line, &mut buffer, place)?;
        match (kind, data) {
            (0, data) => push(&mut sparse, upper, at, data, place)?,
            (1, []) => ended = true,
            (2, [hi, lo]) => upper = Upper::Segment(u32::from_be_bytes([0, 0, *hi, *lo]) << 4),
            (4, [hi, lo]) => upper = Upper::Linear(u32::from_be_bytes([*hi, *lo, 0, 0])),
            (3, [a, b, c, d]) => {
                let (cs, ip) = ([0, 0, *a, *b], [0, 0, *c, *d]);
                let linear = (u32::from_be_bytes(cs) << 4).wrapping_add(u32::from_be_bytes(ip));
                entry = Some(u64::from(linear));
            }
            (5, [a, b, c, d]) => entry = Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d]))),
            (1..=5, _) => {
                let what = format!("a record of type {kind:02} with {} data bytes", data.len());
                return Err(ImageError::malformed(place, what));
            }
            (0x0a..=0x0e, _) => {
                return Err(ImageError::new(
                    ImageErrorKind::Unsupported,
                    place,
                    "a universal hex file holds images for several boards",
                    "extract the image for one board first",
                ));
            }
            _ => {
                let what = format!("unknown record type {kind:02x}");
                return Err(ImageError::malformed(place, what));
            }
        }
    }
    if !ended {
        let what = "the file ends without an end record (:00000001FF)";
        return Err(ImageError::malformed(Place::Line(last), what));
    }
    let mut reading = sparse.into_reading()?;
    reading.entry = entry;
    Ok(reading)
}

/// Address bits, type and data of the record in `line`.
fn record<'b>(
    line: &[u8],
    buffer: &'b mut [u8; MAX_RECORD_BYTES],
    place: Place,
) -> Result<(u16, u8, &'b [u8]), ImageError> {
    let Some((b':', digits)) = line.split_first() else {
        return Err(ImageError::malformed(place, "does not start with ':'"));
    };
    let record = super::hex_digits(digits, buffer)
        .ok_or_else(|| ImageError::malformed(place, "is not a whole number of hex bytes"))?;
    let [count, hi, lo, kind, rest @ ..] = record else {
        return Err(ImageError::malformed(place, "the record is too short"));
    };
    let Some((checksum, data)) = rest.split_last() else {
        return Err(ImageError::malformed(place, "the record has no checksum"));
    };
    if data.len() != usize::from(*count) {
        let what = format!("says {count} data bytes and has {}", data.len());
        return Err(ImageError::malformed(place, what));
    }
    let sum = record.iter().fold(0u8, |s, b| s.wrapping_add(*b));
    if sum != 0 {
        let right = checksum.wrapping_sub(sum);
        let what = format!("the checksum is {checksum:02X}, should be {right:02X}");
        return Err(ImageError::malformed(place, what));
    }
    Ok((u16::from_be_bytes([*hi, *lo]), *kind, data))
}

fn push(
    sparse: &mut Sparse,
    upper: Upper,
    at: u16,
    data: &[u8],
    place: Place,
) -> Result<(), ImageError> {
    let at = u32::from(at);
    match upper {
        Upper::Linear(high) => {
            let start = high | at;
            if u64::from(start) + data.len() as u64 > 1 << 32 {
                let what = "the data runs over the end of the address space";
                return Err(ImageError::malformed(place, what));
            }
            sparse.push(start, data, place);
        }
        Upper::Segment(base) => {
            // The old 8086 rule: offsets wrap to the start of the segment.
            let (low, wrapped) = data.split_at(data.len().min(0x1_0000 - at as usize));
            sparse.push(base + at, low, place);
            sparse.push(base, wrapped, place);
        }
    }
    Ok(())
}

/// `bytes` at `base` as Intel HEX text.
#[cfg(test)]
pub(super) fn emit(base: u32, bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let mut line = |kind: u8, at: u16, data: &[u8]| {
        let [hi, lo] = at.to_be_bytes();
        let mut sum = 0u8;
        text.push(':');
        for b in [data.len() as u8, hi, lo, kind].iter().chain(data) {
            sum = sum.wrapping_add(*b);
            let _ = write!(text, "{b:02X}");
        }
        let _ = write!(text, "{:02X}\r\n", sum.wrapping_neg());
    };
    for (i, chunk) in bytes.chunks(16).enumerate() {
        let at = base + 16 * i as u32;
        if i == 0 || at & 0xffff < 16 {
            line(4, 0, &((at >> 16) as u16).to_be_bytes());
        }
        line(0, at as u16, chunk);
    }
    line(1, 0, &[]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Intel HEX article, with an extended address and an entry.
    const SAMPLE: &str = ":020000040800F2\n:10010000214601360121470136007EFE09D2190140\r\n\n\
                          :0400000508000101ED\n:00000001FF\n";

    #[test]
    fn reads_the_sample() {
        let r = read(SAMPLE.as_bytes()).unwrap();
        assert_eq!(r.base, Some(0x0800_0100));
        assert_eq!(r.entry, Some(0x0800_0101));
        assert_eq!(r.bytes.unwrap()[..4], [0x21, 0x46, 0x01, 0x36]);
    }

    #[test]
    fn every_fault_names_its_line() {
        let cases: [(&str, usize, &str); 7] = [
            (
                ":020000040800F3\n:00000001FF\n",
                1,
                "checksum is F3, should be F2",
            ),
            (":020000040800F2\n", 1, "without an end record"),
            (":00000001FF\n:00000001FF\n", 2, "after the end record"),
            (
                ":0100000041\n:00000001FF\n",
                1,
                "says 1 data bytes and has 0",
            ),
            (":020000040800F\n", 1, "whole number of hex bytes"),
            ("\n\nhello\n", 3, "does not start with ':'"),
            (":00000009F7\n", 1, "unknown record type 09"),
        ];
        for (text, line, words) in cases {
            let e = read(text.as_bytes()).err().unwrap();
            assert_eq!(e.place(), Place::Line(line), "{text}");
            assert!(e.to_string().contains(words), "{e}");
        }
    }

    #[test]
    fn segment_addresses_wrap() {
        // 2 bytes at 0x1000:0xFFFF: the second wraps to 0x1000:0x0000.
        let r = read(b":020000021000EC\n:02FFFF00AABB9B\n:00000001FF\n").unwrap();
        assert_eq!(r.base, Some(0x1_0000));
        let bytes = r.bytes.unwrap();
        assert_eq!(
            (bytes.len(), bytes[0], bytes[0xffff]),
            (0x1_0000, 0xbb, 0xaa)
        );
    }

    #[test]
    fn universal_hex_is_named() {
        let e = read(b":0400000A9900C0DEBB\n").err().unwrap();
        assert_eq!(e.kind(), ImageErrorKind::Unsupported);
    }
}

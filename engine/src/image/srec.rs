//! Motorola S-record: one record per line, `S<type><count><address><data><sum>`.
//!
//! Fed with a text file; feeds [`Sparse`]. Data records S1, S2, S3 (16, 24, 32 address
//! bits); S0 is a comment, S5/S6 count data records, S7, S8, S9 end the file.

use super::Reading;
use super::error::{ImageError, Place};
use super::sparse::Sparse;

/// Longest record: count byte and the 255 bytes it can count.
const MAX_RECORD_BYTES: usize = 256;

pub(super) fn read(file: &[u8]) -> Result<Reading, ImageError> {
    let mut sparse = Sparse::default();
    let mut data_records = 0u32;
    let mut entry = None;
    let mut last = 0;
    for (i, line) in file.split(|&b| b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        last = i + 1;
        let place = Place::Line(last);
        if entry.is_some() {
            return Err(ImageError::malformed(place, "data after the end record"));
        }
        let mut buffer = [0; MAX_RECORD_BYTES];
        let (kind, address, data) = record(line, &mut buffer, place)?;
        match kind {
            b'0' => {}
            b'1'..=b'3' => {
                if u64::from(address) + data.len() as u64 > 1 << 32 {
                    let what = "the data runs over the end of the address space";
                    return Err(ImageError::malformed(place, what));
                }
                sparse.push(address, data, place);
                data_records = data_records.wrapping_add(1);
            }
            b'5' | b'6' => {
                let bits = if kind == b'5' { 16 } else { 24 };
                if address != data_records & ((1 << bits) - 1) {
                    let what = format!(
                        "says {address} data records came before it, there were {data_records}"
                    );
                    return Err(ImageError::malformed(place, what));
                }
            }
            _ => entry = Some(u64::from(address)),
        }
    }
    if entry.is_none() {
        let what = "the file ends without an end record (S7, S8 or S9)";
        return Err(ImageError::malformed(Place::Line(last), what));
    }
    let mut reading = sparse.into_reading()?;
    // Zero is what linkers write when they know no entry.
    reading.entry = entry.filter(|&e| e != 0);
    Ok(reading)
}

/// Type digit, address (or count) and data of the record in `line`.
fn record<'b>(
    line: &[u8],
    buffer: &'b mut [u8; MAX_RECORD_BYTES],
    place: Place,
) -> Result<(u8, u32, &'b [u8]), ImageError> {
    let [b'S', kind, digits @ ..] = line else {
        return Err(ImageError::malformed(place, "does not start with 'S'"));
    };
    let address_len = match kind {
        b'0' | b'1' | b'5' | b'9' => 2,
        b'2' | b'6' | b'8' => 3,
        b'3' | b'7' => 4,
        _ => {
            let what = format!("unknown record type S{}", char::from(*kind));
            return Err(ImageError::malformed(place, what));
        }
    };
    let record = super::hex_digits(digits, buffer)
        .ok_or_else(|| ImageError::malformed(place, "is not a whole number of hex bytes"))?;
    let Some((&count, body)) = record.split_first() else {
        return Err(ImageError::malformed(place, "the record is too short"));
    };
    if body.len() != usize::from(count) {
        let what = format!("says {count} bytes and has {}", body.len());
        return Err(ImageError::malformed(place, what));
    }
    // All bytes, checksum included, sum to 0xFF.
    let sum = record.iter().fold(0u8, |s, b| s.wrapping_add(*b));
    let Some((checksum, body)) = body.split_last() else {
        return Err(ImageError::malformed(place, "the record has no checksum"));
    };
    if sum != 0xff {
        let right = checksum.wrapping_add(0xffu8.wrapping_sub(sum));
        let what = format!("the checksum is {checksum:02X}, should be {right:02X}");
        return Err(ImageError::malformed(place, what));
    }
    if body.len() < address_len {
        return Err(ImageError::malformed(place, "the record is too short"));
    }
    let (address, data) = body.split_at(address_len);
    let address = address.iter().fold(0, |a, b| a << 8 | u32::from(*b));
    Ok((*kind, address, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Wikipedia example.
    const SAMPLE: &str = "S00F000068656C6C6F202020202000003C\n\
        S11F00007C0802A6900100049421FFF07C6C1B787C8C23783C6000003863000026\n\
        S11F001C4BFFFFE5398000007D83637880010014382100107C0803A64E800020E9\n\
        S111003848656C6C6F20776F726C642E0A0042\n\
        S5030003F9\n\
        S9030000FC\n";

    #[test]
    fn reads_the_sample() {
        let r = read(SAMPLE.as_bytes()).unwrap();
        let bytes = r.bytes.unwrap();
        assert_eq!((r.base, r.entry, bytes.len()), (Some(0), None, 0x46));
        assert!(bytes.ends_with(b"Hello world.\n\0"));
    }

    #[test]
    fn every_fault_names_its_line() {
        let cut = &SAMPLE[..SAMPLE.len() - 11];
        assert!(err(cut, 5).contains("without an end record"));
        let text = SAMPLE.replace("S5030003F9", "S5030002FA");
        assert!(err(&text, 5).contains("says 2 data records"));
        let text = SAMPLE.replace("0A0042", "0B0042");
        assert!(err(&text, 4).contains("should be 41"), "{}", err(&text, 4));
        assert!(err("S4030000FC\n", 1).contains("unknown record type S4"));
        assert!(err(&format!("{SAMPLE}S9030000FC\n"), 7).contains("after the end"));
    }

    fn err(text: &str, line: usize) -> String {
        let e = read(text.as_bytes()).err().unwrap();
        assert_eq!(e.place(), Place::Line(line), "{e}");
        e.to_string()
    }
}

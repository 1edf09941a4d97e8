//! Silicon Labs GBL: a stream of tags, each `tag u32, length u32, value`.
//!
//! Fed with the file; feeds [`super::Image`]. The image is the program data: 4 bytes of
//! flash address, then the bytes, per program tag; several tags are joined like the
//! records of a HEX file. Order and end tag (with the CRC of all before) are checked.

use super::error::{ImageError, ImageErrorKind, Place};
use super::sparse::Sparse;
use super::{Reading, le};

pub(super) const TAG_HEADER: u32 = 0x03a6_17eb;
const TAG_END: u32 = 0xfc04_04fc;
const TAG_PROGRAM: u32 = 0xfe01_01fe;
const TAG_ERASE_PROGRAM: u32 = 0xfd03_03fd;
const TAG_PROGRAM_LZ4: u32 = 0xfd05_05fd;
const TAG_PROGRAM_LZMA: u32 = 0xfd07_07fd;
const TAG_ENCRYPTED: u32 = 0xf909_09f9;

/// Tag number and length.
const TAG_BYTES: usize = 8;
const ADDRESS_BYTES: usize = 4;

pub(super) fn read(file: &[u8]) -> Result<Reading, ImageError> {
    let mut sparse = Sparse::default();
    let mut at = 0;
    loop {
        let place = Place::Offset(at);
        let (tag, value) = parse_tag(file, at)
            .ok_or_else(|| ImageError::malformed(place, "the tag runs beyond the end"))?;
        match tag {
            TAG_PROGRAM | TAG_ERASE_PROGRAM => {
                let Some((address, data)) = value.split_first_chunk::<ADDRESS_BYTES>() else {
                    let what = "a program tag without an address";
                    return Err(ImageError::malformed(place, what));
                };
                let address = u32::from_le_bytes(*address);
                if address.checked_add(data.len() as u32).is_none() {
                    let what = "the data runs over the end of the address space";
                    return Err(ImageError::malformed(place, what));
                }
                sparse.push(address, data, place);
            }
            TAG_PROGRAM_LZ4 | TAG_PROGRAM_LZMA | TAG_ENCRYPTED => {
                return Err(ImageError::new(
                    ImageErrorKind::Unsupported,
                    place,
                    "the program data is compressed or encrypted",
                    "make the GBL file without compression and encryption, or give the .s37",
                ));
            }
            TAG_END => {
                let body = &file[..at + TAG_BYTES];
                if le::u32_at(value, 0) != Some(crc32(body)) {
                    let what = "the CRC in the end tag is not that of the file";
                    return Err(ImageError::malformed(place, what));
                }
                return sparse.into_reading();
            }
            _ => {}
        }
        at += TAG_BYTES + value.len();
    }
}

fn parse_tag(file: &[u8], at: usize) -> Option<(u32, &[u8])> {
    let tag = le::u32_at(file, at)?;
    let len = le::len_at(file, at + 4)?;
    let value = file.get(at + TAG_BYTES..)?.get(..len)?;
    Some((tag, value))
}

/// CRC-32 (IEEE, reflected), bit by bit: these files are small and read once.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| {
            (c >> 1) ^ (0xedb8_8320 & (c & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: u32, value: &[u8]) -> Vec<u8> {
        let mut t = number.to_le_bytes().to_vec();
        t.extend((value.len() as u32).to_le_bytes());
        t.extend(value);
        t
    }

    fn finish(mut file: Vec<u8>) -> Vec<u8> {
        file.extend(TAG_END.to_le_bytes());
        file.extend(4u32.to_le_bytes());
        let crc = crc32(&file);
        file.extend(crc.to_le_bytes());
        file
    }

    #[test]
    fn crc_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn takes_the_program_data() {
        let file = finish(
            [
                tag(TAG_HEADER, &[0, 0, 0, 3, 0, 0, 0, 0]),
                tag(TAG_ERASE_PROGRAM, b"\x00\x40\x00\x00code"),
                tag(0xf608_08f6, b"metadata"),
            ]
            .concat(),
        );
        let r = read(&file).unwrap();
        assert_eq!((r.base, r.bytes.unwrap()), (Some(0x4000), b"code".to_vec()));
        for cut in [3, 8, 20, file.len() - 1] {
            assert!(read(&file[..cut]).is_err(), "cut at {cut}");
        }
        let mut flipped = file;
        flipped[29] ^= 1;
        assert!(read(&flipped).is_err());
    }

    #[test]
    fn compressed_data_is_named() {
        let file = finish(tag(TAG_PROGRAM_LZMA, b"\x00\x40\x00\x00code"));
        assert_eq!(
            read(&file).err().unwrap().kind(),
            ImageErrorKind::Unsupported
        );
    }
}

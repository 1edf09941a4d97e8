//! Espressif application images: a short header, then segments with load addresses.
//!
//! Fed with the raw image; feeds [`super::Container`]. Three layouts are known:
//!
//! ```text
//! ESP32 family   E9 count .. entry(4)  .. 24 bytes, then per segment: address, length, data
//! ESP8266        E9 count .. entry(4)      8 bytes, then the same; flash-mapped code follows
//! ESP8266 "V2"   EA 04 .. entry(4)         8 bytes, one flash-mapped segment, then an E9 image
//! ```
//!
//! A file often holds several (bootloader, application) at 4-KiB boundaries, as they
//! lie in flash; beyond offset 0 only those whose checksum holds are believed.

use deltamote_format::isa::Isa;

use super::{Segment, le};

const MAGIC: u8 = 0xe9;
const MAGIC_V2: u8 = 0xea;
const HEADER_BYTES: usize = 24;
const HEADER_BYTES_8266: usize = 8;
const SEGMENT_HEADER_BYTES: usize = 8;
const MAX_SEGMENTS: u8 = 16;
const CHECKSUM_SEED: u8 = 0xef;
const CHIP_ID_AT: usize = 12;
/// Images start at multiples of this in flash.
const FLASH_SECTOR_BYTES: usize = 4096;
/// Where the ESP8266 maps its flash.
const FLASH_MAP_8266: u32 = 0x4020_0000;
/// Flash offset that the vendor's linker scripts give the first "V2" image.
const SLOT_V2_8266: u32 = 0x1000;
/// No chip of the family loads below or above.
const ADDRESSES: std::ops::Range<u32> = 0x3c00_0000..0x6010_0000;
/// Below lie data buses only.
const CODE_FROM: u32 = 0x4000_0000;

/// The Espressif images in one file, in file order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EspLayout {
    /// At least one.
    pub images: Vec<EspImage>,
}

/// One Espressif image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EspImage {
    /// Where its header is in the file.
    pub offset: usize,
    /// Behind its last segment (for an ESP8266, behind the flash-mapped code).
    pub end: usize,
    /// Address execution starts at.
    pub entry: u32,
    /// Chip number of the header; `None` on an ESP8266, which has no such field.
    pub chip: Option<u16>,
    /// Its segments with bytes in the file.
    pub segments: Vec<Segment>,
}

impl EspLayout {
    /// The instruction set of the chip; `None` for a chip number we do not know.
    pub fn isa(&self) -> Option<Isa> {
        match self.images.first()?.chip {
            None | Some(0 | 2 | 9) => Some(Isa::Xtensa),
            Some(5 | 12 | 13 | 16 | 18 | 20 | 23 | 25) => Some(Isa::RiscV),
            Some(_) => None,
        }
    }

    /// All segments, in file order.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let all = self.images.iter().flat_map(|i| &i.segments);
        all.copied().collect()
    }
}

/// The Espressif images in `bytes`.
pub(super) fn find(bytes: &[u8]) -> Option<EspLayout> {
    let mut images: Vec<EspImage> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let found = at_offset(bytes, at).filter(|i| {
            let same_chip = images.first().is_none_or(|first| first.chip == i.chip);
            same_chip && (i.offset == 0 || checksum_holds(bytes, i))
        });
        at = match &found {
            Some(i) => i.end.next_multiple_of(FLASH_SECTOR_BYTES),
            None => at + FLASH_SECTOR_BYTES,
        };
        images.extend(found);
    }
    (!images.is_empty()).then_some(EspLayout { images })
}

fn at_offset(bytes: &[u8], offset: usize) -> Option<EspImage> {
    match *bytes.get(offset)? {
        MAGIC => {
            with_header(bytes, offset, HEADER_BYTES).or_else(|| with_flash_tail(bytes, offset))
        }
        // Its flash-mapped segment has address 0 in the file, the slot is not named:
        // only a file that starts with it says where it lies.
        MAGIC_V2 if offset == 0 => v2(bytes),
        _ => None,
    }
}

fn with_header(bytes: &[u8], offset: usize, header_len: usize) -> Option<EspImage> {
    let count = *bytes.get(offset + 1)?;
    if *bytes.get(offset)? != MAGIC || !(1..=MAX_SEGMENTS).contains(&count) {
        return None;
    }
    let mut segments = Vec::new();
    let mut at = offset + header_len;
    for _ in 0..count {
        let address = le::u32_at(bytes, at).filter(|a| ADDRESSES.contains(a))?;
        let len = le::len_at(bytes, at + 4)?;
        at += SEGMENT_HEADER_BYTES;
        bytes.get(at..)?.get(..len)?;
        if len > 0 {
            segments.push(segment(address, at, len));
        }
        at += len;
    }
    Some(EspImage {
        offset,
        end: at,
        entry: le::u32_at(bytes, offset + 4)?,
        chip: (header_len == HEADER_BYTES)
            .then(|| le::u16_at(bytes, offset + CHIP_ID_AT))
            .flatten(),
        segments,
    })
}

/// An ESP8266 image at the start of flash: code that runs from flash fills the rest of
/// the file, at the address where the chip maps it.
fn with_flash_tail(bytes: &[u8], offset: usize) -> Option<EspImage> {
    let mut image = with_header(bytes, offset, HEADER_BYTES_8266)?;
    let tail = bytes.len() - image.end;
    if offset == 0 && tail > FLASH_SECTOR_BYTES {
        let address = FLASH_MAP_8266.checked_add(u32::try_from(image.end).ok()?)?;
        image.segments.push(segment(address, image.end, tail));
        image.end = bytes.len();
    }
    Some(image)
}

fn v2(bytes: &[u8]) -> Option<EspImage> {
    let at = HEADER_BYTES_8266 + SEGMENT_HEADER_BYTES;
    let len = le::len_at(bytes, HEADER_BYTES_8266 + 4)?;
    let mut image = with_header(bytes, at.checked_add(len)?, HEADER_BYTES_8266)?;
    let address = FLASH_MAP_8266 + SLOT_V2_8266 + at as u32;
    image.segments.insert(0, segment(address, at, len));
    image.offset = 0;
    Some(image)
}

fn segment(address: u32, offset: usize, len: usize) -> Segment {
    Segment {
        address: u64::from(address),
        offset,
        len,
        executable: address >= CODE_FROM,
    }
}

/// The last byte of the 16-byte block that the segments end in is their exclusive-or.
fn checksum_holds(bytes: &[u8], image: &EspImage) -> bool {
    let sum = image
        .segments
        .iter()
        .filter_map(|s| bytes.get(s.offset..)?.get(..s.len))
        .flatten()
        .fold(CHECKSUM_SEED, |x, b| x ^ b);
    bytes.get(image.end | 15) == Some(&sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(header_len: usize, chip: u8, parts: &[(u32, &[u8])]) -> Vec<u8> {
        let mut b = vec![MAGIC, parts.len() as u8, 2, 0x20, 0x04, 0, 0x08, 0x40];
        b.resize(header_len, 0);
        if header_len == HEADER_BYTES {
            b[CHIP_ID_AT] = chip;
        }
        let mut sum = CHECKSUM_SEED;
        for (address, data) in parts {
            b.extend(address.to_le_bytes());
            b.extend((data.len() as u32).to_le_bytes());
            b.extend(*data);
            sum = data.iter().fold(sum, |x, d| x ^ d);
        }
        b.resize(b.len() | 15, 0);
        b.push(sum);
        b
    }

    #[test]
    fn bootloader_and_application_in_one_file() {
        let mut file = image(24, 5, &[(0x403c_c710, &[1; 40])]);
        file.resize(0x1_0000, 0xff);
        file.extend(image(
            24,
            5,
            &[(0x3c13_0020, &[2; 64]), (0x4200_0020, &[3; 32])],
        ));
        let layout = find(&file).unwrap();
        assert_eq!(layout.isa(), Some(Isa::RiscV));
        assert_eq!(layout.images.len(), 2);
        let segments = layout.segments();
        assert_eq!(segments[1].offset, 0x1_0020);
        assert_eq!(
            segments.iter().map(|s| s.executable).collect::<Vec<_>>(),
            [true, false, true]
        );
        // A wrong checksum: not an image, only bytes that look like one.
        *file.last_mut().unwrap() ^= 1;
        assert_eq!(find(&file).unwrap().images.len(), 1);
    }

    #[test]
    fn esp8266_with_flash_tail() {
        let mut file = image(8, 0, &[(0x4010_0000, &[1; 40])]);
        let end = 8 + 8 + 40;
        file.resize(0x9000, 0xff);
        file.extend([7; 100]);
        let layout = find(&file).unwrap();
        assert_eq!(layout.isa(), Some(Isa::Xtensa));
        let tail = layout.segments()[1];
        assert_eq!(tail.address, 0x4020_0000 + end as u64);
        assert_eq!(tail.offset + tail.len, file.len());
    }

    #[test]
    fn esp8266_v2() {
        let mut file = vec![MAGIC_V2, 4, 0, 1, 4, 0, 0x10, 0x40, 0, 0, 0, 0, 16, 0, 0, 0];
        file.extend([9; 16]);
        file.extend(image(8, 0, &[(0x4010_0000, &[1; 40])]));
        let layout = find(&file).unwrap();
        assert_eq!(layout.segments()[0].address, 0x4020_1010);
        assert_eq!(layout.segments()[0].offset, 16);
        assert_eq!(layout.segments()[1].address, 0x4010_0000);
    }
}

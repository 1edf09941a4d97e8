//! MCUboot images: a header, the body, and areas of type-length-value records.
//!
//! Fed with the raw image; feeds [`super::Container`]. The image proper is header, body
//! and TLVs; what lies behind (padding, the slot trailer) belongs to the bootloader.

use super::le;

const MAGIC: u32 = 0x96f3_b83d;
const HEADER_BYTES: usize = 32;
const TLV_MAGIC: u16 = 0x6907;
const TLV_PROTECTED_MAGIC: u16 = 0x6908;
/// Magic and total length of a TLV area.
const TLV_INFO_BYTES: usize = 4;

/// What an MCUboot header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct McubootImage {
    /// Bytes before the body (padding of the header included).
    pub header_len: usize,
    /// Bytes of the body.
    pub body_len: usize,
    /// Header, body and TLV areas: the image proper.
    pub total_len: usize,
    /// RAM load address; zero where the image runs from flash.
    pub load_address: u32,
    /// Flag bits of the header.
    pub flags: u32,
    /// Major, minor, revision, build.
    pub version: (u8, u8, u16, u32),
}

/// The MCUboot image at the start of `bytes`, if it is whole.
pub(super) fn find(bytes: &[u8]) -> Option<McubootImage> {
    if le::u32_at(bytes, 0)? != MAGIC {
        return None;
    }
    let header_len = usize::from(le::u16_at(bytes, 8)?);
    let body_len = le::len_at(bytes, 12)?;
    let mut end = header_len.checked_add(body_len)?;
    if header_len < HEADER_BYTES || end > bytes.len() {
        return None;
    }
    let protected = usize::from(le::u16_at(bytes, 10)?);
    if protected != 0 {
        let (magic, len) = tlv_info(bytes, end)?;
        if magic != TLV_PROTECTED_MAGIC || len != protected {
            return None;
        }
        end += len;
    }
    // An unsigned image straight from the linker has a header and no TLVs yet.
    if let Some((TLV_MAGIC, len)) = tlv_info(bytes, end) {
        end += len;
    }
    Some(McubootImage {
        header_len,
        body_len,
        total_len: (end <= bytes.len()).then_some(end)?,
        load_address: le::u32_at(bytes, 4)?,
        flags: le::u32_at(bytes, 16)?,
        version: (
            *bytes.get(20)?,
            *bytes.get(21)?,
            le::u16_at(bytes, 22)?,
            le::u32_at(bytes, 24)?,
        ),
    })
}

fn tlv_info(bytes: &[u8], at: usize) -> Option<(u16, usize)> {
    let len = usize::from(le::u16_at(bytes, at + 2)?);
    Some((le::u16_at(bytes, at)?, len)).filter(|_| len >= TLV_INFO_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(protected: u16) -> Vec<u8> {
        let mut b = MAGIC.to_le_bytes().to_vec();
        b.extend(0u32.to_le_bytes());
        b.extend(64u16.to_le_bytes());
        b.extend(protected.to_le_bytes());
        b.extend(100u32.to_le_bytes());
        b.extend(0u32.to_le_bytes());
        b.extend([1, 2, 3, 0, 4, 0, 0, 0]);
        b.resize(164, 0xaa);
        if protected != 0 {
            b.extend(TLV_PROTECTED_MAGIC.to_le_bytes());
            b.extend(protected.to_le_bytes());
            b.resize(164 + usize::from(protected), 0);
        }
        b.extend(TLV_MAGIC.to_le_bytes());
        b.extend(40u16.to_le_bytes());
        b.extend([0; 36]);
        b
    }

    #[test]
    fn header_body_and_tlvs() {
        let mut b = image(0);
        b.resize(4096, 0xff);
        let m = find(&b).unwrap();
        assert_eq!((m.header_len, m.body_len, m.total_len), (64, 100, 204));
        assert_eq!(m.version, (1, 2, 3, 4));
        assert_eq!(find(&image(12)).unwrap().total_len, 216);
    }

    #[test]
    fn anything_cut_off_is_no_mcuboot_image() {
        let b = image(12);
        for len in 0..b.len() {
            // Without the last area it is still an unsigned image.
            let found = find(&b[..len]).map(|m| m.total_len);
            assert!(found.is_none_or(|total| total <= len), "{len}: {found:?}");
        }
        assert!(find(&b[..163]).is_none());
    }
}

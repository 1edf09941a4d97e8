//! UF2: 512-byte blocks, each with its flash address, made for USB drives.
//!
//! Fed with the file; feeds [`Sparse`]. A block:
//!
//! ```text
//! 0 magic "UF2\n"   4 magic   8 flags   12 address   16 payload bytes (<= 476)
//! 20 block number   24 blocks in all    28 family    32 data..508   508 magic
//! ```

use std::collections::BTreeMap;

use super::error::{ImageError, ImageErrorKind, Place};
use super::sparse::Sparse;
use super::{Reading, le};

pub(super) const MAGIC_START: u32 = 0x0a32_4655;
pub(super) const MAGIC_SECOND: u32 = 0x9e5d_5157;
const MAGIC_END: u32 = 0x0ab1_6f30;
const BLOCK_BYTES: usize = 512;
const HEADER_BYTES: usize = 32;
const MAX_PAYLOAD_BYTES: usize = 476;

const FLAG_NOT_MAIN_FLASH: u32 = 0x1;
const FLAG_FILE_CONTAINER: u32 = 0x1000;
const FLAG_FAMILY: u32 = 0x2000;

/// Family of the block that RP2350 tools prepend against erratum E10. Its own count of
/// blocks is not that of the file.
const FAMILY_RP2XXX_ABSOLUTE: u32 = 0xe48b_ff57;

pub(super) fn read(file: &[u8]) -> Result<Reading, ImageError> {
    let mut sparse = Sparse::default();
    // Blocks seen and blocks announced, per family: a file can hold several.
    let mut counts: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for (i, block) in file.chunks(BLOCK_BYTES).enumerate() {
        let place = Place::Offset(i * BLOCK_BYTES);
        let fields = Block::parse(block)
            .ok_or_else(|| ImageError::malformed(place, "is not a whole UF2 block"))?;
        if fields.flags & FLAG_FILE_CONTAINER != 0 {
            return Err(ImageError::new(
                ImageErrorKind::Unsupported,
                place,
                "the UF2 file holds named files, not flash",
                "give the flash image",
            ));
        }
        if fields
            .address
            .checked_add(fields.data.len() as u32)
            .is_none()
        {
            let what = "the block runs over the end of the address space";
            return Err(ImageError::malformed(place, what));
        }
        let seen = counts.entry(fields.family).or_insert((0, fields.blocks));
        seen.0 += 1;
        if seen.1 != fields.blocks {
            let what = format!("says {} blocks, the first said {}", fields.blocks, seen.1);
            return Err(ImageError::malformed(place, what));
        }
        if fields.flags & FLAG_NOT_MAIN_FLASH == 0 {
            sparse.push(fields.address, fields.data, place);
        }
    }
    counts.remove(&FAMILY_RP2XXX_ABSOLUTE);
    if let Some((seen, said)) = counts.values().find(|(seen, said)| seen != said) {
        let what = format!("holds {seen} blocks of the {said} it announces");
        return Err(ImageError::malformed(Place::File, what));
    }
    sparse.into_reading()
}

struct Block<'a> {
    flags: u32,
    address: u32,
    blocks: u32,
    family: u32,
    data: &'a [u8],
}

impl<'a> Block<'a> {
    fn parse(block: &'a [u8]) -> Option<Self> {
        let magics = [(0, MAGIC_START), (4, MAGIC_SECOND), (508, MAGIC_END)];
        if magics
            .iter()
            .any(|&(at, m)| le::u32_at(block, at) != Some(m))
        {
            return None;
        }
        let flags = le::u32_at(block, 8)?;
        let len = le::len_at(block, 16).filter(|&l| l <= MAX_PAYLOAD_BYTES)?;
        Some(Block {
            flags,
            address: le::u32_at(block, 12)?,
            blocks: le::u32_at(block, 24)?,
            // Without the flag the field is the file size: all blocks are one family.
            family: le::u32_at(block, 28)
                .filter(|_| flags & FLAG_FAMILY != 0)
                .unwrap_or(0),
            data: block.get(HEADER_BYTES..HEADER_BYTES + len)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: u32, number: u32, blocks: u32, data: &[u8]) -> Vec<u8> {
        let words = [
            MAGIC_START,
            MAGIC_SECOND,
            FLAG_FAMILY,
            address,
            data.len() as u32,
            number,
            blocks,
            0xe48b_ff56,
        ];
        let mut b: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        b.extend_from_slice(data);
        b.resize(508, 0);
        b.extend_from_slice(&MAGIC_END.to_le_bytes());
        b
    }

    #[test]
    fn reads_blocks_in_any_order() {
        let mut file = block(0x1000_0100, 1, 2, &[2; 256]);
        file.extend(block(0x1000_0000, 0, 2, &[1; 256]));
        let r = read(&file).unwrap();
        assert_eq!(r.base, Some(0x1000_0000));
        assert_eq!(r.bytes.unwrap(), [[1; 256], [2; 256]].concat());
    }

    #[test]
    fn a_missing_block_and_a_cut_one_are_noticed() {
        let mut file = block(0x1000_0000, 0, 2, &[1; 256]);
        let e = read(&file).err().unwrap().to_string();
        assert!(e.contains("1 blocks of the 2"), "{e}");
        file.extend(&block(0x1000_0100, 1, 2, &[2; 256])[..511]);
        let e = read(&file).err().unwrap();
        assert_eq!(e.place(), Place::Offset(512));
    }

    #[test]
    fn blocks_for_other_memory_are_skipped() {
        let mut other = block(0x2000_0000, 1, 2, &[2; 256]);
        other[8] |= FLAG_NOT_MAIN_FLASH as u8;
        let file = [block(0x1000_0000, 0, 2, &[1; 16]), other].concat();
        assert_eq!(read(&file).unwrap().bytes.unwrap(), [1; 16]);
    }
}

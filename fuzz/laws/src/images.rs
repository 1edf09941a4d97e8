//! Readers of firmware files.

use arbitrary::Unstructured;
use deltamote_engine::image::{Container, Format, Image, Segment};

/// Whatever a reader accepts: its segments lie inside the image, what is found at the
/// address of a byte has that address, and where no segments overlap it is that byte.
pub fn images_stay_inside(data: &[u8]) {
    let Ok(image) = Image::from_bytes(data.to_vec()) else {
        return;
    };
    let len = image.bytes().len();
    assert!(len > 0, "an accepted image has bytes");
    for segment in image.segments() {
        let end = segment.offset.checked_add(segment.len);
        assert!(end.is_some_and(|end| end <= len), "{segment:?} of {len}");
        let alone = image.segments().iter().all(|other| {
            std::ptr::eq(other, segment)
                || apart(
                    segment.offset as u64,
                    other.offset as u64,
                    segment.len,
                    other.len,
                ) && apart(segment.address, other.address, segment.len, other.len)
        });
        for offset in [segment.offset, segment.offset + segment.len / 2] {
            let Some(address) = image.address_of(offset) else {
                continue;
            };
            let back = image.offset_of(address);
            let back = back.expect("an address of the image is in it");
            let lies_there = |s: &Segment| {
                let into = back.checked_sub(s.offset).filter(|into| *into < s.len);
                into.and_then(|into| s.address.checked_add(into as u64)) == Some(address)
            };
            assert!(image.segments().iter().any(lies_there), "{back} {offset}");
            if alone && segment.len > 0 {
                assert_eq!((back, image.address_of(back)), (offset, Some(address)));
            }
        }
    }
    if let Some(Container::Esp(layout)) = image.container() {
        assert!(!layout.images.is_empty());
    }
    let _ = image.symbols();
    let _ = (image.entry(), image.isa(), image.notes(), image.base());
}

/// Whether two ranges have nothing in common.
fn apart(a: u64, b: u64, a_len: usize, b_len: usize) -> bool {
    a.saturating_add(a_len as u64) <= b || b.saturating_add(b_len as u64) <= a
}

fn hex_record(out: &mut Vec<u8>, kind: u8, address: u16, bytes: &[u8]) {
    let mut record = vec![bytes.len() as u8];
    record.extend_from_slice(&address.to_be_bytes());
    record.push(kind);
    record.extend_from_slice(bytes);
    let sum = record.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    record.push(sum.wrapping_neg());
    out.push(b':');
    spell(out, &record);
}

fn srec_record(out: &mut Vec<u8>, kind: u8, address: u32, bytes: &[u8]) {
    let mut record = vec![bytes.len() as u8 + 5];
    record.extend_from_slice(&address.to_be_bytes());
    record.extend_from_slice(bytes);
    let sum = record.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    record.push(!sum);
    out.extend_from_slice(&[b'S', kind]);
    spell(out, &record);
}

fn spell(out: &mut Vec<u8>, record: &[u8]) {
    for byte in record {
        out.extend_from_slice(format!("{byte:02X}").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn uf2(base: u32, bytes: &[u8]) -> Vec<u8> {
    let blocks: Vec<_> = bytes.chunks(256).collect();
    let mut out = Vec::new();
    for (k, block) in blocks.iter().enumerate() {
        let start = out.len();
        let words = [
            0x0a32_4655,
            0x9e5d_5157,
            0,
            base + 256 * k as u32,
            block.len() as u32,
            k as u32,
            blocks.len() as u32,
            0,
        ];
        for word in words {
            out.extend_from_slice(&deltamote_format::le::word_bytes(word));
        }
        out.extend_from_slice(block);
        out.resize(start + 508, 0);
        out.extend_from_slice(&deltamote_format::le::word_bytes(0x0ab1_6f30));
    }
    out
}

/// An image written as Intel HEX, S-record or UF2, in records of any length and (but for
/// UF2) any order, reads back as itself at its address.
pub fn written_images_read_back(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(format), Ok(base), Ok(width), Ok(turned)) = (
        u.int_in_range(0..=2u8),
        u.arbitrary::<u32>(),
        u.int_in_range(1..=40usize),
        u.arbitrary::<bool>(),
    ) else {
        return;
    };
    let bytes = u.take_rest();
    if bytes.is_empty() {
        return;
    }
    // The whole image below 4 GiB, on a boundary that a record can begin at.
    let base = (base & 0x7fff_ff00).min(0x7fff_0000);
    let mut pieces: Vec<(u32, &[u8])> = bytes
        .chunks(width)
        .enumerate()
        .map(|(k, piece)| (base + (k * width) as u32, piece))
        .collect();
    if turned {
        pieces.reverse();
    }
    let mut file = Vec::new();
    let want = match format {
        0 => {
            for (address, piece) in pieces {
                hex_record(&mut file, 4, 0, &((address >> 16) as u16).to_be_bytes());
                // A record that would pass 64 KiB goes on in the next stretch.
                let room = 0x1_0000 - (address & 0xffff) as usize;
                let (here, there) = piece.split_at(room.min(piece.len()));
                hex_record(&mut file, 0, address as u16, here);
                if !there.is_empty() {
                    let high = ((address >> 16) + 1) as u16;
                    hex_record(&mut file, 4, 0, &high.to_be_bytes());
                    hex_record(&mut file, 0, 0, there);
                }
            }
            hex_record(&mut file, 1, 0, &[]);
            Format::Hex
        }
        1 => {
            for (address, piece) in pieces {
                srec_record(&mut file, b'3', address, piece);
            }
            srec_record(&mut file, b'7', base, &[]);
            Format::Srec
        }
        _ => {
            file = uf2(base, bytes);
            Format::Uf2
        }
    };
    let image = Image::from_bytes(file).expect("what was written reads");
    assert_eq!(image.format(), want);
    assert_eq!(image.base(), Some(u64::from(base)));
    assert!(image.bytes() == bytes, "other bytes");
}

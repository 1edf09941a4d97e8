//! Names for places of a raw image, from the ELF file that it was made of.
//!
//! Fed with an ELF file and the image; the image's addresses need not be known: each
//! segment of the file is looked for by its bytes.

use crate::image::Image;

/// A symbol by its place in an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind it.
    pub end: u32,
    /// Its name, as the file has it.
    pub name: String,
}

/// Bytes of a segment that are looked for; fewer are found anywhere.
const LEAST: usize = 32;

/// The symbols of `elf` that lie in `image`, by offset. Empty where no segment of the
/// file is found in the image.
pub fn place_symbols(elf: &Image, image: &[u8]) -> Vec<Placed> {
    // Address of the segment, length, offset in the image.
    let mut found: Vec<(u64, u64, usize)> = Vec::new();
    for segment in elf.segments() {
        let bytes = &elf.bytes()[segment.offset..segment.offset + segment.len];
        if bytes.len() >= LEAST
            && let Some(at) = position(image, bytes)
        {
            found.push((segment.address, segment.len as u64, at));
        }
    }
    let place = |address: u64| {
        let segment = found
            .iter()
            .find(|s| address >= s.0 && address - s.0 < s.1)?;
        u32::try_from(address - segment.0 + segment.2 as u64).ok()
    };
    let mut out: Vec<Placed> = elf
        .symbols()
        .into_iter()
        .filter(|s| s.len > 0)
        .filter_map(|s| {
            let start = place(s.address)?;
            Some(Placed {
                start,
                end: start.checked_add(u32::try_from(s.len).ok()?)?,
                name: s.name,
            })
        })
        .collect();
    out.sort_by(|a, b| (a.start, a.end, &a.name).cmp(&(b.start, b.end, &b.name)));
    out
}

/// Where `part` begins in `whole`.
fn position(whole: &[u8], part: &[u8]) -> Option<usize> {
    let (first, _) = part.split_at(LEAST);
    let last = whole.len().checked_sub(part.len())?;
    let mut from = 0;
    while let Some(at) = whole
        .get(from..last + LEAST)?
        .windows(LEAST)
        .position(|w| w == first)
    {
        if whole[from + at..].starts_with(part) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_past_its_likeness() {
        let mut part = vec![7u8; 40];
        part[39] = 9;
        let mut whole = vec![7u8; 100];
        whole.extend_from_slice(&part);
        assert_eq!(position(&whole, &part), Some(100));
        assert_eq!(position(&whole[..139], &part), None);
        assert_eq!(position(&part[..20], &part), None);
    }

    #[test]
    fn a_raw_image_has_no_symbols() {
        let image = Image::from_bytes(vec![1; 100]).unwrap();
        assert_eq!(place_symbols(&image, &[1; 100]), []);
    }
}

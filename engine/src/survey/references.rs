//! Every reference of an image, found once by sweeping over it.

use deltamote_format::codec::{Header, Position};
use deltamote_format::isa::{Code, Isa, Kind, Reference, Words};

/// A reference at a known place.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// File offset of its unit.
    pub at: u32,
    /// What it is.
    pub reference: Reference,
    /// Its unit without the target bits; equal for two references that differ in
    /// their target alone.
    pub blank: u32,
}

/// The references of one image, in ascending offset.
#[derive(Debug)]
pub struct References {
    /// Where units with a reference start, 64 offsets each.
    starts: Vec<Starts>,
    /// All references.
    pub known: Vec<Known>,
}

/// Which of 64 offsets start a unit with a reference.
#[derive(Clone, Copy, Default, Debug)]
struct Starts {
    /// Bit k: offset k does.
    bits: u64,
    /// References before the first of these offsets.
    before: u32,
}

impl References {
    /// Sweeps over `image` as `header` describes it.
    pub fn scan(image: &[u8], header: &Header, is_new: bool) -> References {
        let mut starts = vec![Starts::default(); image.len().div_ceil(64)];
        let mut known = Vec::new();
        let mut source = image;
        let mut at = 0u32;
        let mut region = header.region_at(0);
        while (at as usize) < image.len() {
            if at >= region.end {
                region = header.region_at(at.min(header.new_len.saturating_sub(1)));
                if at >= region.end {
                    region.end = u32::MAX;
                }
            }
            let found = scan_unit(&mut source, header, region.isa, at, is_new);
            let len = match found {
                Some((reference, word)) => {
                    let blank = region.isa.blank(word, &reference);
                    known.push(Known {
                        at,
                        reference,
                        blank,
                    });
                    starts[at as usize / 64].bits |= 1 << (at % 64);
                    u32::from(reference.len)
                }
                None => region.isa.unit_len(&mut source, at),
            };
            at += len.max(1);
        }
        known.shrink_to_fit();
        let mut before = 0;
        for word in &mut starts {
            word.before = before;
            before += word.bits.count_ones();
        }
        References { starts, known }
    }

    /// The reference whose unit starts at `at`.
    #[inline]
    pub fn at(&self, at: usize) -> Option<usize> {
        let word = self.starts.get(at / 64)?;
        let bit = 1u64 << (at % 64);
        let nearer = (word.bits & (bit - 1)).count_ones();
        (word.bits & bit != 0).then_some((word.before + nearer) as usize)
    }
}

fn scan_unit(
    source: &mut &[u8],
    header: &Header,
    isa: Isa,
    at: u32,
    is_new: bool,
) -> Option<(Reference, u32)> {
    if at & 3 == 0
        && let Some(target) = source.u32(at)
    {
        let reference = header.pointer(target);
        if reference.kind != Kind::Plain {
            return Some((reference, target));
        }
    }
    if at & (isa.alignment() - 1) != 0 {
        return None;
    }
    let position = if is_new {
        Position::New(at)
    } else {
        Position::Old(at)
    };
    let reference = isa.decode(source, at, header.address(position))?;
    let mut word = 0;
    for k in 0..u32::from(reference.len) {
        word |= u32::from(source.byte(at + k)?) << (8 * k);
    }
    Some((reference, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    #[test]
    fn every_reference_is_found_where_it_is() {
        let len = embedded::NEW.len() as u32;
        let header = Header::new(len, len, Isa::Thumb);
        let found = References::scan(embedded::NEW, &header, true);
        assert!(found.known.len() > 1000);
        let mut next = 0;
        for at in 0..embedded::NEW.len() + 64 {
            let here = found.known.get(next).filter(|k| k.at as usize == at);
            assert_eq!(found.at(at), here.map(|_| next), "{at}");
            next += usize::from(here.is_some());
        }
        assert_eq!(next, found.known.len());
    }
}

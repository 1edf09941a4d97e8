//! Candidates from bidiff, the long approximate matches that bsdiff would copy, and what it
//! passes over; in the images and in their shapes.
//!
//! One suffix array over the old image alone, sorted in partitions and scanned in
//! chunks, both in parallel (bidiff, A. Waselnuk, after bsdiff by C. Percival). How the
//! work is cut does not depend on the number of threads, so neither does the result.

use super::seeds::seeds;
use super::shape::Shape;
use super::{AT_ONCE_FROM, Candidates};
use bidiff::DiffParams;
use rayon::prelude::*;
use std::iter;

/// In which shapes of the images to look, too.
#[derive(Clone, Copy, Debug)]
pub struct Shapes {
    /// The shapes.
    pub list: &'static [Shape],
    /// Whether for long matches, too.
    pub long: bool,
}

/// Bytes of the old image per sort partition, at least.
const PARTITION: usize = 8 << 20;
/// Bytes of the new image per scan task.
const SCAN_CHUNK: usize = 256 << 10;
/// A match is offered to the parse again after this many bytes, in case another
/// diagonal was better in between.
const REPEAT: usize = 64;

/// Where bidiff copies from, and what it passes over because it is short: in the images as
/// they are, and in those of their `shapes`.
pub fn approximate(images: (&[u8], &[u8]), shapes: Shapes) -> Candidates {
    let texts: Vec<_> = iter::once(None)
        .chain(shapes.list.iter().map(Some))
        .collect();
    let search = |shape: &Option<&Shape>| match shape {
        None => [starts(images), seeds(images)].concat(),
        Some(shape) => {
            let (old, new) = (shape.of(images.0), shape.of(images.1));
            let mut found = seeds((&old, &new));
            if shapes.long {
                found.extend(starts((&old, &new)));
            }
            found
        }
    };
    // Short matches alone take little memory.
    let mut found: Vec<_> = if !shapes.long || images.0.len() + images.1.len() >= AT_ONCE_FROM {
        texts.par_iter().flat_map_iter(search).collect()
    } else {
        texts.iter().flat_map(search).collect()
    };
    found.sort_unstable();
    found.dedup();
    Candidates::from_pairs(&found, images.1.len())
}

/// New and old offset of every place where a match is offered.
fn starts((old, new): (&[u8], &[u8])) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let partitions = old.len().div_ceil(PARTITION).max(1);
    let Ok(params) = DiffParams::new(partitions, Some(SCAN_CHUNK)) else {
        return found;
    };
    let taken = bidiff::diff(
        old,
        new,
        &params,
        |m| -> Result<(), std::convert::Infallible> {
            let mut done = 0;
            while done < m.add_length {
                found.push((
                    (m.add_new_start + done) as u32,
                    (m.add_old_start + done) as u32,
                ));
                done += REPEAT;
            }
            Ok(())
        },
    );
    match taken {
        Ok(()) => found,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `halfwords` with other low bits in the low byte of each: as if registers differed.
    fn renamed(halfwords: &[u8]) -> Vec<u8> {
        let pairs = halfwords.iter().enumerate();
        pairs.map(|(i, b)| b ^ u8::from(i % 2 == 0)).collect()
    }

    #[test]
    fn shapes_find_what_differs_in_operands() {
        let function: Vec<u8> = (0..24u8).map(|i| i.wrapping_mul(0x5d) ^ 0x33).collect();
        let old = [&[0; 40][..], &function, &[0; 40]].concat();
        let new = [&[0xff; 16][..], &renamed(&function)].concat();
        let sources = |list| {
            let shapes = Shapes { list, long: false };
            let found = approximate((&old, &new), shapes);
            (16..32).any(|at| found.at(at).contains(&(at as u32 + 24)))
        };
        assert!(!sources(&[]));
        assert!(sources(&[Shape::NIBBLES]));
        assert!(sources(&[Shape::HALFWORDS]));
        assert!(sources(&[Shape::PAIRS]));
    }
}

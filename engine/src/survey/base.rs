//! Where an image is loaded: header facts if there are any, else votes.
//!
//! A word that is the address of a string, less the file offset of that string, is the
//! load address. Every pair of a word and a string start votes; so do function
//! prologues on Thumb, whose addresses are odd.

use crate::image::Image;
use deltamote_format::codec::{Extent, MAX_SPACES, Space};
use deltamote_format::isa::Isa;
use deltamote_format::le;
use std::collections::HashMap;

/// Votes that a load address needs, and by how much it must beat the next.
const LEAST_VOTES: u32 = 12;
const MARGIN: u32 = 2;
/// Words and landmarks that vote, at most.
const VOTERS: usize = 6000;

/// What is known of the addresses.
#[derive(Debug)]
pub struct Addresses {
    /// Address spaces; one for the whole image where nothing else is known.
    pub spaces: Vec<Space>,
    /// Whether words below the image's size can be pointers.
    pub zero_based: bool,
    /// Whether the load address was stated or found.
    pub known: bool,
}

/// One space for the whole of both images, loaded at `address`.
pub fn whole(old: &[u8], new: &[u8], address: u32) -> Addresses {
    let extent = |image: &[u8]| Extent {
        offset: 0,
        address,
        len: image.len() as u32,
    };
    Addresses {
        spaces: vec![Space {
            old: extent(old),
            new: extent(new),
        }],
        zero_based: address == 0,
        known: true,
    }
}

/// The address spaces of `old` and `new`.
pub fn spaces(old: &Image, new: &Image, isa: Isa, base: Option<u32>) -> Addresses {
    let at = |address| whole(old.bytes(), new.bytes(), address);
    if let Some(base) = base {
        return at(base);
    }
    let stated = paired(&extents(old), &extents(new));
    if !stated.is_empty() {
        return Addresses {
            zero_based: stated.iter().any(|s| s.old.address == 0),
            spaces: stated,
            known: true,
        };
    }
    let hint = old.base().filter(|_| old.base() == new.base());
    if let Some(base) = hint.and_then(|b| u32::try_from(b).ok()) {
        return at(base);
    }
    match vote(old.bytes(), isa) {
        Some(base) => at(base),
        None => Addresses {
            zero_based: false,
            known: false,
            ..at(0)
        },
    }
}

/// The loaded segments that the image's own header states, in file order.
fn extents(image: &Image) -> Vec<Extent> {
    let mut list: Vec<Extent> = image
        .segments()
        .iter()
        .filter(|s| s.len > 0)
        .map(|s| Extent {
            offset: s.offset as u32,
            // 64-bit images: the low half is what instructions and pointers share.
            address: s.address as u32,
            len: s.len as u32,
        })
        .collect();
    list.sort_by_key(|e| e.offset);
    // Small segments cost more header than they explain.
    while list.len() > MAX_SPACES {
        let smallest = (0..list.len()).min_by_key(|&i| list[i].len);
        list.remove(smallest.unwrap_or(0));
    }
    let overlap = list
        .windows(2)
        .any(|w| w[0].offset + w[0].len > w[1].offset);
    if overlap { Vec::new() } else { list }
}

/// Segments of both images that belong together: same number, or same addresses.
fn paired(old: &[Extent], new: &[Extent]) -> Vec<Space> {
    if old.len() == new.len() {
        let both = old.iter().zip(new);
        return both.map(|(&old, &new)| Space { old, new }).collect();
    }
    old.iter()
        .filter_map(|&o| {
            let near = new.iter().min_by_key(|n| n.address.abs_diff(o.address))?;
            (near.address.abs_diff(o.address) < 0x10000).then_some(Space { old: o, new: *near })
        })
        .collect()
}

fn is_text(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) || byte == b'\n' || byte == b'\t'
}

/// File offsets that words may point at: string starts, Thumb prologues (odd).
fn landmarks(image: &[u8], isa: Isa) -> Vec<u32> {
    let mut found = Vec::new();
    let mut i = 1;
    while i + 6 < image.len() {
        if image[i - 1] == 0 && image[i..i + 4].iter().all(|&b| is_text(b)) {
            found.push(i as u32);
            while i < image.len() && image[i] != 0 {
                i += 1;
            }
        }
        i += 1;
    }
    if isa == Isa::Thumb {
        for (k, pair) in image.chunks_exact(2).enumerate() {
            let halfword = le::halfword([pair[0], pair[1]]);
            if halfword >> 8 == 0xb5 || halfword == 0xe92d {
                found.push((2 * k as u32) | 1);
            }
        }
    }
    found
}

/// Distinct words that look like addresses: many others share their top 12 bits.
fn address_like(image: &[u8]) -> Vec<u32> {
    let mut words: Vec<u32> = image
        .chunks_exact(4)
        .map(|w| le::word([w[0], w[1], w[2], w[3]]))
        .filter(|w| (0x2000..0xf000_0000).contains(w))
        .collect();
    words.sort_unstable();
    words.dedup();
    let mut cluster: HashMap<u32, u32> = HashMap::new();
    for w in &words {
        *cluster.entry(w >> 20).or_default() += 1;
    }
    words.retain(|w| cluster[&(w >> 20)] >= 20);
    words
}

fn thinned(list: Vec<u32>) -> Vec<u32> {
    let step = (list.len() / VOTERS).max(1);
    list.into_iter().step_by(step).collect()
}

/// The load address (a multiple of 256) that words and landmarks agree on.
fn vote(image: &[u8], isa: Isa) -> Option<u32> {
    let mut by_low_byte: Vec<Vec<u32>> = vec![Vec::new(); 256];
    for mark in thinned(landmarks(image, isa)) {
        by_low_byte[(mark & 255) as usize].push(mark);
    }
    let mut votes: HashMap<u32, u32> = HashMap::new();
    for word in thinned(address_like(image)) {
        for &mark in &by_low_byte[(word & 255) as usize] {
            if word >= mark {
                *votes.entry((word - mark) >> 8).or_default() += 1;
            }
        }
    }
    let mut ranked: Vec<(u32, u32)> = votes.into_iter().map(|(base, n)| (n, base)).collect();
    ranked.sort_unstable_by_key(|&(n, base)| (std::cmp::Reverse(n), base));
    let (first, second) = (ranked.first()?, ranked.get(1).map_or(0, |r| r.0));
    (first.0 >= LEAST_VOTES && first.0 >= second * MARGIN).then_some(first.1 << 8)
}

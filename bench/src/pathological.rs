//! Images that are hard on a delta engine, made by a fixed recipe.
//!
//! Fed by a case of the manifest; the same bytes on every machine (the manifest pins
//! their digests). Where recipes need chance they take it from SplitMix64 [Steele, Lea,
//! Flood 2014] with a seed of the case.

use std::io::Write;

use anyhow::Result;
use deltamote_format::le;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Deserialize;

/// Size of most images.
const BYTES: usize = 96 << 10;

/// One generated image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Chance.
    RandomOld,
    /// Other chance: nothing in common with the old image.
    RandomNew,
    /// All bytes equal.
    EqualOld,
    /// The same byte, more of it.
    EqualNew,
    /// Records of code-like words, in 4 KiB blocks.
    BlocksOld,
    /// The same blocks in another order.
    BlocksNew,
    /// The blocks again ...
    InsertOld,
    /// ... with one byte before them: every word is misaligned.
    InsertNew,
    /// A sorted table of pointers.
    PointersOld,
    /// The same, moved, with a few more in between.
    PointersNew,
    /// Text, compressed.
    CompressedOld,
    /// The same text with a few lines more, compressed.
    CompressedNew,
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, near enough to uniform for a test image.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn word(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }
}

impl Case {
    /// The image.
    pub fn image(self) -> Result<Vec<u8>> {
        Ok(match self {
            Case::RandomOld => random(1),
            Case::RandomNew => random(2),
            Case::EqualOld => vec![0x5a; BYTES],
            Case::EqualNew => vec![0x5a; BYTES + BYTES / 3 + 1],
            Case::BlocksOld => blocks().concat(),
            Case::BlocksNew => shuffled(blocks()).concat(),
            Case::InsertOld => blocks().concat(),
            Case::InsertNew => [vec![0xa5], blocks().concat()].concat(),
            Case::PointersOld => pointers(0x0800_0000, false),
            Case::PointersNew => pointers(0x0800_0124, true),
            Case::CompressedOld => compressed(false)?,
            Case::CompressedNew => compressed(true)?,
        })
    }
}

fn random(seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    let words = (0..BYTES / 4).map(|_| chance.word());
    words.flat_map(le::word_bytes).collect()
}

/// Words from a small vocabulary, as machine code repeats itself: a block is unlike the
/// others, but its words are not.
fn blocks() -> Vec<Vec<u8>> {
    let mut chance = Chance(3);
    let vocabulary: Vec<u32> = (0..700).map(|_| chance.word()).collect();
    let mut word = || {
        let skewed = chance.below(700).min(chance.below(700));
        vocabulary[skewed as usize]
    };
    let block = |_| (0..1024).map(|_| word()).flat_map(le::word_bytes).collect();
    (0..BYTES >> 12).map(block).collect()
}

fn shuffled(mut blocks: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut chance = Chance(4);
    for i in (1..blocks.len()).rev() {
        blocks.swap(i, chance.below(i as u64 + 1) as usize);
    }
    blocks
}

fn pointers(base: u32, more: bool) -> Vec<u8> {
    let mut chance = Chance(5);
    let mut words = Vec::new();
    let mut at = base;
    for i in 0..BYTES / 4 {
        at += 2 * (1 + chance.below(60) as u32);
        words.push(at);
        if more && i % 1000 == 500 {
            words.push(at + 1);
        }
    }
    words.into_iter().flat_map(le::word_bytes).collect()
}

fn compressed(more: bool) -> Result<Vec<u8>> {
    let mut chance = Chance(6);
    let mut text = String::new();
    for i in 0..14_000 {
        let (a, b, c) = (chance.below(90), chance.below(5000), chance.below(7));
        text += &format!("sensor {a} reads {b} in state {c}\n");
        if more && i % 500 == 10 {
            text += "and is well\n";
        }
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_and_inserting_keep_the_blocks() {
        let (old, new) = (blocks(), shuffled(blocks()));
        assert_ne!(old, new);
        let sorted = |mut blocks: Vec<Vec<u8>>| {
            blocks.sort();
            blocks
        };
        assert_eq!(sorted(old), sorted(new));
        let inserted = Case::InsertNew.image().unwrap();
        assert_eq!(inserted[1..], Case::InsertOld.image().unwrap());
    }

    #[test]
    fn pointers_are_sorted() {
        let image = Case::PointersNew.image().unwrap();
        let words: Vec<u32> = image.as_chunks().0.iter().map(|&b| le::word(b)).collect();
        assert!(words.is_sorted() && words.len() > BYTES / 4);
    }
}

//! Executes the vector of SPEC §13.4, in both directions: the plan of a vector of §6.13 by
//! this codec. The zstd library decides the bytes; `Cargo.lock` pins it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic
)]

#[allow(dead_code)]
#[path = "../../format/tests/spec/blocks.rs"]
mod blocks;
#[allow(dead_code)]
#[path = "../../format/tests/spec/values.rs"]
mod values;

use blocks::Block;
use deltamote_format::codec::{
    Codec as Predictor, Entry, Extent, Guide, Header, Op, Position, Region, Space, Step, ValueRange,
};
use deltamote_format::coder::Input;
use deltamote_format::isa::Isa;
use deltamote_format::{Profile, le};
use deltamote_patcher::codec::Codec;
use deltamote_zstd::{Zstd, encode};

/// Copies in ascending new offset: where to, what, whether they are in the map.
struct Plan<'a> {
    copies: &'a [(u32, Op, bool)],
    at: usize,
    new: &'a [u8],
}

impl Guide for Plan<'_> {
    fn gap(&mut self, pos: u32, room: u32) -> u32 {
        self.copies
            .get(self.at)
            .map_or(room, |c| room.min(c.0 - pos))
    }
    fn op(&mut self) -> Op {
        self.copies.get(self.at).map_or(().op(), |c| c.1)
    }
    fn taken(&mut self) {
        self.at += 1;
    }
    fn entry(&mut self, index: u32) -> Entry {
        let mut mapped = self.copies.iter().filter(|c| c.2);
        let (new, op, _) = mapped.nth(index as usize).unwrap();
        match op.source {
            Position::Old(old) => Entry { old, new: *new },
            Position::New(_) => panic!("a copy from the new image is mapped"),
        }
    }
    fn truth(&self, at: u32, len: u32) -> u32 {
        let byte = |k| u32::from(self.new.get((at + k) as usize).copied().unwrap_or(0));
        (0..len).fold(0, |word, k| word | byte(k) << (8 * k))
    }
}

fn header(block: &Block, old: &[u8], new: &[u8]) -> Header {
    let mut header = Header::new(old.len() as u32, new.len() as u32, Isa::None);
    let region = |line: &str| {
        let (end, isa) = line.split_once(' ').unwrap();
        let found = Isa::ALL.into_iter().find(|i| i.name() == isa);
        let (end, isa) = (values::u32_of(end), found.unwrap());
        Region { end, isa }
    };
    let regions: Vec<Region> = block.all("region").into_iter().map(region).collect();
    assert!(regions.is_empty() || header.set_regions(&regions));
    let space = |line: &str| {
        let v = values::numbers(line);
        let extent = |v: &[u32]| Extent {
            offset: v[0],
            address: v[1],
            len: v[2],
        };
        Space {
            old: extent(&v[..3]),
            new: extent(&v[3..]),
        }
    };
    let spaces: Vec<Space> = block.all("space").into_iter().map(space).collect();
    header = header.with_spaces(&spaces);
    for line in block.all("range") {
        let v = values::numbers(line);
        let (start, len) = (v[0], v[1]);
        assert!(header.push_range(ValueRange { start, len }));
    }
    header.learn_map = block.get("learn_map") != Some("0");
    header
}

fn copy(line: &str) -> (u32, Op, bool) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = values::u32_of(words[2]);
    let source = match words[1] {
        "old" => Position::Old(at),
        _ => Position::New(at),
    };
    let len = values::u32_of(words[3]);
    (
        values::u32_of(words[0]),
        Op { source, len },
        words.len() > 4,
    )
}

/// The bytes that the SPEC gives for the vector of this name.
fn said(spec: &str, name: &str) -> Vec<u8> {
    let lead = format!("codec 1, zstd 1.5.7, level 19, of vector payload {name}:");
    let (_, rest) = spec.split_once(&lead).expect("a block with the bytes");
    let (bytes, _) = rest.split_once("```").unwrap();
    values::hex(bytes).expect("hexadecimal digits")
}

#[test]
fn the_vector_holds_in_both_directions() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../format/SPEC.md");
    let spec = std::fs::read_to_string(path).unwrap();
    assert_eq!(deltamote_zstd::library_version(), "1.5.7");
    let name = "thumb";
    let all = blocks::parse(&spec);
    let mut mine = all
        .iter()
        .filter(|b| (&*b.kind, &*b.name) == ("payload", name));
    let block = mine.next().expect("the vector");
    let old = values::bytes(block.need("old"), &[]);
    let new = values::bytes(block.need("new"), &old);
    let copies: Vec<_> = block.all("copy").into_iter().map(copy).collect();
    let mut header = header(block, &old, &new);
    header.map_len = copies.iter().filter(|c| c.2).count() as u32;
    let mut plan = Plan {
        copies: &copies,
        at: 0,
        new: &new,
    };
    let made = encode(header, (&old, &new), &mut plan, 19).unwrap();
    let said = said(&spec, name);
    assert!(made == said, "the code says\n{}", values::to_hex(&made));

    let mut words = vec![0; Predictor::words(&Profile::Large.limits())];
    let sizes = (old.len() as u32, new.len() as u32);
    let mut decoder = Zstd::start(&mut words, Profile::Large, sizes.0, sizes.1, None).unwrap();
    let mut input = Input {
        bytes: &said,
        last: true,
        used: 0,
    };
    let mut back: Vec<u8> = Vec::new();
    loop {
        let step = Zstd::step(&mut decoder, &mut input, &mut &old[..], &mut &back[..]);
        match step.unwrap() {
            Step::Output { word, len } => {
                back.extend_from_slice(&le::word_bytes(word)[..usize::from(len)]);
            }
            Step::Done => break,
            Step::Control | Step::Reset => (),
        }
    }
    assert_eq!((back, input.used), (new, said.len()));
}

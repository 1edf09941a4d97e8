//! A patch with one copy, made by the format crate's encoding side: enough for a test of
//! the interface, without the engine, so that this folder can be tested alone.

use crate::common;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::codec::{Codec, Decoder, Entry, Guide, Header, Op, Position, Step};
use deltamote_patcher::format::coder::{Encoder, Sink};
use deltamote_patcher::format::isa::Isa;
use deltamote_patcher::format::manifest::{CODEC_DELTAMOTE, Manifest};
use ed25519_dalek::SigningKey;

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

/// The first `len` bytes come from `from` of the old image.
struct OneCopy<'a> {
    new: &'a [u8],
    from: u32,
    len: u32,
    taken: bool,
}

impl Guide for OneCopy<'_> {
    fn gap(&mut self, _: u32, room: u32) -> u32 {
        if self.taken { room } else { 0 }
    }
    fn op(&mut self) -> Op {
        Op {
            source: Position::Old(self.from),
            len: self.len,
        }
    }
    fn taken(&mut self) {
        self.taken = true;
    }
    fn entry(&mut self, _: u32) -> Entry {
        Entry {
            old: self.from,
            new: 0,
        }
    }
    fn truth(&self, at: u32, len: u32) -> u32 {
        let byte = |k| u32::from(self.new.get((at + k) as usize).copied().unwrap_or(0));
        (0..len).fold(0, |word, k| word | byte(k) << (8 * k))
    }
}

/// The payload's data for profile tiny.
pub fn data(old: &[u8], new: &[u8], from: u32, len: usize) -> Vec<u8> {
    let mut words = vec![0; Decoder::words(Profile::Tiny)];
    let mut header = Header::new(old.len() as u32, new.len() as u32, Isa::None);
    header.map_len = 1;
    let mut codec = Codec::new(&mut words, Profile::Tiny, header, None).unwrap();
    let mut coder = Encoder::new(Bytes(Vec::new()));
    let mut guide = OneCopy {
        new,
        from,
        len: len as u32,
        taken: false,
    };
    loop {
        let mut seen = &new[..codec.pos() as usize];
        match codec.step(&mut coder, &mut &*old, &mut seen, &mut guide) {
            Ok(Step::Done) => break,
            Ok(_) => {}
            Err(e) => panic!("the plan does not encode: {e}"),
        }
    }
    coder.finish().0
}

/// A patch for profile tiny, signed if a key is given.
pub fn patch(old: &[u8], new: &[u8], from: u32, len: usize, key: Option<&SigningKey>) -> Vec<u8> {
    let manifest = Manifest {
        codec: CODEC_DELTAMOTE,
        ..common::manifest(old, new, Profile::Tiny)
    };
    common::seal(manifest, &data(old, new, from, len), key)
}

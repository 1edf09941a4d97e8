//! Looking on while a payload is decoded: what each byte of the new image was made from, and
//! what that took. For reports; a device never does.
//!
//! Fed by [`crate::decode`] with what it reads and makes, feeds the engine's `inspect`.
//!
//! What a stream of a block takes is known to the byte: its frame. What a number in it takes
//! is not, as zstd codes it by what stands before it. Each frame is shared out by the bytes
//! that its numbers have before compression, so a region of a block that repeats itself is
//! said to take more than it does, and one that does not, less. A count of hits is part of
//! the miss that it leads to; ops are part of the first bytes that they make.

use crate::decode::Zstd;
use crate::frames::Sizes;
use crate::streams::Stream;
use deltamote_format::codec::{Position, Step, Unit};
use deltamote_format::coder::Input;
use deltamote_format::{Error, Profile, le};
use deltamote_patcher::codec::Codec;

/// What a decoder tells of a block. `()` looks away.
pub(crate) trait Watch {
    /// A block begins at new offset `start`; its streams have these sizes.
    fn block(&mut self, _start: u32, _sizes: &Sizes) {}
    /// A number of `bytes` bytes has been read.
    fn number(&mut self, _stream: Stream, _bytes: usize) {}
    /// `bytes` are inserted.
    fn inserted(&mut self, _bytes: &[u8]) {}
    /// `unit`, copied from `source`, is `word`.
    fn copied(&mut self, _source: Option<Position>, _unit: &Unit, _word: u32) {}
}

impl Watch for () {}

/// The next bytes of the new image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// First new offset.
    pub start: u32,
    /// Bytes, 1..=4.
    pub len: u32,
    /// The bytes, little-endian.
    pub word: u32,
    /// What they were copied from; `None` if they were inserted.
    pub source: Option<Position>,
    /// Whether they are a copied reference.
    pub is_reference: bool,
    /// Whether they were predicted wrongly and told.
    pub missed: bool,
    /// Share of the block's frames, in 1/1024 bit.
    pub price: u64,
}

/// A stream of a block: its bytes, those of its frame, and how many have been read.
#[derive(Clone, Copy, Default)]
struct Share {
    raw: u64,
    coded: u64,
    read: u64,
}

impl Share {
    /// The price of the next `bytes` bytes. All of a stream together have that of its frame.
    fn of_next(&mut self, bytes: usize) -> u64 {
        // 1/1024 bit. At most 2^21 bytes, so this stays below 2^56.
        let until = |read: u64| (read * self.coded * 8 * 1024).checked_div(self.raw);
        let before = until(self.read);
        self.read += bytes as u64;
        let after = (self.read * self.coded * 8 * 1024).checked_div(self.raw);
        after.unwrap_or(0) - before.unwrap_or(0)
    }
}

/// Hands out pieces with their prices.
struct Pieces<F> {
    each: F,
    shares: [Share; Stream::COUNT],
    pos: u32,
    /// Price of what was read since the last piece.
    due: u64,
    /// Price of the count of hits that leads to the next miss, and to the one behind it;
    /// `None` where it has not been read.
    hits: [Option<u64>; 2],
}

impl<F: FnMut(Piece)> Pieces<F> {
    fn price(&mut self, stream: Stream, bytes: usize) -> u64 {
        let share = self.shares.get_mut(stream as usize);
        share.map_or(0, |share| share.of_next(bytes))
    }

    fn put(&mut self, piece: Piece) {
        self.pos = piece.start.wrapping_add(piece.len);
        self.due = 0;
        (self.each)(piece);
    }
}

impl<F: FnMut(Piece)> Watch for &mut Pieces<F> {
    fn block(&mut self, start: u32, sizes: &Sizes) {
        for (share, &(raw, coded)) in self.shares.iter_mut().zip(sizes) {
            let (raw, coded) = (u64::from(raw), u64::from(coded));
            *share = Share {
                raw,
                coded,
                read: 0,
            };
        }
        (self.pos, self.due, self.hits) = (start, 0, [None; 2]);
    }

    fn number(&mut self, stream: Stream, bytes: usize) {
        let price = self.price(stream, bytes);
        let [here, next] = self.hits;
        match stream {
            // The first of a block leads to its first miss; each other one is read at a
            // miss, before what that is.
            Stream::Hits if here.is_none() => self.hits = [Some(price), None],
            Stream::Hits => self.hits = [here, Some(price)],
            Stream::Misses => {
                self.due += price + here.unwrap_or(0);
                self.hits = [next, None];
            }
            _ => self.due += price,
        }
    }

    fn inserted(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(4) {
            let mut word = [0; 4];
            le::copy(&mut word, part);
            let price = self.price(Stream::Literals, part.len()) + self.due;
            self.put(Piece {
                start: self.pos,
                len: part.len() as u32,
                word: le::word(word),
                source: None,
                is_reference: false,
                missed: false,
                price,
            });
        }
    }

    fn copied(&mut self, source: Option<Position>, unit: &Unit, word: u32) {
        self.put(Piece {
            start: self.pos,
            len: unit.len(),
            word,
            source,
            is_reference: unit.is_reference(),
            missed: word != unit.word(),
            price: self.due,
        });
    }
}

/// Decodes `payload` (links not counted) over `old` to a new image of `new_len` bytes, and
/// shows every piece of it to `each`, in order. The prices of a block add up to what its
/// frames take.
///
/// # Errors
/// Any rule of SPEC §13 that the payload breaks.
pub fn watch(
    payload: &[u8],
    old: &[u8],
    new_len: u32,
    each: impl FnMut(Piece),
) -> Result<(), Error> {
    let limits = Profile::Large.limits();
    let mut words = vec![0; deltamote_format::codec::Codec::words(&limits)];
    let old_len = old.len() as u32;
    let mut decoder = Zstd::start(&mut words, Profile::Large, old_len, new_len, None)?;
    let mut pieces = Pieces {
        each,
        shares: [Share::default(); Stream::COUNT],
        pos: 0,
        due: 0,
        hits: [None; 2],
    };
    let mut new: Vec<u8> = Vec::new();
    let mut input = Input {
        bytes: payload,
        last: true,
        used: 0,
    };
    loop {
        let images = (&mut &*old, &mut &new[..]);
        if decoder.step(&mut input, images, &mut pieces)? == Step::Done {
            return Ok(());
        }
        new.extend_from_slice(decoder.taken());
    }
}

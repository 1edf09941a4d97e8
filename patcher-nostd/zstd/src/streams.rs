//! The streams of a block: numbers and bytes of one sort together, each a frame of its own.
//!
//! Filled and read by [`crate::block`], compressed by [`crate::frames`]. SPEC §13.3.

use crate::watch::Watch;
use deltamote_format::ErrorKind;
use deltamote_format::codec::{Position, Unit};

/// What a stream holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Stream {
    /// Lengths of inserts.
    Inserts = 0,
    /// Lengths of copies.
    Lengths = 1,
    /// Where inline copies come from.
    Sources = 2,
    /// Units as predicted in front of each that is not.
    Hits = 3,
    /// What those are, less their prediction.
    Misses = 4,
    /// Inserted bytes; all others are numbers.
    Literals = 5,
}

impl Stream {
    /// How many there are.
    pub const COUNT: usize = 6;
}

/// One direction of a block.
pub(crate) trait Side {
    /// Whether this side knows the numbers.
    const ENCODES: bool;

    /// A number: 7 bits a byte, lowest first, the top bit says that more follow.
    fn number(&mut self, stream: Stream, value: u32) -> Result<u32, ErrorKind>;

    /// `len` inserted bytes: from `bytes` on an encoding side, in any case to the end of
    /// `made`.
    fn literals(&mut self, len: u32, bytes: &[u8], made: &mut Vec<u8>) -> Result<(), ErrorKind>;

    /// Whether a stream has been read to its end. An encoding side is never there.
    fn is_over(&self, stream: Stream) -> bool;

    /// A unit, copied from `source`, is `word`. For reports.
    #[inline]
    fn copied(&mut self, _source: Option<Position>, _unit: &Unit, _word: u32) {}
}

/// The encoding side.
#[derive(Debug, Default)]
pub(crate) struct Written(pub [Vec<u8>; Stream::COUNT]);

/// Appends a number.
pub(crate) fn put(to: &mut Vec<u8>, value: u32) {
    let mut rest = value;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

/// Takes a number from the front.
///
/// # Errors
/// [`ErrorKind::PayloadTruncated`] if it is cut off, [`ErrorKind::NumberTooLarge`] if it has
/// more than 32 bits or is not in its shortest form.
pub(crate) fn take(from: &mut &[u8]) -> Result<u32, ErrorKind> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = from.split_first().ok_or(ErrorKind::PayloadTruncated)?;
        *from = rest;
        let bits = u32::from(byte & 0x7f);
        if shift == 28 && bits > 15 {
            return Err(ErrorKind::NumberTooLarge);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let shortest = shift == 0 || bits != 0;
            return shortest.then_some(value).ok_or(ErrorKind::NumberTooLarge);
        }
    }
    Err(ErrorKind::NumberTooLarge)
}

/// A signed number as an unsigned one: 0, -1, 1, -2, ...
pub(crate) fn fold(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

/// [`fold`], undone.
pub(crate) fn unfold(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

impl Side for Written {
    const ENCODES: bool = true;

    fn number(&mut self, stream: Stream, value: u32) -> Result<u32, ErrorKind> {
        put(
            self.0.get_mut(stream as usize).ok_or(ErrorKind::Bug)?,
            value,
        );
        Ok(value)
    }

    fn literals(&mut self, len: u32, bytes: &[u8], made: &mut Vec<u8>) -> Result<(), ErrorKind> {
        let bytes = bytes.get(..len as usize).ok_or(ErrorKind::Bug)?;
        let to = self.0.get_mut(Stream::Literals as usize);
        to.ok_or(ErrorKind::Bug)?.extend_from_slice(bytes);
        made.extend_from_slice(bytes);
        Ok(())
    }

    fn is_over(&self, _stream: Stream) -> bool {
        false
    }
}

/// The decoding side: what is left of each stream, and who looks on.
#[derive(Debug)]
pub(crate) struct Unread<'a, W> {
    pub streams: [&'a [u8]; Stream::COUNT],
    pub watch: W,
}

impl<W: Watch> Side for Unread<'_, W> {
    const ENCODES: bool = false;

    fn number(&mut self, stream: Stream, _value: u32) -> Result<u32, ErrorKind> {
        let from = self.streams.get_mut(stream as usize);
        let from = from.ok_or(ErrorKind::Bug)?;
        let before = from.len();
        let value = take(from)?;
        self.watch.number(stream, before - from.len());
        Ok(value)
    }

    fn literals(&mut self, len: u32, _bytes: &[u8], made: &mut Vec<u8>) -> Result<(), ErrorKind> {
        let from = self.streams.get_mut(Stream::Literals as usize);
        let from = from.ok_or(ErrorKind::Bug)?;
        let parts = from.split_at_checked(len as usize);
        let (bytes, rest) = parts.ok_or(ErrorKind::PayloadTruncated)?;
        made.extend_from_slice(bytes);
        self.watch.inserted(bytes);
        *from = rest;
        Ok(())
    }

    fn is_over(&self, stream: Stream) -> bool {
        self.streams
            .get(stream as usize)
            .is_none_or(|rest| rest.is_empty())
    }

    #[inline]
    fn copied(&mut self, source: Option<Position>, unit: &Unit, word: u32) {
        self.watch.copied(source, unit, word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_have_one_spelling() {
        for value in [0, 1, 127, 128, 16383, 16384, 1 << 28, u32::MAX] {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            let mut rest = &bytes[..];
            assert_eq!((take(&mut rest), rest), (Ok(value), &[][..]));
            assert_eq!(unfold(value), unfold(fold(unfold(value))));
            assert_eq!(fold(unfold(value)), value);
            bytes.pop();
            let cut = take(&mut &bytes[..]);
            assert_eq!(cut, Err(ErrorKind::PayloadTruncated), "{value}");
        }
        let wrong: [&[u8]; 3] = [
            &[0x80, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x10],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0],
        ];
        for mut bytes in wrong {
            assert_eq!(take(&mut bytes), Err(ErrorKind::NumberTooLarge));
        }
    }
}

//! A block of the new image: ops, misses and literals, in one walk for both directions.
//!
//! Fed by [`crate::streams`] and by the predictor of the format crate; an encoding side has
//! a [`Guide`] besides. A block needs nothing of the blocks before it but the new image
//! itself, so decoding can start at any of them. SPEC §13.2.

use crate::streams::{Side, Stream, fold, unfold};
use deltamote_format::codec::{Codec, Guide, Position};
use deltamote_format::isa::Code;
use deltamote_format::{Error, ErrorKind, le};

/// The new image: what lies before the block, and the block as far as it is made.
pub(crate) struct Made<'a, N> {
    pub before: &'a mut N,
    /// First new offset of the block.
    pub start: u32,
    pub bytes: &'a mut Vec<u8>,
}

impl<N: Code> Code for Made<'_, N> {
    fn byte(&mut self, at: u32) -> Option<u8> {
        match at.checked_sub(self.start) {
            Some(into) => self.bytes.get(into as usize).copied(),
            None => self.before.byte(at),
        }
    }
}

/// An encoding side's plan and the whole new image; `()` and nothing where decoding.
pub(crate) struct Truth<'a, G> {
    pub guide: &'a mut G,
    pub new: &'a [u8],
}

/// How many units until the next that is not as predicted: counted by an encoding side,
/// known to a decoding one (`None`: no more come).
struct Hits(Option<u32>);

fn at(pos: u32) -> impl Fn(ErrorKind) -> Error {
    move |kind| Error::new(kind, pos)
}

/// Codes new bytes up to `end`, from where `codec` stands. An encoding side's ops end there.
///
/// # Errors
/// Any rule that the streams break.
pub(crate) fn code<S: Side, O: Code, N: Code, G: Guide>(
    codec: &mut Codec<'_, '_>,
    side: &mut S,
    (old, new): (&mut O, &mut Made<'_, N>),
    truth: &mut Truth<'_, G>,
    end: u32,
) -> Result<(), Error> {
    let mut hits = Hits::start(side).map_err(at(codec.pos()))?;
    while codec.pos() < end {
        let pos = codec.pos();
        let (mapped, room) = codec.next_mapped();
        let source = match mapped.filter(|entry| entry.new == pos) {
            Some(entry) => Position::Old(entry.old),
            None => {
                let room = room.min(end - pos);
                let gap = if S::ENCODES {
                    truth.guide.gap(pos, room)
                } else {
                    0
                };
                let gap = side.number(Stream::Inserts, gap).map_err(at(pos))?;
                if gap > room {
                    return Err(Error::new(ErrorKind::OutputOverrun, pos));
                }
                let bytes = truth.new.get(pos as usize..).unwrap_or(&[]);
                side.literals(gap, bytes, new.bytes).map_err(at(pos))?;
                codec.inserted(gap);
                if gap == room {
                    continue;
                }
                let wanted = truth.guide.op().source;
                source(codec, side, wanted).map_err(at(codec.pos()))?
            }
        };
        let pos = codec.pos();
        let len = side.number(Stream::Lengths, truth.guide.op().len);
        let len = len.map_err(at(pos))?;
        if len > end - pos {
            return Err(Error::new(ErrorKind::OutputOverrun, pos));
        }
        codec.begin_copy(old, new, source, len)?;
        truth.guide.taken();
        copy(codec, side, (old, new), truth, &mut hits)?;
    }
    Ok(())
}

/// Where an inline copy comes from: from old, against the end of the last copy from there;
/// from new, how far back.
fn source<S: Side>(
    codec: &Codec<'_, '_>,
    side: &mut S,
    truth: Position,
) -> Result<Position, ErrorKind> {
    let (pos, expected) = (codec.pos(), codec.last_end());
    let number = match truth {
        // Offsets have 29 bits.
        Position::Old(at) => fold(at.wrapping_sub(expected) as i32) << 1,
        Position::New(at) => pos.wrapping_sub(at) << 1 | 1,
    };
    let number = side.number(Stream::Sources, number)?;
    let (from_new, number) = (number & 1 != 0, number >> 1);
    if from_new {
        let at = pos.checked_sub(number);
        return at.map(Position::New).ok_or(ErrorKind::CopyOutOfRange);
    }
    Ok(Position::Old(expected.wrapping_add(unfold(number) as u32)))
}

/// The units of a copy.
fn copy<S: Side, O: Code, N: Code, G: Guide>(
    codec: &mut Codec<'_, '_>,
    side: &mut S,
    (old, new): (&mut O, &mut Made<'_, N>),
    truth: &mut Truth<'_, G>,
    hits: &mut Hits,
) -> Result<(), Error> {
    while let Some(unit) = codec.next_unit(old, new)? {
        let (pos, len, source) = (codec.pos(), unit.len(), codec.copy_source());
        let known = truth.guide.truth(pos, len);
        let word = if hits.next(side, known == unit.word()).map_err(at(pos))? {
            unit.word()
        } else {
            // As if the unit were the top of a word: what is above it does not count.
            let above = 32 - 8 * len;
            let less = (known.wrapping_sub(unit.word()) << above) as i32 >> above;
            let less = side.number(Stream::Misses, fold(less)).map_err(at(pos))?;
            unit.word().wrapping_add(unfold(less) as u32) & u32::MAX >> above
        };
        side.copied(source, &unit, word);
        codec.settle(new, &unit, word);
        let bytes = le::word_bytes(word);
        let bytes = bytes.get(..len as usize).unwrap_or(&[]);
        new.bytes.extend_from_slice(bytes);
    }
    Ok(())
}

impl Hits {
    fn start<S: Side>(side: &mut S) -> Result<Self, ErrorKind> {
        match S::ENCODES {
            true => Ok(Hits(Some(0))),
            false => Hits::fetch(side),
        }
    }

    fn fetch<S: Side>(side: &mut S) -> Result<Self, ErrorKind> {
        if side.is_over(Stream::Hits) {
            return Ok(Hits(None));
        }
        side.number(Stream::Hits, 0).map(|n| Hits(Some(n)))
    }

    /// Whether the next unit is as predicted.
    #[inline]
    fn next<S: Side>(&mut self, side: &mut S, hit: bool) -> Result<bool, ErrorKind> {
        match (self.0, S::ENCODES) {
            (Some(count), true) if hit => {
                self.0 = Some(count + 1);
                Ok(true)
            }
            (Some(count), true) => {
                self.0 = Some(0);
                side.number(Stream::Hits, count).map(|_| false)
            }
            (Some(0), false) => {
                *self = Hits::fetch(side)?;
                Ok(false)
            }
            (Some(left), false) => {
                self.0 = Some(left - 1);
                Ok(true)
            }
            (None, _) => Ok(true),
        }
    }
}

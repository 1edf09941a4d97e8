//! The encoding direction, for the engine.

use crate::block::{self, Made, Truth};
use crate::bounds_blocks;
use crate::frames;
use crate::streams::Written;
use deltamote_format::codec::{Codec, Guide, Header};
use deltamote_format::coder::{Encoder, Sink};
use deltamote_format::{Error, ErrorKind, Profile, le};

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

/// Encodes what `guide` says to a payload; `header` is complete, [`Header::map_len`] and
/// [`Header::reset_log2`] ([`crate::block_log2`] or less) included. No copy of the guide's may
/// reach over the end of a block. `level` is zstd's.
///
/// # Errors
/// [`ErrorKind::NumberTooLarge`] with the first new offset of a block that takes more than a
/// device has memory for: where nearly every unit misses. [`ErrorKind::HeaderUnsupported`]
/// for blocks that are too large.
pub fn encode<G: Guide>(
    header: Header,
    (old, new): (&[u8], &[u8]),
    guide: &mut G,
    level: i32,
) -> Result<Vec<u8>, Error> {
    let (log2, new_len) = (header.reset_log2, header.new_len);
    if !bounds_blocks(log2, new_len) {
        return Err(Error::new(ErrorKind::HeaderUnsupported, 0));
    }
    let mut words = vec![0; Codec::words(&Profile::Large.limits())];
    let mut codec = Codec::new(&mut words, Profile::Large, header, None)?;
    let mut coder = Encoder::new(Bytes(Vec::new()));
    let nothing: &[u8] = &[];
    while !codec.map_ready() {
        codec.step(&mut coder, &mut &*nothing, &mut &*nothing, guide)?;
    }
    let mut payload = Vec::new();
    append(&mut payload, &coder.finish().0);
    let period = match log2 {
        0 => new_len,
        log2 => 1 << log2,
    };
    let mut bytes = Vec::new();
    let mut start = 0;
    while start < new_len {
        let end = new_len.min(start + period);
        codec.begin_at(start)?;
        bytes.clear();
        let mut made = Made {
            before: &mut &*new,
            start,
            bytes: &mut bytes,
        };
        let mut streams = Written::default();
        let mut truth = Truth {
            guide: &mut *guide,
            new,
        };
        let images = (&mut &*old, &mut made);
        block::code(&mut codec, &mut streams, images, &mut truth, end)?;
        let at = |kind| Error::new(kind, start);
        let section = frames::pack(&streams, level).map_err(at)?;
        append(&mut payload, &section.ok_or(at(ErrorKind::NumberTooLarge))?);
        start = end;
    }
    Ok(payload)
}

fn append(payload: &mut Vec<u8>, section: &[u8]) {
    payload.extend_from_slice(&le::word_bytes(section.len() as u32));
    payload.extend_from_slice(section);
}

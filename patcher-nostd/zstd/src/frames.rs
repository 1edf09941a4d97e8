//! A block as the payload has it: two lengths for each stream, then a zstd frame for each.
//!
//! Made from [`crate::streams`] by the engine, taken apart by the device. Every length is
//! compared with its limit before memory is taken for it, and a frame is decompressed in
//! one go into as many bytes as were announced: no window is kept, whatever a frame asks
//! for. SPEC §13.3.

use crate::BLOCK_BYTES;
use crate::streams::{Stream, Written, put, take};
use deltamote_format::ErrorKind;
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

/// Most bytes of all streams of a block together.
pub(crate) const STREAM_BYTES: u32 = 2 * BLOCK_BYTES;
/// Most bytes of a section of the payload: of header and map, or of a block.
pub(crate) const SECTION_BYTES: u32 = BLOCK_BYTES + BLOCK_BYTES / 4;
/// More than zstd takes for a decompression context without a window.
const CONTEXT_BYTES: usize = 192 << 10;

/// Most bytes of heap that decoding takes, besides the workspace of profile large.
pub const HEAP_BYTES: usize = (BLOCK_BYTES + STREAM_BYTES + SECTION_BYTES) as usize + CONTEXT_BYTES;

const _: () = {
    let workspace = deltamote_patcher::workspace_len(deltamote_format::Profile::Large);
    assert!(HEAP_BYTES + workspace <= (8 << 20) - (512 << 10));
};

/// First bytes of a frame. zstd would take older formats and frames to be skipped, too.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What a block's streams take, in bytes, before and behind compression.
pub type Sizes = [(u32, u32); Stream::COUNT];

/// Compresses the streams of a block. `None`: they are more than a device takes.
pub(crate) fn pack(streams: &Written, level: i32) -> Result<Option<Vec<u8>>, ErrorKind> {
    let (mut section, mut frames) = (Vec::new(), Vec::new());
    let mut all = 0;
    for stream in &streams.0 {
        let before = frames.len();
        if !stream.is_empty() {
            frames.extend_from_slice(&compress(stream, level).ok_or(ErrorKind::Bug)?);
        }
        all += stream.len();
        put(&mut section, stream.len() as u32);
        put(&mut section, (frames.len() - before) as u32);
    }
    section.extend_from_slice(&frames);
    let fits = all <= STREAM_BYTES as usize && section.len() <= SECTION_BYTES as usize;
    Ok(fits.then_some(section))
}

fn compress(bytes: &[u8], level: i32) -> Option<Vec<u8>> {
    let mut context = CCtx::try_create()?;
    // What a frame says of itself, the block says already.
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::ChecksumFlag(false),
        CParameter::ContentSizeFlag(false),
    ] {
        context.set_parameter(parameter).ok()?;
    }
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    context.compress2(&mut frame, bytes).ok()?;
    Some(frame)
}

/// The lengths in front of a block; `section` is then at the first frame.
pub(crate) fn sizes(section: &mut &[u8]) -> Result<Sizes, ErrorKind> {
    let mut sizes = [(0, 0); Stream::COUNT];
    for (raw, coded) in &mut sizes {
        (*raw, *coded) = (take(section)?, take(section)?);
        if (*raw == 0) != (*coded == 0) {
            return Err(ErrorKind::HeaderInconsistent);
        }
    }
    let sum = |which: fn(&(u32, u32)) -> u32| sizes.iter().map(which).map(u64::from).sum::<u64>();
    if sum(|s| s.0) > u64::from(STREAM_BYTES) {
        return Err(ErrorKind::NumberTooLarge);
    }
    if sum(|s| s.1) != section.len() as u64 {
        return Err(ErrorKind::HeaderInconsistent);
    }
    Ok(sizes)
}

/// The streams of a block.
pub(crate) type Streams<'r> = [&'r [u8]; Stream::COUNT];

/// Decompresses the streams of a block into `raw`.
///
/// # Errors
/// A length that is too large or contradicts another; a frame that is not one, or has other
/// content than announced.
pub(crate) fn unpack<'r>(
    context: &mut DCtx<'static>,
    mut section: &[u8],
    raw: &'r mut Vec<u8>,
) -> Result<(Sizes, Streams<'r>), ErrorKind> {
    let sizes = sizes(&mut section)?;
    let all = sizes.iter().map(|s| s.0 as usize).sum();
    raw.clear();
    raw.reserve_exact(all);
    raw.resize(all, 0);
    let mut rest = &mut raw[..];
    for (len, coded) in sizes {
        let broken = ErrorKind::HeaderInconsistent;
        let parts = section.split_at_checked(coded as usize);
        let (frame, behind) = parts.ok_or(broken)?;
        section = behind;
        let (to, behind) = rest.split_at_mut_checked(len as usize).ok_or(broken)?;
        rest = behind;
        if len == 0 {
            continue;
        }
        let one = frame.starts_with(&MAGIC)
            && zstd_safe::find_frame_compressed_size(frame) == Ok(frame.len());
        if !one || context.decompress(to, frame) != Ok(to.len()) {
            return Err(broken);
        }
    }
    let mut rest = &raw[..];
    let mut streams = [rest; Stream::COUNT];
    for (stream, (len, _)) in streams.iter_mut().zip(sizes) {
        (*stream, rest) = rest.split_at(len as usize);
    }
    Ok((sizes, streams))
}

/// What a payload of this codec is spent on, in bytes, without decompressing anything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// Lengths of sections and streams.
    pub framing: u64,
    /// Header and map.
    pub front: u64,
    /// By stream, in the order of [`Stream`].
    pub streams: [u64; Stream::COUNT],
    /// By block: the streams of each.
    pub blocks: Vec<u64>,
}

/// Takes a payload (links not counted) apart.
///
/// # Errors
/// The first length that cannot be.
pub fn spent(payload: &[u8]) -> Result<Spent, ErrorKind> {
    let mut spent = Spent::default();
    let mut rest = payload;
    let mut is_front = true;
    while !rest.is_empty() {
        let (len, behind) = rest
            .split_first_chunk()
            .ok_or(ErrorKind::PayloadTruncated)?;
        let len = deltamote_format::le::word(*len) as usize;
        let parts = behind.split_at_checked(len);
        let (mut section, behind) = parts.ok_or(ErrorKind::PayloadTruncated)?;
        rest = behind;
        spent.framing += 4;
        if is_front {
            spent.front = len as u64;
        } else {
            let sizes = sizes(&mut section)?;
            spent.framing += (len - section.len()) as u64;
            spent.blocks.push(section.len() as u64);
            for (sum, (_, coded)) in spent.streams.iter_mut().zip(sizes) {
                *sum += u64::from(coded);
            }
        }
        is_front = false;
    }
    Ok(spent)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn packed() -> (Written, Vec<u8>) {
        let mut streams = Written::default();
        streams.0[0] = vec![7; 1000];
        streams.0[5] = (0..=255).collect();
        let section = pack(&streams, 19).unwrap().unwrap();
        (streams, section)
    }

    fn unpacked(section: &[u8]) -> Result<Vec<Vec<u8>>, ErrorKind> {
        let mut raw = Vec::new();
        let (_, streams) = unpack(&mut DCtx::create(), section, &mut raw)?;
        Ok(streams.iter().map(|s| s.to_vec()).collect())
    }

    #[test]
    fn streams_come_back() {
        let (streams, section) = packed();
        assert_eq!(unpacked(&section).unwrap(), streams.0);
        assert!(DCtx::create().sizeof() < CONTEXT_BYTES);
    }

    /// Lengths of one stream, then what is said to be its frame.
    fn lone(raw: u32, frame: &[u8]) -> Vec<u8> {
        let mut section = Vec::new();
        put(&mut section, raw);
        put(&mut section, frame.len() as u32);
        section.extend([0; 2 * (Stream::COUNT - 1)]);
        section.extend_from_slice(frame);
        section
    }

    #[test]
    fn hostile_blocks_are_refused_before_they_take_memory() {
        let frame = compress(&[1; 300], 3).unwrap();
        assert!(unpacked(&lone(300, &frame)).is_ok());
        let bomb = compress(&vec![0; 64 << 20], 3).unwrap();
        let twice = [&frame[..], &frame].concat();
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], &frame[..]].concat();
        let old = [&[0x27], &frame[1..]].concat();
        let cases: [(u32, &[u8], ErrorKind); 8] = [
            (299, &frame, ErrorKind::HeaderInconsistent),
            (301, &frame, ErrorKind::HeaderInconsistent),
            (0, &frame, ErrorKind::HeaderInconsistent),
            (STREAM_BYTES, &bomb, ErrorKind::HeaderInconsistent),
            (64 << 20, &bomb, ErrorKind::NumberTooLarge),
            (600, &twice, ErrorKind::HeaderInconsistent),
            (300, &skipped, ErrorKind::HeaderInconsistent),
            (300, &old, ErrorKind::HeaderInconsistent),
        ];
        for (raw, frame, kind) in cases {
            assert_eq!(unpacked(&lone(raw, frame)), Err(kind), "{raw}");
        }
        let behind = [&lone(300, &frame)[..], &[0]].concat();
        assert_eq!(unpacked(&behind), Err(ErrorKind::HeaderInconsistent));
        let (_, section) = packed();
        for len in 0..section.len() {
            assert!(unpacked(&section[..len]).is_err(), "{len}");
        }
    }
}

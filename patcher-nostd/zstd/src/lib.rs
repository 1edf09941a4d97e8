//! The second payload codec: the predictions of the format crate, coded by zstd.
//!
//! For devices of profile large, where decoding in a tenth of the time may be worth a
//! quarter more bytes. The patcher takes it as it takes its own:
//! `Patcher::<_, _, _, _, _, Zstd>::with_codec(..)`.
//!
//! ```text
//! engine: plan, images --> [block] --> [streams] --> [frames] --> payload     encode()
//! device: new image   <-- [block] <-- [streams] <-- [frames] <-- payload     [Zstd]
//!                            ^
//!                            header, map and prediction of every unit: deltamote-format
//! ```
//!
//! Each block of the new image (1 MiB) stands alone, so a resume decodes one block again.
//! Memory is bounded by [`HEAP_BYTES`] whatever the payload says, and every length is
//! compared with a limit before anything is taken for it. No `unsafe` here; zstd itself is
//! the C library. SPEC §13.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod block;
mod collect;
mod decode;
mod encode;
mod frames;
mod streams;
mod watch;

pub use decode::{Decoder, Zstd};
pub use encode::encode;
pub use frames::{HEAP_BYTES, Spent, spent};
pub use streams::Stream;
pub use watch::{Piece, watch};

/// The number of this codec in a manifest.
pub use deltamote_format::manifest::CODEC_ZSTD as ID;

/// log2 of the bytes of a block; header field `reset_log2` where there is more than one.
pub const BLOCK_LOG2: u8 = 20;
/// Most bytes of a block.
pub const BLOCK_BYTES: u32 = 1 << BLOCK_LOG2;

/// log2 of the bytes of a block of a new image of `new_len` bytes, for the header: 0 where
/// there is one block only.
pub const fn block_log2(new_len: u32) -> u8 {
    if new_len > BLOCK_BYTES { BLOCK_LOG2 } else { 0 }
}

/// Whether no block of a new image of `new_len` bytes is too large. That `log2` is 0 or not
/// too small either (`RESET_LOG2` of the format crate), the header sees to. SPEC §13.1.
const fn bounds_blocks(log2: u8, new_len: u32) -> bool {
    match log2 {
        0 => new_len <= BLOCK_BYTES,
        _ => log2 <= BLOCK_LOG2,
    }
}

/// The version of the zstd library: its encoder decides the bytes of a payload.
pub fn library_version() -> &'static str {
    zstd::zstd_safe::version_string()
}

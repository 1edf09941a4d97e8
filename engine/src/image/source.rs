//! Where an image's bytes live: in memory, or in a file mapped into memory.
//!
//! Fed by paths; feeds the format readers. The one place of the engine with `unsafe`.

#![allow(unsafe_code)]

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use memmap2::Mmap;

use super::error::{ImageError, ImageErrorKind, Place};

/// Files up to this size are read: faster than mapping, and a copy cannot change.
const READ_UP_TO_BYTES: u64 = 4 << 20;

enum Held {
    Owned(Vec<u8>),
    Mapped(Mmap),
}

/// Bytes, and the file they came from as it was when they were taken.
pub(super) struct Source {
    held: Held,
    seen: Option<Seen>,
}

struct Seen {
    file: File,
    len: u64,
    modified: Option<SystemTime>,
    path: std::path::PathBuf,
}

impl Source {
    pub(super) fn owned(bytes: Vec<u8>) -> Self {
        Source {
            held: Held::Owned(bytes),
            seen: None,
        }
    }

    pub(super) fn open(path: &Path) -> Result<Self, ImageError> {
        // Asked before opening: opening a FIFO would wait for a writer.
        check_is_file(&std::fs::metadata(path).map_err(ImageError::io)?)?;
        let mut file = File::open(path).map_err(ImageError::io)?;
        let meta = file.metadata().map_err(ImageError::io)?;
        check_is_file(&meta)?;
        if meta.len() > super::MAX_IMAGE_BYTES {
            return Err(super::error::too_large(meta.len()));
        }
        let held = if meta.len() <= READ_UP_TO_BYTES {
            let mut bytes = Vec::with_capacity(meta.len() as usize);
            file.read_to_end(&mut bytes).map_err(ImageError::io)?;
            Held::Owned(bytes)
        } else {
            Held::Mapped(map(&file).map_err(ImageError::io)?)
        };
        let source = Source {
            held,
            seen: Some(Seen {
                file,
                len: meta.len(),
                modified: meta.modified().ok(),
                path: path.to_owned(),
            }),
        };
        source.check_unchanged()?;
        Ok(source)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.held {
            Held::Owned(bytes) => bytes,
            Held::Mapped(map) => map,
        }
    }

    /// Replaces the file's bytes by the image that a reader made of them.
    pub(super) fn convert(&mut self, bytes: Vec<u8>) {
        self.held = Held::Owned(bytes);
    }

    pub(super) fn check_unchanged(&self) -> Result<(), ImageError> {
        // The open file is asked, not the path: a build that renames a new file into
        // place leaves ours whole, and that is no reason to fail.
        let Some(seen) = &self.seen else {
            return Ok(());
        };
        let now = seen.file.metadata().map_err(ImageError::io)?;
        if now.len() == seen.len && now.modified().ok() == seen.modified {
            return Ok(());
        }
        Err(ImageError::new(
            ImageErrorKind::Changed,
            Place::File,
            "the file was written to while it was being read",
            "run the command again when the build has finished",
        )
        .in_file(&seen.path))
    }
}

fn check_is_file(meta: &Metadata) -> Result<(), ImageError> {
    if meta.is_file() {
        return Ok(());
    }
    let (what, advice) = if meta.is_dir() {
        ("is a directory", "give the image file in it")
    } else {
        ("is not a regular file", "write the image to a file first")
    };
    Err(ImageError::new(
        ImageErrorKind::Unreadable,
        Place::File,
        what,
        advice,
    ))
}

fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is private and read-only, lives as long as `Held::Mapped` and is
    // handed out only as `&[u8]` borrowed from it, so no reference outlives it and this
    // process never writes to it. What the type system cannot promise is that no
    // *other* process writes to the file meanwhile. We rely on this: the bytes are
    // plain `u8` (no value is invalid) and every reader checks each bound at the access
    // and never through a number it read twice, so changing content gives a wrong
    // image, not a wild access; `check_unchanged` (length and modification time, before
    // and after) turns that into an error, and the proof of the patch reads the image
    // again. A file that is cut shorter makes the next touch of the lost pages a
    // SIGBUS: the process ends, and because outputs are written beside and renamed when
    // complete, it leaves no half output.
    unsafe { Mmap::map(file) }
}

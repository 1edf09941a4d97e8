//! Why a file could not be read as an image: what was wrong, where, what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Which rule an image file broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ImageErrorKind {
    /// The operating system could not give the bytes.
    Unreadable,
    /// There are no bytes, or none of them belong into flash.
    Empty,
    /// Longer than an image can be.
    TooLarge,
    /// The file breaks its own format.
    Malformed,
    /// The file is well-formed but of a kind that has no single flash image.
    Unsupported,
    /// The file changed while it was being used.
    Changed,
}

/// Where in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The file as a whole.
    File,
    /// Line of a text file, from 1.
    Line(usize),
    /// Byte offset in a binary file.
    Offset(usize),
}

/// A file that could not be read as an image.
#[derive(Debug)]
pub struct ImageError {
    kind: ImageErrorKind,
    place: Place,
    path: Option<PathBuf>,
    what: String,
    advice: &'static str,
    cause: Option<io::Error>,
}

impl ImageError {
    pub(super) fn new(
        kind: ImageErrorKind,
        place: Place,
        what: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        ImageError {
            kind,
            place,
            path: None,
            what: what.into(),
            advice,
            cause: None,
        }
    }

    pub(super) fn malformed(place: Place, what: impl Into<String>) -> Self {
        let advice = "the file is damaged or cut off: build or fetch it again";
        ImageError::new(ImageErrorKind::Malformed, place, what, advice)
    }

    pub(super) fn io(cause: io::Error) -> Self {
        let advice = match cause.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check the file's permissions",
            _ => "check the file and the disk",
        };
        let mut e = ImageError::new(
            ImageErrorKind::Unreadable,
            Place::File,
            format!("cannot be read ({cause})"),
            advice,
        );
        e.cause = Some(cause);
        e
    }

    pub(super) fn in_file(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// The rule that was broken.
    pub fn kind(&self) -> ImageErrorKind {
        self.kind
    }

    /// Where in the file.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The file, where the image came from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        match self.place {
            Place::File => {}
            Place::Line(n) => write!(f, "line {n}: ")?,
            Place::Offset(n) => write!(f, "at byte {n}: ")?,
        }
        write!(f, "{}; {}", self.what, self.advice)
    }
}

impl std::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|e| e as _)
    }
}

pub(super) fn empty(what: &str) -> ImageError {
    let advice = "give a firmware image of at least one byte";
    ImageError::new(ImageErrorKind::Empty, Place::File, what, advice)
}

pub(super) fn too_large(len: u64) -> ImageError {
    ImageError::new(
        ImageErrorKind::TooLarge,
        Place::File,
        format!("the image would be {len} bytes long"),
        "images end below 4 GiB, converted ones at 256 MiB; give the part that is flashed",
    )
}

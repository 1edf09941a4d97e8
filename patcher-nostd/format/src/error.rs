//! What can be wrong with bytes that claim to be a patch.
//!
//! Raised by every parser and by the decoder; carried unchanged through the patcher
//! to the user. A kind names the rule that was broken, `at` says where.

use core::fmt;

/// A broken rule and where it was noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// The rule that was broken.
    pub kind: ErrorKind,
    /// New offset at which decoding stood; for [`ErrorKind::PayloadTruncated`] and
    /// [`ErrorKind::PayloadTrailing`] the payload length there should have been.
    pub at: u32,
}

/// The rules that a payload can break. SPEC §9 lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The payload ends before the new image is complete.
    PayloadTruncated,
    /// Bytes are left over after the new image is complete.
    PayloadTrailing,
    /// A header field has a value that this version does not know.
    HeaderUnsupported,
    /// A header field contradicts another one or the manifest.
    HeaderInconsistent,
    /// An image is larger than the profile's tables can address.
    ImageTooLarge,
    /// The equivalence map has more entries than the profile allows.
    MapTooLarge,
    /// A map entry lies outside the old or the new image.
    MapOutOfRange,
    /// A copy reads beyond the end of the old image or of the new image so far.
    CopyOutOfRange,
    /// An op would write beyond the declared size of the new image.
    OutputOverrun,
    /// The workspace given is smaller than the profile needs.
    WorkspaceTooSmall,
    /// A number is too large for its field.
    NumberTooLarge,
    /// The patch was made with a trained initial state that this build lacks.
    PriorMissing,
    /// A state that no input should reach; a defect in this crate.
    Bug,
}

impl Error {
    /// An error of `kind` at offset `at`.
    pub const fn new(kind: ErrorKind, at: u32) -> Self {
        Error { kind, at }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::PayloadTruncated => "the payload ends too early",
            ErrorKind::PayloadTrailing => "bytes are left over behind the payload",
            ErrorKind::HeaderUnsupported => "the payload header has an unknown value",
            ErrorKind::HeaderInconsistent => "the payload header contradicts the manifest",
            ErrorKind::ImageTooLarge => "an image is larger than the profile can address",
            ErrorKind::MapTooLarge => "the equivalence map is larger than the profile allows",
            ErrorKind::MapOutOfRange => "a map entry lies outside the images",
            ErrorKind::CopyOutOfRange => "a copy reads outside the image",
            ErrorKind::OutputOverrun => "an op writes beyond the end of the new image",
            ErrorKind::WorkspaceTooSmall => "the workspace is smaller than the profile needs",
            ErrorKind::NumberTooLarge => "a number does not fit its field",
            ErrorKind::PriorMissing => {
                "the patch needs a trained initial state that is not built in"
            }
            ErrorKind::Bug => "internal error",
        };
        write!(f, "{what} (at byte {})", self.at)
    }
}

impl core::error::Error for Error {}

//! What can go wrong in the engine, sorted by what the user can do about it.

use std::fmt;

/// What kind of failure it is; the command's exit code follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorClass {
    /// The operation failed on this machine: input/output, memory, a defect.
    Failed,
    /// The request makes no sense as it stands.
    Usage,
    /// A signature or digest does not hold: the bytes are not what the signer signed.
    NotAuthentic,
    /// The patch is authentic but was made for another image or device.
    WrongBase,
    /// The patch is cut off, malformed, or needs what this build does not have.
    Damaged,
}

/// A failure, with what to do about it in its text.
#[derive(Debug)]
pub struct Error {
    class: ErrorClass,
    message: String,
}

impl Error {
    /// A failure of `class`.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Error {
            class,
            message: message.into(),
        }
    }

    /// A state that should not occur; a defect of this crate.
    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Error::new(
            ErrorClass::Failed,
            format!("internal error: {message}; please report it with both images"),
        )
    }

    /// What kind of failure it is.
    pub fn class(&self) -> ErrorClass {
        self.class
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The codec refusing what the engine made is a defect.
impl From<deltamote_format::Error> for Error {
    fn from(e: deltamote_format::Error) -> Self {
        Error::internal(e)
    }
}

/// Likewise for the structures around it, except for fields the user fills.
impl From<deltamote_format::envelope::WireError> for Error {
    fn from(e: deltamote_format::envelope::WireError) -> Self {
        Error::new(
            ErrorClass::Usage,
            format!("the manifest cannot be written: {e}; shorten or drop optional fields"),
        )
    }
}

impl From<crate::keys::KeyError> for Error {
    fn from(e: crate::keys::KeyError) -> Self {
        Error::new(ErrorClass::Failed, e.to_string())
    }
}

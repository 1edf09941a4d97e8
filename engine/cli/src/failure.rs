//! How a command fails: one line for the user and an exit code for scripts.

use std::fmt;
use std::process::ExitCode;

use deltamote_engine::image::ImageError;
use deltamote_engine::keys::KeyError;
use deltamote_engine::{Error, ErrorClass};

/// What went wrong, and the exit code it has by contract.
#[derive(Debug)]
pub struct Failure {
    class: ErrorClass,
    message: String,
}

impl Failure {
    /// The operation failed: exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Failure::new(ErrorClass::Failed, message)
    }

    /// The command was called wrongly: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure::new(ErrorClass::Usage, message)
    }

    /// A failure of a class that the engine would report as such.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Failure {
            class,
            message: message.into(),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.class {
            ErrorClass::Failed => 1,
            ErrorClass::Usage => 2,
            ErrorClass::NotAuthentic => 3,
            ErrorClass::WrongBase => 4,
            ErrorClass::Damaged => 5,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::new(e.class(), e.to_string())
    }
}

impl From<ImageError> for Failure {
    fn from(e: ImageError) -> Self {
        Failure::failed(e.to_string())
    }
}

impl From<KeyError> for Failure {
    fn from(e: KeyError) -> Self {
        Failure::failed(e.to_string())
    }
}

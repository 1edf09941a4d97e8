//! What the demo says, as a line of JSON on the host's terminal.

#![allow(dead_code)] // Each of the firmwares uses a part of it.

use crate::board::host::put;
use deltamote_patcher::Error;

/// A string.
pub fn text(text: &str) {
    for byte in text.bytes() {
        put(byte);
    }
}

/// A number.
fn number(n: u64) {
    let rest = n / 10;
    if rest != 0 {
        number(rest);
    }
    put(b'0' + (n % 10) as u8);
}

/// An object of these fields.
pub fn fields(fields: &[(&str, u64)]) {
    for (k, (name, value)) in fields.iter().enumerate() {
        text(if k == 0 { "{\"" } else { ", \"" });
        text(name);
        text("\": ");
        number(*value);
    }
    text("}\n");
}

/// The kind of an error; formatting would link a lot.
pub fn name(e: &Error) -> &'static str {
    match e {
        Error::BadSignature => "BadSignature",
        Error::UnknownKey => "UnknownKey",
        Error::NotSigned => "NotSigned",
        Error::OldImageMismatch => "OldImageMismatch",
        Error::NewImageMismatch => "NewImageMismatch",
        Error::NewImageTooLarge => "NewImageTooLarge",
        Error::IsaUnknown => "IsaUnknown",
        Error::RamTooSmall { .. } => "RamTooSmall",
        Error::PriorMissing => "PriorMissing",
        Error::ProfileTooLarge => "ProfileTooLarge",
        Error::ChunkMismatch { .. } => "ChunkMismatch",
        Error::Geometry(_) => "Geometry",
        Error::Flash(..) => "Flash",
        Error::Payload { .. } => "Payload",
        Error::Incomplete => "Incomplete",
        Error::Wire { .. } => "Wire",
        Error::Bug => "Bug",
        _ => "other",
    }
}

//! The stable numbers of everything that can go wrong, their texts and classes.
//!
//! A number is never used again for something else. `tests/codes.rs` holds the list to
//! the kinds of errors in patcher and format.

use core::ffi::CStr;
use deltamote_patcher::format::ErrorKind;
use deltamote_patcher::format::envelope::Rule;
use deltamote_patcher::{Error, Fault, FlashDevice};

/// Result of a call. 0 is success; the rest says what was wrong, and never changes its
/// number. Failures are final (the same one comes back on every call) except where it
/// says otherwise; after one, a new `deltamote_init` on the same flash resumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer is null or misaligned, or points into the workspace where it must not,
    /// or a value is out of range. Not final.
    InvalidArgument = 1,
    /// Header and library are not of the same version. Not final.
    AbiMismatch = 2,
    /// The workspace is smaller than the profile needs: see `deltamote_workspace_size`.
    WorkspaceTooSmall = 3,
    /// The workspace does not begin at a multiple of DELTAMOTE_WORKSPACE_ALIGN.
    WorkspaceMisaligned = 4,
    /// Called from inside a callback of the same handle. Not final.
    Busy = 5,
    /// The handle was never opened, or is closed.
    NotOpen = 6,
    /// Neither a verifier, nor keys that this build can use, nor unsigned patches allowed.
    NoVerifier = 7,

    /// The patch is unsigned and the device does not allow that.
    NotSigned = 10,
    /// The key that signed is not trusted here.
    UnknownKey = 11,
    /// The signature does not hold.
    BadSignature = 12,
    /// A chunk is not the one that was signed. Detail: its patch offset.
    ChunkMismatch = 13,
    /// The device wants two signatures, and the patch has one.
    SecondSignatureMissing = 14,
    /// The key that signed is revoked.
    KeyRevoked = 15,
    /// The key that signed may not sign this sequence number, or not for this device.
    KeyNotEntitled = 16,
    /// A key set is older than the newest one accepted, or another of its version.
    KeySetTooOld = 17,

    /// The patch uses a codec that is not built in.
    CodecUnknown = 20,
    /// The patch uses an instruction set that is not built in.
    IsaUnknown = 21,
    /// The patch needs a trained initial state that is not built in.
    PriorMissing = 22,
    /// The patch needs a larger profile than the device has.
    ProfileTooLarge = 23,
    /// The patch needs more working RAM than was given. Detail: bytes needed.
    RamTooSmall = 24,
    /// The payload is encrypted, or at init: a key for that is given, which is not built in.
    EncryptionUnsupported = 25,
    /// A key set is to be used, which is not built in.
    KeySetUnsupported = 26,

    /// Made for another vendor.
    WrongVendor = 30,
    /// Made for another class of device.
    WrongClass = 31,
    /// Made for another slot or load address.
    WrongSlot = 32,
    /// The sequence number is below the device's floor.
    SequenceTooOld = 33,
    /// The old image is not the one that the patch starts from.
    OldImageMismatch = 34,
    /// The new image does not fit the slot.
    NewImageTooLarge = 35,
    /// The running image is not confirmed: the slot holds the one to fall back to.
    NotConfirmed = 36,
    /// The payload is encrypted for another recipient.
    WrongRecipient = 37,
    /// The application does not want this update now.
    Declined = 38,

    /// The slot does not hold the new image although all was written.
    NewImageMismatch = 40,
    /// Bytes follow the end of the patch.
    TrailingBytes = 41,
    /// Bytes were pushed that do not follow on. Detail: patch offset to send from. Not final.
    Gap = 42,
    /// Finished before the patch was complete. Not final.
    Incomplete = 43,
    /// The content key of the encrypted payload cannot be had from the patch.
    ContentKeyUnavailable = 44,
    /// A chunk is the one that was signed, but does not decrypt. Detail: its patch offset.
    NotDecrypted = 45,

    /// The old image's flash cannot be used as described.
    GeometryOld = 50,
    /// The slot's flash cannot be used as described.
    GeometrySlot = 51,
    /// The journal's flash cannot be used as described.
    GeometryJournal = 52,
    /// The old image's flash failed.
    FlashOld = 53,
    /// The slot's flash failed.
    FlashSlot = 54,
    /// The journal's flash failed.
    FlashJournal = 55,
    /// Bytes of the old image cannot be read.
    PoisonedOld = 56,
    /// Bytes of the slot cannot be read.
    PoisonedSlot = 57,
    /// Bytes of the journal cannot be read.
    PoisonedJournal = 58,
    /// The hand-over to the bootloader failed; may be tried again. Not final.
    HandOver = 59,

    /// A state that no input should reach: a defect of the library.
    Bug = 90,
    /// An error that this header does not know.
    Other = 91,

    /// This is not a Deltamote patch.
    Magic = 100,
    /// The envelope has an impossible length.
    EnvelopeLength = 101,
    /// Envelope or manifest are malformed.
    Malformed = 102,
    /// Envelope or manifest are not in canonical form.
    NotCanonical = 103,
    /// An unknown field that must be understood. Detail: its key.
    UnknownField = 104,
    /// A required field is missing. Detail: its key.
    MissingField = 105,
    /// A field has an unknown value.
    UnknownValue = 106,
    /// A field is out of range.
    OutOfRange = 107,
    /// Signature and key id do not go together.
    HalfSigned = 108,

    /// The payload ends before the new image is complete.
    PayloadTruncated = 120,
    /// Bytes are left over after the new image is complete.
    PayloadTrailing = 121,
    /// The payload header has an unknown value.
    HeaderUnsupported = 122,
    /// The payload header contradicts the manifest.
    HeaderInconsistent = 123,
    /// An image is larger than the profile can address.
    ImageTooLarge = 124,
    /// The equivalence map is larger than the profile allows.
    MapTooLarge = 125,
    /// A map entry lies outside the images.
    MapOutOfRange = 126,
    /// A copy reads outside the image.
    CopyOutOfRange = 127,
    /// An op writes beyond the end of the new image.
    OutputOverrun = 128,
    /// A number does not fit its field.
    NumberTooLarge = 129,
}

/// What a status means to whoever sent the patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Class {
    /// Nothing is wrong.
    None = 0,
    /// Not signed by a trusted key, or altered on the way.
    NotAuthentic = 1,
    /// Good, but not for this image or this device.
    WrongBase = 2,
    /// Broken, or cut short.
    Damaged = 3,
    /// Good, but this build cannot apply it.
    Unsupported = 4,
    /// The device's flash failed.
    FlashFailed = 5,
    /// The firmware called the library in a wrong way.
    Usage = 6,
}

/// The number of an error and its detail: an offset, or a size.
pub(crate) fn of(error: &Error) -> (Status, u32) {
    let status = match error {
        Error::Wire { rule, at } => return (of_rule(*rule), *at),
        Error::Payload { kind, at } => return (of_kind(*kind), *at),
        Error::ChunkMismatch { at } => return (Status::ChunkMismatch, *at),
        Error::NotDecrypted { at } => return (Status::NotDecrypted, *at),
        Error::RamTooSmall { needed } => return (Status::RamTooSmall, *needed),
        Error::Gap { wanted } => return (Status::Gap, *wanted),
        Error::NotSigned => Status::NotSigned,
        Error::UnknownKey => Status::UnknownKey,
        Error::BadSignature => Status::BadSignature,
        Error::SecondSignatureMissing => Status::SecondSignatureMissing,
        Error::KeyRevoked => Status::KeyRevoked,
        Error::KeyNotEntitled => Status::KeyNotEntitled,
        Error::KeySetTooOld => Status::KeySetTooOld,
        Error::EncryptionUnsupported => Status::EncryptionUnsupported,
        Error::WrongRecipient => Status::WrongRecipient,
        Error::Declined => Status::Declined,
        Error::ContentKeyUnavailable => Status::ContentKeyUnavailable,
        Error::CodecUnknown => Status::CodecUnknown,
        Error::IsaUnknown => Status::IsaUnknown,
        Error::PriorMissing => Status::PriorMissing,
        Error::ProfileTooLarge => Status::ProfileTooLarge,
        Error::WrongVendor => Status::WrongVendor,
        Error::WrongClass => Status::WrongClass,
        Error::WrongSlot => Status::WrongSlot,
        Error::SequenceTooOld => Status::SequenceTooOld,
        Error::OldImageMismatch => Status::OldImageMismatch,
        Error::NewImageTooLarge => Status::NewImageTooLarge,
        Error::NotConfirmed => Status::NotConfirmed,
        Error::NewImageMismatch => Status::NewImageMismatch,
        Error::TrailingBytes => Status::TrailingBytes,
        Error::Incomplete => Status::Incomplete,
        Error::Geometry(FlashDevice::Old) => Status::GeometryOld,
        Error::Geometry(FlashDevice::Slot) => Status::GeometrySlot,
        Error::Geometry(FlashDevice::Journal) => Status::GeometryJournal,
        Error::Flash(FlashDevice::Old, Fault::Bus) => Status::FlashOld,
        Error::Flash(FlashDevice::Slot, Fault::Bus) => Status::FlashSlot,
        Error::Flash(FlashDevice::Journal, Fault::Bus) => Status::FlashJournal,
        Error::Flash(FlashDevice::Old, Fault::Poisoned) => Status::PoisonedOld,
        Error::Flash(FlashDevice::Slot, Fault::Poisoned) => Status::PoisonedSlot,
        Error::Flash(FlashDevice::Journal, Fault::Poisoned) => Status::PoisonedJournal,
        Error::HandOver(_) => Status::HandOver,
        Error::Bug => Status::Bug,
        // Not from here: a staged patch. Or a kind that is newer than this list, which
        // tests/codes.rs would have said.
        _ => Status::Other,
    };
    (status, 0)
}

fn of_rule(rule: Rule) -> Status {
    match rule {
        Rule::Magic => Status::Magic,
        Rule::EnvelopeLength => Status::EnvelopeLength,
        Rule::Malformed => Status::Malformed,
        Rule::NotCanonical => Status::NotCanonical,
        Rule::UnknownKey => Status::UnknownField,
        Rule::MissingField => Status::MissingField,
        Rule::UnknownValue => Status::UnknownValue,
        Rule::OutOfRange => Status::OutOfRange,
        Rule::HalfSigned => Status::HalfSigned,
        // Only where a patch is made.
        Rule::BufferTooSmall => Status::Bug,
        _ => Status::Other,
    }
}

fn of_kind(kind: ErrorKind) -> Status {
    match kind {
        ErrorKind::PayloadTruncated => Status::PayloadTruncated,
        ErrorKind::PayloadTrailing => Status::PayloadTrailing,
        ErrorKind::HeaderUnsupported => Status::HeaderUnsupported,
        ErrorKind::HeaderInconsistent => Status::HeaderInconsistent,
        ErrorKind::ImageTooLarge => Status::ImageTooLarge,
        ErrorKind::MapTooLarge => Status::MapTooLarge,
        ErrorKind::MapOutOfRange => Status::MapOutOfRange,
        ErrorKind::CopyOutOfRange => Status::CopyOutOfRange,
        ErrorKind::OutputOverrun => Status::OutputOverrun,
        ErrorKind::NumberTooLarge => Status::NumberTooLarge,
        ErrorKind::PriorMissing => Status::PriorMissing,
        ErrorKind::WorkspaceTooSmall | ErrorKind::Bug => Status::Bug,
        _ => Status::Other,
    }
}

/// What `code` says, in English.
pub(crate) fn text(code: i32) -> &'static CStr {
    match code {
        0 => c"done",
        1 => c"a pointer or a value is not acceptable",
        2 => c"header and library are not of the same version",
        3 => c"the workspace is smaller than the profile needs",
        4 => c"the workspace is misaligned",
        5 => c"called from inside a callback of the same handle",
        6 => c"the handle is not open",
        7 => c"nothing is there to check signatures with",
        10 => c"the patch is not signed",
        11 => c"the patch is signed with a key that is not trusted here",
        12 => c"the signature does not hold",
        13 => c"a chunk is not the one that was signed",
        14 => c"the device wants two signatures, and the patch has one",
        15 => c"the key that signed is revoked",
        16 => c"the key that signed may not sign this patch",
        17 => c"the key set is older than the newest one accepted, or another of its version",
        20 => c"the patch uses a codec that is not built in",
        21 => c"the patch uses an instruction set that is not built in",
        22 => c"the patch needs a trained initial state that is not built in",
        23 => c"the patch needs a larger profile than this device has",
        24 => c"the patch needs more working RAM",
        25 => c"the patch is encrypted, which is not built in",
        26 => c"a key set is to be used, which is not built in",
        30 => c"the patch is for another vendor",
        31 => c"the patch is for another class of device",
        32 => c"the patch is for another slot or load address",
        33 => c"the sequence number is below the device's floor",
        34 => c"the old image is not the one the patch starts from",
        35 => c"the new image does not fit the slot",
        36 => c"the running image is not confirmed yet",
        37 => c"the patch is encrypted for another recipient",
        38 => c"the application does not want this update now",
        40 => c"the slot does not hold the new image",
        41 => c"bytes follow the end of the patch",
        42 => c"the bytes do not follow on",
        43 => c"the patch is not complete",
        44 => c"the content key cannot be had from the patch",
        45 => c"a chunk does not decrypt",
        50 => c"the old image's flash cannot be used as described",
        51 => c"the slot's flash cannot be used as described",
        52 => c"the journal's flash cannot be used as described",
        53 => c"the old image's flash failed",
        54 => c"the slot's flash failed",
        55 => c"the journal's flash failed",
        56 => c"bytes of the old image cannot be read",
        57 => c"bytes of the slot cannot be read",
        58 => c"bytes of the journal cannot be read",
        59 => c"the hand-over to the bootloader failed",
        90 => c"internal error",
        91 => c"an error that this version has no number for",
        100 => c"this is not a Deltamote patch",
        101 => c"the envelope has an impossible length",
        102 => c"the envelope or manifest is malformed",
        103 => c"the envelope or manifest is not in canonical form",
        104 => c"an unknown field that must be understood",
        105 => c"a required field is missing",
        106 => c"a field has an unknown value",
        107 => c"a field is out of range",
        108 => c"signature and key id do not go together",
        120 => c"the payload ends too early",
        121 => c"bytes are left over behind the payload",
        122 => c"the payload header has an unknown value",
        123 => c"the payload header contradicts the manifest",
        124 => c"an image is larger than the profile can address",
        125 => c"the equivalence map is larger than the profile allows",
        126 => c"a map entry lies outside the images",
        127 => c"a copy reads outside the image",
        128 => c"an op writes beyond the end of the new image",
        129 => c"a number does not fit its field",
        _ => c"no such status",
    }
}

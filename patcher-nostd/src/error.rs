//! What can go wrong on the device, and what it means to whoever sent the patch.
//!
//! Every stage raises these; [`crate::Patcher`] keeps the first one and repeats it.

use crate::flash::Fault;
use core::fmt;
use deltamote_format::envelope::{Rule, WireError};
use deltamote_format::{Error as PayloadError, ErrorKind};

/// Why a patch was not applied.
///
/// Eight bytes, so that a device returns it in registers: the fields of what other crates
/// find wrong are in it, because a struct of them would take a word more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// Head, envelope or manifest break a rule.
    Wire {
        /// The rule.
        rule: Rule,
        /// Byte offset in the structure, or the manifest key.
        at: u32,
    },
    /// The patch is unsigned and the device does not allow that.
    NotSigned,
    /// The key that signed is not trusted here.
    UnknownKey,
    /// A signature does not hold.
    BadSignature,
    /// The device wants two signatures, and the patch has one.
    SecondSignatureMissing,
    /// The key that signed is revoked.
    KeyRevoked,
    /// The key that signed may not sign this sequence number, or not for this device.
    KeyNotEntitled,
    /// A key set is older than the newest one accepted, or has its version and says other
    /// things.
    KeySetTooOld,
    /// A chunk is not the one that was signed; the offset is the chunk's in the patch.
    ChunkMismatch {
        /// Patch offset of the chunk.
        at: u32,
    },
    /// The payload breaks a rule of the codec.
    Payload {
        /// The rule.
        kind: ErrorKind,
        /// New offset, as [`deltamote_format::Error`] has it.
        at: u32,
    },
    /// The manifest names a codec that is not built in.
    CodecUnknown,
    /// The manifest uses an instruction set that is not built in.
    IsaUnknown,
    /// The manifest needs a trained initial state that is not built in.
    PriorMissing,
    /// The payload is encrypted, and the feature `encryption` is not built in.
    EncryptionUnsupported,
    /// The patch needs a larger profile than the device has.
    ProfileTooLarge,
    /// The patch needs more working RAM than was given.
    RamTooSmall {
        /// Bytes needed.
        needed: u32,
    },
    /// Made for another vendor.
    WrongVendor,
    /// Made for another class of device.
    WrongClass,
    /// Made for another slot or load address.
    WrongSlot,
    /// The sequence number is below the device's floor.
    SequenceTooOld,
    /// The old image is not the one that the patch starts from.
    OldImageMismatch,
    /// The new image does not fit the slot.
    NewImageTooLarge,
    /// The payload is encrypted for another recipient.
    WrongRecipient,
    /// The content key of the encrypted payload cannot be had from the patch.
    ContentKeyUnavailable,
    /// A chunk is the one that was signed, but does not decrypt: signer and device
    /// disagree on the key.
    NotDecrypted {
        /// Patch offset of the chunk.
        at: u32,
    },
    /// The application does not want this update now ([`crate::HandOver::accepts`]).
    Declined,
    /// The running image is not confirmed: the slot holds the one to fall back to.
    NotConfirmed,
    /// The slot does not hold the new image although all was written.
    NewImageMismatch,
    /// Bytes follow the end of the patch.
    TrailingBytes,
    /// Bytes were pushed that do not follow on; the patcher wants `wanted` next.
    /// Not final.
    Gap {
        /// Patch offset to send from.
        wanted: u32,
    },
    /// [`crate::Patcher::finish`] was called before the patch was complete. Not final.
    Incomplete,
    /// A flash device cannot be used: its geometry breaks a rule.
    Geometry(Device),
    /// A flash operation failed.
    Flash(Device, Fault),
    /// The hand-over to the bootloader failed; may be tried again. Not final.
    HandOver(Fault),
    /// A state that no input should reach; a defect in this crate.
    Bug,
}

/// Which of the three flash devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// Holds the old image.
    Old,
    /// Takes the new image.
    Slot,
    /// Holds the journal.
    Journal,
    /// Holds the staged patch.
    Patch,
}

/// What an [`Error`] means to the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Not signed by a trusted key, or altered on the way.
    NotAuthentic,
    /// Good, but not for this image or this device.
    WrongBase,
    /// Broken, or cut short.
    Damaged,
    /// Good, but this build cannot apply it.
    Unsupported,
    /// The device's flash failed.
    Flash,
}

impl Error {
    /// What it means to the sender.
    pub fn class(&self) -> Class {
        match self {
            Error::NotSigned
            | Error::UnknownKey
            | Error::BadSignature
            | Error::SecondSignatureMissing
            | Error::KeyRevoked
            | Error::KeyNotEntitled
            | Error::KeySetTooOld
            | Error::ChunkMismatch { .. } => Class::NotAuthentic,
            Error::WrongVendor
            | Error::WrongClass
            | Error::WrongSlot
            | Error::SequenceTooOld
            | Error::OldImageMismatch
            | Error::NewImageTooLarge
            | Error::WrongRecipient
            | Error::Declined
            | Error::NotConfirmed => Class::WrongBase,
            Error::Wire {
                rule: Rule::UnknownKey | Rule::UnknownValue,
                ..
            }
            | Error::Payload {
                kind: ErrorKind::HeaderUnsupported | ErrorKind::PriorMissing,
                ..
            }
            | Error::CodecUnknown
            | Error::IsaUnknown
            | Error::PriorMissing
            | Error::EncryptionUnsupported
            | Error::ProfileTooLarge
            | Error::RamTooSmall { .. } => Class::Unsupported,
            Error::Wire { .. }
            | Error::Payload { .. }
            | Error::NewImageMismatch
            | Error::ContentKeyUnavailable
            | Error::NotDecrypted { .. }
            | Error::TrailingBytes
            | Error::Gap { .. }
            | Error::Incomplete
            | Error::Bug => Class::Damaged,
            Error::Geometry(_) | Error::Flash(..) | Error::HandOver(_) => Class::Flash,
        }
    }
}

const _: () = assert!(size_of::<Result<u32, Error>>() == 8);

/// Why decoding stops: an [`Error`] without its fields, so that one register takes it from
/// function to function.
// As large as a register, and not 0: then 0 is success, and one short instruction asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Stop {
    /// [`Error::Bug`]
    Bug = 1,
    /// One that the patcher has kept already.
    Told,
    /// There is nothing valid where the journal was read: does not leave it.
    Nothing,
    /// [`Error::OldImageMismatch`]
    OldImage,
    /// [`Error::NewImageMismatch`]
    NewImage,
    /// [`Error::ChunkMismatch`]
    Chunk,
    /// [`Error::NotDecrypted`]
    #[cfg(feature = "encryption")]
    Sealed,
    /// [`Error::Payload`]
    Payload,
    /// [`Error::Geometry`] of the slot
    SlotGeometry,
    /// [`Error::Geometry`] of the journal
    JournalGeometry,
    /// [`Error::Flash`] of the old image, [`Fault::Poisoned`]
    OldPoisoned,
    /// [`Error::Flash`] of the old image, [`Fault::Bus`]
    OldBus,
    /// [`Error::Flash`] of the slot, [`Fault::Poisoned`]
    SlotPoisoned,
    /// [`Error::Flash`] of the slot, [`Fault::Bus`]
    SlotBus,
    /// [`Error::Flash`] of the journal, [`Fault::Poisoned`]
    JournalPoisoned,
    /// [`Error::Flash`] of the journal, [`Fault::Bus`]
    JournalBus,
}

const _: () = assert!(size_of::<Result<(), Stop>>() == 4);

/// For [`Stop::error`] where no rule of the payload can be broken: all bits zero, which is what
/// takes least.
pub(crate) const NO_RULE: PayloadError = PayloadError::new(ErrorKind::PayloadTruncated, 0);

impl Stop {
    /// An operation on the old image failed.
    pub(crate) fn old(fault: Fault) -> Stop {
        match fault {
            Fault::Poisoned => Stop::OldPoisoned,
            Fault::Bus => Stop::OldBus,
        }
    }

    /// An operation on the slot failed.
    pub(crate) fn slot(fault: Fault) -> Stop {
        match fault {
            Fault::Poisoned => Stop::SlotPoisoned,
            Fault::Bus => Stop::SlotBus,
        }
    }

    /// An operation on the journal failed.
    pub(crate) fn journal(fault: Fault) -> Stop {
        match fault {
            Fault::Poisoned => Stop::JournalPoisoned,
            Fault::Bus => Stop::JournalBus,
        }
    }

    /// The error; `broken` is the rule that the payload breaks, or where the chunk begins.
    #[inline(never)]
    pub(crate) fn error(self, broken: PayloadError) -> Error {
        let PayloadError { kind, at } = broken;
        match self {
            Stop::Bug | Stop::Told | Stop::Nothing => Error::Bug,
            Stop::OldImage => Error::OldImageMismatch,
            Stop::NewImage => Error::NewImageMismatch,
            Stop::Chunk => Error::ChunkMismatch { at },
            #[cfg(feature = "encryption")]
            Stop::Sealed => Error::NotDecrypted { at },
            Stop::Payload => Error::Payload { kind, at },
            Stop::SlotGeometry => Error::Geometry(Device::Slot),
            Stop::JournalGeometry => Error::Geometry(Device::Journal),
            Stop::OldPoisoned => Error::Flash(Device::Old, Fault::Poisoned),
            Stop::OldBus => Error::Flash(Device::Old, Fault::Bus),
            Stop::SlotPoisoned => Error::Flash(Device::Slot, Fault::Poisoned),
            Stop::SlotBus => Error::Flash(Device::Slot, Fault::Bus),
            Stop::JournalPoisoned => Error::Flash(Device::Journal, Fault::Poisoned),
            Stop::JournalBus => Error::Flash(Device::Journal, Fault::Bus),
        }
    }
}

impl From<WireError> for Error {
    fn from(e: WireError) -> Self {
        let WireError { rule, at } = e;
        Error::Wire { rule, at }
    }
}

impl From<PayloadError> for Error {
    fn from(e: PayloadError) -> Self {
        let PayloadError { kind, at } = e;
        Error::Payload { kind, at }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            &Error::Wire { rule, at } => return WireError { rule, at }.fmt(f),
            &Error::Payload { kind, at } => return PayloadError { kind, at }.fmt(f),
            Error::NotSigned => "the patch is not signed",
            Error::UnknownKey => "the patch is signed with a key that is not trusted here",
            Error::BadSignature => "the signature does not hold",
            Error::SecondSignatureMissing => "the patch has one signature, two are wanted",
            Error::KeyRevoked => "the patch is signed with a revoked key",
            Error::KeyNotEntitled => {
                "the key may not sign this sequence number, or not for this device"
            }
            Error::KeySetTooOld => {
                "the key set is older than the one accepted before, or another of its version"
            }
            Error::ChunkMismatch { at } => {
                return write!(f, "the chunk at byte {at} is not the one that was signed");
            }
            Error::CodecUnknown => "the patch uses a codec that is not built in",
            Error::IsaUnknown => "the patch uses an instruction set that is not built in",
            Error::PriorMissing => "the patch needs a trained initial state that is not built in",
            Error::EncryptionUnsupported => {
                "the patch is encrypted, and decryption is not built in"
            }
            Error::WrongRecipient => "the patch is encrypted for another recipient",
            Error::ContentKeyUnavailable => "the key of the encrypted patch cannot be had",
            Error::NotDecrypted { at } => {
                return write!(f, "the chunk at byte {at} does not decrypt");
            }
            Error::Declined => "the application does not want this update now",
            Error::ProfileTooLarge => "the patch needs a larger profile than this device has",
            Error::RamTooSmall { needed } => {
                return write!(f, "the patch needs {needed} bytes of working RAM");
            }
            Error::WrongVendor => "the patch is for another vendor",
            Error::WrongClass => "the patch is for another class of device",
            Error::WrongSlot => "the patch is for another slot or load address",
            Error::SequenceTooOld => "the sequence number is below the device's floor",
            Error::OldImageMismatch => "the old image is not the one the patch starts from",
            Error::NewImageTooLarge => "the new image does not fit the slot",
            Error::NotConfirmed => "the running image is not confirmed yet",
            Error::NewImageMismatch => "the slot does not hold the new image",
            Error::TrailingBytes => "bytes follow the end of the patch",
            Error::Gap { wanted } => return write!(f, "bytes are wanted from {wanted}"),
            Error::Incomplete => "the patch is not complete",
            Error::Geometry(device) => {
                return write!(f, "the {} flash cannot be used", device.name());
            }
            Error::Flash(device, fault) => {
                return write!(f, "the {} flash failed: {fault}", device.name());
            }
            Error::HandOver(fault) => return write!(f, "the hand-over failed: {fault}"),
            Error::Bug => "internal error",
        };
        f.write_str(what)
    }
}

impl core::error::Error for Error {}

impl Device {
    const fn name(self) -> &'static str {
        match self {
            Device::Old => "old image's",
            Device::Slot => "slot's",
            Device::Journal => "journal's",
            Device::Patch => "staged patch's",
        }
    }
}

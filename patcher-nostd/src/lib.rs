//! The device half of Deltamote: makes the new image in the inactive slot from the old
//! image and a patch, in fixed RAM, and survives a power cut at any moment.
//!
//! ```text
//! patch bytes, as they arrive                      the old slot (only read)
//!      |                                                |
//!   [receive] head, envelope --> [trust] signature,     |
//!      |                          device, old image     |
//!      | chunk (authentic before it is decoded)         |
//!      v                                                v
//!   [codec] the format crate's decoder <---------- [source] bytes of both images
//!      |                                                ^
//!      v                                                |
//!   [sink] page (whole program units) --> [flash] --> the new slot
//!      |
//!      v behind each erase block or part of a large one
//!   [journal] how far we are            at the end: read back, digest, [hand_over]
//! ```
//!
//! [`Patcher`] joins these; [`Workspace`] is all the memory they use. No heap, no
//! `unsafe`, no panic. Laws that the tests hold it to: any split of the input gives the
//! same result; nothing is erased before everything that can be checked has been; a cut
//! at any flash operation, torn or not, leads to the same new image after resuming.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod codec;
#[cfg(feature = "encryption")]
pub mod encryption;
mod error;
pub mod flash;
pub mod hand_over;
mod hashes;
mod journal;
pub mod key_set;
pub mod memory;
mod patcher;
mod receive;
mod running;
#[doc(hidden)]
pub mod sabotage;
pub mod signature;
mod sink;
mod source;
mod staged;
pub mod trust;
mod workspace;

pub use deltamote_format as format;
pub use error::{Class, Device as FlashDevice, Error};
pub use flash::{Block, Blocks, Fault, Flash, Geometry, Region, Run};
pub use hand_over::HandOver;
pub use journal::{checkpoints, journal_bytes, journal_bytes_written};
pub use key_set::KeySetKeys;
pub use memory::{Candidate, Memory};
pub use patcher::{Parts, Patcher, Progress};
pub use sink::CHECKPOINT_BYTES;
pub use staged::PatchStore;
/// Whether this build decrypts encrypted payloads (feature `encryption`).
pub const ENCRYPTION: bool = cfg!(feature = "encryption");
#[cfg(feature = "two-signatures")]
pub use signature::Both;
#[cfg(feature = "ed25519")]
pub use signature::Ed25519Keys;
pub use signature::{Distrust, Keys, NoKeys, PublicKey, Verifier, key_id};
pub use trust::Device;
pub use workspace::{
    LargeWorkspace, MediumWorkspace, SmallWorkspace, TinyWorkspace, Workspace, WorkspaceRef,
    workspace_bytes, workspace_len, workspace_words,
};

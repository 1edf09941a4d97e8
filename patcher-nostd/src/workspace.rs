//! All the memory that patching needs, given by the caller.
//!
//! Two arrays, because the decoder works in `u16` and the rest in bytes, and because a
//! cast between them would need `unsafe`. [`crate::Patcher`] cuts them up. Invariant:
//! the sizes are `const fn`s of the profile; nothing else is allocated, and what is not
//! needed at the same time overlaps (the envelope lies where page and chunk lie later;
//! the old image is digested through the same bytes). SPEC §3.
//!
//! ```text
//! bytes: | page | unread tail of the last chunk | chunk | old cache | new cache |
//!        | envelope            |  (before the payload)
//!        | read buffer         |  (while digests of whole images are computed)
//! ```

use deltamote_format::Profile;
use deltamote_format::codec::{Decoder, STEP_RESERVE};
use deltamote_format::envelope::OPEN_HEADROOM;

/// Bytes of the read cache in front of each image: one flash line or more on any part,
/// and short enough that a miss costs little over SPI.
pub(crate) const CACHE_BYTES: usize = 64;

/// Words (`u16`) that `profile` needs.
pub const fn workspace_words(profile: Profile) -> usize {
    Decoder::words(profile)
}

/// Bytes that `profile` needs besides the words.
pub const fn workspace_bytes(profile: Profile) -> usize {
    let limits = profile.limits();
    limits.page_bytes + STEP_RESERVE + limits.chunk_bytes + 2 * CACHE_BYTES
}

/// Bytes of the whole workspace of `profile`: what a patch's `ram_bytes` means by default.
pub const fn workspace_len(profile: Profile) -> usize {
    2 * workspace_words(profile) + workspace_bytes(profile)
}

// The budgets of SPEC §3, less what stack and the patcher itself take.
const _: () = assert!(workspace_len(Profile::Tiny) <= 7 * 1024);
const _: () = assert!(workspace_len(Profile::Small) <= 14 * 1024);
const _: () = assert!(workspace_len(Profile::Medium) <= 61 * 1024);
const _: () = assert!(workspace_len(Profile::Large) <= 8 * 1024 * 1024 - 64 * 1024);

/// What decoding needs holds the longest envelope: two signatures cost no RAM. Asked here: what
/// is asked on a device would be a panic that the linker sees.
const fn holds_envelope(profile: Profile) -> bool {
    OPEN_HEADROOM + profile.max_envelope() <= workspace_bytes(profile)
}

const _: () = assert!(holds_envelope(Profile::Tiny) && holds_envelope(Profile::Small));
const _: () = assert!(holds_envelope(Profile::Medium) && holds_envelope(Profile::Large));

/// A workspace in one piece: a `static`, or a local where the stack is large.
#[derive(Debug)]
pub struct Workspace<const WORDS: usize, const BYTES: usize> {
    words: [u16; WORDS],
    bytes: [u8; BYTES],
}

/// Workspace for [`Profile::Tiny`].
pub type TinyWorkspace =
    Workspace<{ workspace_words(Profile::Tiny) }, { workspace_bytes(Profile::Tiny) }>;
/// Workspace for [`Profile::Small`].
pub type SmallWorkspace =
    Workspace<{ workspace_words(Profile::Small) }, { workspace_bytes(Profile::Small) }>;
/// Workspace for [`Profile::Medium`].
pub type MediumWorkspace =
    Workspace<{ workspace_words(Profile::Medium) }, { workspace_bytes(Profile::Medium) }>;
/// Workspace for [`Profile::Large`]: megabytes, meant for hosts.
pub type LargeWorkspace =
    Workspace<{ workspace_words(Profile::Large) }, { workspace_bytes(Profile::Large) }>;

impl<const WORDS: usize, const BYTES: usize> Workspace<WORDS, BYTES> {
    /// An empty workspace, fit for a `static`.
    pub const fn new() -> Self {
        Workspace {
            words: [0; WORDS],
            bytes: [0; BYTES],
        }
    }

    /// Lends it out.
    pub fn lend(&mut self) -> WorkspaceRef<'_> {
        WorkspaceRef {
            words: &mut self.words,
            bytes: &mut self.bytes,
        }
    }
}

impl<const WORDS: usize, const BYTES: usize> Default for Workspace<WORDS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// A workspace on loan, wherever it lies.
#[derive(Debug)]
pub struct WorkspaceRef<'w> {
    /// At least [`workspace_words`] elements.
    pub words: &'w mut [u16],
    /// At least [`workspace_bytes`] elements.
    pub bytes: &'w mut [u8],
}

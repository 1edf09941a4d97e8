//! How much memory a device gives to patching: the four profiles and their tables.
//!
//! Read by the engine (what may this patch use), the decoder (how is the workspace
//! cut up) and the patcher (does this build suffice). The one home of every size.
//! SPEC §3.

/// Memory class of a device; the manifest names the one a patch needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum Profile {
    /// 8 KiB of RAM in all: Cortex-M0, sub-GHz nodes.
    Tiny = 0,
    /// 16 KiB of RAM in all: Cortex-M3/M4/M33, RV32. The default.
    Small = 1,
    /// 64 KiB of RAM in all: ESP32, Cortex-M7.
    Medium = 2,
    /// 8 MiB of RAM in all: Linux-class devices.
    Large = 3,
}

/// Table sizes of a profile. SPEC §3 has the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Adaptive probabilities of the byte models.
    pub byte_slots: usize,
    /// Adaptive probabilities of the flag models.
    pub flag_slots: usize,
    /// Entries of the equivalence map, those learned from inline copies included.
    pub map_entries: usize,
    /// Words (u16) of a map entry: 3 address images up to 8 MiB, 4 any.
    pub map_entry_words: usize,
    /// Entries of the correction cache.
    pub corrections: usize,
    /// Bytes of one chunk, the link to the next included.
    pub chunk_bytes: usize,
    /// Bytes gathered before a flash program; a multiple of every write size up to it.
    pub page_bytes: usize,
}

impl Profile {
    /// All profiles, smallest first.
    pub const ALL: [Profile; 4] = [
        Profile::Tiny,
        Profile::Small,
        Profile::Medium,
        Profile::Large,
    ];

    /// The profile with wire number `n`.
    pub fn from_wire(n: u32) -> Option<Profile> {
        Profile::ALL.get(n as usize).copied()
    }

    /// Name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Tiny => "tiny",
            Profile::Small => "small",
            Profile::Medium => "medium",
            Profile::Large => "large",
        }
    }

    /// Largest image that the profile's tables can address, in bytes.
    pub const fn max_image(self) -> u32 {
        if self.limits().map_entry_words == 3 {
            crate::codec::NARROW_LIMIT
        } else {
            crate::codec::MAX_IMAGE
        }
    }

    /// Longest envelope of a patch for this profile, in bytes: what the workspace holds
    /// before decoding begins. Two signatures that a Cortex-M can check fit even the
    /// smallest (Ed25519 and LMS with SHA-256/192 and w = 8); ML-DSA needs medium.
    pub const fn max_envelope(self) -> usize {
        match self {
            Profile::Tiny => 1424,
            Profile::Small => 2448,
            Profile::Medium | Profile::Large => crate::envelope::MAX_ENVELOPE,
        }
    }

    /// Table sizes.
    pub const fn limits(self) -> Limits {
        match self {
            Profile::Tiny => Limits {
                byte_slots: 768,
                flag_slots: 256,
                map_entries: 96,
                map_entry_words: 3,
                corrections: 16,
                chunk_bytes: 1040,
                page_bytes: 256,
            },
            Profile::Small => Limits {
                byte_slots: 1792,
                flag_slots: 640,
                map_entries: 320,
                map_entry_words: 3,
                corrections: 48,
                chunk_bytes: 2064,
                page_bytes: 256,
            },
            Profile::Medium => Limits {
                byte_slots: 16384,
                flag_slots: 3072,
                map_entries: 1536,
                map_entry_words: 4,
                corrections: 256,
                chunk_bytes: 4112,
                page_bytes: 512,
            },
            Profile::Large => Limits {
                byte_slots: 1 << 20,
                flag_slots: 1 << 16,
                map_entries: 1 << 13,
                map_entry_words: 4,
                corrections: 4096,
                chunk_bytes: 65_552,
                page_bytes: 4096,
            },
        }
    }
}

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
        Some(match n {
            0 => Profile::Tiny,
            1 => Profile::Small,
            2 => Profile::Medium,
            3 => Profile::Large,
            _ => return None,
        })
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
    // As many rows as profiles.
    #[allow(clippy::indexing_slicing)]
    #[inline(always)]
    pub const fn limits(self) -> Limits {
        let packed = &PACKED[self as usize];
        Limits {
            byte_slots: packed.byte_slots as usize * BYTE_SLOTS,
            flag_slots: packed.flag_slots as usize * FLAG_SLOTS,
            map_entries: packed.map_entries as usize,
            map_entry_words: packed.map_entry_words as usize,
            corrections: packed.corrections as usize,
            chunk_bytes: packed.chunk_bytes as usize * CHUNK_BYTES,
            page_bytes: (packed.page_bytes as usize + 1) * PAGE_BYTES,
        }
    }
}

/// [`Limits`] as a device keeps them: a word more of text for each number that it asks of
/// each profile is much.
#[derive(Clone, Copy)]
struct Packed {
    byte_slots: u16,
    flag_slots: u16,
    map_entries: u16,
    map_entry_words: u16,
    corrections: u16,
    chunk_bytes: u16,
    page_bytes: u16,
    _unused: u16,
}

/// What one of [`Packed::byte_slots`] stands for.
const BYTE_SLOTS: usize = 256;
/// What one of [`Packed::flag_slots`] stands for.
const FLAG_SLOTS: usize = 128;
/// What one of [`Packed::chunk_bytes`] stands for.
const CHUNK_BYTES: usize = 16;
/// What one of [`Packed::page_bytes`] and one more stand for: that there is one, and that it is
/// whole program units, the compiler then sees.
const PAGE_BYTES: usize = 256;

const fn packed(
    (byte_slots, flag_slots): (usize, usize),
    (map_entries, map_entry_words): (u16, u16),
    corrections: u16,
    chunk_bytes: usize,
    page_bytes: usize,
) -> Packed {
    assert!(byte_slots.is_multiple_of(BYTE_SLOTS) && flag_slots.is_multiple_of(FLAG_SLOTS));
    assert!(chunk_bytes.is_multiple_of(CHUNK_BYTES) && page_bytes.is_multiple_of(PAGE_BYTES));
    Packed {
        byte_slots: (byte_slots / BYTE_SLOTS) as u16,
        flag_slots: (flag_slots / FLAG_SLOTS) as u16,
        map_entries,
        map_entry_words,
        corrections,
        chunk_bytes: (chunk_bytes / CHUNK_BYTES) as u16,
        page_bytes: (page_bytes / PAGE_BYTES - 1) as u16,
        _unused: 0,
    }
}

/// By profile.
static PACKED: [Packed; 4] = [
    packed((768, 256), (96, 3), 16, 1040, 256),
    packed((1792, 640), (320, 3), 48, 2064, 256),
    packed((16384, 3072), (1536, 4), 256, 4112, 512),
    packed((1 << 20, 1 << 16), (1 << 13, 4), 4096, 65_552, 4096),
];

//! The manifest: what the signer promises about a patch.
//!
//! The payload of the envelope; written by the engine when it seals, read by the patcher
//! once the signature holds. A CBOR map with small integer keys in ascending order;
//! fields at their default are left out, so the usual manifest is about 110 bytes.
//! A [`View`] is a manifest read in place: a device judges it field by field and holds no
//! [`Manifest`]. Invariants: accepted bytes are exactly what [`Manifest::emit`] writes for
//! the parsed value, and every number is inside the limits that [`View::layout`] and the
//! patcher rely on. SPEC §5.
//!
//! | key | field | type | left out when |
//! |---|---|---|---|
//! | 1 | format version | 1 | never |
//! | 2, 3 | old size, SHA-256 | uint, 32 bytes | never |
//! | 4, 5 | new size, SHA-256 | uint, 32 bytes | never |
//! | 6 | digest of the first chunk | 16 bytes | never |
//! | 7 | payload size, links included | uint | never |
//! | 8 | profile | uint | small |
//! | 9 | working RAM in bytes | uint | what the profile needs |
//! | 10 | chunk size | uint | the profile's |
//! | 11 | codec | uint | 0, Deltamote |
//! | 12 | instruction sets, bit per wire number | uint | 0 |
//! | 13 | trained initial state (prior) | uint | none |
//! | 14 | sequence number | uint | 0 |
//! | 15, 16 | vendor id, class id | 16 bytes | any |
//! | 17 | load address of the new image | uint | any |
//! | 18 | slot the new image is made for | uint | any |
//! | 19 | update class | 0, 1, 2 | not said |
//! | 20 | advisories | array of 1..=4 text strings | none |
//! | 21, 22 | SBOM SHA-256 of old, of new | 32 bytes | not said |
//! | 23 | encryption: suite, recipient, encapsulated key | array | not encrypted |
//! | 0x40..=0x7f | extensions that may be ignored | uint, bytes or text | |
//! | all others | refused (0x80..=0xbf: extensions that must be understood) | | |

use crate::Profile;
use crate::cbor::{Decoder, Encoder};
use crate::chain::{Layout, Link};
use crate::encryption::{self, Encryption};
use crate::envelope::{Rule, WireError, emit_with};

#[path = "view.rs"]
mod view;
pub use view::View;
use view::key;

/// The format version that this crate reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The codec with wire number 0: `codec` of this crate.
pub const CODEC_DELTAMOTE: u32 = 0;
/// The codec with wire number 1: predictions of this crate, coded by zstd; profile large only.
pub const CODEC_ZSTD: u32 = 1;

/// Most advisory ids in a manifest.
pub const MAX_ADVISORIES: usize = 4;

/// Longest advisory id in bytes (`GHSA-xxxx-xxxx-xxxx` has 19).
pub const MAX_ADVISORY_BYTES: usize = 24;

/// Keys that a reader ignores when it does not know them.
pub const IGNORABLE_KEYS: core::ops::RangeInclusive<u32> = 0x40..=0x7f;

/// Bits of those keys behind the one that they have in common.
const EXTENSION_BITS: u32 = 6;
const _: () = assert!(*IGNORABLE_KEYS.start() == 1 << EXTENSION_BITS);
const _: () = assert!(*IGNORABLE_KEYS.end() == (2 << EXTENSION_BITS) - 1);

/// Why the update was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum UpdateClass {
    /// Only repairs weaknesses.
    Security = 0,
    /// Only changes what the device does.
    Feature = 1,
    /// Both.
    Mixed = 2,
}

/// Advisory ids that the update answers, in the order given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Advisories<'a> {
    /// UTF-8.
    ids: [&'a [u8]; MAX_ADVISORIES],
    len: usize,
}

impl<'a> Advisories<'a> {
    /// Adds an id. False: too many, or empty or too long.
    pub fn push(&mut self, id: &'a str) -> bool {
        self.push_text(id.as_bytes())
    }

    fn push_text(&mut self, id: &'a [u8]) -> bool {
        if id.is_empty() || id.len() > MAX_ADVISORY_BYTES {
            return false;
        }
        let Some(free) = self.ids.get_mut(self.len) else {
            return false;
        };
        *free = id;
        self.len += 1;
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ids.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let ids = self.ids.into_iter().take(self.len);
        // They were read or given as text.
        ids.map(|id| core::str::from_utf8(id).unwrap_or(""))
    }
}

/// Extension fields that this version may ignore, kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extensions<'a> {
    /// Number of key-value pairs in `bytes`.
    count: u32,
    /// The pairs as encoded.
    bytes: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// Extensions from their encoding: key-value pairs, keys ascending within
    /// [`IGNORABLE_KEYS`], values unsigned numbers, byte strings or text strings.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let mut below = 0;
        let mut count = 0;
        while d.position() < bytes.len() {
            let at = d.position();
            let key = d.u32();
            if key <= below || !IGNORABLE_KEYS.contains(&key) {
                d.refuse(Rule::UnknownKey);
            }
            below = key;
            count += 1;
            d.simple();
            if d.is_lax() {
                d.refuse(Rule::NotCanonical);
            }
            if let Some(rule) = d.broken() {
                return Err(WireError::new(rule, at));
            }
        }
        Ok(Extensions { count, bytes })
    }

    /// The encoded pairs.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// What the signer promises about a patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manifest<'a> {
    /// Bytes of the old image.
    pub old_size: u32,
    /// SHA-256 of the old image.
    pub old_digest: [u8; 32],
    /// Bytes of the new image, at least 1.
    pub new_size: u32,
    /// SHA-256 of the new image.
    pub new_digest: [u8; 32],
    /// Digest of the first chunk.
    pub first_chunk: Link,
    /// Bytes of the payload, links included.
    pub payload_size: u32,
    /// RAM class that decoding needs.
    pub profile: Profile,
    /// Working RAM in bytes where it is more than the profile says.
    pub ram_bytes: Option<u32>,
    /// Bytes of a chunk, link included; at most the profile's.
    pub chunk_size: u32,
    /// Payload codec.
    pub codec: u32,
    /// Instruction sets used: bit `n` is the one with wire number `n`.
    pub isa_mask: u32,
    /// Trained initial state that the decoder must have built in.
    pub prior: Option<u32>,
    /// Grows with every release: a device refuses what is below its floor.
    pub sequence: u64,
    /// Vendor id (UUID, as SUIT and MCUboot use it).
    pub vendor: Option<[u8; 16]>,
    /// Class id (UUID).
    pub class: Option<[u8; 16]>,
    /// Where the new image is linked to run, when that matters.
    pub load_address: Option<u64>,
    /// Slot that the new image is made for (direct-xip), when that matters.
    pub slot: Option<u32>,
    /// Why the update was made.
    pub update_class: Option<UpdateClass>,
    /// Advisories it answers.
    pub advisories: Advisories<'a>,
    /// SHA-256 of the old image's bill of materials.
    pub sbom_old: Option<[u8; 32]>,
    /// SHA-256 of the new image's bill of materials.
    pub sbom_new: Option<[u8; 32]>,
    /// For whom the payload is encrypted; `None`: it is not.
    pub encryption: Option<Encryption<'a>>,
    /// Extension fields.
    pub extensions: Extensions<'a>,
}

impl<'a> Manifest<'a> {
    /// A manifest for `profile` with all other fields at their defaults (sizes and
    /// digests zero: to be filled in).
    pub fn new(profile: Profile) -> Self {
        Manifest {
            old_size: 0,
            old_digest: [0; 32],
            new_size: 0,
            new_digest: [0; 32],
            first_chunk: [0; 16],
            payload_size: 0,
            profile,
            ram_bytes: None,
            chunk_size: profile_chunk(profile),
            codec: CODEC_DELTAMOTE,
            isa_mask: 0,
            prior: None,
            sequence: 0,
            vendor: None,
            class: None,
            load_address: None,
            slot: None,
            update_class: None,
            advisories: Advisories::default(),
            sbom_old: None,
            sbom_new: None,
            encryption: None,
            extensions: Extensions::default(),
        }
    }

    /// Where the chunks of the payload begin and end. Never `None` for a manifest that
    /// was parsed.
    pub fn layout(&self) -> Option<Layout> {
        layout(
            self.payload_size,
            self.chunk_size,
            self.encryption.is_some(),
        )
    }

    /// Reads a manifest.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        Ok(View::parse(bytes)?.manifest())
    }

    /// Writes the manifest; gives its length.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        let fits = self.chunk_size <= profile_chunk(self.profile);
        check_limits(self.new_size, self.layout(), fits)?;
        emit_with(out, |e| self.write(e))
    }

    fn write(&self, e: &mut Encoder<'_>) -> Option<()> {
        let chunk_size = Some(self.chunk_size).filter(|c| *c != profile_chunk(self.profile));
        let profile = Some(self.profile as u32).filter(|p| *p != Profile::Small as u32);
        let non_zero = |v: u32| Some(v).filter(|v| *v != 0);
        let sequence = Some(self.sequence).filter(|v| *v != 0);
        let update_class = self.update_class.map(|c| c as u32);
        let advisories = &self.advisories;
        let optional = [
            profile.is_some(),
            self.ram_bytes.is_some(),
            chunk_size.is_some(),
            self.codec != 0,
            self.isa_mask != 0,
            self.prior.is_some(),
            sequence.is_some(),
            self.vendor.is_some(),
            self.class.is_some(),
            self.load_address.is_some(),
            self.slot.is_some(),
            update_class.is_some(),
            !advisories.is_empty(),
            self.sbom_old.is_some(),
            self.sbom_new.is_some(),
            self.encryption.is_some(),
        ];
        let pairs = view::REQUIRED as u32
            + optional.iter().filter(|o| **o).count() as u32
            + self.extensions.count;

        e.map(u64::from(pairs))?;
        e.u32(1)?.u32(FORMAT_VERSION)?;
        e.u32(2)?.u32(self.old_size)?;
        e.u32(3)?.bytes(&self.old_digest)?;
        e.u32(4)?.u32(self.new_size)?;
        e.u32(5)?.bytes(&self.new_digest)?;
        e.u32(6)?.bytes(&self.first_chunk)?;
        e.u32(7)?.u32(self.payload_size)?;
        number(e, 8, profile)?;
        number(e, 9, self.ram_bytes)?;
        number(e, 10, chunk_size)?;
        number(e, 11, non_zero(self.codec))?;
        number(e, 12, non_zero(self.isa_mask))?;
        number(e, 13, self.prior)?;
        number(e, 14, sequence)?;
        bytes(e, 15, self.vendor.as_ref().map(|v| v.as_slice()))?;
        bytes(e, 16, self.class.as_ref().map(|v| v.as_slice()))?;
        number(e, 17, self.load_address)?;
        number(e, 18, self.slot)?;
        number(e, 19, update_class)?;
        if !advisories.is_empty() {
            e.u32(20)?.array(advisories.len() as u64)?;
            for id in advisories.iter() {
                e.str(id)?;
            }
        }
        bytes(e, 21, self.sbom_old.as_ref().map(|v| v.as_slice()))?;
        bytes(e, 22, self.sbom_new.as_ref().map(|v| v.as_slice()))?;
        if let Some(encryption) = &self.encryption {
            e.u32(23)?.array(3)?.u32(encryption::SUITE)?;
            e.bytes(encryption.recipient)?
                .bytes(encryption.encapsulated)?;
        }
        e.raw(self.extensions.bytes)
    }
}

fn layout(payload_size: u32, chunk_size: u32, encrypted: bool) -> Option<Layout> {
    if encrypted {
        Layout::new_encrypted(payload_size, chunk_size)
    } else {
        Layout::new(payload_size, chunk_size)
    }
}

/// The limits of SPEC §5.2, for readers and writers alike.
fn check_limits(new_size: u32, layout: Option<Layout>, chunk_fits: bool) -> Result<(), WireError> {
    let key = if new_size == 0 {
        key::NEW_SIZE
    } else if layout.is_none() {
        key::PAYLOAD_SIZE
    } else if !chunk_fits {
        key::CHUNK_SIZE
    } else {
        return Ok(());
    };
    Err(WireError::new(Rule::OutOfRange, key))
}

const fn profile_chunk(profile: Profile) -> u32 {
    profile.limits().chunk_bytes as u32
}

fn number<V: Into<u64>>(e: &mut Encoder<'_>, key: u32, value: Option<V>) -> Option<()> {
    if let Some(v) = value {
        e.u32(key)?.u64(v.into())?;
    }
    Some(())
}

fn bytes(e: &mut Encoder<'_>, key: u32, value: Option<&[u8]>) -> Option<()> {
    if let Some(v) = value {
        e.u32(key)?.bytes(v)?;
    }
    Some(())
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;

//! The manifest: what the signer promises about a patch.
//!
//! The payload of the envelope; written by the engine when it seals, read by the patcher
//! once the signature holds. A CBOR map with small integer keys in ascending order;
//! fields at their default are left out, so the usual manifest is about 110 bytes.
//! Invariants: accepted bytes are exactly what [`Manifest::emit`] writes for the parsed
//! value, and every number is inside the limits that [`Manifest::layout`] and the
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
use crate::cbor::{Decoder, Encoder, Type};
use crate::chain::{Layout, Link};
use crate::encryption::{self, Encryption};
use crate::envelope::{Rule, WireError, emit_with, has_one_spelling};
use crate::le;

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
            let key = d.u32().map_err(|_| WireError::new(Rule::Malformed, at))?;
            if key <= below || !IGNORABLE_KEYS.contains(&key) {
                return Err(WireError::new(Rule::UnknownKey, at));
            }
            below = key;
            count += 1;
            extension_value(&mut d, key).map_err(|rule| WireError::new(rule, at))?;
        }
        Ok(Extensions { count, bytes })
    }

    /// The encoded pairs.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Steps over one extension pair's value, refusing all but its canonical spelling.
fn extension_value(d: &mut Decoder<'_>, key: u32) -> Result<(), Rule> {
    let start = d.position();
    // The key was read by the caller; its spelling is checked by length: 0x40..=0x7f is
    // always the two bytes 18 kk.
    if start < 2 || d.input().get(start - 2..start) != Some(&[0x18, key as u8]) {
        return Err(Rule::NotCanonical);
    }
    let (value, strict) = d.strictly(|d| {
        match d.datatype().map_err(|_| Rule::Malformed)? {
            Type::Unsigned => d.u64().map(|_| ()),
            Type::Bytes => d.bytes().map(|_| ()),
            Type::String => d.text().map(|_| ()),
            _ => return Err(Rule::UnknownValue),
        }
        .map_err(|_| Rule::Malformed)
    });
    value?;
    if strict {
        Ok(())
    } else {
        Err(Rule::NotCanonical)
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
        if self.encryption.is_some() {
            Layout::new_encrypted(self.payload_size, self.chunk_size)
        } else {
            Layout::new(self.payload_size, self.chunk_size)
        }
    }

    /// Reads a manifest.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut manifest = Manifest::new(Profile::Small);
        manifest.read(bytes)?;
        Ok(manifest)
    }

    /// As [`Manifest::parse`], in the place of `self`, which must be as
    /// [`Manifest::new`] made it: a device's stack then holds one manifest, not three.
    pub fn read(&mut self, bytes: &'a [u8]) -> Result<(), WireError> {
        let d = &mut Decoder::new(bytes);
        self.fields(d)?;
        self.check()?;
        has_one_spelling(d, |e| self.write(e))
    }

    #[inline(never)]
    fn fields(&mut self, d: &mut Decoder<'a>) -> Result<(), WireError> {
        let mut chunk_size = None;
        let mut seen = 0u32;
        let mut below = 0;
        let mut extensions = None;
        let bad = WireError::new(Rule::Malformed, 0);
        let pairs = d.map().map_err(|_| bad)?.ok_or(bad)?;
        for _ in 0..pairs {
            let at = d.position();
            let key = d.u32().map_err(|_| WireError::new(Rule::Malformed, at))?;
            let unknown = WireError::new(Rule::UnknownKey, key as usize);
            d.forbid(key <= below);
            below = key;
            if IGNORABLE_KEYS.contains(&key) {
                // Ascending keys put all extensions side by side, at the end.
                extensions.get_or_insert(at);
                extension_value(d, key).map_err(|rule| WireError::new(rule, key as usize))?;
                continue;
            }
            self.field(d, key, &mut chunk_size)
                .map_err(|rule| WireError::new(rule, key as usize))?;
            let bit = 1u32.checked_shl(key).ok_or(unknown)?;
            seen |= bit;
        }
        if seen & REQUIRED != REQUIRED {
            let key = (!seen & REQUIRED).trailing_zeros();
            return Err(WireError::new(Rule::MissingField, key as usize));
        }
        let usual = profile_chunk(self.profile);
        d.forbid(chunk_size == Some(usual));
        self.chunk_size = chunk_size.unwrap_or(usual);
        if let Some(start) = extensions {
            let pairs = d.input().get(start..d.position()).unwrap_or(&[]);
            self.extensions = Extensions::parse(pairs)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn field(
        &mut self,
        d: &mut Decoder<'a>,
        key: u32,
        chunk_size: &mut Option<u32>,
    ) -> Result<(), Rule> {
        let bit = 1u32.checked_shl(key).unwrap_or(0);
        let mut number = 0;
        if bit & NUMBERS != 0 {
            number = d.u64().map_err(|_| Rule::Malformed)?;
            if bit & WIDE == 0 && number >> 32 != 0 {
                return Err(Rule::Malformed);
            }
            d.forbid(bit & NOT_ZERO != 0 && number == 0);
        }
        let wide = number;
        let number = number as u32;
        let mut bytes: &[u8] = &[];
        if bit & (DIGESTS | IDS) != 0 {
            bytes = d.bytes().map_err(|_| Rule::Malformed)?;
            let len = if bit & IDS != 0 { 16 } else { 32 };
            if bytes.len() != len {
                return Err(Rule::OutOfRange);
            }
        }
        match key {
            1 => {
                if number != FORMAT_VERSION {
                    return Err(Rule::UnknownValue);
                }
            }
            2 => self.old_size = number,
            3 => le::copy(&mut self.old_digest, bytes),
            4 => self.new_size = number,
            5 => le::copy(&mut self.new_digest, bytes),
            6 => le::copy(&mut self.first_chunk, bytes),
            7 => self.payload_size = number,
            8 => {
                self.profile = Profile::from_wire(number).ok_or(Rule::UnknownValue)?;
                d.forbid(self.profile == Profile::Small);
            }
            9 => self.ram_bytes = Some(number),
            10 => *chunk_size = Some(number),
            11 => self.codec = number,
            12 => self.isa_mask = number,
            13 => self.prior = Some(number),
            14 => self.sequence = wide,
            15 => self.vendor = bytes.try_into().ok(),
            16 => self.class = bytes.try_into().ok(),
            17 => self.load_address = Some(wide),
            18 => self.slot = Some(number),
            19 => {
                self.update_class = Some(match number {
                    0 => UpdateClass::Security,
                    1 => UpdateClass::Feature,
                    2 => UpdateClass::Mixed,
                    _ => return Err(Rule::UnknownValue),
                })
            }
            20 => {
                let n = d.array().map_err(|_| Rule::Malformed)?;
                d.forbid(n == Some(0));
                for _ in 0..n.ok_or(Rule::NotCanonical)? {
                    let id = d.text().map_err(|_| Rule::Malformed)?;
                    if !self.advisories.push_text(id) {
                        return Err(Rule::OutOfRange);
                    }
                }
            }
            21 => self.sbom_old = bytes.try_into().ok(),
            22 => self.sbom_new = bytes.try_into().ok(),
            23 => self.encryption = Some(encryption_of(d)?),
            _ => return Err(Rule::UnknownKey),
        }
        Ok(())
    }

    /// The limits of SPEC §5.2, for readers and writers alike.
    fn check(&self) -> Result<(), WireError> {
        let refuse = |key| Err(WireError::new(Rule::OutOfRange, key));
        if self.new_size == 0 {
            return refuse(4);
        }
        if self.layout().is_none() {
            return refuse(7);
        }
        if self.chunk_size > profile_chunk(self.profile) {
            return refuse(10);
        }
        Ok(())
    }

    /// Writes the manifest; gives its length.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, WireError> {
        self.check()?;
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
        let pairs = REQUIRED.count_ones()
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

/// Keys 1 to 7.
const REQUIRED: u32 = 0xfe;
/// Keys of numbers, those of 64 bits among them, and those that are left out when zero.
const NUMBERS: u32 = keys(&[1, 2, 4, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19]);
const WIDE: u32 = keys(&[14, 17]);
const NOT_ZERO: u32 = keys(&[11, 12, 14]);
/// Keys of 32 and of 16 bytes.
const DIGESTS: u32 = keys(&[3, 5, 21, 22]);
const IDS: u32 = keys(&[6, 15, 16]);

const fn keys(mut keys: &[u32]) -> u32 {
    let mut bits = 0;
    while let [key, rest @ ..] = keys {
        bits |= 1 << *key;
        keys = rest;
    }
    bits
}

const fn profile_chunk(profile: Profile) -> u32 {
    profile.limits().chunk_bytes as u32
}

fn u32_of(d: &mut Decoder<'_>) -> Result<u32, Rule> {
    d.u32().map_err(|_| Rule::Malformed)
}

/// `[suite, recipient, encapsulated key]`; other suites may have other elements.
fn encryption_of<'a>(d: &mut Decoder<'a>) -> Result<Encryption<'a>, Rule> {
    let length = d.array().map_err(|_| Rule::Malformed)?;
    if u32_of(d)? != encryption::SUITE {
        return Err(Rule::UnknownValue);
    }
    if length != Some(3) {
        return Err(Rule::OutOfRange);
    }
    let mut bytes = || d.bytes().map_err(|_| Rule::Malformed);
    Ok(Encryption {
        recipient: bytes()?.try_into().map_err(|_| Rule::OutOfRange)?,
        encapsulated: bytes()?.try_into().map_err(|_| Rule::OutOfRange)?,
    })
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

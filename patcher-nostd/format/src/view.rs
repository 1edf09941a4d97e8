//! A manifest read in place: what a device needs of it, and no copy of the rest.
//!
//! [`View`] finds each value once and checks all of them; the patcher judges a patch by
//! asking for one after the other, and the application gets the same. [`Manifest`] is made
//! from it where there is room. Invariant: what [`View::read`] accepts is what
//! [`Manifest::emit`] writes. SPEC §5.

use super::{
    Advisories, EXTENSION_BITS, Extensions, MAX_ADVISORIES, MAX_ADVISORY_BYTES, Manifest,
    UpdateClass, check_limits, layout, profile_chunk,
};
use crate::Profile;
use crate::cbor::Decoder;
use crate::chain::Layout;
use crate::encryption::{self, Encryption};
use crate::envelope::{KID_BYTES, Rule, WireError, has_one_spelling};

/// The keys, as far as somebody asks for them by name.
pub(super) mod key {
    pub(crate) const VERSION: usize = 1;
    pub(crate) const OLD_SIZE: usize = 2;
    pub(crate) const OLD_DIGEST: usize = 3;
    pub(crate) const NEW_SIZE: usize = 4;
    pub(crate) const NEW_DIGEST: usize = 5;
    pub(crate) const FIRST_CHUNK: usize = 6;
    pub(crate) const PAYLOAD_SIZE: usize = 7;
    pub(crate) const PROFILE: usize = 8;
    pub(crate) const RAM_BYTES: usize = 9;
    pub(crate) const CHUNK_SIZE: usize = 10;
    pub(crate) const CODEC: usize = 11;
    pub(crate) const ISA_MASK: usize = 12;
    pub(crate) const PRIOR: usize = 13;
    pub(crate) const SEQUENCE: usize = 14;
    pub(crate) const VENDOR: usize = 15;
    pub(crate) const CLASS: usize = 16;
    pub(crate) const LOAD_ADDRESS: usize = 17;
    pub(crate) const SLOT: usize = 18;
    pub(crate) const UPDATE_CLASS: usize = 19;
    pub(crate) const ADVISORIES: usize = 20;
    pub(crate) const SBOM_OLD: usize = 21;
    pub(crate) const SBOM_NEW: usize = 22;
    pub(crate) const ENCRYPTION: usize = 23;
}

/// Keys 1 to this one must be there.
pub(super) const REQUIRED: usize = key::PAYLOAD_SIZE;
/// Bits of those keys.
const ALL_REQUIRED: u32 = (2 << REQUIRED) - 2;
/// All keys are below this one, but for extensions.
const KEYS: usize = key::ENCRYPTION + 1;

/// What belongs behind a key: one of the following, or so many bytes if it is 16 or 32.
/// Below those: a number that names something, one of so many.
const KINDS: [u8; KEYS] = {
    let mut kinds = [NUMBER; KEYS];
    kinds[0] = UNKNOWN;
    kinds[key::VERSION] = 1;
    kinds[key::OLD_DIGEST] = 32;
    kinds[key::NEW_DIGEST] = 32;
    kinds[key::FIRST_CHUNK] = 16;
    kinds[key::PROFILE] = 4;
    kinds[key::CODEC] = NOT_ZERO;
    kinds[key::ISA_MASK] = NOT_ZERO;
    kinds[key::SEQUENCE] = WIDE_NOT_ZERO;
    kinds[key::VENDOR] = 16;
    kinds[key::CLASS] = 16;
    kinds[key::LOAD_ADDRESS] = WIDE;
    kinds[key::UPDATE_CLASS] = 3;
    kinds[key::ADVISORIES] = TEXTS;
    kinds[key::SBOM_OLD] = 32;
    kinds[key::SBOM_NEW] = 32;
    kinds[key::ENCRYPTION] = SUITE;
    kinds
};
const UNKNOWN: u8 = 0;
/// Most things that a number can name.
const NAMES: u8 = 7;
/// A number of 32 bits.
const NUMBER: u8 = 8;
const NOT_ZERO: u8 = 9;
/// A number of 64 bits.
const WIDE: u8 = 10;
const WIDE_NOT_ZERO: u8 = 11;
const TEXTS: u8 = 12;
const SUITE: u8 = 13;

/// A manifest, read in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View<'a> {
    bytes: &'a [u8],
    /// Of each key the value, if that is a number of 32 bits, else the place where it lies; 0 if
    /// it is not there.
    values: [u32; KEYS],
    /// The keys that are there: bit `n` is key `n`.
    present: u32,
    /// Where the extensions begin.
    extensions: usize,
    profile: Profile,
    layout: Option<Layout>,
}

impl<'a> View<'a> {
    /// Of `bytes`, which are not read yet: all fields are missing.
    #[inline(always)]
    pub fn new(bytes: &'a [u8]) -> Self {
        View {
            bytes,
            values: [0; KEYS],
            present: 0,
            extensions: 0,
            profile: Profile::Tiny,
            layout: None,
        }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// The rule that is broken, and at which key or byte.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut view = View::new(bytes);
        view.read()?;
        Ok(view)
    }

    /// As [`View::parse`], in the place of `self`, which must be new: a device then does
    /// not move it.
    ///
    /// # Errors
    /// As there.
    #[inline(never)]
    pub fn read(&mut self) -> Result<(), WireError> {
        let mut d = Decoder::new(self.bytes);
        self.extensions = self.bytes.len();
        let at = self.pairs(&mut d);
        if let Some(rule) = d.broken() {
            return Err(WireError::new(rule, at));
        }
        let missing = ALL_REQUIRED & !self.present;
        if missing != 0 {
            let first = missing.trailing_zeros() as usize;
            return Err(WireError::new(Rule::MissingField, first));
        }
        self.profile = Profile::Small;
        if let Some(given) = self.given(key::PROFILE).and_then(Profile::from_wire) {
            d.forbid(given == Profile::Small);
            self.profile = given;
        }
        let largest = profile_chunk(self.profile);
        let mut chunk_size = largest;
        if let Some(n) = self.given(key::CHUNK_SIZE) {
            d.forbid(n == largest);
            chunk_size = n;
        }
        self.layout = layout(self.payload_size(), chunk_size, self.is_encrypted());
        check_limits(self.new_size(), self.layout, chunk_size <= largest)?;
        has_one_spelling(&d, self.bytes, 0, |e| self.manifest().write(e))
    }

    /// Finds the values. If a rule is broken: gives the key that it is broken at, or its place.
    fn pairs(&mut self, d: &mut Decoder<'a>) -> usize {
        let mut below = 0;
        for _ in 0..d.map() {
            let place = d.position();
            let key = d.u32();
            if !d.is_good() {
                return place;
            }
            // All extensions are side by side, at the end.
            let before = core::mem::replace(&mut below, key);
            if (key | before) >> EXTENSION_BITS == 1 {
                if before >> EXTENSION_BITS == 0 {
                    self.extensions = place;
                } else if key <= before {
                    d.refuse(Rule::UnknownKey);
                    return place - self.extensions;
                }
                d.simple();
            } else {
                d.forbid(key <= before);
                if let Some(rule) = self.value(d, key as usize) {
                    d.refuse(rule);
                }
            }
            if !d.is_good() {
                break;
            }
        }
        below as usize
    }

    /// Reads the value of `key`. The rule that is broken, unless `d` knows of one before it.
    fn value(&mut self, d: &mut Decoder<'a>, key: usize) -> Option<Rule> {
        let (Some(value), Some(kind)) = (self.values.get_mut(key), KINDS.get(key)) else {
            return Some(Rule::UnknownKey);
        };
        *value = d.position() as u32;
        self.present |= 1 << key;
        match *kind {
            UNKNOWN => return Some(Rule::UnknownKey),
            TEXTS => {
                let count = d.array();
                d.forbid(count == 0);
                for n in 0..count {
                    let len = d.text().len();
                    if len.wrapping_sub(1) >= MAX_ADVISORY_BYTES || n >= MAX_ADVISORIES as u32 {
                        return Some(Rule::OutOfRange);
                    }
                }
            }
            SUITE => {
                let items = d.array();
                if d.u32() != encryption::SUITE {
                    return Some(Rule::UnknownValue);
                }
                if items != 3
                    || d.bytes().len() != KID_BYTES
                    || d.bytes().len() != encryption::PUBLIC_KEY_BYTES
                {
                    return Some(Rule::OutOfRange);
                }
            }
            kind if kind > SUITE => {
                if d.bytes().len() != usize::from(kind) {
                    return Some(Rule::OutOfRange);
                }
            }
            kind => {
                let number = d.u64();
                if kind < WIDE {
                    if number >> 32 != 0 {
                        return Some(Rule::Malformed);
                    }
                    *value = number as u32;
                }
                d.forbid(matches!(kind, NOT_ZERO | WIDE_NOT_ZERO) && number == 0);
                let number = number as u32;
                // The one format version is 1, all else counts from 0.
                let name = number.wrapping_sub(u32::from(key == key::VERSION));
                if kind <= NAMES && name >= u32::from(kind) {
                    return Some(Rule::UnknownValue);
                }
            }
        }
        None
    }

    /// Whether the field is there.
    fn has(&self, key: usize) -> bool {
        self.present >> key & 1 != 0
    }

    /// Reads from the value of `key` on. If it is not there: from the head of the whole
    /// map, which is no value of any field.
    #[inline(never)]
    fn at(&self, key: usize) -> Decoder<'a> {
        Decoder::new(self.bytes.get(self.number(key) as usize..).unwrap_or(&[]))
    }

    #[inline(never)]
    fn wide(&self, key: usize) -> u64 {
        self.at(key).u64()
    }

    /// A number of 32 bits, or the place of another value; 0 if it is not there.
    #[inline(always)]
    fn number(&self, key: usize) -> u32 {
        self.values.get(key).map_or(0, |value| *value)
    }

    /// A number that may be missing.
    fn given(&self, key: usize) -> Option<u32> {
        self.has(key).then(|| self.number(key))
    }

    /// A byte string; empty if it is not there.
    #[inline(never)]
    fn string(&self, key: usize) -> &'a [u8] {
        self.at(key).bytes()
    }

    /// Bytes of the old image.
    pub fn old_size(&self) -> u32 {
        self.number(key::OLD_SIZE)
    }

    /// SHA-256 of the old image, 32 bytes.
    pub fn old_digest(&self) -> &'a [u8] {
        self.string(key::OLD_DIGEST)
    }

    /// Bytes of the new image, at least 1.
    pub fn new_size(&self) -> u32 {
        self.number(key::NEW_SIZE)
    }

    /// SHA-256 of the new image, 32 bytes.
    pub fn new_digest(&self) -> &'a [u8] {
        self.string(key::NEW_DIGEST)
    }

    /// Digest of the first chunk, 16 bytes.
    pub fn first_chunk(&self) -> &'a [u8] {
        self.string(key::FIRST_CHUNK)
    }

    /// Bytes of the payload, links included.
    pub fn payload_size(&self) -> u32 {
        self.number(key::PAYLOAD_SIZE)
    }

    /// Where the chunks of the payload begin and end; never `None` once it is read.
    pub fn layout(&self) -> Option<Layout> {
        self.layout
    }

    /// RAM class that decoding needs.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Working RAM in bytes where it is more than the profile says, else 0.
    pub fn ram_bytes(&self) -> u32 {
        self.number(key::RAM_BYTES)
    }

    /// Payload codec.
    pub fn codec(&self) -> u32 {
        self.number(key::CODEC)
    }

    /// Instruction sets used: bit `n` is the one with wire number `n`.
    pub fn isa_mask(&self) -> u32 {
        self.number(key::ISA_MASK)
    }

    /// Trained initial state that the decoder must have built in.
    pub fn prior(&self) -> Option<u32> {
        self.given(key::PRIOR)
    }

    /// Grows with every release.
    pub fn sequence(&self) -> u64 {
        self.wide(key::SEQUENCE)
    }

    /// Vendor id, 16 bytes; empty if none is named.
    pub fn vendor(&self) -> &'a [u8] {
        self.string(key::VENDOR)
    }

    /// Class id, 16 bytes; empty if none is named.
    pub fn class(&self) -> &'a [u8] {
        self.string(key::CLASS)
    }

    /// Where the new image is linked to run, when that matters.
    pub fn load_address(&self) -> Option<u64> {
        let key = key::LOAD_ADDRESS;
        self.has(key).then(|| self.wide(key))
    }

    /// Slot that the new image is made for (direct-xip), when that matters.
    pub fn slot(&self) -> Option<u32> {
        self.given(key::SLOT)
    }

    /// Whether the payload is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.has(key::ENCRYPTION)
    }

    /// For whom the payload is encrypted; `None`: it is not.
    pub fn encryption(&self) -> Option<Encryption<'a>> {
        let mut d = self.at(key::ENCRYPTION);
        d.array();
        d.u32();
        Some(Encryption {
            recipient: d.bytes().try_into().ok()?,
            encapsulated: d.bytes().try_into().ok()?,
        })
    }

    /// Why the update was made.
    pub fn update_class(&self) -> Option<UpdateClass> {
        Some(match self.given(key::UPDATE_CLASS)? {
            0 => UpdateClass::Security,
            1 => UpdateClass::Feature,
            _ => UpdateClass::Mixed,
        })
    }

    /// Advisories it answers.
    pub fn advisories(&self) -> Advisories<'a> {
        let mut advisories = Advisories::default();
        let mut d = self.at(key::ADVISORIES);
        for _ in 0..d.array() {
            if !advisories.push_text(d.text()) {
                break;
            }
        }
        advisories
    }

    /// SHA-256 of the old image's bill of materials, 32 bytes; empty if it is not said.
    pub fn sbom_old(&self) -> &'a [u8] {
        self.string(key::SBOM_OLD)
    }

    /// SHA-256 of the new image's bill of materials, 32 bytes; empty if it is not said.
    pub fn sbom_new(&self) -> &'a [u8] {
        self.string(key::SBOM_NEW)
    }

    /// Extension fields, as encoded.
    pub fn extensions(&self) -> &'a [u8] {
        self.bytes.get(self.extensions..).unwrap_or(&[])
    }

    /// All fields. Large: for those who do not have to care.
    pub fn manifest(&self) -> Manifest<'a> {
        Manifest {
            old_size: self.old_size(),
            old_digest: self.old_digest().try_into().unwrap_or_default(),
            new_size: self.new_size(),
            new_digest: self.new_digest().try_into().unwrap_or_default(),
            first_chunk: self.first_chunk().try_into().unwrap_or_default(),
            payload_size: self.payload_size(),
            profile: self.profile(),
            ram_bytes: self.given(key::RAM_BYTES),
            chunk_size: self.layout.map_or(0, |layout| layout.chunk_size()),
            codec: self.codec(),
            isa_mask: self.isa_mask(),
            prior: self.prior(),
            sequence: self.sequence(),
            vendor: self.vendor().try_into().ok(),
            class: self.class().try_into().ok(),
            load_address: self.load_address(),
            slot: self.slot(),
            update_class: self.update_class(),
            advisories: self.advisories(),
            sbom_old: self.sbom_old().try_into().ok(),
            sbom_new: self.sbom_new().try_into().ok(),
            encryption: self.encryption(),
            extensions: Extensions::parse(self.extensions()).unwrap_or_default(),
        }
    }
}

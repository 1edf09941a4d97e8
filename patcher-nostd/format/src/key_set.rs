//! The key set: which keys may sign patches, said by an offline root key.
//!
//! The payload of an envelope of [`Purpose::KeySet`](crate::envelope::Purpose); written by
//! `deltamote keyset`, read by the patcher once the root's signature holds. Invariant, as
//! for the manifest: accepted bytes are exactly what [`emit`] writes. Read in place: no
//! key is copied. SPEC §4.5.
//!
//! | key | field | type | left out when |
//! |---|---|---|---|
//! | 1 | format version | 1 | never |
//! | 2 | version of the set, from 1 | uint | never |
//! | 3 | keys | array of 1..=16 maps | never |
//! | 4 | revoked key ids, ascending, 8 bytes each | bytes | none |
//!
//! A key: 1 algorithm (int), 2 public key (bytes), 3 role (uint, left out: release),
//! 4 first and 5 last sequence number it may sign (uint, left out: 0 and 2^64 - 1).

use crate::cbor::{Decoder, Encoder};
use crate::envelope::{Algorithm, KID_BYTES, Rule, WireError, emit_with, is_canonical};

/// Most keys in a set.
pub const MAX_KEYS: usize = 16;
/// Most revoked ids in a set.
pub const MAX_REVOKED: usize = 64;
/// Longest public key: ML-DSA-65 has 1952 bytes.
pub const MAX_KEY_BYTES: usize = 1952;

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Role {
    /// Signs what customers' devices take.
    Release = 0,
    /// Signs what only test devices take.
    Test = 1,
}

/// A key and what it may sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Signature algorithm.
    pub algorithm: Algorithm,
    /// The public key; its id is derived from it (SPEC §4.4).
    pub key: &'a [u8],
    /// What it is for.
    pub role: Role,
    /// Smallest sequence number that it may sign.
    pub first: u64,
    /// Largest sequence number that it may sign.
    pub last: u64,
}

impl<'a> Entry<'a> {
    /// A release key for all sequence numbers.
    pub const fn new(algorithm: Algorithm, key: &'a [u8]) -> Self {
        Entry {
            algorithm,
            key,
            role: Role::Release,
            first: 0,
            last: u64::MAX,
        }
    }
}

/// A key set, read in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySet<'a> {
    /// Grows with every set: a device refuses one that is older than the one it has.
    pub version: u64,
    count: u32,
    /// The entries, one behind the other.
    keys: &'a [u8],
    revoked: &'a [u8],
}

impl<'a> KeySet<'a> {
    /// Reads a key set. Says nothing about whether it is authentic.
    ///
    /// # Errors
    /// The rule that is broken, and at which key of the map.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let set = Self::fields(&mut Decoder::new(bytes))?;
        set.check()?;
        is_canonical(bytes, |e| {
            write(e, set.version, set.count, set.entries(), set.revoked)
        })?;
        Ok(set)
    }

    fn fields(d: &mut Decoder<'a>) -> Result<Self, WireError> {
        // What is broken first, if anything is, is told as broken at `at`.
        let refuse = |d: &mut Decoder<'a>, rule, at| {
            d.refuse(rule);
            Err(WireError::new(d.broken().unwrap_or(rule), at))
        };
        let pairs = d.map();
        if !matches!(pairs, 3 | 4) {
            return refuse(d, Rule::MissingField, 0);
        }
        for key in [1, 2] {
            if d.u32() != key {
                return refuse(d, Rule::MissingField, key as usize);
            }
            if key == 1 && d.u32() != 1 {
                return refuse(d, Rule::UnknownValue, 1);
            }
        }
        let version = d.u64();
        if d.u32() != 3 {
            return refuse(d, Rule::MissingField, 3);
        }
        let count = d.array();
        if !(1..=MAX_KEYS as u32).contains(&count) {
            return refuse(d, Rule::OutOfRange, 3);
        }
        let start = d.rest();
        for _ in 0..count {
            entry(d);
        }
        if let Some(rule) = d.broken() {
            return Err(WireError::new(rule, 3));
        }
        let keys = start.get(..start.len() - d.rest().len()).unwrap_or(&[]);
        let mut revoked: &[u8] = &[];
        if pairs == 4 {
            if d.u32() != 4 {
                return refuse(d, Rule::UnknownKey, 4);
            }
            revoked = d.bytes();
            if revoked.is_empty() {
                return refuse(d, Rule::NotCanonical, 4);
            }
        }
        Ok(KeySet {
            version,
            count,
            keys,
            revoked,
        })
    }

    fn check(&self) -> Result<(), WireError> {
        let refuse = |key| Err(WireError::new(Rule::OutOfRange, key));
        if self.version == 0 {
            return refuse(2);
        }
        for (n, entry) in self.entries().enumerate() {
            let twice = self.entries().take(n).any(|e| e.key == entry.key);
            let len = entry.key.len();
            if twice || !(1..=MAX_KEY_BYTES).contains(&len) || entry.first > entry.last {
                return refuse(3);
            }
        }
        let ids = self.revoked.len() / KID_BYTES;
        let pairs = self.revoked().zip(self.revoked().skip(1));
        if !self.revoked.len().is_multiple_of(KID_BYTES)
            || ids > MAX_REVOKED
            || pairs.into_iter().any(|(a, b)| a >= b)
        {
            return refuse(4);
        }
        Ok(())
    }

    /// The keys, in the order given.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let mut d = Decoder::new(self.keys);
        // `parse` has read them all: this ends only at their end.
        core::iter::from_fn(move || {
            let entry = entry(&mut d);
            d.is_good().then_some(entry)
        })
    }

    /// The revoked key ids, ascending.
    pub fn revoked(&self) -> impl Iterator<Item = &'a [u8; KID_BYTES]> + use<'a> {
        self.revoked.as_chunks().0.iter()
    }

    /// Whether `kid` is revoked.
    pub fn is_revoked(&self, kid: &[u8; KID_BYTES]) -> bool {
        self.revoked().any(|id| id == kid)
    }
}

/// The next entry; nothing to act on if `d` is not good any more.
fn entry<'a>(d: &mut Decoder<'a>) -> Entry<'a> {
    if d.is_endless_map() {
        d.refuse(Rule::NotCanonical);
    }
    let pairs = d.map();
    let mut entry = Entry::new(Algorithm(0), &[]);
    let mut seen = 0u32;
    for _ in 0..pairs.min(6) {
        let key = d.u32();
        match key {
            1 => entry.algorithm = Algorithm(d.i32()),
            2 => entry.key = d.bytes(),
            3 => match d.u32() {
                0 => entry.role = Role::Release,
                1 => entry.role = Role::Test,
                _ => d.refuse(Rule::UnknownValue),
            },
            4 => entry.first = d.u64(),
            5 => entry.last = d.u64(),
            _ => d.refuse(Rule::UnknownKey),
        }
        seen |= 1u32.checked_shl(key).unwrap_or(0);
    }
    if seen & 0b110 != 0b110 {
        d.refuse(Rule::MissingField);
    }
    entry
}

/// Writes a key set; gives its length. The revoked ids must be ascending.
///
/// # Errors
/// The limit that is broken, or a buffer that is too small.
pub fn emit(
    version: u64,
    keys: &[Entry<'_>],
    revoked: &[[u8; KID_BYTES]],
    out: &mut [u8],
) -> Result<usize, WireError> {
    let count = keys.len() as u32;
    let len = emit_with(out, |e| {
        write(
            e,
            version,
            count,
            keys.iter().copied(),
            revoked.as_flattened(),
        )
    })?;
    let short = WireError::new(Rule::BufferTooSmall, 0);
    KeySet::parse(out.get(..len).ok_or(short)?)?;
    Ok(len)
}

fn write<'a>(
    e: &mut Encoder<'_>,
    version: u64,
    count: u32,
    keys: impl Iterator<Item = Entry<'a>>,
    revoked: &[u8],
) -> Option<()> {
    e.map(if revoked.is_empty() { 3 } else { 4 })?;
    e.u32(1)?.u32(1)?.u32(2)?.u64(version)?;
    e.u32(3)?.array(count.into())?;
    for key in keys {
        let role = key.role as u32;
        let given = [role != 0, key.first != 0, key.last != u64::MAX];
        e.map(2 + given.iter().filter(|g| **g).count() as u64)?;
        e.u32(1)?.i32(key.algorithm.0)?.u32(2)?.bytes(key.key)?;
        if role != 0 {
            e.u32(3)?.u32(role)?;
        }
        if key.first != 0 {
            e.u32(4)?.u64(key.first)?;
        }
        if key.last != u64::MAX {
            e.u32(5)?.u64(key.last)?;
        }
    }
    if !revoked.is_empty() {
        e.u32(4)?.bytes(revoked)?;
    }
    Some(())
}

#[cfg(test)]
#[path = "key_set_tests.rs"]
mod tests;

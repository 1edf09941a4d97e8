//! Key sets on the host: made, changed, signed by a root, and trusted.
//!
//! Fed by `deltamote keyset`; feeds trust ([`KeySetTrust`]). Layout and judgement are the
//! format's and the patcher's; here are only the steps between. SPEC §4.5.

use crate::keys::{PublicKey, Scheme, Sign};
use crate::{Error, ErrorClass, Trust, prove, seal};
use deltamote_format::envelope::{
    Envelope, HEAD_BYTES, MAX_ENVELOPE, OPEN_HEADROOM, Purpose, Signer,
};
use deltamote_format::key_set::{self, Entry, KeySet};
use deltamote_patcher::{Distrust, Error as Refusal, KeySetKeys, Verifier, key_set as device};
use std::collections::BTreeSet;

pub use deltamote_format::key_set::Role;

/// A key of a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetKey {
    /// The key.
    pub key: PublicKey,
    /// What it is for.
    pub role: Role,
    /// Smallest sequence number that it may sign.
    pub first: u64,
    /// Largest sequence number that it may sign.
    pub last: u64,
}

/// A key set, as it is worked on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Draft {
    /// Version, at least 1; grows with every set that is given to devices.
    pub version: u64,
    /// The keys.
    pub keys: Vec<SetKey>,
    /// Ids of revoked keys.
    pub revoked: BTreeSet<[u8; 8]>,
}

fn usage(what: impl Into<String>) -> Error {
    Error::new(ErrorClass::Usage, what)
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorClass::Damaged,
        format!("this is not a good key set: {what}"),
    )
}

/// The envelope of the key set file at the front of `file`, and what is behind it.
fn split(file: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let short = || damaged(format!("it ends after {} bytes", file.len()));
    let (head, rest) = file.split_first_chunk::<HEAD_BYTES>().ok_or_else(short)?;
    let len = Purpose::KeySet.parse_head(head).map_err(damaged)?;
    rest.split_at_checked(len).ok_or_else(short)
}

/// Bytes of the key set file in front of a patch; 0 if there is none.
pub fn in_front(patch: &[u8]) -> usize {
    let head = patch.first_chunk();
    let len = head.and_then(|head| device::in_front(head).ok().flatten());
    len.filter(|len| *len <= patch.len()).unwrap_or(0)
}

impl Draft {
    /// Reads a key set file, signed or not. Says nothing about whether it is authentic;
    /// gives who signed it, too.
    ///
    /// # Errors
    /// [`ErrorClass::Damaged`].
    pub fn parse(file: &[u8]) -> Result<(Draft, Vec<Signer>), Error> {
        let (envelope, rest) = split(file)?;
        if !rest.is_empty() {
            return Err(damaged(format!("{} bytes follow it", rest.len())));
        }
        let envelope = Envelope::parse(envelope).map_err(damaged)?;
        let set = KeySet::parse(envelope.manifest).map_err(damaged)?;
        let key = |entry: Entry<'_>| {
            let scheme = Scheme::of(entry.algorithm).ok_or_else(|| {
                damaged(format!("algorithm {} is not known here", entry.algorithm.0))
            })?;
            Ok::<_, Error>(SetKey {
                key: PublicKey {
                    scheme,
                    bytes: entry.key.to_vec(),
                },
                role: entry.role,
                first: entry.first,
                last: entry.last,
            })
        };
        let draft = Draft {
            version: set.version,
            keys: set.entries().map(key).collect::<Result<_, _>>()?,
            revoked: set.revoked().copied().collect(),
        };
        let signers = [envelope.signer, envelope.second.map(|s| s.0)];
        Ok((draft, signers.into_iter().flatten().collect()))
    }

    /// Adds a key.
    ///
    /// # Errors
    /// It is there already, or was revoked.
    pub fn add(&mut self, key: SetKey) -> Result<(), Error> {
        let id = key.key.id_hex();
        if self.revoked.contains(&key.key.id()) {
            return Err(usage(format!("key {id} is revoked; make a new one")));
        }
        if self.keys.iter().any(|k| k.key == key.key) {
            return Err(usage(format!("key {id} is in the set already")));
        }
        self.keys.push(key);
        Ok(())
    }

    /// Takes a key out and revokes it for good.
    ///
    /// # Errors
    /// It would be the last one, or is revoked already.
    pub fn revoke(&mut self, id: [u8; 8]) -> Result<(), Error> {
        if !self.revoked.insert(id) {
            return Err(usage("this key is revoked already"));
        }
        self.keys.retain(|k| k.key.id() != id);
        if self.keys.is_empty() {
            return Err(usage("no key would be left; add its successor first"));
        }
        Ok(())
    }

    /// The file: signed with `root`, or unsigned.
    ///
    /// # Errors
    /// A limit of the format; a root that cannot sign.
    pub fn emit(&self, root: Option<&dyn Sign>) -> Result<Vec<u8>, Error> {
        fn entry(key: &SetKey) -> Entry<'_> {
            Entry {
                role: key.role,
                first: key.first,
                last: key.last,
                ..Entry::new(key.key.scheme.algorithm(), &key.key.bytes)
            }
        }
        let entries: Vec<Entry<'_>> = self.keys.iter().map(entry).collect();
        let revoked: Vec<[u8; 8]> = self.revoked.iter().copied().collect();
        let mut bytes = vec![0; MAX_ENVELOPE];
        let len = key_set::emit(self.version, &entries, &revoked, &mut bytes)
            .map_err(|e| usage(format!("the key set breaks a limit: {e}")))?;
        let envelope = seal::sign(Purpose::KeySet, &bytes[..len], root)?;
        let mut file = Purpose::KeySet.emit_head(envelope.len())?.to_vec();
        file.extend_from_slice(&envelope);
        Ok(file)
    }
}

/// Trust in the keys of a set that a root has signed.
#[derive(Clone, Debug)]
pub struct KeySetTrust {
    content: Vec<u8>,
    /// Version of the set.
    pub version: u64,
    /// Want two signatures.
    pub both: bool,
    /// Take what test keys sign.
    pub test_device: bool,
}

impl KeySetTrust {
    /// The set at the front of `file`, if `root` signed it and it is not older than
    /// version `newest`.
    ///
    /// # Errors
    /// As a device would refuse it.
    pub fn accept(file: &[u8], root: &Trust, newest: u64) -> Result<KeySetTrust, Error> {
        let (envelope, _) = split(file)?;
        let mut buf = vec![0; OPEN_HEADROOM + envelope.len()];
        let place =
            device::accept(file, &mut buf, &prove::Trusted(root), None).map_err(prove::refused)?;
        let content = buf[place].to_vec();
        let version = KeySet::parse(&content).map_err(damaged)?.version;
        if version < newest {
            return Err(prove::refused(Refusal::KeySetTooOld));
        }
        Ok(KeySetTrust {
            content,
            version,
            both: false,
            test_device: false,
        })
    }

    pub(crate) fn verify(
        &self,
        signer: &Signer,
        message: &[u8],
        signature: &[u8],
        second: bool,
    ) -> Result<(), Distrust> {
        let set = KeySet::parse(&self.content).map_err(|_| Distrust::UnknownKey)?;
        let keys = KeySetKeys {
            set,
            test_device: self.test_device,
            both: self.both,
        };
        if second {
            keys.verify_second(signer, message, signature)
        } else {
            keys.verify(signer, message, signature)
        }
    }
}

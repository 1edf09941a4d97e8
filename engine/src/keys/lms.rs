//! Signing with LMS (RFC 8554, one tree, SHA-256/192 of RFC 9858, w = 8), and its state.
//!
//! A leaf that signs two messages gives the key away. So a leaf is reserved, on disk and
//! synced, before its signature exists; the file is locked meanwhile; and a state that
//! is missing or belongs to another key is an error, never "begin at 0". Copying a key
//! and its state to a second machine defeats this: nothing here can notice.

use super::{KeyError, KeyErrorKind, PublicKey, files, with_suffix};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a hash.
const N: usize = 24;
/// Chains of a one-time signature: 24 digits of the message, 2 of their checksum.
const P: usize = 26;
/// Number of LMOTS_SHA256_N24_W8.
const OTS: u32 = 8;

type Hash = [u8; N];

/// How many patches a key can sign: 2 to the power of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Height {
    /// 32 signatures of 784 bytes; for tests and for roots of key sets.
    H5,
    /// 1024 signatures of 904 bytes.
    #[default]
    H10,
    /// 32768 signatures of 1024 bytes; each takes half a minute of computing.
    H15,
}

impl Height {
    /// All heights.
    pub const ALL: [Height; 3] = [Height::H5, Height::H10, Height::H15];

    /// Name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Height::H5 => "5",
            Height::H10 => "10",
            Height::H15 => "15",
        }
    }

    /// Number of LMS_SHA256_M24_H5, H10, H15.
    const fn number(self) -> u32 {
        10 + self as u32
    }

    const fn levels(self) -> u32 {
        5 * (1 + self as u32)
    }

    /// Signatures that the key can make.
    pub const fn leaves(self) -> u32 {
        1 << self.levels()
    }
}

/// A secret key: the tree grows from the seed (RFC 8554 appendix A).
pub(super) struct Tree {
    pub(super) height: Height,
    id: [u8; 16],
    seed: Hash,
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

fn hash(id: &[u8; 16], number: u32, domain: [u8; 2], parts: &[&[u8]]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(id);
    sha.update(number.to_be_bytes());
    sha.update(domain);
    for part in parts {
        sha.update(part);
    }
    let digest: [u8; 32] = sha.finalize().into();
    *digest.first_chunk().expect("a SHA-256 is longer")
}

impl Tree {
    pub(super) fn random(height: Height) -> Result<Tree, getrandom::Error> {
        let mut tree = Tree {
            height,
            id: [0; 16],
            seed: [0; N],
        };
        getrandom::fill(&mut tree.id)?;
        getrandom::fill(&mut tree.seed)?;
        Ok(tree)
    }

    /// What the key file holds.
    pub(super) fn secret(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(8 + 16 + N));
        out.extend_from_slice(&self.height.number().to_be_bytes());
        out.extend_from_slice(&OTS.to_be_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.seed);
        out
    }

    /// From what a key file holds; `None` if that is no such key.
    pub(super) fn from_secret(bytes: &[u8]) -> Option<Tree> {
        let (numbers, rest) = bytes.split_first_chunk::<8>()?;
        let (id, seed) = rest.split_first_chunk::<16>()?;
        let same = |height: &Height| {
            numbers[..4] == height.number().to_be_bytes() && numbers[4..] == OTS.to_be_bytes()
        };
        Some(Tree {
            height: Height::ALL.into_iter().find(same)?,
            id: *id,
            seed: seed.try_into().ok()?,
        })
    }

    /// Link `to` of chain `i` of `leaf`, from its secret beginning.
    fn chain(&self, leaf: u32, i: usize, to: u8) -> Hash {
        let domain = (i as u16).to_be_bytes();
        let mut link = hash(&self.id, leaf, domain, &[&[0xff], &self.seed]);
        for step in 0..to {
            link = hash(&self.id, leaf, domain, &[&[step], &link]);
        }
        link
    }

    /// All levels, the leaves first.
    fn levels(&self) -> Vec<Vec<Hash>> {
        let leaves = self.height.leaves();
        let leaf = |q: u32| {
            let ends: Vec<u8> = (0..P).flat_map(|i| self.chain(q, i, 255)).collect();
            let key = hash(&self.id, q, [0x80, 0x80], &[&ends]);
            hash(&self.id, leaves + q, [0x82, 0x82], &[&key])
        };
        let mut levels = vec![(0..leaves).into_par_iter().map(leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|l| l.len() > 1) {
            let base = below.len() as u32 / 2;
            let node = |(k, pair): (u32, &[Hash])| {
                hash(&self.id, base + k, [0x83, 0x83], &[&pair[0], &pair[1]])
            };
            let level = (0..).zip(below.chunks_exact(2)).map(node).collect();
            levels.push(level);
        }
        levels
    }

    /// The public key, framed as HSS of one level.
    pub(super) fn public(&self) -> Vec<u8> {
        let levels = self.levels();
        let root = levels.last().and_then(|l| l.first()).expect("a root");
        let numbers = [1, self.height.number(), OTS];
        let mut out: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        out.extend_from_slice(&self.id);
        out.extend_from_slice(root);
        out
    }

    /// The signature of `leaf`, framed as HSS of one level. Never twice for a leaf.
    pub(super) fn sign(&self, leaf: u32, randomizer: &Hash, message: &[u8]) -> Vec<u8> {
        let digest = hash(&self.id, leaf, [0x81, 0x81], &[randomizer, message]);
        let sum: u16 = digest.iter().map(|d| u16::from(255 - d)).sum();
        let digits = digest.into_iter().chain(sum.to_be_bytes());
        let numbers = [0, leaf, OTS];
        let mut out: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        out.extend_from_slice(randomizer);
        for (i, digit) in digits.enumerate() {
            out.extend_from_slice(&self.chain(leaf, i, digit));
        }
        out.extend_from_slice(&self.height.number().to_be_bytes());
        let mut at = leaf as usize;
        for level in self.levels().iter().filter(|l| l.len() > 1) {
            out.extend_from_slice(&level[at ^ 1]);
            at /= 2;
        }
        out
    }
}

/// The state file that belongs to the secret key file `secret`.
pub(super) fn state_path(secret: &Path) -> PathBuf {
    with_suffix(secret, ".state")
}

/// What a state file says: for which key, and the next leaf.
pub(super) fn state_text(key: &PublicKey, next: u32) -> String {
    format!(
        "deltamote LMS state, never to be copied or restored\nkey {}\nnext {next}\n",
        key.id_hex()
    )
}

/// Takes the next leaf of the key at `secret` out of its state, durably.
pub(super) fn reserve(secret: &Path, key: &PublicKey, leaves: u32) -> Result<u32, KeyError> {
    let path = state_path(secret);
    let bad = |what: String| KeyError::new(KeyErrorKind::State, &path, what);
    // The lock is the key file's: that one is never replaced.
    let lock = File::open(secret).map_err(|e| bad(format!("its key cannot be opened ({e})")))?;
    fs4::FileExt::lock(&lock).map_err(|e| bad(format!("its key cannot be locked ({e})")))?;
    let text = std::fs::read_to_string(&path).map_err(|e| {
        bad(format!(
            "cannot be read ({e}); without its state an LMS key must not sign: make a new key"
        ))
    })?;
    let next: u32 = text
        .lines()
        .find_map(|line| line.strip_prefix("next "))
        .and_then(|n| n.parse().ok())
        .filter(|n| text == state_text(key, *n))
        .ok_or_else(|| bad("is damaged or another key's; make a new key".into()))?;
    if next >= leaves {
        return Err(bad(format!(
            "all {leaves} signatures of this key are made; make a new key"
        )));
    }
    let beside = with_suffix(&path, ".new");
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // As the key is: what a stranger can change, he can make sign twice with a leaf.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(state_text(key, next + 1).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &path)
    };
    write().map_err(|e| files::unwritable(&path, &e))?;
    files::sync_folder(&path);
    Ok(next)
}

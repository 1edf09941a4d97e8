//! LMS, one tree (RFC 8554 algorithms 4b and 6a, parameter sets also of RFC 9858), over
//! the SHA-256 that is there anyway.
//!
//! Own code: the crates that do this are dormant or before their first release, and it is
//! short. Keys and signatures are HSS of one level, as COSE wants them (RFC 8778), SHA-256
//! with 32 or 24 bytes of output, any height and any w. Everything is public: nothing
//! takes constant time. State is one digest of SHA-256 for the result and one for a chain.

use sha2::{Digest, Sha256};

/// Hash domains (RFC 8554 §4.1, §5.1).
const D_PBLC: [u8; 2] = [0x80, 0x80];
const D_MESG: [u8; 2] = [0x81, 0x81];
const D_LEAF: [u8; 2] = [0x82, 0x82];
const D_INTR: [u8; 2] = [0x83, 0x83];

/// Bytes of a key's identifier.
const I_BYTES: usize = 16;

/// A parameter set of one-time signatures.
#[derive(Clone, Copy)]
struct Ots {
    /// Bytes of a hash.
    n: usize,
    /// Bits of a digit.
    w: u32,
    /// Digits, those of the checksum included.
    p: u16,
    /// Left shift of the checksum.
    ls: u32,
}

impl Ots {
    /// The set with number `n` of the registry (RFC 8554 §4.1, RFC 9858 §3.1).
    const fn of(number: u32) -> Option<Ots> {
        let (n, w, p, ls) = match number {
            1 => (32, 1, 265, 7),
            2 => (32, 2, 133, 6),
            3 => (32, 4, 67, 4),
            4 => (32, 8, 34, 0),
            5 => (24, 1, 200, 8),
            6 => (24, 2, 101, 6),
            7 => (24, 4, 51, 4),
            8 => (24, 8, 26, 0),
            _ => return None,
        };
        Some(Ots { n, w, p, ls })
    }
}

/// Bytes of a hash and height of the tree with number `n` of the registry.
const fn tree(number: u32) -> Option<(usize, u32)> {
    match number {
        5..=9 => Some((32, 5 * (number - 4))),
        10..=14 => Some((24, 5 * (number - 9))),
        _ => None,
    }
}

/// Takes fields from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }
    fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }
}

/// Whether `signature` over `message` is that of the owner of `key`.
#[inline(never)]
pub(super) fn verify(message: &[u8], key: &[u8], signature: &[u8]) -> bool {
    check(message, key, signature) == Some(true)
}

/// `None`: key or signature are not of the form that belongs there.
fn check(message: &[u8], key: &[u8], signature: &[u8]) -> Option<bool> {
    let mut key = Fields(key);
    // Levels, and signed public keys of lower levels.
    let mut sig = Fields(signature);
    if key.u32()? != 1 || sig.u32()? != 0 {
        return None;
    }
    let (tree_number, ots_number) = (key.u32()?, key.u32()?);
    let (ots, (n, height)) = (Ots::of(ots_number)?, tree(tree_number)?);
    let id: &[u8; I_BYTES] = key.bytes(I_BYTES)?.try_into().ok()?;
    let root = key.bytes(n)?;
    let leaf = sig.u32()?;
    if !key.0.is_empty() || ots.n != n || leaf >> height != 0 || sig.u32()? != ots_number {
        return None;
    }
    let randomizer = sig.bytes(n)?;
    let chains = sig.bytes(n * usize::from(ots.p))?;
    if sig.u32()? != tree_number {
        return None;
    }
    let path = sig.bytes(n * height as usize)?;
    if !sig.0.is_empty() {
        return None;
    }
    let mut node = candidate(message, (id, leaf), randomizer, chains, &ots);
    climb(&mut node, id, leaf + (1 << height), Fields(path), n);
    Some(node.get(..n) == Some(root))
}

/// A hash over identifier, number and domain.
fn begin(id: &[u8; I_BYTES], number: u32, domain: [u8; 2]) -> Sha256 {
    let mut sha = Sha256::new();
    sha.update(id);
    sha.update(number.to_be_bytes());
    sha.update(domain);
    sha
}

/// Digit `i` of `bytes`, of `w` bits.
fn digit(bytes: &[u8], i: u16, w: u32) -> u32 {
    let at = u32::from(i) * w;
    let byte = bytes.get((at / 8) as usize).copied().unwrap_or(0);
    (u32::from(byte) >> (8 - w - at % 8)) & ((1 << w) - 1)
}

/// The one-time public key that the signature leads to (algorithm 4b).
#[inline(never)]
fn candidate(
    message: &[u8],
    (id, leaf): (&[u8; I_BYTES], u32),
    randomizer: &[u8],
    chains: &[u8],
    ots: &Ots,
) -> [u8; 32] {
    // The message's hash with the checksum of its digits behind it.
    let mut digits = [0u8; 34];
    let mut sha = begin(id, leaf, D_MESG);
    sha.update(randomizer);
    sha.update(message);
    let hash: [u8; 32] = sha.finalize().into();
    for (to, from) in digits.iter_mut().zip(hash.iter().take(ots.n)) {
        *to = *from;
    }
    let largest = (1 << ots.w) - 1;
    // As many digits as the hash has: w is a power of two, and a shift cannot divide by zero.
    let in_hash = (8 * ots.n as u32) >> ots.w.trailing_zeros();
    let sum: u32 = (0..in_hash as u16)
        .map(|i| largest - digit(&digits, i, ots.w))
        .sum();
    let sum = ((sum << ots.ls) as u16).to_be_bytes();
    for (to, from) in digits.iter_mut().skip(ots.n).zip(sum) {
        *to = from;
    }
    let mut all = begin(id, leaf, D_PBLC);
    // Not `chunks_exact`: to the linker a chunk of zero bytes is a panic that can be reached.
    let mut chains = Fields(chains);
    for i in 0..ots.p {
        let mut link = [0u8; 32];
        for (to, from) in link.iter_mut().zip(chains.bytes(ots.n).unwrap_or(&[])) {
            *to = *from;
        }
        for step in digit(&digits, i, ots.w)..largest {
            let mut sha = begin(id, leaf, i.to_be_bytes());
            sha.update([step as u8]);
            sha.update(link.get(..ots.n).unwrap_or(&[]));
            link = sha.finalize().into();
        }
        all.update(link.get(..ots.n).unwrap_or(&[]));
    }
    all.finalize().into()
}

/// From leaf number `number` with the one-time key `node` to the root (algorithm 6a).
#[inline(never)]
fn climb(node: &mut [u8; 32], id: &[u8; I_BYTES], mut number: u32, mut path: Fields, n: usize) {
    let mut sha = begin(id, number, D_LEAF);
    sha.update(node.get(..n).unwrap_or(&[]));
    *node = sha.finalize().into();
    while number > 1 {
        let sibling = path.bytes(n).unwrap_or(&[]);
        let mut sha = begin(id, number / 2, D_INTR);
        let here = node.get(..n).unwrap_or(&[]);
        let (left, right) = if number & 1 == 1 {
            (sibling, here)
        } else {
            (here, sibling)
        };
        sha.update(left);
        sha.update(right);
        *node = sha.finalize().into();
        number /= 2;
    }
}

#[cfg(test)]
#[path = "lms_tests.rs"]
mod tests;

//! Small patches and the device that takes them, made once per process.

use crate::store::Store;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use deltamote_engine::image::Image;
use deltamote_engine::{DiffOptions, Level, NoProgress, diff, embedded};
use deltamote_format::chain::{self, Layout};
use deltamote_format::codec::Header;
use deltamote_format::encryption::nonce;
use deltamote_format::envelope::{
    Algorithm, Envelope, Form, MAX_ENVELOPE, Purpose, Signer, emit_head, emit_sig_structure,
};
use deltamote_format::isa::Isa;
use deltamote_format::manifest::{CODEC_DELTAMOTE, Manifest};
use deltamote_patcher::codec::Codec;
use deltamote_patcher::format::Profile;
use deltamote_patcher::{Device, Distrust, Verifier};
use deltamote_sim::{Options, preset};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// Bytes of a chunk.
pub(crate) const CHUNK: u32 = 128;

/// Two images and a patch.
pub(crate) struct Pair {
    pub(crate) old: Vec<u8>,
    pub(crate) new: Vec<u8>,
    /// Signed for [`Stamp`].
    pub(crate) patch: Vec<u8>,
}

pub(crate) fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A signature scheme without secrets and almost without cost: the digest of the message,
/// twice. What it stands for is tested where the real ones are.
pub(crate) struct Stamp;

fn stamp(message: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    out[..32].copy_from_slice(&sha(message));
    out.copy_within(..32, 32);
    out
}

impl Verifier for Stamp {
    fn verify(&self, _: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        match signature == stamp(message) {
            true => Ok(()),
            false => Err(Distrust::BadSignature),
        }
    }
}

/// How an envelope is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signatures {
    /// Not at all.
    None,
    /// Once, for [`Stamp`]; with a wrong stamp, if false.
    One(bool),
    /// Twice, likewise.
    Two(bool, bool),
}

/// Envelope and payload around `data`, stamped.
pub(crate) fn seal(manifest: Manifest<'_>, data: &[u8]) -> Vec<u8> {
    seal_as(manifest, data, Signatures::One(true)).expect("fits")
}

/// What is in the payload of a manifest that says that it is encrypted opens with this.
pub(crate) const CONTENT_KEY: [u8; 32] = [0x5a; 32];

/// Ciphertext and tag of each chunk.
fn encrypted(data: &[u8], layout: Layout) -> Option<Vec<u8>> {
    let cipher = ChaCha20Poly1305::new(&CONTENT_KEY.into());
    let mut sealed = Vec::new();
    for index in 0..layout.count() {
        let (from, start) = (layout.data_start(index) as usize, sealed.len());
        let to = match layout.is_last(index) {
            true => data.len(),
            false => layout.data_start(index + 1) as usize,
        };
        sealed.extend_from_slice(&data[from..to]);
        let text = (&mut sealed[start..]).into();
        let tag = cipher.encrypt_inout_detached(&nonce(index).into(), &[], text);
        sealed.extend_from_slice(&tag.ok()?);
    }
    Some(sealed)
}

/// As [`seal`]; `None` if there is no such manifest.
pub(crate) fn seal_as(
    mut manifest: Manifest<'_>,
    data: &[u8],
    signatures: Signatures,
) -> Option<Vec<u8>> {
    let (layout, data) = match manifest.encryption {
        None => (
            Layout::for_data(data.len() as u32, manifest.chunk_size)?,
            data.to_vec(),
        ),
        Some(_) => {
            let layout = Layout::for_encrypted_data(data.len() as u32, manifest.chunk_size)?;
            (layout, encrypted(data, layout)?)
        }
    };
    let mut payload = vec![0; layout.payload_size() as usize];
    manifest.payload_size = layout.payload_size();
    manifest.first_chunk = chain::seal(&data, layout, &mut payload, |chunk| {
        let mut link = chain::Link::default();
        link.copy_from_slice(&sha(chunk)[..16]);
        link
    })?;
    let mut bytes = [0; MAX_ENVELOPE];
    let len = manifest.emit(&mut bytes).ok()?;
    let signer = Signer {
        algorithm: Algorithm::ED25519,
        kid: *b"stamped.",
    };
    let stamped = |form, good: bool| {
        let mut message = [0; 2 * MAX_ENVELOPE];
        let len = emit_sig_structure(Purpose::Patch, form, signer, &bytes[..len], &mut message);
        let mut stamp = stamp(&message[..len.ok()?]);
        stamp[33] ^= u8::from(!good);
        Some(stamp)
    };
    let (first, second) = match signatures {
        Signatures::None => (None, None),
        Signatures::One(good) => (Some(stamped(Form::One, good)?), None),
        Signatures::Two(a, b) => (Some(stamped(Form::Two, a)?), Some(stamped(Form::Two, b)?)),
    };
    let envelope = Envelope {
        signer: first.map(|_| signer),
        manifest: &bytes[..len],
        signature: first.as_ref().map_or(&[], |stamp| &stamp[..]),
        second: second.as_ref().map(|stamp| (signer, &stamp[..])),
    };
    let mut out = [0; MAX_ENVELOPE];
    let len = envelope.emit(&mut out).ok()?;
    let mut patch = emit_head(len).ok()?.to_vec();
    patch.extend_from_slice(&out[..len]);
    patch.extend_from_slice(&payload);
    Some(patch)
}

/// Bytes behind the envelope.
pub(crate) fn payload_len(pair: &Pair) -> usize {
    let head = pair.patch.first_chunk().expect("a head");
    let envelope = deltamote_format::envelope::parse_head(head).expect("made here");
    pair.patch.len() - head.len() - envelope
}

/// What the manifest says of these images; sizes of the payload are still missing.
pub(crate) fn manifest(old: &[u8], new: &[u8], codec: u32) -> Manifest<'static> {
    Manifest {
        old_size: old.len() as u32,
        old_digest: sha(old),
        new_size: new.len() as u32,
        new_digest: sha(new),
        codec,
        chunk_size: CHUNK,
        ..Manifest::new(Profile::Tiny)
    }
}

/// Bytes without a pattern.
pub(crate) fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut x = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        (x >> 8) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A patch whose data is the new image, for [`Store`].
pub(crate) fn stored() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let (old, new) = (noise(64, 1), noise(1100, 2));
        let patch = seal(manifest(&old, &new, Store::ID), &new);
        Pair { old, new, patch }
    })
}

/// Real firmware, of two releases, by the real codec.
pub(crate) fn firmware() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let old = embedded::OLD[0x18c00..0x18c00 + 800].to_vec();
        let new = embedded::NEW[0x19000..0x19000 + 320].to_vec();
        let options = DiffOptions {
            profile: Profile::Tiny,
            level: Level::Fast,
            jobs: Some(1),
            priors: &[],
            ..DiffOptions::default()
        };
        let image = |bytes: &[u8]| Image::from_bytes(bytes.to_vec()).expect("raw bytes");
        let made = diff(&image(&old), &image(&new), &options, None, &NoProgress);
        let made = made.expect("a patch").bytes;
        let parts = unseal(&made);
        let header = Header::new(old.len() as u32, new.len() as u32, Isa::Thumb);
        let manifest = Manifest {
            isa_mask: header.isa_mask(),
            ..manifest(&old, &new, CODEC_DELTAMOTE)
        };
        let patch = seal(manifest, &parts);
        Pair { old, new, patch }
    })
}

/// The data of a patch that fits one chunk of its profile.
fn unseal(patch: &[u8]) -> Vec<u8> {
    let head = patch.first_chunk().expect("a head");
    let len = deltamote_format::envelope::parse_head(head).expect("made here");
    let payload = &patch[head.len() + len..];
    assert!(payload.len() <= Profile::Tiny.limits().chunk_bytes);
    payload.to_vec()
}

/// A device of 512-byte erase blocks and the program unit number `unit`.
pub(crate) fn options(unit: u8) -> Options {
    let part = preset("nrf52840").expect("a well-known part");
    Options {
        preset: part
            .with_blocks(512)
            .with_units([4, 8, 16, 1][usize::from(unit % 4)]),
        device: Device::new(Profile::Tiny),
        ..Options::default()
    }
}

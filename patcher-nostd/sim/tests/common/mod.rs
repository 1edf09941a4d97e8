//! A codec simple enough to be obviously right, and patches made with it.
//!
//! [`Toy`] has what the shell must cope with and nothing else: a header and map of any
//! length, read-ahead, reads of both images, a running state that a resume point must
//! carry, a model state that a reset clears.
#![allow(dead_code)]

use deltamote_patcher::codec::Codec;
use deltamote_patcher::format::chain::{self, Layout};
use deltamote_patcher::format::codec::{ResumePoint, Step};
use deltamote_patcher::format::coder::Input;
use deltamote_patcher::format::envelope::{
    Algorithm, Envelope, Form, HEAD_BYTES, MAX_ENVELOPE, Purpose, Signer, emit_head,
    emit_sig_structure,
};
use deltamote_patcher::format::isa::Code;
use deltamote_patcher::format::manifest::Manifest;
use deltamote_patcher::format::model::Prior;
use deltamote_patcher::format::{Error, ErrorKind, Profile};
use deltamote_patcher::key_id;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest, Sha256};

/// New-image bytes between resets.
pub const PERIOD: u32 = 1500;
/// Bytes that the toy reads ahead.
const AHEAD: usize = 4;

pub struct Toy;

pub struct ToyDecoder {
    queue: Vec<u8>,
    /// Payload bytes used, read-ahead not counted.
    used: u32,
    header: Option<u32>,
    map_left: u32,
    pos: u32,
    new_len: u32,
    /// Carried across resets.
    running: u32,
    /// Cleared by resets.
    model: u8,
    at_boundary: bool,
}

/// What a payload byte is mixed with. Reads the old image and the new one far back.
fn key<O: Code, N: Code>(pos: u32, running: u32, model: u8, old: &mut O, new: &mut N) -> u8 {
    let o = old.byte(pos.wrapping_mul(7) % 5000).unwrap_or(0x11);
    let near = pos
        .checked_sub(3)
        .and_then(|at| new.byte(at))
        .unwrap_or(0x22);
    let far = pos
        .checked_sub(3000)
        .and_then(|at| new.byte(at))
        .unwrap_or(0x33);
    // What lies ahead must never be visible.
    assert_eq!(new.byte(pos), None);
    o ^ near.wrapping_mul(3) ^ far.wrapping_mul(5) ^ running as u8 ^ model
}

fn stir(running: u32, byte: u8) -> u32 {
    running.wrapping_mul(0x0100_0193) ^ u32::from(byte)
}

/// The payload that [`Toy`] turns into `new`.
pub fn toy_payload(old: &[u8], new: &[u8], map: u16) -> Vec<u8> {
    let mut out = vec![0xd7, map as u8, (map >> 8) as u8];
    out.extend((0..map).map(|i| i as u8));
    let (mut running, mut model) = (7u32, 0u8);
    for (pos, byte) in new.iter().enumerate() {
        if pos > 0 && (pos as u32).is_multiple_of(PERIOD) {
            model = 0;
        }
        let mut seen = &new[..pos];
        out.push(byte ^ key(pos as u32, running, model, &mut &*old, &mut seen));
        running = stir(running, *byte);
        model = model.wrapping_add(byte >> 1);
    }
    out
}

impl ToyDecoder {
    fn next(&mut self, input: &mut Input<'_>) -> u8 {
        while self.queue.len() <= AHEAD {
            self.queue
                .push(input.bytes.get(input.used).copied().unwrap_or(0));
            input.used += 1;
        }
        self.used += 1;
        self.queue.remove(0)
    }
}

impl Codec for Toy {
    const ID: u32 = 99;
    type Decoder<'w, 'p> = ToyDecoder;
    type Coded = Result<Step, Error>;

    fn start<'w, 'p>(
        _: &'w mut [u16],
        _: Profile,
        _old_len: u32,
        new_len: u32,
        _: Option<Prior<'p>>,
    ) -> Result<ToyDecoder, Error> {
        Ok(ToyDecoder {
            queue: Vec::new(),
            used: 0,
            header: None,
            map_left: 0,
            pos: 0,
            new_len,
            running: 7,
            model: 0,
            at_boundary: false,
        })
    }

    fn step<O: Code, N: Code>(
        d: &mut ToyDecoder,
        input: &mut Input<'_>,
        old: &mut O,
        new: &mut N,
    ) -> Result<Step, Error> {
        if d.header.is_none() {
            if d.next(input) != 0xd7 {
                return Err(Error::new(ErrorKind::HeaderUnsupported, 0));
            }
            d.map_left = u32::from(d.next(input)) + 256 * u32::from(d.next(input));
            d.header = Some(d.map_left);
            return Ok(Step::Control);
        }
        if d.map_left > 0 {
            let expect = (d.header.unwrap() - d.map_left) as u8;
            d.map_left -= 1;
            if d.next(input) != expect {
                return Err(Error::new(ErrorKind::MapOutOfRange, d.used));
            }
            return Ok(Step::Control);
        }
        if d.at_boundary {
            d.at_boundary = false;
            d.model = 0;
            return Ok(Step::Reset);
        }
        if d.pos == d.new_len {
            return Ok(Step::Done);
        }
        let room = (d.new_len - d.pos).min(PERIOD - d.pos % PERIOD);
        let len = (1 + d.running % 4).min(room);
        let mut word = 0;
        let mut local: Vec<u8> = Vec::new();
        for k in 0..len {
            let byte = d.next(input) ^ {
                let base = d.pos;
                let mut seen = Behind {
                    new,
                    base,
                    local: &local,
                };
                key(d.pos + k, d.running, d.model, old, &mut seen)
            };
            local.push(byte);
            d.running = stir(d.running, byte);
            d.model = d.model.wrapping_add(byte >> 1);
            word |= u32::from(byte) << (8 * k);
        }
        d.pos += len;
        d.at_boundary = d.pos.is_multiple_of(PERIOD) && d.pos < d.new_len;
        Ok(Step::Output {
            word,
            len: len as u8,
        })
    }

    fn step_of(_: &ToyDecoder, coded: Result<Step, Error>) -> Result<Step, Error> {
        coded
    }

    fn resume_point(d: &ToyDecoder) -> ResumePoint {
        let mut op = [0u32; 8];
        op[7] = d.running;
        ResumePoint {
            new_pos: d.pos,
            payload_pos: d.used,
            op,
        }
    }

    fn map_ready(d: &ToyDecoder) -> bool {
        d.header.is_some() && d.map_left == 0
    }

    fn jump<O: Code, N: Code>(
        d: &mut ToyDecoder,
        point: &ResumePoint,
        _: &mut O,
        new: &mut N,
    ) -> Result<Step, Error> {
        // As the real one: reads the image behind the point. A slot that is still busy
        // after the reset may answer with a fault, which the shell notices.
        let _ = point.new_pos.checked_sub(1).and_then(|at| new.byte(at));
        d.queue.clear();
        d.used = point.payload_pos;
        d.pos = point.new_pos;
        d.running = point.op[7];
        d.model = 0;
        d.at_boundary = false;
        Ok(Step::Control)
    }

    fn payload_len(d: &ToyDecoder) -> u32 {
        d.used
    }
}

/// The new image and the bytes of the step at hand.
struct Behind<'a, N> {
    new: &'a mut N,
    base: u32,
    local: &'a [u8],
}

impl<N: Code> Code for Behind<'_, N> {
    fn byte(&mut self, at: u32) -> Option<u8> {
        match at.checked_sub(self.base) {
            Some(k) => self.local.get(k as usize).copied(),
            None => self.new.byte(at),
        }
    }
}

pub fn sha(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

pub fn public_keys() -> [[u8; 32]; 2] {
    let other = SigningKey::from_bytes(&[43; 32]);
    [
        other.verifying_key().to_bytes(),
        signing_key().verifying_key().to_bytes(),
    ]
}

/// Pseudo-random bytes.
pub fn image(len: usize, seed: u32) -> Vec<u8> {
    let mut x = seed.wrapping_mul(2654435761) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        (x >> 8) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A manifest for `old` -> `new` with `payload` still missing.
pub fn manifest(old: &[u8], new: &[u8], profile: Profile) -> Manifest<'static> {
    Manifest {
        old_size: old.len() as u32,
        old_digest: sha(old),
        new_size: new.len() as u32,
        new_digest: sha(new),
        codec: Toy::ID,
        ..Manifest::new(profile)
    }
}

/// Seals `data` under `manifest`; unsigned without a key.
pub fn seal(mut manifest: Manifest<'_>, data: &[u8], key: Option<&SigningKey>) -> Vec<u8> {
    let layout = Layout::for_data(data.len() as u32, manifest.chunk_size).unwrap();
    let mut payload = vec![0; layout.payload_size() as usize];
    manifest.payload_size = layout.payload_size();
    manifest.first_chunk = chain::seal(data, layout, &mut payload, |chunk| {
        sha(chunk)[..16].try_into().unwrap()
    })
    .unwrap();
    let mut buf = [0; MAX_ENVELOPE];
    let len = manifest.emit(&mut buf).unwrap();
    envelope(&buf[..len], &payload, key)
}

/// Head, envelope and payload.
pub fn envelope(manifest: &[u8], payload: &[u8], key: Option<&SigningKey>) -> Vec<u8> {
    let signer = key.map(|key| Signer {
        algorithm: Algorithm::ED25519,
        kid: key_id(key.verifying_key().as_bytes()),
    });
    let signature = match (key, signer) {
        (Some(key), Some(signer)) => {
            let mut message = [0; MAX_ENVELOPE];
            let len = emit_sig_structure(Purpose::Patch, Form::One, signer, manifest, &mut message)
                .unwrap();
            key.sign(&message[..len]).to_bytes().to_vec()
        }
        _ => Vec::new(),
    };
    let envelope = Envelope {
        signer,
        manifest,
        signature: &signature,
        second: None,
    };
    let mut buf = [0; MAX_ENVELOPE];
    let len = envelope.emit(&mut buf).unwrap();
    let mut patch = emit_head(len).unwrap().to_vec();
    assert_eq!(patch.len(), HEAD_BYTES);
    patch.extend_from_slice(&buf[..len]);
    patch.extend_from_slice(payload);
    patch
}

/// A signed toy patch from `old` to `new`.
pub fn toy_patch(old: &[u8], new: &[u8], profile: Profile) -> Vec<u8> {
    let data = toy_payload(old, new, 700);
    seal(manifest(old, new, profile), &data, Some(&signing_key()))
}

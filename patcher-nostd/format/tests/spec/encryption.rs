//! Encrypted payloads: SPEC §8.1, with the libraries that the product uses.

use super::blocks::{Block, Findings};
use super::values::{self, hex, link, sha256, u32_of};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use deltamote_format::chain::{self, Layout};
use deltamote_format::encryption::{HPKE_EXPORT, HPKE_INFO, KEY_BYTES, nonce, split_tag};
use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender_with_rng,
};
use std::convert::Infallible;

/// Gives the same bytes again and again: those that the vector says.
struct Said(Vec<u8>);

impl TryRng for Said {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("HPKE asks for bytes")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("HPKE asks for bytes")
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        dst.copy_from_slice(&self.0);
        Ok(())
    }
}
impl TryCryptoRng for Said {}

fn bytes(block: &Block, key: &str) -> Vec<u8> {
    hex(block.need(key)).unwrap()
}

type Suite = X25519HkdfSha256;

/// Vectors of encrypted payloads: key, chunks and chain, both ways.
pub fn encryption(block: &Block, out: &mut Findings) {
    block.only(&[
        "recipient_secret",
        "recipient_public",
        "recipient",
        "encapsulation_ikm",
        "encapsulated",
        "content_key",
        "data",
        "chunk_size",
        "first_chunk",
        "payload",
    ]);
    let secret = <Suite as Kem>::PrivateKey::from_bytes(&bytes(block, "recipient_secret")).unwrap();
    let public = Suite::sk_to_pk(&secret);
    out.expect_bytes(block, "recipient_public", &public.to_bytes());
    out.expect_bytes(block, "recipient", &sha256(&public.to_bytes())[..8]);
    let (encapsulated, sender) = setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, Suite>(
        &OpModeS::Base,
        &public,
        HPKE_INFO,
        &mut Said(bytes(block, "encapsulation_ikm")),
    )
    .unwrap();
    out.expect_bytes(block, "encapsulated", &encapsulated.to_bytes());
    let mut key = [0; KEY_BYTES];
    sender.export(HPKE_EXPORT, &mut key).unwrap();
    out.expect_bytes(block, "content_key", &key);

    let data = values::bytes(block.need("data"), &[]);
    let chunk_size = u32_of(block.need("chunk_size"));
    let layout = Layout::for_encrypted_data(data.len() as u32, chunk_size).unwrap();
    let cipher = ChaCha20Poly1305::new(&key.into());
    let mut sealed = Vec::new();
    for k in 0..layout.count() {
        let from = layout.data_start(k) as usize;
        let to = match layout.is_last(k) {
            true => data.len(),
            false => layout.data_start(k + 1) as usize,
        };
        let mut part = data[from..to].to_vec();
        let tag = cipher.encrypt_inout_detached(&nonce(k).into(), &[], (&mut part[..]).into());
        sealed.extend(part);
        sealed.extend(tag.unwrap());
    }
    let mut payload = vec![0; layout.payload_size() as usize];
    let first = chain::seal(&sealed, layout, &mut payload, link).unwrap();
    out.expect_bytes(block, "first_chunk", &first);
    out.expect_bytes(block, "payload", &payload);

    // And back, from what the vector says.
    let encapsulated = bytes(block, "encapsulated");
    let Ok(encapsulated) = <Suite as Kem>::EncappedKey::from_bytes(&encapsulated) else {
        return out.fail(block, "the encapsulated key is none");
    };
    let receiver = setup_receiver::<ExportOnlyAead, HkdfSha256, Suite>(
        &OpModeR::Base,
        &secret,
        &encapsulated,
        HPKE_INFO,
    );
    receiver.unwrap().export(HPKE_EXPORT, &mut key).unwrap();
    let cipher = ChaCha20Poly1305::new(&key.into());
    let said = bytes(block, "payload");
    let Some(layout) = Layout::new_encrypted(said.len() as u32, chunk_size) else {
        return out.fail(block, "no payload has this length");
    };
    let mut announced = bytes(block, "first_chunk");
    let mut back = Vec::new();
    for k in 0..layout.count() {
        let range = layout.chunk(k).unwrap();
        let chunk = &said[range.start as usize..range.end as usize];
        if link(chunk)[..] != announced[..] {
            out.fail(block, format!("chunk {k} is not the one announced"));
        }
        let (part, next) = chain::parse(chunk, layout.is_last(k)).unwrap();
        let mut part = part.to_vec();
        let (text, tag) = split_tag(&mut part).unwrap();
        let tag = (*tag).into();
        let opened = cipher.decrypt_inout_detached(&nonce(k).into(), &[], text.into(), &tag);
        if opened.is_err() || back.len() != layout.data_start(k) as usize {
            out.fail(block, format!("chunk {k} does not open"));
        }
        part.truncate(part.len() - 16);
        back.extend(part);
        announced = next.map_or(announced, |next| next.to_vec());
    }
    if back != data || back.len() != layout.data_size() as usize {
        out.fail(block, "the chunks hold other data");
    }
}

//! Encrypting a payload for one recipient.
//!
//! Stands between the encoder and the seal: the coded data is cut as the chain will cut
//! it, and each piece encrypted. Ciphers, HPKE and key files are libraries'; sizes, nonces
//! and names are the format crate's. Invariant: the content key depends on the data, the
//! chunk size and the recipient (or is drawn at random), so that no key meets two
//! plaintexts. SPEC §8.1.

use crate::{Error, ErrorClass};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use deltamote_format::chain::Layout;
use deltamote_format::encryption::{
    Encryption, HPKE_EXPORT, HPKE_INFO, KEY_BYTES, PUBLIC_KEY_BYTES, nonce,
};
use deltamote_format::le;
use deltamote_patcher::encryption::{ContentKey, NoContentKey, Recipient};
use deltamote_patcher::key_id;
use hkdf::Hkdf;
use hpke::aead::ExportOnlyAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeS, Serializable, setup_sender_with_rng};
use sha2::Sha256;
use std::convert::Infallible;
use std::fmt;
use zeroize::Zeroizing;

/// What an encapsulation is derived from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secret {
    /// The key that signs.
    SigningKey,
    /// A seed given for it.
    Seed,
    /// Random bytes, forgotten afterwards: the patch cannot be made again.
    Random,
}

impl Secret {
    const ALL: [Secret; 3] = [Secret::SigningKey, Secret::Seed, Secret::Random];

    /// Its name in a provenance.
    pub fn name(self) -> &'static str {
        match self {
            Secret::SigningKey => "signing key",
            Secret::Seed => "seed",
            Secret::Random => "random",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Secret> {
        Secret::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// For whom to encrypt, and from which secret the content key is derived.
#[derive(Clone)]
pub struct EncryptTo {
    /// The recipient's X25519 public key.
    pub recipient: [u8; PUBLIC_KEY_BYTES],
    origin: Secret,
    secret: Zeroizing<Vec<u8>>,
}

/// Says nothing of the secret.
impl fmt::Debug for EncryptTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("EncryptTo");
        out.field("recipient", &self.recipient);
        out.field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl EncryptTo {
    /// With keys derived from `secret` (32 bytes of entropy or more; it cannot be told
    /// from the patch): the same inputs give the same patch.
    pub fn derived(recipient: [u8; 32], origin: Secret, secret: &[u8]) -> EncryptTo {
        EncryptTo {
            recipient,
            origin,
            secret: Zeroizing::new(secret.to_vec()),
        }
    }

    /// With a key drawn at random: each run gives another patch.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn random(recipient: [u8; 32]) -> Result<EncryptTo, Error> {
        let mut secret = Zeroizing::new(vec![0; KEY_BYTES]);
        getrandom::fill(&mut secret).map_err(|e| {
            let what = format!("no random bytes from the operating system ({e})");
            Error::new(ErrorClass::Failed, what)
        })?;
        Ok(EncryptTo {
            recipient,
            origin: Secret::Random,
            secret,
        })
    }

    /// What the key is derived from.
    pub fn origin(&self) -> Secret {
        self.origin
    }

    /// The keying material of the ephemeral key: one per data, chunk size and recipient.
    fn ephemeral(&self, data: &[u8], chunk_size: u32) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut info = b"deltamote-1 encapsulation".to_vec();
        info.extend(le::word_bytes(chunk_size));
        info.extend(self.recipient);
        info.extend(crate::seal::digest(data));
        let mut ikm = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.secret)
            .expand(&info, ikm.as_mut())
            .map_err(Error::internal)?;
        Ok(ikm)
    }
}

/// Hands out what it was given.
struct Given<'a>(&'a [u8; 32]);

impl TryRng for Given<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let [a, b, c, d, ..] = *self.0;
        Ok(le::word([a, b, c, d]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.try_next_u32().map(u64::from)
    }

    /// HPKE asks once, for the keying material of one key pair.
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for (to, from) in dst.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
        Ok(())
    }
}

impl TryCryptoRng for Given<'_> {}

/// A payload's data, encrypted.
pub(crate) struct Encrypted {
    /// How the chain must cut it.
    pub layout: Layout,
    /// Ciphertext and tag of each chunk, one after the other.
    pub data: Vec<u8>,
    recipient: [u8; 8],
    encapsulated: [u8; PUBLIC_KEY_BYTES],
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl Encrypted {
    /// What the manifest says of it.
    pub fn field(&self) -> Encryption<'_> {
        Encryption {
            recipient: &self.recipient,
            encapsulated: &self.encapsulated,
        }
    }
}

/// So that the proof can open what was just encrypted for somebody else.
impl Recipient for Encrypted {
    fn content_key(&self, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        match *encryption == self.field() {
            true => Ok(ContentKey::new(*self.key)),
            false => Err(NoContentKey::OtherRecipient),
        }
    }
}

/// Encrypts `data`, cut for chunks of `chunk_size`.
pub(crate) fn encrypt(data: &[u8], chunk_size: u32, to: &EncryptTo) -> Result<Encrypted, Error> {
    type Dhkem = X25519HkdfSha256;
    let bad_key = |e| {
        let what = format!(
            "the recipient's key cannot be used ({e}); make one with deltamote keygen --scheme x25519"
        );
        Error::new(ErrorClass::Usage, what)
    };
    let public = <Dhkem as Kem>::PublicKey::from_bytes(&to.recipient).map_err(bad_key)?;
    let ikm = to.ephemeral(data, chunk_size)?;
    let (encapsulated, context) = setup_sender_with_rng::<ExportOnlyAead, HkdfSha256, Dhkem>(
        &OpModeS::Base,
        &public,
        HPKE_INFO,
        &mut Given(&ikm),
    )
    .map_err(bad_key)?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    context
        .export(HPKE_EXPORT, key.as_mut())
        .map_err(Error::internal)?;

    let layout = u32::try_from(data.len())
        .ok()
        .and_then(|len| Layout::for_encrypted_data(len, chunk_size))
        .ok_or_else(|| Error::internal("the payload is too large"))?;
    let cipher = ChaCha20Poly1305::new((&*key).into());
    let tags = layout.count() as usize * layout.tag_bytes() as usize;
    let mut sealed = Vec::with_capacity(data.len() + tags);
    for index in 0..layout.count() {
        let from = layout.data_start(index) as usize;
        let to = match layout.is_last(index) {
            true => data.len(),
            false => layout.data_start(index + 1) as usize,
        };
        let start = sealed.len();
        sealed.extend_from_slice(&data[from..to]);
        let text = (&mut sealed[start..]).into();
        let tag = cipher
            .encrypt_inout_detached(&nonce(index).into(), &[], text)
            .map_err(Error::internal)?;
        sealed.extend_from_slice(&tag);
    }
    let encapsulated: [u8; PUBLIC_KEY_BYTES] = encapsulated.to_bytes().into();
    Ok(Encrypted {
        layout,
        data: sealed,
        recipient: key_id(&to.recipient),
        encapsulated,
        key,
    })
}

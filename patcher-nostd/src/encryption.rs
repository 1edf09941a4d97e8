//! Encrypted payloads: where the content key comes from, and how a chunk is opened.
//!
//! Asked for a key when everything else about the manifest holds, and used by the
//! receiver behind the check of each chunk against its link: encrypted bytes are
//! authenticated as they are, so decryption never sees what the signer did not send.
//! In place, without a buffer; key and nonce follow from the manifest and the chunk's
//! index, so that a resumed update needs nothing besides. SPEC §8.1.

use crate::error::Error;
use crate::signature::{Distrust, Verifier};
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use deltamote_format::encryption::{Encryption, KEY_BYTES, nonce, split_tag};
use deltamote_format::envelope::Signer;
use zeroize::Zeroizing;

/// The key of one payload; wiped from memory when dropped.
pub struct ContentKey(Zeroizing<[u8; KEY_BYTES]>);

impl ContentKey {
    /// A key from its bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        ContentKey(Zeroizing::new(bytes))
    }

    /// Decrypts the data of chunk `index` in place; gives the length of the plaintext,
    /// which lies in front.
    ///
    /// # Errors
    /// The tag does not hold: another key. `sealed` holds nothing of use then.
    pub fn open(&self, index: u32, sealed: &mut [u8]) -> Result<usize, NotDecrypted> {
        let (text, tag) = split_tag(sealed).ok_or(NotDecrypted)?;
        let (len, tag) = (text.len(), (*tag).into());
        ChaCha20Poly1305::new((&*self.0).into())
            .decrypt_inout_detached(&nonce(index).into(), &[], text.into(), &tag)
            .map_err(|_| NotDecrypted)?;
        Ok(len)
    }
}

/// Says nothing of the key.
impl core::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ContentKey")
    }
}

/// A chunk that does not open under the content key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotDecrypted;

/// Why there is no content key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoContentKey {
    /// No key of this recipient here.
    OtherRecipient,
    /// The encapsulated key does not open.
    Unusable,
}

impl From<NoContentKey> for Error {
    fn from(e: NoContentKey) -> Self {
        match e {
            NoContentKey::OtherRecipient => Error::WrongRecipient,
            NoContentKey::Unusable => Error::ContentKeyUnavailable,
        }
    }
}

/// Holds the recipient's secret key: in software ([`X25519Key`]), or in a secure
/// element, which need not show it: HPKE's Decap and Export happen there.
pub trait Recipient {
    /// The content key that `encryption` encapsulates.
    ///
    /// # Errors
    /// Why there is none.
    fn content_key(&self, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey>;
}

impl<R: Recipient + ?Sized> Recipient for &R {
    fn content_key(&self, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        (**self).content_key(encryption)
    }
}

/// Without a key: encrypted patches are refused.
impl<R: Recipient> Recipient for Option<R> {
    fn content_key(&self, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        match self {
            Some(recipient) => recipient.content_key(encryption),
            None => Err(NoContentKey::OtherRecipient),
        }
    }
}

/// A verifier of signatures and a holder of the key for encrypted payloads, for
/// [`crate::Parts::verifier`].
#[derive(Clone, Copy, Debug)]
pub struct WithRecipient<V, R> {
    /// Checks signatures.
    pub verifier: V,
    /// Gives content keys.
    pub recipient: R,
}

impl<V: Verifier, R: Recipient> Verifier for WithRecipient<V, R> {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.verifier.verify(signer, message, signature)
    }
    fn verify_second(&self, signer: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.verifier.verify_second(signer, m, signature)
    }
    fn needs_second(&self) -> bool {
        self.verifier.needs_second()
    }

    fn content_key(&self, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        self.recipient.content_key(encryption)
    }
}

/// A recipient's key pair in software.
#[cfg(feature = "x25519")]
#[derive(Clone, Copy)]
pub struct X25519Key<'k> {
    /// The secret key (RFC 7748).
    pub secret: &'k [u8; 32],
    /// Its public key, by whose digest a patch names it.
    pub public: &'k [u8; 32],
}

/// Says nothing of the secret.
#[cfg(feature = "x25519")]
impl core::fmt::Debug for X25519Key<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("X25519Key").field(self.public).finish()
    }
}

#[cfg(feature = "x25519")]
impl Recipient for X25519Key<'_> {
    #[inline(never)]
    fn content_key(&self, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        use deltamote_format::encryption::{HPKE_EXPORT, HPKE_INFO};
        use hpke::aead::ExportOnlyAead;
        use hpke::kdf::HkdfSha256;
        use hpke::kem::X25519HkdfSha256 as Dhkem;
        use hpke::{Deserializable, Kem, OpModeR, setup_receiver};
        if crate::signature::key_id(self.public) != *encryption.recipient {
            return Err(NoContentKey::OtherRecipient);
        }
        let unusable = |_| NoContentKey::Unusable;
        let secret = <Dhkem as Kem>::PrivateKey::from_bytes(self.secret).map_err(unusable)?;
        let encapsulated =
            <Dhkem as Kem>::EncappedKey::from_bytes(encryption.encapsulated).map_err(unusable)?;
        let context = setup_receiver::<ExportOnlyAead, HkdfSha256, Dhkem>(
            &OpModeR::Base,
            &secret,
            &encapsulated,
            HPKE_INFO,
        )
        .map_err(unusable)?;
        let mut key = ContentKey::new([0; KEY_BYTES]);
        context
            .export(HPKE_EXPORT, key.0.as_mut())
            .map_err(unusable)?;
        Ok(key)
    }
}

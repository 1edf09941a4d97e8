//! Key files of recipients of encrypted patches: X25519 keys as PEM (RFC 8410).
//!
//! As the signing keys in all else, and read and written by openssl too:
//! `openssl genpkey -algorithm x25519 -out KEY`.

use super::files::{create, exposed, read, sync_folder};
use super::{KeyError, KeyErrorKind, public_path};
use deltamote_format::encryption::Encryption;
use deltamote_patcher::encryption::{ContentKey, NoContentKey, Recipient, X25519Key};
use ed25519_dalek::pkcs8::spki::der::asn1::{BitStringRef, OctetStringRef};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::spki::der::{Decode, Encode, EncodePem};
use ed25519_dalek::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use ed25519_dalek::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use hpke::kem::X25519HkdfSha256 as Dhkem;
use hpke::{Deserializable, Kem, Serializable};
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// id-X25519.
const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");

/// A recipient's secret key; wiped when dropped.
pub struct RecipientKey {
    secret: Zeroizing<[u8; 32]>,
    public: [u8; 32],
    /// Said when others than the owner may read the file.
    pub warning: Option<String>,
}

/// Says nothing of the secret.
impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RecipientKey").field(&self.public).finish()
    }
}

impl RecipientKey {
    /// The key with these bytes (RFC 7748); `None`: they are none.
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Option<RecipientKey> {
        let key = <Dhkem as Kem>::PrivateKey::from_bytes(&secret[..]).ok()?;
        let public = Dhkem::sk_to_pk(&key).to_bytes().into();
        Some(RecipientKey {
            secret,
            public,
            warning: None,
        })
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }
}

impl Recipient for RecipientKey {
    fn content_key(&self, encryption: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        let key = X25519Key {
            secret: &self.secret,
            public: &self.public,
        };
        key.content_key(encryption)
    }
}

fn algorithm() -> AlgorithmIdentifierRef<'static> {
    AlgorithmIdentifierRef {
        oid: OID,
        parameters: None,
    }
}

/// Makes a key pair for a recipient, as [`super::generate`] does for a signer.
///
/// # Errors
/// As there.
pub fn generate_recipient(secret: &Path) -> Result<([u8; 32], PathBuf), KeyError> {
    let public = public_path(secret);
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut()).map_err(|e| {
        let what = format!("no random bytes from the operating system ({e})");
        KeyError::new(KeyErrorKind::NoRandomness, secret, what)
    })?;
    let unencodable = |e: &dyn fmt::Display| {
        let what = format!("cannot be encoded ({e})");
        KeyError::new(KeyErrorKind::Unwritable, secret, what)
    };
    let key = RecipientKey::new(bytes).ok_or_else(|| unencodable(&"no key"))?;
    let encode = || -> Result<_, ed25519_dalek::pkcs8::spki::der::Error> {
        let inner = Zeroizing::new(OctetStringRef::new(&key.secret[..])?.to_der()?);
        let info = PrivateKeyInfoRef::new(algorithm(), OctetStringRef::new(&inner)?);
        let secret_pem =
            SecretDocument::encode_msg(&info)?.to_pem("PRIVATE KEY", LineEnding::LF)?;
        let info = SubjectPublicKeyInfoRef {
            algorithm: algorithm(),
            subject_public_key: BitStringRef::from_bytes(&key.public)?,
        };
        Ok((secret_pem, info.to_pem(LineEnding::LF)?))
    };
    let (secret_pem, public_pem) = encode().map_err(|e| unencodable(&e))?;
    create(secret, secret_pem.as_bytes(), 0o600)?;
    if let Err(e) = create(&public, public_pem.as_bytes(), 0o644) {
        // Ours, made a moment ago: a secret without its public half helps nobody.
        let _ = std::fs::remove_file(secret);
        return Err(e);
    }
    sync_folder(secret);
    Ok((key.public, public))
}

fn not_a_key(path: &Path, wanted: &str) -> KeyError {
    let what = format!("is not an X25519 {wanted}; make one with deltamote keygen --scheme x25519");
    KeyError::new(KeyErrorKind::NotAKey, path, what)
}

/// Reads a recipient's secret key.
///
/// # Errors
/// As [`super::read_secret`].
pub fn read_recipient(path: &Path) -> Result<RecipientKey, KeyError> {
    let (text, meta) = read(path)?;
    if text.contains("-----BEGIN PUBLIC KEY-----") {
        let what = "is a public key; decrypting needs the secret one (without .pub)";
        return Err(KeyError::new(KeyErrorKind::OtherHalf, path, what));
    }
    let wrong = || not_a_key(path, "secret key (PKCS#8 PEM, BEGIN PRIVATE KEY)");
    let (label, document) = SecretDocument::from_pem(&text).map_err(|_| wrong())?;
    let info: PrivateKeyInfoRef<'_> = document.decode_msg().map_err(|_| wrong())?;
    if label != "PRIVATE KEY" || info.algorithm != algorithm() {
        return Err(wrong());
    }
    let inner = <&OctetStringRef>::from_der(info.private_key.as_bytes()).map_err(|_| wrong())?;
    let bytes = inner.as_bytes().try_into().map_err(|_| wrong())?;
    let key = RecipientKey::new(Zeroizing::new(bytes)).ok_or_else(wrong)?;
    Ok(RecipientKey {
        warning: exposed(path, &meta),
        ..key
    })
}

/// Reads a recipient's public key.
///
/// # Errors
/// As [`super::read_public`].
pub fn read_recipient_public(path: &Path) -> Result<[u8; 32], KeyError> {
    let (text, _) = read(path)?;
    if text.contains("PRIVATE KEY-----") {
        let what = format!(
            "is a secret key; encrypting needs the public one ({})",
            public_path(path).display()
        );
        return Err(KeyError::new(KeyErrorKind::OtherHalf, path, what));
    }
    let wrong = || not_a_key(path, "public key (SPKI PEM, BEGIN PUBLIC KEY)");
    let (label, document) = SecretDocument::from_pem(&text).map_err(|_| wrong())?;
    let info: SubjectPublicKeyInfoRef<'_> = document.decode_msg().map_err(|_| wrong())?;
    if label != "PUBLIC KEY" || info.algorithm != algorithm() {
        return Err(wrong());
    }
    let bytes = info.subject_public_key.as_bytes().ok_or_else(wrong)?;
    bytes.try_into().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::super::{Height, Scheme};
    use super::*;

    #[test]
    fn keys_come_back_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.key");
        let (public, public_path) = generate_recipient(&path).unwrap();
        let key = read_recipient(&path).unwrap();
        assert_eq!(key.public(), public);
        assert_eq!(key.warning, None);
        assert_eq!(read_recipient_public(&public_path).unwrap(), public);
        assert!(!format!("{key:?}").contains(&format!("{:?}", &key.secret[..4])));
        let kind = |e: KeyError| e.kind();
        assert_eq!(
            generate_recipient(&path).map_err(kind),
            Err(KeyErrorKind::Exists)
        );
        let halves = [
            read_recipient(&public_path).map(|_| ()).map_err(kind),
            read_recipient_public(&path).map(|_| ()).map_err(kind),
        ];
        assert_eq!(halves, [Err(KeyErrorKind::OtherHalf); 2]);

        // A signing key is none, and the reverse.
        let signer = folder.path().join("signer.key");
        let (_, signer_public) =
            super::super::generate(&signer, Scheme::Ed25519, Height::H10).unwrap();
        let others = [
            read_recipient(&signer).map(|_| ()).map_err(kind),
            read_recipient_public(&signer_public)
                .map(|_| ())
                .map_err(kind),
            super::super::read_secret(&path).map(|_| ()).map_err(kind),
            super::super::read_public(&public_path)
                .map(|_| ())
                .map_err(kind),
        ];
        assert_eq!(others, [Err(KeyErrorKind::NotAKey); 4]);
        for rubbish in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            std::fs::write(&path, rubbish).unwrap();
            assert!(read_recipient(&path).is_err());
        }
    }
}

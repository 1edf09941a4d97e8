//! Keys as PEM: PKCS#8 and SubjectPublicKeyInfo, for each scheme as its RFC says.
//!
//! Ed25519 RFC 8410, P-256 RFC 5915 and 5480, ML-DSA RFC 9881 (the seed), LMS RFC 9802 for
//! the public key. No RFC has a secret LMS key: here the octet string holds the numbers of
//! tree and one-time set, the identifier and the seed (RFC 8554 appendix A).

use super::{KeyError, KeyErrorKind, PublicKey, Scheme, lms};
use ed25519_dalek::pkcs8::KeypairBytes;
use ml_dsa::{KeyExport, MlDsa65};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use p256::pkcs8::der::oid::ObjectIdentifier;
use p256::pkcs8::der::pem::LineEnding;
use p256::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use p256::pkcs8::{
    DecodePrivateKey, Document, EncodePrivateKey, Error, PrivateKeyInfoRef, SecretDocument,
};
use std::path::Path;
use zeroize::Zeroizing;

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
const HSS_LMS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.17");

/// A secret key as text, wiped when dropped.
pub(super) type Text = Zeroizing<String>;

/// The secret half of a key, whatever its scheme.
pub(super) enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
    Lms(lms::Tree),
    MlDsa65(Box<ml_dsa::SigningKey<MlDsa65>>),
}

impl Secret {
    pub(super) fn public(&self) -> PublicKey {
        let (scheme, bytes) = match self {
            Secret::Ed25519(key) => (Scheme::Ed25519, key.verifying_key().to_bytes().to_vec()),
            Secret::P256(key) => (
                Scheme::P256,
                key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            ),
            Secret::Lms(tree) => (Scheme::Lms, tree.public()),
            Secret::MlDsa65(key) => (
                Scheme::MlDsa65,
                key.expanded_key().verifying_key().to_bytes().to_vec(),
            ),
        };
        PublicKey { scheme, bytes }
    }

    pub(super) fn to_pem(&self) -> Result<Text, Error> {
        match self {
            // Without the public half inside: openssl refuses the later version that has it.
            Secret::Ed25519(key) => KeypairBytes {
                secret_key: key.to_bytes(),
                public_key: None,
            }
            .to_pkcs8_pem(LineEnding::LF),
            Secret::P256(key) => p256::SecretKey::from(key.clone()).to_pkcs8_pem(LineEnding::LF),
            // Not by the crate, which leaves a copy of this octet string on the heap: the
            // seed, implicitly tagged [0] (RFC 9881 section 6).
            Secret::MlDsa65(key) => {
                let seed = key.as_seed();
                let mut bytes = Zeroizing::new(Vec::with_capacity(2 + seed.len()));
                bytes.extend_from_slice(&[0x80, seed.len() as u8]);
                bytes.extend_from_slice(seed);
                private_pem(ML_DSA_65, &bytes)
            }
            Secret::Lms(tree) => private_pem(HSS_LMS, &tree.secret()),
        }
    }
}

/// PKCS#8 around the octets of a secret key without parameters.
fn private_pem(oid: ObjectIdentifier, bytes: &[u8]) -> Result<Text, Error> {
    let algorithm = AlgorithmIdentifierRef {
        oid,
        parameters: None,
    };
    let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(bytes)?);
    let document = SecretDocument::encode_msg(&info)?;
    Ok(document.to_pem("PRIVATE KEY", LineEnding::LF)?)
}

/// A secret key from the text of the file at `path`.
pub(super) fn secret(path: &Path, text: &str) -> Result<Secret, KeyError> {
    let wrong = || not_a_key(path, text, "secret key (PKCS#8 PEM, BEGIN PRIVATE KEY)");
    let (label, document) = SecretDocument::from_pem(text).map_err(|_| wrong())?;
    if label != "PRIVATE KEY" {
        return Err(wrong());
    }
    let der = document.as_bytes();
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| wrong())?;
    let oid = info.algorithm.oid;
    let key = if oid == ED25519 {
        ed25519_dalek::SigningKey::from_pkcs8_der(der)
            .ok()
            .map(Secret::Ed25519)
    } else if oid == EC {
        p256::ecdsa::SigningKey::from_pkcs8_der(der)
            .ok()
            .map(Secret::P256)
    } else if oid == ML_DSA_65 {
        let key = ml_dsa::SigningKey::from_pkcs8_der(der).ok();
        key.map(|key| Secret::MlDsa65(Box::new(key)))
    } else if oid == HSS_LMS {
        lms::Tree::from_secret(info.private_key.as_bytes()).map(Secret::Lms)
    } else {
        None
    };
    key.ok_or_else(wrong)
}

/// A public key as text.
pub(super) fn public_pem(key: &PublicKey) -> Result<String, Error> {
    let curve = SECP256R1;
    let (oid, parameters) = match key.scheme {
        Scheme::Ed25519 => (ED25519, None),
        Scheme::P256 => (EC, Some(AnyRef::from(&curve))),
        Scheme::Lms => (HSS_LMS, None),
        Scheme::MlDsa65 => (ML_DSA_65, None),
    };
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid, parameters },
        subject_public_key: BitStringRef::from_bytes(&key.bytes)?,
    };
    Ok(Document::encode_msg(&info)?.to_pem("PUBLIC KEY", LineEnding::LF)?)
}

/// A public key from the text of the file at `path`.
pub(super) fn public(path: &Path, text: &str) -> Result<PublicKey, KeyError> {
    let wrong = || not_a_key(path, text, "public key (SPKI PEM, BEGIN PUBLIC KEY)");
    let (label, document) = Document::from_pem(text).map_err(|_| wrong())?;
    if label != "PUBLIC KEY" {
        return Err(wrong());
    }
    let info = SubjectPublicKeyInfoRef::try_from(document.as_bytes()).map_err(|_| wrong())?;
    let raw = info.subject_public_key.raw_bytes();
    let oid = info.algorithm.oid;
    let (scheme, bytes) = if oid == ED25519 {
        (Scheme::Ed25519, raw.to_vec())
    } else if oid == EC && info.algorithm.parameters_oid().ok() == Some(SECP256R1) {
        let point = p256::PublicKey::from_sec1_bytes(raw).map_err(|_| wrong())?;
        (Scheme::P256, point.to_sec1_point(false).as_bytes().to_vec())
    } else if oid == HSS_LMS {
        (Scheme::Lms, raw.to_vec())
    } else if oid == ML_DSA_65 {
        (Scheme::MlDsa65, raw.to_vec())
    } else {
        return Err(wrong());
    };
    let key = PublicKey { scheme, bytes };
    if !key.has_right_length() {
        return Err(wrong());
    }
    let weak = |key: &PublicKey| {
        let bytes = key.bytes.as_slice().try_into().ok()?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()?;
        Some(key.is_weak())
    };
    match (scheme, weak(&key)) {
        (Scheme::Ed25519, None) => Err(wrong()),
        (Scheme::Ed25519, Some(true)) => {
            let what =
                "is a weak key that accepts forged signatures; make one with deltamote keygen";
            Err(KeyError::new(KeyErrorKind::Weak, path, what))
        }
        _ => Ok(key),
    }
}

/// Says what the file is instead, where its PEM label tells, and never what is in it.
pub(super) fn not_a_key(path: &Path, text: &str, wanted: &str) -> KeyError {
    const OTHERS: [(&str, &str); 4] = [
        (
            "ENCRYPTED PRIVATE KEY",
            "is protected by a passphrase; decrypt it with openssl pkey",
        ),
        (
            "OPENSSH PRIVATE KEY",
            "is an OpenSSH key; make one with deltamote keygen",
        ),
        (
            "EC PRIVATE KEY",
            "is an elliptic-curve key in the old form; convert it with openssl pkcs8 -topk8 -nocrypt",
        ),
        ("RSA PRIVATE KEY", "is an RSA key; no scheme here uses one"),
    ];
    let what = OTHERS
        .iter()
        .find(|(label, _)| text.contains(label))
        .map_or_else(
            || format!("is not a {wanted} of a scheme known here; make one with deltamote keygen"),
            |(_, what)| (*what).to_owned(),
        );
    KeyError::new(KeyErrorKind::NotAKey, path, what)
}

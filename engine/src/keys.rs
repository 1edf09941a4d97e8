//! Keys: four signature schemes, as PEM files, the secret one readable by its owner alone.
//!
//! Fed by paths from the command line; feeds seal ([`SecretKey`] signs) and trust
//! ([`PublicKey`]). A secret key file is PKCS#8, a public one SubjectPublicKeyInfo, so that
//! openssl and every HSM tool read and write them too:
//!
//! ```text
//! openssl genpkey -algorithm ed25519 -out KEY
//! openssl pkey -in KEY -pubout -out KEY.pub
//! ```
//!
//! LMS keys sign a limited number of times and must never use the same leaf twice: the
//! next leaf stands in KEY.state, and is reserved on disk before a signature is made.
//! Secrets are wiped from memory after use and have no way into a message.

mod files;
mod lms;
mod pem;
mod sign;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use deltamote_format::envelope::{Algorithm, KID_BYTES, Signer};
use ed25519_dalek::{SECRET_KEY_LENGTH, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

pub use lms::Height;
pub use sign::{Pair, SecretKey, Sign};

/// Bytes of a key id.
pub const KEY_ID_BYTES: usize = KID_BYTES;

/// A PEM key is some hundred bytes, one of ML-DSA some thousand: whatever is longer is no
/// key.
const MAX_KEY_FILE_BYTES: u64 = 16 << 10;

/// A signature scheme.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// Ed25519 (RFC 8032): what every device verifies.
    Ed25519,
    /// ECDSA with P-256 and SHA-256: what most HSMs and secure elements have.
    P256,
    /// LMS, one tree, SHA-256/192, w = 8: post-quantum, small, stateful.
    Lms,
    /// ML-DSA-65 (FIPS 204): post-quantum, for devices with memory.
    MlDsa65,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Scheme; 4] = [Scheme::Ed25519, Scheme::P256, Scheme::Lms, Scheme::MlDsa65];

    /// Name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Ed25519 => "ed25519",
            Scheme::P256 => "p256",
            Scheme::Lms => "lms",
            Scheme::MlDsa65 => "ml-dsa-65",
        }
    }

    /// Its number on the wire.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Scheme::Ed25519 => Algorithm::ED25519,
            Scheme::P256 => Algorithm::ESP256,
            Scheme::Lms => Algorithm::HSS_LMS,
            Scheme::MlDsa65 => Algorithm::ML_DSA_65,
        }
    }

    /// The scheme with this number on the wire.
    pub fn of(algorithm: Algorithm) -> Option<Scheme> {
        if algorithm == Algorithm::EDDSA {
            return Some(Scheme::Ed25519);
        }
        Scheme::ALL.into_iter().find(|s| s.algorithm() == algorithm)
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// Its scheme.
    pub scheme: Scheme,
    /// The raw key (SPEC §4.4).
    pub bytes: Vec<u8>,
}

impl PublicKey {
    /// The id a patch names it by.
    pub fn id(&self) -> [u8; KEY_ID_BYTES] {
        deltamote_patcher::key_id(&self.bytes)
    }

    /// As [`PublicKey::id`], hexadecimal.
    pub fn id_hex(&self) -> String {
        self.id().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// What a patch says of its signer.
    pub fn signer(&self) -> Signer {
        Signer {
            algorithm: self.scheme.algorithm(),
            kid: self.id(),
        }
    }

    /// As the patcher takes it.
    pub fn on_device(&self) -> deltamote_patcher::PublicKey<'_> {
        deltamote_patcher::PublicKey {
            algorithm: self.scheme.algorithm(),
            bytes: &self.bytes,
        }
    }

    fn has_right_length(&self) -> bool {
        match self.scheme {
            Scheme::Ed25519 => self.bytes.len() == 32,
            Scheme::P256 => self.bytes.len() == 65,
            Scheme::Lms => matches!(self.bytes.len(), 52 | 60),
            Scheme::MlDsa65 => self.bytes.len() == 1952,
        }
    }
}

impl From<VerifyingKey> for PublicKey {
    fn from(key: VerifyingKey) -> Self {
        PublicKey {
            scheme: Scheme::Ed25519,
            bytes: key.to_bytes().to_vec(),
        }
    }
}

/// What was wrong with a key file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The operating system could not give the file.
    Unreadable,
    /// The operating system could not write the file.
    Unwritable,
    /// A file of that name is there already.
    Exists,
    /// The file holds no key of a known scheme.
    NotAKey,
    /// A public key where a secret one is needed, or the reverse.
    OtherHalf,
    /// A public key that accepts signatures anyone can make.
    Weak,
    /// The operating system gave no random bytes.
    NoRandomness,
    /// The state of an LMS key is missing, damaged or used up.
    State,
}

/// A key file that cannot be used, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyError {
    kind: KeyErrorKind,
    path: PathBuf,
    what: String,
}

impl KeyError {
    fn new(kind: KeyErrorKind, path: &Path, what: impl Into<String>) -> Self {
        KeyError {
            kind,
            path: path.to_owned(),
            what: what.into(),
        }
    }

    /// What was wrong.
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for KeyError {}

/// A secret key and what is remarkable about its file. Not `Debug`: it holds a secret.
pub struct SecretKeyFile {
    /// The key; wiped when dropped.
    pub key: SecretKey,
    /// Said when others than the owner may read the file.
    pub warning: Option<String>,
}

/// A new secret Ed25519 key from the operating system's random bytes, in memory only.
pub fn random() -> Result<SigningKey, getrandom::Error> {
    let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
    getrandom::fill(seed.as_mut())?;
    Ok(SigningKey::from_bytes(&seed))
}

/// A new secret key; `height` is for LMS alone.
fn random_of(scheme: Scheme, height: Height) -> Result<pem::Secret, getrandom::Error> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut())?;
    Ok(match scheme {
        Scheme::Ed25519 => pem::Secret::Ed25519(SigningKey::from_bytes(&seed)),
        Scheme::P256 => loop {
            // One in 2^32 numbers is not below the order.
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(seed.as_ref()) {
                break pem::Secret::P256(key);
            }
            getrandom::fill(seed.as_mut())?;
        },
        Scheme::Lms => pem::Secret::Lms(lms::Tree::random(height)?),
        Scheme::MlDsa65 => {
            let seed = Zeroizing::new(ml_dsa::Seed::from(*seed));
            pem::Secret::MlDsa65(Box::new(ml_dsa::SigningKey::from_seed(&seed)))
        }
    })
}

/// Makes a key pair: the secret key at `secret`, mode 0600, the public key beside it
/// with `.pub` appended, and for LMS its state with `.state`. No file may exist; on
/// failure none is left. `height` is for LMS alone.
pub fn generate(
    secret: &Path,
    scheme: Scheme,
    height: Height,
) -> Result<(PublicKey, PathBuf), KeyError> {
    let public = public_path(secret);
    let key = random_of(scheme, height).map_err(|e| {
        let what = format!("no random bytes from the operating system ({e})");
        KeyError::new(KeyErrorKind::NoRandomness, secret, what)
    })?;
    let unencodable = |path: &Path, e: &dyn fmt::Display| {
        let what = format!("cannot be encoded ({e})");
        KeyError::new(KeyErrorKind::Unwritable, path, what)
    };
    let secret_pem = key.to_pem().map_err(|e| unencodable(secret, &e))?;
    let public_key = key.public();
    let public_pem = pem::public_pem(&public_key).map_err(|e| unencodable(&public, &e))?;
    let mut files: Vec<(PathBuf, &[u8], u32)> = vec![
        (secret.to_owned(), secret_pem.as_bytes(), 0o600),
        (public.clone(), public_pem.as_bytes(), 0o644),
    ];
    let state = lms::state_text(&public_key, 0);
    if scheme == Scheme::Lms {
        files.push((lms::state_path(secret), state.as_bytes(), 0o600));
    }
    for (n, (path, bytes, mode)) in files.iter().enumerate() {
        if let Err(e) = files::create(path, bytes, *mode) {
            // Ours, made a moment ago: a part of a key helps nobody.
            for (made, ..) in &files[..n] {
                let _ = fs::remove_file(made);
            }
            return Err(e);
        }
    }
    files::sync_folder(secret);
    Ok((public_key, public))
}

/// Reads a secret key.
pub fn read_secret(path: &Path) -> Result<SecretKeyFile, KeyError> {
    let (text, meta) = files::read(path)?;
    if text.contains("-----BEGIN PUBLIC KEY-----") {
        let what = "is a public key; signing needs the secret one (without .pub)";
        return Err(KeyError::new(KeyErrorKind::OtherHalf, path, what));
    }
    Ok(SecretKeyFile {
        key: SecretKey::new(pem::secret(path, &text)?, path),
        warning: files::exposed(path, &meta),
    })
}

/// Reads a public key.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyError> {
    let (text, _) = files::read(path)?;
    if text.contains("PRIVATE KEY-----") {
        let what = format!(
            "is a secret key; checking needs the public one ({})",
            public_path(path).display()
        );
        return Err(KeyError::new(KeyErrorKind::OtherHalf, path, what));
    }
    pem::public(path, &text)
}

/// The public key file that belongs to the secret key file `secret`.
pub fn public_path(secret: &Path) -> PathBuf {
    with_suffix(secret, ".pub")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

mod x25519;
pub use x25519::{RecipientKey, generate_recipient, read_recipient, read_recipient_public};

#[cfg(test)]
mod tests;

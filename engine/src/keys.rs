//! Key files: Ed25519 keys as PEM, the secret one readable by its owner alone.
//!
//! Fed by paths from the command line; feeds seal (secret keys) and trust (public
//! keys). A secret key file is PKCS#8, a public one SubjectPublicKeyInfo, so that
//! openssl and every HSM tool read and write them too:
//!
//! ```text
//! openssl genpkey -algorithm ed25519 -out KEY
//! openssl pkey -in KEY -pubout -out KEY.pub
//! ```
//!
//! Secrets are wiped from memory after use and have no way into a message.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{SECRET_KEY_LENGTH, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Bytes of a key id.
pub const KEY_ID_BYTES: usize = 8;

/// A PEM key is some hundred bytes: whatever is longer is no key.
const MAX_KEY_FILE_BYTES: u64 = 16 << 10;

/// The id a patch names its key by: the first bytes of the SHA-256 of the public key.
pub fn key_id(key: &VerifyingKey) -> [u8; KEY_ID_BYTES] {
    let digest = Sha256::digest(key.as_bytes());
    *digest
        .first_chunk()
        .expect("a SHA-256 is longer than a key id")
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
    /// The file holds no Ed25519 key.
    NotAKey,
    /// A public key where a secret one is needed, or the reverse.
    OtherHalf,
    /// A public key that accepts signatures anyone can make.
    Weak,
    /// The operating system gave no random bytes.
    NoRandomness,
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
    pub key: SigningKey,
    /// Said when others than the owner may read the file.
    pub warning: Option<String>,
}

/// A new secret key from the operating system's random bytes, in memory only.
pub fn random() -> Result<SigningKey, getrandom::Error> {
    let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
    getrandom::fill(seed.as_mut())?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Makes a key pair: the secret key at `secret`, mode 0600, the public key beside it
/// with `.pub` appended. Neither file may exist; on failure neither is left.
pub fn generate(secret: &Path) -> Result<(VerifyingKey, PathBuf), KeyError> {
    let public = public_path(secret);
    let key = random().map_err(|e| {
        let what = format!("no random bytes from the operating system ({e})");
        KeyError::new(KeyErrorKind::NoRandomness, secret, what)
    })?;
    // Without the public half inside: openssl refuses the later version that has it.
    let secret_only = KeypairBytes {
        secret_key: key.to_bytes(),
        public_key: None,
    };
    let unencodable = |path: &Path, e: &dyn fmt::Display| {
        KeyError::new(
            KeyErrorKind::Unwritable,
            path,
            format!("cannot be encoded ({e})"),
        )
    };
    let secret_pem = secret_only
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|e| unencodable(secret, &e))?;
    let public_pem = key
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .map_err(|e| unencodable(&public, &e))?;
    create(secret, secret_pem.as_bytes(), 0o600)?;
    if let Err(e) = create(&public, public_pem.as_bytes(), 0o644) {
        // Ours, made a moment ago: a secret without its public half helps nobody.
        let _ = fs::remove_file(secret);
        return Err(e);
    }
    sync_folder(secret);
    Ok((key.verifying_key(), public))
}

/// Reads a secret key.
pub fn read_secret(path: &Path) -> Result<SecretKeyFile, KeyError> {
    let (text, meta) = read(path)?;
    if text.contains("-----BEGIN PUBLIC KEY-----") {
        let what = "is a public key; signing needs the secret one (without .pub)";
        return Err(KeyError::new(KeyErrorKind::OtherHalf, path, what));
    }
    let key = SigningKey::from_pkcs8_pem(&text)
        .map_err(|_| not_a_key(path, &text, "secret key (PKCS#8 PEM, BEGIN PRIVATE KEY)"))?;
    Ok(SecretKeyFile {
        key,
        warning: exposed(path, &meta),
    })
}

/// Reads a public key.
pub fn read_public(path: &Path) -> Result<VerifyingKey, KeyError> {
    let (text, _) = read(path)?;
    if text.contains("PRIVATE KEY-----") {
        let what = format!(
            "is a secret key; checking needs the public one ({})",
            public_path(path).display()
        );
        return Err(KeyError::new(KeyErrorKind::OtherHalf, path, what));
    }
    let key = VerifyingKey::from_public_key_pem(&text)
        .map_err(|_| not_a_key(path, &text, "public key (SPKI PEM, BEGIN PUBLIC KEY)"))?;
    if key.is_weak() {
        let what = "is a weak key that accepts forged signatures; make one with deltamote keygen";
        return Err(KeyError::new(KeyErrorKind::Weak, path, what));
    }
    Ok(key)
}

/// The public key file that belongs to the secret key file `secret`.
pub fn public_path(secret: &Path) -> PathBuf {
    let mut name = secret.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<(Zeroizing<String>, fs::Metadata), KeyError> {
    let unreadable = |e: io::Error| {
        KeyError::new(
            KeyErrorKind::Unreadable,
            path,
            format!("cannot be read ({e})"),
        )
    };
    let not_text = || not_a_key(path, "", "key in PEM form");
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if meta.is_dir() {
        let what = "is a directory, not a key file";
        return Err(KeyError::new(KeyErrorKind::Unreadable, path, what));
    }
    // Room for all of it at once: growing would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_BYTES as usize + 1));
    file.take(MAX_KEY_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_KEY_FILE_BYTES {
        return Err(not_text());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| not_text())?;
    Ok((Zeroizing::new(text.to_owned()), meta))
}

/// Says what the file is instead, where its PEM label tells, and never what is in it.
fn not_a_key(path: &Path, text: &str, wanted: &str) -> KeyError {
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
            "is an elliptic-curve key of another kind; Ed25519 is needed",
        ),
        ("RSA PRIVATE KEY", "is an RSA key; Ed25519 is needed"),
    ];
    let what = OTHERS
        .iter()
        .find(|(label, _)| text.contains(label))
        .map_or_else(
            || format!("is not an Ed25519 {wanted}; make one with deltamote keygen"),
            |(_, what)| (*what).to_owned(),
        );
    KeyError::new(KeyErrorKind::NotAKey, path, what)
}

/// Writes a file that must not exist; removes it again when writing fails.
fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => KeyError::new(
            KeyErrorKind::Exists,
            path,
            "exists already; a key is never overwritten: choose another name",
        ),
        _ => unwritable(path, &e),
    })?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|e| {
            let _ = fs::remove_file(path);
            unwritable(path, &e)
        })
}

fn unwritable(path: &Path, e: &io::Error) -> KeyError {
    KeyError::new(
        KeyErrorKind::Unwritable,
        path,
        format!("cannot be written ({e})"),
    )
}

/// Makes the new names survive a power cut, where the system can.
fn sync_folder(path: &Path) {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(unix)]
fn exposed(path: &Path, meta: &fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let mode = meta.mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        format!(
            "{}: the secret key may be read by others (mode {mode:03o}); run: chmod 600 {}",
            path.display(),
            path.display()
        )
    })
}

#[cfg(not(unix))]
fn exposed(_: &Path, _: &fs::Metadata) -> Option<String> {
    None
}

#[cfg(test)]
mod tests;

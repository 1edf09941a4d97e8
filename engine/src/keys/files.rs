//! Key files on disk: read whole, written once, the owner's alone.

use super::{KeyError, KeyErrorKind, MAX_KEY_FILE_BYTES, pem::not_a_key};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a text file that a key could be in.
pub(super) fn read(path: &Path) -> Result<(Zeroizing<String>, fs::Metadata), KeyError> {
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

/// Writes a file that must not exist; removes it again when writing fails.
pub(super) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyError> {
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

pub(super) fn unwritable(path: &Path, e: &io::Error) -> KeyError {
    KeyError::new(
        KeyErrorKind::Unwritable,
        path,
        format!("cannot be written ({e})"),
    )
}

/// Makes the new names survive a power cut, where the system can.
pub(super) fn sync_folder(path: &Path) {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(unix)]
pub(super) fn exposed(path: &Path, meta: &fs::Metadata) -> Option<String> {
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
pub(super) fn exposed(_: &Path, _: &fs::Metadata) -> Option<String> {
    None
}

//! Input files of the commands: images, patches and the keys that are trusted.

use std::fs;
use std::io::Read;
use std::path::Path;

use deltamote_engine::image::Image;
use deltamote_engine::keys::RecipientKey;
use deltamote_engine::sbom::Sbom;
use deltamote_engine::{ErrorClass, Inspection, Profile, key_sets, keys, provenance};

use crate::args::RecipientArgs;
use crate::failure::Failure;
use zeroize::Zeroizing;

/// No patch of any profile comes near; whatever is larger is another file.
const MAX_PATCH_BYTES: u64 = 1 << 30;

/// Less is no secret.
const MIN_SEED_BYTES: u64 = 32;

/// More is another file.
const MAX_SEED_BYTES: u64 = 4096;

/// Opens an image; what is remarkable about it goes to standard error.
pub fn image(path: &Path) -> Result<Image, Failure> {
    let image = Image::open(path)?;
    for note in image.notes() {
        eprintln!("note: {}: {note}", path.display());
    }
    Ok(image)
}

/// Reads a patch file, without the key set in front of it. What is in it is the engine's
/// to judge.
pub fn patch(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(received(path)?.1)
}

/// Reads a patch file: the key set in front of it, often empty, and the patch.
pub fn received(path: &Path) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let mut front = bytes(path, "a patch file")?;
    let patch = front.split_off(key_sets::in_front(&front));
    Ok((front, patch))
}

/// Reads a file that is `what`, and that nobody would call large.
pub fn bytes(path: &Path, wanted: &str) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let unreadable = |e| Failure::failed(format!("{shown}: cannot be read ({e}); check the path"));
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        let what = if meta.is_dir() {
            "a directory"
        } else {
            "not a regular file"
        };
        return Err(Failure::failed(format!(
            "{shown}: is {what}; give {wanted}"
        )));
    }
    if meta.len() > MAX_PATCH_BYTES {
        return Err(Failure::new(
            ErrorClass::Damaged,
            format!(
                "{shown}: is {} bytes long, no patch is; give {wanted}",
                meta.len()
            ),
        ));
    }
    fs::read(path).map_err(unreadable)
}

/// The recipient's key that the options name.
pub fn recipient(args: &RecipientArgs) -> Result<Option<RecipientKey>, Failure> {
    let read = args.decrypt_with.as_deref().map(keys::read_recipient);
    let key = read.transpose()?;
    if let Some(warning) = key.as_ref().and_then(|k| k.warning.as_ref()) {
        eprintln!("warning: {warning}");
    }
    Ok(key)
}

/// Reads a bill of materials.
pub fn sbom(path: Option<&Path>) -> Result<Option<Sbom>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let bytes = fs::read(path).map_err(|e| unreadable(path, &e))?;
    Ok(Some(Sbom::parse(&path.display().to_string(), &bytes)?))
}

/// SHA-256 of a file as it lies there.
pub fn digest(path: &Path) -> Result<[u8; 32], Failure> {
    provenance::file_digest(path).map_err(|e| unreadable(path, &e))
}

/// A seed for content keys: bytes that nobody else knows.
pub fn seed(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut seed = Zeroizing::new(Vec::with_capacity(MAX_SEED_BYTES as usize + 1));
    fs::File::open(path)
        .and_then(|file| file.take(MAX_SEED_BYTES + 1).read_to_end(&mut seed))
        .map_err(|e| unreadable(path, &e))?;
    let shown = path.display();
    match seed.len() as u64 {
        MIN_SEED_BYTES..=MAX_SEED_BYTES => Ok(seed),
        len => Err(Failure::usage(format!(
            "{shown}: has {len} bytes or more; a seed has {MIN_SEED_BYTES} to {MAX_SEED_BYTES} \
             random ones: head -c 32 /dev/urandom"
        ))),
    }
}

fn unreadable(path: &Path, e: &std::io::Error) -> Failure {
    let shown = path.display();
    Failure::failed(format!("{shown}: cannot be read ({e}); check the path"))
}

/// Refuses a patch that needs a larger device than `limit`, as such a device would.
pub fn check_profile(patch: &Inspection, limit: Option<Profile>) -> Result<(), Failure> {
    match limit {
        Some(limit) if patch.profile > limit => Err(Failure::new(
            ErrorClass::Damaged,
            format!(
                "the patch needs a {} device ({} bytes of RAM), this one is {}; \
                 make it again with --profile {}",
                patch.profile.name(),
                patch.ram_bytes,
                limit.name(),
                limit.name()
            ),
        )),
        _ => Ok(()),
    }
}

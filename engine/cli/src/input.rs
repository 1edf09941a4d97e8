//! Input files of the commands: images, patches and the keys that are trusted.

use std::fs;
use std::path::Path;

use deltamote_engine::image::Image;
use deltamote_engine::{ErrorClass, Inspection, Profile, key_sets};

use crate::failure::Failure;

/// No patch of any profile comes near; whatever is larger is another file.
const MAX_PATCH_BYTES: u64 = 1 << 30;

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

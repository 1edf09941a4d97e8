//! Input files of the commands: images, patches and the keys that are trusted.

use std::fs;
use std::path::Path;

use deltamote_engine::image::Image;
use deltamote_engine::{ErrorClass, Inspection, Profile, Trust, keys};

use crate::args::TrustArgs;
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

/// Reads a patch file. What is in it is the engine's to judge.
pub fn patch(path: &Path) -> Result<Vec<u8>, Failure> {
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
            "{shown}: is {what}; give a patch file"
        )));
    }
    if meta.len() > MAX_PATCH_BYTES {
        return Err(Failure::new(
            ErrorClass::Damaged,
            format!(
                "{shown}: is {} bytes long, no patch is; give a patch file",
                meta.len()
            ),
        ));
    }
    fs::read(path).map_err(unreadable)
}

/// The trust that the options state.
pub fn trust(args: &TrustArgs) -> Result<Trust, Failure> {
    if args.allow_unsigned {
        return Ok(Trust::AllowUnsigned);
    }
    let read = args.public.iter().map(|path| keys::read_public(path));
    Ok(Trust::Keys(read.collect::<Result<_, _>>()?))
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

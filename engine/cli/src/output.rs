//! Output files: complete under their name, or not there at all.
//!
//! Fed with finished bytes; writes them beside the target, makes them durable and
//! renames. Refusals (no such folder, an input, a device) come before the work starts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::interrupt;

/// A place that a result can be written to.
pub struct Output {
    /// As the user gave it.
    given: PathBuf,
    /// Where it leads: a symbolic link is written through, not replaced.
    target: PathBuf,
    folder: PathBuf,
}

impl Output {
    /// Checks that `path` can become an output file and is none of `inputs`.
    pub fn at(path: &Path, inputs: &[&Path]) -> Result<Output, Failure> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let shown = path.display();
        for input in inputs {
            if fs::canonicalize(input).is_ok_and(|i| i == target) || same_file(input, &target) {
                return Err(Failure::usage(format!(
                    "{shown}: is also an input; choose another output file"
                )));
            }
        }
        if let Ok(meta) = fs::metadata(&target) {
            // Renaming over a device node would replace it.
            if !meta.is_file() {
                return Err(Failure::usage(format!(
                    "{shown}: exists and is not a regular file; name a file to write"
                )));
            }
        }
        if target.file_name().is_none() {
            return Err(Failure::usage(format!("{shown}: is not a file name")));
        }
        let folder = match target.parent() {
            Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
            _ => PathBuf::from("."),
        };
        let output = Output {
            given: path.to_owned(),
            target,
            folder,
        };
        // A file without a name: nothing is left even if we are killed here.
        tempfile::tempfile_in(&output.folder).map_err(|e| output.failure(&e))?;
        Ok(output)
    }

    /// Writes `bytes`. On failure the target is as it was and nothing is left beside it.
    pub fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        self.try_write(bytes).map_err(|e| self.failure(&e))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".deltamote-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(&self.folder)?;
        let _guard = interrupt::remove_if_interrupted(file.path());
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&self.target)?;
        // The name lives in the folder: it is durable when that is.
        if let Ok(folder) = File::open(&self.folder) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn failure(&self, e: &io::Error) -> Failure {
        let advice = match e.kind() {
            io::ErrorKind::NotFound => "make the folder first",
            io::ErrorKind::PermissionDenied => "check the folder's permissions",
            io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => "make room and try again",
            _ => "check the folder and the disk",
        };
        Failure::failed(format!(
            "{}: cannot be written ({e}); {advice}",
            self.given.display()
        ))
    }
}

/// Whether two names are one file, hard links included.
#[cfg(unix)]
fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same_file(_: &Path, _: &Path) -> bool {
    false
}

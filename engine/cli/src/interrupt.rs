//! Ctrl-C and its kin: the unfinished output file goes away with us.
//!
//! Without this a signal between create and rename would leave a hidden `.part` file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file that is being written; there is never more than one.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// While it lives, an interrupt removes the file.
pub struct Guard(());

/// Has `path` removed if the process is interrupted before the guard is dropped.
pub fn remove_if_interrupted(path: &Path) -> Guard {
    *UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.to_owned());
    Guard(())
}

impl Drop for Guard {
    fn drop(&mut self) {
        *UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Starts listening for signals. Where that fails they keep their default effect.
#[cfg(unix)]
pub fn listen() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

    // A file size limit shall be a write error, which cleans up, not a death.
    let ignored = std::sync::Arc::default();
    let _ = signal_hook::flag::register(SIGXFSZ, ignored);

    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if let Some(path) = &*UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = std::fs::remove_file(path);
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

/// Starts listening for signals: elsewhere than on Unix there is nothing to listen to.
#[cfg(not(unix))]
pub fn listen() {}

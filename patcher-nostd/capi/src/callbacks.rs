//! C callbacks as the patcher's traits.
//!
//! All rest on the same promise of the header: a callback that was given at init can be
//! called with its context until `deltamote_close`, reads or writes exactly the bytes it
//! is asked for, and comes back. The slices given to it live as long as the call.

use crate::types;
use core::ffi::c_void;
use core::ptr;
use deltamote_patcher::format::manifest::{MAX_ADVISORIES, UpdateClass, View};
use deltamote_patcher::{Block, Blocks, Fault, Flash, Geometry, HandOver, Run};

/// A flash device in C.
pub(crate) struct CFlash {
    callbacks: types::Flash,
    geometry: Geometry,
}

// `types::Run` is read as `Run`: the layouts are the same.
const _: () = assert!(size_of::<types::Run>() == size_of::<Run>());
const _: () = assert!(align_of::<types::Run>() == align_of::<Run>());
const _: () =
    assert!(core::mem::offset_of!(types::Run, count) == core::mem::offset_of!(Run, count));
const _: () = assert!(core::mem::offset_of!(types::Run, len) == core::mem::offset_of!(Run, len));

impl CFlash {
    /// `None`: callbacks, unit or block sizes are missing, or `runs` cannot be read.
    ///
    /// # Safety
    /// The callbacks keep the promise above; `runs` is null or points to `run_count`
    /// elements that stay until the flash is no longer used.
    pub(crate) unsafe fn new(callbacks: &types::Flash, writes: bool) -> Option<Self> {
        callbacks.read?;
        let can_write = callbacks.erase.is_some() && callbacks.program.is_some();
        if writes && (!can_write || callbacks.write_size == 0) {
            return None;
        }
        let blocks = if callbacks.erase_size != 0 || !writes {
            Blocks::Uniform(callbacks.erase_size)
        } else {
            let runs = callbacks.runs.cast::<Run>();
            let len = callbacks.run_count;
            if runs.is_null() || !runs.is_aligned() || len == 0 || len > types::MAX_RUNS {
                return None;
            }
            // SAFETY: not null, aligned, of the same layout (asserted above); the
            // caller promises that many elements for as long as they are used.
            Blocks::Runs(unsafe { core::slice::from_raw_parts(runs, len) })
        };
        Some(CFlash {
            callbacks: *callbacks,
            geometry: Geometry {
                size: callbacks.size,
                write_size: callbacks.write_size,
                write_once: callbacks.rewritable == 0,
                erased: if callbacks.erased_is_zero == 0 {
                    0xff
                } else {
                    0
                },
                blocks,
            },
        })
    }

    fn context(&self) -> *mut c_void {
        self.callbacks.context
    }
}

fn result(code: i32) -> Result<(), Fault> {
    match code {
        types::DELTAMOTE_FLASH_OK => Ok(()),
        types::DELTAMOTE_FLASH_POISONED => Err(Fault::Poisoned),
        _ => Err(Fault::Bus),
    }
}

/// As [`result`], for callbacks to which poison means nothing.
fn done(code: i32) -> Result<(), Fault> {
    if code == 0 { Ok(()) } else { Err(Fault::Bus) }
}

impl Flash for CFlash {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        let read = self.callbacks.read.ok_or(Fault::Bus)?;
        // SAFETY: the promise above; `out` is ours alone during the call.
        result(unsafe { read(self.context(), at, out.as_mut_ptr(), out.len()) })
    }

    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        let erase = self.callbacks.erase.ok_or(Fault::Bus)?;
        // SAFETY: the promise above; no memory is lent.
        done(unsafe { erase(self.context(), block.start, block.len) })
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let program = self.callbacks.program.ok_or(Fault::Bus)?;
        // SAFETY: the promise above; `bytes` stays and does not change during the call.
        done(unsafe { program(self.context(), at, bytes.as_ptr(), bytes.len()) })
    }
}

/// `manifest` as C sees it. It points into the envelope behind `manifest`.
fn shown(manifest: &View<'_>) -> types::Manifest {
    let none = types::Text {
        bytes: ptr::null(),
        len: 0,
    };
    let mut advisories = [none; types::DELTAMOTE_MAX_ADVISORIES];
    let ids = manifest.advisories();
    for (to, id) in advisories.iter_mut().zip(ids.iter()) {
        *to = types::Text {
            bytes: id.as_ptr(),
            len: id.len(),
        };
    }
    let extensions = manifest.extensions();
    types::Manifest {
        sequence: manifest.sequence(),
        old_size: manifest.old_size(),
        new_size: manifest.new_size(),
        old_digest: manifest.old_digest().as_ptr(),
        new_digest: manifest.new_digest().as_ptr(),
        payload_size: manifest.payload_size(),
        profile: manifest.profile() as u32,
        update_class: match manifest.update_class() {
            None => types::DELTAMOTE_UPDATE_NOT_SAID,
            Some(UpdateClass::Security) => types::DELTAMOTE_UPDATE_SECURITY,
            Some(UpdateClass::Feature) => types::DELTAMOTE_UPDATE_FEATURE,
            Some(UpdateClass::Mixed) => types::DELTAMOTE_UPDATE_MIXED,
        },
        encrypted: manifest.is_encrypted().into(),
        vendor: optional(manifest.vendor()),
        class_id: optional(manifest.class()),
        sbom_old: optional(manifest.sbom_old()),
        sbom_new: optional(manifest.sbom_new()),
        advisories,
        advisory_count: ids.len(),
        extensions: extensions.as_ptr(),
        extensions_len: extensions.len(),
    }
}

/// Where the bytes are, or null if there are none.
fn optional(bytes: &[u8]) -> *const u8 {
    if bytes.is_empty() {
        ptr::null()
    } else {
        bytes.as_ptr()
    }
}

const _: () = assert!(types::DELTAMOTE_MAX_ADVISORIES == MAX_ADVISORIES);

/// A bootloader in C.
pub(crate) struct CHandOver(types::HandOver);

impl CHandOver {
    /// # Safety
    /// The callbacks keep the promise above.
    pub(crate) unsafe fn new(callbacks: &types::HandOver) -> Self {
        CHandOver(*callbacks)
    }
}

impl<S: Flash> HandOver<S> for CHandOver {
    fn is_confirmed(&mut self, _slot: &mut S) -> Result<bool, Fault> {
        let Some(is_confirmed) = self.0.is_confirmed else {
            return Ok(true);
        };
        // SAFETY: the promise above; no memory is lent.
        match unsafe { is_confirmed(self.0.context) } {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::Bus),
        }
    }

    fn accepts(&mut self, manifest: &View<'_>) -> bool {
        let Some(accepts) = self.0.accepts else {
            return true;
        };
        let shown = shown(manifest);
        // SAFETY: the promise above; `shown` and what it points into, the envelope, stay
        // during the call.
        unsafe { accepts(self.0.context, &raw const shown) == 1 }
    }

    fn clear_pending(&mut self, _slot: &mut S) -> Result<(), Fault> {
        match self.0.clear_pending {
            // SAFETY: the promise above; no memory is lent.
            Some(clear) => done(unsafe { clear(self.0.context) }),
            None => Ok(()),
        }
    }

    fn set_pending(&mut self, _slot: &mut S, image_len: u32) -> Result<(), Fault> {
        match self.0.set_pending {
            // SAFETY: the promise above; no memory is lent.
            Some(set) => done(unsafe { set(self.0.context, image_len) }),
            None => Ok(()),
        }
    }
}

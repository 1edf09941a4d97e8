//! C callbacks as the patcher's traits.
//!
//! All rest on the same promise of the header: a callback that was given at init can be
//! called with its context until `deltamote_close`, reads or writes exactly the bytes it
//! is asked for, and comes back. The slices given to it live as long as the call.

use crate::types;
use core::ffi::c_void;
use core::ptr;
use deltamote_patcher::format::envelope::Signer;
use deltamote_patcher::format::manifest::Manifest;
use deltamote_patcher::{Block, Blocks, Distrust, Fault, Flash, Geometry, HandOver, Run, Verifier};

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

    fn accepts(&mut self, manifest: &Manifest<'_>) -> bool {
        let Some(accepts) = self.0.accepts else {
            return true;
        };
        let digest: *const u8 = ptr::from_ref(&manifest.new_digest).cast();
        // SAFETY: the promise above; the digest stays during the call.
        unsafe { accepts(self.0.context, manifest.sequence, manifest.new_size, digest) == 1 }
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

/// The verifier callback, or the keys.
pub(crate) struct CVerifier {
    callback: types::Verifier,
    #[cfg_attr(not(feature = "ed25519"), expect(dead_code))]
    keys: &'static [[u8; 32]],
    needs_second: bool,
}

impl CVerifier {
    /// `None`: `keys` cannot be read.
    ///
    /// # Safety
    /// The callback keeps the promise above; `keys` is null or points to `key_count`
    /// keys of 32 bytes that stay until the verifier is no longer used.
    pub(crate) unsafe fn new(
        callback: &types::Verifier,
        keys: *const u8,
        key_count: usize,
        needs_second: bool,
    ) -> Option<Self> {
        let keys: &'static [[u8; 32]] = match (keys.is_null(), key_count) {
            (_, 0) => &[],
            (false, 1..=types::MAX_KEYS) => {
                // SAFETY: not null; arrays of bytes have alignment 1; the caller promises
                // that many for as long as they are used.
                unsafe { core::slice::from_raw_parts(keys.cast(), key_count) }
            }
            _ => return None,
        };
        Some(CVerifier {
            callback: *callback,
            keys,
            needs_second,
        })
    }

    /// Whether any signature can be believed.
    pub(crate) fn can_verify(&self) -> bool {
        self.callback.verify.is_some() || cfg!(feature = "ed25519") && !self.keys.is_empty()
    }
}

impl CVerifier {
    /// Asks the callback, if there is one.
    fn ask(
        &self,
        second: bool,
        signer: &Signer,
        message: &[u8],
        signature: &[u8],
    ) -> Option<Result<(), Distrust>> {
        let verify = self.callback.verify?;
        let kid: *const u8 = ptr::from_ref(&signer.kid).cast();
        // SAFETY: the promise above; key id, message and signature stay and do not
        // change during the call.
        let code = unsafe {
            verify(
                self.callback.context,
                second.into(),
                signer.algorithm.0,
                kid,
                message.as_ptr(),
                message.len(),
                signature.as_ptr(),
                signature.len(),
            )
        };
        Some(match code {
            types::DELTAMOTE_TRUSTED => Ok(()),
            types::DELTAMOTE_NO_SUCH_KEY => Err(Distrust::UnknownKey),
            types::DELTAMOTE_REVOKED_KEY => Err(Distrust::Revoked),
            types::DELTAMOTE_NOT_ENTITLED_KEY => Err(Distrust::NotEntitled),
            _ => Err(Distrust::BadSignature),
        })
    }
}

impl Verifier for CVerifier {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        if let Some(answer) = self.ask(false, signer, message, signature) {
            return answer;
        }
        #[cfg(feature = "ed25519")]
        return deltamote_patcher::Ed25519Keys(self.keys).verify(signer, message, signature);
        #[cfg(not(feature = "ed25519"))]
        Err(Distrust::UnknownKey)
    }

    fn verify_second(&self, signer: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        let answer = self.ask(true, signer, m, signature);
        answer.unwrap_or(Err(Distrust::UnknownKey))
    }

    fn needs_second(&self) -> bool {
        self.needs_second
    }
}

//! The other way to feed a patcher: the whole patch lies on the device.
//!
//! Stands in front of [`Patcher::push_at`] and asks the store for what the patcher wants
//! next. After a power cut nothing is downloaded again; the store must hold the patch
//! until [`Patcher::finish`] has succeeded. The price is its flash. SPEC §8.

use crate::codec::Codec;
use crate::error::{Device, Error};
use crate::flash::{Fault, Flash};
use crate::hand_over::HandOver;
use crate::patcher::{Patcher, Progress};
use crate::signature::Verifier;

/// A patch that can be read at any offset.
pub trait PatchStore {
    /// Reads patch bytes from `offset` into `out`; gives how many, 0 at the end.
    ///
    /// # Errors
    /// The bytes cannot be read.
    fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<usize, Fault>;
}

impl PatchStore for &[u8] {
    fn read(&mut self, offset: u32, out: &mut [u8]) -> Result<usize, Fault> {
        let rest = self.get(offset as usize..).unwrap_or(&[]);
        let n = rest.len().min(out.len());
        if let (Some(out), Some(rest)) = (out.get_mut(..n), rest.get(..n)) {
            out.copy_from_slice(rest);
        }
        Ok(n)
    }
}

impl<O, S, J, V, H, C> Patcher<'_, '_, O, S, J, V, H, C>
where
    O: Flash,
    S: Flash,
    J: Flash,
    V: Verifier,
    H: HandOver<S>,
    C: Codec,
{
    /// Takes the next bytes from `store`, at most `buf.len()`. Call until the progress
    /// is complete; between two calls is the place to feed a watchdog.
    ///
    /// # Errors
    /// [`Error::Incomplete`] if the store has no more (not final), else why the patch is
    /// not applied.
    pub fn pull<P: PatchStore>(
        &mut self,
        store: &mut P,
        buf: &mut [u8],
    ) -> Result<Progress, Error> {
        let wanted = self.wanted_offset();
        let n = store
            .read(wanted, buf)
            .map_err(|fault| Error::Flash(Device::Patch, fault))?;
        let bytes = buf
            .get(..n)
            .ok_or(Error::Flash(Device::Patch, Fault::Bus))?;
        let progress = self.push_at(wanted, bytes)?;
        if n == 0 && !progress.complete {
            return Err(Error::Incomplete);
        }
        Ok(progress)
    }
}

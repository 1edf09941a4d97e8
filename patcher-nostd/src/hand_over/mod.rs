//! The last step: telling the bootloader that a new image waits.
//!
//! Called by [`crate::Patcher::finish`] once the whole new image has been read back and
//! its digest holds (J9). [`Mcuboot`], [`Embassy`], [`EspIdf`] and [`Callback`] implement it; `()` is
//! for callers who do it themselves. Invariant of all of them: the flag is written last,
//! as whole program units of a block erased in the same session, so that a torn flag is
//! erased and written again, and until then reads as *not pending*. The old slot is not
//! touched, so the bootloader can always go back to it.

mod embassy;
mod esp_idf;
mod mcuboot;

use crate::flash::{Block, Fault, Flash};
use deltamote_format::manifest::View;

pub use embassy::Embassy;
pub use esp_idf::{EspIdf, ImageState};
pub use mcuboot::{Mcuboot, Swap, is_confirmed, magic};

/// The bootloader's side of an update.
pub trait HandOver<S: Flash> {
    /// Whether the running image has been confirmed. Until it is, the slot holds the
    /// image to fall back to and must not be touched: the patcher refuses with
    /// [`crate::Error::NotConfirmed`].
    ///
    /// # Errors
    /// The update stops before the slot is touched.
    fn is_confirmed(&mut self, _slot: &mut S) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Whether the application wants this update now: update class, advisories, sequence
    /// number and all else that was signed are in `manifest`, which is authentic and
    /// meant for this device; the old image was not digested yet. Asked again after each
    /// power cut, so the answer must not depend on what the update itself does. With
    /// false the patcher refuses with [`crate::Error::Declined`] and nothing is touched.
    fn accepts(&mut self, _manifest: &View<'_>) -> bool {
        true
    }

    /// Takes back an earlier hand-over, before the slot is erased for the first time in
    /// a session: a bootloader must never see its pending flag next to a half-written
    /// image. Must be repeatable.
    ///
    /// # Errors
    /// The update stops before the slot is touched.
    fn clear_pending(&mut self, slot: &mut S) -> Result<(), Fault>;

    /// Marks the image of `image_len` bytes in `slot` as the next to boot. Must be
    /// repeatable, and a flag that was only half written must read as *not pending*.
    ///
    /// # Errors
    /// The caller may try again.
    fn set_pending(&mut self, slot: &mut S, image_len: u32) -> Result<(), Fault>;
}

/// No bootloader: the caller acts on the result of [`crate::Patcher::finish`].
impl<S: Flash> HandOver<S> for () {
    fn clear_pending(&mut self, _slot: &mut S) -> Result<(), Fault> {
        Ok(())
    }
    fn set_pending(&mut self, _slot: &mut S, _image_len: u32) -> Result<(), Fault> {
        Ok(())
    }
}

impl<S: Flash, H: HandOver<S>> HandOver<S> for &mut H {
    fn is_confirmed(&mut self, slot: &mut S) -> Result<bool, Fault> {
        (**self).is_confirmed(slot)
    }
    fn accepts(&mut self, manifest: &View<'_>) -> bool {
        (**self).accepts(manifest)
    }
    fn clear_pending(&mut self, slot: &mut S) -> Result<(), Fault> {
        (**self).clear_pending(slot)
    }
    fn set_pending(&mut self, slot: &mut S, image_len: u32) -> Result<(), Fault> {
        (**self).set_pending(slot, image_len)
    }
}

/// Two functions of the caller's: a flag in a register, in settings, in another part.
#[derive(Clone, Copy, Debug)]
pub struct Callback<C, P> {
    /// As [`HandOver::clear_pending`].
    pub clear: C,
    /// As [`HandOver::set_pending`]; gets the length of the image.
    pub set: P,
}

impl<S, C, P> HandOver<S> for Callback<C, P>
where
    S: Flash,
    C: FnMut() -> Result<(), Fault>,
    P: FnMut(u32) -> Result<(), Fault>,
{
    fn clear_pending(&mut self, _slot: &mut S) -> Result<(), Fault> {
        (self.clear)()
    }
    fn set_pending(&mut self, _slot: &mut S, image_len: u32) -> Result<(), Fault> {
        (self.set)(image_len)
    }
}

/// Erases the blocks from the one that holds `from` to the end; gives where it starts.
fn erase_from<F: Flash>(flash: &mut F, from: u32) -> Result<Block, Fault> {
    let geometry = flash.geometry();
    let first = geometry.block(from).ok_or(Fault::Bus)?;
    let mut block = first;
    loop {
        flash.erase(block)?;
        match geometry.block(block.end()) {
            Some(next) => block = next,
            None => return Ok(first),
        }
    }
}

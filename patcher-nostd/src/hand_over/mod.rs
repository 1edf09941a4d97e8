//! The last step: telling the bootloader that a new image waits.
//!
//! Called by [`crate::Patcher::finish`] once the whole new image has been read back and
//! its digest holds (J9). Adapters for MCUboot, embassy-boot and ESP-IDF implement it.

use crate::flash::{Fault, Flash};

/// The bootloader's side of an update.
pub trait HandOver<S: Flash> {
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
    fn clear_pending(&mut self, slot: &mut S) -> Result<(), Fault> {
        (**self).clear_pending(slot)
    }
    fn set_pending(&mut self, slot: &mut S, image_len: u32) -> Result<(), Fault> {
        (**self).set_pending(slot, image_len)
    }
}

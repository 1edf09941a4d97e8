//! MCUboot: the trailer at the end of the secondary slot.
//!
//! Layout and rules of `boot/bootutil` (bootutil_public.c: `boot_write_magic`,
//! `boot_image_ok_off`; design.md, "Image trailer"). The 16 bytes of magic at the very end
//! make the slot pending; they are written last, behind `image_ok` where that is wanted.
//! MCUboot compares all 16, so half a magic is none. Invariant: the trailer has its erase
//! blocks to itself, because a torn magic must be erased before it is written again.
//! With swap-offset the image begins at the second erase block of the slot: set
//! [`crate::Device::new_offset`] and [`Mcuboot::image_offset`] to its start.

use super::{HandOver, erase_from};
use crate::flash::{Fault, Flash};

/// Bytes of the magic.
const MAGIC_BYTES: u32 = 16;
/// For `BOOT_MAX_ALIGN` 8.
const MAGIC_8: [u8; 16] = [
    0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80,
];
/// Behind the alignment as u16, for any other.
const MAGIC_TAIL: [u8; 14] = [
    0x2d, 0xe1, 0x5d, 0x29, 0x41, 0x0b, 0x8d, 0x77, 0x67, 0x9c, 0x11, 0x0f, 0x1f, 0x8a,
];
/// Value of a flag that is set.
const FLAG_SET: u8 = 1;
/// Largest program unit that is coped with.
const MAX_UNIT: usize = 256;

/// What the bootloader shall do with the new image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Swap {
    /// Try it: unless it confirms itself, the next boot goes back.
    Test,
    /// Keep it.
    Permanent,
}

/// Marks the secondary slot as pending.
#[derive(Clone, Copy, Debug)]
pub struct Mcuboot {
    /// `BOOT_MAX_ALIGN` of the bootloader: 8, or the largest program unit if that is more.
    pub max_align: u32,
    /// First byte of the image in the slot: [`crate::Device::new_offset`].
    pub image_offset: u32,
    /// Bytes of the trailer: [`crate::Device::reserved_tail`].
    pub trailer_bytes: u32,
    /// Test or permanent.
    pub swap: Swap,
    /// Whether the running image is confirmed: [`is_confirmed`] of the primary slot.
    pub confirmed: bool,
    /// The trailer was erased in this session and not written since.
    blank: bool,
}

impl Mcuboot {
    /// For a bootloader with `max_align` and a trailer of `trailer_bytes`; the image
    /// begins at the front of the slot, is to be tried, and the running one is confirmed.
    pub const fn new(max_align: u32, trailer_bytes: u32) -> Self {
        Mcuboot {
            max_align,
            image_offset: 0,
            trailer_bytes,
            swap: Swap::Test,
            confirmed: true,
            blank: false,
        }
    }

    fn erase<S: Flash>(&mut self, slot: &mut S) -> Result<u32, Fault> {
        let size = slot.geometry().size;
        let start = size.checked_sub(self.trailer_bytes).ok_or(Fault::Bus)?;
        let first = erase_from(slot, start)?;
        self.blank = true;
        Ok(first.start)
    }

    /// Programs `bytes` so that they end at `end`, in whole units of `unit`.
    fn write<S: Flash>(slot: &mut S, end: u32, bytes: &[u8], unit: u32) -> Result<(), Fault> {
        let geometry = slot.geometry();
        let unit = unit.max(geometry.write_size);
        let len = (bytes.len() as u32).next_multiple_of(unit.max(1));
        let mut buf = [geometry.erased; MAX_UNIT];
        let buf = buf.get_mut(..len as usize).ok_or(Fault::Bus)?;
        let tail = buf.len() - bytes.len();
        buf.get_mut(tail..)
            .ok_or(Fault::Bus)?
            .copy_from_slice(bytes);
        slot.program(end.checked_sub(len).ok_or(Fault::Bus)?, buf)
    }
}

/// The magic of a bootloader with `max_align`: makes a slot pending, at its very end.
pub fn magic(max_align: u32) -> [u8; 16] {
    if max_align == 8 {
        return MAGIC_8;
    }
    let mut out = [0; 16];
    let align = [max_align as u8, (max_align >> 8) as u8];
    for (to, from) in out.iter_mut().zip(align.into_iter().chain(MAGIC_TAIL)) {
        *to = from;
    }
    out
}

/// Where `image_ok` lies: a unit of `max_align` in front of the one with the magic.
fn image_ok_at(size: u32, max_align: u32) -> Option<u32> {
    let at = size.checked_sub(MAGIC_BYTES)?.checked_sub(max_align)?;
    Some(at - at.checked_rem(max_align)?)
}

/// Whether the image in the primary slot is there to stay: confirmed, or put there by
/// other means than a swap. Otherwise the next boot may go back to the image in the
/// secondary slot.
///
/// # Errors
/// The primary slot cannot be read.
pub fn is_confirmed<F: Flash>(primary: &mut F, max_align: u32) -> Result<bool, Fault> {
    let size = primary.geometry().size;
    let mut found = [0; 16];
    primary.read(size.checked_sub(MAGIC_BYTES).ok_or(Fault::Bus)?, &mut found)?;
    let mut ok = [0; 1];
    primary.read(image_ok_at(size, max_align).ok_or(Fault::Bus)?, &mut ok)?;
    Ok(found != magic(max_align) || ok == [FLAG_SET])
}

impl<S: Flash> HandOver<S> for Mcuboot {
    fn is_confirmed(&mut self, _slot: &mut S) -> Result<bool, Fault> {
        Ok(self.confirmed)
    }

    fn clear_pending(&mut self, slot: &mut S) -> Result<(), Fault> {
        // Without a look at what is there: what reads as erased may have been torn.
        self.erase(slot).map(drop)
    }

    fn set_pending(&mut self, slot: &mut S, image_len: u32) -> Result<(), Fault> {
        let geometry = slot.geometry();
        let trailer = geometry.size.checked_sub(self.trailer_bytes);
        let first = trailer
            .and_then(|at| geometry.block(at))
            .ok_or(Fault::Bus)?;
        let image_end = self.image_offset.checked_add(image_len);
        if image_end.is_none_or(|end| end > first.start) {
            return Err(Fault::Bus);
        }
        if !self.blank {
            self.erase(slot)?;
        }
        self.blank = false;
        if self.swap == Swap::Permanent {
            let at = image_ok_at(geometry.size, self.max_align).ok_or(Fault::Bus)?;
            let mut unit = [geometry.erased; MAX_UNIT];
            let unit = unit.get_mut(..geometry.write_size as usize);
            let unit = unit.ok_or(Fault::Bus)?;
            *unit.first_mut().ok_or(Fault::Bus)? = FLAG_SET;
            slot.program(at, unit)?;
        }
        Self::write(slot, geometry.size, &magic(self.max_align), self.max_align)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_bootutils() {
        // boot_image_ok_off: ALIGN_DOWN(size - 16 - align, align)
        assert_eq!(image_ok_at(0x1000, 8), Some(0xfe8));
        assert_eq!(image_ok_at(0x1000, 16), Some(0xfe0));
        assert_eq!(image_ok_at(0x1000, 32), Some(0xfc0));
        assert_eq!(image_ok_at(8, 8), None);
        assert_eq!(image_ok_at(0x1000, 0), None);
    }

    #[test]
    fn the_magic_names_its_alignment() {
        assert_eq!(magic(8)[..2], [0x77, 0xc2]);
        assert_eq!(magic(32)[..4], [32, 0, 0x2d, 0xe1]);
        assert_eq!(magic(16)[15], 0x8a);
    }
}

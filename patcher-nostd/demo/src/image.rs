//! The image format of the A/B demonstration, and what the trailer of a slot says.
//!
//! 1024 bytes of header (magic, version, length of the body, its SHA-256), then the body,
//! which begins with the vector table. At the end of the slot lies MCUboot's trailer as the
//! patcher writes it ([`deltamote_patcher::hand_over::Mcuboot`]); where MCUboot keeps
//! `copy_done` the boot stage notes that it has tried the image.

#![allow(dead_code)] // Boot stage and application use a part each.

use crate::board::host::File;
use deltamote_patcher::hand_over::magic;

/// Bytes in front of the body.
pub const HEADER: usize = 1024;
/// Bytes of the trailer: an erase block.
pub const TRAILER: u32 = 4096;
/// Program unit.
pub const UNIT: u32 = 8;
/// The two slots.
pub const SLOTS: [&[u8]; 2] = [b"slot_a.bin\0", b"slot_b.bin\0"];

/// What a header says.
#[derive(Clone, Copy)]
pub struct Header {
    pub version: u32,
    pub len: u32,
    pub digest: [u8; 32],
}

impl Header {
    /// The header in `slot`, if there is one.
    pub fn read(slot: File) -> Option<Header> {
        let mut bytes = [0; 44];
        slot.read(0, &mut bytes);
        let mut r = deltamote_patcher::format::le::Reader(&bytes);
        if r.array()? != b"DMAB" {
            return None;
        }
        let (version, len) = (r.u32()?, r.u32()?);
        let digest = *r.array()?;
        let room = slot.len().checked_sub(TRAILER + HEADER as u32)?;
        (len <= room).then_some(Header {
            version,
            len,
            digest,
        })
    }
}

/// The trailer of a slot.
#[derive(Clone, Copy)]
pub struct Trailer(pub File);

impl Trailer {
    fn at(self, units_back: u32) -> u32 {
        // The magic takes two units.
        self.0.len() - (2 + units_back) * UNIT
    }

    fn is_set(self, units_back: u32) -> bool {
        let mut byte = [0];
        self.0.read(self.at(units_back), &mut byte);
        byte == [1]
    }

    fn set(self, units_back: u32) {
        let mut unit = [0xff; UNIT as usize];
        unit[0] = 1;
        self.0.write(self.at(units_back), &unit);
    }

    /// The patcher has finished with this slot.
    pub fn is_handed_over(self) -> bool {
        let mut found = [0; 16];
        self.0.read(self.at(0), &mut found);
        found == magic(UNIT)
    }

    /// The image has said that it works.
    pub fn is_confirmed(self) -> bool {
        self.is_set(1)
    }

    /// What a new image does once it knows that it works.
    pub fn confirm(self) {
        self.set(1);
    }

    /// The image was started before.
    pub fn was_tried(self) -> bool {
        self.is_set(2)
    }

    /// What the boot stage does before it starts an image that is not confirmed.
    pub fn note_try(self) {
        self.set(2);
    }
}

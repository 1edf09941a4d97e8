//! ESP-IDF: the otadata partition.
//!
//! Layout and rules of ESP-IDF 5 (esp_flash_partitions.h, bootloader_common.c,
//! bootloader_utility.c, esp_ota_ops.c). Two erase blocks, at the front of each an entry of
//! 32 bytes, little-endian:
//!
//! ```text
//!  0 ota_seq u32        of the valid entries the one with the larger number counts:
//!                       app (ota_seq - 1) mod (number of apps) boots
//!  4 label, 20 bytes    not used
//! 24 ota_state u32      see [`ImageState`]; invalid and aborted entries do not count
//! 28 CRC-32 of ota_seq  polynomial as IEEE 802.3, register from 0, complemented
//! ```
//! Invariants: the entry of the app that runs is never touched, so there is always
//! something to boot; the checksum is programmed last, so half an entry is none; no entry
//! that selects our slot is left when the slot is erased, not even one that has become
//! valid since it was torn.

use super::HandOver;
use crate::flash::{Block, Fault, Flash};
use deltamote_format::journal::crc32_from;
use deltamote_format::le::{Reader, Writer};

/// Bytes of an entry.
const ENTRY_BYTES: usize = 32;
/// Largest program unit that is coped with.
const MAX_UNIT: usize = 256;

/// `ota_state` of an entry, `esp_ota_img_states_t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum ImageState {
    /// To be tried: the bootloader makes it pending-verify (only with roll-back enabled).
    New = 0,
    /// Runs for the first time; the next boot goes back unless it is made valid.
    PendingVerify = 1,
    /// Confirmed.
    Valid = 2,
    /// The application found it bad.
    Invalid = 3,
    /// It did not confirm itself in time.
    Aborted = 4,
    /// Roll-back is not enabled.
    Undefined = u32::MAX,
}

/// An entry that the bootloader would follow.
#[derive(Clone, Copy)]
struct Entry {
    seq: u32,
    state: u32,
}

impl Entry {
    fn parse(bytes: &[u8; ENTRY_BYTES]) -> Option<Entry> {
        let mut r = Reader(bytes);
        let seq = r.u32()?;
        r.array::<20>()?;
        let (state, crc) = (r.u32()?, r.u32()?);
        let out = [ImageState::Invalid as u32, ImageState::Aborted as u32];
        (seq != u32::MAX && crc == checksum(seq) && !out.contains(&state))
            .then_some(Entry { seq, state })
    }
}

/// `bootloader_common_ota_select_crc`: covers `ota_seq` alone.
fn checksum(seq: u32) -> u32 {
    !crc32_from(0, &deltamote_format::le::word_bytes(seq))
}

/// Selects the slot in `otadata`.
#[derive(Clone, Copy, Debug)]
pub struct EspIdf<F> {
    /// The otadata partition: two erase blocks.
    pub otadata: F,
    /// Number of the slot that takes the new image: `n` of `ota_n`.
    pub app: u32,
    /// Number of `ota_n` partitions.
    pub apps: u32,
    /// Whether the bootloader has `CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE`: the new image is
    /// tried and must confirm itself.
    pub rollback: bool,
}

impl<F: Flash> EspIdf<F> {
    fn block(&self, n: u32) -> Result<Block, Fault> {
        let geometry = self.otadata.geometry();
        let first = geometry.block(0).ok_or(Fault::Bus)?;
        match n {
            0 => Ok(first),
            _ => geometry.block(first.end()).ok_or(Fault::Bus),
        }
    }

    fn entry(&mut self, n: u32) -> Result<Option<Entry>, Fault> {
        let mut bytes = [0; ENTRY_BYTES];
        match self.otadata.read(self.block(n)?.start, &mut bytes) {
            Ok(()) => Ok(Entry::parse(&bytes)),
            Err(Fault::Poisoned) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Whether `entry` boots another app than ours.
    fn is_other(&self, entry: &Entry) -> Result<bool, Fault> {
        let selected = entry.seq.wrapping_sub(1).checked_rem(self.apps);
        Ok(selected.ok_or(Fault::Bus)? != self.app)
    }

    /// Number and sequence number of the entry that boots the app that runs now; `None`:
    /// there is none, as with a factory app.
    fn running(&mut self) -> Result<Option<(u32, u32)>, Fault> {
        let mut found: Option<(u32, u32)> = None;
        for n in 0..2 {
            if let Some(entry) = self.entry(n)?
                && self.is_other(&entry)?
                && found.is_none_or(|(_, seq)| entry.seq > seq)
            {
                found = Some((n, entry.seq));
            }
        }
        Ok(found)
    }

    /// The smallest sequence number above `seq` that selects our app.
    fn next(&self, seq: u32) -> Result<u32, Fault> {
        let into = seq.checked_rem(self.apps).ok_or(Fault::Bus)?;
        let steps = match self.app.checked_sub(into) {
            Some(steps) => steps,
            None => (self.apps - into).checked_add(self.app).ok_or(Fault::Bus)?,
        };
        let next = seq.checked_add(steps).and_then(|seq| seq.checked_add(1));
        next.filter(|seq| *seq != u32::MAX).ok_or(Fault::Bus)
    }
}

impl<S: Flash, F: Flash> HandOver<S> for EspIdf<F> {
    /// The entry that counts is pending-verify as long as the app that runs has not called
    /// `esp_ota_mark_app_valid_cancel_rollback`.
    fn is_confirmed(&mut self, _slot: &mut S) -> Result<bool, Fault> {
        let mut newest: Option<Entry> = None;
        for n in 0..2 {
            if let Some(entry) = self.entry(n)?
                && newest.is_none_or(|newest| entry.seq > newest.seq)
            {
                newest = Some(entry);
            }
        }
        Ok(newest.is_none_or(|entry| entry.state != ImageState::PendingVerify as u32))
    }

    fn clear_pending(&mut self, _slot: &mut S) -> Result<(), Fault> {
        for n in 0..2 {
            let keep = match self.entry(n)? {
                Some(entry) => self.is_other(&entry)?,
                None => false,
            };
            if !keep {
                self.otadata.erase(self.block(n)?)?;
            }
        }
        Ok(())
    }

    fn set_pending(&mut self, _slot: &mut S, _image_len: u32) -> Result<(), Fault> {
        let (n, seq) = match self.running()? {
            Some((n, seq)) => (1 - n, self.next(seq)?),
            None => (0, self.next(0)?),
        };
        let state = match self.rollback {
            true => ImageState::New,
            false => ImageState::Undefined,
        };
        let geometry = self.otadata.geometry();
        let mut buf = [geometry.erased; MAX_UNIT];
        let entry = buf.get_mut(..ENTRY_BYTES).ok_or(Fault::Bus)?;
        let mut w = Writer::new(entry);
        w.u32(seq)
            .and_then(|()| w.bytes(&[0xff; 20]))
            .and_then(|()| w.u32(state as u32))
            .and_then(|()| w.u32(checksum(seq)))
            .ok_or(Fault::Bus)?;
        let unit = geometry.write_size as usize;
        let len = deltamote_format::journal::padded(ENTRY_BYTES, unit);
        let bytes = buf.get(..len).ok_or(Fault::Bus)?;
        let last = len.checked_sub(unit).ok_or(Fault::Bus)?;
        let (front, checksum) = bytes.split_at_checked(last).ok_or(Fault::Bus)?;
        let block = self.block(n)?;
        self.otadata.erase(block)?;
        if !front.is_empty() {
            self.otadata.program(block.start, front)?;
        }
        self.otadata.program(block.start + last as u32, checksum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As written by `otatool.py` and `esp_ota_set_boot_partition`.
    #[test]
    fn checksums_are_the_roms() {
        assert_eq!(checksum(1), 0x4743_989a);
        assert_eq!(checksum(2), 0x55f6_3774);
    }

    #[test]
    fn sequence_numbers_select_the_app() {
        for apps in 1..6u32 {
            for app in 0..apps {
                for seq in 0..20 {
                    let esp = EspIdf {
                        otadata: Nothing,
                        app,
                        apps,
                        rollback: true,
                    };
                    let next = esp.next(seq);
                    let mut expect = seq + 1;
                    while (expect - 1) % apps != app {
                        expect += 1;
                    }
                    assert_eq!(next, Ok(expect), "{apps} {app} {seq}");
                    assert!(esp.next(u32::MAX - 1).is_err());
                }
            }
        }
    }

    struct Nothing;

    impl Flash for Nothing {
        fn geometry(&self) -> crate::Geometry {
            crate::Geometry {
                size: 0,
                write_size: 4,
                write_once: true,
                erased: 0xff,
                blocks: crate::Blocks::Uniform(4096),
            }
        }
        fn read(&mut self, _: u32, _: &mut [u8]) -> Result<(), Fault> {
            Err(Fault::Bus)
        }
        fn erase(&mut self, _: Block) -> Result<(), Fault> {
            Err(Fault::Bus)
        }
        fn program(&mut self, _: u32, _: &[u8]) -> Result<(), Fault> {
            Err(Fault::Bus)
        }
    }
}

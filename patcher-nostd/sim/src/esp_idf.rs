//! What ESP-IDF's bootloader would do with an otadata partition.
//!
//! Written from `bootloader_utility_get_selected_boot_partition` and what it calls, beside
//! the patcher's own adapter and not from it: another checksum routine, another reading of
//! the entries. Without a factory app; an app whose entry is missing is not booted here,
//! where the real one would try all slots.

use crate::flash::SimFlash;
use deltamote_patcher::hand_over::ImageState;
use deltamote_patcher::{Fault, Flash};

/// ESP-IDF's bootloader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EspBootloader {
    /// Number of `ota_n` partitions.
    pub apps: u32,
    /// `CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE`.
    pub rollback: bool,
}

const ENTRY_BYTES: usize = 32;

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b))
}

/// `esp_rom_crc32_le(UINT32_MAX, ..)`, bit by bit from the other end.
fn checksum(seq: u32) -> u32 {
    let mut register = 0u32;
    for byte in seq.to_be_bytes().into_iter().rev() {
        register ^= u32::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            let out = register >> 31 == 1;
            register = register << 1 ^ if out { 0x04c1_1db7 } else { 0 };
        }
    }
    !register.reverse_bits()
}

impl EspBootloader {
    /// An entry as the bootloader or `esp_ota_set_boot_partition` writes it.
    pub fn entry(seq: u32, state: ImageState) -> [u8; ENTRY_BYTES] {
        let mut out = [0xff; ENTRY_BYTES];
        for (at, value) in [(0, seq), (24, state as u32), (28, checksum(seq))] {
            for k in 0..4 {
                out[at + k] = (value >> (8 * k)) as u8;
            }
        }
        out
    }

    /// The entry that counts, of those at the fronts of two erase blocks.
    fn active(&self, otadata: &SimFlash) -> Option<(usize, u32, u32)> {
        let bytes = otadata.bytes();
        let mut active = None;
        for n in 0..2 {
            let entry = &bytes[n * bytes.len() / 2..][..ENTRY_BYTES];
            let (seq, state) = (number(&entry[..4]), number(&entry[24..28]));
            let invalid = seq == u32::MAX || state == 3 || state == 4;
            if invalid || number(&entry[28..]) != checksum(seq) {
                continue;
            }
            if active.is_none_or(|(_, most, _)| seq > most) {
                active = Some((n, seq, state));
            }
        }
        active
    }

    /// The app that would boot, without changing anything.
    pub fn selects(&self, otadata: &SimFlash) -> Option<u32> {
        let (_, seq, _) = self.active(otadata)?;
        Some(seq.wrapping_sub(1) % self.apps)
    }

    fn mark(otadata: &mut SimFlash, n: usize, state: ImageState) -> Result<(), Fault> {
        let start = n * otadata.bytes().len() / 2;
        let seq = number(&otadata.bytes()[start..start + 4]);
        let block = otadata.geometry().block(start as u32).ok_or(Fault::Bus)?;
        otadata.erase(block)?;
        otadata.program(block.start, &Self::entry(seq, state))
    }

    /// A reset: selects the app, and keeps its accounts of images on trial.
    ///
    /// # Errors
    /// Power went.
    pub fn boot(&self, otadata: &mut SimFlash) -> Result<Option<u32>, Fault> {
        if self.rollback {
            for n in 0..2 {
                let start = n * otadata.bytes().len() / 2;
                let state = number(&otadata.bytes()[start + 24..start + 28]);
                if state == ImageState::PendingVerify as u32 {
                    Self::mark(otadata, n, ImageState::Aborted)?;
                }
            }
        }
        let active = self.active(otadata);
        if let (true, Some((n, _, state))) = (self.rollback, active)
            && state == ImageState::New as u32
        {
            Self::mark(otadata, n, ImageState::PendingVerify)?;
        }
        Ok(active.map(|(_, seq, _)| seq.wrapping_sub(1) % self.apps))
    }

    /// The app says that it works: `esp_ota_mark_app_valid_cancel_rollback`.
    ///
    /// # Errors
    /// Power went.
    pub fn confirm(&self, otadata: &mut SimFlash) -> Result<(), Fault> {
        match self.active(otadata) {
            Some((n, ..)) => Self::mark(otadata, n, ImageState::Valid),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_roms() {
        assert_eq!(checksum(1), 0x4743_989a);
        assert_eq!(checksum(2), 0x55f6_3774);
    }
}

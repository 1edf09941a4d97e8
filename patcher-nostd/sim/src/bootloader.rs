//! The bootloaders of a simulated board: who is told, and what they would boot.

use crate::device::Board;
use crate::esp_idf::EspBootloader;
use crate::flash::SimFlash;
use crate::power::{Action, Power, Tear};
use deltamote_patcher::hand_over::{Embassy, EspIdf, ImageState, Mcuboot};
use deltamote_patcher::{Fault, Flash, HandOver};

/// Who is told of the new image.
#[derive(Clone, Copy, Debug, Default)]
pub enum Bootloader {
    /// A bit somewhere.
    #[default]
    Flag,
    /// MCUboot's trailer in the slot.
    Mcuboot(Mcuboot),
    /// embassy-boot's STATE partition.
    Embassy,
    /// ESP-IDF's otadata partition; the old image runs as `ota_0`, ours becomes the last.
    EspIdf(EspBootloader),
}

/// The simplest bootloader: one bit.
#[derive(Clone, Debug)]
pub struct Flag {
    pub(crate) power: Power,
    pub(crate) image_offset: u32,
    /// The image that was handed over last, while the flag is set.
    pub pending: Option<Vec<u8>>,
}

impl Flag {
    fn change(&mut self, to: Option<Vec<u8>>) -> Result<(), Fault> {
        match self.power.operation(|| Action::Flag(to.clone())) {
            Ok(()) => self.pending = to,
            Err(tear) => {
                if tear == Some(Tear::All) {
                    self.pending = to;
                }
                return Err(Fault::Bus);
            }
        }
        Ok(())
    }
}

impl<S: Flash> HandOver<S> for Flag {
    fn clear_pending(&mut self, _slot: &mut S) -> Result<(), Fault> {
        match self.pending {
            Some(_) => self.change(None),
            None => Ok(()),
        }
    }

    fn set_pending(&mut self, slot: &mut S, image_len: u32) -> Result<(), Fault> {
        let mut image = vec![0; image_len as usize];
        slot.read(self.image_offset, &mut image)?;
        self.change(Some(image))
    }
}

/// Any of them.
pub(crate) enum Loader<'a> {
    Flag(&'a mut Flag),
    Mcuboot(Mcuboot),
    Embassy(Embassy<&'a mut SimFlash>),
    EspIdf(EspIdf<&'a mut SimFlash>),
}

impl<'a> Loader<'a> {
    pub(crate) fn new(which: Bootloader, flag: &'a mut Flag, state: &'a mut SimFlash) -> Self {
        match which {
            Bootloader::Flag => Loader::Flag(flag),
            Bootloader::Mcuboot(mcuboot) => Loader::Mcuboot(mcuboot),
            Bootloader::Embassy => Loader::Embassy(Embassy { state }),
            Bootloader::EspIdf(esp) => Loader::EspIdf(EspIdf {
                otadata: state,
                app: esp.apps - 1,
                apps: esp.apps,
                rollback: esp.rollback,
            }),
        }
    }

    fn get<S: Flash>(&mut self) -> &mut dyn HandOver<S> {
        match self {
            Loader::Flag(flag) => *flag,
            Loader::Mcuboot(mcuboot) => mcuboot,
            Loader::Embassy(embassy) => embassy,
            Loader::EspIdf(esp) => esp,
        }
    }
}

impl<S: Flash> HandOver<S> for Loader<'_> {
    fn is_confirmed(&mut self, slot: &mut S) -> Result<bool, Fault> {
        self.get::<S>().is_confirmed(slot)
    }
    fn clear_pending(&mut self, slot: &mut S) -> Result<(), Fault> {
        self.get::<S>().clear_pending(slot)
    }
    fn set_pending(&mut self, slot: &mut S, image_len: u32) -> Result<(), Fault> {
        self.get::<S>().set_pending(slot, image_len)
    }
}

impl Board {
    /// Whether the bootloader, as it compares, would take the slot's image now. What is
    /// weak counts as set: on some boot it will be.
    pub fn is_pending(&self, bootloader: &Bootloader) -> bool {
        match bootloader {
            Bootloader::Flag => self.flag.pending.is_some(),
            Bootloader::Mcuboot(mcuboot) => {
                let slot = self.slot_bytes();
                let magic = deltamote_patcher::hand_over::magic(mcuboot.max_align);
                slot[slot.len() - magic.len()..] == magic
            }
            Bootloader::Embassy => {
                let unit = self.state.geometry().write_size as usize;
                self.state.bytes()[..unit].iter().all(|b| *b == 0xf0)
            }
            Bootloader::EspIdf(esp) => esp.selects(&self.state) == Some(esp.apps - 1),
        }
    }

    /// Whether the bootloader, as it compares, would find an image at all.
    pub fn boots(&self, bootloader: &Bootloader) -> bool {
        match bootloader {
            Bootloader::EspIdf(esp) => esp.selects(&self.state).is_some(),
            // These stay with what runs unless they are told otherwise.
            Bootloader::Flag | Bootloader::Mcuboot(_) | Bootloader::Embassy => true,
        }
    }

    /// The bootloader's own state as it is while the old image runs, and confirmed.
    pub(crate) fn settle(&mut self, bootloader: &Bootloader) {
        if let Bootloader::EspIdf(_) = bootloader {
            let running = EspBootloader::entry(1, ImageState::Valid);
            self.state.preload(0, &running);
        }
    }
}

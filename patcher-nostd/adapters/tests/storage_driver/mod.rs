//! A driver of the simulated nRF52840, in the manner of a HAL: the embedded-storage traits,
//! blocking and async, reads in units of 4 bytes only.

use deltamote_patcher::{Block, Fault, Flash as _};
use deltamote_sim::SimFlash;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use std::future::poll_fn;
use std::task::Poll;

#[derive(Debug)]
pub struct Driver<'a> {
    flash: &'a mut SimFlash,
    slow: bool,
}

#[derive(Debug)]
pub struct DriverError(Fault);

impl NorFlashError for DriverError {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<'a> Driver<'a> {
    pub fn new(flash: &'a mut SimFlash) -> Self {
        let geometry = flash.geometry();
        assert_eq!(geometry.write_size as usize, WRITE);
        assert_eq!(geometry.block(0).unwrap().len as usize, ERASE);
        Driver { flash, slow: false }
    }

    /// Reads only at the second poll.
    pub fn slow_to_read(self) -> Self {
        Driver { slow: true, ..self }
    }

    pub fn is_poison(e: &DriverError) -> bool {
        e.0 == Fault::Poisoned
    }
}

const WRITE: usize = 4;
const ERASE: usize = 4096;

impl ErrorType for Driver<'_> {
    type Error = DriverError;
}

impl ReadNorFlash for Driver<'_> {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), DriverError> {
        assert!(offset.is_multiple_of(4) && bytes.len().is_multiple_of(4));
        self.flash.read(offset, bytes).map_err(DriverError)
    }

    fn capacity(&self) -> usize {
        self.flash.geometry().size as usize
    }
}

impl NorFlash for Driver<'_> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), DriverError> {
        for start in (from..to).step_by(ERASE) {
            let block = Block {
                start,
                len: ERASE as u32,
            };
            self.flash.erase(block).map_err(DriverError)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DriverError> {
        self.flash.program(offset, bytes).map_err(DriverError)
    }
}

/// Pending once.
async fn wait() {
    let mut waited = false;
    poll_fn(|_| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        Poll::Pending
    })
    .await;
}

impl embedded_storage_async::nor_flash::ReadNorFlash for Driver<'_> {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), DriverError> {
        if self.slow {
            wait().await;
        }
        ReadNorFlash::read(self, offset, bytes)
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(self)
    }
}

impl embedded_storage_async::nor_flash::NorFlash for Driver<'_> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), DriverError> {
        wait().await;
        NorFlash::erase(self, from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), DriverError> {
        wait().await;
        NorFlash::write(self, offset, bytes)
    }
}

//! embedded-storage-async's `NorFlash` as flash whose writes are awaited.

use crate::{MAX_READ_UNIT, aligned, geometry};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use deltamote_patcher::{Block, Fault, Geometry};
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};

/// Flash that is read at once, and erased and programmed by and by.
#[allow(async_fn_in_trait)] // As the traits below it: single-threaded executors.
pub trait AsyncFlash {
    /// Its layout; must not change.
    fn geometry(&self) -> Geometry;

    /// Reads `out.len()` bytes from `at`, without waiting for anything.
    ///
    /// # Errors
    /// As [`deltamote_patcher::Flash::read`].
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault>;

    /// Erases `block`.
    ///
    /// # Errors
    /// Any fault means that the block may be in any state.
    async fn erase(&mut self, block: Block) -> Result<(), Fault>;

    /// Programs `bytes` at `at`: whole units.
    ///
    /// # Errors
    /// Any fault means that the units may be in any state.
    async fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault>;
}

/// An async driver whose reads are ready at once, as those of memory-mapped flash are
/// (internal flash of nRF, STM32, RP2; QSPI in XIP mode). A read that is not gives
/// [`Fault::Bus`]: use [`MixedNor`] if the driver can read without waiting too.
#[derive(Debug)]
pub struct AsyncNor<F: ReadNorFlash> {
    flash: F,
    is_poisoned: fn(&F::Error) -> bool,
}

impl<F: NorFlash> AsyncNor<F> {
    /// Wraps a driver.
    pub fn new(flash: F) -> Self {
        AsyncNor {
            flash,
            is_poisoned: |_| false,
        }
    }

    /// As [`crate::Nor::with_poison`].
    pub fn with_poison(self, is_poisoned: fn(&F::Error) -> bool) -> Self {
        AsyncNor {
            is_poisoned,
            ..self
        }
    }
}

/// The result of a future that must be ready.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, Fault> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(Fault::Bus),
    }
}

impl<F: NorFlash> AsyncFlash for AsyncNor<F> {
    fn geometry(&self) -> Geometry {
        geometry(self.flash.capacity(), F::WRITE_SIZE, F::ERASE_SIZE, false)
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        let unit = F::READ_SIZE;
        let is_poisoned = self.is_poisoned;
        let fault = |e| {
            if is_poisoned(&e) {
                Fault::Poisoned
            } else {
                Fault::Bus
            }
        };
        let (mut start, mut before) = aligned(at, unit).ok_or(Fault::Bus)?;
        if before == 0 && out.len().is_multiple_of(unit) {
            return at_once(self.flash.read(start, out))?.map_err(fault);
        }
        let mut rest = out;
        let mut buf = [0; MAX_READ_UNIT];
        while !rest.is_empty() {
            let whole = buf.get_mut(..unit).ok_or(Fault::Bus)?;
            at_once(self.flash.read(start, whole))?.map_err(fault)?;
            let from = whole.get(before..).ok_or(Fault::Bus)?;
            let n = from.len().min(rest.len());
            let (now, later) = rest.split_at_mut_checked(n).ok_or(Fault::Bus)?;
            now.copy_from_slice(from.get(..n).ok_or(Fault::Bus)?);
            rest = later;
            before = 0;
            start = start.checked_add(unit as u32).ok_or(Fault::Bus)?;
        }
        Ok(())
    }

    async fn erase(&mut self, block: Block) -> Result<(), Fault> {
        let done = self.flash.erase(block.start, block.end()).await;
        done.map_err(|_| Fault::Bus)
    }

    async fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.flash.write(at, bytes).await.map_err(|_| Fault::Bus)
    }
}

/// A driver that has both: blocking reads and async writes (embassy-stm32's and
/// embassy-rp's flash in async mode).
#[derive(Debug)]
pub struct MixedNor<F: embedded_storage::nor_flash::ReadNorFlash> {
    flash: F,
    is_poisoned: fn(&F::Error) -> bool,
}

impl<F: NorFlash + embedded_storage::nor_flash::ReadNorFlash> MixedNor<F> {
    /// Wraps a driver.
    pub fn new(flash: F) -> Self {
        MixedNor {
            flash,
            is_poisoned: |_| false,
        }
    }
}

impl<F: NorFlash + embedded_storage::nor_flash::ReadNorFlash> AsyncFlash for MixedNor<F> {
    fn geometry(&self) -> Geometry {
        let capacity = ReadNorFlash::capacity(&self.flash);
        geometry(capacity, F::WRITE_SIZE, F::ERASE_SIZE, false)
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        crate::nor::read(&mut self.flash, at, out, self.is_poisoned)
    }

    async fn erase(&mut self, block: Block) -> Result<(), Fault> {
        let done = self.flash.erase(block.start, block.end()).await;
        done.map_err(|_| Fault::Bus)
    }

    async fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.flash.write(at, bytes).await.map_err(|_| Fault::Bus)
    }
}

//! embedded-storage's `NorFlash` as the patcher's flash.

use crate::{MAX_READ_UNIT, aligned, geometry};
use deltamote_patcher::{Block, Fault, Flash, Geometry};
use embedded_storage::nor_flash::{MultiwriteNorFlash, NorFlash, ReadNorFlash};

/// A blocking NOR flash driver, or a partition of one that begins and ends with an erase
/// block.
#[derive(Debug)]
pub struct Nor<F: ReadNorFlash> {
    flash: F,
    multiwrite: bool,
    is_poisoned: fn(&F::Error) -> bool,
}

impl<F: NorFlash> Nor<F> {
    /// For flash whose units are programmed once between erases: right for every part.
    pub fn new(flash: F) -> Self {
        Nor {
            flash,
            multiwrite: false,
            is_poisoned: |_| false,
        }
    }

    /// For flash without ECC: a unit may be programmed again, and an update goes on inside
    /// an erase block after a power cut.
    pub fn multiwrite(flash: F) -> Self
    where
        F: MultiwriteNorFlash,
    {
        Nor {
            multiwrite: true,
            ..Nor::new(flash)
        }
    }

    /// `is_poisoned` says which of the driver's errors mean unreadable bytes (uncorrectable
    /// ECC errors). The trait has no word for them; without this, a record that was torn by
    /// a power cut stops the update on parts with ECC instead of being stepped over.
    pub fn with_poison(self, is_poisoned: fn(&F::Error) -> bool) -> Self {
        Nor {
            is_poisoned,
            ..self
        }
    }

    /// The driver.
    pub fn into_inner(self) -> F {
        self.flash
    }
}

/// Reads any bytes through a driver that reads whole units only.
pub(crate) fn read<F: ReadNorFlash>(
    flash: &mut F,
    at: u32,
    out: &mut [u8],
    is_poisoned: fn(&F::Error) -> bool,
) -> Result<(), Fault> {
    let unit = F::READ_SIZE;
    let fault = |e| {
        if is_poisoned(&e) {
            Fault::Poisoned
        } else {
            Fault::Bus
        }
    };
    let (mut start, mut before) = aligned(at, unit).ok_or(Fault::Bus)?;
    if before == 0 && out.len().is_multiple_of(unit) {
        return flash.read(start, out).map_err(fault);
    }
    let mut rest = out;
    let mut buf = [0; MAX_READ_UNIT];
    while !rest.is_empty() {
        let whole = buf.get_mut(..unit).ok_or(Fault::Bus)?;
        flash.read(start, whole).map_err(fault)?;
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

impl<F: NorFlash> Flash for Nor<F> {
    fn geometry(&self) -> Geometry {
        let capacity = self.flash.capacity();
        geometry(capacity, F::WRITE_SIZE, F::ERASE_SIZE, self.multiwrite)
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        read(&mut self.flash, at, out, self.is_poisoned)
    }

    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        self.flash
            .erase(block.start, block.end())
            .map_err(|_| Fault::Bus)
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.flash.write(at, bytes).map_err(|_| Fault::Bus)
    }
}

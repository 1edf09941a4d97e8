//! The patcher in an async task: erases and programs are awaited.
//!
//! The patcher itself is not async, and there is one copy of its logic. It is stopped
//! between two steps of the decoder as soon as a write waits (`Flash::is_busy`), the
//! writes are carried out in their order, and it goes on (`Patcher::go_on`). So no other
//! task waits for an erase (85 ms on an nRF52840, seconds on some STM32) or a program.
//!
//! | operation | awaited | other tasks wait for |
//! |---|---|---|
//! | erase and program of slot, journal and a bootloader's trailer | yes, one by one | nothing |
//! | reads of both images while decoding | no | the steps up to the next page that is written, or the end of what was pushed |
//! | reads of the journal at the start | no | its records, once |
//! | digest of the old image before the first erase | no | a pass over the old image |
//! | digest of the new one in [`AsyncPatcher::finish`] | no | a pass over the new image |
//! | signature check | (no flash) | the whole check |
//!
//! **Why reads are not**: a step of the decoder reads both images in between the symbols
//! that it decodes, and each symbol changes models and range decoder for good. To leave in
//! the middle ("needs page N") and to step again would take a copy of the whole state of
//! before, models included: the workspace twice. Nor can pages be read ahead: where a step
//! reads is known when its symbols are (a reference is followed to any place of the image),
//! and as an async decoder it would be a second copy of the decoder's text, with its state
//! in a future. So drivers must read at once, which memory-mapped flash does (QSPI in XIP
//! mode too) and [`crate::MixedNor`] makes of a driver that has blocking reads as well. An
//! [`crate::AsyncNor`] whose read is pending fails with [`Fault::Bus`]: that of the old image
//! before anything was erased. A chip that is read by DMA only needs a driver that waits for
//! it in a loop.
//!
//! Law: the order of operations on flash is that of the blocking patcher, so what holds
//! of power cuts there holds here. A future that is dropped while an operation is under
//! way counts as a power cut: the patcher fails, and a new one resumes.

use crate::AsyncFlash;
use crate::deferred::{Deferred, Op, What, Writes};
use deltamote_patcher::{
    Device, Error, Fault, Flash, FlashDevice, HandOver, Parts, Patcher, Progress, Verifier,
    WorkspaceRef,
};

type Inner<'w, 'p, 'q, 'b, O, S, J, V, H> =
    Patcher<'w, 'p, O, Deferred<'q, 'b, S>, Deferred<'q, 'b, J>, V, H>;

/// Applies one patch; as [`Patcher`], with writes that are awaited.
///
/// A [`HandOver`] that writes to the slot (`Mcuboot`) works as it is: its writes wait in
/// the queue too. For a bootloader with flash of its own use `()`, take back an earlier
/// hand-over before the first push, and hand over when [`AsyncPatcher::finish`] is done.
pub struct AsyncPatcher<'w, 'p, 'q, 'b, O, S, J, V, H>
where
    S: AsyncFlash,
    J: AsyncFlash,
{
    patcher: Inner<'w, 'p, 'q, 'b, O, S, J, V, H>,
    writes: &'q Writes<'b>,
    failed: Option<Error>,
}

impl<'w, 'p, 'q, 'b, O, S, J, V, H> AsyncPatcher<'w, 'p, 'q, 'b, O, S, J, V, H>
where
    O: Flash,
    S: AsyncFlash,
    J: AsyncFlash,
    V: Verifier,
    H: HandOver<Deferred<'q, 'b, S>>,
{
    /// As [`Patcher::new`]; slot and journal are [`Deferred`] with these `writes`.
    pub fn new(
        workspace: WorkspaceRef<'w>,
        device: Device<'p>,
        parts: Parts<O, Deferred<'q, 'b, S>, Deferred<'q, 'b, J>, V, H>,
        writes: &'q Writes<'b>,
    ) -> Self {
        AsyncPatcher {
            patcher: Patcher::new(workspace, device, parts),
            writes,
            failed: None,
        }
    }

    /// As [`Patcher::wanted_offset`].
    pub fn wanted_offset(&self) -> u32 {
        self.patcher.wanted_offset()
    }

    /// As [`Patcher::push_at`]; all bytes are taken and all writes done when it is ready.
    ///
    /// # Errors
    /// As [`Patcher::push_at`].
    pub async fn push_at(&mut self, offset: u32, bytes: &[u8]) -> Result<Progress, Error> {
        let (mut at, mut rest) = (offset, bytes);
        self.settle().await?;
        loop {
            let pushed = match self.patcher.push_at(at, rest) {
                Ok(progress) => progress.consumed,
                Err(e) => {
                    // The journal may have to forget: what waits is part of the failure.
                    let _ = self.carry_out().await;
                    return Err(e);
                }
            };
            let waits = !self.writes.is_empty();
            let mut progress = self.settle().await?;
            rest = rest.get(pushed..).ok_or(Error::Bug)?;
            at = at.checked_add(pushed as u32).ok_or(Error::Bug)?;
            if rest.is_empty() {
                progress.consumed = bytes.len();
                return Ok(progress);
            }
            if pushed == 0 && !waits {
                return Err(Error::Bug);
            }
        }
    }

    /// As [`Patcher::finish`]; the bootloader knows when it is ready.
    ///
    /// # Errors
    /// As [`Patcher::finish`]; writes of the hand-over that fail are errors of the slot.
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.settle().await?;
        let finished = self.patcher.finish();
        let done = self.carry_out().await;
        finished.and(done)
    }

    /// Gives the parts back.
    pub fn into_parts(self) -> Parts<O, Deferred<'q, 'b, S>, Deferred<'q, 'b, J>, V, H> {
        self.patcher.into_parts()
    }

    /// Carries out what waits and decodes on until nothing waits any more.
    async fn settle(&mut self) -> Result<Progress, Error> {
        loop {
            self.carry_out().await?;
            let progress = self.patcher.go_on();
            if let Err(e) = progress {
                let _ = self.carry_out().await;
                return Err(e);
            }
            if self.writes.is_empty() {
                return progress;
            }
        }
    }

    async fn carry_out(&mut self) -> Result<(), Error> {
        if let Some(e) = self.failed {
            return Err(e);
        }
        while let Some(op) = self.writes.front() {
            // Set before the first await and cleared behind the last: still set here means
            // that a future was dropped in between, and the flash is in an unknown state.
            let done = if self.writes.under_way().replace(true) {
                Err(Fault::Bus)
            } else {
                let parts = self.patcher.parts_mut();
                match op.device {
                    FlashDevice::Slot => run(self.writes, &mut parts.slot.flash, op).await,
                    _ => run(self.writes, &mut parts.journal.flash, op).await,
                }
            };
            if let Err(fault) = done {
                let e = Error::Flash(op.device, fault);
                self.failed = Some(e);
                return Err(e);
            }
            self.writes.pop();
            self.writes.under_way().set(false);
        }
        Ok(())
    }
}

async fn run<F: AsyncFlash>(writes: &Writes<'_>, flash: &mut F, op: Op) -> Result<(), Fault> {
    match op.what {
        What::Erase(block) => flash.erase(block).await,
        What::Program { at, from, len } => {
            writes
                .with_bytes(from, len, async |bytes| flash.program(at, bytes).await)
                .await?
        }
    }
}

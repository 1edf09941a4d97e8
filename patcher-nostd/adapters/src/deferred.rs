//! Writes that wait their turn: what the patcher wrote and the flash has not yet done.
//!
//! One queue for all devices of an update, so that a journal's record never overtakes
//! the page it speaks of. Between two steps of the decoder it is carried out in full
//! ([`crate::AsyncPatcher`]), so it holds what one step can write and no more: a page, a
//! journal header, two records, and erasures.

use crate::AsyncFlash;
use core::cell::{Cell, RefCell};
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::journal::{HEADER_BYTES, RESET_BYTES, padded};
use deltamote_patcher::{Block, Fault, Flash, FlashDevice, Geometry};

/// Most operations between two steps: journal pages and a bootloader's trailer are erased
/// block by block.
const MAX_OPS: usize = 32;

/// What one operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Erase(Block),
    /// Bytes of the queue's buffer, to be programmed at `at`.
    Program {
        at: u32,
        from: usize,
        len: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Op {
    pub(crate) device: FlashDevice,
    pub(crate) what: What,
}

struct Queue<'b> {
    ops: [Option<Op>; MAX_OPS],
    /// The operation that is next.
    next: usize,
    count: usize,
    bytes: &'b mut [u8],
    used: usize,
}

/// The queue; given to the devices and to the async patcher.
pub struct Writes<'b> {
    queue: RefCell<Queue<'b>>,
    /// Set while an operation is awaited: whoever finds it set looks at one that was
    /// given up half-way.
    under_way: Cell<bool>,
}

/// Bytes of buffer that [`Writes`] needs for a patcher of `profile` on flash with program
/// units of `write_size` bytes.
pub const fn writes_bytes(profile: Profile, write_size: usize) -> usize {
    profile.limits().page_bytes
        + padded(HEADER_BYTES, write_size)
        + 2 * padded(RESET_BYTES, write_size)
}

impl<'b> Writes<'b> {
    /// An empty queue in `buffer`, of [`writes_bytes`]. With less, the first write that
    /// does not fit fails as the flash's would.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Writes {
            queue: RefCell::new(Queue {
                ops: [None; MAX_OPS],
                next: 0,
                count: 0,
                bytes: buffer,
                used: 0,
            }),
            under_way: Cell::new(false),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.try_borrow().is_ok_and(|q| q.next == q.count)
    }

    pub(crate) fn under_way(&self) -> &Cell<bool> {
        &self.under_way
    }

    /// The operation that is next.
    pub(crate) fn front(&self) -> Option<Op> {
        let queue = self.queue.try_borrow().ok()?;
        queue.ops.get(queue.next).copied().flatten()
    }

    /// The front has been carried out.
    pub(crate) fn pop(&self) {
        if let Ok(mut queue) = self.queue.try_borrow_mut() {
            let next = queue.next;
            if let Some(op) = queue.ops.get_mut(next) {
                *op = None;
            }
            queue.next += 1;
            if queue.next >= queue.count {
                (queue.next, queue.count, queue.used) = (0, 0, 0);
            }
        }
    }

    fn push(&self, device: FlashDevice, what: What) -> Result<(), Fault> {
        let mut queue = self.queue.try_borrow_mut().map_err(|_| Fault::Bus)?;
        let count = queue.count;
        *queue.ops.get_mut(count).ok_or(Fault::Bus)? = Some(Op { device, what });
        queue.count += 1;
        Ok(())
    }

    fn push_bytes(&self, device: FlashDevice, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let (from, len) = {
            let mut queue = self.queue.try_borrow_mut().map_err(|_| Fault::Bus)?;
            let from = queue.used;
            let to = queue.bytes.get_mut(from..).ok_or(Fault::Bus)?;
            to.get_mut(..bytes.len())
                .ok_or(Fault::Bus)?
                .copy_from_slice(bytes);
            queue.used += bytes.len();
            (from, bytes.len())
        };
        self.push(device, What::Program { at, from, len })
    }

    /// Calls `use_bytes` with the bytes of an operation, which stay in the queue.
    // The patcher, the only other user, is not called while an operation is awaited.
    #[allow(clippy::await_holding_refcell_ref)]
    pub(crate) async fn with_bytes<R>(
        &self,
        from: usize,
        len: usize,
        use_bytes: impl AsyncFnOnce(&[u8]) -> R,
    ) -> Result<R, Fault> {
        let queue = self.queue.try_borrow().map_err(|_| Fault::Bus)?;
        let bytes = queue.bytes.get(from..).and_then(|rest| rest.get(..len));
        let bytes = bytes.ok_or(Fault::Bus)?;
        Ok(use_bytes(bytes).await)
    }

    /// Puts what waits for `device` over what was read of it at `at`.
    fn overlay(
        &self,
        device: FlashDevice,
        erased: u8,
        at: u32,
        out: &mut [u8],
    ) -> Result<(), Fault> {
        let queue = self.queue.try_borrow().map_err(|_| Fault::Bus)?;
        for op in queue.ops.iter().flatten().filter(|op| op.device == device) {
            let (start, len) = match op.what {
                What::Erase(block) => (block.start, block.len as usize),
                What::Program { at, len, .. } => (at, len),
            };
            for (k, byte) in out.iter_mut().enumerate() {
                let here = u64::from(at) + k as u64;
                let Some(into) = here.checked_sub(u64::from(start)) else {
                    continue;
                };
                if into >= len as u64 {
                    continue;
                }
                *byte = match op.what {
                    What::Erase(_) => erased,
                    What::Program { from, .. } => {
                        *queue.bytes.get(from + into as usize).ok_or(Fault::Bus)?
                    }
                };
            }
        }
        Ok(())
    }
}

/// A device whose writes wait in a queue.
pub struct Deferred<'q, 'b, F> {
    pub(crate) flash: F,
    writes: &'q Writes<'b>,
    device: FlashDevice,
}

impl<'q, 'b, F: AsyncFlash> Deferred<'q, 'b, F> {
    /// The slot of an update whose writes go through `writes`.
    pub fn slot(flash: F, writes: &'q Writes<'b>) -> Self {
        Deferred {
            flash,
            writes,
            device: FlashDevice::Slot,
        }
    }

    /// The journal of the same.
    pub fn journal(flash: F, writes: &'q Writes<'b>) -> Self {
        Deferred {
            flash,
            writes,
            device: FlashDevice::Journal,
        }
    }

    /// The device; what still waits is not written.
    pub fn into_inner(self) -> F {
        self.flash
    }
}

impl<F: AsyncFlash> Flash for Deferred<'_, '_, F> {
    fn geometry(&self) -> Geometry {
        self.flash.geometry()
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        self.flash.read(at, out)?;
        if self.writes.is_empty() {
            return Ok(());
        }
        let erased = self.flash.geometry().erased;
        self.writes.overlay(self.device, erased, at, out)
    }

    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        self.writes.push(self.device, What::Erase(block))
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.writes.push_bytes(self.device, at, bytes)
    }

    fn is_busy(&self) -> bool {
        !self.writes.is_empty()
    }
}

/// An async flash for the old image, which is only read.
#[derive(Debug)]
pub struct ReadOnly<F>(pub F);

impl<F: AsyncFlash> Flash for ReadOnly<F> {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        self.0.read(at, out)
    }

    fn erase(&mut self, _: Block) -> Result<(), Fault> {
        Err(Fault::Bus)
    }

    fn program(&mut self, _: u32, _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Bus)
    }
}

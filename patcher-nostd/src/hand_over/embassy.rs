//! embassy-boot: the STATE partition.
//!
//! Layout of embassy-boot 0.7: words of the partition's program unit; the first is the
//! magic (every byte the same), the second says whether the progress counts, the rest is
//! the progress of a swap. Its own `mark_updated` erases the partition only where the
//! magic differs; here it is erased always, because what reads as the right magic may
//! have been torn. A blank partition reads as *boot what is there*.

use super::{HandOver, erase_from};
use crate::flash::{Fault, Flash};

/// The DFU slot is to be swapped in, or was and is not confirmed.
const SWAP_MAGIC: u8 = 0xf0;
/// Largest program unit that is coped with.
const MAX_UNIT: usize = 256;

/// Marks the DFU slot as pending in `state`.
#[derive(Clone, Copy, Debug)]
pub struct Embassy<F> {
    /// The STATE partition.
    pub state: F,
}

impl<F: Flash> Embassy<F> {
    /// Whether all bytes of word `n` are `value`.
    fn word_is(&mut self, n: u32, value: u8) -> Result<bool, Fault> {
        let mut buf = [0; MAX_UNIT];
        let unit = self.state.geometry().write_size;
        let word = buf.get_mut(..unit as usize).ok_or(Fault::Bus)?;
        match self
            .state
            .read(n.checked_mul(unit).ok_or(Fault::Bus)?, word)
        {
            Ok(()) => Ok(word.iter().all(|b| *b == value)),
            Err(Fault::Poisoned) => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

impl<S: Flash, F: Flash> HandOver<S> for Embassy<F> {
    /// "Swap" with progress is an image that was swapped in and has not called
    /// `mark_booted`; without progress it is an update that waits for the next boot.
    fn is_confirmed(&mut self, _slot: &mut S) -> Result<bool, Fault> {
        let erased = self.state.geometry().erased;
        Ok(!self.word_is(0, SWAP_MAGIC)? || self.word_is(2, erased)?)
    }

    fn clear_pending(&mut self, _slot: &mut S) -> Result<(), Fault> {
        erase_from(&mut self.state, 0).map(drop)
    }

    fn set_pending(&mut self, _slot: &mut S, _image_len: u32) -> Result<(), Fault> {
        erase_from(&mut self.state, 0)?;
        let word = [SWAP_MAGIC; MAX_UNIT];
        let unit = self.state.geometry().write_size as usize;
        self.state.program(0, word.get(..unit).ok_or(Fault::Bus)?)
    }
}

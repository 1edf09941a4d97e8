//! Sections: a length, then as many bytes, gathered from however they arrive.
//!
//! Fed by the patcher with authentic bytes; feeds [`crate::decode`] with whole sections,
//! the first of which is header and map and each other one a block. SPEC §13.1.

use crate::frames::SECTION_BYTES;
use deltamote_format::coder::Input;
use deltamote_format::{ErrorKind, le};

/// Bytes of the length in front of a section.
const LENGTH_BYTES: usize = 4;

/// A section as far as it has arrived.
#[derive(Debug, Default)]
pub(crate) struct Section {
    length: [u8; LENGTH_BYTES],
    /// Bytes of the length that have arrived.
    lead: usize,
    bytes: Vec<u8>,
}

impl Section {
    /// The next section comes.
    pub(crate) fn next(&mut self) {
        self.lead = 0;
        self.bytes.clear();
    }

    /// Takes what there is of the section; whether that completes it.
    ///
    /// # Errors
    /// [`ErrorKind::PayloadTruncated`] if nothing follows, [`ErrorKind::NumberTooLarge`] if
    /// it is longer than a section may be.
    pub(crate) fn take(&mut self, input: &mut Input<'_>) -> Result<bool, ErrorKind> {
        while self.lead < LENGTH_BYTES {
            let Some(&byte) = input.bytes.get(input.used) else {
                return self.wait(input);
            };
            *self.length.get_mut(self.lead).ok_or(ErrorKind::Bug)? = byte;
            self.lead += 1;
            input.used += 1;
        }
        let len = le::word(self.length);
        if len > SECTION_BYTES {
            return Err(ErrorKind::NumberTooLarge);
        }
        let missing = (len as usize).saturating_sub(self.bytes.len());
        // All at once: growing by and by would take up to twice as much.
        self.bytes.reserve_exact(missing);
        let rest = input.bytes.get(input.used..).unwrap_or(&[]);
        let part = rest.get(..missing).unwrap_or(rest);
        self.bytes.extend_from_slice(part);
        input.used += part.len();
        match part.len() == missing {
            true => Ok(true),
            false => self.wait(input),
        }
    }

    fn wait(&self, input: &Input<'_>) -> Result<bool, ErrorKind> {
        match input.last {
            true => Err(ErrorKind::PayloadTruncated),
            false => Ok(false),
        }
    }

    /// The section, once it is complete.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

//! A unit that is known, in front of an image that is written up to it.
//!
//! For instruction sets whose references are read from more than the unit's own bytes, with
//! what lies before it.

use super::Code;

/// The low `len` bytes of `word` behind the first `at` bytes of `image`, and nothing more.
pub(super) struct Overlay<'n, N: ?Sized> {
    pub(super) image: &'n mut N,
    pub(super) at: u32,
    pub(super) word: u32,
    pub(super) len: u32,
}

impl<N: Code + ?Sized> Code for Overlay<'_, N> {
    fn byte(&mut self, at: u32) -> Option<u8> {
        match at.checked_sub(self.at) {
            None => self.image.byte(at),
            Some(inside) if inside < self.len => Some((self.word >> (8 * inside)) as u8),
            Some(_) => None,
        }
    }
}

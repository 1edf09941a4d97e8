//! Texts in which code that differs in its operands is still equal.
//!
//! Compilers give another register, another offset, another constant to what is the same
//! function otherwise. Of each byte the bits are kept in which most instruction sets have their
//! operation codes; which bits those are need not be exact, for what is found is only a
//! candidate.

/// Which bits of the bytes of a halfword are kept.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    even: u8,
    odd: u8,
}

impl Shape {
    /// The upper half of each byte: near copies in any instruction set, and in tables.
    pub const NIBBLES: Shape = Shape {
        even: 0xf0,
        odd: 0xf0,
    };
    /// Mostly the upper byte of a halfword, where Thumb, AVR and A64 have the operation.
    pub const HALFWORDS: Shape = Shape {
        even: 0xc0,
        odd: 0xf8,
    };
    /// Two bits of each byte.
    pub const PAIRS: Shape = Shape {
        even: 0xc0,
        odd: 0xc0,
    };

    /// `image` with nothing but these bits.
    pub(super) fn of(self, image: &[u8]) -> Vec<u8> {
        let mut out = image.to_vec();
        for halfword in out.chunks_mut(2) {
            for (byte, kept) in halfword.iter_mut().zip([self.even, self.odd]) {
                *byte &= kept;
            }
        }
        out
    }
}

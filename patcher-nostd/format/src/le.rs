//! Little-endian numbers: alone, and as fields of a slice one after the other.
//!
//! Used by the fixed-layout structures (patch head, journal) and by the engine, so that
//! no other file spells out byte order. Invariant: every access is checked, a short slice is `None`
//! and nothing panics. SPEC §2.

/// Two bytes as a number.
pub const fn halfword(bytes: [u8; 2]) -> u16 {
    u16::from_le_bytes(bytes)
}

/// A number as two bytes.
pub const fn halfword_bytes(value: u16) -> [u8; 2] {
    value.to_le_bytes()
}

/// Four bytes as a number.
pub const fn word(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes)
}

/// A number as four bytes.
pub const fn word_bytes(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

/// Copies as much of `from` as `to` takes. Not `copy_from_slice`, which can panic: the
/// proof that it does not is more than every optimisation level sees.
pub fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Takes fields from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|&[b]| b)
    }

    /// The next two bytes as a number.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(|b| u16::from_le_bytes(*b))
    }

    /// The next four bytes as a number.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(|b| u32::from_le_bytes(*b))
    }
}

/// Puts fields into a slice, front to back.
#[derive(Debug)]
pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the front of `buf`.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Writer { buf, len: 0 }
    }

    /// Bytes put so far.
    pub fn written(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or(&[])
    }

    /// Puts bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        copy(self.buf.get_mut(self.len..end)?, bytes);
        self.len = end;
        Some(())
    }

    /// Puts one byte.
    pub fn u8(&mut self, v: u8) -> Option<()> {
        self.bytes(&[v])
    }

    /// Puts two bytes.
    pub fn u16(&mut self, v: u16) -> Option<()> {
        self.bytes(&v.to_le_bytes())
    }

    /// Puts four bytes.
    pub fn u32(&mut self, v: u32) -> Option<()> {
        self.bytes(&v.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_and_the_ends_are_checked() {
        let mut buf = [0u8; 7];
        let mut w = Writer::new(&mut buf);
        assert_eq!(w.u8(1), Some(()));
        assert_eq!(w.u16(0x0302), Some(()));
        assert_eq!(w.u32(0x0706_0504), Some(()));
        assert_eq!(w.u8(8), None);
        assert_eq!(w.written(), [1, 2, 3, 4, 5, 6, 7]);
        let mut r = Reader(&buf);
        assert_eq!(r.u8(), Some(1));
        assert_eq!(r.u16(), Some(0x0302));
        assert_eq!(r.array(), Some(&[4, 5, 6, 7]));
        assert_eq!(r.u8(), None);
    }
}

//! The few forms of CBOR (RFC 8949) that envelope and manifest are made of.
//!
//! Used by [`crate::envelope`] and [`crate::manifest`] in both directions. It stands in
//! for minicbor, whose names and rules it keeps and against which the tests hold it: on a
//! Cortex-M4 minicbor takes 4.7 KB of text, a quarter of what the whole patcher may have,
//! because each of its calls carries a described error and each writer its own copy.
//! Readers take every spelling of a number; what is canonical is decided by writing again.

use core::fmt;

/// What cannot be read: not the form that was asked for, or cut short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unreadable;

/// The major types.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// The major type of what comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    /// An unsigned number.
    Unsigned,
    /// A byte string of known length.
    Bytes,
    /// A text string of known length.
    String,
    /// Anything else.
    Other,
}

/// Reads items from the front of bytes.
#[derive(Clone, Debug)]
pub(crate) struct Decoder<'b> {
    input: &'b [u8],
    at: usize,
    /// Whether an item was spelled in another than the shortest way.
    lax: bool,
}

impl<'b> Decoder<'b> {
    pub(crate) fn new(input: &'b [u8]) -> Self {
        Decoder {
            input,
            at: 0,
            lax: false,
        }
    }

    /// What `read` reads, and whether that was in its one spelling.
    pub(crate) fn strictly<R>(&mut self, read: impl FnOnce(&mut Self) -> R) -> (R, bool) {
        let before = core::mem::take(&mut self.lax);
        let result = read(self);
        let strict = !self.lax;
        self.lax |= before;
        (result, strict)
    }

    /// Counts what was read as not in its one spelling, where `found` says so.
    pub(crate) fn forbid(&mut self, found: bool) {
        self.lax |= found;
    }

    /// Whether all of the input was read and had its one spelling.
    pub(crate) fn is_canonical(&self) -> bool {
        !self.lax && self.at == self.input.len()
    }

    /// Bytes read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// All bytes, read or not.
    pub(crate) fn input(&self) -> &'b [u8] {
        self.input
    }

    fn take(&mut self, n: usize) -> Result<&'b [u8], Unreadable> {
        let end = self.at.checked_add(n).ok_or(Unreadable)?;
        let bytes = self.input.get(self.at..end).ok_or(Unreadable)?;
        self.at = end;
        Ok(bytes)
    }

    /// The head of an item of type `major`: its number, or `None` for an indefinite length.
    #[inline(never)]
    fn head(&mut self, major: u8) -> Result<Option<u64>, Unreadable> {
        let first = *self.input.get(self.at).ok_or(Unreadable)?;
        self.at += 1;
        if first >> 5 != major {
            return Err(Unreadable);
        }
        let extra = match first & 31 {
            n @ 0..24 => return Ok(Some(u64::from(n))),
            n @ 24..28 => 1 << (n - 24),
            31 => return Ok(None),
            _ => return Err(Unreadable),
        };
        let mut number = 0;
        for byte in self.take(extra)? {
            number = number << 8 | u64::from(*byte);
        }
        // The next shorter form has half as many bytes; the shortest is in the head itself.
        let shorter = if extra == 1 {
            number < 24
        } else {
            number >> (4 * extra) == 0
        };
        self.lax |= shorter;
        Ok(Some(number))
    }

    fn number(&mut self, major: u8) -> Result<u64, Unreadable> {
        self.head(major)?.ok_or(Unreadable)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Unreadable> {
        self.number(UNSIGNED)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Unreadable> {
        self.number(UNSIGNED)?.try_into().map_err(|_| Unreadable)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Unreadable> {
        let negative = self.input.get(self.at).ok_or(Unreadable)? >> 5 == NEGATIVE;
        let n = self.number(u8::from(negative))?;
        let n = i32::try_from(n).map_err(|_| Unreadable)?;
        Ok(if negative { !n } else { n })
    }

    pub(crate) fn tag(&mut self) -> Result<u64, Unreadable> {
        self.number(TAG)
    }

    /// Items of an array; `None` for one of indefinite length.
    pub(crate) fn array(&mut self) -> Result<Option<u64>, Unreadable> {
        self.head(ARRAY)
    }

    /// Pairs of a map; `None` for one of indefinite length.
    pub(crate) fn map(&mut self) -> Result<Option<u64>, Unreadable> {
        self.head(MAP)
    }

    fn string(&mut self, major: u8) -> Result<&'b [u8], Unreadable> {
        let n = self.number(major)?;
        self.take(usize::try_from(n).map_err(|_| Unreadable)?)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], Unreadable> {
        self.string(BYTES)
    }

    /// A text string.
    pub(crate) fn text(&mut self) -> Result<&'b [u8], Unreadable> {
        let text = self.string(TEXT)?;
        if is_utf8(text) {
            Ok(text)
        } else {
            Err(Unreadable)
        }
    }

    /// What comes next.
    pub(crate) fn datatype(&self) -> Result<Type, Unreadable> {
        let first = *self.input.get(self.at).ok_or(Unreadable)?;
        Ok(match (first >> 5, first & 31) {
            (UNSIGNED, 0..28) => Type::Unsigned,
            (BYTES, 0..28) => Type::Bytes,
            (TEXT, 0..28) => Type::String,
            _ => Type::Other,
        })
    }
}

/// Whether `text` is UTF-8. As `core::str::from_utf8` says, which takes 600 bytes of text on a
/// Cortex-M4, because it is made for long strings.
fn is_utf8(mut text: &[u8]) -> bool {
    while let [first, rest @ ..] = text {
        // Bytes of the character, in its first byte as so many ones; one is none.
        let len = match first.leading_ones() {
            0 => 1,
            n @ 2..=4 => n as usize,
            _ => return false,
        };
        let Some((more, behind)) = rest.split_at_checked(len - 1) else {
            return false;
        };
        let mut number = u32::from(first & (0x7f >> (len - 1)));
        for byte in more {
            if byte >> 6 != 0b10 {
                return false;
            }
            number = number << 6 | u32::from(byte & 0x3f);
        }
        // Neither a surrogate nor too large, and no shorter spelling.
        if char::from_u32(number).is_none_or(|c| c.len_utf8() != len) {
            return false;
        }
        text = behind;
    }
    true
}

/// Takes what an [`Encoder`] writes; `None`: it does not fit, or is not what was expected.
pub(crate) trait Write {
    fn write(&mut self, bytes: &[u8]) -> Option<()>;
}

impl<W: Write + ?Sized> Write for &mut W {
    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        (**self).write(bytes)
    }
}

/// Writes items in their canonical spelling. One copy of it in a build, whatever it
/// writes to.
pub(crate) struct Encoder<'w>(&'w mut dyn Write);

impl fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

/// What encoding gives: the encoder, to go on.
pub(crate) type Written<'e, 'w> = Option<&'e mut Encoder<'w>>;

impl<'w> Encoder<'w> {
    pub(crate) fn new(to: &'w mut dyn Write) -> Self {
        Encoder(to)
    }

    #[inline(never)]
    fn head(&mut self, major: u8, n: u64) -> Option<()> {
        let be = n.to_be_bytes();
        let (info, skip) = match n {
            0..24 => (n as u8, 8),
            24..0x100 => (24, 7),
            0x100..0x1_0000 => (25, 6),
            0x1_0000..0x1_0000_0000 => (26, 4),
            _ => (27, 0),
        };
        self.0.write(&[major << 5 | info])?;
        self.0.write(be.get(skip..)?)
    }

    #[inline(never)]
    fn string(&mut self, major: u8, bytes: &[u8]) -> Option<()> {
        self.head(major, bytes.len() as u64)?;
        self.0.write(bytes)
    }

    pub(crate) fn u64(&mut self, n: u64) -> Written<'_, 'w> {
        self.head(UNSIGNED, n).map(|()| self)
    }

    pub(crate) fn u32(&mut self, n: u32) -> Written<'_, 'w> {
        self.u64(u64::from(n))
    }

    pub(crate) fn i32(&mut self, n: i32) -> Written<'_, 'w> {
        let (major, n) = if n < 0 { (NEGATIVE, !n) } else { (UNSIGNED, n) };
        self.head(major, u64::from(n as u32)).map(|()| self)
    }

    pub(crate) fn tag(&mut self, n: u64) -> Written<'_, 'w> {
        self.head(TAG, n).map(|()| self)
    }

    pub(crate) fn array(&mut self, items: u64) -> Written<'_, 'w> {
        self.head(ARRAY, items).map(|()| self)
    }

    pub(crate) fn map(&mut self, pairs: u64) -> Written<'_, 'w> {
        self.head(MAP, pairs).map(|()| self)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Written<'_, 'w> {
        self.string(BYTES, bytes).map(|()| self)
    }

    pub(crate) fn str(&mut self, text: &str) -> Written<'_, 'w> {
        self.string(TEXT, text.as_bytes()).map(|()| self)
    }

    /// Bytes that are encoded already.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.write(bytes)
    }
}

/// Writes into a slice.
pub(crate) struct Cursor<'b> {
    buf: &'b mut [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    pub(crate) fn new(buf: &'b mut [u8]) -> Self {
        Cursor { buf, at: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.buf.get(..self.at).unwrap_or(&[])
    }
}

impl Write for Cursor<'_> {
    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at.checked_add(bytes.len())?;
        let to = self.buf.get_mut(self.at..end)?;
        for (to, from) in to.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.at = end;
        Some(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// What `write` writes.
    fn ours(write: impl FnOnce(&mut Encoder<'_>) -> Option<()>) -> Vec<u8> {
        let mut buf = [0; 600];
        let mut cursor = Cursor::new(&mut buf);
        write(&mut Encoder::new(&mut cursor)).unwrap();
        cursor.written().to_vec()
    }

    /// Whether both readers say the same of `input` and stop at the same place.
    macro_rules! agree {
        ($input:expr, $read:ident, $same:expr) => {{
            let (mut a, mut b) = (Decoder::new($input), minicbor::Decoder::new($input));
            let (x, y) = (a.$read(), b.$read());
            prop_assert_eq!(x.is_ok(), y.is_ok(), "{} {:x?}", stringify!($read), $input);
            if let (Ok(x), Ok(y)) = (x, y) {
                prop_assert!($same(x, y));
                prop_assert_eq!(a.position(), b.position());
            }
        }};
    }

    fn agree_on_text(input: &[u8]) -> Result<(), TestCaseError> {
        let (mut a, mut b) = (Decoder::new(input), minicbor::Decoder::new(input));
        let (x, y) = (a.text(), b.str());
        prop_assert_eq!(x.is_ok(), y.is_ok(), "text {:x?}", input);
        if let (Ok(x), Ok(y)) = (x, y) {
            prop_assert_eq!(x, y.as_bytes());
            prop_assert_eq!(a.position(), b.position());
        }
        Ok(())
    }

    #[test]
    fn text_is_what_the_library_takes_for_text() {
        // Every byte in front of those at which the rules change.
        let edges = [
            0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff,
        ];
        let mut good = 0;
        for first in 0..=255u8 {
            for second in edges {
                for third in edges {
                    for fourth in edges {
                        let all = [first, second, third, fourth];
                        for len in 0..=4 {
                            let theirs = core::str::from_utf8(&all[..len]).is_ok();
                            assert_eq!(is_utf8(&all[..len]), theirs, "{all:x?} {len}");
                            good += u32::from(theirs);
                        }
                    }
                }
            }
        }
        assert!(good > 10_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn reads_any_bytes_as_minicbor_does(
            first in prop_oneof![any::<u8>(), Just(0x18), Just(0x1a), Just(0x3b), Just(0x58)],
            rest in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(2)], 0..12),
        ) {
            let input: Vec<u8> = core::iter::once(first).chain(rest).collect();
            let input = &input[..];
            agree!(input, u32, |x, y| x == y);
            agree!(input, u64, |x, y| x == y);
            agree!(input, i32, |x, y| x == y);
            agree!(input, array, |x, y| x == y);
            agree!(input, map, |x, y| x == y);
            agree!(input, bytes, |x, y| x == y);
            agree_on_text(input)?;
            agree!(input, tag, |x, y| minicbor::data::Tag::new(x) == y);
        }

        #[test]
        fn writes_as_minicbor_does(
            number in prop_oneof![0u64..70_000, any::<u64>()],
            signed in any::<i32>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            text in "\\PC{0,40}",
        ) {
            let mut theirs = minicbor::Encoder::new(Vec::new());
            theirs.u64(number).unwrap().i32(signed).unwrap().u32(number as u32).unwrap();
            theirs.bytes(&bytes).unwrap().str(&text).unwrap();
            theirs.array(number).unwrap().map(number).unwrap();
            theirs.tag(minicbor::data::Tag::new(number)).unwrap();
            let ours = ours(|e| {
                e.u64(number)?.i32(signed)?.u32(number as u32)?;
                e.bytes(&bytes)?.str(&text)?;
                e.array(number)?.map(number)?.tag(number).map(|_| ())
            });
            prop_assert_eq!(ours, theirs.into_writer());
        }
    }
}

//! The few forms of CBOR (RFC 8949) that envelope and manifest are made of.
//!
//! Used by [`crate::envelope`] and [`crate::manifest`] in both directions. It stands in
//! for minicbor, whose names and rules it keeps and against which the tests hold it: on a
//! Cortex-M4 minicbor takes 4.7 KB of text, a quarter of what the whole patcher may have,
//! because each of its calls carries a described error and each writer its own copy.
//! Readers take every spelling of a number; what is canonical is decided by writing again.

use crate::envelope::Rule;
use core::fmt;

/// The major types, where they are in an item's first byte.
const UNSIGNED: u8 = 0 << 5;
const NEGATIVE: u8 = 1 << 5;
pub(crate) const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const TAG: u8 = 6 << 5;
/// What the first byte says of an indefinite length.
const ENDLESS: u8 = 31;

/// Reads items from the front of bytes.
///
/// It keeps the first rule that was broken, and from then on there is nothing left to
/// read: every function gives 0, nothing, or what is not to be acted on, so that only who
/// acts on a value has to ask whether it is one. Results of each item were a third of
/// what all reading takes.
#[derive(Clone, Debug)]
pub(crate) struct Decoder<'b> {
    /// What is not read yet.
    rest: &'b [u8],
    /// Where `rest` ends.
    end: usize,
    /// The first rule that was broken.
    broken: Option<Rule>,
    /// Whether an item was spelled in another than the shortest way.
    lax: bool,
}

// The short functions are in their callers: a call of one takes as much as what is in it.
impl<'b> Decoder<'b> {
    #[inline(always)]
    pub(crate) fn new(input: &'b [u8]) -> Self {
        Decoder::until(input, input.len())
    }

    /// For `input` that ends at place `end` of what its places count in.
    #[inline(always)]
    pub(crate) fn until(input: &'b [u8], end: usize) -> Self {
        Decoder {
            rest: input,
            end,
            broken: None,
            lax: false,
        }
    }

    /// Counts what was read as not in its one spelling, where `found` says so.
    pub(crate) fn forbid(&mut self, found: bool) {
        if found {
            self.lax = true;
        }
    }

    /// Notes that `rule` is broken, unless another was before, and reads nothing more.
    #[cold]
    #[inline(never)]
    pub(crate) fn refuse(&mut self, rule: Rule) {
        if self.is_good() {
            self.broken = Some(rule);
            self.end = self.position();
            self.rest = self.rest.get(..0).unwrap_or(&[]);
        }
    }

    /// Whether no rule was broken so far, but for spelling.
    pub(crate) fn is_good(&self) -> bool {
        self.broken.is_none()
    }

    /// The first rule that was broken.
    pub(crate) fn broken(&self) -> Option<Rule> {
        self.broken
    }

    /// Whether something was not in its one spelling so far.
    pub(crate) fn is_lax(&self) -> bool {
        self.lax
    }

    /// Whether all of the input was read and had its one spelling.
    pub(crate) fn is_canonical(&self) -> bool {
        self.is_good() && !self.lax && self.rest.is_empty()
    }

    /// The place of what is read next, or where a rule was broken.
    pub(crate) fn position(&self) -> usize {
        self.end - self.rest.len()
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// The next byte, which is not read by that; 0 behind the last.
    fn peek(&self) -> u8 {
        self.rest.first().map_or(0, |first| *first)
    }

    /// Whether a map of indefinite length is next.
    pub(crate) fn is_endless_map(&self) -> bool {
        self.peek() == MAP | ENDLESS
    }

    fn take(&mut self, n: usize) -> &'b [u8] {
        match self.rest.split_at_checked(n) {
            Some((bytes, rest)) => {
                self.rest = rest;
                bytes
            }
            None => {
                self.refuse(Rule::Malformed);
                &[]
            }
        }
    }

    /// The head of an item of type `major`: its number. Not of indefinite length.
    #[inline(never)]
    fn head(&mut self, major: u8) -> u64 {
        // Behind the last byte nothing is of any type.
        let info = match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                first ^ major
            }
            None => ENDLESS,
        };
        if info < 24 {
            return u64::from(info);
        }
        if info >= 28 {
            self.refuse(Rule::Malformed);
        }
        let extra = 1 << (info & 3);
        let mut number = 0;
        for byte in self.take(extra) {
            number = number << 8 | u64::from(*byte);
        }
        // The next shorter form has half as many bytes; the shortest is in the head itself.
        let shorter = (u32::MAX >> (32 - 4 * extra)).max(23);
        self.forbid(number <= u64::from(shorter));
        number
    }

    /// As [`Decoder::head`], of 32 bits.
    #[inline(never)]
    fn number(&mut self, major: u8) -> u32 {
        let n = self.head(major);
        if n >> 32 != 0 {
            self.refuse(Rule::Malformed);
        }
        n as u32
    }

    #[inline(always)]
    pub(crate) fn u64(&mut self) -> u64 {
        self.head(UNSIGNED)
    }

    #[inline(always)]
    pub(crate) fn u32(&mut self) -> u32 {
        self.number(UNSIGNED)
    }

    pub(crate) fn i32(&mut self) -> i32 {
        let major = self.peek() & NEGATIVE;
        let n = self.number(major) as i32;
        if n < 0 {
            self.refuse(Rule::Malformed);
        }
        if major == NEGATIVE { !n } else { n }
    }

    #[inline(always)]
    pub(crate) fn tag(&mut self) -> u32 {
        self.number(TAG)
    }

    /// Items of an array.
    #[inline(always)]
    pub(crate) fn array(&mut self) -> u32 {
        self.number(ARRAY)
    }

    /// Pairs of a map.
    #[inline(always)]
    pub(crate) fn map(&mut self) -> u32 {
        self.number(MAP)
    }

    #[inline(never)]
    fn string(&mut self, major: u8) -> &'b [u8] {
        let n = self.number(major);
        let bytes = self.take(n as usize);
        if major == TEXT && !is_utf8(bytes) {
            self.refuse(Rule::Malformed);
        }
        bytes
    }

    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> &'b [u8] {
        self.string(BYTES)
    }

    /// A text string.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> &'b [u8] {
        self.string(TEXT)
    }

    /// Steps over an unsigned number, a byte string or a text string; refuses all else.
    pub(crate) fn simple(&mut self) {
        match self.peek() & 0xe0 {
            UNSIGNED => {
                self.u64();
            }
            major @ (BYTES | TEXT) => {
                self.string(major);
            }
            _ => self.refuse(Rule::UnknownValue),
        }
    }
}

/// Whether `text` is UTF-8. As `core::str::from_utf8` says, which takes 600 bytes of text on a
/// Cortex-M4, because it is made for long strings.
fn is_utf8(text: &[u8]) -> bool {
    // Bytes of the character that are to come, and the byte before.
    let (mut left, mut before) = (0, 0);
    for &byte in text {
        let byte = u32::from(byte);
        let first = core::mem::replace(&mut before, byte);
        if left != 0 {
            left -= 1;
            // No shorter spelling, no surrogate, and nothing behind the last character: all
            // that the byte behind the first tells. Bytes behind it are no such first ones.
            if byte >> 6 != 0b10
                || first == 0xe0 && byte < 0xa0
                || first == 0xed && byte >= 0xa0
                || first == 0xf0 && byte < 0x90
                || first == 0xf4 && byte >= 0x90
            {
                return false;
            }
        } else if byte >= 0x80 {
            if !(0xc2..0xf5).contains(&byte) {
                return false;
            }
            // As many bytes as it begins with ones.
            left = (byte << 24).leading_ones() - 1;
        }
    }
    left == 0
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
        self.0.write(&[major | info])?;
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

    /// Whether both readers say the same of `input` and stop at the same place. `$same` is
    /// asked with what ours gives if it reads it, and what minicbor gives.
    macro_rules! agree {
        ($input:expr, $read:ident, $wanted:expr) => {{
            let (mut a, mut b) = (Decoder::new($input), minicbor::Decoder::new($input));
            let (x, y) = (a.$read(), b.$read().ok().and_then($wanted));
            prop_assert_eq!(
                a.is_good(),
                y.is_some(),
                "{} {:x?}",
                stringify!($read),
                $input
            );
            if let Some(y) = y {
                prop_assert_eq!(x, y);
                prop_assert_eq!(a.position(), b.position());
            }
        }};
    }

    fn agree_on_text(input: &[u8]) -> Result<(), TestCaseError> {
        let (mut a, mut b) = (Decoder::new(input), minicbor::Decoder::new(input));
        let (x, y) = (a.text(), b.str());
        prop_assert_eq!(a.is_good(), y.is_ok(), "text {:x?}", input);
        if let Ok(y) = y {
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
            // No more items than 32 bits count, and not any number of them.
            let counted = |n: Option<u64>| n?.try_into().ok();
            agree!(input, u32, Some);
            agree!(input, u64, Some);
            agree!(input, i32, Some);
            agree!(input, array, counted);
            agree!(input, map, counted);
            agree!(input, bytes, Some);
            agree_on_text(input)?;
            agree!(input, tag, |tag: minicbor::data::Tag| counted(Some(tag.as_u64())));
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

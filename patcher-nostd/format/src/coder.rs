//! Binary range coder: turns decisions with probabilities into bytes and back.
//!
//! Driven by the models ([`crate::model`]); the encoder writes to a [`Sink`] that the
//! engine supplies, the decoder reads the authentic payload bytes of an [`Input`].
//! Carry-less, 32 bits, after the coder of Matt Mahoney's PAQ series: every shifted
//! byte is final at once, so encoder and decoder agree at each decision on how many
//! payload bytes have been used. Resets rely on that (SPEC §6.1 and §6.9).

/// What the bytes of a payload are spent on, for reports. Not on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Section {
    /// Address spaces, value ranges, regions.
    Header = 0,
    /// The equivalence map.
    Map = 1,
    /// Ops: where copies come from and how long they are.
    Ops = 2,
    /// Whether predictions hold.
    Flags = 3,
    /// References that point elsewhere than predicted.
    References = 4,
    /// Bytes that differ from their prediction.
    Corrections = 5,
    /// Inserted bytes.
    Literals = 6,
}

impl Section {
    /// Number of sections.
    pub const COUNT: usize = 7;
    /// Names for reports, in discriminant order.
    pub const NAMES: [&'static str; Section::COUNT] = [
        "header",
        "map",
        "commands",
        "flags",
        "references",
        "corrections",
        "literals",
    ];
}

/// Codes binary decisions in one direction. The models are written once against it.
pub trait Coder {
    /// Whether this side knows the decisions (encoder, price counter) or learns them.
    const ENCODES: bool;

    /// Encoding side: mixed decisions are taken as they are, at a flat price. For a first
    /// look at what the codec learns of references, which no mixed model has a part in.
    const SKETCHES: bool = false;

    /// Codes one decision. `p` is the probability of `true` in 1/65536, 1..=65535.
    /// Returns the decision; an encoding side returns `bit`.
    fn bit(&mut self, bit: bool, p: u32) -> bool;

    /// `value` on an encoding side; where it is not known, nothing that has to be computed or
    /// handed over.
    #[inline(always)]
    fn truth(value: u32) -> u32 {
        if Self::ENCODES { value } else { 0 }
    }

    /// The following decisions belong to `section`.
    #[inline]
    fn section(&mut self, _section: Section) {}

    /// Payload bytes that the decisions so far have settled: the same on both sides.
    fn position(&self) -> u32;

    /// Closes the segment and starts the next, so that decoding can start here.
    fn restart(&mut self);
}

/// The interval of the coder: what both directions do alike.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: u32,
    high: u32,
}

impl Range {
    const FULL: Range = Range {
        low: 0,
        high: u32::MAX,
    };

    /// Last value of the part that stands for `true`.
    #[inline]
    fn middle(&self, p: u32) -> u32 {
        let width = self.high.wrapping_sub(self.low);
        let part = (u64::from(width) * u64::from(p)) >> 16;
        self.low.wrapping_add(part as u32)
    }

    #[inline]
    fn narrow(&mut self, bit: bool, middle: u32) {
        if bit {
            self.high = middle;
        } else {
            self.low = middle.wrapping_add(1);
        }
    }

    /// Whether both ends share the top byte.
    #[inline]
    fn is_settled(&self) -> bool {
        (self.low ^ self.high) >> 24 == 0
    }

    /// Shifts the top byte out. The full range stays as it is.
    #[inline]
    fn shift(&mut self) {
        self.low <<= 8;
        self.high = self.high << 8 | 0xff;
    }

    /// The shortest prefix (count of bytes, 1..=4, and their value left-aligned) all of
    /// whose continuations lie in the interval.
    fn closing(&self) -> (u32, u32) {
        let mut bytes = 1;
        while bytes < 4 {
            let rest = u32::MAX >> (8 * bytes);
            if let Some(sum) = self.low.checked_add(rest) {
                let prefix = sum & !rest;
                if prefix | rest <= self.high {
                    return (bytes, prefix);
                }
            }
            bytes += 1;
        }
        (4, self.low)
    }
}

/// Receives the bytes of a payload.
pub trait Sink {
    /// Takes the next byte.
    fn put(&mut self, byte: u8);
}

/// The encoding direction.
#[derive(Debug)]
pub struct Encoder<S> {
    range: Range,
    sink: S,
    written: u32,
}

impl<S: Sink> Encoder<S> {
    /// An encoder that has written nothing.
    pub fn new(sink: S) -> Self {
        Encoder {
            range: Range::FULL,
            sink,
            written: 0,
        }
    }

    /// Bytes written so far; the decoder has the same count ([`Decoder::shifted`]).
    pub fn written(&self) -> u32 {
        self.written
    }

    /// Ends a segment of the payload so that decoding can start afresh behind it.
    pub fn flush(&mut self) {
        let (bytes, prefix) = self.range.closing();
        for k in 0..bytes {
            self.sink.put((prefix >> (24 - 8 * k)) as u8);
        }
        self.written = self.written.wrapping_add(bytes);
        self.range = Range::FULL;
    }

    /// Flushes and gives the sink back.
    pub fn finish(mut self) -> S {
        self.flush();
        self.sink
    }
}

impl<S: Sink> Coder for Encoder<S> {
    const ENCODES: bool = true;

    #[inline]
    fn bit(&mut self, bit: bool, p: u32) -> bool {
        let middle = self.range.middle(p);
        self.range.narrow(bit, middle);
        while self.range.is_settled() {
            self.sink.put((self.range.high >> 24) as u8);
            self.range.shift();
            self.written = self.written.wrapping_add(1);
        }
        bit
    }

    fn position(&self) -> u32 {
        self.written
    }

    fn restart(&mut self) {
        self.flush();
    }
}

/// Authentic payload bytes, in order, as far as they have arrived.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Readable bytes.
    pub bytes: &'a [u8],
    /// No payload bytes follow these.
    pub last: bool,
    /// Bytes of `bytes` that have been consumed.
    pub used: usize,
}

impl Input<'_> {
    /// The next byte; zero past the end, which the decoder notices from its count.
    #[inline]
    fn next(&mut self) -> u8 {
        let byte = self.bytes.get(self.used).copied().unwrap_or(0);
        self.used += 1;
        byte
    }
}

/// The decoding direction, without its input.
#[derive(Debug)]
pub struct Decoder {
    range: Range,
    code: u32,
    /// Bytes that have been shifted out of `code`.
    shifted: u32,
    /// Bytes that must be shifted in before the next decision.
    missing: u32,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder {
            range: Range::FULL,
            code: 0,
            shifted: 0u32.wrapping_sub(4),
            missing: 4,
        }
    }
}

impl Decoder {
    /// A decoder whose next input byte is byte `at` of the payload.
    pub fn starting_at(at: u32) -> Self {
        Decoder {
            shifted: at.wrapping_sub(4),
            ..Decoder::default()
        }
    }

    /// Payload bytes that decisions so far have settled.
    pub fn shifted(&self) -> u32 {
        self.shifted.wrapping_add(self.missing)
    }

    /// The payload length if it ended here.
    pub fn closing_len(&self) -> u32 {
        self.shifted().wrapping_add(self.range.closing().0)
    }

    /// Starts the next segment: drops the bytes that closed the last one.
    pub fn reopen(&mut self) {
        self.missing = self.range.closing().0;
        self.range = Range::FULL;
    }

    /// Lends the decoder its input for the decisions of one step. What was used is counted
    /// there once the reader is dropped.
    pub fn with<'d, 'i, 'b>(&'d mut self, input: &'i mut Input<'b>) -> Reader<'d, 'i, 'b> {
        let mut reader = Reader {
            decoder: self,
            input: *input,
            lent: input,
        };
        while reader.decoder.missing > 0 {
            reader.decoder.missing -= 1;
            reader.shift();
        }
        reader
    }
}

/// A [`Decoder`] with input.
// With a copy of the input: what calls write to is passed as one pointer, and not field by
// field, which takes more text at each of many calls.
#[derive(Debug)]
pub struct Reader<'d, 'i, 'b> {
    decoder: &'d mut Decoder,
    input: Input<'b>,
    lent: &'i mut Input<'b>,
}

impl Reader<'_, '_, '_> {
    /// Shifts the next byte in, and the top byte out.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline(always))]
    fn shift(&mut self) {
        let d = &mut *self.decoder;
        d.code = d.code << 8 | u32::from(self.input.next());
        d.shifted = d.shifted.wrapping_add(1);
        d.range.shift();
    }
}

impl Drop for Reader<'_, '_, '_> {
    #[inline]
    fn drop(&mut self) {
        self.lent.used = self.input.used;
    }
}

impl Coder for Reader<'_, '_, '_> {
    const ENCODES: bool = false;

    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn bit(&mut self, _bit: bool, p: u32) -> bool {
        let d = &mut *self.decoder;
        let middle = d.range.middle(p);
        let bit = d.code <= middle;
        d.range.narrow(bit, middle);
        while self.decoder.range.is_settled() {
            self.shift();
        }
        bit
    }

    fn position(&self) -> u32 {
        self.decoder.shifted()
    }

    fn restart(&mut self) {
        self.decoder.reopen();
    }
}

//! The decoding direction: the patcher's second codec.
//!
//! Fed with authentic bytes, gathers a section, makes a block of it at once and hands that
//! out piece by piece. Between blocks lies all that a resume needs: a new offset and a place
//! in the payload. SPEC §13.

use crate::block::{self, Made, Truth};
use crate::bounds_blocks;
use crate::collect::Section;
use crate::frames;
use crate::streams::Unread;
use crate::watch::Watch;
use deltamote_format::codec::{Codec as Predictor, Header, ResumePoint, Step};
use deltamote_format::coder::{self, Input};
use deltamote_format::isa::{Code, Isa};
use deltamote_format::manifest::CODEC_ZSTD;
use deltamote_format::model::Prior;
use deltamote_format::{Error, ErrorKind, Profile, le};
use deltamote_patcher::codec::Codec;
use std::fmt;
use zstd::zstd_safe::DCtx;

/// The codec, for [`deltamote_patcher::Patcher::with_codec`].
#[derive(Debug)]
pub struct Zstd;

/// A decoder at work.
pub struct Decoder<'w, 'p> {
    predictor: Predictor<'w, 'p>,
    context: DCtx<'static>,
    state: State,
    /// Payload bytes used.
    used: u32,
    section: Section,
    /// The streams of the block.
    raw: Vec<u8>,
    /// The block as far as it has been made, and how much of it is handed out.
    made: Vec<u8>,
    given: usize,
    /// First new offset of the block.
    start: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Header and map come.
    Front,
    /// A block, or the end, comes; a reset before it if it is not the first.
    Between { reset: bool },
    /// A block comes.
    Block,
    /// A block is handed out.
    Out,
}

impl fmt::Debug for Decoder<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("state", &self.state)
            .field("start", &self.start)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl<'w, 'p> Decoder<'w, 'p> {
    fn new(predictor: Predictor<'w, 'p>) -> Result<Self, Error> {
        Ok(Decoder {
            predictor,
            context: DCtx::try_create().ok_or(Error::new(ErrorKind::WorkspaceTooSmall, 0))?,
            state: State::Front,
            used: 0,
            section: Section::default(),
            raw: Vec::new(),
            made: Vec::new(),
            given: 0,
            start: 0,
        })
    }

    fn fault(&self, kind: ErrorKind) -> Error {
        let at = match kind {
            ErrorKind::PayloadTruncated => self.used,
            _ => self.start,
        };
        Error::new(kind, at)
    }

    /// Gathers; whether the section is complete.
    fn gather(&mut self, input: &mut Input<'_>) -> Result<bool, Error> {
        let before = input.used;
        let done = self.section.take(input);
        self.used = self.used.saturating_add((input.used - before) as u32);
        done.map_err(|kind| self.fault(kind))
    }

    /// Header and map.
    fn front<O: Code, N: Code>(&mut self, old: &mut O, new: &mut N) -> Result<(), Error> {
        let bytes = self.section.bytes();
        let mut input = Input {
            bytes,
            last: true,
            used: 0,
        };
        let mut coder = coder::Decoder::default();
        while !self.predictor.map_ready() {
            self.predictor
                .step(&mut coder.with(&mut input), old, new, &mut ())?;
            // Behind the end there are zeros without end.
            if input.used > bytes.len() + 8 {
                return Err(self.fault(ErrorKind::HeaderInconsistent));
            }
        }
        if coder.closing_len() as usize != bytes.len() {
            return Err(self.fault(ErrorKind::HeaderInconsistent));
        }
        let header = &self.predictor.header;
        if !bounds_blocks(header.reset_log2, header.new_len) {
            return Err(self.fault(ErrorKind::HeaderUnsupported));
        }
        Ok(())
    }

    /// Where the block that begins at `start` ends.
    fn end(&self) -> u32 {
        let header = &self.predictor.header;
        match header.reset_log2 {
            0 => header.new_len,
            log2 => header.new_len.min(self.start.saturating_add(1 << log2)),
        }
    }

    /// Makes the block of the section at hand.
    fn make<O: Code, N: Code, W: Watch>(
        &mut self,
        (old, new): (&mut O, &mut N),
        watch: W,
    ) -> Result<(), Error> {
        let (start, end) = (self.start, self.end());
        self.predictor.begin_at(start)?;
        let section = self.section.bytes();
        let streams = frames::unpack(&mut self.context, section, &mut self.raw);
        let (sizes, streams) = streams.map_err(|kind| Error::new(kind, start))?;
        let mut streams = Unread { streams, watch };
        streams.watch.block(start, &sizes);
        self.made.clear();
        self.made.reserve_exact((end - start) as usize);
        self.given = 0;
        let mut made = Made {
            before: new,
            start,
            bytes: &mut self.made,
        };
        let mut truth = Truth {
            guide: &mut (),
            new: &[],
        };
        let images = (old, &mut made);
        block::code(&mut self.predictor, &mut streams, images, &mut truth, end)?;
        if streams.streams.iter().any(|rest| !rest.is_empty()) {
            return Err(Error::new(ErrorKind::HeaderInconsistent, end));
        }
        Ok(())
    }

    /// The block is handed out.
    fn close(&mut self) {
        if self.state == State::Out && self.given == self.made.len() {
            self.start = self.start.saturating_add(self.made.len() as u32);
            self.state = State::Between { reset: true };
        }
    }

    /// All of the block that is left to be handed out.
    pub(crate) fn taken(&mut self) -> &[u8] {
        let from = self.given;
        if self.state == State::Out {
            self.given = self.made.len();
            self.close();
            return self.made.get(from..).unwrap_or(&[]);
        }
        &[]
    }

    pub(crate) fn step<O: Code, N: Code, W: Watch>(
        &mut self,
        input: &mut Input<'_>,
        (old, new): (&mut O, &mut N),
        watch: W,
    ) -> Result<Step, Error> {
        match self.state {
            State::Front => {
                if self.gather(input)? {
                    self.front(old, new)?;
                    self.state = State::Between { reset: false };
                }
            }
            State::Between { .. } if self.start >= self.predictor.header.new_len => {
                return Ok(Step::Done);
            }
            State::Between { reset } => {
                self.section.next();
                self.state = State::Block;
                if reset {
                    return Ok(Step::Reset);
                }
            }
            State::Block => {
                if self.gather(input)? {
                    self.make((old, new), watch)?;
                    self.state = State::Out;
                }
            }
            State::Out => {
                let rest = self.made.get(self.given..).unwrap_or(&[]);
                let len = rest.len().min(4);
                let mut word = [0; 4];
                le::copy(&mut word, rest);
                self.given += len;
                self.close();
                let word = le::word(word);
                return Ok(Step::Output {
                    word,
                    len: len as u8,
                });
            }
        }
        Ok(Step::Control)
    }

    /// Bytes of heap that this decoder holds.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        let vectors = self.section.heap_bytes() + self.raw.capacity() + self.made.capacity();
        vectors + self.context.sizeof()
    }
}

impl Codec for Zstd {
    const ID: u32 = CODEC_ZSTD;
    type Decoder<'w, 'p> = Decoder<'w, 'p>;
    type Coded = Result<Step, Error>;

    fn start<'w, 'p>(
        words: &'w mut [u16],
        profile: Profile,
        old_len: u32,
        new_len: u32,
        prior: Option<Prior<'p>>,
    ) -> Result<Decoder<'w, 'p>, Error> {
        if profile != Profile::Large || prior.is_some() {
            return Err(Error::new(ErrorKind::HeaderUnsupported, 0));
        }
        let header = Header::new(old_len, new_len, Isa::None);
        Decoder::new(Predictor::new(words, profile, header, prior)?)
    }

    fn step<O: Code, N: Code>(
        decoder: &mut Decoder<'_, '_>,
        input: &mut Input<'_>,
        old: &mut O,
        new: &mut N,
    ) -> Result<Step, Error> {
        decoder.step(input, (old, new), ())
    }

    fn step_of(_: &Decoder<'_, '_>, coded: Result<Step, Error>) -> Result<Step, Error> {
        coded
    }

    fn resume_point(decoder: &Decoder<'_, '_>) -> ResumePoint {
        ResumePoint {
            new_pos: decoder.start,
            payload_pos: decoder.used,
            op: [0; 8],
        }
    }

    fn run<O: Code>(decoder: &mut Decoder<'_, '_>, _old: &mut O, out: &mut [u8]) -> usize {
        if decoder.state != State::Out {
            return 0;
        }
        let rest = decoder.made.get(decoder.given..).unwrap_or(&[]);
        let len = rest.len().min(out.len());
        le::copy(out, rest);
        decoder.given += len;
        decoder.close();
        len
    }

    fn map_ready(decoder: &Decoder<'_, '_>) -> bool {
        decoder.state != State::Front
    }

    fn jump<O: Code, N: Code>(
        decoder: &mut Decoder<'_, '_>,
        point: &ResumePoint,
        _old: &mut O,
        _new: &mut N,
    ) -> Result<Step, Error> {
        let header = &decoder.predictor.header;
        let period = 1u32.checked_shl(u32::from(header.reset_log2)).unwrap_or(0);
        let is_start = header.reset_log2 != 0
            && point.new_pos.checked_rem(period) == Some(0)
            && point.new_pos < header.new_len;
        if decoder.state == State::Front || !is_start || point.op != [0; 8] {
            return Err(decoder.fault(ErrorKind::HeaderInconsistent));
        }
        decoder.start = point.new_pos;
        decoder.used = point.payload_pos;
        decoder.state = State::Between { reset: false };
        Ok(Step::Control)
    }

    fn payload_len(decoder: &Decoder<'_, '_>) -> u32 {
        decoder.used
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

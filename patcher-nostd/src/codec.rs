//! The decode core as the patcher sees it.
//!
//! Fed by the receiver with authentic bytes, feeds the sink. [`Deltamote`] is the one
//! in the format crate; the trait exists so that the shell around it can be tested with
//! a decoder simple enough to be obviously right, and so that another payload codec can
//! take its place (the manifest names it by number).

use deltamote_format::codec::{Decoder, ResumePoint, Step};
use deltamote_format::coder::Input;
use deltamote_format::isa::Code;
use deltamote_format::manifest::CODEC_DELTAMOTE;
use deltamote_format::model::Prior;
use deltamote_format::{Error, ErrorKind, Profile};

/// A payload codec, decoding direction.
pub trait Codec {
    /// Its number in the manifest.
    const ID: u32;

    /// A decoder at work in borrowed words.
    type Decoder<'w, 'p>;

    /// What a step gives: small where the decoder keeps the rest, for [`Codec::step_of`].
    type Coded;

    /// Starts at the front of a payload.
    ///
    /// # Errors
    /// If `words` are too few.
    fn start<'w, 'p>(
        words: &'w mut [u16],
        profile: Profile,
        old_len: u32,
        new_len: u32,
        prior: Option<Prior<'p>>,
    ) -> Result<Self::Decoder<'w, 'p>, Error>;

    /// As [`Codec::start`] with the old and the new length, into `place`, so that a stack
    /// need not hold the decoder on its way there.
    ///
    /// # Errors
    /// As there; nothing is put into `place` then.
    fn start_in<'w, 'p>(
        place: &mut Option<Self::Decoder<'w, 'p>>,
        words: &'w mut [u16],
        profile: Profile,
        (old_len, new_len): (u32, u32),
        prior: Option<Prior<'p>>,
    ) -> Result<(), Error> {
        *place = Some(Self::start(words, profile, old_len, new_len, prior)?);
        Ok(())
    }

    /// One step. `input` holds at least
    /// [`STEP_RESERVE`](deltamote_format::codec::STEP_RESERVE) bytes, or is the last.
    fn step<O: Code, N: Code>(
        decoder: &mut Self::Decoder<'_, '_>,
        input: &mut Input<'_>,
        old: &mut O,
        new: &mut N,
    ) -> Self::Coded;

    /// What the step that gave `coded`, the last one, has done.
    ///
    /// # Errors
    /// Any rule that the payload breaks.
    fn step_of(decoder: &Self::Decoder<'_, '_>, coded: Self::Coded) -> Result<Step, Error>;

    /// Where decoding may start again, if the last step was [`Step::Reset`].
    fn resume_point(decoder: &Self::Decoder<'_, '_>) -> ResumePoint;

    /// Copied bytes that need no input, as many as fit `out`; gives how many. 0 where a
    /// step is due.
    fn run<O: Code>(_decoder: &mut Self::Decoder<'_, '_>, _old: &mut O, _out: &mut [u8]) -> usize {
        0
    }

    /// Whether [`Codec::jump`] may be called.
    fn map_ready(decoder: &Self::Decoder<'_, '_>) -> bool;

    /// Goes on at `point`. [`Codec::step_of`] says what that was: no more than control, or an
    /// error, if `point` contradicts the payload's header or map.
    fn jump<O: Code, N: Code>(
        decoder: &mut Self::Decoder<'_, '_>,
        point: &ResumePoint,
        old: &mut O,
        new: &mut N,
    ) -> Self::Coded;

    /// Bytes the payload must have had, once it is done.
    fn payload_len(decoder: &Self::Decoder<'_, '_>) -> u32;
}

/// The codec of the format crate.
#[derive(Debug)]
pub struct Deltamote;

impl Codec for Deltamote {
    const ID: u32 = CODEC_DELTAMOTE;
    type Decoder<'w, 'p> = Decoder<'w, 'p>;
    type Coded = Result<(), ErrorKind>;

    fn start<'w, 'p>(
        words: &'w mut [u16],
        profile: Profile,
        old_len: u32,
        new_len: u32,
        prior: Option<Prior<'p>>,
    ) -> Result<Decoder<'w, 'p>, Error> {
        Decoder::new(words, profile, old_len, new_len, prior)
    }

    fn start_in<'w, 'p>(
        place: &mut Option<Decoder<'w, 'p>>,
        words: &'w mut [u16],
        profile: Profile,
        sizes: (u32, u32),
        prior: Option<Prior<'p>>,
    ) -> Result<(), Error> {
        Decoder::new_in(place, words, profile, sizes, prior)
    }

    #[inline]
    fn step<O: Code, N: Code>(
        decoder: &mut Decoder<'_, '_>,
        input: &mut Input<'_>,
        old: &mut O,
        new: &mut N,
    ) -> Result<(), ErrorKind> {
        decoder.take_step(input, old, new)
    }

    #[inline]
    fn step_of(decoder: &Decoder<'_, '_>, coded: Result<(), ErrorKind>) -> Result<Step, Error> {
        decoder.step_of(coded)
    }

    #[inline]
    fn resume_point(decoder: &Decoder<'_, '_>) -> ResumePoint {
        decoder.resume_point()
    }

    #[inline]
    fn run<O: Code>(decoder: &mut Decoder<'_, '_>, old: &mut O, out: &mut [u8]) -> usize {
        decoder.run(old, out)
    }

    fn map_ready(decoder: &Decoder<'_, '_>) -> bool {
        decoder.map_ready()
    }

    fn jump<O: Code, N: Code>(
        decoder: &mut Decoder<'_, '_>,
        point: &ResumePoint,
        old: &mut O,
        new: &mut N,
    ) -> Result<(), ErrorKind> {
        decoder.take_jump(point, old, new)
    }

    fn payload_len(decoder: &Decoder<'_, '_>) -> u32 {
        decoder.payload_len()
    }
}

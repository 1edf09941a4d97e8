//! The decoding direction of the codec, as the patcher drives it.

use super::{Codec, Header, ResumePoint, Step};
use crate::coder::{self, Input};
#[cfg(feature = "small-code")]
use crate::isa::Image;
use crate::isa::{Code, Isa};
use crate::model::Prior;
use crate::profile::Profile;
use crate::{Error, ErrorKind};

/// Decodes a payload step by step.
#[derive(Debug)]
pub struct Decoder<'w, 'p> {
    codec: Codec<'w, 'p>,
    coder: coder::Decoder,
}

impl<'w, 'p> Decoder<'w, 'p> {
    /// Words (u16) of workspace that `profile` needs.
    pub const fn words(profile: Profile) -> usize {
        Codec::words(&profile.limits())
    }

    /// A decoder in front of a payload, for images of `old_len` and `new_len` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::WorkspaceTooSmall`] if `words` has fewer than
    /// [`Decoder::words`] elements.
    pub fn new(
        words: &'w mut [u16],
        profile: Profile,
        old_len: u32,
        new_len: u32,
        prior: Option<Prior<'p>>,
    ) -> Result<Self, Error> {
        let header = Header::new(old_len, new_len, Isa::None);
        Ok(Decoder {
            codec: Codec::new(words, profile, header, prior)?,
            coder: coder::Decoder::default(),
        })
    }

    /// As [`Decoder::new`], into `place`: nothing large lies on the stack on its way there.
    ///
    /// # Errors
    /// As there; nothing is put into `place` then.
    pub fn new_in(
        place: &mut Option<Self>,
        words: &'w mut [u16],
        profile: Profile,
        (old_len, new_len): (u32, u32),
        prior: Option<Prior<'p>>,
    ) -> Result<(), Error> {
        if words.len() < Self::words(profile) {
            return Err(Error::new(ErrorKind::WorkspaceTooSmall, 0));
        }
        let header = Header::new(old_len, new_len, Isa::None);
        let decoder = place.insert(Decoder {
            codec: Codec::laid_out(words, &profile.limits(), header, prior),
            coder: coder::Decoder::default(),
        });
        decoder.codec.models.reset(prior.as_ref());
        Ok(())
    }

    /// One step: uses at most [`super::STEP_RESERVE`] bytes of `input`, which must hold
    /// that many or be the last. `old` and `new` read the old image and the new image
    /// written so far.
    ///
    /// # Errors
    /// Any rule of SPEC §9 that the payload breaks, with the new offset.
    #[inline]
    pub fn step<O: Code, N: Code>(
        &mut self,
        input: &mut Input<'_>,
        old: &mut O,
        new: &mut N,
    ) -> Result<Step, Error> {
        #[cfg(feature = "small-code")]
        return self.step_any(input, &mut Image(old), &mut Image(new));
        #[cfg(not(feature = "small-code"))]
        {
            let mut reader = self.coder.with(input);
            self.codec.step(&mut reader, old, new, &mut ())
        }
    }

    /// Not generic, so that it is compiled with this crate and as this crate is.
    #[cfg(feature = "small-code")]
    #[inline(never)]
    fn step_any(
        &mut self,
        input: &mut Input<'_>,
        old: &mut Image<'_>,
        new: &mut Image<'_>,
    ) -> Result<Step, Error> {
        let mut reader = self.coder.with(input);
        self.codec.step(&mut reader, old, new, &mut ())
    }

    #[cfg(feature = "small-code")]
    #[inline(never)]
    fn run_any(&mut self, old: &mut Image<'_>, out: &mut [u8]) -> usize {
        self.codec.run(old, out)
    }

    #[cfg(feature = "small-code")]
    #[inline(never)]
    fn jump_any(
        &mut self,
        point: &ResumePoint,
        old: &mut Image<'_>,
        new: &mut Image<'_>,
    ) -> Result<(), Error> {
        self.codec.resume(point, old, new)
    }

    /// Copied units that need no input, as many as fit `out`: what as many steps would
    /// give, sooner. Gives the bytes written, 0 where a step is due. Only before a step,
    /// never instead of one.
    #[inline]
    pub fn run<O: Code>(&mut self, old: &mut O, out: &mut [u8]) -> usize {
        #[cfg(feature = "small-code")]
        return self.run_any(&mut Image(old), out);
        #[cfg(not(feature = "small-code"))]
        self.codec.run(old, out)
    }

    /// Whether the header is decoded.
    pub fn header_ready(&self) -> bool {
        self.codec.header_ready()
    }

    /// Whether header and map are decoded, so that [`Decoder::jump`] may be called.
    pub fn map_ready(&self) -> bool {
        self.codec.map_ready()
    }

    /// Bytes of the new image decoded so far.
    pub fn new_pos(&self) -> u32 {
        self.codec.pos()
    }

    /// The header; complete once [`Decoder::map_ready`].
    pub fn header(&self) -> &Header {
        &self.codec.header
    }

    /// Payload bytes that the steps so far have settled.
    pub fn payload_pos(&self) -> u32 {
        self.coder.shifted()
    }

    /// The payload length if it ended at this decision. After [`Step::Done`] it must
    /// equal what was received.
    pub fn payload_len(&self) -> u32 {
        self.coder.closing_len()
    }

    /// Goes on at `point`; the next input byte is byte `point.payload_pos`.
    ///
    /// # Errors
    /// If header and map are not decoded yet, or `point` contradicts them.
    pub fn jump<O: Code, N: Code>(
        &mut self,
        point: &ResumePoint,
        old: &mut O,
        new: &mut N,
    ) -> Result<(), Error> {
        if !self.codec.map_ready() {
            return Err(Error::new(ErrorKind::Bug, 0));
        }
        self.coder = coder::Decoder::starting_at(point.payload_pos);
        #[cfg(feature = "small-code")]
        return self.jump_any(point, &mut Image(old), &mut Image(new));
        #[cfg(not(feature = "small-code"))]
        self.codec.resume(point, old, new)
    }
}

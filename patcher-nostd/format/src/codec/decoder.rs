//! The decoding direction of the codec, as the patcher drives it.

use super::{Codec, Coded, Header, Images, ResumePoint, Step};
use crate::coder::{self, Input};
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
        // What is not known yet is in the payload.
        let decoder = place.insert(Decoder {
            codec: Codec::laid_out(words, &profile.limits(), Header::BLANK, prior)?,
            coder: coder::Decoder::default(),
        });
        let codec = &mut decoder.codec;
        (codec.header.old_len, codec.header.new_len) = (old_len, new_len);
        codec.models.reset(codec.prior);
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
        let coded = self.take_step(input, old, new);
        self.step_of(coded)
    }

    /// As [`Decoder::step`], which says with [`Decoder::step_of`] what this has done: in
    /// between a device has no more than this to keep.
    ///
    /// # Errors
    /// As there, without the offset.
    #[inline]
    pub fn take_step<O: Code, N: Code>(
        &mut self,
        input: &mut Input<'_>,
        old: &mut O,
        new: &mut N,
    ) -> Result<(), ErrorKind> {
        #[cfg(feature = "small-code")]
        return self.step_in(input, &mut Images::<dyn Code, dyn Code> { old, new });
        #[cfg(not(feature = "small-code"))]
        self.step_in(input, &mut Images { old, new })
    }

    /// What the step that gave `coded`, the last one, has done.
    ///
    /// # Errors
    /// As [`Decoder::step`].
    #[inline]
    pub fn step_of(&self, coded: Result<(), ErrorKind>) -> Result<Step, Error> {
        self.codec.step_of(coded)
    }

    // For images of any kind this is compiled with this crate and as this crate is.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn step_in<O: Code + ?Sized, N: Code + ?Sized>(
        &mut self,
        input: &mut Input<'_>,
        images: &mut Images<'_, O, N>,
    ) -> Coded {
        let mut reader = self.coder.with(input);
        self.codec.step_with(&mut reader, images, &mut ())
    }

    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn resume<O: Code + ?Sized, N: Code + ?Sized>(
        &mut self,
        point: &ResumePoint,
        images: &mut Images<'_, O, N>,
    ) -> Coded {
        self.codec.made_len = 0;
        self.codec.resume(point, images)
    }

    /// Where decoding may start again, if the last step was [`Step::Reset`].
    #[inline]
    pub fn resume_point(&self) -> ResumePoint {
        self.codec.resume_point()
    }

    /// Copied units that need no input, as many as fit `out`: what as many steps would
    /// give, sooner. Gives the bytes written, 0 where a step is due. Only before a step,
    /// never instead of one.
    #[inline]
    pub fn run<O: Code>(&mut self, old: &mut O, out: &mut [u8]) -> usize {
        #[cfg(feature = "small-code")]
        return self.codec.run::<dyn Code>(old, out);
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
        let jumped = self.take_jump(point, old, new);
        jumped.map_err(|kind| Error::new(kind, self.codec.pos()))
    }

    /// As [`Decoder::jump`]; for [`Decoder::step_of`] this is a step.
    ///
    /// # Errors
    /// As there, without the offset.
    #[inline]
    pub fn take_jump<O: Code, N: Code>(
        &mut self,
        point: &ResumePoint,
        old: &mut O,
        new: &mut N,
    ) -> Result<(), ErrorKind> {
        if !self.codec.map_ready() {
            return Err(ErrorKind::Bug);
        }
        self.coder = coder::Decoder::starting_at(point.payload_pos);
        #[cfg(feature = "small-code")]
        return self.resume(point, &mut Images::<dyn Code, dyn Code> { old, new });
        #[cfg(not(feature = "small-code"))]
        self.resume(point, &mut Images { old, new })
    }
}

//! The update from the manifest on: chunks in, decoded bytes out to the sink.
//!
//! Driven by [`crate::Patcher`], which owns the devices. Joins receiver, decoder and sink
//! step by step. Nothing here is moved: all of it is filled in where it lies, which takes
//! a device less code and less stack.

use crate::codec::Codec;
use crate::error::{NO_RULE, Stop};
use crate::flash::{Fault, Flash};
use crate::hand_over::HandOver;
use crate::patcher::{Parts, holds};
use crate::receive::Receiver;
use crate::sink::Sink;
use crate::source::{Cache, NewImage, OldImage};
use deltamote_format::codec::{ResumePoint, Step};
use deltamote_format::coder::Input;
use deltamote_format::{Error as PayloadError, ErrorKind, Profile};

/// How far an update is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Before the manifest.
    Opening,
    Decoding,
    /// The slot is written.
    Written,
    /// The slot was read back and is right.
    Verified,
    /// The bootloader knows.
    Pending,
    /// The journal is cleared.
    Over,
    /// For good.
    Failed,
}

/// What is small and often used stands in front, where short instructions reach it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Running<'w> {
    pub(crate) stage: Stage,
    /// Whether to jump to the journal's reset point, once the map is decoded.
    pub(crate) resumes: bool,
    pub(crate) profile: Profile,
    /// New-image bytes jumped over.
    pub(crate) skipped: u32,
    /// What [`Stop::Payload`] stands for.
    pub(crate) broken: PayloadError,
    pub(crate) old_cache: Cache<'w>,
    pub(crate) new_cache: Cache<'w>,
    pub(crate) sink: Sink<'w>,
    pub(crate) new_digest: [u8; 32],
    pub(crate) receiver: Receiver<'w>,
}

impl<'w> Running<'w> {
    /// Before anything is known. Not inlined: there the places are far from the front.
    #[inline(never)]
    pub(crate) fn new() -> Self {
        Running {
            stage: Stage::Opening,
            resumes: false,
            profile: Profile::Tiny,
            skipped: 0,
            broken: NO_RULE,
            sink: Sink::default(),
            receiver: Receiver::default(),
            old_cache: Cache::default(),
            new_cache: Cache::default(),
            new_digest: [0; 32],
        }
    }

    /// Takes bytes of one chunk and decodes as far as that allows.
    pub(crate) fn take<C, O, S, J, V, H>(
        &mut self,
        bytes: &[u8],
        decoder: &mut Option<C::Decoder<'w, '_>>,
        parts: &mut Parts<O, S, J, V, H>,
    ) -> Result<(), Stop>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        H: HandOver<S>,
    {
        self.broken.at = self.receiver.chunk_start();
        self.receiver.take(bytes)?;
        self.decode::<C, _, _, _, _, _>(decoder, parts)
    }

    /// Decodes as far as the bytes at hand and the flash allow.
    #[inline(never)]
    pub(crate) fn decode<C, O, S, J, V, H>(
        &mut self,
        decoder: &mut Option<C::Decoder<'w, '_>>,
        parts: &mut Parts<O, S, J, V, H>,
    ) -> Result<(), Stop>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        H: HandOver<S>,
    {
        let Some(decoder) = decoder else {
            return Err(Stop::Bug);
        };
        while self.stage == Stage::Decoding {
            let mut point = ResumePoint::default();
            let jumps = self.resumes && C::map_ready(decoder) && self.aim(&mut point);
            if !jumps {
                if !self.receiver.is_ready() {
                    if self.receiver.is_checked() {
                        self.receiver.advance_chunk();
                    }
                    break;
                }
                if parts.slot.is_busy() || parts.journal.is_busy() {
                    break;
                }
            }
            self.step::<C, _, _, _, _, _>(decoder, parts, jumps.then_some(&point))?;
        }
        Ok(())
    }

    /// A step, or, where there is a `point`, a jump to it.
    #[inline(always)]
    fn step<C, O, S, J, V, H>(
        &mut self,
        decoder: &mut C::Decoder<'w, '_>,
        parts: &mut Parts<O, S, J, V, H>,
        point: Option<&ResumePoint>,
    ) -> Result<(), Stop>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        H: HandOver<S>,
    {
        let mut old = OldImage {
            flash: &mut parts.old,
            cache: &mut self.old_cache,
        };
        if point.is_none() {
            let run = C::run(decoder, &mut old, self.sink.room());
            if run > 0 {
                self.check_faults()?;
                return self.sink.filled(run, &mut parts.slot, &mut parts.journal);
            }
        }
        self.new_cache.size = self.sink.flushed();
        let mut new = NewImage {
            flash: &mut parts.slot,
            cache: &mut self.new_cache,
            page: self.sink.unflushed(),
        };
        let coded = if let Some(point) = point {
            C::jump(decoder, point, &mut old, &mut new)
        } else {
            let mut input = Input {
                bytes: self.receiver.readable().ok_or(Stop::Bug)?,
                last: self.receiver.is_last(),
                used: 0,
            };
            let coded = C::step(decoder, &mut input, &mut old, &mut new);
            let used = input.used;
            self.receiver.advance(used);
            coded
        };
        // First: a decoder that could not read an image says anything.
        self.check_faults()?;
        match &C::step_of(decoder, coded) {
            Err(e) => {
                self.broken = *e;
                return Err(Stop::Payload);
            }
            &Ok(Step::Output { word, len }) => {
                let at = self.sink.pos();
                if self.sink.new_size() - at < u32::from(len) {
                    self.broken = PayloadError::new(ErrorKind::OutputOverrun, at);
                    return Err(Stop::Payload);
                }
                self.sink.put(
                    word,
                    len,
                    &mut parts.slot,
                    &mut parts.journal,
                    &mut parts.hand_over,
                )?;
            }
            Ok(Step::Control) => {}
            Ok(Step::Reset) => {
                let point = C::resume_point(decoder);
                if let Some(link) = self.receiver.link_at(point.payload_pos) {
                    self.sink.reset(&point, link, &mut parts.journal)?;
                }
            }
            Ok(Step::Done) => self.done(C::payload_len(decoder))?,
        }
        Ok(())
    }

    #[inline]
    fn check_faults(&self) -> Result<(), Stop> {
        self.old_cache.check()?;
        self.new_cache.check()
    }

    /// Makes ready to jump to the journal's reset point, now that the map is known. False: there
    /// is none to jump to.
    #[cold]
    fn aim(&mut self, point: &mut ResumePoint) -> bool {
        // Behind the first step at the earliest, whatever codec it is.
        if self.receiver.used() == 0 {
            return false;
        }
        self.resumes = false;
        // Still the mark of the start: before the map is decoded nothing is written.
        let mut link = Default::default();
        if !self.sink.resume_point(point, &mut link) {
            return false;
        }
        let Some(skipped) = point.new_pos.checked_sub(self.sink.pos()) else {
            return false;
        };
        if !self.receiver.jump(point.payload_pos, &link) {
            return false;
        }
        self.skipped = skipped;
        self.sink.jump(point.new_pos);
        true
    }

    /// The decoder has finished, with `used` bytes: so must have the payload and the image.
    #[cold]
    fn done(&mut self, used: u32) -> Result<(), Stop> {
        // More than was there can only have been used at the end.
        let size = self.receiver.checked();
        let kind = if self.sink.pos() != self.sink.new_size() || used > size {
            ErrorKind::PayloadTruncated
        } else if !self.receiver.is_last() || used < size {
            ErrorKind::PayloadTrailing
        } else {
            self.stage = Stage::Written;
            return Ok(());
        };
        self.broken = PayloadError::new(kind, used);
        Err(Stop::Payload)
    }

    /// Whether the slot holds what it should.
    pub(crate) fn read_back<S: Flash>(&mut self, slot: &mut S) -> Result<(), Stop> {
        let place = (self.sink.offset(), self.sink.new_size());
        let buf = self.receiver.scratch();
        let wrong = (Stop::NewImage, Stop::slot as fn(Fault) -> Stop);
        holds(slot, wrong, place, buf, &self.new_digest)
    }
}

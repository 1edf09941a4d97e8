//! The machine that joins all parts: bytes in, new image in the slot.
//!
//! A state enum whose variants own what they need: `Opening` collects the envelope in
//! the whole workspace, `Running` has cut it up for decoding, `Failed` is final and
//! repeats its error. Nothing blocks and nothing is asked of a transport but bytes: it
//! pushes what it has, at any split, and looks where the patcher wants to go on.

use crate::codec::{Codec, Deltamote};
use crate::error::{Device as FlashDevice, Error};
use crate::flash::{Fault, Flash, Geometry};
use crate::hand_over::HandOver;
use crate::hashes::{Hash, sha256};
use crate::journal::Journal;
use crate::receive::{Receiver, link_of};
use crate::sabotage::{Rule, broken};
use crate::signature::Verifier;
use crate::sink::Sink;
use crate::source::{Cache, NewImage, OldImage};
use crate::trust::{self, Device};
use crate::workspace::{CACHE_BYTES, WorkspaceRef};
use core::ops::Range;
use deltamote_format::chain::{Layout, Link};
use deltamote_format::codec::{STEP_RESERVE, Step};
use deltamote_format::coder::Input;
use deltamote_format::envelope::{self, HEAD_BYTES, OPEN_HEADROOM, Opened, Purpose};
use deltamote_format::journal::{ResetMark, binding_message};
use deltamote_format::le;
use deltamote_format::manifest::View;
use deltamote_format::model::Prior;
use deltamote_format::{ErrorKind, Limits, Profile};

/// What the patcher works with. Any of the flash devices may be `&mut` of one.
#[derive(Debug)]
pub struct Parts<O, S, J, V, H> {
    /// Holds the old image; only read.
    pub old: O,
    /// Takes the new image.
    pub slot: S,
    /// Takes the journal: two erase blocks or more.
    pub journal: J,
    /// Checks signatures.
    pub verifier: V,
    /// Tells the bootloader.
    pub hand_over: H,
}

/// How far the patcher is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes of this push that are done with: all, unless the flash is busy
    /// ([`Flash::is_busy`]).
    pub consumed: usize,
    /// Patch offset of the next byte needed: see [`Patcher::wanted_offset`].
    pub wanted: u32,
    /// New-image bytes decoded.
    pub decoded: u32,
    /// New-image bytes in the slot that a power cut cannot take back.
    pub written: u32,
    /// Bytes of the new image; 0 until the manifest is known.
    pub new_size: u32,
    /// New-image bytes that were not decoded again because a former session had.
    pub skipped: u32,
    /// Nothing more is needed: call [`Patcher::finish`].
    pub complete: bool,
}

/// Applies one patch.
///
/// Failures are final (the same error comes back on every call) except those that say
/// otherwise; a new patcher on the same flash resumes.
pub struct Patcher<'w, 'p, O, S, J, V, H, C: Codec = Deltamote> {
    parts: Parts<O, S, J, V, H>,
    /// Patch offset behind the last byte pushed.
    position: u32,
    /// From the manifest on. Beside the state, which is moved and therefore better small.
    decoder: Option<C::Decoder<'w, 'p>>,
    state: State<'w, 'p>,
}

// `Running` is large, and there is no heap to put it on.
#[allow(clippy::large_enum_variant)]
enum State<'w, 'p> {
    Opening(Opening<'w, 'p>),
    Running(Running<'w>),
    Failed(Error),
}

/// Before the manifest: head and envelope.
struct Opening<'w, 'p> {
    workspace: WorkspaceRef<'w>,
    device: Device<'p>,
    head: [u8; HEAD_BYTES],
    /// Bytes of head and envelope that have arrived.
    arrived: usize,
}

/// What the signature vouches for.
#[derive(Default)]
struct Signed {
    /// Where the manifest lies in the workspace.
    manifest: Range<usize>,
    envelope_digest: [u8; 32],
}

/// What the manifest says, once it is known to be for this device.
struct Plan<'p> {
    profile: Profile,
    prior: Option<Prior<'p>>,
    layout: Layout,
    first_chunk: Link,
    old_size: u32,
    new_size: u32,
    new_digest: [u8; 32],
    #[cfg(feature = "encryption")]
    key: Option<crate::encryption::ContentKey>,
}

/// From the manifest on.
struct Running<'w> {
    /// The decoder's words, until it has them.
    words: &'w mut [u16],
    receiver: Receiver<'w>,
    sink: Sink<'w>,
    old_cache: Cache<'w>,
    new_cache: Cache<'w>,
    old_offset: u32,
    old_size: u32,
    new_offset: u32,
    new_size: u32,
    new_digest: [u8; 32],
    /// Whether to jump to the journal's reset point, once the map is decoded.
    resumes: bool,
    /// New-image bytes jumped over.
    skipped: u32,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Decoding,
    /// The slot is written.
    Written,
    /// The slot was read back and is right.
    Verified,
    /// The bootloader knows.
    Pending,
    /// The journal is cleared.
    Over,
}

impl<'w, 'p, O, S, J, V, H> Patcher<'w, 'p, O, S, J, V, H>
where
    O: Flash,
    S: Flash,
    J: Flash,
    V: Verifier,
    H: HandOver<S>,
{
    /// A patcher in front of a patch, or in front of the rest of one: what was done
    /// before is in the journal.
    pub fn new(
        workspace: WorkspaceRef<'w>,
        device: Device<'p>,
        parts: Parts<O, S, J, V, H>,
    ) -> Self {
        Patcher::with_codec(workspace, device, parts)
    }
}

impl<'w, 'p, O, S, J, V, H, C> Patcher<'w, 'p, O, S, J, V, H, C>
where
    O: Flash,
    S: Flash,
    J: Flash,
    V: Verifier,
    H: HandOver<S>,
    C: Codec,
{
    /// As [`Patcher::new`], for another payload codec.
    pub fn with_codec(
        workspace: WorkspaceRef<'w>,
        device: Device<'p>,
        parts: Parts<O, S, J, V, H>,
    ) -> Self {
        let opening = Opening {
            workspace,
            device,
            head: [0; HEAD_BYTES],
            arrived: 0,
        };
        Patcher {
            parts,
            position: 0,
            decoder: None,
            state: State::Opening(opening),
        }
    }

    /// Patch offset of the next byte needed. After a resume it jumps forward once: a
    /// transport that can seek saves the bytes between, one that cannot goes on pushing
    /// and they are skipped.
    pub fn wanted_offset(&self) -> u32 {
        match &self.state {
            State::Opening(opening) => opening.arrived as u32,
            State::Running(run) => run.wanted(),
            State::Failed(_) => self.position,
        }
    }

    /// Takes the bytes that follow those pushed last.
    ///
    /// # Errors
    /// Why the patch is not applied; final.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Progress, Error> {
        self.push_at(self.position, bytes)
    }

    /// Takes bytes that begin at patch offset `offset`. Those that are not needed are
    /// skipped.
    ///
    /// # Errors
    /// [`Error::Gap`] if they begin behind the byte that is needed (nothing is taken;
    /// not final), else why the patch is not applied; final.
    pub fn push_at(&mut self, offset: u32, bytes: &[u8]) -> Result<Progress, Error> {
        if let State::Failed(e) = self.state {
            return Err(e);
        }
        let wanted = self.wanted_offset();
        if offset > wanted && !self.at_end() {
            return Err(Error::Gap { wanted });
        }
        match self.consume(offset, bytes) {
            Ok(consumed) => Ok(self.progress(consumed)),
            Err(e) => Err(self.fail(e)),
        }
    }

    /// Reads the whole new image back, compares its digest with the manifest's, and
    /// only then hands over to the bootloader. May be called again after
    /// [`Error::Incomplete`], [`Error::HandOver`] and success.
    ///
    /// # Errors
    /// Why the new image must not be booted.
    pub fn finish(&mut self) -> Result<(), Error> {
        let run = match &mut self.state {
            State::Failed(e) => return Err(*e),
            State::Opening(_) => return Err(Error::Incomplete),
            State::Running(run) => run,
        };
        if run.stage == Stage::Decoding {
            return Err(Error::Incomplete);
        }
        if broken(Rule::DigestFirst) && run.stage == Stage::Written {
            let slot = &mut self.parts.slot;
            let set = self.parts.hand_over.set_pending(slot, run.new_size);
            set.map_err(Error::HandOver)?;
        }
        if run.stage == Stage::Written {
            if let Err(e) = run.read_back(&mut self.parts.slot) {
                return Err(self.fail(e));
            }
            run.stage = Stage::Verified;
        }
        if run.stage == Stage::Verified {
            self.parts
                .hand_over
                .set_pending(&mut self.parts.slot, run.new_size)
                .map_err(Error::HandOver)?;
            run.stage = Stage::Pending;
        }
        if run.stage == Stage::Pending {
            // From now on the slot is the bootloader's: the journal's claim ends.
            run.sink.forget(&mut self.parts.journal)?;
            run.stage = Stage::Over;
        }
        Ok(())
    }

    /// Goes on decoding where [`Flash::is_busy`] stopped it. To be called before the next
    /// push, and again until the flash is not busy any more: what an adapter for flash
    /// that works by and by does, and nobody else needs.
    ///
    /// # Errors
    /// As [`Patcher::push`].
    pub fn go_on(&mut self) -> Result<Progress, Error> {
        let done = match &mut self.state {
            State::Failed(e) => return Err(*e),
            State::Running(run) if run.stage == Stage::Decoding => {
                run.decode::<C, _, _, _, _, _>(&mut self.decoder, &mut self.parts)
            }
            _ => Ok(()),
        };
        match done {
            Ok(()) => Ok(self.progress(0)),
            Err(e) => Err(self.fail(e)),
        }
    }

    /// The parts, for what they can do besides. Flash must be left as it is.
    pub fn parts_mut(&mut self) -> &mut Parts<O, S, J, V, H> {
        &mut self.parts
    }

    /// Gives the parts back.
    pub fn into_parts(self) -> Parts<O, S, J, V, H> {
        self.parts
    }

    fn at_end(&self) -> bool {
        matches!(&self.state, State::Running(run) if run.stage != Stage::Decoding)
    }

    fn progress(&self, consumed: usize) -> Progress {
        let (decoded, written, new_size, skipped) = match &self.state {
            State::Running(run) => (
                run.sink.pos(),
                run.sink.frontier(),
                run.new_size,
                run.skipped,
            ),
            _ => (0, 0, 0, 0),
        };
        Progress {
            consumed,
            wanted: self.wanted_offset(),
            decoded,
            written,
            new_size,
            skipped,
            complete: self.at_end(),
        }
    }

    fn consume(&mut self, offset: u32, bytes: &[u8]) -> Result<usize, Error> {
        let mut at = offset;
        let mut rest = bytes;
        self.position = at;
        while !rest.is_empty() {
            let wanted = self.wanted_offset();
            let n = if at < wanted {
                rest.len().min((wanted - at) as usize)
            } else if at == wanted {
                self.take(rest)?
            } else {
                return Err(Error::TrailingBytes);
            };
            if n == 0 {
                return Err(Error::TrailingBytes);
            }
            rest = rest.get(n..).ok_or(Error::Bug)?;
            at = at.checked_add(n as u32).ok_or(Error::TrailingBytes)?;
            self.position = at;
            if self.parts.slot.is_busy() || self.parts.journal.is_busy() {
                return Ok(bytes.len() - rest.len());
            }
        }
        Ok(bytes.len())
    }

    /// Takes some of the bytes at the wanted offset; gives how many, 0 at the end.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        match &mut self.state {
            State::Failed(e) => Err(*e),
            State::Running(run) => {
                run.take::<C, _, _, _, _, _>(bytes, &mut self.decoder, &mut self.parts)
            }
            State::Opening(opening) => {
                let n = opening.take(bytes)?;
                if opening.is_complete()? {
                    self.start()?;
                }
                Ok(n)
            }
        }
    }

    /// The envelope is there: all checks, then from `Opening` to `Running`. Each part is
    /// a function of its own that leaves nothing on the stack for the next.
    #[inline(never)]
    fn start(&mut self) -> Result<(), Error> {
        let State::Opening(opening) = &mut self.state else {
            return Err(Error::Bug);
        };
        let mut signed = Signed::default();
        opening.signed(&self.parts.verifier, &mut signed)?;
        self.prepare(&signed)
    }

    #[inline(never)]
    fn prepare(&mut self, signed: &Signed) -> Result<(), Error> {
        let State::Opening(opening) = &mut self.state else {
            return Err(Error::Bug);
        };
        let mut plan = opening.plan::<O, S, J, V, H, C>(signed, &mut self.parts)?;
        self.run(signed, &mut plan)?;
        self.take_over()?;
        self.start_decoder(&plan)
    }

    /// Goes from `Opening` to `Running`, but for the decoder.
    #[inline(never)]
    fn run(&mut self, signed: &Signed, plan: &mut Plan<'p>) -> Result<(), Error> {
        let State::Opening(opening) = &mut self.state else {
            return Err(Error::Bug);
        };
        let payload_start = opening.arrived as u32;
        let words = core::mem::take(&mut opening.workspace.words);
        let mut rest = core::mem::take(&mut opening.workspace.bytes);
        let slot = self.parts.slot.geometry();
        let (old_offset, new_offset) = (opening.device.old_offset, opening.device.new_offset);
        let first_block = slot.block(new_offset).map_or(0, |block| block.len);
        let binding = link_of(&binding_message(
            &signed.envelope_digest,
            slot.size,
            slot.write_size,
            first_block,
            new_offset,
        ));
        let journal = Journal::new(self.parts.journal.geometry(), binding);
        let limits = plan.profile.limits();
        let page = cut(&mut rest, limits.page_bytes)?;
        let window = cut(&mut rest, STEP_RESERVE + limits.chunk_bytes)?;
        let old_cache = Cache::new(cut(&mut rest, CACHE_BYTES)?);
        let new_cache = Cache::new(cut(&mut rest, CACHE_BYTES)?);
        let sink = Sink::new(page, plan.new_size, new_offset, slot, journal);
        #[allow(unused_mut)]
        let mut receiver = Receiver::new(window, plan.layout, payload_start, plan.first_chunk);
        #[cfg(feature = "encryption")]
        receiver.decrypt(plan.key.take());
        self.state = State::Running(Running {
            words,
            receiver,
            old_cache,
            new_cache,
            old_offset,
            old_size: plan.old_size,
            new_offset,
            new_size: plan.new_size,
            new_digest: plan.new_digest,
            resumes: false,
            skipped: 0,
            stage: Stage::Decoding,
            sink,
        });
        Ok(())
    }

    /// Goes on where the journal says.
    #[inline(never)]
    fn take_over(&mut self) -> Result<(), Error> {
        let State::Running(run) = &mut self.state else {
            return Err(Error::Bug);
        };
        run.sink.take_over(&mut self.parts.journal)?;
        run.resumes = run.sink.resume_point().is_some() && !broken(Rule::Resume);
        if run.sink.is_complete() {
            run.skipped = run.new_size;
            run.stage = Stage::Written;
        }
        Ok(())
    }

    #[inline(never)]
    fn start_decoder(&mut self, plan: &Plan<'p>) -> Result<(), Error> {
        let State::Running(run) = &mut self.state else {
            return Err(Error::Bug);
        };
        let words = core::mem::take(&mut run.words);
        let sizes = (plan.old_size, plan.new_size);
        C::start_in(&mut self.decoder, words, plan.profile, sizes, plan.prior)?;
        Ok(())
    }

    /// Keeps the error. If what the slot holds led to it, the journal must not lead
    /// there again.
    fn fail(&mut self, e: Error) -> Error {
        let slot_is_bad = matches!(
            e,
            Error::NewImageMismatch
                | Error::Payload { .. }
                | Error::Geometry(FlashDevice::Slot)
                | Error::Flash(FlashDevice::Slot, Fault::Poisoned)
        );
        if let State::Running(run) = &mut self.state
            && slot_is_bad
        {
            // Failures here add nothing: the first error is the one to report.
            if e == Error::NewImageMismatch {
                // Handed over once, and gone bad since.
                let Parts {
                    hand_over, slot, ..
                } = &mut self.parts;
                let _ = hand_over.clear_pending(slot);
            }
            let _ = run.sink.forget(&mut self.parts.journal);
        }
        self.state = State::Failed(e);
        e
    }
}

impl<'p> Opening<'_, 'p> {
    /// Bytes of head and envelope, as far as known.
    fn expected(&self) -> Result<usize, Error> {
        if self.arrived < HEAD_BYTES {
            return Ok(HEAD_BYTES);
        }
        Ok(HEAD_BYTES + envelope::parse_head(&self.head)?)
    }

    fn is_complete(&self) -> Result<bool, Error> {
        Ok(self.arrived > HEAD_BYTES && self.arrived == self.expected()?)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let expected = self.expected()?;
        let n = bytes.len().min(expected.saturating_sub(self.arrived));
        let bytes = bytes.get(..n).ok_or(Error::Bug)?;
        let to = if self.arrived < HEAD_BYTES {
            self.head.get_mut(self.arrived..self.arrived + n)
        } else {
            let at = OPEN_HEADROOM + self.arrived - HEAD_BYTES;
            self.workspace.bytes.get_mut(at..at + n)
        };
        // The profile is not known yet; the workspace that it needs holds the envelope.
        let needed = (OPEN_HEADROOM + expected.saturating_sub(HEAD_BYTES)) as u32;
        le::copy(to.ok_or(Error::RamTooSmall { needed })?, bytes);
        self.arrived += n;
        Ok(n)
    }

    /// The first check of SPEC §4.2.
    #[inline(never)]
    fn signed<V: Verifier>(&mut self, verifier: &V, out: &mut Signed) -> Result<(), Error> {
        let bytes = &mut *self.workspace.bytes;
        let place = OPEN_HEADROOM..OPEN_HEADROOM + self.arrived - HEAD_BYTES;
        out.envelope_digest = sha256(bytes.get(place.clone()).ok_or(Error::Bug)?);
        let mut opened = Opened::default();
        opened.open(bytes, place, Purpose::Patch)?;
        trust::signature(bytes, &opened, self.device.allow_unsigned, verifier)?;
        out.manifest = opened.manifest();
        Ok(())
    }

    /// The other checks in the order of SPEC §4.2; none of them writes to flash.
    #[inline(never)]
    fn plan<O, S, J, V, H, C>(
        &mut self,
        signed: &Signed,
        parts: &mut Parts<O, S, J, V, H>,
    ) -> Result<Plan<'p>, Error>
    where
        O: Flash,
        S: Flash,
        J: Flash,
        H: HandOver<S>,
        V: Verifier,
        C: Codec,
    {
        let WorkspaceRef { words, bytes } = &mut self.workspace;
        let device = &self.device;
        let memory = (words.len(), bytes.len());
        let manifest = bytes.get(signed.manifest.clone()).ok_or(Error::Bug)?;
        let geometry = (
            parts.old.geometry().size,
            parts.slot.geometry(),
            parts.journal.geometry(),
        );
        let judges = (&parts.verifier, &mut parts.hand_over);
        let mut old_digest = [0; 32];
        // Nothing but this is given back, so that it is made where the caller wants it.
        let mut plan =
            planned::<C, S, V, H>(manifest, device, memory, &geometry, judges, &mut old_digest);
        if let Ok(good) = &plan {
            let old = (&mut parts.old, FlashDevice::Old);
            match &digest_image(old.0, old.1, device.old_offset, good.old_size, bytes) {
                Err(e) => plan = Err(*e),
                Ok(found) if *found != old_digest => plan = Err(Error::OldImageMismatch),
                Ok(_) => match parts.hand_over.is_confirmed(&mut parts.slot) {
                    Ok(true) => {}
                    Ok(false) => plan = Err(Error::NotConfirmed),
                    Err(fault) => plan = Err(Error::HandOver(fault)),
                },
            }
        }
        plan
    }
}

/// Checks 2 to 7, the application's say and the content key; gives the plan and, in
/// `old_digest`, the digest that the old image must have.
#[inline(never)]
fn planned<'p, C: Codec, S: Flash, V: Verifier, H: HandOver<S>>(
    manifest: &[u8],
    device: &Device<'p>,
    memory: (usize, usize),
    (old_room, slot, journal): &(u32, Geometry, Geometry),
    (verifier, hand_over): (&V, &mut H),
    old_digest: &mut [u8; 32],
) -> Result<Plan<'p>, Error> {
    let manifest = &mut View::new(manifest);
    manifest.read()?;
    let prior = trust::fitness::<C>(manifest, device, memory, *old_room, slot)?;
    let profile = manifest.profile();
    check_geometry(slot, journal, device, &profile.limits())?;
    if !hand_over.accepts(manifest) {
        return Err(Error::Declined);
    }
    #[cfg(not(feature = "encryption"))]
    let _ = verifier;
    // All that can be missing is asked for before anything is written.
    let bug = Error::Bug;
    let layout = manifest.layout().ok_or(bug)?;
    let first_chunk = manifest.first_chunk().first_chunk().ok_or(bug)?;
    let new_digest = manifest.new_digest().first_chunk().ok_or(bug)?;
    *old_digest = *manifest.old_digest().first_chunk().ok_or(bug)?;
    Ok(Plan {
        profile,
        prior: prior.copied(),
        layout,
        first_chunk: *first_chunk,
        old_size: manifest.old_size(),
        new_size: manifest.new_size(),
        new_digest: *new_digest,
        #[cfg(feature = "encryption")]
        key: match &manifest.encryption() {
            Some(encryption) => Some(verifier.content_key(encryption)?),
            None => None,
        },
    })
}

impl<'w> Running<'w> {
    fn wanted(&self) -> u32 {
        match self.stage {
            Stage::Decoding => self.receiver.wanted(),
            _ => self.receiver.end(),
        }
    }

    /// Takes bytes of one chunk and decodes as far as that allows.
    #[inline(never)]
    fn take<C, O, S, J, V, H>(
        &mut self,
        bytes: &[u8],
        decoder: &mut Option<C::Decoder<'w, '_>>,
        parts: &mut Parts<O, S, J, V, H>,
    ) -> Result<usize, Error>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        H: HandOver<S>,
    {
        if self.stage != Stage::Decoding {
            return Ok(0);
        }
        let n = self.receiver.take(bytes)?;
        self.decode::<C, _, _, _, _, _>(decoder, parts)?;
        Ok(n)
    }

    /// Decodes as far as the bytes at hand and the flash allow.
    #[inline]
    fn decode<C, O, S, J, V, H>(
        &mut self,
        decoder: &mut Option<C::Decoder<'w, '_>>,
        parts: &mut Parts<O, S, J, V, H>,
    ) -> Result<(), Error>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        H: HandOver<S>,
    {
        while self.stage == Stage::Decoding && self.receiver.is_ready() {
            if parts.slot.is_busy() || parts.journal.is_busy() {
                return Ok(());
            }
            self.step::<C, _, _, _, _, _>(decoder, parts)?;
        }
        if self.stage == Stage::Decoding && self.receiver.is_checked() {
            self.receiver.advance_chunk();
        }
        Ok(())
    }

    #[inline]
    fn step<C, O, S, J, V, H>(
        &mut self,
        decoder: &mut Option<C::Decoder<'w, '_>>,
        parts: &mut Parts<O, S, J, V, H>,
    ) -> Result<(), Error>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        H: HandOver<S>,
    {
        let mut input = Input {
            bytes: self.receiver.readable(),
            last: self.receiver.is_last(),
            used: 0,
        };
        let mut old = OldImage {
            flash: &mut parts.old,
            cache: &mut self.old_cache,
            offset: self.old_offset,
            size: self.old_size,
        };
        let decoder = decoder.as_mut().ok_or(Error::Bug)?;
        let run = C::run(decoder, &mut old, self.sink.room());
        if run > 0 {
            self.check_faults()?;
            return self.sink.filled(run, &mut parts.slot, &mut parts.journal);
        }
        let mut new = NewImage {
            flash: &mut parts.slot,
            cache: &mut self.new_cache,
            offset: self.new_offset,
            flushed: self.sink.flushed(),
            page: self.sink.unflushed(),
        };
        let step = C::step(decoder, &mut input, &mut old, &mut new);
        let used = input.used;
        self.receiver.advance(used);
        // First: a decoder that could not read an image says anything.
        self.check_faults()?;
        match step? {
            Step::Output { word, len } => self.sink.put(
                word,
                len,
                &mut parts.slot,
                &mut parts.journal,
                &mut parts.hand_over,
            )?,
            Step::Control => {}
            Step::Reset(point) => {
                if let Some(link) = self.receiver.link_at(point.payload_pos) {
                    let mark = ResetMark { point, link };
                    self.sink.reset(mark, &mut parts.journal)?;
                }
            }
            Step::Done => self.done(C::payload_len(decoder))?,
        }
        if self.resumes && C::map_ready(decoder) {
            self.jump::<C, _, _, _, _, _>(decoder, parts)?;
        }
        Ok(())
    }

    fn check_faults(&self) -> Result<(), Error> {
        if let Some(fault) = self.old_cache.fault() {
            return Err(Error::Flash(FlashDevice::Old, fault));
        }
        if let Some(fault) = self.new_cache.fault() {
            return Err(Error::Flash(FlashDevice::Slot, fault));
        }
        Ok(())
    }

    /// Goes to the journal's reset point, once the map is known.
    #[cold]
    fn jump<C: Codec, O: Flash, S: Flash, J, V, H>(
        &mut self,
        decoder: &mut C::Decoder<'w, '_>,
        parts: &mut Parts<O, S, J, V, H>,
    ) -> Result<(), Error> {
        self.resumes = false;
        // Still the mark of the start: before the map is decoded nothing is written.
        let Some(mark) = self.sink.resume_point() else {
            return Ok(());
        };
        if mark.point.new_pos < self.sink.pos() || !self.receiver.jump(&mark) {
            return Ok(());
        }
        self.skipped = mark.point.new_pos - self.sink.pos();
        self.sink.jump(mark.point.new_pos);
        let mut old = OldImage {
            flash: &mut parts.old,
            cache: &mut self.old_cache,
            offset: self.old_offset,
            size: self.old_size,
        };
        let mut new = NewImage {
            flash: &mut parts.slot,
            cache: &mut self.new_cache,
            offset: self.new_offset,
            flushed: self.sink.flushed(),
            page: self.sink.unflushed(),
        };
        let jumped = C::jump(decoder, &mark.point, &mut old, &mut new);
        self.check_faults()?;
        Ok(jumped?)
    }

    /// The decoder has finished, with `used` bytes: so must have the payload and the image.
    #[cold]
    fn done(&mut self, used: u32) -> Result<(), Error> {
        let kind = if self.sink.pos() != self.new_size || used > self.receiver.data_size() {
            ErrorKind::PayloadTruncated
        } else if !self.receiver.is_last() || used < self.receiver.data_size() {
            ErrorKind::PayloadTrailing
        } else {
            self.stage = Stage::Written;
            return Ok(());
        };
        Err(deltamote_format::Error::new(kind, used).into())
    }

    #[inline(never)]
    fn read_back<S: Flash>(&mut self, slot: &mut S) -> Result<(), Error> {
        let digest = digest_image(
            slot,
            FlashDevice::Slot,
            self.new_offset,
            self.new_size,
            self.receiver.scratch(),
        )?;
        if digest == self.new_digest {
            Ok(())
        } else {
            Err(Error::NewImageMismatch)
        }
    }
}

/// The next `n` bytes of the workspace.
fn cut<'w>(rest: &mut &'w mut [u8], n: usize) -> Result<&'w mut [u8], Error> {
    let all = core::mem::take(rest);
    let (head, tail) = all.split_at_mut_checked(n).ok_or(Error::Bug)?;
    *rest = tail;
    Ok(head)
}

/// Whether slot and journal can be written as they must be.
fn check_geometry(
    slot: &Geometry,
    journal: &Geometry,
    device: &Device<'_>,
    limits: &Limits,
) -> Result<(), Error> {
    let starts_block = slot
        .block(device.new_offset)
        .is_some_and(|block| block.start == device.new_offset);
    if !slot.is_sound(limits.page_bytes as u32) || !starts_block {
        return Err(Error::Geometry(FlashDevice::Slot));
    }
    if !Journal::suits(journal, limits.page_bytes) {
        return Err(Error::Geometry(FlashDevice::Journal));
    }
    Ok(())
}

/// SHA-256 of `size` bytes from `offset`, read through `buf`.
#[inline(never)]
fn digest_image<F: Flash>(
    flash: &mut F,
    device: FlashDevice,
    offset: u32,
    size: u32,
    buf: &mut [u8],
) -> Result<[u8; 32], Error> {
    let end = offset.checked_add(size).ok_or(Error::Bug)?;
    let mut hash = Hash::new();
    let mut at = offset;
    while at < end {
        let n = (end - at).min(buf.len() as u32).min(4096);
        let part = buf.get_mut(..n as usize).ok_or(Error::Bug)?;
        if n == 0 {
            return Err(Error::Bug);
        }
        flash
            .read(at, part)
            .map_err(|fault| Error::Flash(device, fault))?;
        hash.add(part);
        at += n;
    }
    Ok(hash.finish())
}

//! The machine that joins all parts: bytes in, new image in the slot.
//!
//! A stage says what is due: in `Opening` the envelope is collected in the whole workspace,
//! from `Decoding` on that is cut up for what runs then, `Failed` is final and
//! repeats its error. Nothing blocks and nothing is asked of a transport but bytes: it
//! pushes what it has, at any split, and looks where the patcher wants to go on.

use crate::codec::{Codec, Deltamote};
use crate::error::{Device as FlashDevice, Error, NO_RULE, Stop};
use crate::flash::{Fault, Flash, Geometry};
use crate::hand_over::HandOver;
use crate::hashes::{Hash, sha256};
use crate::journal::Journal;
use crate::receive::link_of;
use crate::running::{Running, Stage};
use crate::sabotage::{Rule, broken};
use crate::signature::Verifier;
use crate::trust::{self, Device};
use crate::workspace::{CACHE_BYTES, WorkspaceRef};
use core::ops::Range;
use deltamote_format::Limits;
use deltamote_format::codec::STEP_RESERVE;
use deltamote_format::envelope::{self, HEAD_BYTES, OPEN_HEADROOM, Opened, Purpose};
use deltamote_format::journal::{BINDING_MESSAGE, bind};
use deltamote_format::le;
use deltamote_format::manifest::View;
use deltamote_format::model::Prior;

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
// What is small and often used stands in front, where short instructions reach it.
#[repr(C)]
pub struct Patcher<'w, 'p, O, S, J, V, H, C: Codec = Deltamote> {
    /// Patch offset of the next byte needed.
    wanted: u32,
    /// Patch offset behind the last byte pushed.
    position: u32,
    /// What led to [`Stage::Failed`].
    error: Error,
    run: Running<'w>,
    opening: Opening<'w, 'p>,
    parts: Parts<O, S, J, V, H>,
    /// From the manifest on.
    decoder: Option<C::Decoder<'w, 'p>>,
}

/// Before the manifest: head and envelope.
struct Opening<'w, 'p> {
    workspace: WorkspaceRef<'w>,
    device: Device<'p>,
    /// Bytes of head and envelope that have arrived.
    arrived: usize,
    /// Bytes of head and envelope, as far as known: at first those of the head.
    expected: usize,
}

/// What the signature vouches for.
struct Signed {
    /// Where the manifest lies in the workspace.
    manifest: Range<usize>,
    /// The envelope's digest and room for what else the journal is bound to.
    binding: [u8; BINDING_MESSAGE],
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
        Patcher {
            parts,
            position: 0,
            wanted: 0,
            error: Error::Bug,
            opening: Opening {
                workspace,
                device,
                arrived: 0,
                expected: HEAD_BYTES,
            },
            run: Running::new(),
            decoder: None,
        }
    }

    /// Patch offset of the next byte needed. After a resume it jumps forward once: a
    /// transport that can seek saves the bytes between, one that cannot goes on pushing
    /// and they are skipped.
    pub fn wanted_offset(&self) -> u32 {
        self.wanted
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
        if self.run.stage == Stage::Failed {
            return Err(self.error);
        }
        let wanted = self.wanted;
        if offset > wanted && !self.at_end() {
            return Err(Error::Gap { wanted });
        }
        self.position = offset;
        let consumed = self.consume(bytes);
        self.progress(consumed)
    }

    /// Reads the whole new image back, compares its digest with the manifest's, and
    /// only then hands over to the bootloader. May be called again after
    /// [`Error::Incomplete`], [`Error::HandOver`] and success.
    ///
    /// # Errors
    /// Why the new image must not be booted.
    pub fn finish(&mut self) -> Result<(), Error> {
        let run = &mut self.run;
        match run.stage {
            Stage::Failed => return Err(self.error),
            Stage::Opening | Stage::Decoding => return Err(Error::Incomplete),
            _ => {}
        }
        if broken(Rule::DigestFirst) && run.stage == Stage::Written {
            let slot = &mut self.parts.slot;
            let set = self.parts.hand_over.set_pending(slot, run.sink.new_size());
            set.map_err(Error::HandOver)?;
        }
        if run.stage == Stage::Written {
            if let Err(stop) = run.read_back(&mut self.parts.slot) {
                self.fail(stop);
                return Err(self.error);
            }
            run.stage = Stage::Verified;
        }
        if run.stage == Stage::Verified {
            self.parts
                .hand_over
                .set_pending(&mut self.parts.slot, run.sink.new_size())
                .map_err(Error::HandOver)?;
            run.stage = Stage::Pending;
        }
        if run.stage == Stage::Pending {
            // From now on the slot is the bootloader's: the journal's claim ends.
            if let Err(stop) = run.sink.forget(&mut self.parts.journal) {
                return Err(stop.error(NO_RULE));
            }
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
        if self.run.stage == Stage::Decoding {
            self.decode(&[]);
        }
        self.progress(0)
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
        !matches!(
            self.run.stage,
            Stage::Opening | Stage::Decoding | Stage::Failed
        )
    }

    fn progress(&self, consumed: usize) -> Result<Progress, Error> {
        let run = &self.run;
        if run.stage == Stage::Failed {
            return Err(self.error);
        }
        Ok(Progress {
            consumed,
            wanted: self.wanted,
            decoded: run.sink.pos(),
            written: run.sink.frontier(),
            new_size: run.sink.new_size(),
            skipped: run.skipped,
            complete: self.at_end(),
        })
    }

    /// Takes bytes from `position` on; gives how many. May end in [`Stage::Failed`].
    fn consume(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = self.position;
            let n = if at < self.wanted {
                rest.len().min((self.wanted - at) as usize)
            } else if at == self.wanted {
                self.take(rest)
            } else {
                0
            };
            if self.run.stage == Stage::Failed {
                break;
            }
            let (Some(behind), Some(position), 1..) = (rest.get(n..), at.checked_add(n as u32), n)
            else {
                self.error = Error::TrailingBytes;
                self.fail(Stop::Told);
                break;
            };
            rest = behind;
            self.position = position;
            if self.parts.slot.is_busy() || self.parts.journal.is_busy() {
                break;
            }
        }
        bytes.len() - rest.len()
    }

    /// Takes some of the bytes at the wanted offset; gives how many, 0 at the end.
    fn take(&mut self, bytes: &[u8]) -> usize {
        match self.run.stage {
            Stage::Opening => self.open(bytes),
            Stage::Decoding => self.decode(bytes),
            _ => 0,
        }
    }

    /// Takes bytes of head and envelope; starts with what follows if they are complete.
    fn open(&mut self, bytes: &[u8]) -> usize {
        let n = match self.opening.take(bytes) {
            Ok(n) => n,
            Err(e) => {
                self.error = e;
                self.fail(Stop::Told);
                return 0;
            }
        };
        self.wanted = self.opening.arrived as u32;
        if self.opening.is_complete() {
            match self.start() {
                Ok(()) => self.wanted = self.run.receiver.wanted(),
                Err(stop) => self.fail(stop),
            }
        }
        n
    }

    /// Takes bytes of a chunk and decodes as far as bytes and flash allow.
    fn decode(&mut self, bytes: &[u8]) -> usize {
        let run = &mut self.run;
        let n = run.receiver.missing().min(bytes.len());
        let done = run.take::<C, _, _, _, _, _>(bytes, &mut self.decoder, &mut self.parts);
        self.wanted = run.receiver.wanted();
        if let Err(stop) = done {
            self.fail(stop);
        }
        n
    }

    /// The envelope is there: all checks, then from `Opening` to `Running`. Each part is
    /// a function of its own that leaves nothing on the stack for the next.
    #[inline(never)]
    fn start(&mut self) -> Result<(), Stop> {
        let mut signed = Signed {
            manifest: 0..0,
            binding: [0; BINDING_MESSAGE],
        };
        let error = &mut self.error;
        self.opening
            .signed(&self.parts.verifier, &mut signed, error)?;
        self.prepare(&mut signed)
    }

    #[inline(never)]
    fn prepare(&mut self, signed: &mut Signed) -> Result<(), Stop> {
        let plan = self
            .opening
            .plan::<O, S, J, V, H, C>(signed, &mut self.parts, &mut self.run);
        let prior = match plan {
            Ok(prior) => prior,
            Err(e) => return told(&mut self.error, e),
        };
        self.run(signed)?;
        let words = core::mem::take(&mut self.opening.workspace.words);
        start_decoder::<C>(&mut self.decoder, words, &mut self.run, prior)
    }

    /// Goes from `Opening` to `Decoding`, but for the decoder: on to where the journal says.
    #[inline(never)]
    fn run(&mut self, signed: &mut Signed) -> Result<(), Stop> {
        let Parts { slot, journal, .. } = &mut self.parts;
        let opening = &mut self.opening;
        let run = &mut self.run;
        let (old_offset, new_offset) = (opening.device.old_offset, opening.device.new_offset);
        let limits = run.profile.limits();
        let rest = &mut core::mem::take(&mut opening.workspace.bytes);
        run.sink.begin(cut(rest, limits.page_bytes), new_offset);
        run.receiver.begin(
            cut(rest, STEP_RESERVE + limits.chunk_bytes),
            opening.arrived as u32,
        );
        run.old_cache.begin(cut(rest, CACHE_BYTES), old_offset);
        run.new_cache.begin(cut(rest, CACHE_BYTES), new_offset);
        let geometry = slot.geometry();
        let first_block = geometry.block_here(new_offset).map_or(0, |block| block.len);
        let slot = [geometry.size, geometry.write_size, first_block, new_offset];
        bind(&mut signed.binding, &slot);
        run.sink.take_over(journal, &link_of(&signed.binding))?;
        run.resumes = !broken(Rule::Resume);
        run.stage = Stage::Decoding;
        if run.sink.is_complete() {
            run.skipped = run.sink.new_size();
            run.stage = Stage::Written;
            run.receiver.end();
        }
        Ok(())
    }

    /// Keeps what `stop` stands for. If what the slot holds led to it, the journal must not lead
    /// there again.
    #[inline(never)]
    fn fail(&mut self, stop: Stop) {
        let run = &mut self.run;
        if stop != Stop::Told {
            self.error = stop.error(run.broken);
        }
        let slot_is_bad = matches!(
            stop,
            Stop::NewImage | Stop::Payload | Stop::SlotGeometry | Stop::SlotPoisoned
        );
        if slot_is_bad && run.stage != Stage::Opening {
            // Failures here add nothing: the first error is the one to report.
            if stop == Stop::NewImage {
                // Handed over once, and gone bad since.
                let Parts {
                    hand_over, slot, ..
                } = &mut self.parts;
                let _ = hand_over.clear_pending(slot);
            }
            let _ = run.sink.forget(&mut self.parts.journal);
        }
        run.stage = Stage::Failed;
        self.wanted = self.position;
    }
}

/// Tells the error `e`: puts it where it is kept.
fn told(error: &mut Error, e: Error) -> Result<(), Stop> {
    *error = e;
    Err(Stop::Told)
}

impl<'p> Opening<'_, 'p> {
    /// Whether head and envelope have arrived.
    fn is_complete(&self) -> bool {
        self.arrived > HEAD_BYTES && self.arrived == self.expected
    }

    fn take(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        // The head lies in front of the envelope, where room will be needed later.
        const FRONT: usize = OPEN_HEADROOM - HEAD_BYTES;
        let place = &mut *self.workspace.bytes;
        if self.arrived == HEAD_BYTES {
            let head = place.get(FRONT..).and_then(<[u8]>::first_chunk);
            self.expected = HEAD_BYTES + envelope::parse_head(head.ok_or(Error::Bug)?)?;
        }
        let n = bytes.len().min(self.expected - self.arrived);
        let at = FRONT + self.arrived;
        // The profile is not known yet; the workspace that it needs holds the envelope.
        let needed = (FRONT + self.expected) as u32;
        let to = place.get_mut(at..at + n);
        le::copy(to.ok_or(Error::RamTooSmall { needed })?, bytes);
        self.arrived += n;
        Ok(n)
    }

    /// The first check of SPEC §4.2. What it finds wrong is told in `error`.
    #[inline(never)]
    fn signed<V: Verifier>(
        &mut self,
        verifier: &V,
        out: &mut Signed,
        error: &mut Error,
    ) -> Result<(), Stop> {
        match self.authentic(verifier, out) {
            Ok(()) => Ok(()),
            Err(e) => told(error, e),
        }
    }

    #[inline(always)]
    fn authentic<V: Verifier>(&mut self, verifier: &V, out: &mut Signed) -> Result<(), Error> {
        let bytes = &mut *self.workspace.bytes;
        let place = OPEN_HEADROOM..OPEN_HEADROOM + self.arrived - HEAD_BYTES;
        let digest = out.binding.first_chunk_mut().ok_or(Error::Bug)?;
        *digest = sha256(bytes.get(place.clone()).ok_or(Error::Bug)?);
        let mut opened = Opened::default();
        opened.open(bytes, place, Purpose::Patch)?;
        trust::signature(bytes, &opened, self.device.allow_unsigned, verifier)?;
        out.manifest = opened.manifest();
        Ok(())
    }

    /// The other checks in the order of SPEC §4.2; none of them writes to flash. What decoding
    /// needs to know goes to `run`.
    #[inline(never)]
    fn plan<O, S, J, V, H, C>(
        &mut self,
        signed: &Signed,
        parts: &mut Parts<O, S, J, V, H>,
        run: &mut Running<'_>,
    ) -> Result<Option<&'p Prior<'p>>, Error>
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
        let devices = (&parts.old, &parts.slot, &parts.journal);
        let judges = (&parts.verifier, &mut parts.hand_over);
        let mut old_digest = [0; 32];
        // Nothing but this is given back, so that it is made where the caller wants it.
        let digests = (&mut *run, &mut old_digest);
        let mut plan =
            planned::<C, O, S, J, V, H>(manifest, device, memory, devices, judges, digests);
        if plan.is_ok() {
            let place = (device.old_offset, run.old_cache.size);
            let wrong = (Stop::OldImage, Stop::old as fn(Fault) -> Stop);
            match holds(&mut parts.old, wrong, place, bytes, &old_digest) {
                Err(stop) => plan = Err(stop.error(NO_RULE)),
                Ok(()) => match parts.hand_over.is_confirmed(&mut parts.slot) {
                    Ok(true) => {}
                    Ok(false) => plan = Err(Error::NotConfirmed),
                    Err(fault) => plan = Err(Error::HandOver(fault)),
                },
            }
        }
        plan
    }
}

/// Checks 2 to 7, the application's say and the content key; gives the prior and, in `run` and
/// `old_digest`, what else is needed, the latter the digest that the old image must have.
#[inline(never)]
fn planned<'p, C: Codec, O: Flash, S: Flash, J: Flash, V: Verifier, H: HandOver<S>>(
    manifest: &[u8],
    device: &Device<'p>,
    memory: (usize, usize),
    (old, slot, journal): (&O, &S, &J),
    (verifier, hand_over): (&V, &mut H),
    (run, old_digest): (&mut Running<'_>, &mut [u8; 32]),
) -> Result<Option<&'p Prior<'p>>, Error> {
    let manifest = &mut View::new(manifest);
    manifest.read()?;
    let prior = trust::fitness::<C>(
        manifest,
        device,
        memory,
        old.geometry().size,
        &slot.geometry(),
    )?;
    let profile = manifest.profile();
    check_geometry(
        &slot.geometry(),
        &journal.geometry(),
        device,
        &profile.limits(),
    )?;
    if !hand_over.accepts(manifest) {
        return Err(Error::Declined);
    }
    #[cfg(not(feature = "encryption"))]
    let _ = verifier;
    // All that can be missing is asked for before anything is written.
    let bug = Error::Bug;
    let layout = manifest.layout().ok_or(bug)?;
    let first_chunk = manifest.first_chunk().first_chunk().ok_or(bug)?;
    run.new_digest = *manifest.new_digest().first_chunk().ok_or(bug)?;
    *old_digest = *manifest.old_digest().first_chunk().ok_or(bug)?;
    run.receiver.expect(layout, first_chunk);
    run.sink.expect(manifest.new_size());
    run.old_cache.size = manifest.old_size();
    #[cfg(feature = "encryption")]
    if let Some(encryption) = &manifest.encryption() {
        run.receiver.decrypt(verifier.content_key(encryption)?);
    }
    run.profile = profile;
    Ok(prior)
}

#[inline(never)]
fn start_decoder<'w, 'p, C: Codec>(
    place: &mut Option<C::Decoder<'w, 'p>>,
    words: &'w mut [u16],
    run: &mut Running<'_>,
    prior: Option<&Prior<'p>>,
) -> Result<(), Stop> {
    let sizes = (run.old_cache.size, run.sink.new_size());
    match C::start_in(place, words, run.profile, sizes, prior.copied()) {
        Ok(()) => Ok(()),
        Err(e) => {
            run.broken = e;
            Err(Stop::Payload)
        }
    }
}

/// The next `n` bytes of the workspace; none if it has fewer, which was checked.
#[inline(never)]
fn cut<'w>(rest: &mut &'w mut [u8], n: usize) -> &'w mut [u8] {
    match core::mem::take(rest).split_at_mut_checked(n) {
        Some((head, tail)) => {
            *rest = tail;
            head
        }
        None => &mut [],
    }
}

/// Whether slot and journal can be written as they must be.
#[inline(always)]
fn check_geometry(
    slot: &Geometry,
    journal: &Geometry,
    device: &Device<'_>,
    limits: &Limits,
) -> Result<(), Error> {
    let starts_block = slot
        .block_here(device.new_offset)
        .is_some_and(|block| block.start == device.new_offset);
    if !slot.is_sound(limits.page_bytes as u32) || !starts_block {
        return Err(Error::Geometry(FlashDevice::Slot));
    }
    if !Journal::suits(journal, limits.page_bytes) {
        return Err(Error::Geometry(FlashDevice::Journal));
    }
    Ok(())
}

/// Whether the `size` bytes from `offset`, read through `buf`, have this digest: `other` if
/// not. `failed` says of which device a fault is.
#[inline(never)]
pub(crate) fn holds<F: Flash>(
    flash: &mut F,
    (other, failed): (Stop, fn(Fault) -> Stop),
    (offset, size): (u32, u32),
    buf: &mut [u8],
    digest: &[u8; 32],
) -> Result<(), Stop> {
    let end = offset.checked_add(size).ok_or(Stop::Bug)?;
    let mut hash = Hash::new();
    let mut at = offset;
    while at < end {
        let n = (end - at).min(buf.len() as u32).min(4096);
        let part = buf.get_mut(..n as usize).ok_or(Stop::Bug)?;
        if n == 0 {
            return Err(Stop::Bug);
        }
        flash.read(at, part).map_err(failed)?;
        hash.add(part);
        at += n;
    }
    if hash.finish() == *digest {
        Ok(())
    } else {
        Err(other)
    }
}

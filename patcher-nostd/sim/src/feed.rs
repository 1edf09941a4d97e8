//! The firmware around the patcher: makes one, feeds it, finishes.

use crate::device::{Options, Stats, Transport};
use crate::power::Power;
use deltamote_patcher::codec::Codec;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::chain::Layout;
use deltamote_patcher::format::envelope::{self, HEAD_BYTES};
use deltamote_patcher::format::manifest::Manifest;
use deltamote_patcher::{
    Error, Flash, HandOver, Parts, Patcher, Progress, Verifier, WorkspaceRef, workspace_bytes,
    workspace_words,
};

/// What a patch says of itself, whoever wrote it.
pub(crate) struct Announced {
    pub(crate) profile: Profile,
    pub(crate) new_size: u32,
    pub(crate) layout: Layout,
    /// Patch offset of the payload.
    pub(crate) payload_start: u32,
}

pub(crate) fn announced(patch: &[u8]) -> Option<Announced> {
    let len = envelope::parse_head(patch.first_chunk::<HEAD_BYTES>()?).ok()?;
    let envelope = patch.get(HEAD_BYTES..HEAD_BYTES + len)?;
    let envelope = envelope::Envelope::parse(envelope).ok()?;
    let manifest = Manifest::parse(envelope.manifest).ok()?;
    Some(Announced {
        profile: manifest.profile,
        new_size: manifest.new_size,
        layout: manifest.layout()?,
        payload_start: (HEAD_BYTES + len) as u32,
    })
}

/// Bytes around the workspace that must stay as they are.
const GUARD: usize = 64;
/// What memory holds after a reset: never what a program might hope for.
const NOISE: u8 = 0xa7;
/// A larger workspace is not filled with it, or filling is most of the work.
const NOISE_MOST: usize = 1 << 17;

/// `len` items of memory between two guards.
fn memory<T: Copy + Default>(len: usize, noise: T) -> Vec<T> {
    let mut memory = vec![T::default(); len + 2 * GUARD];
    let all = memory.len();
    memory[..GUARD].fill(noise);
    memory[all - GUARD..].fill(noise);
    if len <= NOISE_MOST {
        memory.fill(noise);
    }
    memory
}

fn is_guarded<T: PartialEq>(memory: &[T], noise: T) -> bool {
    let guards = memory[..GUARD]
        .iter()
        .chain(&memory[memory.len() - GUARD..]);
    guards.into_iter().all(|item| *item == noise)
}

/// A patcher, whatever it is made of.
trait Takes {
    fn push_at(&mut self, offset: u32, bytes: &[u8]) -> Result<Progress, Error>;
    fn pull_from(&mut self, patch: &[u8], buf: &mut [u8]) -> Result<Progress, Error>;
    fn finish(&mut self) -> Result<(), Error>;
}

impl<O, S, J, V, H, C> Takes for Patcher<'_, '_, O, S, J, V, H, C>
where
    C: Codec,
    O: Flash,
    S: Flash,
    J: Flash,
    V: Verifier,
    H: HandOver<S>,
{
    fn push_at(&mut self, offset: u32, bytes: &[u8]) -> Result<Progress, Error> {
        Patcher::push_at(self, offset, bytes)
    }
    fn pull_from(&mut self, mut patch: &[u8], buf: &mut [u8]) -> Result<Progress, Error> {
        self.pull(&mut patch, buf)
    }
    fn finish(&mut self) -> Result<(), Error> {
        Patcher::finish(self)
    }
}

/// One boot's worth of feeding.
pub(crate) struct Feed<'a> {
    pub(crate) patch: &'a [u8],
    pub(crate) options: &'a Options,
    pub(crate) power: &'a Power,
}

impl Feed<'_> {
    pub(crate) fn run<C, O, S, J, V, H>(
        &self,
        parts: Parts<O, S, J, V, H>,
        stats: &mut Stats,
    ) -> Result<u32, Error>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        V: Verifier,
        H: HandOver<S>,
    {
        let profile = announced(self.patch).map_or(Profile::Small, |said| said.profile);
        let profile = profile.min(self.options.device.profile);
        let sizes = (workspace_words(profile), workspace_bytes(profile));
        let noise = (u16::from(NOISE) * 0x101, NOISE);
        let mut words = memory(sizes.0, noise.0);
        let mut bytes = memory(sizes.1, noise.1);
        stats.sessions += 1;
        stats.workspace_bytes = 2 * sizes.0 + sizes.1;
        let workspace = WorkspaceRef {
            words: &mut words[GUARD..][..sizes.0],
            bytes: &mut bytes[GUARD..][..sizes.1],
        };
        let mut patcher: Patcher<'_, '_, _, _, _, _, _, C> =
            Patcher::with_codec(workspace, self.options.device, parts);
        let done = self.deliver(&mut patcher, stats);
        drop(patcher);
        stats.kept_to_workspace = is_guarded(&words, noise.0) && is_guarded(&bytes, noise.1);
        done
    }

    /// Gives the patcher all that it wants, and lets it finish.
    fn deliver(&self, patcher: &mut impl Takes, stats: &mut Stats) -> Result<u32, Error> {
        let done = match self.options.transport {
            Transport::Clean => self.in_order(patcher, stats),
            Transport::Lossy => self.lossy(patcher, stats),
            Transport::Staged => self.staged(patcher),
        }?;
        stats.skipped_bytes = done.skipped;
        patcher.finish()?;
        Ok(done.new_size)
    }

    fn piece(&self, at: usize) -> &[u8] {
        let rest = self.patch.get(at..).unwrap_or(&[]);
        match self.options.split {
            0 => rest,
            split => &rest[..split.min(rest.len())],
        }
    }

    fn in_order(&self, patcher: &mut impl Takes, stats: &mut Stats) -> Result<Progress, Error> {
        let mut at = 0;
        let mut progress = patcher.push_at(0, &[])?;
        while at < self.patch.len() {
            let piece = self.piece(at);
            stats.pushed_bytes += piece.len() as u64;
            self.power.note_pushed(stats.pushed_bytes);
            progress = patcher.push_at(at as u32, piece)?;
            at += piece.len();
            let wanted = progress.wanted as usize;
            if wanted > at && self.options.seek {
                stats.jumps.push(progress.wanted);
                at = wanted;
            }
        }
        Ok(progress)
    }

    /// One piece in four gets lost, one in four comes again, with others around it.
    fn lossy(&self, patcher: &mut impl Takes, stats: &mut Stats) -> Result<Progress, Error> {
        let mut at = 0;
        let mut progress = patcher.push_at(0, &[])?;
        while !progress.complete {
            if at >= self.patch.len() || !self.power.access() {
                return Err(Error::Incomplete);
            }
            match self.power.below(4) {
                0 => at += self.piece(at).len(),
                1 => at -= at.min(self.power.below(200)),
                _ => {}
            }
            let piece = self.piece(at);
            stats.pushed_bytes += piece.len() as u64;
            match patcher.push_at(at as u32, piece) {
                Ok(after) => {
                    at += piece.len();
                    progress = after;
                }
                Err(Error::Gap { wanted }) => at = wanted as usize,
                Err(e) => return Err(e),
            }
            // Nobody sends what lies behind the end.
            at = at.min(self.patch.len().saturating_sub(1));
        }
        Ok(progress)
    }

    fn staged(&self, patcher: &mut impl Takes) -> Result<Progress, Error> {
        let mut buf = [0; 64];
        loop {
            let progress = patcher.pull_from(self.patch, &mut buf)?;
            if progress.complete {
                return Ok(progress);
            }
            if !self.power.access() {
                return Err(Error::Incomplete);
            }
        }
    }
}

//! The firmware around the patcher: makes one, feeds it, finishes.

use crate::device::{Options, Stats, Transport};
use crate::power::Power;
use deltamote_patcher::codec::Codec;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::envelope::{self, HEAD_BYTES};
use deltamote_patcher::format::manifest::Manifest;
use deltamote_patcher::{
    Error, Flash, HandOver, Parts, Patcher, Progress, Verifier, WorkspaceRef, workspace_bytes,
    workspace_words,
};

/// Profile and new size as the manifest says, whoever wrote it.
pub(crate) fn announced(patch: &[u8]) -> Option<(Profile, u32)> {
    let len = envelope::parse_head(patch.first_chunk::<HEAD_BYTES>()?).ok()?;
    let envelope = patch.get(HEAD_BYTES..HEAD_BYTES + len)?;
    let envelope = envelope::Envelope::parse(envelope).ok()?;
    let manifest = Manifest::parse(envelope.manifest).ok()?;
    Some((manifest.profile, manifest.new_size))
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
        let profile = announced(self.patch).map_or(Profile::Small, |m| m.0);
        let profile = profile.min(self.options.device.profile);
        let mut words = vec![0u16; workspace_words(profile)];
        let mut bytes = vec![0u8; workspace_bytes(profile)];
        stats.sessions += 1;
        stats.workspace_bytes = 2 * words.len() + bytes.len();
        let workspace = WorkspaceRef {
            words: &mut words,
            bytes: &mut bytes,
        };
        let mut patcher: Patcher<'_, '_, _, _, _, _, _, C> =
            Patcher::with_codec(workspace, self.options.device, parts);
        let done = match self.options.transport {
            Transport::Clean => self.in_order(&mut patcher, stats),
            Transport::Lossy => self.lossy(&mut patcher, stats),
            Transport::Staged => self.staged(&mut patcher),
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

    fn in_order<O, S, J, V, H, C>(
        &self,
        patcher: &mut Patcher<'_, '_, O, S, J, V, H, C>,
        stats: &mut Stats,
    ) -> Result<Progress, Error>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        V: Verifier,
        H: HandOver<S>,
    {
        let mut at = 0;
        let mut progress = patcher.push(&[])?;
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
    fn lossy<O, S, J, V, H, C>(
        &self,
        patcher: &mut Patcher<'_, '_, O, S, J, V, H, C>,
        stats: &mut Stats,
    ) -> Result<Progress, Error>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        V: Verifier,
        H: HandOver<S>,
    {
        let mut at = 0;
        let mut progress = patcher.push(&[])?;
        while !progress.complete {
            if at >= self.patch.len() {
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

    fn staged<O, S, J, V, H, C>(
        &self,
        patcher: &mut Patcher<'_, '_, O, S, J, V, H, C>,
    ) -> Result<Progress, Error>
    where
        C: Codec,
        O: Flash,
        S: Flash,
        J: Flash,
        V: Verifier,
        H: HandOver<S>,
    {
        let mut buf = [0; 64];
        loop {
            let progress = patcher.pull(&mut &*self.patch, &mut buf)?;
            if progress.complete {
                return Ok(progress);
            }
        }
    }
}

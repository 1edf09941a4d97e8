//! A device of simulated flash that takes a patch, power cuts and all.
//!
//! Used by tests, by the engine's proof and by the command. It does what a firmware
//! does: make a patcher, push bytes as they come, finish; after a cut, reboot and do the
//! same again with whatever the flash holds.

use crate::flash::{Counts, SimFlash};
use crate::power::{Power, Tear};
use crate::presets::{PRESETS, Preset};
use deltamote_patcher::codec::{Codec, Deltamote};
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::envelope::{self, HEAD_BYTES, OPEN_HEADROOM};
use deltamote_patcher::format::manifest::Manifest;
use deltamote_patcher::{
    Device, Error, Fault, HandOver, Parts, Patcher, Verifier, WorkspaceRef, workspace_bytes,
    workspace_words,
};
use std::fmt;

/// When power fails.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Cuts {
    /// Never.
    #[default]
    None,
    /// In session `k` (from 0) at that session's `cuts[k].0`th flash operation.
    At(Vec<(u64, Tear)>),
    /// In the first so many sessions, at a random one of the next so many operations
    /// each, torn at random.
    Random {
        /// Sessions that are cut.
        sessions: u32,
        /// Operations of a session among which the cut is drawn.
        within: u64,
    },
}

/// How to apply.
#[derive(Clone, Debug)]
pub struct Options {
    /// The flash.
    pub preset: Preset,
    /// The device; its profile is the largest accepted.
    pub device: Device<'static>,
    /// Bytes per push; 0: all at once.
    pub split: usize,
    /// Whether the transport can seek to where the patcher wants to go on.
    pub seek: bool,
    /// When power fails.
    pub cuts: Cuts,
    /// Decides everything random.
    pub seed: u64,
    /// Bytes of the slot; `None`: as large as the new image needs.
    pub slot_size: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            preset: PRESETS[0],
            device: Device::new(Profile::Large),
            split: 0,
            seek: true,
            cuts: Cuts::None,
            seed: 1,
            slot_size: None,
        }
    }
}

/// What it took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Boots it took, one without cuts.
    pub sessions: u64,
    /// Erase, program and hand-over operations, those cut included.
    pub ops: u64,
    /// Patch bytes pushed in all sessions.
    pub pushed_bytes: u64,
    /// Patch offsets to which the patcher jumped.
    pub jumps: Vec<u32>,
    /// Bytes of workspace.
    pub workspace_bytes: usize,
    /// Old slot.
    pub old: Counts,
    /// New slot.
    pub slot: Counts,
    /// Journal.
    pub journal: Counts,
    /// Erasures of the most erased block of slot and journal.
    pub most_erased: u64,
}

/// A patch applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The new image, as the slot holds it.
    pub new_image: Vec<u8>,
    /// What it took.
    pub stats: Stats,
}

/// Why a patch was not applied on the simulated device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApplyError {
    /// The patcher refused.
    Patch(Error),
    /// A flash rule was broken: a defect of the patcher.
    Violation(String),
    /// More boots than any schedule of cuts explains: a defect of the patcher.
    NoEnd,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplyError::Patch(e) => e.fmt(f),
            ApplyError::Violation(what) => write!(f, "flash rule broken: {what}"),
            ApplyError::NoEnd => f.write_str("the update does not come to an end"),
        }
    }
}

impl std::error::Error for ApplyError {}

impl From<Error> for ApplyError {
    fn from(e: Error) -> Self {
        ApplyError::Patch(e)
    }
}

/// The bootloader's flag.
#[derive(Clone, Debug)]
pub struct Flag {
    power: Power,
    /// The image that was handed over last, while the flag is set.
    pub pending: Option<Vec<u8>>,
}

impl<'a> HandOver<&'a mut SimFlash> for Flag {
    fn clear_pending(&mut self, _slot: &mut &'a mut SimFlash) -> Result<(), Fault> {
        if self.pending.is_some() {
            self.power.operation().map_err(|_| Fault::Bus)?;
            self.pending = None;
        }
        Ok(())
    }

    fn set_pending(&mut self, slot: &mut &'a mut SimFlash, image_len: u32) -> Result<(), Fault> {
        let image = slot.bytes()[..image_len as usize].to_vec();
        match self.power.operation() {
            Ok(()) => self.pending = Some(image),
            Err(tear) => {
                if tear == Some(Tear::All) {
                    self.pending = Some(image);
                }
                return Err(Fault::Bus);
            }
        }
        Ok(())
    }
}

/// A board: three flash devices, a bootloader flag, one supply.
#[derive(Clone, Debug)]
pub struct Board {
    /// The supply.
    pub power: Power,
    /// Holds the old image.
    pub old: SimFlash,
    /// Takes the new image.
    pub slot: SimFlash,
    /// Takes the journal.
    pub journal: SimFlash,
    /// The bootloader's flag.
    pub flag: Flag,
}

impl Board {
    /// A board with `old` in place, all else erased.
    pub fn new(old: &[u8], slot_size: u32, options: &Options) -> Board {
        let power = Power::new(options.seed);
        let preset = &options.preset;
        let old_end = options.device.old_offset + old.len() as u32;
        let mut old_flash = SimFlash::new(preset.slot(old_end), power.clone());
        old_flash.preload(options.device.old_offset, old);
        Board {
            old: old_flash,
            slot: SimFlash::new(preset.slot(slot_size), power.clone()),
            journal: SimFlash::new(preset.journal(), power.clone()),
            flag: Flag {
                power: power.clone(),
                pending: None,
            },
            power,
        }
    }

    /// One boot: push, finish. Gives the size of the new image.
    ///
    /// # Errors
    /// The patcher's; after a cut, a flash error.
    pub fn session<C: Codec, V: Verifier>(
        &mut self,
        patch: &[u8],
        verifier: &V,
        options: &Options,
        stats: &mut Stats,
    ) -> Result<u32, Error> {
        let profile = announced(patch).map_or(Profile::Small, |m| m.0);
        let profile = profile.min(options.device.profile);
        let mut words = vec![0u16; workspace_words(profile)];
        let mut bytes = vec![0u8; workspace_bytes(profile)];
        stats.sessions += 1;
        stats.workspace_bytes = 2 * words.len() + bytes.len();
        let workspace = WorkspaceRef {
            words: &mut words,
            bytes: &mut bytes,
        };
        let parts = Parts {
            old: &mut self.old,
            slot: &mut self.slot,
            journal: &mut self.journal,
            verifier,
            hand_over: &mut self.flag,
        };
        let mut patcher: Patcher<'_, '_, _, _, _, _, _, C> =
            Patcher::with_codec(workspace, options.device, parts);
        let mut at = 0;
        let mut new_size = 0;
        while at < patch.len() {
            let n = match options.split {
                0 => patch.len() - at,
                split => split.min(patch.len() - at),
            };
            let progress = patcher.push_at(at as u32, &patch[at..at + n])?;
            stats.pushed_bytes += n as u64;
            new_size = progress.new_size;
            at += n;
            let wanted = progress.wanted as usize;
            if wanted > at && options.seek {
                stats.jumps.push(progress.wanted);
                at = wanted;
            }
        }
        patcher.finish()?;
        Ok(new_size)
    }

    /// Boots until the patch is applied or refused.
    ///
    /// # Errors
    /// Why it was refused, or which rule of the simulation was broken.
    pub fn run<C: Codec, V: Verifier>(
        &mut self,
        patch: &[u8],
        verifier: &V,
        options: &Options,
    ) -> Result<Outcome, ApplyError> {
        let mut stats = Stats::default();
        let sessions_cut = match &options.cuts {
            Cuts::None => 0,
            Cuts::At(at) => at.len() as u64,
            Cuts::Random { sessions, .. } => u64::from(*sessions),
        };
        loop {
            if stats.sessions > sessions_cut {
                return Err(ApplyError::NoEnd);
            }
            self.power.no_cut();
            match &options.cuts {
                Cuts::At(at) => {
                    if let Some((n, tear)) = at.get(stats.sessions as usize) {
                        self.power.cut_after(*n, *tear);
                    }
                }
                Cuts::Random { sessions, within } if stats.sessions < u64::from(*sessions) => {
                    let n = self.power.random() % (*within).max(1);
                    let tear = Tear::ALL[self.power.below(Tear::ALL.len())];
                    self.power.cut_after(n, tear);
                }
                _ => {}
            }
            let result = self.session::<C, V>(patch, verifier, options, &mut stats);
            let violations = [&self.old, &self.slot, &self.journal];
            if let Some(what) = violations.iter().find_map(|f| f.violations().first()) {
                return Err(ApplyError::Violation(what.clone()));
            }
            match result {
                Ok(new_size) => {
                    let from = options.device.new_offset as usize;
                    let new_image = self.slot.bytes()[from..from + new_size as usize].to_vec();
                    return Ok(Outcome {
                        new_image,
                        stats: self.tally(stats),
                    });
                }
                Err(_) if self.power.is_lost() => self.power.reboot(),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn tally(&self, stats: Stats) -> Stats {
        let erases = [&self.slot, &self.journal];
        let erases = erases.iter().flat_map(|f| f.block_erases());
        Stats {
            ops: self.power.ops(),
            old: self.old.counts(),
            slot: self.slot.counts(),
            journal: self.journal.counts(),
            most_erased: erases.map(|(_, n)| *n).max().unwrap_or(0),
            ..stats
        }
    }
}

/// Applies `patch` to `old` with the real patcher on simulated flash.
///
/// # Errors
/// Why it was refused.
pub fn apply_on_sim<V: Verifier>(
    old: &[u8],
    patch: &[u8],
    verifier: &V,
    options: &Options,
) -> Result<Outcome, ApplyError> {
    apply_with::<Deltamote, V>(old, patch, verifier, options)
}

/// As [`apply_on_sim`], with another payload codec.
///
/// # Errors
/// Why it was refused.
pub fn apply_with<C: Codec, V: Verifier>(
    old: &[u8],
    patch: &[u8],
    verifier: &V,
    options: &Options,
) -> Result<Outcome, ApplyError> {
    let slot_size = options
        .slot_size
        .unwrap_or_else(|| slot_needed(patch, verifier, &options.device));
    Board::new(old, slot_size, options).run::<C, V>(patch, verifier, options)
}

/// Profile and new size as the manifest says, whoever wrote it.
fn announced(patch: &[u8]) -> Option<(Profile, u32)> {
    let len = envelope::parse_head(patch.first_chunk::<HEAD_BYTES>()?).ok()?;
    let envelope = patch.get(HEAD_BYTES..HEAD_BYTES + len)?;
    let envelope = envelope::Envelope::parse(envelope).ok()?;
    let manifest = Manifest::parse(envelope.manifest).ok()?;
    Some((manifest.profile, manifest.new_size))
}

/// Bytes of a slot for the new image: believed only where the patcher will believe it
/// too, or a few forged bytes would make us allocate gigabytes.
fn slot_needed<V: Verifier>(patch: &[u8], verifier: &V, device: &Device<'_>) -> u32 {
    let size = || {
        let len = envelope::parse_head(patch.first_chunk::<HEAD_BYTES>()?).ok()?;
        let mut buf = vec![0u8; OPEN_HEADROOM];
        buf.extend_from_slice(patch.get(HEAD_BYTES..HEAD_BYTES + len)?);
        let end = buf.len();
        let opened = envelope::open(&mut buf, OPEN_HEADROOM..end).ok()?;
        match opened.signer {
            Some(signer) => verifier
                .verify(&signer, &buf[opened.message], &buf[opened.signature])
                .ok()?,
            None => device.allow_unsigned.then_some(())?,
        }
        announced(patch).map(|(_, new_size)| new_size)
    };
    let tail = device.new_offset.saturating_add(device.reserved_tail);
    // Room for the padding of the last unit.
    size().unwrap_or(0).saturating_add(tail).saturating_add(256)
}

//! A device of simulated flash that takes a patch, power cuts and all.
//!
//! Used by tests, by the engine's proof and by the command. It does what a firmware
//! does: make a patcher, push bytes as they come, finish; after a cut, reboot and do the
//! same again with whatever the flash holds.

use crate::bootloader::{Bootloader, Flag, Loader};
use crate::feed::{self, Feed};
use crate::flash::{Counts, SimFlash};
use crate::power::{Power, Tear};
use crate::presets::{PRESETS, Preset};
use deltamote_patcher::codec::{Codec, Deltamote};
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::envelope::{self, HEAD_BYTES, OPEN_HEADROOM, Purpose};
use deltamote_patcher::{Device, Error, Flash, Parts, Region, Verifier};
use std::cell::RefCell;
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
    /// How the patch reaches the patcher.
    pub transport: Transport,
    /// Who is told of the new image.
    pub bootloader: Bootloader,
    /// Old slot, new slot and journal lie on one device.
    pub one_device: bool,
}

/// How a patch reaches the patcher.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transport {
    /// In order, each byte once.
    #[default]
    Clean,
    /// Pieces get lost or come twice; what is missing is asked for again.
    Lossy,
    /// It lies on the device: [`deltamote_patcher::PatchStore`].
    Staged,
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
            transport: Transport::Clean,
            bootloader: Bootloader::Flag,
            one_device: false,
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
    /// New-image bytes that the last session did not decode again.
    pub skipped_bytes: u32,
    /// Patch offsets to which the patcher jumped.
    pub jumps: Vec<u32>,
    /// Bytes of workspace.
    pub workspace_bytes: usize,
    /// Nothing was written around the workspace.
    pub kept_to_workspace: bool,
    /// Reads, erases, programs and pushes of the last session.
    pub accesses: u64,
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

/// A board: three flash devices (or one in three parts), a bootloader, one supply.
#[derive(Clone, Debug)]
pub struct Board {
    /// The supply.
    pub power: Power,
    /// Holds the old image.
    pub old: SimFlash,
    /// Takes the new image; all of the flash where there is one device only.
    pub slot: SimFlash,
    /// Takes the journal.
    pub journal: SimFlash,
    /// embassy-boot's STATE or ESP-IDF's otadata partition.
    pub state: SimFlash,
    /// The bootloader's flag, where it is one bit somewhere.
    pub flag: Flag,
    /// Where slot and journal begin in the one device, and how long they are.
    parts: Option<[(u32, u32); 3]>,
}

pub(crate) const OLD: u8 = 0;
pub(crate) const SLOT: u8 = 1;
pub(crate) const JOURNAL: u8 = 2;
pub(crate) const STATE: u8 = 3;

impl Board {
    /// A board with `old` in place, all else erased.
    ///
    /// # Panics
    /// If one device is asked for of a part with mixed erase blocks.
    pub fn new(old: &[u8], slot_size: u32, options: &Options) -> Board {
        let power = Power::new(options.seed);
        let preset = &options.preset;
        let old_end = options.device.old_offset + old.len() as u32;
        let tail = options.device.new_offset + options.device.reserved_tail;
        let (old_geometry, slot, journal) = (
            preset.slot(old_end),
            preset.slot(slot_size.max(tail)),
            preset.journal(),
        );
        let flash = |geometry, n| {
            let flash = SimFlash::new(geometry, power.clone()).numbered(n);
            flash.with_rewrites(preset.rewrites)
        };
        let parts = options.one_device.then(|| {
            assert!(!preset.is_mixed(), "one device needs equal erase blocks");
            let slot_at = old_geometry.size;
            let journal_at = slot_at + slot.size;
            [
                (0, slot_at),
                (slot_at, slot.size),
                (journal_at, journal.size),
            ]
        });
        let whole = match parts {
            Some([.., (start, len)]) => preset.slot(start + len),
            None => slot,
        };
        let mut board = Board {
            old: flash(old_geometry, OLD),
            slot: flash(whole, SLOT),
            journal: flash(journal, JOURNAL),
            state: flash(preset.journal(), STATE),
            flag: Flag {
                power: power.clone(),
                image_offset: options.device.new_offset,
                pending: None,
            },
            parts,
            power,
        };
        let holder = match parts {
            Some(_) => &mut board.slot,
            None => &mut board.old,
        };
        holder.preload(options.device.old_offset, old);
        holder.protect(0..old_geometry.size);
        board.settle(&options.bootloader);
        board
    }

    /// The same board with a supply of its own.
    pub fn fork(&self, seed: u64) -> Board {
        let power = Power::new(seed);
        Board {
            old: self.old.fork(&power),
            slot: self.slot.fork(&power),
            journal: self.journal.fork(&power),
            state: self.state.fork(&power),
            flag: Flag {
                power: power.clone(),
                ..self.flag.clone()
            },
            parts: self.parts,
            power,
        }
    }

    /// Device number `n`.
    pub(crate) fn device(&mut self, n: u8) -> &mut SimFlash {
        match n {
            OLD => &mut self.old,
            JOURNAL => &mut self.journal,
            STATE => &mut self.state,
            _ => &mut self.slot,
        }
    }

    /// Whether `n` bytes at `at` of device `device` are the slot's; where in it.
    pub(crate) fn in_slot(&self, device: u8, at: u32) -> Option<u32> {
        let (start, len) = self.parts.map_or((0, u32::MAX), |parts| parts[1]);
        let into = at.checked_sub(start)?;
        (device == SLOT && into < len).then_some(into)
    }

    /// What the slot holds.
    pub fn slot_bytes(&self) -> &[u8] {
        match self.parts {
            None => self.slot.bytes(),
            Some([_, (start, len), _]) => &self.slot.bytes()[start as usize..][..len as usize],
        }
    }

    pub(crate) fn is_one_device(&self) -> bool {
        self.parts.is_some()
    }

    /// Whether `at` of device `device` is the journal's; where in it.
    pub(crate) fn in_journal(&self, device: u8, at: u32) -> Option<u32> {
        match self.parts {
            None => (device == JOURNAL).then_some(at),
            Some([.., (start, len)]) => {
                let into = at.checked_sub(start)?;
                (device == SLOT && into < len).then_some(into)
            }
        }
    }

    /// Turns over one bit of the slot, as wear or radiation does.
    pub fn flip_slot(&mut self, at: u32, bit: u8) {
        let start = self.parts.map_or(0, |parts| parts[1].0);
        self.slot.flip(start + at, bit);
    }

    pub(crate) fn poison_slot(&mut self, at: u32) {
        let start = self.parts.map_or(0, |parts| parts[1].0);
        self.slot.poison(start + at);
    }

    pub(crate) fn poison_journal(&mut self, at: u32) {
        match self.parts {
            None => self.journal.poison(at),
            Some([.., (start, _)]) => self.slot.poison(start + at),
        }
    }

    pub(crate) fn preload_slot(&mut self, bytes: &[u8]) {
        let start = self.parts.map_or(0, |parts| parts[1].0);
        self.slot.preload(start, bytes);
    }

    pub(crate) fn preload_journal(&mut self, at: u32, bytes: &[u8]) {
        match self.parts {
            None => self.journal.preload(at, bytes),
            Some([.., (start, _)]) => self.slot.preload(start + at, bytes),
        }
    }

    /// Bytes of the journal's flash.
    pub fn journal_len(&self) -> u32 {
        match self.parts {
            None => self.journal.geometry().size,
            Some([.., (_, len)]) => len,
        }
    }

    /// The first violation of a rule of flash, on any device.
    pub fn violation(&self) -> Option<&String> {
        let all = [&self.old, &self.slot, &self.journal, &self.state];
        all.into_iter().find_map(|f| f.violations().first())
    }

    /// Whether no rule was broken and the watchdog had nothing to do.
    pub(crate) fn is_sound(&self) -> bool {
        self.violation().is_none() && !self.power.watchdog_bit()
    }

    /// Whether any part is still at an operation from before the reset.
    pub fn is_busy(&self) -> bool {
        [&self.old, &self.slot, &self.journal, &self.state].map(SimFlash::is_busy) != [false; 4]
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
        let hand_over = Loader::new(options.bootloader, &mut self.flag, &mut self.state);
        let feed = Feed {
            patch,
            options,
            power: &self.power,
        };
        match self.parts {
            None => feed.run::<C, _, _, _, _, _>(
                Parts {
                    old: &mut self.old,
                    slot: &mut self.slot,
                    journal: &mut self.journal,
                    verifier,
                    hand_over,
                },
                stats,
            ),
            Some(parts) => {
                let device = RefCell::new(&mut self.slot);
                let [old, slot, journal] = parts.map(|(start, len)| {
                    Region::new(&device, start, len).expect("whole erase blocks")
                });
                feed.run::<C, _, _, _, _, _>(
                    Parts {
                        old,
                        slot,
                        journal,
                        verifier,
                        hand_over,
                    },
                    stats,
                )
            }
        }
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
            if let Some(what) = self.violation() {
                return Err(ApplyError::Violation(what.clone()));
            }
            match result {
                Ok(new_size) => {
                    let from = options.device.new_offset as usize;
                    let new_image = self.slot_bytes()[from..from + new_size as usize].to_vec();
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
        let erases = erases.iter().flat_map(|f| f.wear());
        Stats {
            ops: self.power.ops(),
            old: self.old.counts(),
            slot: self.slot.counts(),
            journal: self.journal.counts(),
            most_erased: erases.map(|wear| wear.erases).max().unwrap_or(0),
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

/// Bytes of a slot for the new image: believed only where the patcher will believe it
/// too, or a few forged bytes would make us allocate gigabytes.
fn slot_needed<V: Verifier>(patch: &[u8], verifier: &V, device: &Device<'_>) -> u32 {
    let size = || {
        let len = envelope::parse_head(patch.first_chunk::<HEAD_BYTES>()?).ok()?;
        let mut buf = vec![0u8; OPEN_HEADROOM];
        buf.extend_from_slice(patch.get(HEAD_BYTES..HEAD_BYTES + len)?);
        let end = buf.len();
        let opened = envelope::open(&mut buf, OPEN_HEADROOM..end, Purpose::Patch).ok()?;
        match opened.signer {
            Some(signer) => verifier
                .verify(&signer, &buf[opened.message()], &buf[opened.signature()])
                .ok()?,
            None => device.allow_unsigned.then_some(())?,
        }
        feed::announced(patch).map(|said| said.new_size)
    };
    let tail = device.new_offset.saturating_add(device.reserved_tail);
    // Room for the padding of the last unit.
    size().unwrap_or(0).saturating_add(tail).saturating_add(256)
}

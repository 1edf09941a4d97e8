//! Whether a patch is for this device: the reason that is given, and that nothing is
//! touched. What must be said is worked out here a second time, from SPEC §4.2.

use crate::fixtures::{CHUNK, CONTENT_KEY, Signatures, Stamp, noise, seal_as, sha};
use crate::store::{Store, resets, seen};
use arbitrary::{Arbitrary, Unstructured};
use deltamote_format::encryption::Encryption;
use deltamote_format::manifest::{Manifest, View};
use deltamote_patcher::codec::Codec;
use deltamote_patcher::encryption::{ContentKey, NoContentKey};
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::envelope::{Signer, parse_head};
use deltamote_patcher::format::model::Prior;
use deltamote_patcher::{
    Blocks, Device, Distrust, Error, Fault, Flash, FlashDevice, Geometry, HandOver, Parts, Patcher,
    Run, Verifier, WorkspaceRef, checkpoints, journal_bytes, journal_bytes_written,
    workspace_bytes, workspace_len, workspace_words,
};
use deltamote_sim::{Power, SimFlash};

/// [`Stamp`] twice, where two are wanted, and the key of an encrypted payload, if there is
/// one.
struct Stamps {
    two: bool,
    key: Result<[u8; 32], NoContentKey>,
}

impl Verifier for Stamps {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        Stamp.verify(signer, message, signature)
    }
    fn verify_second(&self, signer: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        match self.two {
            true => Stamp.verify(signer, m, signature),
            false => Err(Distrust::UnknownKey),
        }
    }
    fn needs_second(&self) -> bool {
        self.two
    }
    fn content_key(&self, _: &Encryption<'_>) -> Result<ContentKey, NoContentKey> {
        self.key.map(ContentKey::new)
    }
}

/// Application and bootloader.
#[derive(Clone, Copy, Debug)]
struct Owner {
    declines: bool,
    unconfirmed: bool,
    pending: bool,
}

impl<S: Flash> HandOver<S> for Owner {
    fn is_confirmed(&mut self, _: &mut S) -> Result<bool, Fault> {
        Ok(!self.unconfirmed)
    }
    fn accepts(&mut self, _: &View<'_>) -> bool {
        !self.declines
    }
    fn clear_pending(&mut self, _: &mut S) -> Result<(), Fault> {
        self.pending = false;
        Ok(())
    }
    fn set_pending(&mut self, _: &mut S, _: u32) -> Result<(), Fault> {
        self.pending = true;
        Ok(())
    }
}

const fn run(count: u32, len: u32) -> Run {
    Run { count, len }
}

/// Blocks of one size and of several; the sizes of flash below fit some of them only.
const BLOCKS: [Blocks; 10] = [
    Blocks::Uniform(512),
    Blocks::Uniform(1024),
    Blocks::Runs(&[run(4, 512), run(1, 2048), run(2, 4096)]),
    Blocks::Runs(&[run(2, 256), run(3, 1024), run(1, 512), run(2, 2048)]),
    Blocks::Runs(&[run(1, 4096), run(8, 512)]),
    Blocks::Runs(&[run(1, 8192)]),
    Blocks::Uniform(16),
    Blocks::Uniform(0),
    Blocks::Runs(&[run(4, 512), run(0, 99), run(3, 8)]),
    Blocks::Runs(&[run(u32::MAX, 512)]),
];

/// `good`, but for one byte in four, where the input says what.
fn mostly<T: Clone>(u: &mut Unstructured<'_>, good: T, others: &[T]) -> arbitrary::Result<T> {
    Ok(match u.arbitrary::<u8>()? {
        n @ 192.. => others[usize::from(n - 192) % others.len()].clone(),
        _ => good,
    })
}

/// What a patch may name and a device may know.
fn id<T: Copy>(u: &mut Unstructured<'_>, ids: [T; 2]) -> arbitrary::Result<[Option<T>; 2]> {
    let [some, other] = ids.map(Some);
    let pairs = [
        [None, some],
        [some, some],
        [some, None],
        [some, other],
        [other, some],
    ];
    mostly(u, [None, None], &pairs)
}

fn geometry(u: &mut Unstructured<'_>) -> arbitrary::Result<Geometry> {
    let blocks = BLOCKS[usize::from(u8::arbitrary(u)?) % BLOCKS.len()];
    let write_once = bool::arbitrary(u)?;
    Ok(Geometry {
        size: mostly(u, 8192, &[4096, 6144, 2048, 512, 8191])?,
        write_size: mostly(u, 8, &[1, 4, 16, 32, 3, 512])?,
        write_once,
        erased: mostly(u, 0xff, &[0])?,
        blocks,
    })
}

/// First bytes and lengths of the blocks, `None` where they are no tiling of the device.
fn tiling(geometry: &Geometry) -> Option<Vec<(u64, u64)>> {
    let size = u64::from(geometry.size);
    let mut tiles = Vec::new();
    let mut at = 0;
    let uniform;
    let runs = match geometry.blocks {
        Blocks::Uniform(len) => {
            uniform = [run(geometry.size / len.max(1), len)];
            &uniform[..]
        }
        Blocks::Runs(runs) => runs,
    };
    for run in runs {
        for _ in 0..run.count {
            tiles.push((at, u64::from(run.len)));
            at += u64::from(run.len);
            if at > size {
                return None;
            }
        }
        if run.len == 0 || run.len % geometry.write_size != 0 {
            return None;
        }
    }
    (at == size).then_some(tiles)
}

struct Case {
    manifest: Manifest<'static>,
    signatures: Signatures,
    two: bool,
    key: Result<[u8; 32], NoContentKey>,
    device: Device<'static>,
    /// What the memory is for.
    memory: Profile,
    owner: Owner,
    old: Vec<u8>,
    new: Vec<u8>,
    slot: Geometry,
    journal: Geometry,
}

const PRIORS: &[Prior<'static>] = &[Prior { id: 5, words: &[] }];
const OLD_FLASH: u32 = 1024;

fn case(u: &mut Unstructured<'_>) -> arbitrary::Result<Case> {
    use Profile::{Large, Medium, Small, Tiny};
    use Signatures::{None as Not, One, Two};
    let old = noise(1 + usize::from(u8::arbitrary(u)?), 1);
    let new = noise(1 + usize::from(u16::arbitrary(u)? % 3000), 2);
    let [vendor, my_vendor] = id(u, [[1; 16], [2; 16]])?;
    let [class, my_class] = id(u, [[3; 16], [2; 16]])?;
    let [slot_number, my_slot] = id(u, [0, 1])?;
    let [address, my_address] = id(u, [0, 0x0800_0000])?;
    let (my_profile, memory) = (
        mostly(u, Small, &[Tiny, Medium])?,
        mostly(u, Small, &[Tiny, Medium])?,
    );
    let size = old.len() as u32;
    let recipient = Encryption {
        recipient: &[1; 8],
        encapsulated: &[2; 32],
    };
    let manifest = Manifest {
        old_size: mostly(u, size, &[size + 1, size - 1, 0, OLD_FLASH, u32::MAX])?,
        old_digest: sha(&old),
        new_size: mostly(u, new.len() as u32, &[1 << 20, u32::MAX])?,
        new_digest: sha(&new),
        codec: mostly(u, Store::ID, &[0, 1, 78])?,
        isa_mask: mostly(u, 0, &[0xff, 1, 0x100, 1 << 31])?,
        prior: mostly(u, None, &[Some(5), Some(6)])?,
        encryption: mostly(u, None, &[Some(recipient)])?,
        ram_bytes: mostly(u, None, &[Some(20_000), Some(1 << 20)])?,
        sequence: mostly(u, 7, &[6, 8, 0, u64::MAX])?,
        vendor,
        class,
        slot: slot_number,
        load_address: address,
        chunk_size: CHUNK,
        ..Manifest::new(mostly(u, Tiny, &[Small, Medium, Large])?)
    };
    let device = Device {
        vendor: my_vendor,
        class: my_class,
        slot: my_slot,
        load_address: my_address,
        sequence_floor: mostly(u, 7, &[0, 8, u64::MAX])?,
        allow_unsigned: u8::arbitrary(u)? >= 128,
        old_offset: mostly(u, 0, &[3, 1000, OLD_FLASH, u32::MAX])?,
        new_offset: mostly(u, 0, &[512, 2048, 4096, 100, 8192, u32::MAX])?,
        reserved_tail: mostly(u, 0, &[64, 4000, 8192, u32::MAX])?,
        priors: PRIORS,
        ..Device::new(my_profile)
    };
    let forms = [
        Not,
        One(false),
        Two(true, true),
        Two(false, true),
        Two(true, false),
    ];
    Ok(Case {
        manifest,
        signatures: mostly(u, One(true), &forms)?,
        two: mostly(u, false, &[true])?,
        key: mostly(
            u,
            Ok(CONTENT_KEY),
            &[
                Err(NoContentKey::OtherRecipient),
                Err(NoContentKey::Unusable),
                Ok([1; 32]),
            ],
        )?,
        device,
        memory,
        owner: Owner {
            declines: mostly(u, false, &[true])?,
            unconfirmed: mostly(u, false, &[true])?,
            pending: false,
        },
        old,
        new,
        slot: geometry(u)?,
        journal: geometry(u)?,
    })
}

impl Case {
    /// What SPEC §4.2 wants to be said first, to a device whose old flash holds `flash`.
    /// Its payload begins `at`.
    fn reason(&self, flash: &[u8], at: u32) -> Option<Error> {
        let (m, d) = (&self.manifest, &self.device);
        // 1
        match (self.signatures, self.two) {
            (Signatures::None, _) if d.allow_unsigned => {}
            (Signatures::None, _) => return Some(Error::NotSigned),
            (Signatures::One(_), true) => return Some(Error::SecondSignatureMissing),
            (Signatures::One(false) | Signatures::Two(false, _), _) => {
                return Some(Error::BadSignature);
            }
            (Signatures::Two(..), false) => return Some(Error::UnknownKey),
            (Signatures::Two(_, false), true) => return Some(Error::BadSignature),
            (Signatures::One(true), false) | (Signatures::Two(true, true), true) => {}
        }
        // 3, 4
        if m.codec != Store::ID {
            return Some(Error::CodecUnknown);
        }
        if m.isa_mask > 0xff {
            return Some(Error::IsaUnknown);
        }
        if m.prior.is_some_and(|id| id != 5) {
            return Some(Error::PriorMissing);
        }
        if m.profile > d.profile {
            return Some(Error::ProfileTooLarge);
        }
        let needed = (workspace_len(m.profile) as u32).max(m.ram_bytes.unwrap_or(0));
        if self.memory < m.profile || workspace_len(self.memory) < needed as usize {
            return Some(Error::RamTooSmall { needed });
        }
        // 5, 6
        let differ = |named: bool, same: bool| named && !same;
        if differ(m.vendor.is_some(), m.vendor == d.vendor) {
            return Some(Error::WrongVendor);
        }
        if differ(m.class.is_some(), m.class == d.class) {
            return Some(Error::WrongClass);
        }
        if differ(m.slot.is_some(), m.slot == d.slot)
            || differ(m.load_address.is_some(), m.load_address == d.load_address)
        {
            return Some(Error::WrongSlot);
        }
        if m.sequence < d.sequence_floor {
            return Some(Error::SequenceTooOld);
        }
        // 7
        let [old_from, old_len, new_from, new_len, tail] = [
            d.old_offset,
            m.old_size,
            d.new_offset,
            m.new_size,
            d.reserved_tail,
        ]
        .map(u64::from);
        if old_from + old_len > u64::from(OLD_FLASH) {
            return Some(Error::OldImageMismatch);
        }
        let padded = (new_from + new_len).next_multiple_of(u64::from(self.slot.write_size));
        if padded + tail > u64::from(self.slot.size) {
            return Some(Error::NewImageTooLarge);
        }
        let page = m.profile.limits().page_bytes as u32;
        let slot = tiling(&self.slot).filter(|_| page.is_multiple_of(self.slot.write_size));
        if !slot.is_some_and(|tiles| tiles.iter().any(|tile| tile.0 == new_from)) {
            return Some(Error::Geometry(FlashDevice::Slot));
        }
        // A page of the journal holds a header and four of the longest records (SPEC §10.5).
        let padded = |len: u64| len.next_multiple_of(u64::from(self.journal.write_size));
        let least = padded(92) + 4 * padded(72);
        let journal =
            tiling(&self.journal).filter(|_| page.is_multiple_of(self.journal.write_size));
        if !journal.is_some_and(|tiles| tiles.len() >= 2 && tiles.iter().all(|t| t.1 >= least)) {
            return Some(Error::Geometry(FlashDevice::Journal));
        }
        if self.owner.declines {
            return Some(Error::Declined);
        }
        if m.encryption.is_some() {
            match self.key {
                Err(NoContentKey::OtherRecipient) => return Some(Error::WrongRecipient),
                Err(NoContentKey::Unusable) => return Some(Error::ContentKeyUnavailable),
                Ok(_) => {}
            }
        }
        // 8
        let there = &flash[old_from as usize..][..old_len as usize];
        if sha(there) != m.old_digest {
            return Some(Error::OldImageMismatch);
        }
        if self.owner.unconfirmed {
            return Some(Error::NotConfirmed);
        }
        // Behind the link of the first chunk: its tag.
        let wrong = m.encryption.is_some() && self.key != Ok(CONTENT_KEY);
        wrong.then_some(Error::NotDecrypted { at })
    }
}

impl Case {
    /// What the functions for integrators say of the journal, after an update without cuts.
    fn journal_is_as_stated(&self, journal: &SimFlash) {
        let (geometry, offset) = (&self.journal, self.device.new_offset);
        if let Blocks::Uniform(_) = geometry.blocks {
            let least = journal_bytes(geometry, self.manifest.profile);
            assert!(least.is_some_and(|bytes| bytes <= geometry.size));
        }
        let tiles = tiling(geometry).expect("it was written");
        let page = tiles.iter().map(|tile| tile.1).min().expect("two or more");
        let records = checkpoints(&self.slot, offset, self.manifest.new_size);
        let most = journal_bytes_written(
            records,
            resets(self.new.len() as u32),
            page as u32,
            geometry.write_size,
        );
        let written = journal.counts().programmed_bytes;
        assert!(written <= most, "{written} bytes, not {most}");
    }
}

/// For any patch and any device: a patch that is not for it is refused for the first reason
/// in the order of SPEC §4.2, and nothing is touched; any other makes the new image, and
/// breaks no rule of the flash, with a journal that takes what is stated.
pub fn the_first_reason_is_given(data: &[u8]) {
    let Ok(mut case) = case(&mut Unstructured::new(data)) else {
        return;
    };
    let Some(patch) = seal_as(case.manifest, &case.new, case.signatures) else {
        return;
    };
    let power = Power::new(1);
    let old = Geometry {
        size: OLD_FLASH,
        write_size: 4,
        write_once: true,
        erased: 0xff,
        blocks: Blocks::Uniform(256),
    };
    let [mut old, mut slot, mut journal] =
        [old, case.slot, case.journal].map(|geometry| SimFlash::new(geometry, power.clone()));
    // Where it does not fit, the size says so, too.
    let from = case.device.old_offset.min(OLD_FLASH);
    let fits = case.old.len().min((OLD_FLASH - from) as usize);
    old.preload(from, &case.old[..fits]);
    let head = patch.first_chunk().expect("a head");
    let payload = head.len() + parse_head(head).expect("made here");
    let reason = case.reason(old.bytes(), payload as u32);

    let mut words = vec![0; workspace_words(case.memory)];
    let mut bytes = vec![0; workspace_bytes(case.memory)];
    let workspace = WorkspaceRef {
        words: &mut words,
        bytes: &mut bytes,
    };
    let parts = Parts {
        old: &mut old,
        slot: &mut slot,
        journal: &mut journal,
        verifier: Stamps {
            two: case.two,
            key: case.key,
        },
        hand_over: &mut case.owner,
    };
    let mut patcher = Patcher::<_, _, _, _, _, Store>::with_codec(workspace, case.device, parts);
    let result = patcher.push(&patch).and_then(|_| patcher.finish());
    drop(patcher);
    seen();
    assert_eq!(result.err(), reason);
    assert_eq!(case.owner.pending, reason.is_none());
    for flash in [&old, &slot, &journal] {
        assert_eq!(flash.violations(), [""; 0]);
    }
    match reason {
        Some(_) => assert_eq!(power.ops(), 0, "flash was touched"),
        None => {
            let made = &slot.bytes()[case.device.new_offset as usize..][..case.new.len()];
            assert!(made == case.new, "another image");
            case.journal_is_as_stated(&journal);
        }
    }
}

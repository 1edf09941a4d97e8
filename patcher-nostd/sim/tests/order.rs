//! The order of checks (SPEC §4.2), and the sequence floor (SPEC §4.6).

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::encryption::Encryption;
use deltamote_patcher::format::envelope::{Algorithm, Envelope, HEAD_BYTES, parse_head};
use deltamote_patcher::format::key_set::{self, Entry, KeySet};
use deltamote_patcher::format::manifest::{Manifest, View};
use deltamote_patcher::{
    Block, Blocks, Candidate, Device, ENCRYPTION, Ed25519Keys, Error, Fault, Flash, FlashDevice,
    Geometry, HandOver, KeySetKeys, Memory, Parts, Patcher, SmallWorkspace, Verifier, key_id,
};
use deltamote_sim::{Board, Options, Stats};

/// A device on whose flash nothing may be erased or programmed.
struct Chip<'c> {
    bytes: &'c [u8],
    geometry: Geometry,
}

impl<'c> Chip<'c> {
    fn new(bytes: &'c [u8]) -> Chip<'c> {
        let geometry = Geometry {
            size: bytes.len() as u32,
            write_size: 4,
            write_once: true,
            erased: 0xff,
            blocks: Blocks::Uniform(1024),
        };
        Chip { bytes, geometry }
    }
}

impl Flash for Chip<'_> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        let from = self.bytes.get(at as usize..).ok_or(Fault::Bus)?;
        out.copy_from_slice(from.get(..out.len()).ok_or(Fault::Bus)?);
        Ok(())
    }
    fn erase(&mut self, _: Block) -> Result<(), Fault> {
        panic!("flash was erased")
    }
    fn program(&mut self, _: u32, _: &[u8]) -> Result<(), Fault> {
        panic!("flash was programmed")
    }
}

/// The application and the bootloader's word on what runs.
#[derive(Clone, Copy)]
struct Owner {
    declines: bool,
    unconfirmed: bool,
}

impl<S: Flash> HandOver<S> for Owner {
    fn is_confirmed(&mut self, _: &mut S) -> Result<bool, Fault> {
        Ok(!self.unconfirmed)
    }
    fn accepts(&mut self, _: &View<'_>) -> bool {
        !self.declines
    }
    fn clear_pending(&mut self, _: &mut S) -> Result<(), Fault> {
        panic!("the bootloader was told")
    }
    fn set_pending(&mut self, _: &mut S, _: u32) -> Result<(), Fault> {
        panic!("the bootloader was told")
    }
}

/// A patch and a device.
#[derive(Clone, Copy)]
struct Case {
    manifest: Manifest<'static>,
    device: Device<'static>,
    journal_blocks: usize,
    owner: Owner,
}

const SLOT_BYTES: usize = 20 << 10;

/// What the device says of the envelope of `patch`, or `Ok` once it is at the payload.
fn opened(case: &Case, old: &[u8], patch: &[u8], verifier: impl Verifier) -> Result<(), Error> {
    let (slot, journal) = (vec![0xff; SLOT_BYTES], vec![0xff; 4096]);
    let mut journal = Chip::new(&journal[..1024 * case.journal_blocks]);
    journal.geometry.size = 1024 * case.journal_blocks as u32;
    let mut workspace = SmallWorkspace::new();
    let parts = Parts {
        old: Chip::new(old),
        slot: Chip::new(&slot),
        journal,
        verifier,
        hand_over: case.owner,
    };
    let mut patcher =
        Patcher::<_, _, _, _, _, Toy>::with_codec(workspace.lend(), case.device, parts);
    patcher.push(&patch[..payload_start(patch)]).map(drop)
}

/// Bytes of head and envelope.
fn payload_start(patch: &[u8]) -> usize {
    HEAD_BYTES + parse_head(patch.first_chunk().unwrap()).unwrap()
}

/// Patches and devices with all faults from the n-th on: the n-th is the one that is
/// reported, and nothing is erased or programmed.
#[test]
fn the_first_fault_in_the_order_is_reported() {
    let old = image(3072, 1);
    let new = image(5000, 2);
    let data = toy_payload(&old, &new, 10);
    // Checks 2 to 8 of SPEC 4.2, each with what makes it fail.
    type Fault = fn(&mut Case);
    let encryption = match ENCRYPTION {
        true => Error::WrongRecipient,
        false => Error::EncryptionUnsupported,
    };
    let encrypt: Fault = |c| {
        c.manifest.encryption = Some(Encryption {
            recipient: &[1; 8],
            encapsulated: &[2; 32],
        });
    };
    let mut faults: Vec<(Error, Fault)> = vec![
        (Error::CodecUnknown, |c| c.manifest.codec = 0),
        (Error::IsaUnknown, |c| c.manifest.isa_mask = 1 << 31),
        (Error::PriorMissing, |c| c.manifest.prior = Some(77)),
        (Error::ProfileTooLarge, |c| {
            c.manifest.profile = Profile::Medium
        }),
        (Error::RamTooSmall { needed: 1 << 20 }, |c| {
            c.manifest.ram_bytes = Some(1 << 20)
        }),
        (Error::WrongVendor, |c| c.manifest.vendor = Some([9; 16])),
        (Error::WrongClass, |c| c.manifest.class = Some([9; 16])),
        (Error::WrongSlot, |c| c.manifest.slot = Some(9)),
        (Error::WrongSlot, |c| c.manifest.load_address = Some(9)),
        (Error::SequenceTooOld, |c| c.manifest.sequence = 4),
        (Error::OldImageMismatch, |c| c.manifest.old_size = 1 << 30),
        (Error::NewImageTooLarge, |c| c.manifest.new_size = 1 << 20),
        (Error::Geometry(FlashDevice::Slot), |c| {
            c.device.new_offset = 4
        }),
        (Error::Geometry(FlashDevice::Journal), |c| {
            c.journal_blocks = 1
        }),
        (Error::Declined, |c| c.owner.declines = true),
        (Error::OldImageMismatch, |c| c.manifest.old_digest = [0; 32]),
        (Error::NotConfirmed, |c| c.owner.unconfirmed = true),
    ];
    // Where it is built in, a key is looked for once the application has agreed.
    faults.insert(if ENCRYPTION { 15 } else { 3 }, (encryption, encrypt));

    let key = signing_key();
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let good = Case {
        manifest: Manifest {
            sequence: 5,
            ..manifest(&old, &new, Profile::Small)
        },
        device: Device {
            vendor: Some([1; 16]),
            class: Some([2; 16]),
            slot: Some(1),
            sequence_floor: 5,
            ..Device::new(Profile::Small)
        },
        journal_blocks: 2,
        owner: Owner {
            declines: false,
            unconfirmed: false,
        },
    };
    let keys = public_keys();
    let session = |case: &Case, patch: &[u8]| opened(case, &old, patch, Ed25519Keys(&keys));
    let sealed = |case: &Case, key: Option<_>| seal(case.manifest, &data, key);
    assert_eq!(session(&good, &sealed(&good, Some(&key))), Ok(()));
    for first in 0..faults.len() {
        let (expect, fault) = faults[first];
        let mut alone = good;
        fault(&mut alone);
        assert_eq!(session(&alone, &sealed(&alone, Some(&key))), Err(expect));
        let mut case = good;
        for (_, fault) in &faults[first..] {
            fault(&mut case);
        }
        let patch = sealed(&case, Some(&key));
        assert_eq!(session(&case, &patch), Err(expect), "{first}");
        // A signature that does not hold comes before all of them.
        let strange = sealed(&case, Some(&stranger));
        assert_eq!(session(&case, &strange), Err(Error::UnknownKey));
        assert_eq!(session(&case, &sealed(&case, None)), Err(Error::NotSigned));
        let mut forged = patch.clone();
        forged[payload_start(&patch) - 40] ^= 1;
        assert_eq!(session(&case, &forged), Err(Error::BadSignature));
        // As does the form of the manifest before what it says.
        let manifest = {
            let envelope = Envelope::parse(&patch[HEAD_BYTES..payload_start(&patch)]).unwrap();
            [envelope.manifest, &[0]].concat()
        };
        let odd = envelope(&manifest, &[], Some(&key));
        assert!(matches!(session(&case, &odd), Err(Error::Wire { .. })));
    }
}

/// Check 1 under a key set, by the same rule.
#[test]
fn a_key_set_answers_in_order() {
    let (old, new) = (image(3072, 1), image(5000, 2));
    let data = toy_payload(&old, &new, 10);
    let key = signing_key();
    let public = key.verifying_key().to_bytes();
    let case = Case {
        manifest: Manifest {
            sequence: 50,
            // Later checks would refuse it, too.
            codec: 0,
            ..manifest(&old, &new, Profile::Small)
        },
        device: Device::new(Profile::Small),
        journal_blocks: 2,
        owner: Owner {
            declines: true,
            unconfirmed: true,
        },
    };
    let patch = seal(case.manifest, &data, Some(&key));
    let mut forged = patch.clone();
    forged[payload_start(&patch) - 40] ^= 1;

    /// Faults from the first on, as above.
    #[derive(Clone, Copy, PartialEq, PartialOrd)]
    enum From {
        Second,
        Revoked,
        Unknown,
        Bad,
        NotEntitled,
        None,
    }
    let session = |from: From| {
        let mine = Entry {
            last: if from <= From::NotEntitled { 49 } else { 50 },
            ..Entry::new(Algorithm::ED25519, &public)
        };
        let other = Entry::new(Algorithm::ED25519, &[7; 32]);
        let entries = [if from <= From::Unknown { other } else { mine }];
        let revoked = [key_id(&public)];
        let revoked = &revoked[..usize::from(from <= From::Revoked)];
        let mut set = [0; 512];
        let len = key_set::emit(1, &entries, revoked, &mut set).unwrap();
        let keys = KeySetKeys {
            set: KeySet::parse(&set[..len]).unwrap(),
            test_device: false,
            both: from <= From::Second,
        };
        let patch = if from <= From::Bad { &forged } else { &patch };
        opened(&case, &old, patch, keys)
    };
    for (from, error) in [
        (From::Second, Error::SecondSignatureMissing),
        (From::Revoked, Error::KeyRevoked),
        (From::Unknown, Error::UnknownKey),
        (From::Bad, Error::BadSignature),
        (From::NotEntitled, Error::KeyNotEntitled),
        (From::None, Error::CodecUnknown),
    ] {
        assert_eq!(session(from), Err(error));
    }
}

fn session(old: &[u8], patch: &[u8], device: Device<'static>) -> Result<(), Error> {
    let keys = public_keys();
    let options = Options {
        device,
        ..Options::default()
    };
    let mut board = Board::new(old, 20_000, &options);
    let result =
        board.session::<Toy, _>(patch, &Ed25519Keys(&keys), &options, &mut Stats::default());
    if let Err(e) = &result {
        assert_eq!(board.power.ops(), 0, "{e}: flash was touched");
    }
    result.map(drop)
}

#[test]
fn the_floor_moves_only_when_the_new_image_has_confirmed_itself() {
    let old = image(3000, 1);
    let new = image(5000, 2);
    let data = toy_payload(&old, &new, 10);
    let key = signing_key();
    let numbered = |sequence| {
        let m = Manifest {
            sequence,
            ..manifest(&old, &new, Profile::Small)
        };
        seal(m, &data, Some(&key))
    };
    let device = |memory: &Memory| Device {
        sequence_floor: memory.sequence_floor,
        ..Device::new(Profile::Small)
    };
    let mut memory = Memory {
        sequence_floor: 5,
        ..Memory::default()
    };
    let candidate = Candidate {
        sequence: 7,
        digest: sha(&new),
    };
    assert_eq!(session(&old, &numbered(7), device(&memory)), Ok(()));
    memory.handed_over(candidate);
    // The new image has not confirmed itself: an older patch is still good.
    assert_eq!(memory.sequence_floor, 5);
    assert_eq!(session(&old, &numbered(6), device(&memory)), Ok(()));
    // The device went back: the old image runs and confirms itself again.
    assert!(!memory.confirmed(&sha(&old)));
    assert_eq!(session(&old, &numbered(6), device(&memory)), Ok(()));
    // And the candidate is forgotten: it cannot move the floor later.
    assert!(!memory.confirmed(&sha(&new)));
    assert_eq!(memory.sequence_floor, 5);
    // This time it works.
    memory.handed_over(candidate);
    assert!(memory.confirmed(&sha(&new)));
    assert_eq!(memory.sequence_floor, 7);
    let refused = session(&old, &numbered(6), device(&memory));
    assert_eq!(refused, Err(Error::SequenceTooOld));
    assert_eq!(session(&old, &numbered(7), device(&memory)), Ok(()));
    // It never moves back.
    memory.handed_over(Candidate {
        sequence: 6,
        ..candidate
    });
    assert!(!memory.confirmed(&sha(&new)));
    assert_eq!(memory.sequence_floor, 7);
}

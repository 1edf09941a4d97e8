//! The order of checks (SPEC §4.2), and the sequence floor (SPEC §4.6).

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::envelope::{Envelope, HEAD_BYTES};
use deltamote_patcher::format::manifest::Manifest;
use deltamote_patcher::{Candidate, Device, Ed25519Keys, Error, Memory};
use deltamote_sim::{Board, Options, Stats};

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

/// Patches with all faults from the n-th on: the n-th is the one that is reported, and
/// nothing is erased or programmed.
#[test]
fn the_first_fault_in_the_order_is_reported() {
    let old = image(3000, 1);
    let new = image(5000, 2);
    let data = toy_payload(&old, &new, 10);
    let device = Device {
        vendor: Some([1; 16]),
        class: Some([2; 16]),
        slot: Some(1),
        sequence_floor: 5,
        ..Device::new(Profile::Small)
    };
    type Fault = fn(&mut Manifest<'static>);
    let faults: [(Error, Fault); 12] = [
        (Error::CodecUnknown, |m| m.codec = 0),
        (Error::IsaUnknown, |m| m.isa_mask = 1 << 31),
        (Error::PriorMissing, |m| m.prior = Some(77)),
        (Error::ProfileTooLarge, |m| m.profile = Profile::Medium),
        (Error::RamTooSmall { needed: 1 << 20 }, |m| {
            m.ram_bytes = Some(1 << 20)
        }),
        (Error::WrongVendor, |m| m.vendor = Some([9; 16])),
        (Error::WrongClass, |m| m.class = Some([9; 16])),
        (Error::WrongSlot, |m| m.slot = Some(9)),
        (Error::SequenceTooOld, |m| m.sequence = 4),
        (Error::OldImageMismatch, |m| m.old_size = 1 << 30),
        (Error::NewImageTooLarge, |m| m.new_size = 1 << 20),
        (Error::OldImageMismatch, |m| m.old_digest = [0; 32]),
    ];
    let key = signing_key();
    let good = Manifest {
        sequence: 5,
        ..manifest(&old, &new, Profile::Small)
    };
    assert_eq!(
        session(&old, &seal(good, &data, Some(&key)), device),
        Ok(())
    );
    for first in 0..faults.len() {
        let mut m = good;
        for (_, fault) in &faults[first..] {
            fault(&mut m);
        }
        let expect = faults[first].0;
        assert_eq!(
            session(&old, &seal(m, &data, Some(&key)), device),
            Err(expect)
        );
        // A signature that does not hold comes before all of them.
        let stranger = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
        let strange = seal(m, &data, Some(&stranger));
        assert_eq!(session(&old, &strange, device), Err(Error::UnknownKey));
        assert_eq!(
            session(&old, &seal(m, &data, None), device),
            Err(Error::NotSigned)
        );
        let mut forged = seal(m, &data, Some(&key));
        let end = HEAD_BYTES + usize::from(u16::from_le_bytes([forged[4], forged[5]]));
        forged[end - 40] ^= 1;
        assert_eq!(session(&old, &forged, device), Err(Error::BadSignature));
        // As does the form of the manifest before what it says.
        let manifest = {
            let patch = seal(m, &data, Some(&key));
            let end = HEAD_BYTES + usize::from(u16::from_le_bytes([patch[4], patch[5]]));
            let envelope = Envelope::parse(&patch[HEAD_BYTES..end]).unwrap();
            [envelope.manifest, &[0]].concat()
        };
        let odd = envelope(&manifest, &[], Some(&key));
        assert!(matches!(
            session(&old, &odd, device),
            Err(Error::Wire { .. })
        ));
    }
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

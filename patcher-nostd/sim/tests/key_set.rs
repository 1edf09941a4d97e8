//! Key sets on a device: which are taken, and power cuts while one is stored (SPEC §4.5).

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::envelope::{
    Algorithm, Envelope, Form, MAX_ENVELOPE, OPEN_HEADROOM, Purpose, Signer, emit_sig_structure,
};
use deltamote_patcher::format::key_set::{Entry, KeySet, emit};
use deltamote_patcher::key_set::{Accepted, accept, in_front};
use deltamote_patcher::{
    Blocks, Ed25519Keys, Error, Fault, Flash, Geometry, KeySetKeys, Memory, Verifier, key_id,
};
use deltamote_sim::{ApplyError, Options, Power, SimFlash, Tear, apply_with};
use ed25519_dalek::{Signer as _, SigningKey};

/// The signing key number `n`, and its public half.
fn numbered(n: u8) -> (SigningKey, [u8; 32]) {
    let key = SigningKey::from_bytes(&[n; 32]);
    let public = key.verifying_key().to_bytes();
    (key, public)
}

/// A key set file that `root` signed: one key, and a revoked id.
fn file(version: u64, key: u8, revoked: u8, root: &SigningKey) -> Vec<u8> {
    revoking(version, key, [revoked; 8], root)
}

/// As [`file`], with the id of any key.
fn revoking(version: u64, key: u8, revoked: [u8; 8], root: &SigningKey) -> Vec<u8> {
    let (_, public) = numbered(key);
    let mut set = [0; 512];
    let entries = [Entry::new(Algorithm::ED25519, &public)];
    let len = emit(version, &entries, &[revoked], &mut set).unwrap();
    let signer = Signer {
        algorithm: Algorithm::ED25519,
        kid: key_id(root.verifying_key().as_bytes()),
    };
    let mut message = [0; MAX_ENVELOPE];
    let n = emit_sig_structure(
        Purpose::KeySet,
        Form::One,
        signer,
        &set[..len],
        &mut message,
    );
    let signature = root.sign(&message[..n.unwrap()]).to_bytes();
    let envelope = Envelope {
        signer: Some(signer),
        manifest: &set[..len],
        signature: &signature,
        second: None,
    };
    let mut out = [0; MAX_ENVELOPE];
    let len = envelope.emit(&mut out).unwrap();
    [&Purpose::KeySet.emit_head(len).unwrap()[..], &out[..len]].concat()
}

/// Storage as the module's documentation asks for: two places for sets, and memory that is
/// stored in one piece.
struct Storage {
    power: Power,
    places: [SimFlash; 2],
    memory: Memory,
}

/// Bytes programmed at a time; the first two of a place say how long the set is.
const PIECE: usize = 16;

impl Storage {
    fn new() -> Storage {
        let power = Power::new(1);
        let geometry = Geometry {
            size: 1024,
            write_size: 8,
            write_once: true,
            erased: 0xff,
            blocks: Blocks::Uniform(1024),
        };
        Storage {
            places: [(); 2].map(|()| SimFlash::new(geometry, power.clone())),
            power,
            memory: Memory::default(),
        }
    }

    /// The set in use after a reset, and where it lies.
    fn in_use(&mut self) -> Option<(usize, Vec<u8>)> {
        let accepted = self.memory.key_set?;
        for (n, place) in self.places.iter_mut().enumerate() {
            let mut head = [0; 2];
            if place.read(0, &mut head).is_err() {
                continue;
            }
            let mut set = vec![0; usize::from(u16::from_le_bytes(head)).min(1000)];
            if place.read(2, &mut set).is_ok() && accepted.is(&set) {
                return Some((n, set));
            }
        }
        None
    }

    fn version(&mut self) -> Option<u64> {
        let (_, set) = self.in_use()?;
        Some(KeySet::parse(&set).unwrap().version)
    }

    fn take(&mut self, file: &[u8], root: &impl Verifier) -> Result<(), Error> {
        let mut buf = [0; OPEN_HEADROOM + MAX_ENVELOPE];
        let at = accept(file, &mut buf, root, self.memory.key_set.as_ref())?;
        let accepted = Accepted::of(&buf[at.clone()])?;
        if self.memory.key_set == Some(accepted) {
            return Ok(());
        }
        let spare = match self.in_use() {
            Some((0, _)) => 1,
            _ => 0,
        };
        let mut bytes = [&(at.len() as u16).to_le_bytes()[..], &buf[at]].concat();
        bytes.resize(bytes.len().next_multiple_of(8), 0xff);
        store(&mut self.places[spare], &bytes).map_err(Error::HandOver)?;
        self.memory.key_set = Some(accepted);
        Ok(())
    }
}

fn store(place: &mut SimFlash, bytes: &[u8]) -> Result<(), Fault> {
    let block = place.geometry().block(0).ok_or(Fault::Bus)?;
    place.erase(block)?;
    for (at, piece) in (0u32..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
        place.program(at, piece)?;
    }
    Ok(())
}

#[test]
fn a_set_that_is_no_newer_is_refused_unless_it_is_the_same() {
    let root = signing_key();
    let keys = public_keys();
    let root_keys = Ed25519Keys(&keys);
    let mut device = Storage::new();
    let good = |device: &mut Storage, file: &[u8]| {
        assert_eq!(device.take(file, &root_keys), Ok(()));
    };
    good(&mut device, &file(5, 1, 9, &root));
    good(&mut device, &file(5, 1, 9, &root));
    // Version 5 was given away twice: without what it revokes, or with another key, it must
    // not take the place of the first.
    for (version, key, revoked) in [(4, 1, 9), (4, 2, 9), (5, 1, 8), (5, 2, 9), (1, 1, 9)] {
        let before = device.in_use();
        let refused = device.take(&file(version, key, revoked, &root), &root_keys);
        assert_eq!(
            refused,
            Err(Error::KeySetTooOld),
            "{version} {key} {revoked}"
        );
        assert_eq!(device.in_use(), before);
    }
    good(&mut device, &file(6, 2, 8, &root));
    let old = device.take(&file(5, 1, 9, &root), &root_keys);
    assert_eq!(old, Err(Error::KeySetTooOld));
    // Who signed is looked at before the version is.
    let stranger = SigningKey::from_bytes(&[77; 32]);
    let strange = device.take(&file(4, 1, 9, &stranger), &root_keys);
    assert_eq!(strange, Err(Error::UnknownKey));
}

#[test]
fn a_set_in_front_of_a_patch_changes_the_keys() {
    let root = signing_key();
    let keys = public_keys();
    let root_keys = Ed25519Keys(&keys);
    let (old, new) = (image(500, 1), image(900, 2));
    let (manifest, data) = (
        manifest(&old, &new, Profile::Tiny),
        toy_payload(&old, &new, 5),
    );
    let signed_by = |n: u8| seal(manifest, &data, Some(&numbered(n).0));
    let applied = |device: &mut Storage, patch: &[u8]| {
        let (_, set) = device.in_use().unwrap();
        let keys = KeySetKeys {
            set: KeySet::parse(&set).unwrap(),
            test_device: false,
            both: false,
        };
        match apply_with::<Toy, _>(&old, patch, &keys, &Options::default()) {
            Ok(outcome) => {
                assert!(outcome.new_image == new);
                Ok(())
            }
            Err(ApplyError::Patch(e)) => Err(e),
            Err(e) => panic!("{e}"),
        }
    };
    let split = |file: &[u8]| {
        let head = file.first_chunk().unwrap();
        let len = in_front(head).unwrap().expect("a set in front");
        file[len..].to_vec()
    };
    let mut device = Storage::new();
    device.take(&file(1, 1, 9, &root), &root_keys).unwrap();
    assert_eq!(applied(&mut device, &signed_by(1)), Ok(()));
    assert_eq!(in_front(signed_by(1).first_chunk().unwrap()), Ok(None));

    // The set says who may sign what is behind it, once the device has taken it.
    let first = key_id(&numbered(1).1);
    let next = [revoking(2, 2, first, &root), signed_by(2)].concat();
    let patch = split(&next);
    assert_eq!(patch, signed_by(2));
    assert_eq!(applied(&mut device, &patch), Err(Error::UnknownKey));
    device.take(&next, &root_keys).unwrap();
    assert_eq!(applied(&mut device, &patch), Ok(()));
    assert_eq!(applied(&mut device, &signed_by(1)), Err(Error::KeyRevoked));

    // No way back, nor a way for a key to say who signs: only the root does.
    let back = [file(1, 1, 9, &root), signed_by(1)].concat();
    let taken = device.take(&back, &root_keys);
    assert_eq!(taken, Err(Error::KeySetTooOld));
    assert_eq!(applied(&mut device, &split(&back)), Err(Error::KeyRevoked));
    let own = [file(3, 3, 9, &numbered(2).0), signed_by(3)].concat();
    assert_eq!(device.take(&own, &root_keys), Err(Error::UnknownKey));
    assert_eq!(applied(&mut device, &split(&own)), Err(Error::UnknownKey));
    // A set cut off is none.
    for len in 0..next.len() - patch.len() {
        let cut = device.take(&next[..len], &root_keys);
        assert_eq!(cut, Err(Error::Incomplete), "{len}");
    }
}

#[test]
fn a_power_cut_leaves_the_old_set_or_the_new_one() {
    let root = signing_key();
    let keys = public_keys();
    let root_keys = Ed25519Keys(&keys);
    // One board each: a supply is shared by its clones.
    let with_two = || {
        let mut device = Storage::new();
        for version in [1, 2] {
            let set = file(version, version as u8, 9, &root);
            device.take(&set, &root_keys).unwrap();
        }
        device
    };
    let next = file(3, 3, 9, &root);
    let mut whole = with_two();
    let before = whole.power.ops();
    whole.take(&next, &root_keys).unwrap();
    let ops = whole.power.ops() - before;
    assert!(ops > 3, "an erase and some programs: {ops}");
    for tear in Tear::ALL {
        for cut in 0..ops {
            let mut device = with_two();
            device.power.cut_after(cut, tear);
            let done = device.take(&next, &root_keys);
            assert!(done.is_err(), "power failed in operation {cut}");
            device.power.no_cut();
            device.power.reboot();
            assert_eq!(device.version(), Some(2), "cut {cut}, {tear:?}");
            // And nothing stands in the way of the next try.
            assert_eq!(device.take(&next, &root_keys), Ok(()));
            assert_eq!(device.version(), Some(3));
            let old = device.take(&file(2, 2, 9, &root), &root_keys);
            assert_eq!(old, Err(Error::KeySetTooOld));
            for place in &device.places {
                assert_eq!(place.violations(), [""; 0]);
            }
        }
    }
}

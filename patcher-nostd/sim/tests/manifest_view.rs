//! What the application sees of a manifest before anything is touched, and what a build
//! without decryption does.

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::encryption::Encryption;
use deltamote_patcher::format::manifest::{Advisories, Manifest, UpdateClass, View};
use deltamote_patcher::{
    Class, Device, ENCRYPTION, Ed25519Keys, Error, Fault, Flash, HandOver, Parts, Patcher,
    SmallWorkspace,
};
use deltamote_sim::{Board, Options};

/// An application that installs security updates by itself and asks its user for others.
#[derive(Default)]
struct Application {
    asked: u32,
    advisories: Vec<String>,
}

impl<S: Flash> HandOver<S> for Application {
    fn accepts(&mut self, manifest: &View<'_>) -> bool {
        self.asked += 1;
        let ids = manifest.advisories();
        self.advisories = ids.iter().map(str::to_owned).collect();
        manifest.update_class() == Some(UpdateClass::Security)
    }
    fn clear_pending(&mut self, _: &mut S) -> Result<(), Fault> {
        Ok(())
    }
    fn set_pending(&mut self, _: &mut S, _: u32) -> Result<(), Fault> {
        Ok(())
    }
}

/// What the patcher says to `patch`, what the application saw, and the flash operations.
fn update(old: &[u8], patch: &[u8]) -> (Result<(), Error>, Application, u64) {
    let mut application = Application::default();
    let mut board = Board::new(old, 20_000, &Options::default());
    let keys = public_keys();
    let mut workspace = SmallWorkspace::new();
    let parts = Parts {
        old: &mut board.old,
        slot: &mut board.slot,
        journal: &mut board.journal,
        verifier: Ed25519Keys(&keys),
        hand_over: &mut application,
    };
    let device = Device::new(Profile::Small);
    let mut patcher = Patcher::<_, _, _, _, _, Toy>::with_codec(workspace.lend(), device, parts);
    let done = patcher.push(patch).and_then(|_| patcher.finish());
    let again = patcher.push(b"x").map(|_| ());
    assert!(done.is_ok() || again == done, "the error is final");
    drop(patcher);
    (done, application, board.power.ops())
}

#[test]
fn class_and_advisories_reach_the_application_before_anything_is_touched() {
    let (old, new) = (image(500, 1), image(9000, 2));
    let data = toy_payload(&old, &new, 10);
    let mut advisories = Advisories::default();
    assert!(advisories.push("CVE-2026-1234"));
    let security = Manifest {
        update_class: Some(UpdateClass::Security),
        advisories,
        ..manifest(&old, &new, Profile::Small)
    };
    let feature = Manifest {
        update_class: Some(UpdateClass::Feature),
        ..security
    };
    let key = signing_key();
    let (done, application, ops) = update(&old, &seal(security, &data, Some(&key)));
    assert_eq!(done, Ok(()));
    assert_eq!(application.asked, 1);
    assert_eq!(application.advisories, ["CVE-2026-1234"]);
    assert!(ops > 0);

    let (done, application, ops) = update(&old, &seal(feature, &data, Some(&key)));
    assert_eq!(done, Err(Error::Declined));
    assert_eq!(Error::Declined.class(), Class::WrongBase);
    assert_eq!((application.asked, ops), (1, 0));

    // What is not authentic or not for this device does not reach it.
    let mut forged = seal(security, &data, Some(&key));
    forged[60] ^= 1;
    let stranger = Manifest {
        vendor: Some([9; 16]),
        ..security
    };
    for patch in [forged, seal(stranger, &data, Some(&key))] {
        let (done, application, ops) = update(&old, &patch);
        assert!(done.is_err());
        assert_eq!((application.asked, ops), (0, 0));
    }
}

/// `cargo test -p deltamote-sim` builds the patcher without decryption, `cargo test
/// --workspace` with it (the engine asks for it): either way nothing is touched.
#[test]
fn an_encrypted_patch_is_refused_by_its_own_error() {
    let (old, new) = (image(500, 1), image(9000, 2));
    let data = toy_payload(&old, &new, 10);
    let encrypted = Manifest {
        encryption: Some(Encryption {
            recipient: &[1; 8],
            encapsulated: &[2; 32],
        }),
        update_class: Some(UpdateClass::Security),
        ..manifest(&old, &new, Profile::Small)
    };
    let (done, _, ops) = update(&old, &seal(encrypted, &data, Some(&signing_key())));
    let (expect, class) = if ENCRYPTION {
        (Error::WrongRecipient, Class::WrongBase)
    } else {
        (Error::EncryptionUnsupported, Class::Unsupported)
    };
    assert_eq!(done, Err(expect));
    assert_eq!((expect.class(), ops), (class, 0));
}

//! The least firmware that takes updates: what the text of the patcher is measured on.
//!
//! Built once with feature `patcher` and once without; the difference is the patcher,
//! because both have the same start, the same flash driver (here: registers that do not
//! exist) and the same memory functions. It is linked, not run.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod board;

use board::host::File;
use core::hint::black_box;
use deltamote_patcher::{Block, Blocks, Fault, Flash, Geometry};

/// A flash driver, as small as one can be.
struct Chip(File);

impl Flash for Chip {
    fn geometry(&self) -> Geometry {
        let known = Geometry {
            size: 0x4_0000,
            write_size: 8,
            write_once: true,
            erased: 0xff,
            blocks: Blocks::Uniform(4096),
        };
        // Or one that is found out at run time, as over a C interface.
        if cfg!(feature = "any-geometry") {
            return black_box(known);
        }
        known
    }

    #[inline(never)]
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        self.0.read(at, out);
        Ok(())
    }

    #[inline(never)]
    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        self.0.write(block.start, &[]);
        Ok(())
    }

    #[inline(never)]
    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.0.write(at, bytes);
        Ok(())
    }
}

/// Trusts one key, of a scheme that the linker cannot know.
#[cfg(any(feature = "p256", feature = "lms", feature = "ml-dsa"))]
fn verifier() -> deltamote_patcher::Keys<'static> {
    use deltamote_patcher::format::envelope::Algorithm;
    use deltamote_patcher::{Keys, PublicKey};
    static KEYS: [PublicKey<'static>; 1] = [PublicKey {
        algorithm: Algorithm::ED25519,
        bytes: &[7; 32],
    }];
    Keys(black_box(&KEYS))
}

/// Trusts the keys of a set that came beside the patch, signed by the root key.
#[cfg(feature = "key-sets")]
fn keys_of_set(
    workspace: &mut [u8],
) -> Result<deltamote_patcher::KeySetKeys<'static>, deltamote_patcher::Error> {
    use deltamote_patcher::format::key_set::KeySet;
    use deltamote_patcher::{Error, KeySetKeys, key_set};
    let file: &'static [u8] = black_box(&[7; 256]);
    let place = key_set::accept(file, workspace, &verifier(), None)?;
    let stored = black_box(workspace.get(place).ok_or(Error::Bug)?.len());
    let set = KeySet::parse(file.get(stored..).ok_or(Error::Bug)?)?;
    Ok(KeySetKeys {
        set,
        test_device: false,
        both: false,
    })
}

#[cfg(all(
    feature = "ed25519",
    not(any(feature = "p256", feature = "lms", feature = "ml-dsa"))
))]
fn verifier() -> deltamote_patcher::Ed25519Keys<'static> {
    deltamote_patcher::Ed25519Keys(black_box(&[[7; 32]]))
}

#[cfg(not(any(
    feature = "ed25519",
    feature = "p256",
    feature = "lms",
    feature = "ml-dsa"
)))]
#[cfg(feature = "patcher")]
fn verifier() -> deltamote_patcher::NoKeys {
    deltamote_patcher::NoKeys
}

/// Stands for a part that unwraps keys itself.
#[cfg(all(feature = "encryption", not(feature = "x25519")))]
struct SecureElement;

#[cfg(all(feature = "encryption", not(feature = "x25519")))]
impl deltamote_patcher::encryption::Recipient for SecureElement {
    fn content_key(
        &self,
        encryption: &deltamote_patcher::format::encryption::Encryption<'_>,
    ) -> Result<
        deltamote_patcher::encryption::ContentKey,
        deltamote_patcher::encryption::NoContentKey,
    > {
        Ok(deltamote_patcher::encryption::ContentKey::new(*black_box(
            encryption.encapsulated,
        )))
    }
}

#[cfg(feature = "patcher")]
#[inline(never)]
fn update(
    mut radio: Chip,
    old: Chip,
    slot: Chip,
    journal: Chip,
) -> Result<(), deltamote_patcher::Error> {
    use deltamote_patcher::format::Profile;
    use deltamote_patcher::{Device, Error, Parts, Patcher};
    let workspace = board::workspace().ok_or(Error::Bug)?;
    #[cfg(feature = "tiny")]
    let profile = Profile::Tiny;
    #[cfg(feature = "small")]
    let profile = Profile::Small;
    let mut device = Device::new(profile);
    device.allow_unsigned = cfg!(not(any(
        feature = "ed25519",
        feature = "p256",
        feature = "lms",
        feature = "ml-dsa"
    )));
    #[cfg(all(feature = "prior", feature = "tiny"))]
    {
        device.priors = &[deltamote_patcher::format::prior::TINY];
    }
    #[cfg(all(feature = "prior", feature = "small"))]
    {
        device.priors = &[deltamote_patcher::format::prior::SMALL];
    }
    let parts = Parts {
        old,
        slot,
        journal,
        #[cfg(not(feature = "key-sets"))]
        verifier: verifier(),
        #[cfg(feature = "key-sets")]
        verifier: keys_of_set(workspace.bytes)?,
        hand_over: (),
    };
    #[cfg(feature = "encryption")]
    let parts = Parts {
        old: parts.old,
        slot: parts.slot,
        journal: parts.journal,
        verifier: deltamote_patcher::encryption::WithRecipient {
            verifier: parts.verifier,
            #[cfg(feature = "x25519")]
            recipient: deltamote_patcher::encryption::X25519Key {
                secret: black_box(&[8; 32]),
                public: black_box(&[9; 32]),
            },
            #[cfg(not(feature = "x25519"))]
            recipient: SecureElement,
        },
        hand_over: (),
    };
    let mut patcher = Patcher::new(workspace, device, parts);
    let mut piece = [0; 64];
    loop {
        let at = patcher.wanted_offset();
        let _ = radio.read(at, &mut piece);
        if patcher.push_at(at, &piece)?.complete {
            return patcher.finish();
        }
    }
}

/// The same without a patcher: a firmware that has a driver, memory and a radio anyway.
#[cfg(not(feature = "patcher"))]
#[inline(never)]
fn update(mut radio: Chip, mut old: Chip, mut slot: Chip, mut journal: Chip) -> Result<(), Fault> {
    let mut piece = [0; 64];
    if let Some(workspace) = board::workspace() {
        black_box(workspace.words.len());
    }
    for chip in [&mut radio, &mut old, &mut slot, &mut journal] {
        black_box(chip.geometry());
        chip.read(0, &mut piece)?;
        chip.erase(Block { start: 0, len: 1 })?;
        chip.program(0, &piece)?;
    }
    Ok(())
}

fn run() -> ! {
    let mut a = black_box([1; 12]);
    let b = black_box([2; 12]);
    if board::memory::all(&mut a, &b, black_box(96)) {
        black_box(&a);
    }
    let chip = |n: usize| Chip(board::host::File::at(n));
    let result = update(chip(1), chip(2), chip(3), chip(4));
    board::host::exit(usize::from(result.is_err()))
}

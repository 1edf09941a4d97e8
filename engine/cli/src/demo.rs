//! `deltamote demo`: the whole story on a real pair of images, in a minute.
//!
//! MicroPython for the BBC micro:bit, 1.2.0 to 1.2.4, is built in. Nothing is read from
//! or written to disk; the key is made for the occasion and forgotten.

use deltamote_engine::image::Image;
use deltamote_engine::{
    self as engine, DiffOptions, ErrorClass, Identity, Profile, Trust, VerifyingKey, embedded,
    keys, prior,
};
use deltamote_patcher::{Device, Ed25519Keys};
use deltamote_sim::{Cuts, Options, Stats, Tear, apply_on_sim, preset};

use crate::failure::Failure;
use crate::progress::Bar;
use crate::report;
use crate::say;

/// What the demonstration's device has: the chip has 16 KiB of RAM in all.
const PROFILE: Profile = Profile::Tiny;
/// Its flash. (The micro:bit's own part is this one's smaller sibling.)
const FLASH: &str = "nrf52840";
/// A packet of a slow radio; odd, so that nothing in the patch lines up with it.
const PIECE_BYTES: usize = 61;

/// Tells the story; fails where a step does not do what it says.
pub fn run() -> Result<(), Failure> {
    let old = Image::from_bytes(embedded::OLD.to_vec())?;
    let new = Image::from_bytes(embedded::NEW.to_vec())?;
    say(&format!(
        "1. Two releases of real firmware: {}, {} and {}.\n   {} and {} bytes for an Arm Cortex-M0 with 16 KiB of RAM.\n",
        embedded::NAME,
        embedded::OLD_VERSION,
        embedded::NEW_VERSION,
        report::thousands(old.bytes().len() as u64),
        report::thousands(new.bytes().len() as u64),
    ))?;

    let key = keys::random()
        .map_err(|e| Failure::failed(format!("no random bytes from the system ({e})")))?;
    let trust = Trust::key(key.verifying_key());
    let options = DiffOptions {
        profile: PROFILE,
        identity: Identity {
            sequence: 1,
            ..Identity::default()
        },
        ..DiffOptions::default()
    };
    let patch = engine::diff(&old, &new, &options, Some(&key), &Bar::new())?;
    say(&format!(
        "2. The signed patch has {}.\n   It was proved before it was handed out: the device code itself restored the image from it.\n",
        report::headline(&patch.summary)
    ))?;

    power_cut(&old, &new, &patch.bytes, &key.verifying_key())?;

    let restored = engine::apply(old.bytes(), &patch.bytes, &trust, &Bar::new())?;
    if restored != new.bytes() {
        return Err(defect("the restored image is not the new one"));
    }
    say("4. Applied: byte for byte the new release.\n")?;

    say("5. The same patch with one bit flipped:\n")?;
    tampered(&old, &patch.bytes, &trust)?;
    say("\nTo do it with your own images, start with: deltamote --help\n")
}

/// The patch arrives in odd pieces, the power goes on the way, the device resumes.
fn power_cut(old: &Image, new: &Image, patch: &[u8], key: &VerifyingKey) -> Result<(), Failure> {
    let board = Options {
        preset: preset(FLASH).ok_or_else(|| defect("the simulated part is gone"))?,
        device: Device {
            priors: prior::BUILT_IN,
            ..Device::new(PROFILE)
        },
        split: PIECE_BYTES,
        ..Options::default()
    };
    let keys = [key.to_bytes()];
    let verifier = Ed25519Keys(&keys);
    let boot = |cuts| {
        let options = Options {
            cuts,
            ..board.clone()
        };
        let outcome = apply_on_sim(old.bytes(), patch, &verifier, &options)
            .map_err(|e| defect(&format!("the simulated device failed ({e})")))?;
        if outcome.new_image == new.bytes() {
            Ok(outcome.stats)
        } else {
            Err(defect("the simulated device holds another image"))
        }
    };
    let undisturbed = boot(Cuts::None)?;
    let middle = undisturbed.ops * 3 / 4;
    let cut = boot(Cuts::At(vec![(middle, Tear::RandomBits)]))?;
    let written = |s: &Stats| s.slot.programmed_bytes + s.journal.programmed_bytes;
    let again = written(&cut).saturating_sub(written(&undisturbed));
    say(&format!(
        "3. A simulated device ({FLASH} flash, {} bytes of working memory) gets it in pieces of\n   \
         {PIECE_BYTES} bytes. Its power fails at flash operation {} of {} and leaves a half-written word.\n   \
         {}\n   It needed {} bytes of transfer instead of {} and wrote {} bytes of flash again.\n",
        report::thousands(cut.workspace_bytes as u64),
        report::thousands(middle),
        report::thousands(undisturbed.ops),
        match cut.jumps.last() {
            Some(at) => format!(
                "After the reboot it asks for the patch from byte {} on.",
                report::thousands(u64::from(*at))
            ),
            None =>
                "After the reboot it takes the patch from its start, skipping what is in flash."
                    .into(),
        },
        report::thousands(cut.pushed_bytes),
        report::thousands(undisturbed.pushed_bytes),
        report::thousands(again),
    ))
}

fn defect(what: &str) -> Failure {
    Failure::failed(format!("{what}; this is a defect, please report it"))
}

/// One flipped bit anywhere: refused, before anything of it is decoded.
fn tampered(old: &Image, patch: &[u8], trust: &Trust) -> Result<(), Failure> {
    let places = [patch.len() / 8, patch.len() / 2, patch.len() - 1];
    for at in places {
        let mut bad = patch.to_vec();
        bad[at] ^= 1;
        match engine::verify(old.bytes(), &bad, trust) {
            Err(e) if matches!(e.class(), ErrorClass::NotAuthentic | ErrorClass::Damaged) => {
                say(&format!("   at byte {at}: refused ({e})\n"))?;
            }
            Err(e) => return Err(e.into()),
            Ok(_) => {
                return Err(defect(&format!(
                    "a patch with a flipped bit at byte {at} was taken"
                )));
            }
        }
    }
    Ok(())
}

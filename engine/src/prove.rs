//! The proof: the real patcher applies the patch on simulated flash.
//!
//! Fed with a finished patch file; used by `diff` before it returns, by `apply` and by
//! `verify`. There is no other decoder in the engine.

use crate::encrypt::Encrypted;
use crate::inspect::Parts;
use crate::keys::PublicKey;
use crate::{Error, ErrorClass, Trust};
use deltamote_format::Profile;
use deltamote_format::envelope::Signer;
use deltamote_format::manifest::{CODEC_DELTAMOTE, CODEC_ZSTD};
use deltamote_format::model::Prior;
use deltamote_patcher::encryption::{Recipient, WithRecipient};
use deltamote_patcher::{Device, Distrust, Error as Refusal, Keys, Verifier};
use deltamote_sim::{ApplyError, Options, apply_on_sim, apply_with};
use deltamote_zstd::Zstd;

/// Bytes of workspace that a patcher of `profile` needs.
pub(crate) fn workspace_bytes(profile: Profile) -> u64 {
    deltamote_patcher::workspace_len(profile) as u64
}

/// [`Trust`] as the patcher asks for it.
pub(crate) struct Trusted<'t>(pub &'t Trust);

impl Trusted<'_> {
    fn check(
        &self,
        signer: &Signer,
        message: &[u8],
        signature: &[u8],
        second: bool,
    ) -> Result<(), Distrust> {
        match self.0 {
            Trust::AllowUnsigned => Ok(()),
            Trust::Keys(keys) | Trust::Both(keys) => {
                // Of two, the classical one comes first.
                let two = second || matches!(self.0, Trust::Both(_));
                if two && signer.algorithm.is_post_quantum() != second {
                    return Err(Distrust::UnknownKey);
                }
                let keys: Vec<_> = keys.iter().map(PublicKey::on_device).collect();
                Keys(&keys).verify(signer, message, signature)
            }
            Trust::KeySet(set) => set.verify(signer, message, signature, second),
        }
    }
}

impl Verifier for Trusted<'_> {
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.check(signer, message, signature, false)
    }
    fn verify_second(&self, signer: &Signer, m: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        self.check(signer, m, signature, true)
    }
    fn needs_second(&self) -> bool {
        match self.0 {
            Trust::Both(_) => true,
            Trust::KeySet(set) => set.both,
            _ => false,
        }
    }
}

pub(crate) fn refused(error: Refusal) -> Error {
    use deltamote_patcher::Class;
    let (class, advice) = match error.class() {
        _ if error == Refusal::WrongRecipient => (
            ErrorClass::WrongBase,
            "give the recipient's secret key with --decrypt-with",
        ),
        Class::NotAuthentic => (
            ErrorClass::NotAuthentic,
            "fetch the patch again, or check which key signed it",
        ),
        Class::WrongBase => (
            ErrorClass::WrongBase,
            "give the image and device that the patch was made for",
        ),
        Class::Damaged => (ErrorClass::Damaged, "fetch the patch again"),
        Class::Unsupported => (ErrorClass::Damaged, "update this build of deltamote"),
        Class::Flash => (ErrorClass::Failed, "please report it"),
    };
    Error::new(class, format!("{error}; {advice}"))
}

/// The device that `patch` asks for.
pub(crate) fn device_for(patch: &[u8], priors: &'static [Prior<'static>]) -> Device<'static> {
    let mut device = Device::new(Profile::Large);
    device.priors = priors;
    // On the host any device will do: take the one that the patch asks for. The patcher
    // itself decides later whether the envelope is authentic.
    if let Ok(Parts { manifest, .. }) = Parts::of(patch) {
        device.vendor = manifest.vendor;
        device.class = manifest.class;
        device.slot = manifest.slot;
        device.load_address = manifest.load_address;
    }
    device
}

/// Number of the codec that `patch` asks for; ours if it cannot be read.
pub(crate) fn codec_of(patch: &[u8]) -> u32 {
    Parts::of(patch).map_or(CODEC_DELTAMOTE, |parts| parts.manifest.codec)
}

/// The new image that the device makes of `old` with `patch`.
pub(crate) fn run(
    old: &[u8],
    patch: &[u8],
    trust: &Trust,
    priors: &'static [Prior<'static>],
    recipient: Option<&dyn Recipient>,
) -> Result<Vec<u8>, Error> {
    let mut device = device_for(patch, priors);
    device.allow_unsigned = matches!(trust, Trust::AllowUnsigned);
    let verifier = Trusted(trust);
    let options = Options {
        device,
        ..Options::default()
    };
    let verifier = WithRecipient {
        verifier,
        recipient,
    };
    // A device has one codec or both; here the patch says which. One that nobody knows is
    // refused by the device that has ours.
    let applied = match codec_of(patch) {
        CODEC_ZSTD => apply_with::<Zstd, _>(old, patch, &verifier, &options),
        _ => apply_on_sim(old, patch, &verifier, &options),
    };
    match applied {
        Ok(outcome) => Ok(outcome.new_image),
        // The stream ended: to the patcher more could come, here nothing will.
        Err(ApplyError::Patch(Refusal::Incomplete)) => Err(Error::new(
            ErrorClass::Damaged,
            format!("the patch ends after {} bytes; fetch it again", patch.len()),
        )),
        Err(ApplyError::Patch(error)) => Err(refused(error)),
        Err(defect) => Err(Error::internal(defect)),
    }
}

/// Fails unless the device makes the new image of the old one with `patch`.
pub(crate) fn prove(
    (old, new): (&[u8], &[u8]),
    patch: &[u8],
    trust: &Trust,
    priors: &'static [Prior<'static>],
    encrypted: Option<&Encrypted>,
) -> Result<(), Error> {
    let recipient = encrypted.map(|e| e as &dyn Recipient);
    let made = run(old, patch, trust, priors, recipient)
        .map_err(|e| Error::internal(format!("the patch does not prove: {e}")))?;
    if made != new {
        let at = made.iter().zip(new).position(|(a, b)| a != b);
        return Err(Error::internal(format!(
            "the proved patch makes another image (first at {at:?})"
        )));
    }
    Ok(())
}

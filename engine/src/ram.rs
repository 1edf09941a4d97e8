//! What an update takes of a device's RAM in all, where that is known to be above the
//! budget of the patch's profile.
//!
//! Fed with a manifest; feeds `inspect` (notes) and `diff` (the refusal for profile tiny).
//! The workspace is the format's. The stacks are those of `patcher-nostd/demo` on the
//! emulated Cortex-M4 in profile small (features p256 and x25519 for these), but for
//! ML-DSA-65: that of its check alone and what an update has above the check. A device that
//! has the key in a secure element, or checks signatures in hardware, takes less: what is
//! above a budget is said, and where no device is known to have the room, refused.

use crate::keys::Scheme;
use crate::prove::workspace_bytes;
use deltamote_format::Profile;

/// What is done in software beside the decoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// One signature is checked.
    Signature(Scheme),
    /// The content key of an encrypted payload is taken out with HPKE and X25519.
    ContentKey,
}

impl Work {
    /// Highest stack of an update with it, in bytes: from the application's call down, the
    /// patcher and the check of an Ed25519 signature included.
    pub const fn stack_bytes(self) -> u64 {
        match self {
            Work::Signature(Scheme::Ed25519 | Scheme::Lms) => 3_472,
            Work::Signature(Scheme::P256) => 7_284,
            Work::Signature(Scheme::MlDsa65) => 120_412,
            Work::ContentKey => 6_640,
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Work::Signature(Scheme::Ed25519) => "an Ed25519 signature checked in software",
            Work::Signature(Scheme::Lms) => "an LMS signature checked in software",
            Work::Signature(Scheme::P256) => "a P-256 signature checked in software",
            Work::Signature(Scheme::MlDsa65) => "an ML-DSA-65 signature checked in software",
            Work::ContentKey => "the key of the payload taken out in software (HPKE, X25519)",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Work::Signature(_) => "a verifier in hardware or in a secure element needs less",
            Work::ContentKey => "a secure element that holds the key needs less",
        }
    }
}

/// RAM that a profile promises to do with, in bytes: workspace and stack of an update whose
/// signature is Ed25519. (README.md, "Profiles"; tiny takes 10 KiB for now.)
pub const fn budget(profile: Profile) -> u64 {
    match profile {
        Profile::Tiny => 10 << 10,
        Profile::Small => 16 << 10,
        Profile::Medium => 64 << 10,
        Profile::Large => 8 << 20,
    }
}

/// RAM in all of an update in `profile` with `work` in it, in bytes.
pub fn in_all(profile: Profile, work: Work) -> u64 {
    workspace_bytes(profile) + work.stack_bytes()
}

/// One sentence, if an update in `profile` with `work` in it is above the budget.
pub fn above(profile: Profile, work: Work) -> Option<String> {
    let (needed, budget) = (in_all(profile, work), budget(profile));
    (needed > budget).then(|| {
        format!(
            "with {} an update takes about {needed} bytes of RAM in all (workspace, and \
             stack measured on a Cortex-M4), profile {} promises {budget}; {}",
            work.in_words(),
            profile.name(),
            work.advice()
        )
    })
}

/// The smallest profile whose budget `work` keeps.
pub fn smallest(work: Work) -> Option<Profile> {
    let fits = |profile: &Profile| above(*profile, work).is_none();
    Profile::ALL.into_iter().find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_device_can_do_is_not_mentioned() {
        for scheme in [Scheme::Ed25519, Scheme::Lms] {
            for profile in Profile::ALL {
                assert_eq!(above(profile, Work::Signature(scheme)), None, "{profile:?}");
            }
        }
    }

    #[test]
    fn what_is_above_the_budget_is_said_with_both_figures() {
        let said = |profile, work| above(profile, work).is_some();
        let profiles = Profile::ALL;
        let p256 = profiles.map(|p| said(p, Work::Signature(Scheme::P256)));
        assert_eq!(p256, [true, true, true, false]);
        let ml_dsa = profiles.map(|p| said(p, Work::Signature(Scheme::MlDsa65)));
        assert_eq!(ml_dsa, [true, true, true, false]);
        let key = profiles.map(|p| said(p, Work::ContentKey));
        assert_eq!(key, [true, true, true, false]);
        let text = above(Profile::Small, Work::ContentKey).unwrap();
        let needed = in_all(Profile::Small, Work::ContentKey).to_string();
        assert!(text.contains(&needed) && text.contains("16384"), "{text}");
    }
}

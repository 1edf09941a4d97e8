//! Trained initial states of the models: which one a patch starts from.

use crate::{Error, ErrorClass};
use deltamote_format::Profile;
use deltamote_format::model::{Models, Prior};
use deltamote_format::prior;

/// The states that this build has.
pub const BUILT_IN: &[Prior<'static>] = &[prior::TINY, prior::SMALL, prior::MEDIUM];

/// The state among `priors` that models of `profile` can start from.
pub fn for_profile(priors: &'static [Prior<'static>], profile: Profile) -> Option<Prior<'static>> {
    let words = Models::words(&profile.limits());
    priors.iter().find(|p| p.words.len() == words).copied()
}

/// The built-in state that a manifest names; `None` for blank models.
pub(crate) fn named(id: Option<u32>) -> Result<Option<Prior<'static>>, Error> {
    let Some(id) = id else { return Ok(None) };
    match BUILT_IN.iter().find(|p| p.id == id) {
        Some(prior) => Ok(Some(*prior)),
        None => Err(Error::new(
            ErrorClass::Damaged,
            format!(
                "the patch starts from trained state {id:#x}, which this build does not have; \
                 update deltamote"
            ),
        )),
    }
}

//! Deltamote as one of the tools, so that it is timed exactly as its peers are: one
//! process per step, files in, files out.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use deltamote_engine::image::Image;
use deltamote_engine::{DiffOptions, NoProgress, SigningKey, Trust};
use deltamote_format::Profile;

use crate::peers::Peer;
use crate::runs::DELTAMOTE;
use crate::setting::{Level, Setting, parse_profile};

/// Deltamote in one setting, with a number of threads.
#[derive(Clone, Debug)]
pub struct Own {
    setting: Setting,
    threads: usize,
    name: String,
}

impl Own {
    /// Deltamote in `setting` on `threads` threads.
    pub fn new(setting: Setting, threads: usize) -> Own {
        let (profile, level) = (setting.profile.name(), setting.level);
        Own {
            setting,
            threads,
            name: format!("{profile}-{level}-{threads}"),
        }
    }

    /// The setting that `name` (`PROFILE-LEVEL-THREADS`, after `deltamote-` or not)
    /// stands for.
    pub fn parse(name: &str) -> Option<Own> {
        let name = name.strip_prefix("deltamote-").unwrap_or(name);
        let mut words = name.split('-');
        let profile: Profile = parse_profile(words.next()?).ok()?;
        let level: Level = words.next()?.parse().ok()?;
        let threads = words.next()?.parse().ok()?;
        (words.next().is_none()).then(|| Own::new(Setting { profile, level }, threads))
    }

    /// Threads that it may use.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

/// A fixed key: the work is the same with any.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[0x5a; 32])
}

impl Peer for Own {
    fn tool(&self) -> &str {
        DELTAMOTE
    }

    fn setting(&self) -> &str {
        &self.name
    }

    fn version(&self) -> Option<String> {
        Some(env!("CARGO_PKG_VERSION").to_owned())
    }

    fn install(&self) -> &str {
        "(this)"
    }

    fn diff(&self, old: &Path, new: &Path, patch: &Path) -> Result<Option<f64>> {
        let options = DiffOptions {
            profile: self.setting.profile,
            level: match self.setting.level {
                Level::Fast => deltamote_engine::Level::Fast,
                Level::Default => deltamote_engine::Level::Default,
                Level::Best => deltamote_engine::Level::Best,
            },
            jobs: Some(self.threads),
            ..DiffOptions::default()
        };
        let (old, new) = (Image::open(old)?, Image::open(new)?);
        let made = deltamote_engine::diff(&old, &new, &options, Some(&key()), &NoProgress)?;
        fs::write(patch, made.bytes).with_context(|| patch.display().to_string())?;
        Ok(None)
    }

    fn apply(&self, old: &Path, patch: &Path, back: &Path) -> Result<()> {
        let trust = Trust::key(key().verifying_key());
        let old = Image::open(old)?;
        let patch = fs::read(patch).with_context(|| patch.display().to_string())?;
        let new = deltamote_engine::apply(old.bytes(), &patch, &trust, &NoProgress)?;
        fs::write(back, new).with_context(|| back.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers;

    #[test]
    fn names_are_read_back() {
        for level in Level::ALL {
            let profile = Profile::Small;
            let own = Own::new(Setting { profile, level }, 4);
            let read = Own::parse(&peers::name(&own)).unwrap();
            assert_eq!((read.setting, read.threads()), (own.setting, 4));
        }
        for wrong in [
            "bsdiff",
            "small-default",
            "small-default-x",
            "small-default-1-1",
            "",
        ] {
            assert!(Own::parse(wrong).is_none(), "{wrong}");
        }
    }
}

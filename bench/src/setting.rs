//! One way of making a patch (profile and level), and which ways a pair is made in.
//!
//! Fed by the arguments; feeds `sizes`, and through the command line of the child
//! process `measure`.

use std::fmt;
use std::str::FromStr;

use deltamote_format::Profile;
use serde::{Serialize, Serializer};

/// Images above this are for Linux-class devices: they are measured in profile
/// `large` whatever was asked for, since no device with 16 KiB of RAM holds them.
pub const LARGE_IMAGE_BYTES: u64 = 8 << 20;

/// How much work the engine spends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// `--level fast`
    Fast,
    /// `--level default`
    Default,
    /// `--level best`
    Best,
}

/// Profile and level of one patch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The memory class that the patch is made for.
    pub profile: Profile,
    /// The work spent on it.
    pub level: Level,
}

impl Level {
    /// All levels, least work first.
    pub const ALL: [Level; 3] = [Level::Fast, Level::Default, Level::Best];

    /// The engine's.
    pub const fn of_engine(self) -> deltamote_engine::Level {
        match self {
            Level::Fast => deltamote_engine::Level::Fast,
            Level::Default => deltamote_engine::Level::Default,
            Level::Best => deltamote_engine::Level::Best,
        }
    }

    /// Name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Fast => "fast",
            Level::Default => "default",
            Level::Best => "best",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(name: &str) -> Result<Level, String> {
        let found = Level::ALL.into_iter().find(|l| l.name() == name);
        found.ok_or_else(|| "one of fast, default, best".to_owned())
    }
}

/// Parser of a profile's name for the command line.
pub fn parse_profile(name: &str) -> Result<Profile, String> {
    let found = Profile::ALL.into_iter().find(|p| p.name() == name);
    found.ok_or_else(|| "one of tiny, small, medium, large".to_owned())
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [
            ("profile", self.profile.name()),
            ("level", self.level.name()),
        ]
        .into_iter()
        .collect::<std::collections::BTreeMap<_, _>>()
        .serialize(serializer)
    }
}

/// The settings for a new image of `new_bytes`: every profile at the first level, the
/// further levels at the first profile only (levels are compared within one profile).
pub fn settings(profiles: &[Profile], levels: &[Level], new_bytes: u64) -> Vec<Setting> {
    let profiles = match new_bytes > LARGE_IMAGE_BYTES {
        true => &[Profile::Large],
        false => profiles,
    };
    let mut settings = Vec::new();
    for (i, &level) in levels.iter().enumerate() {
        let asked = if i == 0 { profiles } else { &profiles[..1] };
        settings.extend(asked.iter().map(|&profile| Setting { profile, level }));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(profiles: &[Profile], levels: &[Level], bytes: u64) -> Vec<String> {
        let name = |s: &Setting| format!("{} {}", s.profile.name(), s.level);
        settings(profiles, levels, bytes).iter().map(name).collect()
    }

    #[test]
    fn further_levels_are_measured_in_the_first_profile() {
        let profiles = [Profile::Small, Profile::Tiny];
        let levels = [Level::Default, Level::Fast];
        let expected = ["small default", "tiny default", "small fast"];
        assert_eq!(named(&profiles, &levels, 100_000), expected);
    }

    #[test]
    fn large_images_are_measured_in_profile_large() {
        let profiles = [Profile::Small, Profile::Tiny];
        let levels = [Level::Default, Level::Fast];
        assert_eq!(named(&profiles, &levels, 8 << 20).len(), 3);
        let expected = ["large default", "large fast"];
        assert_eq!(named(&profiles, &levels, (8 << 20) + 1), expected);
    }

    #[test]
    fn names_are_read_back() {
        for level in Level::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
        for profile in Profile::ALL {
            assert_eq!(parse_profile(profile.name()), Ok(profile));
        }
        assert!("slow".parse::<Level>().is_err());
    }
}

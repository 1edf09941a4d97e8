//! Which payload codec a patch is made with: our coder, or zstd behind the same predictions.
//!
//! Fed with a plan and its price, feeds `seal`. Only profile large has a choice. The rule of
//! [`CodecChoice::Auto`] is arithmetic on the patch, never a measurement, so that the same
//! patch comes out on any host. SPEC §13.

use crate::planner::Planned;
use crate::{Error, ErrorClass, Level, encode};
use deltamote_format::manifest::{CODEC_DELTAMOTE, CODEC_ZSTD};
use deltamote_format::model::Prior;
use deltamote_format::{ErrorKind, Profile};

/// How the payload codec is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodecChoice {
    /// The smaller payload; with `decode_speed` the smaller of those that decode at least so
    /// many MB (10^6 bytes) of the new image a second ([`DecodeCost`]), or the faster one if
    /// none does. Below profile large: our coder.
    Auto {
        /// MB a second on the machine that [`DecodeCost`] was measured on.
        decode_speed: Option<u32>,
    },
    /// Our coder.
    Deltamote,
    /// zstd.
    Zstd,
}

impl Default for CodecChoice {
    fn default() -> Self {
        CodecChoice::Auto { decode_speed: None }
    }
}

/// What decoding takes, in work that does not depend on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeCost {
    /// Bytes of the new image.
    pub new_bytes: u64,
    /// Binary decisions of our coder; 0 for zstd.
    pub decisions: u64,
    /// Bytes of a payload of zstd; 0 for our coder.
    pub zstd_bytes: u64,
}

/// Nanoseconds of a byte of the new image: its prediction, its digest, and that it is written.
const NS_PER_BYTE: u64 = 17;
/// Nanoseconds of a decision of our coder, profile large.
const NS_PER_DECISION: u64 = 75;
/// Nanoseconds of a payload byte of zstd: what a miss, an op and a literal take.
const NS_PER_ZSTD_BYTE: u64 = 100;

impl DecodeCost {
    /// MB (10^6 bytes) of the new image a second, on the machine of README, "Codecs".
    pub fn megabytes_per_second(&self) -> f64 {
        let ns = self.new_bytes * NS_PER_BYTE
            + self.decisions * NS_PER_DECISION
            + self.zstd_bytes * NS_PER_ZSTD_BYTE;
        self.new_bytes as f64 * 1000.0 / ns.max(1) as f64
    }
}

/// A payload and the number of its codec.
#[derive(Debug)]
pub(crate) struct Coded {
    pub payload: Vec<u8>,
    pub codec: u32,
    pub cost: DecodeCost,
}

/// Refuses a choice that the profile does not have.
pub(crate) fn check(choice: CodecChoice, profile: Profile) -> Result<(), Error> {
    let asks = matches!(
        choice,
        CodecChoice::Zstd
            | CodecChoice::Auto {
                decode_speed: Some(_)
            }
    );
    if !asks || profile == Profile::Large {
        return Ok(());
    }
    let message = format!(
        "profile {} has one payload codec, deltamote; --codec and --decode-speed are for \
         profile large",
        profile.name()
    );
    Err(Error::new(ErrorClass::Usage, message))
}

/// The payload of `planned` by the codec that `choice` leads to.
pub(crate) fn choose(
    planned: &mut Planned,
    images: (&[u8], &[u8]),
    (profile, prior): (Profile, Option<Prior<'_>>),
    (choice, level): (CodecChoice, Level),
) -> Result<Coded, Error> {
    let zstd = || by_zstd(planned, images, level);
    if choice == CodecChoice::Zstd {
        return zstd().map_err(explained);
    }
    let zstd = match choice {
        CodecChoice::Auto { .. } if profile == Profile::Large => match zstd() {
            // More than a device has memory for.
            Err(e) if e.kind == ErrorKind::NumberTooLarge => None,
            made => Some(made?),
        },
        _ => None,
    };
    let ours = Coded {
        payload: match planned.payload.take() {
            Some(payload) => payload,
            None => encode::encode(&planned.plan, images, profile, prior)?,
        },
        codec: CODEC_DELTAMOTE,
        cost: DecodeCost {
            new_bytes: images.1.len() as u64,
            decisions: planned.pricing.decisions,
            zstd_bytes: 0,
        },
    };
    let CodecChoice::Auto { decode_speed } = choice else {
        return Ok(ours);
    };
    Ok(match zstd {
        Some(zstd) if prefers(&zstd, &ours, decode_speed) => zstd,
        _ => ours,
    })
}

/// Whether `a` is to be taken and not `b`.
fn prefers(a: &Coded, b: &Coded, least: Option<u32>) -> bool {
    let (fast, slow) = (a.cost.megabytes_per_second(), b.cost.megabytes_per_second());
    let least = f64::from(least.unwrap_or(0));
    match (fast >= least, slow >= least) {
        (true, true) => a.payload.len() < b.payload.len(),
        (false, false) => fast > slow,
        (reaches, _) => reaches,
    }
}

fn by_zstd(
    planned: &Planned,
    images: (&[u8], &[u8]),
    level: Level,
) -> Result<Coded, deltamote_format::Error> {
    let level = match level {
        Level::Fast => 12,
        Level::Default => 19,
        Level::Best => 22,
    };
    let log2 = deltamote_zstd::block_log2(images.1.len() as u32);
    let plan = planned.plan.in_blocks(log2);
    let mut header = plan.header.clone();
    header.map_len = plan.count_map();
    let mut cursor = plan.cursor(images.1);
    let payload = deltamote_zstd::encode(header, images, &mut cursor, level)?;
    Ok(Coded {
        codec: CODEC_ZSTD,
        cost: DecodeCost {
            new_bytes: images.1.len() as u64,
            decisions: 0,
            zstd_bytes: payload.len() as u64,
        },
        payload,
    })
}

fn explained(e: deltamote_format::Error) -> Error {
    match e.kind {
        ErrorKind::NumberTooLarge => Error::new(
            ErrorClass::Failed,
            format!(
                "so little of the new image is as predicted around byte {} that zstd would need \
                 more memory than a device of profile large has; use --codec deltamote",
                e.at
            ),
        ),
        _ => e.into(),
    }
}

/// What a codec is called; its number where this build does not know it.
pub(crate) fn name(codec: u32) -> String {
    match codec {
        CODEC_DELTAMOTE => "deltamote".into(),
        CODEC_ZSTD => "zstd".into(),
        other => other.to_string(),
    }
}

impl CodecChoice {
    /// As a command line and a provenance say it, but for the decode speed.
    pub const fn name(self) -> &'static str {
        match self {
            CodecChoice::Auto { .. } => "auto",
            CodecChoice::Deltamote => "deltamote",
            CodecChoice::Zstd => "zstd",
        }
    }

    /// The choice of this name.
    ///
    /// # Errors
    /// [`ErrorClass::Usage`] for other names, and for a decode speed with any but `auto`.
    pub fn named(name: &str, decode_speed: Option<u32>) -> Result<Self, Error> {
        let choice = match name {
            "auto" => return Ok(CodecChoice::Auto { decode_speed }),
            "deltamote" => CodecChoice::Deltamote,
            "zstd" => CodecChoice::Zstd,
            _ => {
                let message = format!("codec {name:?} is unknown; give auto, deltamote or zstd");
                return Err(Error::new(ErrorClass::Usage, message));
            }
        };
        match decode_speed {
            None => Ok(choice),
            Some(_) => Err(Error::new(
                ErrorClass::Usage,
                "a decode speed chooses the codec; give it with --codec auto",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(len: usize, decisions: u64) -> Coded {
        Coded {
            payload: vec![0; len],
            codec: u32::from(decisions == 0),
            cost: DecodeCost {
                new_bytes: 1_000_000,
                decisions,
                zstd_bytes: 0,
            },
        }
    }

    #[test]
    fn size_decides_unless_speed_was_asked_for() {
        let (zstd, ours) = (coded(120, 0), coded(100, 1_000_000));
        let (fast, slow) = (zstd.cost, ours.cost);
        let (fast, slow) = (fast.megabytes_per_second(), slow.megabytes_per_second());
        assert!(fast > slow + 2.0, "{fast} {slow}");
        assert!(!prefers(&zstd, &ours, None));
        assert!(!prefers(&zstd, &ours, Some(slow as u32)));
        assert!(prefers(&zstd, &ours, Some(slow as u32 + 1)));
        // None is fast enough: the faster one.
        assert!(prefers(&zstd, &ours, Some(fast as u32 + 1)));
        assert!(!prefers(&ours, &zstd, Some(fast as u32 + 1)));
        assert!(prefers(&coded(99, 0), &ours, None));
    }
}

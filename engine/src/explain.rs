//! Where every byte of the new image came from, and what it cost.
//!
//! Fed by [`crate::walk`] with a decoded patch, feeds whoever draws it with stretches.

use crate::Error;
use crate::inspect::{Inspection, bytes_of};
use crate::keys::RecipientKey;
use crate::walk::walk;

/// What some bytes of the new image were made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Copied as they are.
    Copied,
    /// Copied, and a reference or value in them changed as predicted or as told.
    Reference,
    /// Copied, and bytes in them told anew.
    Corrected,
    /// Inserted.
    Literal,
}

impl Origin {
    /// All of them, the cheapest first.
    pub const ALL: [Origin; 4] = [
        Origin::Copied,
        Origin::Reference,
        Origin::Corrected,
        Origin::Literal,
    ];

    /// Name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Copied => "copied",
            Origin::Reference => "copied, reference corrected",
            Origin::Corrected => "copied, bytes corrected",
            Origin::Literal => "literal",
        }
    }
}

/// Bytes of the new image in a row that share their origin.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stretch {
    /// First new offset.
    pub start: u32,
    /// New offset behind it.
    pub end: u32,
    /// What they were made from.
    pub origin: Origin,
    /// Payload bytes spent on it, on the ops before it included; exact or shares, as
    /// [`Inspection::places_by`] says.
    pub bytes: f64,
}

/// A part of the new image in which bytes differ from what they were copied from, or are
/// inserted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Changed {
    /// First new offset.
    pub start: u32,
    /// New offset behind it.
    pub end: u32,
    /// Bytes told anew in it: corrected or inserted, references not counted.
    pub anew: u32,
    /// Of these: inserted.
    pub literal: u32,
    /// Bytes of units whose reference was corrected.
    pub references: u32,
    /// Payload bytes spent on it.
    pub bytes: f64,
}

/// A patch laid open.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// All facts about the patch.
    pub inspection: Inspection,
    /// The new image in order, nothing left out.
    pub stretches: Vec<Stretch>,
    /// The new image.
    pub new: Vec<u8>,
}

/// Lays `patch` open over the old image that it was made for. Nothing is checked for
/// authenticity.
///
/// # Errors
/// Damaged patches; another old image.
pub fn explain(
    patch: &[u8],
    old: &[u8],
    recipient: Option<&RecipientKey>,
) -> Result<Explanation, Error> {
    let mut joined: Vec<(u32, u32, Origin, u64)> = Vec::new();
    let walked = walk(patch, old, recipient, |unit| {
        let end = unit.start + unit.len;
        match joined.last_mut() {
            Some(last) if last.2 == unit.origin => {
                last.1 = end;
                last.3 += unit.price;
            }
            _ => joined.push((unit.start, end, unit.origin, unit.price)),
        }
    })?;
    let stretch = |&(start, end, origin, price): &(u32, u32, Origin, u64)| Stretch {
        start,
        end,
        origin,
        bytes: bytes_of(price),
    };
    Ok(Explanation {
        inspection: walked.inspection,
        stretches: joined.iter().map(stretch).collect(),
        new: walked.new,
    })
}

impl Explanation {
    /// New bytes of each origin, in the order of [`Origin::ALL`].
    pub fn by_origin(&self) -> [u64; 4] {
        let mut out = [0; 4];
        for s in &self.stretches {
            out[s.origin as usize] += u64::from(s.end - s.start);
        }
        out
    }

    /// Bytes of each origin in each of the cells of `cell` (at least 1) bytes that the
    /// new image falls into.
    pub fn cells(&self, cell: u32) -> Vec<[u64; 4]> {
        let cell = cell.max(1);
        let count = self.new.len().div_ceil(cell as usize);
        let mut out = vec![[0u64; 4]; count];
        for s in &self.stretches {
            let mut at = s.start;
            while at < s.end {
                let end = s.end.min((at / cell + 1) * cell);
                out[(at / cell) as usize][s.origin as usize] += u64::from(end - at);
                at = end;
            }
        }
        out
    }

    /// The parts that were told anew, those with most such bytes first. Parts less than
    /// `apart` bytes from each other are one.
    pub fn changed(&self, apart: u32) -> Vec<Changed> {
        let mut out: Vec<Changed> = Vec::new();
        // Copied bytes and references since the last byte told anew.
        let (mut between, mut references) = (0.0, 0);
        for s in &self.stretches {
            let len = s.end - s.start;
            let literal = if s.origin == Origin::Literal { len } else { 0 };
            match s.origin {
                Origin::Copied | Origin::Reference => {
                    between += s.bytes;
                    references += if s.origin == Origin::Reference {
                        len
                    } else {
                        0
                    };
                    continue;
                }
                Origin::Corrected | Origin::Literal => {}
            }
            match out.last_mut() {
                Some(last) if s.start - last.end < apart => {
                    last.end = s.end;
                    last.anew += len;
                    last.literal += literal;
                    last.references += references;
                    last.bytes += between + s.bytes;
                }
                _ => out.push(Changed {
                    start: s.start,
                    end: s.end,
                    anew: len,
                    literal,
                    references: 0,
                    bytes: s.bytes,
                }),
            }
            (between, references) = (0.0, 0);
        }
        out.sort_by_key(|c| (std::cmp::Reverse(c.anew), c.start));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;
    use crate::{CodecChoice, DiffOptions, ErrorClass, Level, NoProgress, PlacesBy, Profile, diff};

    fn explained(old: &[u8], new: &[u8], codec: CodecChoice) -> Explanation {
        let image = |b: &[u8]| Image::from_bytes(b.to_vec()).unwrap();
        let options = DiffOptions {
            level: Level::Fast,
            profile: match codec {
                CodecChoice::Auto { .. } => Profile::Small,
                _ => Profile::Large,
            },
            codec,
            ..DiffOptions::default()
        };
        let patch = diff(&image(old), &image(new), &options, None, &NoProgress).unwrap();
        let explained = explain(&patch.bytes, old, None).unwrap();
        assert_eq!(explained.new, new);
        let seen = &explained.inspection;
        let by_kind: f64 = seen.breakdown.values().sum();
        let ahead = ["header", "map", "chunk links", "block lengths"];
        let ahead = ahead.map(|k| seen.breakdown.get(k).copied().unwrap_or(0.0));
        let by_stretch: f64 = explained.stretches.iter().map(|s| s.bytes).sum();
        let difference = (by_kind - ahead.iter().sum::<f64>() - by_stretch).abs();
        // Each figure is rounded to a hundredth; what follows the last output is nobody's.
        let most = 2.0 + 0.01 * explained.stretches.len() as f64;
        assert!(
            difference < most,
            "{by_kind} by kind, {by_stretch} by stretch"
        );
        let by_place: f64 = seen.places.iter().map(|p| p.bytes).sum();
        assert!((by_place - by_stretch).abs() < most, "{by_place} by place");
        explained
    }

    const OURS: CodecChoice = CodecChoice::Auto { decode_speed: None };

    fn noise(len: usize, mut state: u64) -> Vec<u8> {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn origins_are_what_was_done_to_the_image() {
        origins(OURS);
    }

    #[test]
    fn origins_are_the_same_of_zstd() {
        origins(CodecChoice::Zstd);
    }

    fn origins(codec: CodecChoice) {
        let old = noise(20_000, 1);
        let mut new = old.clone();
        new[5000] ^= 0x55;
        new.splice(12_000..12_000, noise(300, 2));
        let explained = explained(&old, &new, codec);
        let by_origin = explained.by_origin();
        assert_eq!(by_origin.iter().sum::<u64>(), new.len() as u64);
        assert!(
            (300..340).contains(&by_origin[Origin::Literal as usize]),
            "{by_origin:?}"
        );
        let changed = explained.changed(16);
        // 300 bytes of noise take 300 and little more.
        assert!((295.0..325.0).contains(&changed[0].bytes), "{changed:?}");
        assert!((11_990..=12_000).contains(&changed[0].start), "{changed:?}");
        assert!(
            changed
                .iter()
                .any(|c| (4990..=5000).contains(&c.start) && c.end > 5000),
            "{changed:?}"
        );
        assert_eq!(explained.stretches[0].origin, Origin::Copied);
        assert!(
            explained
                .stretches
                .windows(2)
                .all(|w| w[0].end == w[1].start)
        );
        let cells = explained.cells(1000);
        assert_eq!(cells.len(), 21);
        assert_eq!(cells[0], [1000, 0, 0, 0]);
        assert_eq!(cells.iter().flatten().sum::<u64>(), new.len() as u64);
    }

    #[test]
    fn moved_calls_are_references() {
        let (old, new) = (crate::embedded::OLD, crate::embedded::NEW);
        let ours = explained(old, new, OURS);
        let by_origin = ours.by_origin();
        assert!(
            by_origin[Origin::Reference as usize] > 10_000,
            "{by_origin:?}"
        );
        assert_eq!(ours.inspection.places_by, Some(PlacesBy::Decisions));
    }

    /// Both codecs of profile large code one plan, of which they tell one story.
    #[test]
    fn both_codecs_say_the_same_of_one_plan() {
        let (old, new) = (crate::embedded::OLD, crate::embedded::NEW);
        let [ours, zstd] =
            [CodecChoice::Deltamote, CodecChoice::Zstd].map(|codec| explained(old, new, codec));
        assert_eq!(zstd.inspection.places_by, Some(PlacesBy::Shares));
        let (a, b) = (ours.by_origin(), zstd.by_origin());
        for origin in [Origin::Copied, Origin::Literal].map(|o| o as usize) {
            assert_eq!(a[origin], b[origin]);
        }
        // Of a missed reference our coder may send the bytes, which are corrected then.
        let reference = Origin::Reference as usize;
        assert!(b[reference] >= a[reference] && a[reference] * 10 > b[reference] * 9);
        // Told by shares, the places that cost most are still those that do by our coder.
        let most = |e: &Explanation| {
            let mut places = e.inspection.places.clone();
            places.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
            let starts = places.iter().take(8).map(|p| p.start);
            starts.collect::<std::collections::BTreeSet<_>>()
        };
        let both = most(&ours).intersection(&most(&zstd)).count();
        assert!(both >= 6, "{both}");
    }

    #[test]
    fn another_old_image_is_refused() {
        let (old, new) = (noise(5000, 3), noise(5000, 4));
        let image = |b: &[u8]| Image::from_bytes(b.to_vec()).unwrap();
        let options = DiffOptions::default();
        let patch = diff(&image(&old), &image(&new), &options, None, &NoProgress).unwrap();
        let error = explain(&patch.bytes, &new, None).unwrap_err();
        assert_eq!(error.class(), ErrorClass::WrongBase);
    }
}

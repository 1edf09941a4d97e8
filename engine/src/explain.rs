//! Where every byte of the new image came from, and what it cost.
//!
//! Fed with a patch and the old image; decodes with the real models and looks on. Feeds
//! `inspect` with prices, and whoever draws a patch with stretches.

use crate::encode::{self, Places};
use crate::inspect::{Inspection, Parts, bytes_of, damaged};
use crate::keys::RecipientKey;
use crate::price::{Measuring, PriceCounter};
use crate::seal::digest;
use crate::{Error, ErrorClass};
use deltamote_format::codec::{Codec, Header, Position, Step};
use deltamote_format::coder::{Decoder, Input, Section};
use deltamote_format::isa::{Code, Isa};
use deltamote_format::le;
use deltamote_format::manifest::CODEC_DELTAMOTE;

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
    /// Payload bytes spent on it, on the ops before it included.
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

/// Some bytes that the codec put out at once.
pub(crate) struct Unit {
    start: u32,
    len: u32,
    origin: Origin,
    /// In 1/1024 bit, ops before it included.
    price: u64,
}

pub(crate) struct Walked {
    pub inspection: Inspection,
    pub new: Vec<u8>,
}

/// Decodes `patch` over `old` and shows every unit to `each`. Nothing is checked for
/// authenticity.
pub(crate) fn walk(
    patch: &[u8],
    old: &[u8],
    recipient: Option<&RecipientKey>,
    mut each: impl FnMut(Unit),
) -> Result<Walked, Error> {
    let parts = Parts::of(patch)?;
    let manifest = &parts.manifest;
    if old.len() != manifest.old_size as usize || digest(old) != manifest.old_digest {
        return Err(Error::new(
            ErrorClass::WrongBase,
            "the patch was made for another old image; give that one",
        ));
    }
    let payload = parts.payload(recipient)?.ok_or_else(|| {
        let what = "the patch is encrypted; give the recipient's secret key with --decrypt-with";
        Error::new(ErrorClass::WrongBase, what)
    })?;
    if manifest.codec != CODEC_DELTAMOTE {
        return Err(Error::new(
            ErrorClass::Failed,
            format!(
                "where each byte is from is told of patches of codec deltamote; this one is of \
                 codec {}: leave the drawing out",
                crate::codecs::name(manifest.codec)
            ),
        ));
    }
    let prior = crate::prior::named(manifest.prior)?;
    let mut words = encode::workspace(manifest.profile);
    let header = Header::new(manifest.old_size, manifest.new_size, Isa::None);
    let mut codec = Codec::new(&mut words, manifest.profile, header, prior)?;
    let mut coder = Decoder::default();
    let mut counter = PriceCounter::default();
    let mut places = Places::new(manifest.new_size as usize);
    let mut new = Vec::with_capacity(manifest.new_size as usize);
    let mut input = Input {
        bytes: &payload,
        last: true,
        used: 0,
    };
    let (mut seen, mut corrections) = (0, 0);
    loop {
        let pos = codec.pos();
        let source = codec.copy_source();
        let mut measuring = Measuring {
            coder: coder.with(&mut input),
            counter: &mut counter,
        };
        let step = codec
            .step(&mut measuring, &mut &*old, &mut &new[..], &mut ())
            .map_err(damaged)?;
        places.add(pos, &counter);
        match step {
            Step::Output { word, len } => {
                let told = counter.by_section()[Section::Corrections as usize];
                let len = u32::from(len);
                let origin = match source {
                    None => Origin::Literal,
                    Some(from) if same(from, old, &new, word, len) => Origin::Copied,
                    Some(_) if told == corrections => Origin::Reference,
                    Some(_) => Origin::Corrected,
                };
                each(Unit {
                    start: pos,
                    len,
                    origin,
                    price: counter.total() - seen,
                });
                (seen, corrections) = (counter.total(), told);
                new.extend_from_slice(&le::word_bytes(word)[..len as usize]);
            }
            Step::Done => break,
            // What comes before the first op is not a place's.
            Step::Control if !codec.map_ready() => seen = counter.total(),
            Step::Control | Step::Reset(_) => {}
        }
    }
    let mut inspection = parts.inspection(patch.len())?;
    inspection.explain(
        &parts,
        counter.by_section(),
        &places.prices,
        counter.decisions,
    )?;
    Ok(Walked { inspection, new })
}

/// Whether the `len` low bytes of `word` are those at `from`.
fn same(from: Position, mut old: &[u8], mut new: &[u8], word: u32, len: u32) -> bool {
    (0..len).all(|k| {
        let there = match from {
            Position::Old(at) => old.byte(at.wrapping_add(k)),
            Position::New(at) => match new.byte(at.wrapping_add(k)) {
                // A copy that overlaps itself reads what this unit wrote.
                None => at
                    .wrapping_add(k)
                    .checked_sub(new.len() as u32)
                    .map(|inside| (word >> (8 * inside.min(3))) as u8),
                there => there,
            },
        };
        there == Some((word >> (8 * k)) as u8)
    })
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
    use crate::{DiffOptions, Level, NoProgress, diff};

    fn explained(old: &[u8], new: &[u8]) -> Explanation {
        let image = |b: &[u8]| Image::from_bytes(b.to_vec()).unwrap();
        let options = DiffOptions {
            level: Level::Fast,
            ..DiffOptions::default()
        };
        let patch = diff(&image(old), &image(new), &options, None, &NoProgress).unwrap();
        let explained = explain(&patch.bytes, old, None).unwrap();
        assert_eq!(explained.new, new);
        let by_kind: f64 = explained.inspection.breakdown.values().sum();
        let ahead = ["header", "map", "chunk links"].map(|k| explained.inspection.breakdown[k]);
        let by_stretch: f64 = explained.stretches.iter().map(|s| s.bytes).sum();
        let difference = (by_kind - ahead.iter().sum::<f64>() - by_stretch).abs();
        // Each figure is rounded to a hundredth; what follows the last output is nobody's.
        let most = 2.0 + 0.01 * explained.stretches.len() as f64;
        assert!(
            difference < most,
            "{by_kind} by kind, {by_stretch} by stretch"
        );
        explained
    }

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
        let old = noise(20_000, 1);
        let mut new = old.clone();
        new[5000] ^= 0x55;
        new.splice(12_000..12_000, noise(300, 2));
        let explained = explained(&old, &new);
        let by_origin = explained.by_origin();
        assert_eq!(by_origin.iter().sum::<u64>(), new.len() as u64);
        assert!(
            (300..340).contains(&by_origin[Origin::Literal as usize]),
            "{by_origin:?}"
        );
        let changed = explained.changed(16);
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
        let explained = explained(old, new);
        let by_origin = explained.by_origin();
        assert!(
            by_origin[Origin::Reference as usize] > 10_000,
            "{by_origin:?}"
        );
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

//! A patch decoded while the engine looks on: what each unit of the new image was made from,
//! and what it cost.
//!
//! Fed with a patch and the old image; decodes with the real decoder of its codec. Feeds
//! `inspect` with prices, and [`crate::explain`] with units.

use crate::encode::{self, Places};
use crate::explain::Origin;
use crate::inspect::{Inspection, Parts, PlacesBy, damaged};
use crate::keys::RecipientKey;
use crate::price::{Measuring, PriceCounter};
use crate::seal::digest;
use crate::{Error, ErrorClass, codecs};
use deltamote_format::codec::{Codec, Header, Position, Step};
use deltamote_format::coder::{Decoder, Input, Section};
use deltamote_format::isa::{Code, Isa};
use deltamote_format::le;
use deltamote_format::manifest::{CODEC_DELTAMOTE, CODEC_ZSTD};

/// Some bytes that the codec put out at once.
pub(crate) struct Unit {
    pub start: u32,
    pub len: u32,
    pub origin: Origin,
    /// In 1/1024 bit, ops before it included.
    pub price: u64,
}

/// What is left when a patch has been walked over.
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
    each: impl FnMut(Unit),
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
    let mut inspection = parts.inspection(patch.len())?;
    let new = match manifest.codec {
        CODEC_DELTAMOTE => ours(&parts, &payload, old, &mut inspection, each)?,
        CODEC_ZSTD => zstd(&parts, &payload, old, &mut inspection, each)?,
        unknown => {
            return Err(Error::new(
                ErrorClass::Failed,
                format!(
                    "the patch is of codec {}, which this version does not know; use a newer one",
                    codecs::name(unknown)
                ),
            ));
        }
    };
    Ok(Walked { inspection, new })
}

/// A payload of our coder: each decision at its price.
fn ours(
    parts: &Parts<'_>,
    payload: &[u8],
    old: &[u8],
    inspection: &mut Inspection,
    mut each: impl FnMut(Unit),
) -> Result<Vec<u8>, Error> {
    let manifest = &parts.manifest;
    let prior = crate::prior::named(manifest.prior)?;
    let mut words = encode::workspace(manifest.profile);
    let header = Header::new(manifest.old_size, manifest.new_size, Isa::None);
    let mut codec = Codec::new(&mut words, manifest.profile, header, prior)?;
    let mut coder = Decoder::default();
    let mut counter = PriceCounter::default();
    let mut places = Places::new(manifest.new_size as usize);
    let mut new = Vec::with_capacity(manifest.new_size as usize);
    let mut input = Input {
        bytes: payload,
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
            Step::Control | Step::Reset => {}
        }
    }
    let (by_section, decisions) = (counter.by_section(), counter.decisions);
    inspection.explain(parts, by_section, &places.prices, decisions)?;
    Ok(new)
}

/// A payload of zstd: kinds to the byte, what a unit takes by shares of its block's frames.
fn zstd(
    parts: &Parts<'_>,
    payload: &[u8],
    old: &[u8],
    inspection: &mut Inspection,
    mut each: impl FnMut(Unit),
) -> Result<Vec<u8>, Error> {
    let new_size = parts.manifest.new_size;
    let mut places = Places::new(new_size as usize);
    let mut new = Vec::with_capacity(new_size as usize);
    deltamote_zstd::watch(payload, old, new_size, |piece| {
        let (word, len) = (piece.word, piece.len);
        places.spend(piece.start, piece.price);
        each(Unit {
            start: piece.start,
            len,
            origin: match piece.source {
                None => Origin::Literal,
                Some(from) if same(from, old, &new, word, len) => Origin::Copied,
                // Of a missed reference nobody can say whether it was told as one.
                Some(_) if piece.is_reference || !piece.missed => Origin::Reference,
                Some(_) => Origin::Corrected,
            },
            price: piece.price,
        });
        new.extend_from_slice(&le::word_bytes(word)[..len as usize]);
    })
    .map_err(damaged)?;
    inspection.breakdown = parts.framing()?;
    inspection.explain_zstd(parts, payload)?;
    inspection.places_are(&places.prices, PlacesBy::Shares);
    Ok(new)
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

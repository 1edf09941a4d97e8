//! What is in a patch, and where its bytes go.

use crate::codecs::{self, Coded, DecodeCost};
use crate::encode::{PLACES, Pricing};
use crate::keys::{RecipientKey, Scheme};
use crate::price::BIT;
use crate::ram::{self, Work};
use crate::sbom::{Sbom, SbomChanges};
use crate::{Error, ErrorClass};
use deltamote_format::Profile;
use deltamote_format::chain;
use deltamote_format::codec;
use deltamote_format::coder::{Input, Section};
use deltamote_format::envelope::{Algorithm, Envelope, HEAD_BYTES, parse_head};
use deltamote_format::isa::Isa;
use deltamote_format::manifest::{CODEC_DELTAMOTE, CODEC_ZSTD, Manifest, UpdateClass};
use deltamote_patcher::Error as Refusal;
use deltamote_patcher::encryption::Recipient;
use serde::Serialize;
use std::collections::BTreeMap;

/// A stretch of the new image and what it costs.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// First new offset.
    pub start: u64,
    /// New offset behind it.
    pub end: u64,
    /// Payload bytes spent on it; header, map, chunk links and lengths of blocks not
    /// counted.
    pub bytes: f64,
}

/// How it is known what a place costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlacesBy {
    /// Each decision of our coder at its price.
    Decisions,
    /// A place is a block of zstd, and has what its frames take.
    Blocks,
    /// Inside a block of zstd nobody can say exactly: each of its frames is shared out by
    /// the bytes that each place has in it before compression. Exact by block.
    Shares,
}

impl PlacesBy {
    /// The same in a sentence for people.
    pub const fn words(self) -> &'static str {
        match self {
            PlacesBy::Decisions => "Exact: each binary decision at its price.",
            PlacesBy::Blocks => "Exact by block of zstd; inspect --old tells smaller places apart.",
            PlacesBy::Shares => {
                "Exact by block of zstd; inside one each frame is shared out by what each place \
                 has in it before compression."
            }
        }
    }
}

/// Facts about a patch. Serialises to what `inspect --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Bytes of the patch file.
    pub total_bytes: u64,
    /// All coded bytes: map, ops, literals, chunk links; without manifest and signature.
    pub payload_bytes: u64,
    /// Bytes of workspace that the patcher needs.
    pub ram_bytes: u64,
    /// Smallest device profile that can apply it.
    #[serde(serialize_with = "profile_name")]
    pub profile: Profile,
    /// Payload codec: `deltamote`, `zstd`, or its number if this build does not know it.
    pub codec: String,
    /// MB (10^6 bytes) of the new image that the machine of README, "Codecs", decodes a
    /// second, by count of what decoding takes; `None` when not known (from a patch of our
    /// coder alone).
    pub decode_mb_per_s: Option<f64>,
    /// Bytes of the old image.
    pub old_size: u64,
    /// Bytes of the new image.
    pub new_size: u64,
    /// SHA-256 of the old image, hexadecimal.
    pub old_digest: String,
    /// SHA-256 of the new image, hexadecimal.
    pub new_digest: String,
    /// Instruction sets that occur.
    pub isa: Vec<String>,
    /// Chunks of the payload.
    pub chunks: u32,
    /// Payload bytes per kind. From a patch of our coder alone `map` and `header` are told
    /// apart from `ops` (all the rest); with the old image, or right after `diff`, all kinds
    /// are known. Of zstd they always are, to the byte.
    pub breakdown: BTreeMap<&'static str, f64>,
    /// Payload bytes by place in the new image; empty when not known (from a patch of our
    /// coder alone).
    pub places: Vec<Place>,
    /// How the bytes of [`Inspection::places`] are known; `None` where there are none.
    pub places_by: Option<PlacesBy>,
    /// Binary decisions that decoding takes; 0 when not known (from the patch alone).
    pub decisions: u64,
    /// Whether there is a signature (not whether it holds).
    pub signed: bool,
    /// Id of the signing key, hexadecimal.
    pub key_id: Option<String>,
    /// Scheme of each signature, as `keygen --scheme` has it; a number where it is not known.
    pub schemes: Vec<String>,
    /// Anti-rollback sequence number.
    pub sequence: u64,
    /// Vendor UUID.
    pub vendor_id: Option<String>,
    /// Device class UUID.
    pub class_id: Option<String>,
    /// security, feature or mixed.
    pub update_class: Option<String>,
    /// Advisory ids that it answers.
    pub advisories: Vec<String>,
    /// Trained initial state that the patcher must have.
    pub prior: Option<u32>,
    /// SHA-256 of the old image's bill of materials, hexadecimal.
    pub sbom_old: Option<String>,
    /// SHA-256 of the new image's bill of materials, hexadecimal.
    pub sbom_new: Option<String>,
    /// How the components differ; only where both bills of materials were given, and are
    /// those that were signed for.
    pub sbom_changes: Option<SbomChanges>,
    /// Id of the key that the payload is encrypted for, hexadecimal; `None`: it is not.
    pub encrypted_for: Option<String>,
    /// What the device should know before it takes the patch: where its RAM may not suffice.
    pub notes: Vec<String>,
}

fn profile_name<S: serde::Serializer>(profile: &Profile, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(profile.name())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn uuid(bytes: &[u8; 16]) -> String {
    let h = hex(bytes);
    [&h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]].join("-")
}

pub(crate) fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorClass::Damaged,
        format!("{what}; fetch the patch again"),
    )
}

/// A patch file, taken apart but not checked.
pub(crate) struct Parts<'a> {
    pub envelope: Envelope<'a>,
    pub manifest: Manifest<'a>,
    pub chunks: &'a [u8],
}

impl<'a> Parts<'a> {
    pub fn of(patch: &'a [u8]) -> Result<Parts<'a>, Error> {
        let short = || damaged(format!("the patch ends after {} bytes", patch.len()));
        let (head, rest) = patch.split_first_chunk::<HEAD_BYTES>().ok_or_else(short)?;
        let len = parse_head(head).map_err(damaged)?;
        let (bytes, chunks) = rest.split_at_checked(len).ok_or_else(short)?;
        let envelope = Envelope::parse(bytes).map_err(damaged)?;
        let manifest = Manifest::parse(envelope.manifest).map_err(damaged)?;
        Ok(Parts {
            envelope,
            manifest,
            chunks,
        })
    }

    /// The payload without the chunk links, decrypted for `recipient`; `None`: it is
    /// encrypted, and there is no recipient. Says nothing about authenticity.
    pub(crate) fn payload(
        &self,
        recipient: Option<&RecipientKey>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let key = match (&self.manifest.encryption, recipient) {
            (None, _) => None,
            (Some(_), None) => return Ok(None),
            (Some(encryption), Some(recipient)) => Some(
                recipient
                    .content_key(encryption)
                    .map_err(|e| Error::new(ErrorClass::WrongBase, Refusal::from(e).to_string()))?,
            ),
        };
        let layout = self
            .manifest
            .layout()
            .ok_or_else(|| damaged("the chunk layout is impossible"))?;
        let mut data = Vec::with_capacity(layout.data_size() as usize);
        for index in 0..layout.count() {
            let range = layout.chunk(index).unwrap_or_default();
            let chunk = self
                .chunks
                .get(range.start as usize..range.end as usize)
                .ok_or_else(|| damaged(format!("chunk {index} is cut off")))?;
            let (bytes, _) = chain::parse(chunk, layout.is_last(index))
                .ok_or_else(|| damaged(format!("chunk {index} is too short")))?;
            let start = data.len();
            data.extend_from_slice(bytes);
            if let Some(key) = &key {
                let len = key
                    .open(index, &mut data[start..])
                    .map_err(|_| damaged(format!("chunk {index} does not decrypt")))?;
                data.truncate(start + len);
            }
        }
        Ok(Some(data))
    }

    /// How it is signed: none to two.
    fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        let second = self.envelope.second.as_ref().map(|(signer, _)| *signer);
        let signers = [self.envelope.signer, second];
        signers.into_iter().flatten().map(|s| s.algorithm)
    }

    fn notes(&self) -> Vec<String> {
        let schemes = self.algorithms().filter_map(Scheme::of);
        let key = self.manifest.encryption.map(|_| Work::ContentKey);
        let work = schemes.map(Work::Signature).chain(key);
        work.filter_map(|work| ram::above(self.manifest.profile, work))
            .collect()
    }

    /// Bytes of links and tags, by kind.
    pub(crate) fn framing(&self) -> Result<BTreeMap<&'static str, f64>, Error> {
        let layout = self
            .manifest
            .layout()
            .ok_or_else(|| damaged("the chunk layout is impossible"))?;
        let tags = layout.count() * layout.tag_bytes();
        let links = layout.payload_size() - layout.data_size() - tags;
        let mut framing = BTreeMap::from([("chunk links", f64::from(links))]);
        if tags != 0 {
            framing.insert("chunk tags", f64::from(tags));
        }
        Ok(framing)
    }

    pub(crate) fn inspection(&self, total: usize) -> Result<Inspection, Error> {
        let m = &self.manifest;
        let layout = m
            .layout()
            .ok_or_else(|| damaged("the chunk layout is impossible"))?;
        let isa = Isa::ALL
            .iter()
            .filter(|i| m.isa_mask >> **i as u32 & 1 != 0);
        Ok(Inspection {
            total_bytes: total as u64,
            payload_bytes: u64::from(m.payload_size),
            ram_bytes: m
                .ram_bytes
                .map_or_else(|| crate::prove::workspace_bytes(m.profile), u64::from),
            profile: m.profile,
            codec: codecs::name(m.codec),
            decode_mb_per_s: None,
            old_size: u64::from(m.old_size),
            new_size: u64::from(m.new_size),
            old_digest: hex(&m.old_digest),
            new_digest: hex(&m.new_digest),
            isa: isa.map(|i| i.name().to_owned()).collect(),
            chunks: layout.count(),
            breakdown: BTreeMap::new(),
            places: Vec::new(),
            places_by: None,
            decisions: 0,
            signed: self.envelope.signer.is_some(),
            key_id: self.envelope.signer.map(|s| hex(&s.kid)),
            schemes: self.algorithms().map(scheme_name).collect(),
            sequence: m.sequence,
            vendor_id: m.vendor.as_ref().map(uuid),
            class_id: m.class.as_ref().map(uuid),
            update_class: m.update_class.map(|c| class_name(c).to_owned()),
            advisories: m.advisories.iter().map(str::to_owned).collect(),
            prior: m.prior,
            sbom_old: m.sbom_old.as_ref().map(|d| hex(d)),
            sbom_new: m.sbom_new.as_ref().map(|d| hex(d)),
            sbom_changes: None,
            encrypted_for: m.encryption.map(|e| hex(e.recipient)),
            notes: self.notes(),
        })
    }
}

fn scheme_name(algorithm: Algorithm) -> String {
    Scheme::of(algorithm).map_or(algorithm.0.to_string(), |s| s.name().to_owned())
}

/// Update classes by name.
pub(crate) const UPDATE_CLASSES: [(&str, UpdateClass); 3] = [
    ("security", UpdateClass::Security),
    ("feature", UpdateClass::Feature),
    ("mixed", UpdateClass::Mixed),
];

fn class_name(class: UpdateClass) -> &'static str {
    let named = UPDATE_CLASSES.iter().find(|(_, c)| *c == class);
    named.map_or("", |(name, _)| name)
}

/// Facts from the patch alone; nothing is checked for authenticity.
pub fn inspect(patch: &[u8]) -> Result<Inspection, Error> {
    inspect_as(patch, None)
}

/// As [`inspect`], of a patch that may be encrypted for `recipient`. Without the key of an
/// encrypted one the breakdown has `encrypted` for all that is coded.
///
/// # Errors
/// As [`inspect`]; encrypted for somebody else.
pub fn inspect_as(patch: &[u8], recipient: Option<&RecipientKey>) -> Result<Inspection, Error> {
    let parts = Parts::of(patch)?;
    let mut inspection = parts.inspection(patch.len())?;
    inspection.breakdown = parts.framing()?;
    match parts.payload(recipient)? {
        Some(payload) if parts.manifest.codec == CODEC_ZSTD => {
            inspection.explain_zstd(&parts, &payload)?;
        }
        Some(payload) if parts.manifest.codec != CODEC_DELTAMOTE => {
            let coded = payload.len() as f64;
            inspection.breakdown.insert("unknown codec", coded);
        }
        Some(payload) => {
            let (header, map) = front_of(&parts.manifest, &payload)?;
            let ops = payload.len() as u32 - header - map;
            let kinds = [("header", header), ("map", map), ("ops", ops)];
            let kinds = kinds.map(|(kind, bytes)| (kind, f64::from(bytes)));
            inspection.breakdown.extend(kinds);
        }
        None => {
            let framing: f64 = inspection.breakdown.values().sum();
            let coded = f64::from(parts.manifest.payload_size) - framing;
            inspection.breakdown.insert("encrypted", coded);
        }
    }
    Ok(inspection)
}

/// Bytes of the header and of the map, which need no image to be decoded.
fn front_of(manifest: &Manifest<'_>, payload: &[u8]) -> Result<(u32, u32), Error> {
    let prior = crate::prior::named(manifest.prior)?;
    let mut words = crate::encode::workspace(manifest.profile);
    let (old, new) = (manifest.old_size, manifest.new_size);
    let mut decoder = codec::Decoder::new(&mut words, manifest.profile, old, new, prior)?;
    let mut input = Input {
        bytes: payload,
        last: true,
        used: 0,
    };
    let nothing: &[u8] = &[];
    let mut header_end = None;
    while !decoder.map_ready() {
        decoder
            .step(&mut input, &mut &*nothing, &mut &*nothing)
            .map_err(damaged)?;
        if decoder.header_ready() {
            header_end.get_or_insert(decoder.payload_pos());
        }
    }
    let header = header_end.unwrap_or(0);
    Ok((header, decoder.payload_pos().saturating_sub(header)))
}

/// All facts: what the patch costs by kind and by place, decoded over the old image
/// that it was made for. Nothing is checked for authenticity.
///
/// # Errors
/// Damaged patches; a wrong old image mostly shows as one.
pub fn inspect_with_old(patch: &[u8], old: &[u8]) -> Result<Inspection, Error> {
    inspect_with_old_as(patch, old, None)
}

/// As [`inspect_with_old`], of a patch that may be encrypted for `recipient`.
///
/// # Errors
/// As [`inspect_with_old`]; encrypted, and not for `recipient`.
pub fn inspect_with_old_as(
    patch: &[u8],
    old: &[u8],
    recipient: Option<&RecipientKey>,
) -> Result<Inspection, Error> {
    let codec = Parts::of(patch)?.manifest.codec;
    if ![CODEC_DELTAMOTE, CODEC_ZSTD].contains(&codec) {
        return inspect_as(patch, recipient);
    }
    Ok(crate::walk::walk(patch, old, recipient, |_| ())?.inspection)
}

/// All facts, of a patch that was just made.
pub(crate) fn of_new(patch: &[u8], coded: &Coded, pricing: &Pricing) -> Result<Inspection, Error> {
    let parts = Parts::of(patch)?;
    let mut inspection = parts.inspection(patch.len())?;
    if coded.codec == CODEC_ZSTD {
        inspection.breakdown = parts.framing()?;
        inspection.explain_zstd(&parts, &coded.payload)?;
        return Ok(inspection);
    }
    let p = pricing;
    inspection.explain(&parts, &p.by_section, &p.by_place, p.decisions)?;
    Ok(inspection)
}

pub(crate) fn bytes_of(price: u64) -> f64 {
    // To a hundredth: more would be noise.
    (price as f64 / (8 * BIT) as f64 * 100.0).round() / 100.0
}

impl Inspection {
    /// Holds bills of materials against the digests that were signed, and tells how they
    /// differ where both are given.
    ///
    /// # Errors
    /// [`ErrorClass::NotAuthentic`] if one is not the file that was signed for,
    /// [`ErrorClass::WrongBase`] if the patch names none.
    pub fn compare_sboms(&mut self, old: Option<&Sbom>, new: Option<&Sbom>) -> Result<(), Error> {
        let pairs = [("old", &self.sbom_old, old), ("new", &self.sbom_new, new)];
        for (which, signed, given) in pairs {
            let Some(given) = given else { continue };
            let found = hex(&given.digest);
            let Some(signed) = signed else {
                return Err(Error::new(
                    ErrorClass::WrongBase,
                    format!(
                        "the patch names no bill of materials of the {which} image; \
                         make it with diff --sbom-{which}"
                    ),
                ));
            };
            if *signed != found {
                return Err(Error::new(
                    ErrorClass::NotAuthentic,
                    format!(
                        "the {which} bill of materials has SHA-256 {found}, the patch was made \
                         with {signed}; give that file"
                    ),
                ));
            }
        }
        self.sbom_changes = old.zip(new).map(|(old, new)| old.changes_to(new));
        Ok(())
    }

    /// Of a payload of zstd, which tells its sizes by itself.
    pub(crate) fn explain_zstd(&mut self, parts: &Parts<'_>, payload: &[u8]) -> Result<(), Error> {
        let spent = deltamote_zstd::spent(payload)
            .map_err(|kind| damaged(format!("the payload is not one of zstd ({kind:?})")))?;
        let [inserts, lengths, sources, hits, misses, literals] = spent.streams;
        // The first section, behind its length.
        let front = payload.get(4..4 + spent.front as usize).unwrap_or(&[]);
        let header = u64::from(front_of(&parts.manifest, front)?.0).min(spent.front);
        let kinds = [
            ("header", header),
            ("map", spent.front - header),
            ("commands", inserts + lengths + sources),
            ("flags", hits),
            ("corrections", misses),
            ("literals", literals),
            ("block lengths", spent.framing),
        ];
        let kinds = kinds.map(|(kind, bytes)| (kind, bytes as f64));
        self.breakdown.extend(kinds);
        let new_len = u64::from(parts.manifest.new_size);
        let block = new_len.div_ceil((spent.blocks.len() as u64).max(1));
        // All are of one length but the last, and that length is a power of two.
        let block = match spent.blocks.len() {
            0 | 1 => new_len,
            _ => block.next_power_of_two(),
        };
        self.places = (0u64..)
            .zip(&spent.blocks)
            .map(|(k, &bytes)| Place {
                start: (k * block).min(new_len),
                end: ((k + 1) * block).min(new_len),
                bytes: bytes as f64,
            })
            .filter(|place| place.start < place.end)
            .collect();
        self.places_by = Some(PlacesBy::Blocks);
        self.state_speed(0, payload.len() as u64);
        Ok(())
    }

    fn state_speed(&mut self, decisions: u64, zstd_bytes: u64) {
        let cost = DecodeCost {
            new_bytes: self.new_size,
            decisions,
            zstd_bytes,
        };
        // To a tenth: more would be noise.
        self.decode_mb_per_s = Some((cost.megabytes_per_second() * 10.0).round() / 10.0);
    }

    pub(crate) fn explain(
        &mut self,
        parts: &Parts<'_>,
        by_section: &[u64; Section::COUNT],
        by_place: &[u64],
        decisions: u64,
    ) -> Result<(), Error> {
        self.breakdown = Section::NAMES
            .iter()
            .zip(by_section)
            .map(|(&name, &price)| (name, bytes_of(price)))
            .collect();
        self.breakdown.extend(parts.framing()?);
        self.decisions = decisions;
        self.state_speed(decisions, 0);
        self.places_are(by_place, PlacesBy::Decisions);
        Ok(())
    }

    /// Prices by place, in 1/1024 bit: [`PLACES`] of equal length.
    pub(crate) fn places_are(&mut self, by_place: &[u64], by: PlacesBy) {
        let new_len = self.new_size;
        let stretch = new_len.div_ceil(PLACES as u64).max(1);
        self.places_by = Some(by);
        self.places = by_place
            .iter()
            .zip(0u64..)
            .map(|(&price, k)| Place {
                start: (k * stretch).min(new_len),
                end: ((k + 1) * stretch).min(new_len),
                bytes: bytes_of(price),
            })
            .filter(|p| p.start < p.end)
            .collect();
    }
}

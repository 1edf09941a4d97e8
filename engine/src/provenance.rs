//! How a patch came to be, so that anyone with the same inputs can make it again.
//!
//! An in-toto Statement v1 with a SLSA v1 provenance predicate: the subject is the patch,
//! the resolved dependencies are the images and bills of materials, the external
//! parameters are every option that has a say in the patch's bytes. Written by
//! `diff --provenance`, read by `reproduce`. No times and no host: the same inputs give the
//! same statement too. Nothing secret is in it; it is not signed (any in-toto tool can put
//! it into a DSSE envelope).

use crate::encrypt::Secret;
use crate::keys::SecretKey;
use crate::seal::digest;
use crate::{
    CodecChoice, DiffOptions, Error, ErrorClass, Identity, Isa, Level, Patch, Profile, prior,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
const BUILD_TYPE: &str = "urn:deltamote:diff:v1";
const BUILDER: &str = "urn:deltamote:command";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Name of the zstd library among the builder's versions.
const ZSTD: &str = "zstd";

/// Names of the inputs among the resolved dependencies.
const OLD: &str = "old image";
const NEW: &str = "new image";
const SBOM_OLD: &str = "old bill of materials";
const SBOM_NEW: &str = "new bill of materials";

/// A statement; serialises to what `diff --provenance` writes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<Resource>,
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Predicate {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BuildDefinition {
    build_type: String,
    external_parameters: Parameters,
    internal_parameters: Internal,
    resolved_dependencies: Vec<Resource>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RunDetails {
    builder: Builder,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Builder {
    id: String,
    version: BTreeMap<String, String>,
}

/// in-toto's ResourceDescriptor, as far as it is used.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Resource {
    name: String,
    digest: BTreeMap<String, String>,
}

/// Every option that has a say in the patch's bytes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parameters {
    profile: String,
    level: String,
    /// `auto`, or what was asked for.
    isa: String,
    base: Option<u32>,
    prior: bool,
    /// `auto`, or what was asked for.
    codec: String,
    /// MB a second, where that had a say.
    decode_speed: Option<u32>,
    sequence: u64,
    vendor_id: Option<String>,
    class_id: Option<String>,
    update_class: Option<String>,
    advisories: Vec<String>,
    /// Ids of the signing keys in their order; none: unsigned.
    key_ids: Vec<String>,
    encryption: Option<Encryption>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Encryption {
    /// The recipient's public key, hexadecimal.
    recipient: String,
    /// What the encapsulation was derived from: `signing key`, `seed` or `random`.
    secret: String,
}

/// Facts that follow from options and version, for whoever reads it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Internal {
    format_version: u32,
    /// Payload codec.
    codec: String,
    /// Id of the trained state that the patch starts from.
    prior_id: Option<u32>,
    /// SHA-256 of the images proper (of what is in the files).
    old_image_sha256: String,
    new_image_sha256: String,
    payload_bytes: u64,
}

/// The input files as they lie there.
#[derive(Clone, Copy, Debug)]
pub struct Inputs {
    /// SHA-256 of the old image's file.
    pub old: [u8; 32],
    /// SHA-256 of the new image's file.
    pub new: [u8; 32],
}

/// What a statement says must be done.
#[derive(Debug)]
pub struct Recipe {
    /// The options; the secret that an encryption is derived from is not among them.
    pub options: DiffOptions,
    /// The files.
    pub inputs: Inputs,
    /// SHA-256 of the patch.
    pub patch: [u8; 32],
    /// Ids of the keys it was signed with, hexadecimal.
    pub key_ids: Vec<String>,
    /// For whom it is encrypted, and from which secret the encapsulation was derived.
    pub encryption: Option<([u8; 32], Secret)>,
    /// The version that made it.
    pub version: String,
    /// The version of the zstd library in that.
    pub zstd_version: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex<const N: usize>(what: &str, text: &str) -> Result<[u8; N], Error> {
    let wrong = || unusable(format!("{what} {text:?} is not {N} bytes in hexadecimal"));
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut out = [0; N];
    for (byte, at) in out.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(out)
}

fn unusable(what: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorClass::Usage,
        format!("the provenance cannot be used: {what}; give one that deltamote diff wrote"),
    )
}

fn resource(name: &str, digest: &[u8; 32]) -> Resource {
    Resource {
        name: name.into(),
        digest: BTreeMap::from([("sha256".into(), hex(digest))]),
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Fast => "fast",
        Level::Default => "default",
        Level::Best => "best",
    }
}

/// SHA-256 of a file as it lies there.
///
/// # Errors
/// It cannot be read.
pub fn file_digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut sha = Sha256::new();
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(sha.finalize().into()),
            n => sha.update(&part[..n]),
        }
    }
}

/// Ids of `keys` as a statement names them.
pub fn key_ids(keys: &[SecretKey]) -> Vec<String> {
    keys.iter().map(|key| key.public().id_hex()).collect()
}

/// The statement about a patch and what it is called, signed with the keys of `key_ids`.
pub fn state(
    (name, patch): (&str, &Patch),
    options: &DiffOptions,
    key_ids: Vec<String>,
    inputs: &Inputs,
) -> Statement {
    let summary = &patch.summary;
    let identity = &options.identity;
    let mut dependencies = vec![resource(OLD, &inputs.old), resource(NEW, &inputs.new)];
    for (name, digest) in [(SBOM_OLD, identity.sbom_old), (SBOM_NEW, identity.sbom_new)] {
        dependencies.extend(digest.map(|digest| resource(name, &digest)));
    }
    Statement {
        statement_type: STATEMENT_TYPE.into(),
        subject: vec![resource(name, &digest(&patch.bytes))],
        predicate_type: PREDICATE_TYPE.into(),
        predicate: Predicate {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.into(),
                external_parameters: Parameters {
                    profile: options.profile.name().into(),
                    level: level_name(options.level).into(),
                    isa: options.isa.map_or("auto", Isa::name).into(),
                    base: options.base,
                    prior: !options.priors.is_empty(),
                    codec: options.codec.name().into(),
                    decode_speed: match options.codec {
                        CodecChoice::Auto { decode_speed } => decode_speed,
                        _ => None,
                    },
                    sequence: identity.sequence,
                    vendor_id: identity.vendor.as_ref().map(|id| hex(id)),
                    class_id: identity.class.as_ref().map(|id| hex(id)),
                    update_class: summary.update_class.clone(),
                    advisories: identity.advisories.clone(),
                    key_ids,
                    encryption: options.encrypt_to.as_ref().map(|to| Encryption {
                        recipient: hex(&to.recipient),
                        secret: to.origin().name().into(),
                    }),
                },
                internal_parameters: Internal {
                    format_version: deltamote_format::manifest::FORMAT_VERSION,
                    codec: summary.codec.clone(),
                    prior_id: summary.prior,
                    old_image_sha256: summary.old_digest.clone(),
                    new_image_sha256: summary.new_digest.clone(),
                    payload_bytes: summary.payload_bytes,
                },
                resolved_dependencies: dependencies,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: BUILDER.into(),
                    version: BTreeMap::from([
                        ("deltamote".into(), VERSION.into()),
                        (ZSTD.into(), deltamote_zstd::library_version().into()),
                    ]),
                },
            },
        },
    }
}

impl Statement {
    /// As a file holds it.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self)
            .map(|json| json + "\n")
            .map_err(Error::internal)
    }

    /// Reads a statement that [`state`] made.
    ///
    /// # Errors
    /// [`ErrorClass::Usage`] with line and column, if it is none.
    pub fn parse(json: &str) -> Result<Statement, Error> {
        let statement: Statement = serde_json::from_str(json).map_err(unusable)?;
        let definition = &statement.predicate.build_definition;
        let types = [
            (statement.statement_type.as_str(), STATEMENT_TYPE),
            (statement.predicate_type.as_str(), PREDICATE_TYPE),
            (definition.build_type.as_str(), BUILD_TYPE),
        ];
        if let Some((said, known)) = types.iter().find(|(said, known)| said != known) {
            return Err(unusable(format!("type {said:?}, not {known:?}")));
        }
        Ok(statement)
    }

    /// What to do to make the patch again.
    ///
    /// # Errors
    /// [`ErrorClass::Usage`] for values that this version does not know.
    pub fn recipe(&self) -> Result<Recipe, Error> {
        let definition = &self.predicate.build_definition;
        let p = &definition.external_parameters;
        let unknown = |what: &str, value: &str| unusable(format!("{what} {value:?} is unknown"));
        let find = |list: &[Resource], name: &str| -> Result<Option<[u8; 32]>, Error> {
            let found = list.iter().find(|r| r.name == name);
            found
                .and_then(|r| r.digest.get("sha256"))
                .map(|said| unhex(name, said))
                .transpose()
        };
        let dependencies = &definition.resolved_dependencies;
        let need = |name: &str| {
            find(dependencies, name)?.ok_or_else(|| unusable(format!("it names no {name}")))
        };
        let uuid = |id: &Option<String>| id.as_ref().map(|id| unhex("id", id)).transpose();
        let levels = [Level::Fast, Level::Default, Level::Best];
        let classes = crate::inspect::UPDATE_CLASSES;
        let isa = match p.isa.as_str() {
            "auto" => None,
            name => Some(
                Isa::ALL
                    .into_iter()
                    .find(|isa| isa.name() == name)
                    .ok_or_else(|| unknown("instruction set", name))?,
            ),
        };
        let update_class = match &p.update_class {
            None => None,
            Some(name) => Some(
                classes
                    .into_iter()
                    .find(|(n, _)| n == name)
                    .ok_or_else(|| unknown("update class", name))?
                    .1,
            ),
        };
        let encryption = match &p.encryption {
            None => None,
            Some(e) => Some((
                unhex("recipient", &e.recipient)?,
                Secret::named(&e.secret).ok_or_else(|| unknown("secret", &e.secret))?,
            )),
        };
        let [patch] = &self.subject[..] else {
            return Err(unusable("it is not about one patch"));
        };
        Ok(Recipe {
            options: DiffOptions {
                profile: Profile::ALL
                    .into_iter()
                    .find(|profile| profile.name() == p.profile)
                    .ok_or_else(|| unknown("profile", &p.profile))?,
                isa,
                level: levels
                    .into_iter()
                    .find(|level| level_name(*level) == p.level)
                    .ok_or_else(|| unknown("level", &p.level))?,
                jobs: None,
                base: p.base,
                priors: if p.prior { prior::BUILT_IN } else { &[] },
                identity: Identity {
                    sequence: p.sequence,
                    vendor: uuid(&p.vendor_id)?,
                    class: uuid(&p.class_id)?,
                    update_class,
                    advisories: p.advisories.clone(),
                    sbom_old: find(dependencies, SBOM_OLD)?,
                    sbom_new: find(dependencies, SBOM_NEW)?,
                },
                codec: CodecChoice::named(&p.codec, p.decode_speed).map_err(unusable)?,
                encrypt_to: None,
            },
            inputs: Inputs {
                old: need(OLD)?,
                new: need(NEW)?,
            },
            patch: find(&self.subject, &patch.name)?
                .ok_or_else(|| unusable("its subject has no SHA-256"))?,
            key_ids: p.key_ids.clone(),
            encryption,
            version: match self.predicate.run_details.builder.version.get("deltamote") {
                Some(version) => version.clone(),
                None => return Err(unusable("it names no version of deltamote")),
            },
            zstd_version: match self.predicate.run_details.builder.version.get(ZSTD) {
                Some(version) => version.clone(),
                None => return Err(unusable("it names no version of zstd")),
            },
        })
    }
}

impl Recipe {
    /// Refuses files that are not those that the patch was made from.
    ///
    /// # Errors
    /// [`ErrorClass::WrongBase`].
    pub fn check_inputs(&self, given: &Inputs) -> Result<(), Error> {
        let files = [
            ("old", self.inputs.old, given.old),
            ("new", self.inputs.new, given.new),
        ];
        for (which, said, found) in files {
            if said != found {
                return Err(Error::new(
                    ErrorClass::WrongBase,
                    format!(
                        "the {which} image has SHA-256 {}, the patch was made from {}; give that file",
                        hex(&found),
                        hex(&said)
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Refuses a patch that is not the one the statement is about.
    ///
    /// # Errors
    /// [`ErrorClass::Failed`].
    pub fn check_patch(&self, patch: &[u8]) -> Result<(), Error> {
        let made = digest(patch);
        if made == self.patch {
            return Ok(());
        }
        let zstd = deltamote_zstd::library_version();
        let why = if self.version == VERSION && self.zstd_version != zstd {
            format!(
                "it was made with zstd {}, this is {zstd}: use a build with that",
                self.zstd_version
            )
        } else if self.version == VERSION {
            "was it made by a changed build, or another key?".into()
        } else {
            format!(
                "it was made by deltamote {}, this is {VERSION}: use that version",
                self.version
            )
        };
        Err(Error::new(
            ErrorClass::Failed,
            format!(
                "the patch came out as SHA-256 {}, not {}; {why}",
                hex(&made),
                hex(&self.patch)
            ),
        ))
    }
}

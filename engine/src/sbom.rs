//! Bills of materials: CycloneDX files beside the images, checked and compared.
//!
//! Fed by `diff --sbom-old --sbom-new`, which signs their digests into the manifest, and by
//! `inspect`, which holds files against those digests and tells what changed. A file is
//! what its bytes are: the digest is the SHA-256 of the file as it lies there. Checked is
//! what a comparison needs and CycloneDX demands (bomFormat, specVersion, components with
//! type and name); the rest of the document is its author's.

use crate::seal::digest;
use crate::{Error, ErrorClass};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// No bill of materials of a firmware comes near.
const MAX_BYTES: usize = 64 << 20;

#[derive(Deserialize)]
enum BomFormat {
    CycloneDX,
}

/// The versions of the specification that have a JSON form.
#[derive(Deserialize)]
enum SpecVersion {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
    #[serde(rename = "1.4")]
    V1_4,
    #[serde(rename = "1.5")]
    V1_5,
    #[serde(rename = "1.6")]
    V1_6,
    #[serde(rename = "1.7")]
    V1_7,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(rename = "bomFormat")]
    _format: BomFormat,
    #[serde(rename = "specVersion")]
    _spec_version: SpecVersion,
    components: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Application,
    Framework,
    Library,
    Container,
    Platform,
    OperatingSystem,
    Device,
    DeviceDriver,
    Firmware,
    File,
    MachineLearningModel,
    Data,
    CryptographicAsset,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Named(String);

impl TryFrom<String> for Named {
    type Error = &'static str;
    fn try_from(name: String) -> Result<Self, &'static str> {
        if name.is_empty() {
            return Err("an empty name");
        }
        Ok(Named(name))
    }
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    _kind: Kind,
    name: Named,
    group: Option<String>,
    version: Option<String>,
    purl: Option<String>,
    #[serde(rename = "bom-ref")]
    reference: Option<String>,
    #[serde(default)]
    components: Vec<Part>,
}

/// A bill of materials that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sbom {
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// Versions of each component, by what the component is called.
    components: BTreeMap<String, BTreeSet<String>>,
}

/// A component and its versions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Component {
    /// Package URL without version, else group and name.
    pub name: String,
    /// Versions; one is usual, an empty one was not said.
    pub versions: Vec<String>,
}

/// A component that is in both with other versions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// Package URL without version, else group and name.
    pub name: String,
    /// Versions that are gone.
    pub old: Vec<String>,
    /// Versions that came.
    pub new: Vec<String>,
}

/// How two bills of materials differ. Each list is in the order of names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct SbomChanges {
    /// Components of the old one.
    pub old_components: usize,
    /// Components of the new one.
    pub new_components: usize,
    /// In the new one only.
    pub added: Vec<Component>,
    /// In the old one only.
    pub removed: Vec<Component>,
    /// In both, with other versions.
    pub changed: Vec<Change>,
}

impl Sbom {
    /// Reads a CycloneDX file in JSON; `name` is what errors call it.
    ///
    /// # Errors
    /// [`ErrorClass::Usage`] with line and column, if it is none.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Sbom, Error> {
        let wrong = |what: String| Error::new(ErrorClass::Usage, format!("{name}: {what}"));
        if bytes.len() > MAX_BYTES {
            let len = bytes.len();
            return Err(wrong(format!(
                "has {len} bytes; a bill of materials has at most {MAX_BYTES}"
            )));
        }
        // serde takes an array for a struct, too.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(wrong(
                "is no CycloneDX bill of materials (line 1 column 1: not a JSON object); give the \
                 file as its tool wrote it"
                    .into(),
            ));
        }
        let document: Document = serde_json::from_slice(bytes).map_err(|e| {
            wrong(format!(
                "is no CycloneDX bill of materials in JSON ({e}); give the file as its tool wrote it"
            ))
        })?;
        let mut sbom = Sbom {
            digest: digest(bytes),
            components: BTreeMap::new(),
        };
        let mut references = BTreeSet::new();
        sbom.take(&document.components, "components", &mut references)
            .map_err(wrong)?;
        Ok(sbom)
    }

    /// Not deeper than the parser went, which has a limit.
    fn take(
        &mut self,
        parts: &[Part],
        path: &str,
        references: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        for (index, part) in parts.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if let Some(reference) = &part.reference
                && !references.insert(reference.clone())
            {
                return Err(format!(
                    "{path}: bom-ref {reference:?} is there twice; references are unique"
                ));
            }
            let version = part.version.clone().unwrap_or_default();
            self.components
                .entry(part.identity())
                .or_default()
                .insert(version);
            self.take(&part.components, &format!("{path}.components"), references)?;
        }
        Ok(())
    }

    /// What is different in `new`.
    pub fn changes_to(&self, new: &Sbom) -> SbomChanges {
        let count = |s: &Sbom| s.components.values().map(BTreeSet::len).sum();
        let component = |name: &String, versions: &BTreeSet<String>| Component {
            name: name.clone(),
            versions: versions.iter().cloned().collect(),
        };
        let mut changes = SbomChanges {
            old_components: count(self),
            new_components: count(new),
            ..SbomChanges::default()
        };
        for (name, versions) in &new.components {
            match self.components.get(name) {
                None => changes.added.push(component(name, versions)),
                Some(before) if before != versions => changes.changed.push(Change {
                    name: name.clone(),
                    old: before.difference(versions).cloned().collect(),
                    new: versions.difference(before).cloned().collect(),
                }),
                Some(_) => {}
            }
        }
        for (name, versions) in &self.components {
            if !new.components.contains_key(name) {
                changes.removed.push(component(name, versions));
            }
        }
        changes
    }
}

impl Part {
    /// What stays the same when the version changes.
    fn identity(&self) -> String {
        match (&self.purl, &self.group) {
            // pkg:type/namespace/name@version?qualifiers#subpath
            (Some(purl), _) => {
                let end = purl.find(['?', '#']).unwrap_or(purl.len());
                let path = &purl[..end];
                let after_slash = path.rfind('/').unwrap_or(0);
                match path[after_slash..].find('@') {
                    Some(at) => path[..after_slash + at].to_owned(),
                    None => path.to_owned(),
                }
            }
            (None, Some(group)) if !group.is_empty() => format!("{group}/{}", self.name.0),
            (None, _) => self.name.0.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bom(components: &str) -> String {
        format!(
            "{{\n \"bomFormat\": \"CycloneDX\",\n \"specVersion\": \"1.6\",\n \"version\": 1,\n \
             \"components\": [{components}]\n}}"
        )
    }

    fn part(name: &str, version: &str) -> String {
        format!("{{\"type\": \"library\", \"name\": \"{name}\", \"version\": \"{version}\"}}")
    }

    fn parse(text: &str) -> Result<Sbom, Error> {
        Sbom::parse("x.cdx.json", text.as_bytes())
    }

    #[test]
    fn added_removed_and_changed_are_told_apart() {
        let old = bom(&[
            part("mbedtls", "3.6.0"),
            part("zephyr", "4.0.0"),
            part("gone", "1"),
            part("two", "1"),
            part("two", "2"),
            r#"{"type": "firmware", "name": "app", "components": [{"type": "file", "group": "g", "name": "in", "version": "1"}]}"#.into(),
            r#"{"type": "library", "name": "z", "version": "1.3.0", "purl": "pkg:generic/%40x/zlib@1.3.0?a=b/c@d"}"#.into(),
        ].join(","));
        let new = bom(&[
            part("zephyr", "4.0.0"),
            part("mbedtls", "3.6.2"),
            part("two", "2"),
            part("two", "3"),
            r#"{"type": "firmware", "name": "app", "components": [{"type": "file", "group": "g", "name": "in", "version": "2"}]}"#.into(),
            r#"{"type": "library", "name": "z", "version": "1.3.1", "purl": "pkg:generic/%40x/zlib@1.3.1"}"#.into(),
            part("came", "1"),
        ].join(","));
        let (old, new) = (parse(&old).unwrap(), parse(&new).unwrap());
        let changes = old.changes_to(&new);
        let changed = |name: &str, old: &str, new: &str| Change {
            name: name.into(),
            old: vec![old.into()],
            new: vec![new.into()],
        };
        assert_eq!(
            changes,
            SbomChanges {
                old_components: 8,
                new_components: 8,
                added: vec![Component {
                    name: "came".into(),
                    versions: vec!["1".into()]
                }],
                removed: vec![Component {
                    name: "gone".into(),
                    versions: vec!["1".into()]
                }],
                changed: vec![
                    changed("g/in", "1", "2"),
                    changed("mbedtls", "3.6.0", "3.6.2"),
                    changed("pkg:generic/%40x/zlib", "1.3.0", "1.3.1"),
                    changed("two", "1", "3"),
                ],
            }
        );
        let same = new.changes_to(&new);
        assert!(same.added.is_empty() && same.removed.is_empty() && same.changed.is_empty());
    }

    #[test]
    fn what_is_no_bill_of_materials_is_refused_with_its_place() {
        let good = bom(&part("a", "1"));
        assert!(parse(&good).is_ok());
        let cases = [
            ("", "not a JSON object"),
            ("[]", "not a JSON object"),
            ("[\"CycloneDX\", \"1.6\", []]", "not a JSON object"),
            (&good[..good.len() - 2], "line 5"),
            (&good.replace("CycloneDX", "SPDX"), "line 2 column"),
            (&good.replace("1.6", "9.9"), "line 3 column"),
            (&good.replace("components", "parts"), "`components`"),
            (&good.replace("library", "libary"), "line 5 column"),
            (&good.replace("\"name\"", "\"nom\""), "`name`"),
            (&good.replace("\"a\"", "\"\""), "empty name"),
            (&good.replace("\"a\"", "7"), "line 5 column"),
            (
                &bom(
                    r#"{"type":"file","name":"a","bom-ref":"r"},{"type":"file","name":"b","bom-ref":"r"}"#,
                ),
                "components[1]: bom-ref \"r\"",
            ),
            (
                &bom(&"{\"type\":\"file\",\"name\":\"a\",\"components\":[".repeat(500)),
                "recursion",
            ),
        ];
        for (text, words) in cases {
            let e = parse(text).unwrap_err();
            assert_eq!(e.class(), ErrorClass::Usage);
            let said = e.to_string();
            assert!(
                said.contains(words) && said.contains("x.cdx.json"),
                "{said}: {words}"
            );
        }
    }
}

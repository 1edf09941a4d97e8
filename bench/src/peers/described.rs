//! Peers that a user describes in a TOML file: two command lines each.
//!
//! ```toml
//! [[peer]]
//! name = "hdiffz"
//! diff = "hdiffz -f -c-lzma2-9-1m {old} {new} {patch}"
//! apply = "hpatchz -f {old} {patch} {new}"
//! version = "hdiffz -v"                    # optional: its first line is the version
//! install = "see the project's releases"   # optional: shown where it is missing
//! ```
//!
//! A line is split into words as a shell would do it, but no shell runs: redirections,
//! pipes and variables mean nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::peers::{Peer, command};

/// One `[[peer]]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    name: String,
    diff: String,
    apply: String,
    version: Option<String>,
    #[serde(default = "no_line")]
    install: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    peer: Vec<Described>,
}

fn no_line() -> String {
    "(the file that describes it has no line `install`)".to_owned()
}

/// Reads the peers of a TOML file.
pub fn read(path: &Path) -> Result<Vec<Described>> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    parse(&text).with_context(|| format!("{}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Described>> {
    let file: File = toml::from_str(text)?;
    for peer in &file.peer {
        let name = &peer.name;
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._+".contains(&b));
        ensure!(
            !name.is_empty() && plain,
            "peer name {name:?}: letters, digits and -._+ only"
        );
        for (line, key) in [(&peer.diff, "diff"), (&peer.apply, "apply")] {
            for place in ["{old}", "{new}", "{patch}"] {
                ensure!(line.contains(place), "peer {name}: `{key}` lacks {place}");
            }
            words(line).with_context(|| format!("peer {name}: `{key}`"))?;
        }
    }
    Ok(file.peer)
}

fn words(line: &str) -> Result<Vec<String>> {
    let words = shlex::split(line).context("a quote is not closed")?;
    ensure!(!words.is_empty(), "an empty command line");
    Ok(words)
}

impl Described {
    fn command(line: &str, old: &Path, new: &Path, patch: &Path) -> Result<Command> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let fill = |word: &String| {
            word.replace("{old}", &text(old))
                .replace("{new}", &text(new))
                .replace("{patch}", &text(patch))
        };
        let words: Vec<String> = words(line)?.iter().map(fill).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Ok(command)
    }
}

impl Peer for Described {
    fn tool(&self) -> &str {
        &self.name
    }

    fn version(&self) -> Option<String> {
        // Both command lines belong to the version: an edited one is another peer.
        let lines = crate::digest::sha256_hex(format!("{}\n{}", self.diff, self.apply).as_bytes());
        let program = words(&self.diff).ok()?.swap_remove(0);
        let stated = match &self.version {
            Some(line) => {
                let words = words(line).ok()?;
                let said = command::said(Command::new(&words[0]).args(&words[1..]))?;
                said.lines().next()?.trim().to_owned()
            }
            None if program.contains('/') => {
                fs::metadata(&program).ok()?;
                "of unknown version".to_owned()
            }
            None => command::digest(&program)?,
        };
        Some(format!("{stated} ({})", &lines[..8]))
    }

    fn install(&self) -> &str {
        &self.install
    }

    fn diff(&self, old: &Path, new: &Path, patch: &Path) -> Result<Option<f64>> {
        command::run(&mut Described::command(&self.diff, old, new, patch)?)?;
        Ok(None)
    }

    fn apply(&self, old: &Path, patch: &Path, back: &Path) -> Result<()> {
        command::run(&mut Described::command(&self.apply, old, back, patch)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_filled_in() {
        let text = "[[peer]]\nname = 'copy'\ndiff = 'cp \"{new}\" {patch} # {old}'\n\
            apply = 'cp {patch} {new} {old}'\n";
        let peers = parse(text).unwrap();
        let [old, new, patch] = ["a b/o", "n", "p"].map(Path::new);
        let command = Described::command(&peers[0].apply, old, new, patch).unwrap();
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["p", "n", "a b/o"]);
        assert_eq!(command.get_program(), "cp");
    }

    #[test]
    fn mistakes_are_named() {
        let lacks = "[[peer]]\nname = 'x'\ndiff = 'x {old} {new}'\napply = ''\n";
        assert_eq!(
            parse(lacks).unwrap_err().to_string(),
            "peer x: `diff` lacks {patch}"
        );
        let quote = "[[peer]]\nname = 'x'\ndiff = '\" {old} {new} {patch}'\napply = ''\n";
        assert_eq!(parse(quote).unwrap_err().to_string(), "peer x: `diff`");
        assert!(parse("[[peer]]\nname = 'x/y'\ndiff = ''\napply = ''\n").is_err());
        assert!(parse("[[peer]]\nname = 'x'\nother = 1\n").is_err());
    }
}

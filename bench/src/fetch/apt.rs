//! Debian packages of several releases: a private set of apt's lists.
//!
//! Fed by `client`. This machine's own sources say where the archive is; the suites are
//! those that the corpora name packages of. Nothing of the system is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::fetch::client::{self, Client};

/// Releases that packages of the corpora come from.
const SUITES: [&str; 3] = ["bullseye", "bookworm", "trixie"];

/// Roots whose lists this process has brought up to date.
static READY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The options that make `apt-get` use the lists under `root` for `architecture`; brings
/// them up to date once per process.
pub fn options(root: &Path, architecture: &str) -> Result<Vec<String>> {
    let mut ready = READY.lock().unwrap_or_else(|e| e.into_inner());
    fs::create_dir_all(root)?;
    let root = root.canonicalize()?;
    for dir in [
        "lists/partial",
        "cache/archives/partial",
        "etc/apt.conf.d",
        "etc/parts",
    ] {
        fs::create_dir_all(root.join(dir))?;
    }
    let at = |name: &str| root.join(name).display().to_string();
    let options = vec![
        format!("-oAPT::Architecture={architecture}"),
        format!("-oAPT::Architectures={architecture}"),
        // It writes into a folder of this user, which its own user may not enter.
        "-oAPT::Sandbox::User=root".to_owned(),
        format!("-oDir::State={}", root.display()),
        format!("-oDir::State::lists={}", at("lists")),
        "-oDir::State::status=/dev/null".to_owned(),
        format!("-oDir::Cache={}", at("cache")),
        format!("-oDir::Etc={}", at("etc")),
        format!("-oDir::Etc::sourcelist={}", at("etc/sources.list")),
        format!("-oDir::Etc::sourceparts={}", at("etc/parts")),
    ];
    if !ready.contains(&root) {
        fs::write(root.join("etc/sources.list"), sources(&system_sources())?)?;
        let mut update = Command::new(Client::Apt.program());
        client::run(update.arg("-qq").args(&options).arg("update"), Client::Apt)?;
        ready.push(root);
    }
    Ok(options)
}

/// The text of all of this machine's lists of sources.
fn system_sources() -> String {
    let apt = Path::new("/etc/apt");
    let mut text = fs::read_to_string(apt.join("sources.list")).unwrap_or_default();
    let parts = fs::read_dir(apt.join("sources.list.d"))
        .into_iter()
        .flatten();
    for part in parts.filter_map(|entry| entry.ok()) {
        text.push('\n');
        text += &fs::read_to_string(part.path()).unwrap_or_default();
    }
    text
}

/// The list of sources for all suites, with the archives that `system` names.
fn sources(system: &str) -> Result<String> {
    let lines = system
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let addresses: Vec<&str> = lines
        .flat_map(str::split_whitespace)
        .filter(|word| word.contains("://"))
        .collect();
    let main = addresses
        .iter()
        .find(|a| a.trim_end_matches('/').ends_with("/debian"));
    let main = main.context("no source of Debian is set up on this machine")?;
    let security = addresses.iter().find(|a| a.contains("debian-security"));
    let key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    let mut list = String::new();
    for suite in SUITES {
        list += &format!("deb {key} {main} {suite} main\n");
        if let Some(security) = security {
            list += &format!("deb {key} {security} {suite}-security main\n");
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_those_of_the_machine() {
        let system = "# x://old/debian\nURIs: x://mirror/debian\nSuites: bookworm\n\
            deb x://mirror/debian-security bookworm-security main\n";
        let list = sources(system).unwrap();
        assert_eq!(list.lines().count(), 6);
        assert!(
            list.contains("gpg] x://mirror/debian trixie main\n"),
            "{list}"
        );
        assert!(
            list.contains("x://mirror/debian-security bullseye-security main"),
            "{list}"
        );
        assert!(!list.contains("x://old"), "{list}");
        assert!(sources("deb x://other/repo stable main").is_err());
    }
}

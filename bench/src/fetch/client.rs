//! Package clients, run as their users run them: they know where packages are, so no
//! host name is written here.
//!
//! Fed by `fetch` with a package; hands back the archive's file in a folder it is given.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::digest::sha256_hex;
use crate::fetch::apt;
use crate::manifest::Package;

/// Who gets a package.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// `pip download`
    Pip,
    /// `npm pack`
    Npm,
    /// `cargo info`, which leaves the archive in cargo's own cache.
    Cargo,
    /// `apt-get download`, from the suites of Debian that [`apt`] names.
    Apt,
}

impl Client {
    /// The program to start.
    pub const fn program(self) -> &'static str {
        match self {
            Client::Pip => "pip",
            Client::Npm => "npm",
            Client::Cargo => "cargo",
            Client::Apt => "apt-get",
        }
    }

    /// The line that installs it.
    pub const fn install(self) -> &'static str {
        match self {
            Client::Pip => "apt-get install python3-pip",
            Client::Npm => "apt-get install npm",
            Client::Cargo => "apt-get install cargo (1.82 or later), or rustup",
            Client::Apt => "(part of Debian and of systems made from it)",
        }
    }

    /// Gets `package` into the empty folder `dir`; `cache` is for what clients keep.
    /// Returns the archive's file, its digest not yet checked.
    pub fn get(self, package: &Package, dir: &Path, cache: &Path) -> Result<PathBuf> {
        let (name, version) = (package.name.as_str(), package.version.as_str());
        let mut command = Command::new(self.program());
        command.current_dir(dir);
        match self {
            Client::Pip => {
                command.args(["download", "-q", "--no-deps", "--disable-pip-version-check"]);
                command.arg(format!("{name}=={version}"));
            }
            Client::Npm => {
                command.args(["pack", "--silent", "--ignore-scripts"]);
                command.arg(format!("{name}@{version}"));
            }
            Client::Cargo => {
                command
                    .args(["info", "-q"])
                    .arg(format!("{name}@{version}"));
            }
            Client::Apt => {
                let (bare, architecture) = name.split_once(':').unwrap_or((name, "arm64"));
                let options =
                    apt::options(&cache.join("apt-root").join(architecture), architecture)?;
                command.arg("-qq").args(options).arg("download");
                command.arg(format!("{bare}={version}"));
            }
        }
        run(&mut command, self)?;
        match self {
            Client::Cargo => in_cargo_home(package),
            _ => only_file(dir),
        }
    }
}

/// Runs a client; its last words are the error.
pub(super) fn run(command: &mut Command, client: Client) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| {
        anyhow!(
            "{}: {e}; install it with: {}",
            client.program(),
            client.install()
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    bail!(
        "{}: {}: {}",
        client.program(),
        output.status,
        last.join(" | ")
    )
}

/// The file that a client left in `dir`.
fn only_file(dir: &Path) -> Result<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        files.push(entry?.path());
    }
    match files.as_slice() {
        [file] => Ok(file.clone()),
        other => bail!("the client left {} files instead of one", other.len()),
    }
}

/// The archive in the cache of cargo; there may be one per registry, so the digest says
/// which, where one fits.
fn in_cargo_home(package: &Package) -> Result<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let cache = home
        .context("neither CARGO_HOME nor HOME is set")?
        .join("registry/cache");
    let file = format!("{}-{}.crate", package.name, package.version);
    let mut found = None;
    for registry in fs::read_dir(&cache).with_context(|| cache.display().to_string())? {
        let path = registry?.path().join(&file);
        let Ok(bytes) = fs::read(&path) else { continue };
        let fits = sha256_hex(&bytes) == package.sha256;
        if fits || found.is_none() {
            found = Some(path);
        }
        if fits {
            break;
        }
    }
    found.with_context(|| format!("cargo left no {file} in {}", cache.display()))
}

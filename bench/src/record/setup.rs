//! What a record was measured on and with.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::record::Record;

/// Machine, compiler, commit and commands of a record.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Setup {
    /// Day of the start, `2026-11-21`.
    pub date: String,
    /// Commit of the working tree, abbreviated.
    pub commit: String,
    /// Whether the working tree differed from the commit.
    pub changed: bool,
    /// Model of the processor.
    pub processor: String,
    /// Processor cores that this process may use.
    pub cores: usize,
    /// Memory in bytes, where the system tells.
    pub memory_bytes: Option<u64>,
    /// Operating system.
    pub system: String,
    /// `rustc --version`.
    pub compiler: String,
    /// Processes that wanted to run, on average over the minute before the start: above
    /// 0.5 the machine was not idle, and times say less.
    pub load: Option<f64>,
    /// The commands that measured, in order.
    pub commands: Vec<String>,
    /// Peers: name, and version where they are installed.
    pub peers: Vec<(String, Option<String>)>,
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The value after `name` and a colon in a file like `/proc/cpuinfo`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|l| l.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

impl Setup {
    /// This machine, this working tree, now.
    pub fn here() -> Setup {
        let unknown = || "not known".to_owned();
        let memory = field("/proc/meminfo", "MemTotal");
        let kib = memory.and_then(|m| m.strip_suffix("kB")?.trim().parse::<u64>().ok());
        let load = fs::read_to_string("/proc/loadavg").ok();
        let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]);
        Setup {
            date: time::UtcDateTime::now().date().to_string(),
            commit: said("git", &["rev-parse", "--short=7", "HEAD"]).unwrap_or_else(unknown),
            changed: changed.is_none_or(|c| !c.is_empty()),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kib.map(|k| k * 1024),
            system: said("uname", &["-srm"]).unwrap_or_else(|| std::env::consts::OS.to_owned()),
            compiler: said("rustc", &["--version"]).unwrap_or_else(unknown),
            load: load.and_then(|l| l.split(' ').next()?.parse().ok()),
            commands: Vec::new(),
            peers: Vec::new(),
        }
    }

    /// Name of the record's folder: day and commit.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.date, self.commit)
    }

    /// Reads `setup.json` of `record`; `None` where there is none (older records).
    ///
    /// # Errors
    /// A file that is not what [`Setup::write`] writes.
    pub fn read(record: &Record) -> Result<Option<Setup>> {
        let path = record.setup();
        if !path.exists() {
            return Ok(None);
        }
        let json = fs::read(&path).with_context(|| path.display().to_string())?;
        let setup = serde_json::from_slice(&json).with_context(|| path.display().to_string())?;
        Ok(Some(setup))
    }

    /// Writes `setup.json` and the `README.md` of `record`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, record: &Record) -> Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        super::write(&record.setup(), &json)?;
        super::write(&record.about(), &self.text())
    }

    /// The setup as Markdown.
    pub fn text(&self) -> String {
        let mut out = format!("# Record of {}, commit {}\n\n", self.date, self.commit);
        for (name, value) in self.facts() {
            let _ = writeln!(out, "- {name}: {value}");
        }
        out += "\nMeasured with\n\n```sh\n";
        for command in &self.commands {
            let _ = writeln!(out, "{command}");
        }
        out += "```\n\n| peer | version |\n|---|---|\n";
        for (name, version) in &self.peers {
            let version = version.as_deref().unwrap_or("not installed");
            let _ = writeln!(out, "| {name} | {version} |");
        }
        out
    }

    /// Name and value of what is worth telling.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let gib = |b: u64| format!("{:.0} GiB", b as f64 / (1u64 << 30) as f64);
        let tree = if self.changed { ", changed since" } else { "" };
        vec![
            ("day", self.date.clone()),
            ("commit", format!("{}{tree}", self.commit)),
            (
                "processor",
                format!("{}, {} cores used", self.processor, self.cores),
            ),
            (
                "memory",
                self.memory_bytes
                    .map_or_else(|| "not known".to_owned(), gib),
            ),
            ("system", self.system.clone()),
            ("compiler", format!("{}, profile release", self.compiler)),
            (
                "load before the start",
                self.load
                    .map_or_else(|| "not known".to_owned(), |l| format!("{l:.2}")),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record(dir.path().into());
        assert_eq!(Setup::read(&record).unwrap(), None);
        let setup = Setup {
            commands: vec!["deltamote-bench sizes".into()],
            peers: vec![("bsdiff".into(), None)],
            ..Setup::here()
        };
        setup.write(&record).unwrap();
        assert_eq!(Setup::read(&record).unwrap(), Some(setup.clone()));
        let about = fs::read_to_string(record.about()).unwrap();
        assert!(about.contains("| bsdiff | not installed |"), "{about}");
        assert_eq!(setup.date.len(), 10);
    }
}

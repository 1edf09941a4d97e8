//! Records: what was measured, on which machine, with what; kept in `bench/record`.
//!
//! ```text
//! sizes, speed, device ── record folder ── figures (README)
//!                              ├────────── compare (two records)
//!                              └────────── page (HTML report)
//! ```
//! A record is a folder of the files named here. `setup` is written first, `about` last.

pub mod compare;
pub mod figures;
pub mod kinds;
pub mod setup;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::report::{self, Report};
use crate::runs;

/// The folder of a record, and its files' names.
#[derive(Clone, Debug)]
pub struct Record(pub PathBuf);

impl Record {
    /// Machine, compiler, commit, commands: JSON.
    pub fn setup(&self) -> PathBuf {
        self.0.join("setup.json")
    }

    /// One row per pair, tool and setting: CSV.
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs.csv")
    }

    /// One row per pair and setting of ours, with detools beside: CSV.
    pub fn sizes(&self) -> PathBuf {
        self.0.join("sizes.csv")
    }

    /// The same as people read it, with the summary that the README quotes.
    pub fn text(&self) -> PathBuf {
        self.0.join("sizes.txt")
    }

    /// Payload bytes by kind: CSV.
    pub fn kinds(&self) -> PathBuf {
        self.0.join("kinds.csv")
    }

    /// Times and memory: CSV.
    pub fn speed(&self) -> PathBuf {
        self.0.join("speed.csv")
    }

    /// Both payload codecs of profile large: CSV.
    pub fn codecs(&self) -> PathBuf {
        self.0.join("codecs.csv")
    }

    /// The device half on emulated boards: JSON.
    pub fn device(&self) -> PathBuf {
        self.0.join("device.json")
    }

    /// Writes what `sizes` measured.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_sizes(&self, report: &Report) -> Result<()> {
        let mut text = report::heading();
        report
            .rows()
            .iter()
            .for_each(|row| text += &report::row(row));
        text += &report.text();
        write(&self.text(), &text)?;
        write(&self.sizes(), &report.csv())?;
        runs::write(&self.runs(), report.runs())?;
        kinds::write(&self.kinds(), &kinds::of(report.rows()))
    }

    /// The report.
    pub fn page(&self) -> PathBuf {
        self.0.join("report.html")
    }

    /// What the record is, for people.
    pub fn about(&self) -> PathBuf {
        self.0.join("README.md")
    }
}

/// Writes `text` beside `path` and renames it there: nobody finds half a file.
///
/// # Errors
/// The folder is missing or cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let shown = || format!("{}", path.display());
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder).with_context(shown)?;
    fs::write(file.path(), text).with_context(shown)?;
    file.as_file().sync_all().with_context(shown)?;
    file.persist(path).with_context(shown)?;
    Ok(())
}

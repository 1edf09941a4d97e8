//! The two payload codecs of profile large, side by side: bytes, and how fast they decode.
//!
//! Fed by a corpus, feeds `codecs.csv` of a record and the table of the README's "Codecs".
//! Each patch is made, applied and compared in this process; rounds of both take turns, so
//! that what else the machine does falls on both alike.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use deltamote_engine::image::Image;
use deltamote_engine::{CodecChoice, DiffOptions, NoProgress, Patch, Trust};
use deltamote_format::Profile;
use serde::{Deserialize, Serialize};

use crate::corpus::Pair;
use crate::peers::trial;
use crate::setting::Level;

/// Pairs that are measured unless others are asked for: three of about 1 MiB, of three
/// instruction sets, and a kernel of 31 MiB.
pub const PAIRS: &str = "^(arduino-nina-w102__1.4.4__1.4.5|openmv4__20190827__20190916|\
    u-boot-qemu-arm64__2023.01__2025.01|linux-6.1-arm64__6.1.192-1__6.1.192-2)$";

/// Both codecs, in the order of the table.
const CODECS: [CodecChoice; 2] = [CodecChoice::Deltamote, CodecChoice::Zstd];

/// One row of `codecs.csv`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Pair id.
    pub pair: String,
    /// Instruction set, as the corpus names it.
    pub isa: String,
    /// Level of the plan, which both codecs share.
    pub level: String,
    /// Codec, as `diff --codec` names it.
    pub codec: String,
    /// Bytes of the new image.
    pub new_bytes: u64,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// How often it was applied.
    pub rounds: usize,
    /// Processor time of applying, the least of the rounds, in seconds: the device's code,
    /// with the digests of both images and the simulated flash. Wall time where a system
    /// does not tell processor time.
    pub apply_seconds: f64,
}

/// Measures both codecs on `pair`, whose images are under `cache`.
///
/// # Errors
/// An image is not there; a patch cannot be made, or makes something else.
pub fn measure(pair: &Pair, cache: &Path, level: Level, rounds: usize) -> Result<Vec<Row>> {
    let read = |source: &crate::corpus::Source| -> Result<Image> {
        let path = source.path(cache);
        Image::open(&path).with_context(|| path.display().to_string())
    };
    let (old, new) = (read(&pair.old)?, read(&pair.new)?);
    let make = |codec| -> Result<(Patch, f64)> {
        let options = DiffOptions {
            profile: Profile::Large,
            level: level.of_engine(),
            codec,
            ..DiffOptions::default()
        };
        let patch = deltamote_engine::diff(&old, &new, &options, None, &NoProgress)?;
        Ok((patch, f64::INFINITY))
    };
    let mut made: Vec<(Patch, f64)> = CODECS.into_iter().map(make).collect::<Result<_>>()?;
    for _ in 0..rounds.max(1) {
        for (patch, least) in &mut made {
            let trust = Trust::AllowUnsigned;
            let (started, before) = (Instant::now(), trial::used().0);
            let back = deltamote_engine::apply(old.bytes(), &patch.bytes, &trust, &NoProgress)?;
            let taken = before.zip(trial::used().0).map(|(a, b)| b - a);
            let taken = taken.unwrap_or(started.elapsed().as_secs_f64());
            ensure!(back == new.bytes(), "{}: another image came back", pair.id);
            *least = least.min(taken);
        }
    }
    let row = |(codec, (patch, least)): (CodecChoice, (Patch, f64))| Row {
        pair: pair.id.clone(),
        isa: pair.isa.clone(),
        level: level.name().to_owned(),
        codec: codec.name().to_owned(),
        new_bytes: new.bytes().len() as u64,
        payload_bytes: patch.summary.payload_bytes,
        rounds: rounds.max(1),
        // To a microsecond: more would be noise.
        apply_seconds: (least * 1e6).round() / 1e6,
    };
    Ok(CODECS.into_iter().zip(made).map(row).collect())
}

/// Writes `rows` as CSV.
///
/// # Errors
/// The folder cannot be written.
pub fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let text = String::from_utf8(writer.into_inner()?)?;
    crate::record::write(path, &text)
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The file is absent or has other columns.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let shown = || path.display().to_string();
    let mut reader = csv::Reader::from_path(path).with_context(shown)?;
    let rows = reader.deserialize().collect::<Result<Vec<Row>, _>>();
    rows.with_context(shown)
}

/// The table of the README.
///
/// # Errors
/// A pair lacks one of the codecs.
pub fn table(rows: &[Row]) -> Result<String> {
    let mut out = String::from("| pair | new image | level |");
    for codec in CODECS {
        let _ = write!(out, " {}: payload, decoded |", codec.name());
    }
    out.push_str("\n|---|--:|---|--:|--:|\n");
    let mut pairs: Vec<&Row> = Vec::new();
    for row in rows {
        if pairs.iter().all(|seen| seen.pair != row.pair) {
            pairs.push(row);
        }
    }
    for first in pairs {
        let (pair, isa, level) = (&first.pair, &first.isa, &first.level);
        let _ = write!(
            out,
            "| {pair} ({isa}) | {} B | {level} |",
            apart(first.new_bytes)
        );
        for codec in CODECS {
            let same = |row: &&Row| row.pair == *pair && row.codec == codec.name();
            let row = rows.iter().find(same);
            let row = row.with_context(|| format!("{pair} lacks codec {}", codec.name()))?;
            let speed = row.new_bytes as f64 / row.apply_seconds / 1e6;
            let digits = usize::from(speed < 10.0);
            let bytes = apart(row.payload_bytes);
            let _ = write!(out, " {bytes} B, {speed:.digits$} MB/s |");
        }
        out.push('\n');
    }
    Ok(out)
}

/// `n` with its thousands set apart.
fn apart(n: u64) -> String {
    match n {
        0..1000 => n.to_string(),
        _ => format!("{},{:03}", apart(n / 1000), n % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(codec: &str, payload_bytes: u64, apply_seconds: f64) -> Row {
        Row {
            pair: "a__1__2".into(),
            isa: "aarch64".into(),
            level: "fast".into(),
            codec: codec.into(),
            new_bytes: 1_000_042,
            payload_bytes,
            rounds: 5,
            apply_seconds,
        }
    }

    #[test]
    fn a_table_has_a_line_a_pair() {
        let rows = [row("deltamote", 1_234_567, 0.5), row("zstd", 7, 0.01)];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("codecs.csv");
        write(&path, &rows).unwrap();
        let read = read(&path).unwrap();
        assert_eq!(read, rows);
        let table = table(&read).unwrap();
        assert_eq!(
            table.lines().nth(2).unwrap(),
            "| a__1__2 (aarch64) | 1,000,042 B | fast | 1,234,567 B, 2.0 MB/s | 7 B, 100 MB/s |"
        );
        let columns = table.lines().map(|line| line.matches('|').count());
        assert!(columns.eq([6, 6, 6]), "{table}");
        let error = super::table(&rows[1..]).unwrap_err().to_string();
        assert!(error.contains("lacks codec deltamote"), "{error}");
    }
}

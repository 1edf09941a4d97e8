//! What got better or worse between two records.
//!
//! Fed by two CSV files (`runs.csv`, or `sizes.csv` of older records); compares our own
//! patches only. Feeds people with a table and CI with a verdict.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::means::{Mean, geometric};
use crate::record::Record;
use crate::runs::DELTAMOTE;

/// One patch in a record: pair and setting name it.
type Key = (String, String);

/// Its figures; what was not measured is `None`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Figures {
    bytes: Option<f64>,
    file_bytes: Option<f64>,
    decisions: Option<f64>,
    ram_bytes: Option<f64>,
    diff_seconds: Option<f64>,
    peak_bytes: Option<f64>,
}

/// A figure's name, and where it is found.
type Column = (&'static str, fn(&Figures) -> Option<f64>);

const COLUMNS: [Column; 6] = [
    ("payload", |f| f.bytes),
    ("file", |f| f.file_bytes),
    ("decisions", |f| f.decisions),
    ("device RAM", |f| f.ram_bytes),
    ("time of diff", |f| f.diff_seconds),
    ("memory of diff", |f| f.peak_bytes),
];

/// How much payloads may grow, in hundredths.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// In all, as a geometric mean.
    pub all: f64,
    /// On any pair.
    pub pair: f64,
}

/// A payload that changed.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// Pair id.
    pub pair: String,
    /// `PROFILE LEVEL`.
    pub setting: String,
    /// Bytes before and after.
    pub bytes: (u64, u64),
}

/// Two records side by side.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// Ratios after / before: figure, setting or `all`, mean.
    pub means: Vec<(&'static str, String, Mean)>,
    /// Changed payloads, the worst first.
    pub changes: Vec<Change>,
    /// Patches whose payload is the same.
    pub same: usize,
    /// Patches in the first record alone, or that failed in the second.
    pub lost: Vec<Key>,
    /// Patches in the second record alone.
    pub gained: usize,
}

/// The CSV file of a record folder, or the file itself.
fn file_of(path: &Path) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    let record = Record(path.to_owned());
    let found = [record.runs(), record.sizes()]
        .into_iter()
        .find(|f| f.is_file());
    found.with_context(|| format!("{}: no runs.csv and no sizes.csv there", path.display()))
}

fn read(path: &Path) -> Result<BTreeMap<Key, Figures>> {
    let path = file_of(path)?;
    let shown = || path.display().to_string();
    let mut reader = csv::Reader::from_path(&path).with_context(shown)?;
    let names = reader.headers().with_context(shown)?.clone();
    let mut found = BTreeMap::new();
    for row in reader.records() {
        let row = row.with_context(shown)?;
        let text = |name: &str| {
            names
                .iter()
                .position(|n| n == name)
                .and_then(|i| row.get(i))
        };
        let number = |name: &str| text(name).and_then(|t| t.parse::<f64>().ok());
        if text("tool").is_some_and(|tool| tool != DELTAMOTE) {
            continue;
        }
        let good = match (text("status"), text("ok")) {
            (Some(status), _) => status == "ok",
            (None, Some(ok)) => ok == "true",
            (None, None) => false,
        };
        let setting = match (text("setting"), text("profile"), text("level")) {
            (Some(setting), _, _) => setting.to_owned(),
            (None, Some(profile), Some(level)) => format!("{profile} {level}"),
            _ => String::new(),
        };
        let pair = text("pair").unwrap_or_default().to_owned();
        ensure!(
            !pair.is_empty() && !setting.is_empty(),
            "{}: not a table of ours",
            shown()
        );
        let figures = Figures {
            bytes: number("bytes").or(number("payload_bytes")).filter(|_| good),
            file_bytes: number("file_bytes").or(number("shipped_bytes")),
            decisions: number("decisions"),
            ram_bytes: number("ram_bytes"),
            diff_seconds: number("diff_seconds").or(number("encode_seconds")),
            peak_bytes: number("diff_peak_bytes").or(number("peak_bytes")),
        };
        found.insert((pair, setting), figures);
    }
    ensure!(!found.is_empty(), "{}: no patch of ours in it", shown());
    Ok(found)
}

/// Compares the records (folders or CSV files) `before` and `after`.
///
/// # Errors
/// A file that is absent or is no such table; two records without a common patch.
pub fn compare(before: &Path, after: &Path) -> Result<Comparison> {
    let (a, b) = (read(before)?, read(after)?);
    let both: Vec<(&Key, &Figures, &Figures)> = a
        .iter()
        .filter_map(|(key, figures)| Some((key, figures, b.get(key)?)))
        .collect();
    ensure!(!both.is_empty(), "the two records have no patch in common");
    let mut settings: Vec<&str> = both.iter().map(|(key, _, _)| key.1.as_str()).collect();
    settings.sort_unstable();
    settings.dedup();
    let mut means = Vec::new();
    for (name, of) in COLUMNS {
        for setting in [None].into_iter().chain(settings.iter().copied().map(Some)) {
            let of_setting = both
                .iter()
                .filter(|(key, _, _)| setting.is_none_or(|s| key.1 == s));
            let ratios = of_setting.filter_map(|(key, a, b)| {
                let (a, b) = (of(a)?, of(b)?);
                (a > 0.0).then(|| (key.0.as_str(), b / a))
            });
            if let Some(mean) = geometric(ratios) {
                means.push((name, setting.unwrap_or("all").to_owned(), mean));
            }
        }
    }
    let mut changes: Vec<Change> = both
        .iter()
        .filter_map(|(key, a, b)| {
            Some(Change {
                pair: key.0.clone(),
                setting: key.1.clone(),
                bytes: (a.bytes? as u64, b.bytes? as u64),
            })
        })
        .collect();
    let compared = changes.len();
    changes.retain(|c| c.bytes.0 != c.bytes.1);
    changes.sort_by(|x, y| {
        y.ratio()
            .total_cmp(&x.ratio())
            .then_with(|| x.pair.cmp(&y.pair))
    });
    let lost = a.iter().filter(|(key, figures)| {
        figures.bytes.is_some() && b.get(*key).is_none_or(|f| f.bytes.is_none())
    });
    Ok(Comparison {
        means,
        same: compared - changes.len(),
        lost: lost.map(|(key, _)| key.clone()).collect(),
        gained: b.keys().filter(|key| !a.contains_key(*key)).count(),
        changes,
    })
}

/// The rows of ours in the table `path` with only what repeats exactly (no times), as CSV:
/// what CI keeps.
///
/// # Errors
/// A file that is no such table.
pub fn reduced(path: &Path) -> Result<String> {
    let mut out = String::from("pair,tool,setting,status,bytes,file_bytes,decisions,ram_bytes\n");
    for ((pair, setting), f) in read(path)? {
        let status = if f.bytes.is_some() { "ok" } else { "failed" };
        let cells = [f.bytes, f.file_bytes, f.decisions, f.ram_bytes]
            .map(|v| v.map_or_else(String::new, |v| v.to_string()));
        let _ = writeln!(
            out,
            "{pair},{DELTAMOTE},{setting},{status},{}",
            cells.join(",")
        );
    }
    Ok(out)
}

impl Change {
    fn ratio(&self) -> f64 {
        self.bytes.1 as f64 / (self.bytes.0 as f64).max(1.0)
    }

    fn percent(&self) -> f64 {
        // Exact where the bytes are: 1030 of 1000 are 3 %, not a hair more.
        (self.bytes.1 as f64 - self.bytes.0 as f64) * 100.0 / (self.bytes.0 as f64).max(1.0)
    }
}

impl Comparison {
    /// What breaks `limits`, one line each; none is good. A patch that is lost breaks
    /// them too, or leaving pairs out would be a way to pass.
    pub fn broken(&self, limits: Limits) -> Vec<String> {
        let mut out = Vec::new();
        for (name, setting, mean) in &self.means {
            let percent = (mean.value - 1.0) * 100.0;
            if *name == "payload" && setting == "all" && percent > limits.all {
                let limit = limits.all;
                out.push(format!(
                    "payloads grew by {percent:.2} % in all; {limit} % is the limit"
                ));
            }
        }
        for change in self.changes.iter().filter(|c| c.percent() > limits.pair) {
            out.push(format!(
                "{} ({}) grew by {:.2} %, from {} to {} bytes; {} % is the limit",
                change.pair,
                change.setting,
                change.percent(),
                change.bytes.0,
                change.bytes.1,
                limits.pair
            ));
        }
        for (pair, setting) in &self.lost {
            out.push(format!(
                "{pair} ({setting}) is not there any more, or failed"
            ));
        }
        out
    }

    /// The comparison for people.
    pub fn text(&self) -> String {
        let mut out = format!(
            "{:<16} {:<16} {:>9} {:>6}\n",
            "after / before", "setting", "ratio", "pairs"
        );
        for (name, setting, mean) in &self.means {
            let _ = writeln!(
                out,
                "{name:<16} {setting:<16} {:>9.4} {:>6}",
                mean.value, mean.pairs
            );
        }
        let worse = self.changes.iter().filter(|c| c.percent() > 0.0).count();
        let _ = writeln!(
            out,
            "\npayloads: {worse} larger, {} smaller, {} the same; {} lost, {} new",
            self.changes.len() - worse,
            self.same,
            self.lost.len(),
            self.gained
        );
        let mut shown: Vec<&Change> = self.changes.iter().collect();
        if shown.len() > 2 * SHOWN {
            shown.drain(SHOWN..shown.len() - SHOWN);
            let _ = writeln!(out, "the {SHOWN} worst and the {SHOWN} best:");
        }
        for c in shown {
            let _ = writeln!(
                out,
                "  {:<60} {:<16} {:>9} {:>9} {:>+8.2} %",
                c.pair,
                c.setting,
                c.bytes.0,
                c.bytes.1,
                c.percent()
            );
        }
        out
    }
}

/// Changes shown at either end.
const SHOWN: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const LIMITS: Limits = Limits {
        all: 0.5,
        pair: 3.0,
    };

    /// A table with the bytes of `patches` and a peer that must not count.
    fn table(dir: &Path, name: &str, patches: &[(&str, u64)]) -> PathBuf {
        let mut text = String::from("pair,tool,setting,status,bytes,decisions\n");
        for (pair, bytes) in patches {
            text +=
                &format!("{pair},deltamote,small default,ok,{bytes},10\n{pair},bsdiff,,ok,1,\n");
        }
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn broken(before: &[(&str, u64)], after: &[(&str, u64)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (
            table(dir.path(), "a", before),
            table(dir.path(), "b", after),
        );
        compare(&a, &b).unwrap().broken(LIMITS)
    }

    const BEFORE: [(&str, u64); 2] = [("a__1__2", 1000), ("b__1__2", 1000)];

    #[test]
    fn the_same_twice_and_better_are_good() {
        assert_eq!(broken(&BEFORE, &BEFORE), [""; 0]);
        assert_eq!(
            broken(&BEFORE, &[("a__1__2", 500), ("b__1__2", 1000)]),
            [""; 0]
        );
    }

    #[test]
    fn growth_in_all_is_bad_though_every_pair_is_within_its_limit() {
        let found = broken(&BEFORE, &[("a__1__2", 1006), ("b__1__2", 1006)]);
        assert!(
            found.len() == 1 && found[0].contains("0.60 % in all"),
            "{found:?}"
        );
        assert_eq!(
            broken(&BEFORE, &[("a__1__2", 1004), ("b__1__2", 1004)]),
            [""; 0]
        );
    }

    #[test]
    fn growth_on_a_pair_is_bad_though_the_mean_is_better() {
        let found = broken(&BEFORE, &[("a__1__2", 1031), ("b__1__2", 500)]);
        assert!(
            found.len() == 1 && found[0].contains("a__1__2"),
            "{found:?}"
        );
        assert_eq!(
            broken(&BEFORE, &[("a__1__2", 1030), ("b__1__2", 500)]),
            [""; 0]
        );
    }

    #[test]
    fn what_ci_keeps_compares_as_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let whole = table(dir.path(), "a", &BEFORE);
        let kept = dir.path().join("kept.csv");
        fs::write(&kept, reduced(&whole).unwrap()).unwrap();
        let found = compare(&kept, &whole).unwrap();
        assert_eq!(
            (found.same, found.changes.len(), found.lost.len()),
            (2, 0, 0)
        );
    }

    #[test]
    fn a_lost_pair_is_bad() {
        let found = broken(&BEFORE, &BEFORE[..1]);
        assert!(
            found.len() == 1 && found[0].contains("b__1__2"),
            "{found:?}"
        );
    }

    #[test]
    fn older_records_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let old = "pair,profile,level,payload_bytes,ok\na__1__2,small,default,1000,true\n\
            b__1__2,small,default,1,false\n";
        fs::write(dir.path().join("sizes.csv"), old).unwrap();
        let new = table(dir.path(), "new.csv", &BEFORE);
        let found = compare(dir.path(), &new).unwrap();
        assert_eq!((found.same, found.changes.len(), found.gained), (1, 0, 0));
        assert!(
            found
                .text()
                .contains("payload          all                 1.0000      1"),
            "{}",
            found.text()
        );
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let good = table(dir.path(), "a", &BEFORE);
        let bad = dir.path().join("b");
        fs::write(&bad, "x,y\n1,2\n").unwrap();
        assert!(compare(&good, &bad).is_err());
        assert!(compare(&good, &dir.path().join("absent")).is_err());
        let other = table(dir.path(), "c", &[("z__1__2", 5)]);
        assert!(compare(&good, &other).is_err());
    }
}

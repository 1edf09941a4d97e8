//! Rows and summary as text, CSV and JSON.
//!
//! Fed by `sizes` and `summary`; read by people and by scripts. Every ratio is ours
//! over theirs: below one is smaller.

use std::fmt::Write;

use crate::against::{self, Against};
use crate::corpus::PATHOLOGICAL;
use crate::peers::trial::Status;
use crate::runs::{DELTAMOTE, Run};
use crate::setting::Level;
use crate::sizes::{Results, Row};
use crate::summary::{self, Line, Loss, Unit};
use deltamote_format::Profile;
use serde::Serialize;

/// What a run was made with; the head of every report.
#[derive(Clone, Debug, Serialize)]
pub struct Setup {
    /// Version of this program and of the engine.
    pub version: &'static str,
    /// Version of detools, where it was run.
    pub detools: Option<String>,
    /// Peers that were asked for by name: name and version.
    pub peers: Option<Vec<(String, Option<String>)>>,
    /// Profiles asked for.
    pub profiles: Vec<&'static str>,
    /// Levels asked for.
    pub levels: Vec<&'static str>,
    /// Pairs in work at once.
    pub jobs: usize,
    /// Runs per timing.
    pub time: Option<usize>,
}

/// Everything of one run: what `--json` writes.
#[derive(Serialize)]
pub struct Report {
    setup: Setup,
    #[serde(flatten)]
    results: Results,
    summary: Vec<Line>,
    losses: Vec<Loss>,
    against: Vec<Against>,
}

/// The table's head.
pub fn heading() -> String {
    format!(
        "{:<54} {:<12} {:<11} {:<6} {:<7} {:>9} {:>8} {:>8} {:>7} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8} {:>6}  check\n",
        "pair",
        "isa",
        "kind",
        "prof",
        "level",
        "new",
        "payload",
        "shipped",
        "/new",
        "/lzma",
        "/heat",
        "/best",
        "/mcu",
        "/res",
        "encode s",
        "dec/B"
    )
}

/// One row of the table.
pub fn row(row: &Row) -> String {
    let mut text = format!(
        "{:<54} {:<12} {:<11} {:<6} {:<7} {:>9} ",
        row.pair,
        row.isa,
        row.kind,
        row.setting.profile.name(),
        row.setting.level.name(),
        row.new_bytes,
    );
    let Some(ours) = &row.ours else {
        let why = row.failure.as_deref().unwrap_or("no result");
        let _ = writeln!(text, "FAILED: {}", why.replace('\n', " | "));
        return text;
    };
    let target = row.target.as_ref();
    let ratios = [
        row.detools_lzma_bytes,
        row.detools_heatshrink_bytes,
        target.map(|t| t.best_peer_bytes),
        target.map(|t| t.best_mcu_peer_bytes),
        target.and_then(|t| t.research_16k),
    ]
    .map(|bytes| optional(row.payload_ratio(bytes), 6, 3));
    let _ = writeln!(
        text,
        "{:>8} {:>8} {} {} {:>8.2} {}  {}",
        ours.payload_bytes,
        ours.shipped_bytes,
        optional(row.payload_ratio(Some(row.new_bytes)), 7, 4),
        ratios.join(" "),
        ours.encode_seconds,
        optional(row.decisions_per_byte(), 6, 3),
        if row.failure.is_none() {
            "ok"
        } else {
            "FAILED"
        },
    );
    text
}

fn optional(value: Option<f64>, width: usize, places: usize) -> String {
    match value {
        Some(value) => format!("{value:>width$.places$}"),
        None => format!("{:>width$}", "-"),
    }
}

impl Report {
    /// Draws the summary lines from `results`.
    pub fn new(setup: Setup, results: Results, profiles: &[Profile], level: Level) -> Report {
        // Means are over firmware.
        let real = results.rows.iter().filter(|r| r.kind != PATHOLOGICAL);
        let rows: &[Row] = &real.cloned().collect::<Vec<Row>>();
        let first = profiles.first().copied().unwrap_or(Profile::Small);
        let mut summary = summary::against_detools(rows, first, level);
        if rows.iter().any(|r| r.target.is_some()) {
            summary.extend(summary::against_targets(rows, level));
        }
        summary.extend(summary::decoding(rows, level));
        if setup.time.is_some() {
            summary.extend(summary::cost(rows, first));
        }
        summary.extend(summary::large_image(rows, setup.time.is_some()));
        let losses = summary::losses(rows, level);
        let against = against::all(&results.runs);
        Report {
            setup,
            results,
            summary,
            losses,
            against,
        }
    }

    /// Our rows.
    pub fn rows(&self) -> &[Row] {
        &self.results.rows
    }

    /// What `--runs` writes.
    pub fn runs(&self) -> &[Run] {
        &self.results.runs
    }

    /// Rows whose patch does not give the new image back, or could not be made.
    pub fn failures(&self) -> usize {
        self.results
            .rows
            .iter()
            .filter(|r| r.failure.is_some())
            .count()
    }

    /// Everything below the table.
    pub fn text(&self) -> String {
        let mut text = format!(
            "\n{:<54} {:>12} {:>12} {:>12}  {:<7} {:>5} {:>8}\n",
            "geometric means, first within a product",
            "value",
            "bar",
            "aim",
            "",
            "pairs",
            "products"
        );
        for line in &self.summary {
            let shown =
                |value: Option<f64>| value.map_or("-".to_owned(), |v| in_unit(v, line.unit));
            let _ = writeln!(
                text,
                "{:<54} {:>12} {:>12} {:>12}  {:<7} {:>5} {:>8}",
                line.name,
                shown(line.value),
                shown(line.bar),
                shown(line.aim),
                line.verdict(),
                line.pairs,
                line.products,
            );
        }
        let above: Vec<&Loss> = self.losses.iter().filter(|l| l.ratio > 1.05).collect();
        if !above.is_empty() {
            let _ = writeln!(
                text,
                "\nmore than 5 % above the best peer (of more than 200 bytes):"
            );
        }
        for loss in above {
            let (peer, bytes) = (&loss.best_peer, loss.best_peer_bytes);
            let _ = writeln!(
                text,
                "  {:<54} {:.3} of {peer}, {bytes}",
                loss.pair, loss.ratio
            );
        }
        // The two columns of the table need no second one.
        if self.setup.peers.is_some() {
            text += &against::tables(&self.against);
        }
        for run in self.results.runs.iter().filter(|r| r.tool != DELTAMOTE) {
            if let (Status::Failed | Status::Wrong, Some(why)) = (run.status, &run.reason) {
                let (name, why) = (run.name(), why.replace('\n', " | "));
                let _ = writeln!(text, "peer {:?}: {}: {name}: {why}", run.status, run.pair);
            }
        }
        for row in self.results.rows.iter().filter(|r| r.failure.is_some()) {
            let why = row.failure.as_deref().unwrap_or_default();
            let _ = writeln!(text, "FAILED: {}: {}", row.pair, why.replace('\n', " | "));
        }
        for missing in &self.results.missing {
            let _ = writeln!(text, "missing: {}: {:?}", missing.pair, missing.files);
        }
        if !self.results.left_out.is_empty() {
            let names = self.results.left_out.join(", ");
            let _ = writeln!(text, "left out by --max-bytes: {names}");
        }
        let rows = self.results.rows.len();
        let _ = writeln!(
            text,
            "\n{} patches: {} gave the new image back, {} failed; {} pairs missing, {} left out",
            rows,
            rows - self.failures(),
            self.failures(),
            self.results.missing.len(),
            self.results.left_out.len(),
        );
        text
    }

    /// The rows as comma-separated values.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "pair,isa,kind,profile,level,old_bytes,new_bytes,payload_bytes,shipped_bytes,ram_bytes,\
             decisions,encode_seconds,decode_seconds,peak_bytes,detools_lzma_bytes,\
             detools_heatshrink_bytes,detools_lzma_seconds,best_peer_bytes,best_mcu_peer_bytes,\
             research_16k,ok\n",
        );
        for row in &self.results.rows {
            let ours = row.ours.as_ref();
            let target = row.target.as_ref();
            let fields = [
                row.pair.clone(),
                row.isa.clone(),
                row.kind.clone(),
                row.setting.profile.name().to_owned(),
                row.setting.level.name().to_owned(),
                row.old_bytes.to_string(),
                row.new_bytes.to_string(),
                field(ours.map(|o| o.payload_bytes)),
                field(ours.map(|o| o.shipped_bytes)),
                field(ours.map(|o| o.ram_bytes)),
                field(ours.map(|o| o.decisions)),
                field(ours.map(|o| o.encode_seconds)),
                field(ours.map(|o| o.decode_seconds)),
                field(ours.and_then(|o| o.peak_bytes)),
                field(row.detools_lzma_bytes),
                field(row.detools_heatshrink_bytes),
                field(row.detools_beside.map(|d| d.wall_seconds)),
                field(target.map(|t| t.best_peer_bytes)),
                field(target.map(|t| t.best_mcu_peer_bytes)),
                field(target.and_then(|t| t.research_16k)),
                row.failure.is_none().to_string(),
            ];
            text += &fields.join(",");
            text.push('\n');
        }
        text
    }
}

fn field<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |v| v.to_string())
}

fn in_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Plain => format!("{value:.3}"),
        Unit::Percent => format!("{value:.1} %"),
        Unit::Bytes => format!("{value:.0} B"),
        Unit::Seconds => format!("{value:.1} s"),
    }
}

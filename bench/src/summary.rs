//! The figures that the project is judged by, from all rows.
//!
//! Fed by `sizes`; feeds `report`. Each line states how many pairs and products it
//! rests on, because a figure over part of the corpus says nothing about the whole.
//! Bars and aims are those of the issue "The smallest patches in the field".

use serde::Serialize;

use crate::means::{Mean, arithmetic, geometric};
use crate::setting::{LARGE_IMAGE_BYTES, Level};
use crate::sizes::{Row, TIMED_BYTES};
use deltamote_format::Profile;

/// How a value is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A ratio or a rate.
    Plain,
    /// Hundredths.
    Percent,
    /// Whole bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// One figure of the summary.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Line {
    /// What is compared with what.
    pub name: String,
    /// The figure; absent when no row was measured that way.
    pub value: Option<f64>,
    /// Unit of value, bar and aim.
    pub unit: Unit,
    /// Pairs behind it.
    pub pairs: usize,
    /// Products behind it.
    pub products: usize,
    /// What must be reached (at most).
    pub bar: Option<f64>,
    /// What is hoped for (at most).
    pub aim: Option<f64>,
}

impl Line {
    fn new(name: impl Into<String>, mean: Option<Mean>, bar: f64, aim: f64) -> Line {
        Line {
            name: name.into(),
            value: mean.map(|m| m.value),
            unit: Unit::Plain,
            pairs: mean.map_or(0, |m| m.pairs),
            products: mean.map_or(0, |m| m.products),
            bar: Some(bar),
            aim: Some(aim),
        }
    }

    fn in_unit(self, unit: Unit) -> Line {
        Line { unit, ..self }
    }

    /// `aim`, `bar` or `MISSED`, where there is something to compare.
    pub fn verdict(&self) -> &'static str {
        let Some(value) = self.value else { return "" };
        match (self.bar, self.aim) {
            (_, Some(aim)) if value <= aim => "aim",
            (Some(bar), _) if value <= bar => "bar",
            (Some(_), _) => "MISSED",
            _ => "",
        }
    }
}

/// A pair that is larger than its best peer allows.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Loss {
    /// Pair id.
    pub pair: String,
    /// Payload against the best peer.
    pub ratio: f64,
    /// Who the best peer is.
    pub best_peer: String,
    /// Its bytes.
    pub best_peer_bytes: u64,
}

/// Payload against detools, all pairs: profile small, and large for large images.
pub fn against_detools(rows: &[Row], profile: Profile, level: Level) -> Vec<Line> {
    let at = |row: &&Row| {
        let profile_fits = row.setting.profile == profile || is_large(row);
        row.setting.level == level && profile_fits
    };
    let over = |bytes: fn(&Row) -> Option<u64>| {
        mean(rows.iter().filter(at), |row| row.payload_ratio(bytes(row)))
    };
    let name = |codec| format!("payload {} against detools {codec}", profile.name());
    let lzma = over(|row| row.detools_lzma_bytes);
    let heatshrink = over(|row| row.detools_heatshrink_bytes);
    vec![
        Line {
            aim: None,
            ..Line::new(name("lzma"), lzma, 0.85, 0.0)
        },
        Line {
            bar: None,
            aim: None,
            ..Line::new(name("heatshrink"), heatshrink, 0.0, 0.0)
        },
    ]
}

/// The lines that need the table of targets.
pub fn against_targets(rows: &[Row], level: Level) -> Vec<Line> {
    let of = |profile: Profile| {
        rows.iter().filter(move |row| {
            row.setting.level == level && row.setting.profile == profile && !is_large(row)
        })
    };
    let kinds = |kinds: &'static [&'static str]| {
        of(Profile::Small).filter(move |row| kinds.contains(&row.kind.as_str()))
    };
    let best = |row: &Row| row.payload_ratio(row.target.as_ref().map(|t| t.best_peer_bytes));
    let mcu = |row: &Row| row.payload_ratio(row.target.as_ref().map(|t| t.best_mcu_peer_bytes));
    let research = |row: &Row| row.payload_ratio(row.target.as_ref()?.research_16k);
    let shipped = |row: &Row| {
        let peer = row.target.as_ref()?.best_peer_bytes;
        row.shipped_ratio((peer > 2048).then_some(peer))
    };
    let small = || of(Profile::Small);
    let excess = losses(rows, level)
        .first()
        .map_or(0.0, |l| (l.ratio - 1.0) * 100.0);
    let judged = mean(small(), best);
    let mut lines = vec![
        Line::new("payload small / best peer, all kinds", judged, 0.56, 0.45),
        Line::new(
            "  kinds tiny and patch",
            mean(kinds(&["tiny", "patch"]), best),
            0.36,
            0.28,
        ),
        Line::new("  kind minor", mean(kinds(&["minor"]), best), 0.63, 0.52),
        Line::new("  kind major", mean(kinds(&["major"]), best), 0.86, 0.75),
        Line::new(
            "payload tiny / best peer",
            mean(of(Profile::Tiny), best),
            0.60,
            0.50,
        ),
        Line::new(
            "payload medium / best peer",
            mean(of(Profile::Medium), best),
            0.53,
            0.42,
        ),
        Line::new(
            "shipped small / best peer above 2 KiB",
            mean(small(), shipped),
            0.65,
            0.52,
        ),
        Line::new(
            "payload small / research at 16 KiB",
            mean(small(), research),
            1.05,
            0.88,
        ),
        Line::new(
            "payload small / best MCU peer",
            mean(small(), mcu),
            0.40,
            0.30,
        ),
    ];
    let worst = judged.map(|m| Mean { value: excess, ..m });
    lines.push(Line::new("worst pair above its best peer", worst, 5.0, 0.0).in_unit(Unit::Percent));
    lines
}

/// Work of the decoder, over profile small.
pub fn decoding(rows: &[Row], level: Level) -> Vec<Line> {
    let small = |row: &&Row| {
        row.setting.level == level && row.setting.profile == Profile::Small && !is_large(row)
    };
    let work = |rows: Vec<&Row>| {
        let values = rows
            .iter()
            .map(|r| Some((r.pair.as_str(), r.decisions_per_byte()?)));
        arithmetic(values.flatten())
    };
    let patch = rows
        .iter()
        .filter(small)
        .filter(|r| r.kind == "patch")
        .collect();
    let all = rows.iter().filter(small).collect();
    vec![
        Line::new(
            "decisions / output byte, kind patch (plain mean)",
            work(patch),
            0.4,
            0.15,
        ),
        Line::new(
            "decisions / output byte, all (plain mean)",
            work(all),
            1.5,
            1.0,
        ),
    ]
}

/// Times and memory; `compared` is the profile that levels are compared in.
pub fn cost(rows: &[Row], compared: Profile) -> Vec<Line> {
    let at = |level: Level| {
        rows.iter().filter(move |row| {
            row.setting.level == level
                && row.setting.profile == compared
                && TIMED_BYTES.contains(&row.new_bytes)
        })
    };
    let time =
        |row: &Row| Some(row.ours.as_ref()?.encode_seconds / row.detools_beside?.wall_seconds);
    let own_time = |row: &Row| {
        let own = row.detools_beside?.own_seconds?;
        (own > 0.0).then_some(row.ours.as_ref()?.encode_seconds / own)
    };
    let against_default = |row: &Row| {
        let same = |other: &&Row| {
            other.pair == row.pair
                && other.setting.level == Level::Default
                && other.setting.profile == row.setting.profile
        };
        row.payload_ratio(Some(rows.iter().find(same)?.ours.as_ref()?.payload_bytes))
    };
    let fast = |row: &&Row| row.setting.level == Level::Fast && row.setting.profile == compared;
    let memory = |row: &Row| {
        let peak = row.ours.as_ref()?.peak_bytes? as f64;
        Some(peak / (row.old_bytes + row.new_bytes) as f64)
    };
    let no_goal = |line: Line| Line {
        bar: None,
        aim: None,
        ..line
    };
    let default = || at(Level::Default);
    let mut lines = vec![
        Line::new(
            "time default / detools lzma, wall",
            mean(default(), time),
            4.0,
            1.0,
        ),
        no_goal(Line::new(
            "  by detools' own clock",
            mean(default(), own_time),
            0.0,
            0.0,
        )),
        Line::new(
            "time fast / detools lzma, wall",
            mean(at(Level::Fast), time),
            0.7,
            0.3,
        ),
        no_goal(Line::new(
            "  by detools' own clock",
            mean(at(Level::Fast), own_time),
            0.0,
            0.0,
        )),
        Line::new(
            "payload fast / payload default",
            mean(rows.iter().filter(fast), against_default),
            1.10,
            1.05,
        ),
    ];
    let most = default().filter_map(memory).reduce(f64::max);
    let memory_mean = mean(default(), memory);
    let worst = memory_mean.zip(most).map(|(m, value)| Mean { value, ..m });
    lines.push(Line::new(
        "most memory of default, bytes / byte of old + new",
        worst,
        60.0,
        30.0,
    ));
    lines
}

/// Bytes, time and memory of the large pair (the kernel), at level default. The time is
/// told only where the diff had the machine to itself.
pub fn large_image(rows: &[Row], timed: bool) -> Vec<Line> {
    let found = rows.iter().find(|row| {
        row.kind == "patch-large"
            && row.setting.level == Level::Default
            && row.setting.profile == Profile::Large
    });
    let Some((row, ours)) = found.and_then(|row| Some((row, row.ours.as_ref()?))) else {
        return Vec::new();
    };
    let single = |value: f64| {
        let (pairs, products) = (1, 1);
        Some(Mean {
            value,
            pairs,
            products,
        })
    };
    let peak = ours.peak_bytes.and_then(|bytes| single(bytes as f64));
    let name = |what| format!("{}: {what}", row.pair);
    let seconds = single(ours.encode_seconds).filter(|_| timed);
    vec![
        Line::new(
            name("payload"),
            single(ours.payload_bytes as f64),
            600_000.0,
            450_000.0,
        )
        .in_unit(Unit::Bytes),
        Line::new(name("time"), seconds, 600.0, 120.0).in_unit(Unit::Seconds),
        Line::new(name("memory"), peak, 3.0 * GIB, 1.5 * GIB).in_unit(Unit::Bytes),
    ]
}

/// Pairs of profile small (large images: large) whose payload is above their best peer,
/// where that peer has more than 200 bytes; worst first. Below that the header decides
/// and a few bytes are many per cent.
pub fn losses(rows: &[Row], level: Level) -> Vec<Loss> {
    let loss = |row: &Row| {
        let target = row.target.as_ref()?;
        let judged = row.setting.profile == Profile::Small || is_large(row);
        let ratio = row.payload_ratio(Some(target.best_peer_bytes))?;
        let lost =
            judged && row.setting.level == level && target.best_peer_bytes > 200 && ratio > 1.0;
        lost.then(|| Loss {
            pair: row.pair.clone(),
            ratio,
            best_peer: target.best_peer.clone(),
            best_peer_bytes: target.best_peer_bytes,
        })
    };
    let mut losses: Vec<Loss> = rows.iter().filter_map(loss).collect();
    losses.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    losses
}

const GIB: f64 = (1u64 << 30) as f64;

fn is_large(row: &Row) -> bool {
    row.new_bytes > LARGE_IMAGE_BYTES
}

fn mean<'a>(
    rows: impl Iterator<Item = &'a Row>,
    value: impl Fn(&Row) -> Option<f64>,
) -> Option<Mean> {
    geometric(rows.filter_map(|row| Some((row.pair.as_str(), value(row)?))))
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;

//! Time and memory: size against time, threads, growth with the image.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use deltamote_draw::{Axis, Ink, Page, Series, Table, plot};

use super::{Figure, bytes, seconds};
use crate::means::geometric;
use crate::peers::trial::Status;
use crate::runs::DELTAMOTE;
use crate::speed::{Question, Timing};

const IMAGE: Axis<'static> = Axis {
    name: "size of the image",
    label: bytes,
    binary: true,
};
const TIME: Axis<'static> = Axis {
    name: "wall time",
    label: seconds,
    binary: false,
};
const MEMORY: Axis<'static> = Axis {
    name: "resident memory",
    label: bytes,
    binary: true,
};

/// Name of a tool in a setting; ours without the threads.
fn name(row: &Timing) -> String {
    let setting = match row.tool == DELTAMOTE {
        // The profile depends on the size of the image, the level does not.
        true => row.setting.split('-').nth(1).unwrap_or_default().to_owned(),
        false => row.setting.clone(),
    };
    match setting.as_str() {
        "" => row.tool.clone(),
        _ => format!("{} {setting}", row.tool),
    }
}

pub(super) fn draw(page: &mut Page, rows: &[Timing]) -> Result<()> {
    page.heading("Time and memory");
    page.paragraph(
        "All tools took turns on each pair, on one machine, in one run. Our time of making a \
         patch includes its signature and its proof on the simulated device; our time of \
         applying is that of the device's code on simulated flash.",
    );
    let mut figures: Vec<Figure> = Vec::new();
    let numbers = numbering(rows);
    let pairs: Vec<&Timing> = rows
        .iter()
        .filter(|r| r.question == Question::Pair)
        .collect();
    for (title, time) in PARETO {
        if let Some(svg) = pareto(&pairs, &numbers, time)? {
            let caption = "Left is faster, low is smaller. Geometric means over the pairs that every tool here did; numbers are named below.";
            figures.push((title.into(), svg, caption.into()));
        }
    }
    if let Some(svg) = threads(&pairs)? {
        figures.push((
            "Making a patch on 1, 2, ... threads".into(),
            svg,
            "Ours, by level: wall time, geometric mean over the pairs. The patch is the same for any number.".into(),
        ));
    }
    let growing: Vec<&Timing> = rows
        .iter()
        .filter(|r| r.question == Question::Growth)
        .collect();
    let curves: [(&str, Axis<'_>, Value); 3] = [
        ("Making a patch, time by size of the image", TIME, |r| {
            r.diff_seconds
        }),
        ("Applying it, time by size of the image", TIME, |r| {
            r.apply_seconds
        }),
        ("Making a patch, memory by size of the image", MEMORY, |r| {
            r.diff_peak_bytes.map(|b| b as f64)
        }),
    ];
    for (title, axis, value) in curves {
        if let Some(svg) = growth(&growing, &numbers, axis, value)? {
            let caption =
                "Real images with edits by rule, as dense in every size. Numbers are named below.";
            figures.push((title.into(), svg, caption.into()));
        }
    }
    page.figures(&figures);
    let mut named: Vec<(usize, &String)> = numbers.iter().map(|(n, i)| (*i, n)).collect();
    named.sort();
    let list: Vec<String> = named.iter().map(|(i, n)| format!("{i} {n}")).collect();
    if !list.is_empty() {
        page.paragraph(&format!("Numbers in the plots: {}.", list.join(", ")));
    }
    let mut table = Table::new(&[
        "pair",
        "tool",
        "result",
        "#bytes",
        "#diff",
        "#processor",
        "#memory",
        "#apply",
        "#processor",
        "#memory",
    ]);
    for row in rows {
        table.row(&cells(row));
    }
    page.details(&format!("All {} timings", rows.len()), &table.finish());
    Ok(())
}

/// Tools, and the numbers that stand for them in all plots.
type Numbers = BTreeMap<String, usize>;

type Value = fn(&Timing) -> Option<f64>;

const PARETO: [(&str, Value); 2] = [
    ("Size against the time of making", |r| r.diff_seconds),
    ("Size against the time of applying", |r| r.apply_seconds),
];

fn cells(row: &Timing) -> Vec<String> {
    let dash = || "-".to_owned();
    let time = |v: Option<f64>| v.map_or_else(dash, seconds);
    let memory = |v: Option<u64>| v.map_or_else(dash, |b| bytes(b as f64));
    let threads = row
        .threads
        .map_or_else(String::new, |n| format!(", {n} threads"));
    let result = match row.status {
        Status::Ok => "ok".to_owned(),
        other => format!("{other:?}: {}", row.reason.as_deref().unwrap_or_default()),
    };
    vec![
        row.pair.clone(),
        format!("{}{threads}", name(row)),
        result.chars().take(120).collect(),
        row.bytes.map_or_else(dash, super::thousands),
        time(row.diff_seconds),
        time(row.diff_cpu_seconds),
        memory(row.diff_peak_bytes),
        time(row.apply_seconds),
        time(row.apply_cpu_seconds),
        memory(row.apply_peak_bytes),
    ]
}

/// The threads that ours is shown with where others choose themselves: the most.
fn most_threads(rows: &[&Timing]) -> Option<usize> {
    rows.iter().filter_map(|r| r.threads).max()
}

/// One point per tool and setting: mean time and mean share of the new image.
fn pareto(rows: &[&Timing], numbers: &Numbers, time: Value) -> Result<Option<String>> {
    let most = most_threads(rows);
    let shown: Vec<&&Timing> = rows
        .iter()
        .filter(|r| r.threads.is_none() || r.threads == most)
        .collect();
    let pairs: BTreeSet<&str> = shown.iter().map(|r| r.pair.as_str()).collect();
    let mut tools: BTreeMap<String, Vec<&Timing>> = BTreeMap::new();
    for row in shown.iter().filter(|r| r.status == Status::Ok) {
        tools.entry(name(row)).or_default().push(row);
    }
    // Tools for some instruction sets, and those that failed, would be compared on others.
    tools.retain(|_, rows| rows.len() == pairs.len());
    let mut series = Vec::new();
    for (tool, rows) in &tools {
        let mean = |of: &dyn Fn(&Timing) -> Option<f64>| {
            geometric(rows.iter().filter_map(|r| Some((r.pair.as_str(), of(r)?))))
        };
        let share = |r: &Timing| Some(r.bytes? as f64 / r.new_bytes.max(1) as f64 * 100.0);
        let (Some(x), Some(y)) = (mean(&time), mean(&share)) else {
            continue;
        };
        let number = numbers.get(tool).copied().unwrap_or_default();
        series.push(Series {
            ink: Ink::Series(if tool.starts_with(DELTAMOTE) { 1 } else { 0 }),
            points: vec![(x.value, y.value)],
            joined: false,
            mark: number.to_string(),
        });
    }
    if series.is_empty() {
        return Ok(None);
    }
    let share = Axis {
        name: "patch / new image, %",
        label: |v| {
            if v < 0.95 {
                format!("{v:.1}")
            } else {
                format!("{v:.0}")
            }
        },
        binary: false,
    };
    Ok(Some(plot(TIME, share, &series)?))
}

fn threads(rows: &[&Timing]) -> Result<Option<String>> {
    let ours: Vec<&&Timing> = rows
        .iter()
        .filter(|r| r.tool == DELTAMOTE && r.status == Status::Ok)
        .collect();
    let levels: BTreeSet<String> = ours.iter().map(|r| name(r)).collect();
    let counts: BTreeSet<usize> = ours.iter().filter_map(|r| r.threads).collect();
    if counts.len() < 2 {
        return Ok(None);
    }
    let mut series = Vec::new();
    for (i, level) in levels.iter().enumerate() {
        let of = |n: usize| {
            let here = ours
                .iter()
                .filter(|r| name(r) == *level && r.threads == Some(n));
            geometric(here.filter_map(|r| Some((r.pair.as_str(), r.diff_seconds?))))
        };
        series.push(Series {
            ink: Ink::Series(i),
            points: counts
                .iter()
                .filter_map(|&n| Some((n as f64, of(n)?.value)))
                .collect(),
            joined: true,
            mark: level.replace("deltamote ", ""),
        });
    }
    let axis = Axis {
        name: "threads",
        label: |v| format!("{v:.0}"),
        binary: true,
    };
    Ok(Some(plot(axis, TIME, &series)?))
}

/// A number for every tool, in the order of the rows.
fn numbering(rows: &[Timing]) -> Numbers {
    let mut out = BTreeMap::new();
    for row in rows {
        let next = out.len() + 1;
        out.entry(name(row)).or_insert(next);
    }
    out
}

fn growth(
    rows: &[&Timing],
    numbers: &Numbers,
    axis: Axis<'_>,
    value: Value,
) -> Result<Option<String>> {
    let mut series = Vec::new();
    for (tool, number) in numbers {
        let of_tool = rows
            .iter()
            .filter(|r| name(r) == *tool && r.status == Status::Ok);
        let points: Vec<(f64, f64)> = of_tool
            .filter_map(|r| Some((r.new_bytes as f64, value(r)?)))
            .collect();
        if !points.is_empty() {
            series.push(Series {
                ink: Ink::Series(number - 1),
                points,
                joined: true,
                mark: number.to_string(),
            });
        }
    }
    if series.is_empty() {
        return Ok(None);
    }
    Ok(Some(plot(IMAGE, axis, &series)?))
}

//! Sizes beside peers: over all, per instruction set, per product, pair by pair.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use deltamote_draw::{Bar, Ink, Page, Table, bars, legend};

use super::{Figure, thousands};
use crate::against::{self, Against, BEST};
use crate::means::geometric;
use crate::peers::trial::Status;
use crate::runs::{DELTAMOTE, Run};

/// The setting that is compared: the first of ours in the record.
fn first_setting(runs: &[Run]) -> &str {
    let ours = runs.iter().find(|r| r.tool == DELTAMOTE);
    ours.map_or("", |r| r.setting.as_str())
}

pub(super) fn draw(page: &mut Page, runs: &[Run]) -> Result<()> {
    let setting = first_setting(runs);
    let lines = against::all(runs);
    page.heading("Size");
    let over_all = |l: &&Against| l.setting == setting && l.isa == "all";
    let mut best_first: Vec<&Against> = lines.iter().filter(over_all).collect();
    best_first.sort_by(|a, b| b.ratio.unwrap_or(-1.0).total_cmp(&a.ratio.unwrap_or(-1.0)));
    let mut figures: Vec<Figure> = Vec::new();
    let rows: Vec<Bar> = best_first
        .iter()
        .filter_map(|l| Some(bar(&l.peer, l.ratio?, if l.peer == BEST { 1 } else { 0 })))
        .collect();
    figures.push((
        format!("Our payload ({setting}) over each peer's patch"),
        bars(&rows, Some(1.0))?,
        "The line is 1: as large as the peer's. \"Best of these\" takes for each pair the \
         smallest patch that any of the peers made."
            .into(),
    ));
    let per_isa = |peer: &str, series: usize| -> Vec<Bar> {
        lines
            .iter()
            .filter(|l| l.setting == setting && l.isa != "all" && l.peer == peer)
            .filter_map(|l| {
                Some(Bar {
                    name: format!("{} ({})", l.isa, pairs_of(l.pairs)),
                    ..bar(&l.isa, l.ratio?, series)
                })
            })
            .collect()
    };
    figures.push((
        "Per instruction set, over the best of the peers".into(),
        bars(&per_isa(BEST, 1), Some(1.0))?,
        "Which peer is the best differs from pair to pair.".into(),
    ));
    if let Some(settings) = own_settings(runs)? {
        figures.push(settings);
    }
    page.figures(&figures);
    page.details("The same in figures, with what failed", &table(&best_first));
    products(page, runs, setting)?;
    failures(page, runs);
    Ok(())
}

fn pairs_of(n: usize) -> String {
    format!("{n} pair{}", if n == 1 { "" } else { "s" })
}

fn bar(name: &str, ratio: f64, series: usize) -> Bar {
    Bar {
        name: name.to_owned(),
        parts: vec![(Ink::Series(series), ratio)],
        figure: format!("{ratio:.3}"),
    }
}

fn table(lines: &[&Against]) -> String {
    let mut table = Table::new(&[
        "peer",
        "#ratio",
        "#pairs",
        "#products",
        "#failed",
        "#wrong",
        "#missing",
    ]);
    for l in lines {
        let ratio = l.ratio.map_or_else(|| "-".into(), |r| format!("{r:.3}"));
        let counts = [l.pairs, l.products, l.failed, l.wrong, l.missing].map(|n| n.to_string());
        let mut row = vec![l.peer.clone(), ratio];
        row.extend(counts);
        table.row(&row);
    }
    table.finish()
}

/// Our settings beside each other: payload over that of the first.
fn own_settings(runs: &[Run]) -> Result<Option<Figure>> {
    let first = first_setting(runs);
    let good = |r: &&Run| r.tool == DELTAMOTE && r.good_bytes().is_some();
    let base: BTreeMap<&str, u64> = runs
        .iter()
        .filter(good)
        .filter(|r| r.setting == first)
        .filter_map(|r| Some((r.pair.as_str(), r.good_bytes()?)))
        .collect();
    let settings: BTreeSet<&str> = runs
        .iter()
        .filter(good)
        .map(|r| r.setting.as_str())
        .collect();
    let mut rows = Vec::new();
    for setting in settings {
        let ratios = runs
            .iter()
            .filter(good)
            .filter(|r| r.setting == setting)
            .filter_map(|r| {
                let base = *base.get(r.pair.as_str())?;
                Some((r.pair.as_str(), r.good_bytes()? as f64 / base.max(1) as f64))
            });
        if let Some(mean) = geometric(ratios) {
            let name = format!("{setting} ({})", pairs_of(mean.pairs));
            rows.push(Bar {
                name,
                ..bar(setting, mean.value, 2)
            });
        }
    }
    if rows.len() < 2 {
        return Ok(None);
    }
    let title = format!("Our settings over {first}");
    let caption = "Profiles are memory classes of devices; levels are how hard the engine tries.";
    Ok(Some((title, bars(&rows, Some(1.0))?, caption.into())))
}

/// Ours and the best peer per product.
fn products(page: &mut Page, runs: &[Run], setting: &str) -> Result<()> {
    let mut best: BTreeMap<&str, u64> = BTreeMap::new();
    for run in runs.iter().filter(|r| r.tool != DELTAMOTE) {
        if let Some(bytes) = run.good_bytes() {
            let least = best.entry(run.pair.as_str()).or_insert(bytes);
            *least = (*least).min(bytes);
        }
    }
    // Per product: share of the new image that ours and the best peer's patches are.
    let mut rows: Vec<(f64, Bar)> = Vec::new();
    let ours = |r: &&Run| r.tool == DELTAMOTE && r.setting == setting;
    let products: BTreeSet<&str> = runs.iter().map(|r| r.product.as_str()).collect();
    for product in products {
        let of_product: Vec<&Run> = runs
            .iter()
            .filter(ours)
            .filter(|r| r.product == product)
            .collect();
        let share = |bytes: &dyn Fn(&Run) -> Option<u64>| {
            geometric(of_product.iter().filter_map(|r| {
                best.get(r.pair.as_str())?;
                Some((
                    r.pair.as_str(),
                    bytes(r)? as f64 / r.new_bytes.max(1) as f64,
                ))
            }))
        };
        let Some(mine) = share(&|r| r.good_bytes()) else {
            continue;
        };
        let Some(theirs) = share(&|r| best.get(r.pair.as_str()).copied()) else {
            continue;
        };
        let ratio = mine.value / theirs.value;
        // Ours, then what the peer needs on top.
        let parts = match ratio <= 1.0 {
            true => vec![
                (Ink::Series(0), mine.value),
                (Ink::Series(7), theirs.value - mine.value),
            ],
            false => vec![
                (Ink::Series(7), theirs.value),
                (Ink::Series(1), mine.value - theirs.value),
            ],
        };
        let s = if mine.pairs == 1 { "" } else { "s" };
        rows.push((
            ratio,
            Bar {
                name: format!(
                    "{product} ({} pair{s}): {:.2} % of the image",
                    mine.pairs,
                    mine.value * 100.0
                ),
                parts,
                figure: format!("{ratio:.3}"),
            },
        ));
    }
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    page.heading("Products");
    page.html(&legend([
        (Ink::Series(0), "our payload"),
        (Ink::Series(7), "what the best peer needs"),
        (Ink::Series(1), "where ours is larger: the excess"),
    ]));
    let half = rows.len().div_ceil(2);
    let column =
        |rows: &[(f64, Bar)]| bars(&rows.iter().map(|r| r.1.clone()).collect::<Vec<_>>(), None);
    let mut figures = vec![(
        "Share of the new image, best ratios first".to_owned(),
        column(&rows[..half])?,
        "Geometric means over the pairs of a product; the figure is ours over the best peer's."
            .to_owned(),
    )];
    if rows.len() > half {
        figures.push((
            "The rest".into(),
            column(&rows[half..])?,
            "To its own scale.".into(),
        ));
    }
    page.figures(&figures);
    Ok(())
}

/// Everything that did not end well, by tool and reason.
fn failures(page: &mut Page, runs: &[Run]) {
    let bad = runs.iter().filter(|r| r.status != Status::Ok);
    let mut told: BTreeMap<(String, &str, String), Vec<&str>> = BTreeMap::new();
    for run in bad {
        let status = match run.status {
            Status::Ok => "ok",
            Status::Failed => "failed",
            Status::Wrong => "wrong",
            Status::Missing => "missing",
        };
        let why = run.reason.clone().unwrap_or_default().replace('\n', " | ");
        let why: String = why.chars().take(160).collect();
        told.entry((run.name(), status, why))
            .or_default()
            .push(&run.pair);
    }
    page.heading("What did not end well");
    if told.is_empty() {
        page.paragraph("Nothing: every tool gave every new image back.");
        return;
    }
    let mut table = Table::new(&["tool", "result", "#pairs", "why", "first pair"]);
    for ((tool, status, why), pairs) in told {
        let first = pairs.first().copied().unwrap_or_default().to_owned();
        table.row(&[tool, status.to_owned(), pairs.len().to_string(), why, first]);
    }
    page.html(&table.finish());
}

/// Every pair with our bytes and the smallest of each tool.
pub(super) fn pairs(page: &mut Page, runs: &[Run]) {
    let setting = first_setting(runs);
    let mut tools: Vec<&str> = Vec::new();
    for run in runs.iter().filter(|r| r.tool != DELTAMOTE) {
        if !tools.contains(&run.tool.as_str()) {
            tools.push(&run.tool);
        }
    }
    let numbered: Vec<String> = tools.iter().map(|t| format!("#{t}")).collect();
    let mut columns = vec!["pair", "isa", "kind", "#new image", "#ours", "#our file"];
    columns.extend(numbered.iter().map(String::as_str));
    let mut table = Table::new(&columns);
    let mut least: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for run in runs {
        if let Some(bytes) = run.good_bytes() {
            let entry = least.entry((&run.pair, &run.tool)).or_insert(bytes);
            *entry = (*entry).min(bytes);
        }
    }
    let mut count = 0;
    for run in runs
        .iter()
        .filter(|r| r.tool == DELTAMOTE && r.setting == setting)
    {
        let figure = |n: Option<u64>| n.map_or_else(|| "-".into(), thousands);
        let mut row = vec![
            run.pair.clone(),
            run.isa.clone(),
            run.kind.clone(),
            thousands(run.new_bytes),
            figure(run.good_bytes()),
            figure(run.file_bytes),
        ];
        row.extend(
            tools
                .iter()
                .map(|t| figure(least.get(&(&run.pair, t)).copied())),
        );
        table.row(&row);
        count += 1;
    }
    page.heading("All pairs");
    let summary = format!(
        "{count} pairs: bytes of our payload ({setting}) and file, and the smallest of each tool's settings"
    );
    page.details(&summary, &table.finish());
}

//! Ours against every peer of a run: geometric means, within a product first.
//!
//! Fed by `runs`; feeds `report`. A peer's failed, wrong and missing results are
//! counted beside its mean, which rests on the good ones alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use crate::corpus::PATHOLOGICAL;
use crate::means::{Mean, geometric};
use crate::peers::trial::Status;
use crate::runs::{DELTAMOTE, Run};

/// Name of the line that takes, for each pair, the smallest good patch of any peer.
pub const BEST: &str = "best of these";

/// One of our settings against one peer, over the pairs that both have.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Against {
    /// Our setting, `PROFILE LEVEL`.
    pub setting: String,
    /// The peer, or [`BEST`].
    pub peer: String,
    /// Instruction set, or `all`.
    pub isa: String,
    /// Our bytes over theirs; absent where no pair has both.
    pub ratio: Option<f64>,
    /// Pairs behind it.
    pub pairs: usize,
    /// Products behind it.
    pub products: usize,
    /// Results that failed.
    pub failed: usize,
    /// Results that were not the new image.
    pub wrong: usize,
    /// Results that are not there because the tool is not.
    pub missing: usize,
}

/// Every setting of ours against every peer, over all and per instruction set; settings
/// and peers in the order in which they first occur.
pub fn all(runs: &[Run]) -> Vec<Against> {
    let ours: Vec<&Run> = runs.iter().filter(|r| r.tool == DELTAMOTE).collect();
    let theirs: Vec<&Run> = runs.iter().filter(|r| r.tool != DELTAMOTE).collect();
    let settings = in_order(ours.iter().map(|r| r.setting.clone()));
    let peers = in_order(theirs.iter().map(|r| r.name()));
    let isas: BTreeSet<&str> = ours.iter().map(|r| r.isa.as_str()).collect();
    let isas: Vec<Option<&str>> = [None]
        .into_iter()
        .chain(isas.into_iter().map(Some))
        .collect();
    let best = best(&theirs);

    let mut lines = Vec::new();
    for setting in &settings {
        let ours: Vec<&Run> = ours
            .iter()
            .filter(|r| r.setting == *setting)
            .copied()
            .collect();
        for &isa in &isas {
            // Generated pairs are nobody's firmware: under their own heading only.
            let of_isa = |run: &Run| match isa {
                Some(isa) => run.isa == isa,
                None => run.kind != PATHOLOGICAL,
            };
            for peer in &peers {
                let of_peer = |r: &&&Run| r.name() == *peer && of_isa(r);
                let results: Vec<&Run> = theirs.iter().filter(of_peer).copied().collect();
                let good = results
                    .iter()
                    .filter_map(|r| Some((r.pair.as_str(), r.good_bytes()?)))
                    .collect();
                let count = |status| results.iter().filter(|r| r.status == status).count();
                if !results.is_empty() {
                    lines.push(Against {
                        failed: count(Status::Failed),
                        wrong: count(Status::Wrong),
                        missing: count(Status::Missing),
                        ..line(setting, peer, isa, mean(&ours, &good, of_isa))
                    });
                }
            }
            if !peers.is_empty() {
                lines.push(line(setting, BEST, isa, mean(&ours, &best, of_isa)));
            }
        }
    }
    lines
}

/// All settings as text: a table over all for each, and for the first one a table per
/// instruction set too.
pub fn tables(lines: &[Against]) -> String {
    let mut text = String::new();
    for (i, setting) in in_order(lines.iter().map(|l| l.setting.clone()))
        .iter()
        .enumerate()
    {
        text += &table(lines, setting, i == 0);
    }
    text
}

fn table(lines: &[Against], setting: &str, every_isa: bool) -> String {
    let wanted = |l: &&Against| l.setting == setting && (every_isa || l.isa == ALL);
    let lines: Vec<&Against> = lines.iter().filter(wanted).collect();
    let mut text = format!(
        "\n{:<42} {:>7} {:>6} {:>8} {:>7} {:>6} {:>8}\n",
        format!("our payload ({setting}) / peer"),
        "ratio",
        "pairs",
        "products",
        "failed",
        "wrong",
        "missing"
    );
    for isa in in_order(lines.iter().map(|l| l.isa.clone())) {
        if isa != ALL {
            let _ = writeln!(text, "{isa}");
        }
        for line in lines.iter().filter(|l| l.isa == isa) {
            let ratio = line
                .ratio
                .map_or_else(|| "-".to_owned(), |r| format!("{r:.3}"));
            let _ = writeln!(
                text,
                "  {:<40} {ratio:>7} {:>6} {:>8} {:>7} {:>6} {:>8}",
                line.peer, line.pairs, line.products, line.failed, line.wrong, line.missing
            );
        }
    }
    text
}

const ALL: &str = "all";

fn line(setting: &str, peer: &str, isa: Option<&str>, mean: Option<Mean>) -> Against {
    Against {
        setting: setting.to_owned(),
        peer: peer.to_owned(),
        isa: isa.unwrap_or(ALL).to_owned(),
        ratio: mean.map(|m| m.value),
        pairs: mean.map_or(0, |m| m.pairs),
        products: mean.map_or(0, |m| m.products),
        failed: 0,
        wrong: 0,
        missing: 0,
    }
}

fn mean(
    ours: &[&Run],
    theirs: &BTreeMap<&str, u64>,
    wanted: impl Fn(&Run) -> bool,
) -> Option<Mean> {
    let ratios = ours.iter().filter(|r| wanted(r)).filter_map(|run| {
        let theirs = *theirs.get(run.pair.as_str())?;
        let bytes = run.good_bytes()?;
        (theirs > 0).then_some((run.pair.as_str(), bytes as f64 / theirs as f64))
    });
    geometric(ratios)
}

/// The smallest good patch of any peer, by pair.
fn best<'a>(theirs: &[&'a Run]) -> BTreeMap<&'a str, u64> {
    let mut best: BTreeMap<&str, u64> = BTreeMap::new();
    for run in theirs {
        if let Some(bytes) = run.good_bytes() {
            let least = best.entry(&run.pair).or_insert(bytes);
            *least = bytes.min(*least);
        }
    }
    best
}

fn in_order(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut found = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "\
pair,product,isa,kind,old_bytes,new_bytes,tool,version,setting,status,bytes,file_bytes,\
diff_seconds,diff_cpu_seconds,diff_peak_bytes,apply_seconds,apply_cpu_seconds,\
apply_peak_bytes,ram_bytes,decisions,reason
a__1__2,a,avr,patch,9,9,deltamote,1,small default,ok,25,90,,,,,,,,,
a__1__2,a,avr,patch,9,9,x,1,,ok,100,100,,,,,,,,,
a__1__2,a,avr,patch,9,9,y,1,z,wrong,1,1,,,,,,,,,bytes differ
a__2__3,a,avr,patch,9,9,deltamote,1,small default,ok,60,90,,,,,,,,,
a__2__3,a,avr,patch,9,9,x,1,,ok,60,60,,,,,,,,,
a__2__3,a,avr,patch,9,9,y,1,z,ok,30,30,,,,,,,,,
b__1__2,b,8051,patch,9,9,deltamote,1,small default,ok,10,90,,,,,,,,,
b__1__2,b,8051,patch,9,9,x,1,,ok,80,80,,,,,,,,,
b__1__2,b,8051,patch,9,9,y,,z,missing,,,,,,,,,,,install: y
";

    fn runs() -> Vec<Run> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("runs.csv");
        std::fs::write(&file, CSV).unwrap();
        let runs = crate::runs::read(&file).unwrap();
        crate::runs::write(&file, &runs).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), CSV);
        runs
    }

    fn ratio(lines: &[Against], isa: &str, peer: &str) -> f64 {
        let line = lines.iter().find(|l| l.isa == isa && l.peer == peer);
        line.and_then(|l| l.ratio).unwrap()
    }

    // By hand. x: a sqrt(0.25 * 1) = 0.5, b 0.125; over both sqrt(0.0625) = 0.25.
    // y has one good result, 2. Best: a sqrt(0.25 * 2) = 0.707, b 0.125.
    #[test]
    fn only_good_results_count_and_products_weigh_alike() {
        let lines = all(&runs());
        assert!((ratio(&lines, "all", "x") - 0.25).abs() < 1e-12);
        assert!((ratio(&lines, "avr", "x") - 0.5).abs() < 1e-12);
        assert!((ratio(&lines, "all", "y-z") - 2.0).abs() < 1e-12);
        let best = (0.5f64.sqrt() * 0.125).sqrt();
        assert!((ratio(&lines, "all", BEST) - best).abs() < 1e-12);
        let y = &lines[1];
        assert_eq!((y.failed, y.wrong, y.missing, y.pairs), (0, 1, 1, 1));
        let text = tables(&lines);
        assert!(
            text.contains("x                                          0.250      3        2"),
            "{text}"
        );
    }
}

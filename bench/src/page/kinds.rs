//! Where our bytes go.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use deltamote_draw::{Bar, Ink, Page, bars, legend};

use super::thousands;
use crate::record::kinds::Kind;

pub(super) fn draw(page: &mut Page, kinds: &[Kind]) -> Result<()> {
    let Some(setting) = kinds.first().map(|k| k.setting.as_str()) else {
        return Ok(());
    };
    let kinds: Vec<&Kind> = kinds.iter().filter(|k| k.setting == setting).collect();
    let mut per_pair: BTreeMap<&str, u64> = BTreeMap::new();
    for kind in &kinds {
        *per_pair.entry(&kind.pair).or_default() += kind.bytes;
    }
    // Each pair weighs alike: shares, not bytes, or the largest pair would be all.
    let share = |k: &Kind| k.bytes as f64 / per_pair[k.pair.as_str()].max(1) as f64;
    let mut names: Vec<(&str, f64)> = Vec::new();
    for name in kinds
        .iter()
        .map(|k| k.kind.as_str())
        .collect::<BTreeSet<_>>()
    {
        let total: f64 = kinds
            .iter()
            .filter(|k| k.kind == name)
            .map(|k| share(k))
            .sum();
        names.push((name, total / per_pair.len() as f64));
    }
    names.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rows: Vec<Bar> = names
        .iter()
        .enumerate()
        .map(|(i, &(name, share))| {
            let bytes: u64 = kinds
                .iter()
                .filter(|k| k.kind == name)
                .map(|k| k.bytes)
                .sum();
            Bar {
                name: format!("{name}: {} bytes in all", thousands(bytes)),
                parts: vec![(Ink::Series(i), share)],
                figure: format!("{:.1} %", share * 100.0),
            }
        })
        .collect();
    let mut isas: Vec<Bar> = Vec::new();
    for isa in kinds
        .iter()
        .map(|k| k.isa.as_str())
        .collect::<BTreeSet<_>>()
    {
        let here: Vec<&&Kind> = kinds.iter().filter(|k| k.isa == isa).collect();
        let pairs = here
            .iter()
            .map(|k| k.pair.as_str())
            .collect::<BTreeSet<_>>()
            .len();
        let part = |(i, (name, _)): (usize, &(&str, f64))| {
            let sum: f64 = here
                .iter()
                .filter(|k| k.kind == *name)
                .map(|k| share(k))
                .sum();
            (Ink::Series(i), sum / pairs as f64)
        };
        isas.push(Bar {
            name: isa.to_owned(),
            parts: names.iter().enumerate().map(part).collect(),
            figure: format!("{pairs} pair{}", if pairs == 1 { "" } else { "s" }),
        });
    }
    page.heading("Where our bytes go");
    let key = legend(names.iter().enumerate().map(|(i, n)| (Ink::Series(i), n.0)));
    page.figures(&[
        (
            format!("Payload by kind ({setting}), mean share"),
            bars(&rows, None)?,
            "Every pair weighs alike.".into(),
        ),
        (
            "The same per instruction set".into(),
            key + &bars(&isas, None)?,
            "Shares of the payload.".into(),
        ),
    ]);
    Ok(())
}

//! The figures of the README, made from a record.
//!
//! Marks in the README say where each comes from; everything else is left alone:
//!
//! ```text
//! <!-- figures from bench/record/2026-11-21-c0a4f01 -->    the record, once
//! 0.353<!-- = payload small against detools lzma -->       the value of that summary line
//! 112<!-- = payload small against detools lzma | pairs --> its pairs (or products)
//! <!-- block summary -->                                   the whole summary, up to
//! <!-- /block -->
//! <!-- block codecs from bench/record/2026-11-22-b39e859 --> the table of both codecs
//! ```
//! The codecs are measured more rarely: their table stays that of the record that it names,
//! until the record of the other figures has one, too.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::codecs;
use crate::record::Record;

const FROM: &str = "<!-- figures from ";
const EQUALS: &str = "<!-- = ";
const BLOCK: &str = "<!-- block ";
const BLOCK_END: &str = "<!-- /block -->";
const CLOSE: &str = " -->";

/// The folder of the record that `readme` names, relative to it.
///
/// # Errors
/// No record is named.
pub fn record_of(readme: &str) -> Result<&str> {
    let (_, rest) = readme
        .split_once(FROM)
        .context("the README names no record")?;
    Ok(rest.split_once(CLOSE).context("an open mark")?.0)
}

/// `readme` with all figures from the record in folder `record` of `root`.
///
/// # Errors
/// The record is not there, or lacks a figure that a mark names.
pub fn renewed(readme: &str, root: &Path, record: &str) -> Result<String> {
    let path = Record(root.join(record)).text();
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let summary = summary(&text).with_context(|| path.display().to_string())?;
    let named = named_record(readme, record)?;
    blocks(&figures(&named, &summary)?, &summary, (root, record))
}

/// The summary in a table of sizes: its heading line and all up to an empty line.
fn summary(text: &str) -> Result<Vec<&str>> {
    let mut lines = text
        .lines()
        .skip_while(|l| !l.starts_with("geometric means"));
    let heading = lines.next().context("there is no summary")?;
    let rest = lines.take_while(|l| !l.trim().is_empty());
    Ok([heading]
        .into_iter()
        .chain(rest)
        .map(str::trim_end)
        .collect())
}

fn named_record(readme: &str, record: &str) -> Result<String> {
    let (before, rest) = readme
        .split_once(FROM)
        .context("the README names no record")?;
    let (_, after) = rest.split_once(CLOSE).context("an open mark")?;
    Ok(format!("{before}{FROM}{record}{CLOSE}{after}"))
}

/// Puts figures in front of their marks.
fn figures(readme: &str, summary: &[&str]) -> Result<String> {
    let mut parts = readme.split(EQUALS);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (what, after) = part.split_once(CLOSE).context("an open mark")?;
        let figure = figure(what, summary)?;
        let kept = out.trim_end_matches(|c: char| !c.is_whitespace() && c != '|' && c != '(');
        out.truncate(kept.len());
        out += &format!("{figure}{EQUALS}{what}{CLOSE}{after}");
    }
    Ok(out)
}

/// The figure that `NAME` or `NAME | COLUMN` stands for.
fn figure(what: &str, summary: &[&str]) -> Result<String> {
    let (name, column) = what.split_once(" | ").unwrap_or((what, "value"));
    let line = summary
        .iter()
        .find_map(|l| l.trim().strip_prefix(name)?.strip_prefix(' '));
    let line = line.with_context(|| format!("the record has no line {name:?}"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = match column {
        "value" => words.first(),
        "pairs" => words.len().checked_sub(2).and_then(|i| words.get(i)),
        "products" => words.last(),
        _ => bail!("{column:?} is none of value, pairs, products"),
    };
    Ok(word.context("an empty line")?.to_string())
}

fn blocks(readme: &str, summary: &[&str], (root, record): (&Path, &str)) -> Result<String> {
    let mut parts = readme.split(BLOCK);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(CLOSE).context("an open mark")?;
        let (_, after) = rest
            .split_once(BLOCK_END)
            .context("a block without an end")?;
        let (name, text) = match name.split_once(" from ") {
            None if name == "summary" => (
                name.to_owned(),
                format!("```text\n{}\n```\n", summary.join("\n")),
            ),
            Some(("codecs", before)) => {
                let there = |record: &str| Record(root.join(record)).codecs();
                let from = if there(record).exists() {
                    record
                } else {
                    before
                };
                let table = codecs::table(&codecs::read(&there(from))?)?;
                (format!("codecs from {from}"), format!("\n{table}\n"))
            }
            _ => bail!("there is no block {name:?}"),
        };
        out += &format!("{BLOCK}{name}{CLOSE}\n{text}{BLOCK_END}{after}");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "rows\n\ngeometric means, first    value   bar  pairs products\n\
        payload a                     0.353  0.850      112       43   \n\
        \x20 kind b                    12.0 %                 7        3\n\nmore\n";

    const README: &str = "<!-- figures from bench/record/x -->\n\
        | is (9.9<!-- = payload a -->) | ?<!-- = kind b -->| 1<!-- = payload a | pairs --> of\n\
        2<!-- = payload a | products -->.\n<!-- block summary -->\nold\n<!-- /block -->\nend\n";

    fn root() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("r")).unwrap();
        fs::write(dir.path().join("r/sizes.txt"), TEXT).unwrap();
        dir
    }

    #[test]
    fn every_mark_is_filled() {
        let dir = root();
        let made = renewed(README, dir.path(), "r").unwrap();
        assert!(
            made.starts_with(
                "<!-- figures from r -->\n| is (0.353<!-- = payload a -->) | 12.0<!--"
            ),
            "{made}"
        );
        assert!(
            made.contains("| 112<!-- = payload a | pairs --> of\n43<!--"),
            "{made}"
        );
        assert!(
            made.contains("```text\ngeometric means, first") && !made.contains("old"),
            "{made}"
        );
        assert!(made.ends_with("<!-- /block -->\nend\n"));
        assert_eq!(renewed(&made, dir.path(), "r").unwrap(), made);
        assert_eq!(record_of(&made).unwrap(), "r");
    }

    #[test]
    fn the_table_of_codecs_is_of_the_record_that_has_one() {
        let dir = root();
        let columns = "pair,isa,level,codec,new_bytes,payload_bytes,rounds,apply_seconds";
        let rows = |bytes: u32| {
            format!("{columns}\np,avr,fast,deltamote,9,{bytes},1,1\np,avr,fast,zstd,9,8,1,1\n")
        };
        let readme = format!("{README}<!-- block codecs from s -->\nold\n<!-- /block -->\n");
        assert!(renewed(&readme, dir.path(), "r").is_err(), "no table");
        fs::create_dir_all(dir.path().join("s")).unwrap();
        fs::write(dir.path().join("s/codecs.csv"), rows(77)).unwrap();
        let made = renewed(&readme, dir.path(), "r").unwrap();
        assert!(
            made.contains("block codecs from s -->\n\n| pair |"),
            "{made}"
        );
        assert!(made.contains("| 77 B,") && made.ends_with(" |\n\n<!-- /block -->\n"));
        assert_eq!(renewed(&made, dir.path(), "r").unwrap(), made);
        fs::write(dir.path().join("r/codecs.csv"), rows(66)).unwrap();
        let made = renewed(&made, dir.path(), "r").unwrap();
        assert!(made.contains("block codecs from r -->") && made.contains("| 66 B,"));
    }

    #[test]
    fn a_figure_that_is_not_there_is_named() {
        let dir = root();
        let readme = README.replace("= kind b", "= kind c");
        let error = renewed(&readme, dir.path(), "r").unwrap_err();
        assert!(format!("{error:#}").contains("kind c"), "{error:#}");
        assert!(renewed("no marks", dir.path(), "r").is_err());
        assert!(renewed(README, dir.path(), "elsewhere").is_err());
    }
}

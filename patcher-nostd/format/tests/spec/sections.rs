//! The section numbers that source comments name.

use super::blocks::{crate_dir, read_spec};
use std::fs;
use std::path::{Path, PathBuf};

/// Numbers of the headings: `6`, `6.7`, ...
fn headings() -> Vec<String> {
    let spec = read_spec();
    let headings = spec.lines().filter(|line| line.starts_with("##"));
    let first = headings.filter_map(|line| line.split_whitespace().nth(1));
    let number = first.map(|n| n.trim_end_matches('.').to_string());
    number
        .filter(|n| n.starts_with(|c: char| c.is_ascii_digit()))
        .collect()
}

/// Rust files of this folder and those below it, build outputs left out.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                sources(&path, into);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Section numbers behind each `§` of a line.
fn mentioned(line: &str) -> Vec<String> {
    let after = line.split('§').skip(1);
    let number = after.map(|rest| {
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())]
            .trim_end_matches('.')
            .to_string()
    });
    number.filter(|n| !n.is_empty()).collect()
}

/// Every `SPEC §n.m` in the device half, and every `§n.m` in SPEC.md itself, is a
/// heading of SPEC.md.
#[test]
fn sections_that_are_named_exist() {
    let headings = headings();
    let mut files = Vec::new();
    // Alone in a registry, the crate has no siblings to look at.
    let siblings = crate_dir().join("../sim/Cargo.toml");
    let root = if siblings.exists() {
        crate_dir().join("..")
    } else {
        crate_dir().into()
    };
    sources(&root, &mut files);
    let mut missing = Vec::new();
    let mut count = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (n, line) in text
            .lines()
            .enumerate()
            .filter(|(_, l)| l.contains("SPEC §"))
        {
            for section in mentioned(line) {
                count += 1;
                if !headings.contains(&section) {
                    missing.push(format!("{}:{}: §{section}", file.display(), n + 1));
                }
            }
        }
    }
    assert!(count > 20, "the sources name only {count} sections");
    for (n, line) in read_spec().lines().enumerate() {
        // Other documents' sections are written with their names before them.
        if line.contains("RFC ") {
            continue;
        }
        for section in mentioned(line)
            .into_iter()
            .filter(|s| !headings.contains(s))
        {
            missing.push(format!("SPEC.md:{}: §{section}", n + 1));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn headings_are_numbered_once() {
    let mut headings = headings();
    let all = headings.len();
    headings.sort();
    headings.dedup();
    assert_eq!(all, headings.len());
    assert!(all > 30);
}

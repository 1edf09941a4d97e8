//! The figures of the README are those of a record in the repository.

use std::fs;
use std::path::Path;

/// Blocks of the README that claim to be from a record: file, text.
fn quoted(readme: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in readme.split("<!-- from ").skip(1) {
        let (file, rest) = part.split_once(" -->").expect("the marker is closed");
        let (_, rest) = rest.split_once("```text\n").expect("a text block follows");
        let (text, _) = rest.split_once("```").expect("the block is closed");
        found.push((file.to_owned(), text.to_owned()));
    }
    found
}

#[test]
fn figures_come_from_records() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let blocks = quoted(&readme);
    assert!(!blocks.is_empty(), "the README quotes no record");
    for (file, text) in blocks {
        let record = fs::read_to_string(root.join(&file)).expect(&file);
        for line in text.lines() {
            let stands = record.lines().any(|l| l.trim_end() == line.trim_end());
            assert!(stands, "{file} does not have the line {line:?}");
        }
    }
}

#[test]
fn profile_table_states_what_the_format_says() {
    use deltamote_format::{Profile, prior};

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let states = [
        (Profile::Tiny, Some(prior::TINY)),
        (Profile::Small, Some(prior::SMALL)),
        (Profile::Medium, Some(prior::MEDIUM)),
        (Profile::Large, None),
    ];
    for (profile, state) in states {
        let start = format!("| {}", profile.name());
        let row = readme.lines().find(|l| l.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("no row {start:?}"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(
            cells[3],
            format!("{} MiB", profile.max_image() >> 20),
            "{row}"
        );
        let flash = state.map_or("none".to_owned(), |p| {
            format!("{:.1} KB", p.words.len() as f64 * 2.0 / 1000.0)
        });
        assert_eq!(cells[4], flash, "{row}");
    }
}

//! `simulate`: what it promises to programs, and that it fails when it must.

use super::workbench::Workbench;

const FIELDS: [&str; 8] = [
    "runs",
    "cut_points",
    "failures",
    "worst_redone_bytes",
    "worst_download_again_bytes",
    "erases_max_per_block",
    "journal_bytes",
    "estimated_seconds",
];

fn figures(bench: &Workbench, more: &str) -> serde_json::Value {
    let run = bench.run(&format!(
        "simulate old.bin good.dmp --pub key.pub --json {more}"
    ));
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn figures_for_programs() {
    let bench = Workbench::new();
    let found = figures(&bench, "--cuts random:20");
    for field in FIELDS {
        assert!(found[field].is_number(), "{field}: {}", found[field]);
    }
    assert_eq!(found["runs"], 21);
    assert_eq!(found["failures"], 0);
}

#[test]
fn every_start_and_the_staged_way() {
    let bench = Workbench::new();
    for state in ["clean", "old-update", "foreign-journal", "dirty-slot"] {
        let found = figures(&bench, &format!("--cuts random:5 --state {state}"));
        assert_eq!(found["failures"], 0, "{state}");
    }
    let found = figures(&bench, "--cuts random:20 --staged --flash stm32l4");
    assert_eq!(found["worst_download_again_bytes"], 0);
}

#[test]
fn refusals() {
    let bench = Workbench::new();
    for (line, code) in [
        ("simulate old.bin good.dmp --pub stranger.pub", 3),
        ("simulate other.bin good.dmp --pub key.pub", 4),
        ("simulate old.bin good.dmp --pub key.pub --flash mystery", 2),
        ("simulate old.bin good.dmp --pub key.pub --cuts some", 2),
    ] {
        assert_eq!(bench.run(line).code, code, "{line}");
    }
}

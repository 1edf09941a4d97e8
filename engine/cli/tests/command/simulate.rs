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

/// Wear by erase block adds up to the sums, in JSON and as a table.
#[test]
fn wear_of_each_block() {
    let bench = Workbench::new();
    let found = figures(&bench, "--cuts random:20 --flash stm32f4");
    let wear = found["wear"].as_array().unwrap();
    for sum in ["erases", "programmed_bytes"] {
        let blocks = wear.iter().map(|block| block[sum][0].as_u64().unwrap());
        assert_eq!(Some(blocks.sum::<u64>()), found[sum][0].as_u64(), "{sum}");
    }
    let most = wear
        .iter()
        .map(|block| block["erases"][1].as_u64().unwrap())
        .max();
    assert_eq!(most, found["erases_max_per_block"].as_u64());
    let journal = wear.iter().filter(|block| block["flash"] == "journal");
    let bytes = journal
        .map(|block| block["bytes"].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(Some(bytes), found["journal_bytes"].as_u64());

    let run = bench.run("simulate old.bin good.dmp --pub key.pub --cuts none --flash stm32f4");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let table = run
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("flash  "));
    let rows: Vec<&str> = table.collect();
    assert!(
        rows.iter().any(|row| row.starts_with("slot 0x0..")),
        "{rows:?}"
    );
    assert!(
        rows.iter().any(|row| row.starts_with("journal 0x0..")),
        "{rows:?}"
    );
}

/// The two ways differ in what is downloaded again and in the flash that the patch takes,
/// and in nothing else.
#[test]
fn staged_and_streaming() {
    let bench = Workbench::new();
    let streaming = figures(&bench, "--cuts random:20");
    let staged = figures(&bench, "--cuts random:20 --staged");
    let same = [
        "checkpoint_bytes",
        "resume_interval_bytes",
        "worst_redone_bytes",
        "workspace_bytes",
        "journal_programmed_bytes",
        "programmed_bytes",
        "erases",
    ];
    for field in same {
        assert_eq!(streaming[field], staged[field], "{field}");
    }
    assert!(streaming["worst_download_again_bytes"].as_u64() > Some(0));
    assert_eq!(staged["worst_download_again_bytes"], 0);
    assert_eq!(streaming["staged_bytes"], 0);
    assert!(staged["staged_bytes"].as_u64() >= staged["patch_bytes"].as_u64());
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

//! Peers on a real pair: verified, told apart, and the same twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use deltamote_bench::peers::trial::Status;
use deltamote_bench::runs::{self, Run};

const HEADER: &str = "id\tisa\told\tnew\told_size\tnew_size\tkind\n";

/// One that works, one that lies, two that break, one that is nowhere.
const DESCRIBED: &str = r#"
[[peer]]
name = "whole"
diff = "sh -c 'cp \"$1\" \"$2\"' {old} {new} {patch}"
apply = "sh -c 'cp \"$1\" \"$2\"' {old} {patch} {new}"

[[peer]]
name = "liar"
diff = "sh -c 'head -c 100 \"$1\" > \"$2\"' {old} {new} {patch}"
apply = "sh -c 'cp \"$0\" \"$2\"' {old} {patch} {new}"

[[peer]]
name = "broken"
diff = "sh -c 'exit 3' {old} {new} {patch}"
apply = "true {old} {patch} {new}"

[[peer]]
name = "mute"
diff = "true {old} {new} {patch}"
apply = "true {old} {patch} {new}"

[[peer]]
name = "nowhere"
diff = "no-such-program-of-deltamote {old} {new} {patch}"
apply = "true {old} {patch} {new}"
install = "get it somewhere"
"#;

fn measure(dir: &Path, peers: &str, file: Option<&Path>, cache: &str) -> (Vec<Run>, String) {
    let csv = dir.join("runs.csv");
    let mut command = Command::new(env!("CARGO_BIN_EXE_deltamote-bench"));
    command.args([
        "sizes",
        "--no-fetch",
        "--level",
        "fast",
        "--peers",
        peers,
        "--corpora",
    ]);
    command.arg(dir).arg("--cache").arg(dir.join(cache));
    command.arg("--runs").arg(&csv);
    if let Some(file) = file {
        command.arg("--peers-file").arg(file);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{error}");
    (runs::read(&csv).unwrap(), text)
}

/// A corpus of one pair: a stretch of real code that fits a quick test.
fn corpus(dir: &Path) {
    let family = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/microbit-micropython");
    for version in ["1.2.0", "1.2.4"] {
        let image = fs::read(family.join(format!("{version}.bin"))).unwrap();
        fs::write(dir.join(version), &image[..48 << 10]).unwrap();
    }
    let pair = "lamp__1__2\tthumb-m0\t1.2.0\t1.2.4\t49152\t49152\tpatch\n";
    fs::write(dir.join("pairs.tsv"), HEADER.to_owned() + pair).unwrap();
}

#[test]
fn all_peers_give_the_image_back_and_the_same_bytes_twice() {
    let dir = tempfile::tempdir().unwrap();
    corpus(dir.path());
    let (first, text) = measure(dir.path(), "all", None, "first");
    // Another cache folder: nothing is taken from the first run.
    let (second, _) = measure(dir.path(), "all", None, "second");
    let bytes = |runs: &[Run]| -> Vec<(String, Option<u64>, Option<u64>)> {
        runs.iter()
            .map(|r| (r.name(), r.good_bytes(), r.file_bytes))
            .collect()
    };
    assert_eq!(bytes(&first), bytes(&second));
    // Ours, detools in its 5 ways for this instruction set, bsdiff, xdelta3, 5 linked ones.
    assert_eq!(first.len(), 13, "{text}");
    let (there, absent): (Vec<&Run>, Vec<&Run>) =
        first.iter().partition(|run| run.status != Status::Missing);
    for run in absent {
        let outside = ["detools", "bsdiff", "xdelta3"].contains(&run.tool.as_str());
        assert!(outside && text.contains(&format!("missing peer: {}", run.tool)));
    }
    assert!(there.len() >= 6, "{text}");
    for run in there {
        let bytes = run.good_bytes().unwrap_or_else(|| panic!("{run:?}"));
        assert!((100..49152).contains(&bytes), "{run:?}");
        assert!(
            run.diff_seconds.is_some() && run.diff_peak_bytes.is_some(),
            "{run:?}"
        );
    }
    assert!(text.contains("best of these"), "{text}");
}

#[test]
fn bad_and_absent_peers_are_shown_as_such() {
    let dir = tempfile::tempdir().unwrap();
    corpus(dir.path());
    let file = dir.path().join("peers.toml");
    fs::write(&file, DESCRIBED).unwrap();
    let (runs, text) = measure(
        dir.path(),
        "whole,liar,broken,mute,nowhere",
        Some(&file),
        "cache",
    );
    let of = |tool: &str| runs.iter().find(|r| r.tool == tool).unwrap();
    assert_eq!(
        (of("whole").status, of("whole").bytes),
        (Status::Ok, Some(49152))
    );
    assert_eq!(of("liar").status, Status::Wrong);
    assert_eq!(of("broken").status, Status::Failed);
    assert_eq!(of("mute").status, Status::Failed);
    assert_eq!(of("nowhere").status, Status::Missing);
    assert!(
        text.contains("missing peer: nowhere; install it with: get it somewhere"),
        "{text}"
    );
    let told: BTreeSet<&str> = text.lines().filter(|l| l.starts_with("peer ")).collect();
    assert_eq!(told.len(), 3, "{text}");
    // Only the good one is a mean; the wrong one's bytes are nobody's.
    let row = |name: &str| {
        text.lines()
            .find(|l| l.trim_start().starts_with(name))
            .unwrap()
    };
    assert!(row("liar").contains(" - "), "{text}");
    assert!(!row("whole").contains(" - "), "{text}");
}

/// The memory of a linked peer is that of the step, not of whoever started it.
#[test]
#[cfg(target_os = "linux")]
fn memory_is_the_steps_own() {
    let dir = tempfile::tempdir().unwrap();
    corpus(dir.path());
    let own = std::hint::black_box(vec![1u8; 300 << 20]);
    let output = Command::new(env!("CARGO_BIN_EXE_deltamote-bench"))
        .current_dir(dir.path())
        .args(["peer", "--name", "qbsdiff", "--limit", "60"])
        .args(["diff", "1.2.0", "1.2.4", "patch"])
        .output()
        .unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let peak = said["peak_bytes"].as_u64().unwrap();
    assert!((1 << 20..200 << 20).contains(&peak), "{said} {}", own.len());
}

//! The command `sizes` on small corpora: what it prints, and when it fails.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const HEADER: &str = "id\tisa\told\tnew\told_size\tnew_size\tkind\n";

fn sizes(corpora: &Path, cache: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deltamote-bench"))
        .args(["sizes", "--detools", "off", "--corpora"])
        .arg(corpora)
        .arg("--cache")
        .arg(cache)
        .args(more)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_embedded_pair_round_trips() {
    let cache = tempfile::tempdir().unwrap();
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora");
    let json = cache.path().join("out.json");
    let options = [
        "--no-fetch",
        "--pairs",
        "microbit.*__1.2.0__1.2.4",
        "--profiles",
        "small,tiny",
        "--level",
        "fast",
        "--json",
        json.to_str().unwrap(),
    ];
    let output = sizes(&corpora, cache.path(), &options);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("2 patches: 2 gave the new image back, 0 failed; 0 pairs missing"),
        "{text}"
    );
    let report: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let ours = &report["rows"][0]["ours"];
    assert_eq!(report["rows"][0]["new_bytes"], 231_608);
    // detools 0.53 with lzma: 31,512 bytes. More than that is a defect, not a tuning.
    assert!(ours["payload_bytes"].as_u64().unwrap() < 31_512, "{text}");
    assert!(ours["shipped_bytes"].as_u64() > ours["payload_bytes"].as_u64());
}

#[test]
fn pathological_pairs_round_trip() {
    let cache = tempfile::tempdir().unwrap();
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora");
    let csv = cache.path().join("runs.csv");
    let options = ["--no-fetch", "--pairs", "^pathological", "--level", "fast"];
    let more = [
        "--profiles",
        "tiny,small,medium,large",
        "--runs",
        csv.to_str().unwrap(),
    ];
    let output = sizes(&corpora, cache.path(), &[&options[..], &more[..]].concat());
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("24 patches: 24 gave the new image back, 0 failed; 0 pairs missing"),
        "{text}"
    );
    for run in deltamote_bench::runs::read(&csv).unwrap() {
        let bytes = run.good_bytes().unwrap();
        // What matches nothing costs its own size and little more; what does match costs
        // a small part of it.
        let most = match run.product.as_str() {
            "pathological-random" | "pathological-compressed" => run.new_bytes * 102 / 100,
            "pathological-equal" => 256,
            "pathological-pointers" => run.new_bytes / 2,
            _ => run.new_bytes / 20,
        };
        assert!(
            bytes <= most,
            "{} {}: {bytes} of {most}",
            run.pair,
            run.setting
        );
    }
}

#[test]
fn two_lines_describe_a_users_own_firmware() {
    let dir = tempfile::tempdir().unwrap();
    let family = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpora/microbit-micropython");
    for version in ["1.2.0.bin", "1.2.4.bin"] {
        let image = fs::read(family.join(version)).unwrap();
        fs::write(dir.path().join(version), &image[..16 << 10]).unwrap();
    }
    let manifest = "product = \"lamp\"\nimages = [\"1.2.0.bin\", \"1.2.4.bin\"]\n";
    fs::write(dir.path().join("corpus.toml"), manifest).unwrap();
    let output = sizes(dir.path(), &dir.path().join("cache"), &["--level", "fast"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("lamp__1.2.0__1.2.4"), "{text}");
}

#[test]
fn absent_images_are_listed_and_foreign_ones_fail() {
    let dir = tempfile::tempdir().unwrap();
    let (corpora, cache) = (dir.path().join("corpora"), dir.path().join("cache"));
    fs::create_dir_all(&corpora).unwrap();
    fs::write(corpora.join("1.bin"), [1; 4000]).unwrap();
    fs::write(corpora.join("2.bin"), [2; 4000]).unwrap();
    let pairs = "lamp__1__2\tnone\t1.bin\t2.bin\t4000\t4000\tpatch\n\
        lock__1__2\tnone\tregistry:lock/1\tregistry:lock/2\t10\t10\tpatch\n";
    fs::write(corpora.join("pairs.tsv"), HEADER.to_owned() + pairs).unwrap();

    let output = sizes(&corpora, &cache, &["--no-fetch"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("missing: lock__1__2"), "{text}");
    assert!(
        text.contains("1 patches: 1 gave the new image back, 0 failed; 1 pairs missing"),
        "{text}"
    );

    let digests = "path\traw_sha256\n2.bin\t00\n";
    fs::write(corpora.join("files.tsv"), digests).unwrap();
    let output = sizes(&corpora, &cache, &["--no-fetch"]);
    let text = stdout(&output);
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("is not the one that the corpus states"),
        "{text}"
    );

    let output = sizes(&corpora, &cache, &["--no-fetch", "--pairs", "lock"]);
    assert!(
        !output.status.success(),
        "a run that measured nothing must not pass"
    );
}

//! The two payload codecs of profile large, through every command.

use crate::workbench::Workbench;
use serde_json::Value;

#[test]
fn a_patch_of_zstd_goes_through_every_command() {
    let bench = Workbench::new();
    let diff = "diff old.bin new.bin -o p.dmp --key key --level fast --profile large";
    bench.good(&format!("{diff} --codec zstd --provenance p.json"));
    let seen = bench.good("inspect p.dmp");
    assert!(
        seen.stdout.contains("codec          zstd (decodes about"),
        "{}",
        seen.stdout
    );
    let json = bench.good("inspect p.dmp --old old.bin --json");
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["codec"], "zstd");
    assert!(json["decode_mb_per_s"].as_f64().unwrap() > 1.0);
    bench.good("verify old.bin p.dmp --pub key.pub");
    bench.good("apply old.bin p.dmp -o restored.bin --pub key.pub");
    assert_eq!(bench.get("restored.bin"), bench.get("new.bin"));
    bench.good("simulate old.bin p.dmp --pub key.pub --cuts random:5");
    bench.good("reproduce p.json --old old.bin --new new.bin -o again.dmp --key key");
    assert_eq!(bench.get("again.dmp"), bench.get("p.dmp"));
    bench.fails(
        "apply new.bin p.dmp -o other.bin --pub key.pub",
        &[4],
        "old image",
    );
    bench.fails(
        "inspect p.dmp --old old.bin --html p.html",
        &[1],
        "codec zstd: leave the drawing out",
    );
}

#[test]
fn speed_and_size_choose() {
    let bench = Workbench::new();
    let codec = |more: &str| {
        let line = format!(
            "diff old.bin new.bin -o p.dmp --key key --level fast --profile large --json {more}"
        );
        let json: Value = serde_json::from_str(&bench.good(&line).stdout).unwrap();
        json["codec"].as_str().unwrap().to_owned()
    };
    // So small a patch: the lengths of zstd's frames count.
    assert_eq!(codec(""), "deltamote");
    assert_eq!(codec("--decode-speed 1000000"), "zstd");
    assert_eq!(codec("--codec deltamote"), "deltamote");
}

#[test]
fn choices_that_are_none_are_refused() {
    let bench = Workbench::new();
    let diff = "diff old.bin new.bin -o p.dmp --key key";
    let words = "one payload codec";
    bench.fails(&format!("{diff} --codec zstd"), &[2], words);
    bench.fails(&format!("{diff} --decode-speed 5"), &[2], words);
    let large = format!("{diff} --profile large");
    let both = format!("{large} --codec zstd --decode-speed 5");
    bench.fails(&both, &[2], "give it with --codec auto");
}

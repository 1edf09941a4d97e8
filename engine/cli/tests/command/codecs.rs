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
}

/// Bytes by kind and by place: to the byte from the patch alone, by shares with the old image.
#[test]
fn a_patch_of_zstd_is_explained() {
    let bench = Workbench::new();
    bench.good("diff old.bin new.bin -o p.dmp --key key --level fast --profile large --codec zstd");
    let json = |line: &str| -> Value {
        let seen = bench.good(&format!("{line} --json"));
        serde_json::from_str(&seen.stdout).unwrap()
    };
    let alone = json("inspect p.dmp");
    let with_old = json("inspect p.dmp --old old.bin");
    let sum = |list: &Value| -> f64 {
        let bytes = |place: &Value| place["bytes"].as_f64().unwrap();
        list.as_array().unwrap().iter().map(bytes).sum()
    };
    let kinds = alone["breakdown"].as_object().unwrap();
    let all: f64 = kinds.values().map(|v| v.as_f64().unwrap()).sum();
    assert_eq!(all, alone["payload_bytes"].as_f64().unwrap());
    let of_places = ["commands", "flags", "corrections", "literals"];
    let of_places: f64 = of_places.map(|k| kinds[k].as_f64().unwrap()).iter().sum();
    assert!(of_places > 0.0 && kinds["map"].as_f64().unwrap() > 0.0);
    assert_eq!(sum(&alone["places"]), of_places);
    assert_eq!(alone["places_by"], "blocks");
    assert_eq!(with_old["breakdown"], alone["breakdown"]);
    assert_eq!(with_old["places_by"], "shares");
    assert_eq!(with_old["places"].as_array().unwrap().len(), 64);
    // Each is rounded to a hundredth.
    assert!((sum(&with_old["places"]) - of_places).abs() < 0.5);
    assert_eq!(json("inspect good.dmp")["places_by"], Value::Null);
    let ours = json("inspect good.dmp --old old.bin");
    assert_eq!(ours["places_by"], "decisions");

    let text = bench.good("inspect p.dmp --old old.bin").stdout;
    for word in [
        "block lengths",
        "the places in the new image",
        "is shared out by",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    bench.good("inspect p.dmp --old old.bin --html p.html");
    let page = String::from_utf8(bench.get("p.html")).unwrap();
    for word in [
        "The largest changed parts",
        "is shared out by",
        "zstd (decodes about",
        "<svg",
    ] {
        assert!(page.contains(word), "{word}");
    }
    assert!(!page.contains("binary decisions"), "zstd has none");
    bench.fails("inspect p.dmp --old new.bin", &[4], "another old image");
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

//! Bills of materials, update class and advisories, provenance, encrypted payloads.

use serde_json::Value;
use std::collections::BTreeMap;

use crate::workbench::Workbench;

fn bom(parts: &[(&str, &str)]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|(name, version)| {
            format!(r#"{{"type": "library", "name": "{name}", "version": "{version}"}}"#)
        })
        .collect();
    format!(
        r#"{{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [{}]}}"#,
        parts.join(",")
    )
}

fn with_boms() -> Workbench {
    let bench = Workbench::new();
    let old = bom(&[("mbedtls", "3.6.0"), ("gone", "1")]);
    let new = bom(&[("mbedtls", "3.6.2"), ("came", "2")]);
    bench.put("old.cdx.json", old.as_bytes());
    bench.put("new.cdx.json", new.as_bytes());
    bench
}

const BOMS: &str = "--sbom-old old.cdx.json --sbom-new new.cdx.json";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_the_update_is_for_is_signed_and_shown() {
    let bench = with_boms();
    bench.good(&format!(
        "diff old.bin new.bin -o p.dmp --key key --level fast --class security \
         --advisory CVE-2026-1234 --advisory GHSA-abcd-efgh-ijkl {BOMS}"
    ));
    bench.good("apply old.bin p.dmp -o restored.bin --pub key.pub");
    let shown = bench.good(&format!("inspect p.dmp {BOMS}")).stdout;
    for words in [
        "update         security",
        "CVE-2026-1234, GHSA-abcd-efgh-ijkl",
        "+ came 2",
        "- gone 1",
        "~ mbedtls 3.6.0 -> 3.6.2",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let found = json(&bench.good(&format!("inspect p.dmp --json {BOMS}")).stdout);
    assert_eq!(found["update_class"], "security");
    assert_eq!(found["advisories"][1], "GHSA-abcd-efgh-ijkl");
    assert_eq!(found["sbom_changes"]["changed"][0]["new"][0], "3.6.2");
    assert_eq!(found["sbom_new"].as_str().unwrap().len(), 64);
    // One alone is checked, and nothing compared.
    let found = json(
        &bench
            .good("inspect p.dmp --json --sbom-new new.cdx.json")
            .stdout,
    );
    assert_eq!(found["sbom_changes"], Value::Null);
}

#[test]
fn another_bill_of_materials_is_refused() {
    let bench = with_boms();
    let diff = "diff old.bin new.bin -o p.dmp --key key --level fast";
    bench.good(&format!("{diff} {BOMS}"));
    let swapped = "inspect p.dmp --sbom-old new.cdx.json --sbom-new new.cdx.json";
    bench.fails(swapped, &[3], "the old bill of materials has SHA-256");
    bench.fails(
        "inspect good.dmp --sbom-new new.cdx.json",
        &[4],
        "names no bill",
    );

    bench.put("bad.json", &bench.get("new.cdx.json")[..40]);
    bench.put("spdx.json", b"{\"spdxVersion\": \"SPDX-2.3\"}");
    let diff = diff.replace("p.dmp", "q.dmp");
    bench.fails(
        &format!("{diff} --sbom-new bad.json"),
        &[2],
        "line 1 column 40",
    );
    bench.fails(&format!("{diff} --sbom-new spdx.json"), &[2], "CycloneDX");
    bench.fails(
        &format!("{diff} --sbom-new nothing"),
        &[1],
        "cannot be read",
    );
    bench.fails(
        "inspect p.dmp --sbom-old bad.json",
        &[2],
        "line 1 column 40",
    );
}

#[test]
fn advisory_ids_are_bounded() {
    let bench = Workbench::new();
    let diff = "diff old.bin new.bin -o p.dmp --key key --level fast";
    let long = "A".repeat(25);
    bench.fails(
        &format!("{diff} --advisory {long}"),
        &[2],
        "has 25 bytes; 1 to 24",
    );
    let five = " --advisory CVE-2026-1".repeat(5);
    bench.fails(&format!("{diff}{five}"), &[2], "one too many; 4");
    bench.fails(
        &format!("{diff} --advisory CV\u{1b}E"),
        &[2],
        "visible ASCII",
    );
}

/// Every kind of option, in one line each; what `reproduce` needs besides.
const MADE: &[(&str, &str)] = &[
    ("--key key", "--key key"),
    ("--unsigned", ""),
    (
        "--key key --profile tiny --no-prior --sequence 7 --class feature --isa thumb --base 0x8000 \
         --vendor-id 6ba7b810-9dad-11d1-80b4-00c04fd430c8 \
         --class-id 6ba7b810-9dad-11d1-80b4-00c04fd430c9 \
         --advisory CVE-2026-1234 --sbom-old old.cdx.json --sbom-new new.cdx.json",
        "--key key",
    ),
    (
        "--key key --profile medium --encrypt-to device.pub",
        "--key key",
    ),
    (
        "--unsigned --encrypt-to device.pub --encrypt-seed seed",
        "--encrypt-seed seed",
    ),
    ("--key key --profile large --codec zstd", "--key key"),
    ("--unsigned --profile large --codec deltamote", ""),
    // So fast that only zstd will do: the statement says how the choice was made.
    ("--unsigned --profile large --decode-speed 1000000", ""),
    ("--unsigned --level default --jobs 2", ""),
    ("--unsigned --level best", ""),
];

#[test]
fn a_provenance_makes_the_same_patch_again() {
    let bench = with_boms();
    bench.good("keygen --scheme x25519 --out device");
    bench.put("seed", &[0x5a; 32]);
    for (options, needed) in MADE {
        let level = ["--level fast", ""][usize::from(options.contains("--level"))];
        bench.good(&format!(
            "diff old.bin new.bin -o p.dmp {level} --provenance p.json {options}"
        ));
        let stated = json(&String::from_utf8(bench.get("p.json")).unwrap());
        assert_eq!(stated["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(stated["predicateType"], "https://slsa.dev/provenance/v1");
        assert_eq!(stated["subject"][0]["name"], "p.dmp");
        bench.good(&format!(
            "reproduce p.json --old old.bin --new new.bin -o again.dmp {needed}"
        ));
        assert_eq!(bench.get("again.dmp"), bench.get("p.dmp"), "{options}");
        assert!(
            bench
                .run("verify old.bin again.dmp --pub stranger.pub")
                .code
                != 0
        );
    }
}

#[test]
fn a_statement_is_the_same_each_time_and_holds_no_secret() {
    let bench = Workbench::new();
    let diff = "diff old.bin new.bin -o p.dmp --level fast --key key --provenance";
    bench.good(&format!("{diff} one.json"));
    bench.good(&format!("{diff} two.json"));
    assert_eq!(bench.get("one.json"), bench.get("two.json"));
    let text = String::from_utf8(bench.get("one.json")).unwrap();
    let folder = bench.path("").display().to_string();
    assert!(
        !text.contains(&folder) && !text.contains("PRIVATE"),
        "{text}"
    );
}

#[test]
fn what_is_not_reproduced_is_not_written() {
    let bench = Workbench::new();
    bench.good("diff old.bin new.bin -o p.dmp --level fast --key key --provenance p.json");
    let stated = String::from_utf8(bench.get("p.json")).unwrap();
    let line = "reproduce p.json --old old.bin --new new.bin -o again.dmp";
    bench.fails(line, &[2], "give it with --key");
    bench.fails(&format!("{line} --key stranger"), &[3], "give that key");
    let other = line.replace("old.bin", "other.bin");
    bench.fails(
        &format!("{other} --key key"),
        &[4],
        "the old image has SHA-256",
    );
    let changes = [
        ("\"sequence\": 0", "\"sequence\": 1", 1, "came out as"),
        (
            "\"level\": \"fast\"",
            "\"level\": \"warp\"",
            2,
            "\"warp\" is unknown",
        ),
        (
            "\"sequence\": 0",
            "\"sequenc\": 0",
            2,
            "unknown field `sequenc`",
        ),
        (
            "slsa.dev/provenance/v1",
            "slsa.dev/provenance/v2",
            2,
            "provenance/v2",
        ),
        ("\"sha256\": \"", "\"sha256\": \"zz", 2, "hexadecimal"),
    ];
    for (from, to, code, words) in changes {
        assert!(stated.contains(from), "{from}");
        bench.put("p.json", stated.replace(from, to).as_bytes());
        bench.fails(&format!("{line} --key key"), &[code], words);
    }
    bench.put("p.json", &stated.as_bytes()[..stated.len() / 2]);
    bench.fails(&format!("{line} --key key"), &[2], "line");
    // Random keys are nobody's.
    bench.good("keygen --scheme x25519 --out device");
    bench.good(
        "diff old.bin new.bin -o q.dmp --level fast --unsigned --encrypt-to device.pub \
         --provenance p.json",
    );
    bench.fails(line, &[1], "random key");
}

/// A stateful key signs no two patches alike: that is said, and no signature is spent on it.
#[test]
fn a_patch_signed_with_lms_is_not_reproduced() {
    let bench = Workbench::new();
    bench.good("keygen --out pq --scheme lms --lms-height 5");
    bench.good("diff old.bin new.bin -o p.dmp --key pq --level fast --provenance p.json");
    let state = std::fs::read(bench.path("pq.state")).unwrap();
    let line = "reproduce p.json --old old.bin --new new.bin -o again.dmp";
    bench.fails(&format!("{line} --key pq"), &[1], "never signs twice alike");
    assert!(!bench.path("again.dmp").exists());
    assert_eq!(std::fs::read(bench.path("pq.state")).unwrap(), state);
}

#[test]
fn an_encrypted_patch_is_for_its_recipient_alone() {
    let bench = Workbench::new();
    bench.good("keygen --scheme x25519 --out device");
    bench.good("keygen --scheme x25519 --out thief");
    let diff = "diff old.bin new.bin -o p.dmp --key key --level fast --encrypt-to device.pub";
    bench.good(diff);
    let (plain, patch) = (bench.get("good.dmp"), bench.get("p.dmp"));
    bench.good(diff);
    assert_eq!(bench.get("p.dmp"), patch, "the same inputs, the same patch");

    let apply = "apply old.bin p.dmp -o restored.bin --pub key.pub";
    bench.fails(apply, &[4], "encrypted for another recipient");
    bench.fails(
        &format!("{apply} --decrypt-with thief"),
        &[4],
        "another recipient",
    );
    bench.fails(
        &format!("{apply} --decrypt-with key"),
        &[1],
        "not an X25519",
    );
    bench.fails(
        &format!("{apply} --decrypt-with device.pub"),
        &[1],
        "public key",
    );
    bench.good(&format!("{apply} --decrypt-with device"));
    assert_eq!(bench.get("restored.bin"), bench.get("new.bin"));
    bench.good("verify old.bin p.dmp --pub key.pub --decrypt-with device");
    bench.good(
        "simulate old.bin p.dmp --pub key.pub --decrypt-with device --cuts random:20 --flash stm32l4",
    );
    // The same bytes inside: 16 a chunk and 46 in the manifest, or 47 where its head grows.
    let found = json(&bench.good("inspect p.dmp --json").stdout);
    let chunks = found["chunks"].as_u64().unwrap();
    assert_eq!(found["breakdown"]["chunk tags"], (16 * chunks) as f64);
    let more = patch.len() - plain.len() - 16 * chunks as usize;
    assert!((46..=48).contains(&more), "{more}");
    assert!(found["breakdown"]["encrypted"].as_f64().unwrap() > 0.0);
    // Nothing of the plain payload shows.
    let window = &plain[plain.len() - 40..][..16];
    assert!(!patch.windows(16).any(|w| w == window));

    for line in [
        "inspect p.dmp --json --decrypt-with device",
        "inspect p.dmp --old old.bin --json --decrypt-with device",
    ] {
        let found = json(&bench.good(line).stdout);
        let breakdown: BTreeMap<String, f64> =
            serde_json::from_value(found["breakdown"].clone()).unwrap();
        assert!(breakdown["header"] > 0.0 && !breakdown.contains_key("encrypted"));
    }
    bench.fails("inspect p.dmp --old old.bin", &[4], "--decrypt-with");

    // The smallest devices have no room for it.
    let tiny = "diff old.bin new.bin -o t.dmp --key key --profile tiny --encrypt-to device.pub";
    bench.fails(
        tiny,
        &[2],
        "profile tiny has no RAM for encryption: with the key taken out in software",
    );

    // Tampered bytes are refused before they are decrypted.
    for at in [20, patch.len() / 2, patch.len() - 1] {
        let mut bad = patch.clone();
        bad[at] ^= 1;
        bench.put("bad.dmp", &bad);
        let line = "verify old.bin bad.dmp --pub key.pub --decrypt-with device";
        assert!(matches!(bench.run(line).code, 3 | 5), "{at}");
    }
}

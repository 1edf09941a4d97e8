//! The way it should go.

use serde_json::Value;

use crate::workbench::Workbench;

#[test]
fn a_patch_restores_the_new_image() {
    let bench = Workbench::new();
    bench.good("verify old.bin good.dmp --pub key.pub");
    let run = bench.good("apply old.bin good.dmp -o restored.bin --pub key.pub");
    assert_eq!(bench.get("restored.bin"), bench.get("new.bin"));
    assert_eq!(run.stderr, "", "no progress bar in a pipe");
}

#[test]
fn one_trusted_key_of_several_suffices() {
    let bench = Workbench::new();
    bench.good("verify old.bin good.dmp --pub stranger.pub --pub key.pub");
}

#[test]
fn an_unsigned_patch_where_that_is_wanted() {
    let bench = Workbench::new();
    bench.good("diff old.bin new.bin -o plain.dmp --unsigned --level fast");
    bench.good("apply old.bin plain.dmp -o restored.bin --allow-unsigned");
    assert_eq!(bench.get("restored.bin"), bench.get("new.bin"));
}

#[test]
fn equal_images_make_a_patch_that_changes_nothing() {
    let bench = Workbench::new();
    let run = bench.good("diff old.bin old.bin -o same.dmp --key key --level fast");
    assert!(run.stderr.contains("equal"), "{}", run.stderr);
    bench.good("apply old.bin same.dmp -o restored.bin --pub key.pub");
    assert_eq!(bench.get("restored.bin"), bench.get("old.bin"));
}

#[test]
fn one_byte_images() {
    let bench = Workbench::new();
    bench.put("a", b"a");
    bench.put("b", b"b");
    bench.good("diff a b -o tiny.dmp --key key --profile tiny");
    bench.good("apply a tiny.dmp -o restored --pub key.pub --profile tiny");
    assert_eq!(bench.get("restored"), b"b");
}

#[test]
fn the_same_inputs_give_the_same_patch() {
    let bench = Workbench::new();
    bench.good("diff old.bin new.bin -o again.dmp --key key --level fast --jobs 1");
    assert_eq!(bench.get("again.dmp"), bench.get("good.dmp"));
}

#[test]
fn inspect_and_diff_report_what_the_contract_names() {
    let bench = Workbench::new();
    let inspected: Value =
        serde_json::from_str(&bench.good("inspect good.dmp --json").stdout).unwrap();
    let diffed = bench.good("diff old.bin new.bin -o p.dmp --key key --level fast --json");
    let diffed: Value = serde_json::from_str(&diffed.stdout).unwrap();
    for report in [&inspected, &diffed] {
        for number in [
            "total_bytes",
            "payload_bytes",
            "ram_bytes",
            "old_size",
            "new_size",
            "chunks",
        ] {
            assert!(report[number].is_u64(), "{number}: {report}");
        }
        assert_eq!(report["total_bytes"], bench.get("good.dmp").len());
        assert_eq!(report["new_size"], bench.get("new.bin").len());
        assert_eq!(report["profile"], "small");
        assert!(report["breakdown"].is_object(), "{report}");
        assert!(report.get("isa").is_some(), "{report}");
    }
    let text = bench.good("inspect good.dmp").stdout;
    assert!(
        text.contains("small") && text.contains("bytes of RAM"),
        "{text}"
    );
}

#[test]
fn identity_reaches_the_patch() {
    let bench = Workbench::new();
    let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    bench.good(&format!(
        "diff old.bin new.bin -o p.dmp --key key --level fast --sequence 7 --vendor-id {uuid} \
         --class-id {uuid} --update-class security --advisory CVE-2026-1 --advisory CVE-2026-2"
    ));
    let report: Value = serde_json::from_str(&bench.good("inspect p.dmp --json").stdout).unwrap();
    assert_eq!(report["sequence"], 7);
    for id in ["vendor_id", "class_id"] {
        assert_eq!(report[id].as_str().map(str::len), Some(36), "{report}");
    }
    assert_eq!(report["update_class"], "security");
    assert_eq!(
        report["advisories"],
        serde_json::json!(["CVE-2026-1", "CVE-2026-2"])
    );
}

#[test]
fn a_hex_file_is_the_image_in_it() {
    let bench = Workbench::new();
    let hex =
        bench
            .get("old.bin")
            .chunks(16)
            .enumerate()
            .fold(String::new(), |text, (i, bytes)| {
                let at = (16 * i as u16).to_be_bytes();
                let record = [&[bytes.len() as u8, at[0], at[1], 0], bytes].concat();
                let sum = record.iter().fold(0u8, |s, b| s.wrapping_sub(*b));
                let digits: String = record
                    .iter()
                    .chain([&sum])
                    .map(|b| format!("{b:02X}"))
                    .collect();
                format!("{text}:{digits}\n")
            });
    bench.put("old.hex", format!("{hex}:00000001FF\n").as_bytes());
    bench.good("apply old.hex good.dmp -o restored.bin --pub key.pub");
    assert_eq!(bench.get("restored.bin"), bench.get("new.bin"));
}

#[test]
fn the_demonstration_holds() {
    let bench = Workbench::new();
    let before = bench.names();
    let run = bench.good("demo");
    assert!(run.stdout.contains("refused"), "{}", run.stdout);
    assert_eq!(bench.names(), before);
}

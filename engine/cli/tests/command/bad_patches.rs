//! Patches that must not be applied: each for its reason, each with its exit code.

use crate::workbench::Workbench;

const NOT_AUTHENTIC: i32 = 3;
const WRONG_BASE: i32 = 4;
const DAMAGED: i32 = 5;

/// Both commands that check a patch, with `old` and `patch`.
#[track_caller]
fn refused(bench: &Workbench, old: &str, patch: &str, trust: &str, codes: &[i32]) {
    bench.fails(&format!("apply {old} {patch} -o n.bin {trust}"), codes, "");
    bench.fails(&format!("verify {old} {patch} {trust}"), codes, "");
}

#[test]
fn wrong_old_images() {
    let bench = Workbench::new();
    let mut flipped = bench.get("old.bin");
    *flipped.last_mut().unwrap() ^= 1;
    bench.put("flipped.bin", &flipped);
    bench.put("short.bin", &flipped[..flipped.len() - 1]);
    // new.bin: a device that has the update already, or images the wrong way round.
    for old in ["other.bin", "new.bin", "flipped.bin", "short.bin"] {
        refused(&bench, old, "good.dmp", "--pub key.pub", &[WRONG_BASE]);
    }
}

#[test]
fn signatures_that_do_not_hold() {
    let bench = Workbench::new();
    refused(
        &bench,
        "old.bin",
        "good.dmp",
        "--pub stranger.pub",
        &[NOT_AUTHENTIC],
    );
    bench.good("diff old.bin new.bin -o plain.dmp --unsigned --level fast");
    refused(
        &bench,
        "old.bin",
        "plain.dmp",
        "--pub key.pub",
        &[NOT_AUTHENTIC],
    );
}

#[test]
fn authenticity_comes_before_the_base() {
    let bench = Workbench::new();
    refused(
        &bench,
        "other.bin",
        "good.dmp",
        "--pub stranger.pub",
        &[NOT_AUTHENTIC],
    );
}

#[test]
fn a_patch_cut_off_anywhere() {
    let bench = Workbench::new();
    let patch = bench.get("good.dmp");
    bench.put("cut.dmp", b"");
    refused(&bench, "old.bin", "cut.dmp", "--pub key.pub", &[DAMAGED]);
    bench.fails("inspect cut.dmp", &[DAMAGED], "");
    let len = patch.len();
    for keep in [1, 2, 16, 60, 100, 200, len / 2, len - 100, len - 2, len - 1] {
        bench.put("cut.dmp", &patch[..keep.min(len - 1)]);
        refused(
            &bench,
            "old.bin",
            "cut.dmp",
            "--pub key.pub",
            &[NOT_AUTHENTIC, DAMAGED],
        );
    }
}

#[test]
fn bytes_left_over() {
    let bench = Workbench::new();
    bench.put("long.dmp", &[bench.get("good.dmp"), vec![0]].concat());
    refused(
        &bench,
        "old.bin",
        "long.dmp",
        "--pub key.pub",
        &[NOT_AUTHENTIC, DAMAGED],
    );
}

#[test]
fn a_bit_flipped_anywhere() {
    let bench = Workbench::new();
    let patch = bench.get("good.dmp");
    let dense = (0..patch.len().min(260)).step_by(13);
    let sparse = (260..patch.len()).step_by(patch.len() / 12 + 1);
    for at in dense.chain(sparse).chain([patch.len() - 1]) {
        let mut bad = patch.clone();
        bad[at] ^= 1 << (at % 8);
        bench.put("bad.dmp", &bad);
        refused(
            &bench,
            "old.bin",
            "bad.dmp",
            "--pub key.pub",
            &[NOT_AUTHENTIC, DAMAGED],
        );
        // Without a signature to rely on it may still be found out later, but what is
        // written then must be right.
        let run = bench.run("apply old.bin bad.dmp -o unsigned.bin --allow-unsigned");
        match run.code {
            0 => assert!(
                bench.get("unsigned.bin") == bench.get("new.bin"),
                "byte {at}"
            ),
            NOT_AUTHENTIC | WRONG_BASE | DAMAGED => {}
            code => panic!("byte {at}: exit code {code}: {}", run.stderr),
        }
    }
}

#[test]
fn files_that_are_no_patch() {
    let bench = Workbench::new();
    for file in ["old.bin", "key.pub"] {
        refused(
            &bench,
            "old.bin",
            file,
            "--pub key.pub",
            &[NOT_AUTHENTIC, DAMAGED],
        );
        bench.fails(&format!("inspect {file}"), &[DAMAGED], "");
    }
}

#[test]
fn a_patch_for_a_larger_device() {
    let bench = Workbench::new();
    bench.good("diff old.bin new.bin -o medium.dmp --key key --level fast --profile medium");
    for limit in ["tiny", "small"] {
        let trust = format!("--pub key.pub --profile {limit}");
        refused(&bench, "old.bin", "medium.dmp", &trust, &[DAMAGED]);
    }
    bench.fails(
        "apply old.bin medium.dmp -o n.bin --pub key.pub --profile small",
        &[DAMAGED],
        "needs a medium device",
    );
    for limit in ["medium", "large"] {
        bench.good(&format!(
            "verify old.bin medium.dmp --pub key.pub --profile {limit}"
        ));
    }
}

//! Tests of the summary on rows made by hand.

use super::*;
use crate::measure::Measured;
use crate::setting::Setting;
use crate::targets::Target;

fn row(pair: &str, kind: &str, payload: u64, best: u64) -> Row {
    Row {
        pair: pair.into(),
        isa: "thumb".into(),
        kind: kind.into(),
        old_bytes: 100_000,
        new_bytes: 200_000,
        setting: Setting {
            profile: Profile::Small,
            level: Level::Default,
        },
        ours: Some(Measured {
            isa: "thumb".into(),
            payload_bytes: payload,
            shipped_bytes: payload + 200,
            ram_bytes: 16384,
            decisions: 50_000,
            breakdown: Default::default(),
            encode_seconds: 1.0,
            decode_seconds: 0.1,
            peak_bytes: Some(3_000_000),
        }),
        failure: None,
        peer_failure: None,
        detools_lzma_bytes: Some(2 * best),
        detools_heatshrink_bytes: None,
        detools_beside: None,
        target: Some(Target {
            best_peer: "peer".into(),
            best_peer_bytes: best,
            best_mcu_peer_bytes: 4 * best,
            detools_lzma_bytes: None,
            detools_heatshrink_bytes: None,
            research_16k: None,
        }),
    }
}

fn value(lines: &[Line], name: &str) -> Option<f64> {
    let line = lines.iter().find(|l| l.name.trim() == name);
    line.unwrap_or_else(|| panic!("no line {name:?}")).value
}

fn close(value: Option<f64>, expected: f64) {
    let value = value.expect("a value");
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn each_line_takes_its_own_rows() {
    let mut tiny = row("a__1__2", "patch", 3000, 5000);
    tiny.setting.profile = Profile::Tiny;
    let mut large = row("k__1__2", "patch-large", 1, 1000);
    large.new_bytes = 32 << 20;
    large.setting.profile = Profile::Large;
    let rows = [
        row("a__1__2", "patch", 2000, 5000), // 0.4
        tiny,                                // 0.6 in tiny alone
        row("b__1__2", "major", 900, 1000),  // 0.9, its peer is below 2 KiB
        large,                               // in no line of a profile
    ];
    let lines = against_targets(&rows, Level::Default);
    close(
        value(&lines, "payload small / best peer, all kinds"),
        (0.4f64 * 0.9).sqrt(),
    );
    close(value(&lines, "kinds tiny and patch"), 0.4);
    close(value(&lines, "kind major"), 0.9);
    assert_eq!(value(&lines, "kind minor"), None);
    close(value(&lines, "payload tiny / best peer"), 0.6);
    close(value(&lines, "shipped small / best peer above 2 KiB"), 0.44);
    close(
        value(&lines, "payload small / best MCU peer"),
        (0.1f64 * 0.225).sqrt(),
    );
    assert_eq!(value(&lines, "payload small / research at 16 KiB"), None);
    // 50,000 decisions for 200,000 bytes.
    let lines = decoding(&rows, Level::Default);
    close(
        value(&lines, "decisions / output byte, all (plain mean)"),
        0.25,
    );
}

#[test]
fn losses_are_sorted_and_small_peers_forgiven() {
    let rows = [
        row("a__1__2", "patch", 1020, 1000),
        row("b__1__2", "patch", 1200, 1000),
        row("c__1__2", "patch", 900, 150),
        row("d__1__2", "patch", 500, 1000),
    ];
    let found = losses(&rows, Level::Default);
    let names: Vec<&str> = found.iter().map(|l| l.pair.as_str()).collect();
    assert_eq!(names, ["b__1__2", "a__1__2"]);
    let lines = against_targets(&rows, Level::Default);
    close(value(&lines, "worst pair above its best peer"), 20.0);
}

#[test]
fn levels_are_compared_pair_by_pair() {
    let mut fast = row("a__1__2", "patch", 2200, 5000);
    fast.setting.level = Level::Fast;
    let rows = [row("a__1__2", "patch", 2000, 5000), fast];
    let lines = cost(&rows, Profile::Small);
    close(value(&lines, "payload fast / payload default"), 1.1);
    close(
        value(&lines, "most memory of default, bytes / byte of old + new"),
        10.0,
    );
    assert_eq!(value(&lines, "time fast / detools lzma, wall"), None);
}

#[test]
fn large_images_count_against_detools() {
    let mut large = row("k__1__2", "patch-large", 400, 1000);
    large.new_bytes = 32 << 20;
    large.setting.profile = Profile::Large;
    let rows = [row("a__1__2", "patch", 1000, 1000), large];
    let lines = against_detools(&rows, Profile::Small, Level::Default);
    // 0.5 and 0.2.
    close(
        value(&lines, "payload small against detools lzma"),
        0.1f64.sqrt(),
    );
    let lines = large_image(&rows, false);
    close(value(&lines, "k__1__2: payload"), 400.0);
    assert_eq!(lines[0].verdict(), "aim");
    assert_eq!(value(&lines, "k__1__2: time"), None);
}

#[test]
fn verdicts() {
    let verdict = |value| {
        let mean = Mean {
            value,
            pairs: 1,
            products: 1,
        };
        Line::new("x", Some(mean), 0.5, 0.4).verdict()
    };
    assert_eq!(
        (verdict(0.4), verdict(0.5), verdict(0.51)),
        ("aim", "bar", "MISSED")
    );
    assert_eq!(Line::new("x", None, 0.5, 0.4).verdict(), "");
}

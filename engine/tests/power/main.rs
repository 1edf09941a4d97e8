//! Power cuts in bulk: every preset, every profile, every program unit, twice.
//!
//! Prints what was tried and how many outcomes that makes. By default a sample that takes
//! seconds; `DELTAMOTE_POWER=full` is what CI runs: more than a million outcomes
//! (`DELTAMOTE_POWER_ONLY=text` runs the sweeps with that text in their name). The last part are the negative controls: with a rule of the patcher broken on purpose,
//! the same sweeps must fail.

mod controls;
mod pairs;
mod plans;

#[path = "../../../patcher-nostd/sim/tests/common/mod.rs"]
mod common;

use deltamote_sim::Report;
use std::process::ExitCode;
use std::time::Instant;

/// Outcomes that the full run must reach.
const ENOUGH: u64 = 1_000_000;

fn main() -> ExitCode {
    let full = std::env::var("DELTAMOTE_POWER").is_ok_and(|v| v == "full");
    let begin = Instant::now();
    let mut total = Report::default();
    let (mut passed, mut failed) = (0, 0);
    for job in plans::all(full) {
        let start = Instant::now();
        let report = (job.run)();
        match report.failures {
            0 => passed += 1,
            _ => failed += 1,
        }
        println!(
            "{:<44} outcomes {:>8}, failures {}, blocks again {}, {:.1} s",
            job.name,
            report.outcomes,
            report.failures,
            report.worst_blocks_again,
            start.elapsed().as_secs_f64()
        );
        for example in &report.examples {
            println!("    {example}");
        }
        total.add(report);
    }
    println!(
        "cut outcomes: {}, boots: {}, failures: {}, {:.0} s",
        total.outcomes,
        total.sessions,
        total.failures,
        begin.elapsed().as_secs_f64()
    );
    let (noticed, unnoticed) = controls::run();
    passed += noticed;
    failed += unnoticed;
    if full && total.outcomes < ENOUGH {
        println!("too few: {ENOUGH} were promised");
        failed += 1;
    }
    // As libtest says it, for whoever counts.
    let ok = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {ok}. {passed} passed; {failed} failed; each a sweep or a control");
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

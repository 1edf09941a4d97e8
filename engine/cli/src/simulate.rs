//! `deltamote simulate`: would the device survive?

use std::fmt::Write;

use deltamote_engine::simulate::{SimulateOptions, Simulation, Wear, simulate};

use crate::args;
use crate::failure::Failure;
use crate::input;
use crate::progress::Bar;
use crate::report::thousands;
use crate::say;
use crate::signing;

/// Runs the simulation and reports; a run that fails fails the command.
pub fn run(args: &args::Simulate) -> Result<(), Failure> {
    let (front, patch) = input::received(&args.patch)?;
    let trust = signing::trust(&args.trust, &front)?;
    let old = input::image(&args.old)?;
    input::check_profile(&deltamote_engine::inspect(&patch)?, args.trust.profile)?;
    let options = SimulateOptions {
        flash: args.flash,
        cuts: args.cuts,
        start: args.state,
        staged: args.staged,
        seek: !args.no_seek,
        piece_bytes: args.piece.into(),
        seed: args.seed,
    };
    let recipient = input::recipient(&args.recipient)?;
    let found = simulate(
        old.bytes(),
        &patch,
        &trust,
        recipient.as_ref(),
        &options,
        &Bar::new(),
    )?;
    if args.json {
        let json = serde_json::to_string_pretty(&found)
            .map_err(|e| Failure::failed(format!("the report cannot be written as JSON ({e})")))?;
        say(&(json + "\n"))?;
    } else {
        say(&text(&found))?;
    }
    if found.failures > 0 {
        return Err(Failure::failed(format!(
            "{} of {} simulated updates failed; please report it with images and patch",
            found.failures, found.runs
        )));
    }
    Ok(())
}

fn text(found: &Simulation) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<16} {value}");
    };
    let n = thousands;
    line(
        "updates",
        format!(
            "{} on {}, {} boots, {} failed",
            n(found.runs),
            found.flash,
            n(found.boots),
            n(found.failures)
        ),
    );
    line(
        "cuts",
        format!(
            "{} at {} flash operations",
            n(found.cuts),
            n(found.cut_points)
        ),
    );
    line("coverage", found.coverage.clone());
    line(
        "worst update",
        format!(
            "{} blocks erased and {} bytes programmed again, {} decoded again, {} downloaded again \
             (of {})",
            n(found.worst_blocks_again),
            n(found.worst_programmed_again_bytes),
            n(found.worst_redone_bytes),
            n(found.worst_download_again_bytes),
            n(found.patch_bytes)
        ),
    );
    line(
        "one cut costs",
        format!(
            "at most {} bytes programmed (to the checkpoint), {} decoded (to the resume point), {} \
             downloaded",
            n(found.checkpoint_bytes),
            n(found.resume_interval_bytes),
            n(found.download_interval_bytes)
        ),
    );
    line(
        "wear",
        format!(
            "{} erasures without a cut, {} at most, {} of one block",
            n(found.erases[0]),
            n(found.erases[1]),
            n(found.erases_max_per_block)
        ),
    );
    line(
        "flash writes",
        format!(
            "{} bytes without a cut, {} at most",
            n(found.programmed_bytes[0]),
            n(found.programmed_bytes[1])
        ),
    );
    line(
        "memory",
        format!(
            "{} bytes of RAM, {} of flash for the journal, {} for the patch",
            n(found.workspace_bytes),
            n(found.journal_bytes),
            n(found.staged_bytes)
        ),
    );
    line(
        "flash time",
        format!(
            "{:.1} s (typical data sheet times, no cut; without decoding and transfer)",
            found.estimated_seconds
        ),
    );
    for example in &found.failure_examples {
        line("failed", example.clone());
    }
    out.push_str(&wear(&found.wear));
    out
}

/// A row for each erase block; neighbours alike share one.
fn wear(blocks: &[Wear]) -> String {
    let mut out = format!(
        "\n{:<24} {:>6} {:>9} {:>13} {:>22}\n",
        "flash", "blocks", "of bytes", "erased", "bytes programmed"
    );
    let alike = |a: &Wear, b: &Wear| {
        Wear {
            start: a.start,
            ..*b
        } == *a
    };
    for rows in blocks.chunk_by(alike) {
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        let place = format!(
            "{} {:#x}..{:#x}",
            first.flash,
            first.start,
            last.start + last.bytes
        );
        let pair = |[uncut, most]: [u64; 2]| format!("{} to {}", thousands(uncut), thousands(most));
        let _ = writeln!(
            out,
            "{place:<24} {:>6} {:>9} {:>13} {:>22}",
            thousands(rows.len() as u64),
            thousands(first.bytes.into()),
            pair(first.erases),
            pair(first.programmed_bytes)
        );
    }
    out + "(erasures and bytes: without a cut, and at most)\n"
}

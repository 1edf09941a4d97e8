//! Negative controls: a simulator that has never failed proves nothing.
//!
//! Each breaks one rule of the patcher and demands that a sweep which passes otherwise
//! finds a failure. They run one after the other: the switch is the whole process's.

use crate::common::{PERIOD, Toy};
use crate::pairs;
use crate::plans::{
    another_patch, options, otadata, part, resets_cut_twice, rot, selected_already, sweep,
};
use deltamote_format::Profile;
use deltamote_patcher::sabotage::{Rule, break_rule};
use deltamote_sim::{Report, Start, Units};

/// Single cuts on a clean board.
fn plain() -> Report {
    let pair = pairs::toy(1900, Profile::Tiny, 2);
    let opt = options(part("stm32l4", 512), Profile::Tiny);
    sweep::<Toy>(&pair, &opt, Start::Clean, |_| ())
}

/// On a slot that was in use.
fn dirty() -> Report {
    let pair = pairs::toy(1900, Profile::Tiny, 2);
    let opt = options(part("stm32l4", 512), Profile::Tiny);
    sweep::<Toy>(&pair, &opt, Start::DirtySlot, |_| ())
}

/// Two cuts, where no reading of poisoned units gives the torn ones away.
fn deep() -> Report {
    let pair = pairs::toy(1100, Profile::Tiny, 2);
    let opt = options(part("esp32", 512), Profile::Tiny);
    sweep::<Toy>(&pair, &opt, Start::Clean, |s| {
        s.depth = 2;
        s.units = Units::One;
    })
}

fn other() -> Report {
    another_patch(1900, &options(part("stm32l4", 512), Profile::Tiny))
}

fn rotten() -> Report {
    rot(1900, &options(part("stm32l4", 512), Profile::Tiny))
}

/// Several checkpoints to an erase block, if its units may be programmed again.
fn large_blocks(name: &str) -> Report {
    let pair = pairs::toy(9_500, Profile::Tiny, 2);
    let opt = options(part(name, 16384), Profile::Tiny);
    sweep::<Toy>(&pair, &opt, Start::Clean, |s| {
        s.units = Units::One;
        s.reset_every = Some(PERIOD.into());
    })
}

fn large_once() -> Report {
    large_blocks("stm32l4")
}

fn large_rewritable() -> Report {
    large_blocks("stm32f4")
}

/// Each reset lies at a checkpoint.
fn at_checkpoints() -> Report {
    let pair = pairs::toy(4 * PERIOD as usize, Profile::Tiny, 2);
    let opt = options(part("nrf52840", PERIOD / 3), Profile::Tiny);
    sweep::<Toy>(&pair, &opt, Start::Clean, |s| {
        s.units = Units::One;
        s.reset_every = Some(PERIOD.into());
    })
}

/// The bootloader was told of the slot before.
fn flagged() -> Report {
    let pair = pairs::firmware(700, Profile::Tiny);
    selected_already(&pair, &otadata(4, true))
}

type Control = (&'static str, Rule, fn() -> Report);

const CONTROLS: [Control; 14] = [
    ("the re-erase is skipped", Rule::EraseAgain, plain),
    (
        "what reads blank is taken for erased",
        Rule::BlankIsNoProof,
        dirty,
    ),
    (
        "a journal page is written on after a reset",
        Rule::FreshPage,
        plain,
    ),
    (
        "the flag is set before the digest",
        Rule::DigestFirst,
        rotten,
    ),
    (
        "the journal is kept while the slot is erased",
        Rule::JournalFirst,
        other,
    ),
    ("records count without a checksum", Rule::Checksum, deep),
    (
        "records are written before the block",
        Rule::RecordLast,
        plain,
    ),
    (
        "an earlier flag stays while the slot is erased",
        Rule::ClearPending,
        flagged,
    ),
    (
        "units are programmed twice that may be once",
        Rule::WriteOnce,
        large_once,
    ),
    (
        "no checkpoints inside a large block",
        Rule::Checkpoint,
        large_rewritable,
    ),
    (
        "reset points are not recorded",
        Rule::Reset,
        large_rewritable,
    ),
    (
        "reset points at a checkpoint wait for the next",
        Rule::ResetAtOnce,
        at_checkpoints,
    ),
    (
        "reset points below the frontier wait, too",
        Rule::ResetInHeader,
        || resets_cut_twice(100),
    ),
    (
        "resuming begins at the front",
        Rule::Resume,
        large_rewritable,
    ),
];

/// How many broken rules were found (and nothing without one), and how many were not.
pub fn run() -> (u32, u32) {
    let (mut found, mut missed) = (0, 0);
    for (what, rule, sweep) in CONTROLS {
        let before = sweep();
        break_rule(Some(rule));
        let broken = sweep();
        break_rule(None);
        let noticed = before.failures == 0 && broken.failures > 0;
        match noticed {
            true => found += 1,
            false => missed += 1,
        }
        println!(
            "{what}: {} ({} failures; {} with the rule kept)",
            if noticed { "noticed" } else { "NOT NOTICED" },
            broken.failures,
            before.failures
        );
        for example in broken.examples.iter().take(1).chain(&before.examples) {
            println!("    {example}");
        }
    }
    (found, missed)
}

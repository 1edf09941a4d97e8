//! On the simulated device: any split, and power cuts at every flash operation.

use crate::{Unasked, apply, firmware, options};
use deltamote_sim::{Board, Options, Sweep, Transport, Update, preset};
use deltamote_zstd::Zstd;

#[test]
fn any_split_gives_the_same() {
    let pair = firmware(30_000, 13);
    let mut bad = pair.patch();
    let end = bad.len() - 5;
    bad[end] ^= 1;
    let expect = apply::<Zstd>(&pair.old, &bad, &options()).unwrap_err();
    for split in [1, 2, 3, 7, 63, 64, 65, 1000, 4096] {
        let options = Options { split, ..options() };
        let made = apply::<Zstd>(&pair.old, &pair.patch(), &options);
        assert!(made.as_ref() == Ok(&pair.new), "{split}");
        assert_eq!(
            apply::<Zstd>(&pair.old, &bad, &options),
            Err(expect),
            "{split}"
        );
    }
    for transport in [Transport::Lossy, Transport::Staged] {
        let options = Options {
            transport,
            split: 100,
            ..options()
        };
        let made = apply::<Zstd>(&pair.old, &pair.patch(), &options);
        assert!(made.as_ref() == Ok(&pair.new), "{transport:?}");
    }
}

/// Cuts at each operation, `depth` of them in an update; blocks of `1 << log2`.
fn sweep(name: &str, len: usize, log2: u8, depth: usize) {
    let pair = firmware(len, log2);
    let patch = pair.patch();
    let sim = Options {
        preset: preset(name).unwrap(),
        split: 300,
        ..options()
    };
    let board = Board::new(&pair.old, len as u32 + 256, &sim);
    let updates = [Update {
        patch: &patch,
        new: &pair.new,
    }];
    let mut sweep: Sweep<'_, Zstd, _> = Sweep::new(&sim, &Unasked, &updates);
    sweep.depth = depth;
    sweep.units = deltamote_sim::Units::One;
    sweep.reset_every = Some(1 << log2);
    let report = sweep.run(&board, &|_, _| ());
    assert_eq!(report.failures, 0, "{name}: {:?}", report.examples);
    assert!(report.outcomes > 100, "{name}: {}", report.outcomes);
    // Not the whole image: a resume jumps to the block.
    assert!(report.worst_redone_bytes < len as u64, "{name}");
    println!("{name}: {} outcomes", report.outcomes);
}

#[test]
fn cut_at_each_operation_nrf52840() {
    sweep("nrf52840", 24_000, 12, 1);
}

#[test]
fn cut_at_each_operation_stm32l4_twice() {
    sweep("stm32l4", 9_000, 12, 2);
}

#[test]
fn cut_at_each_operation_stm32f4() {
    sweep("stm32f4", 40_000, 14, 1);
}

#[test]
fn a_resume_decodes_the_block_and_no_more() {
    let pair = firmware(40_000, 12);
    let patch = pair.patch();
    let sim = Options {
        preset: preset("nrf52840").unwrap(),
        split: 100,
        cuts: deltamote_sim::Cuts::At(vec![(25, deltamote_sim::Tear::ALL[0])]),
        ..options()
    };
    let outcome = deltamote_sim::apply_with::<Zstd, _>(&pair.old, &patch, &Unasked, &sim);
    let outcome = outcome.unwrap();
    assert!(outcome.new_image == pair.new);
    assert_eq!(outcome.stats.sessions, 2);
    assert!(outcome.stats.skipped_bytes > 0 && outcome.stats.skipped_bytes % 4096 == 0);
    assert!(!outcome.stats.jumps.is_empty());
}

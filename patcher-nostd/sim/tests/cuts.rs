//! Power cuts: at each flash operation, torn in each way, again during the recovery.

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::format::manifest::Manifest;
use deltamote_patcher::{Ed25519Keys, Error};
use deltamote_sim::{ApplyError, Board, Cuts, Options, Outcome, Tear, preset};

struct Case {
    old: Vec<u8>,
    new: Vec<u8>,
    patch: Vec<u8>,
}

fn case(new_len: usize) -> Case {
    let (old, new) = (image(3000, 1), image(new_len, 2));
    let patch = toy_patch(&old, &new, Profile::Tiny);
    Case { old, new, patch }
}

/// Runs with the given cuts and checks all that must hold at the end.
fn run(case: &Case, options: &Options) -> Outcome {
    let keys = public_keys();
    let mut board = Board::new(&case.old, case.new.len() as u32, options);
    // A slot that was in use before.
    let rubbish = image(board.slot.bytes().len(), 77);
    board.slot.preload(0, &rubbish);
    board.flag.pending = Some(vec![1, 2, 3]);
    let outcome = board
        .run::<Toy, _>(&case.patch, &Ed25519Keys(&keys), options)
        .unwrap_or_else(|e| panic!("{e} with {:?}", options.cuts));
    assert!(
        outcome.new_image == case.new,
        "wrong image with {:?}",
        options.cuts
    );
    assert!(
        board.flag.pending.as_ref() == Some(&case.new),
        "{:?}",
        options.cuts
    );
    outcome
}

/// A board whose update with `patch` was cut at operation `at`, with power back.
fn cut_off(board: &mut Board, patch: &[u8], options: &Options, (at, tear): (u64, Tear)) {
    let keys = public_keys();
    board.power.cut_after(at, tear);
    let mut stats = Default::default();
    let cut = board.session::<Toy, _>(patch, &Ed25519Keys(&keys), options, &mut stats);
    assert!(cut.is_err());
    board.power.reboot();
}

fn options(name: &str) -> Options {
    Options {
        preset: preset(name).unwrap(),
        split: 300,
        ..Options::default()
    }
}

fn cut_at_each(name: &str, new_len: usize) {
    let case = case(new_len);
    let opt = options(name);
    let whole = run(&case, &opt);
    let ops = whole.stats.ops;
    for tear in Tear::ALL {
        for n in 0..ops {
            let cuts = Cuts::At(vec![(n, tear)]);
            let outcome = run(
                &case,
                &Options {
                    cuts,
                    seed: n,
                    ..opt.clone()
                },
            );
            assert_eq!(outcome.stats.sessions, 2);
            // Never more than one block of flash work over again (and its header page).
            let extra = outcome
                .stats
                .slot
                .erases
                .saturating_sub(whole.stats.slot.erases);
            let redone = n + 3 < ops; // behind that only the journal was at stake
            assert!(
                !redone || extra <= 1,
                "{name} {tear:?} {n}: {extra} blocks over again"
            );
        }
    }
}

#[test]
fn cut_at_each_operation_nrf52840() {
    cut_at_each("nrf52840", 20_000);
}

#[test]
fn cut_at_each_operation_stm32l4() {
    cut_at_each("stm32l4", 12_000);
}

#[test]
fn cut_at_each_operation_stm32u5() {
    cut_at_each("stm32u5", 30_000);
}

#[test]
fn cut_at_each_operation_rp2040() {
    cut_at_each("rp2040", 13_000);
}

#[test]
fn cut_at_each_operation_mixed_sectors() {
    // Three sectors of 16 KiB; and with programs of a page, about 200 operations.
    cut_at_each("stm32f4", 40_000);
}

#[test]
fn cut_twice_and_three_times() {
    for (name, len) in [("nrf52840", 9000), ("stm32l4", 5000)] {
        let case = case(len);
        let opt = options(name);
        let ops = run(&case, &opt).stats.ops;
        for first in 0..ops {
            for second in 0..ops - first.min(ops - 1) {
                let tear = |n: u64| Tear::ALL[(n % 5) as usize];
                let cuts = Cuts::At(vec![
                    (first, tear(first + second)),
                    (second, tear(first / 5 + second)),
                    (second % 7, tear(second)),
                ]);
                run(
                    &case,
                    &Options {
                        cuts,
                        seed: first * 1000 + second,
                        ..opt.clone()
                    },
                );
            }
        }
    }
}

#[test]
fn brown_out_loops() {
    for name in [
        "nrf52840", "stm32l4", "stm32u5", "spi-nor", "esp32", "stm32h7", "rp2040",
    ] {
        let case = case(if name == "spi-nor" { 9_000 } else { 30_000 });
        for seed in 0..12 {
            let cuts = Cuts::Random {
                sessions: 40,
                within: 30,
            };
            run(
                &case,
                &Options {
                    cuts,
                    seed,
                    seek: seed % 2 == 0,
                    ..options(name)
                },
            );
        }
    }
}

/// A resume starts at a reset point: bytes between the map and it are not asked for.
#[test]
fn resuming_seeks_and_can_do_without() {
    let case = case(40_000);
    let opt = options("nrf52840");
    let ops = run(&case, &opt).stats.ops;
    let cuts = Cuts::At(vec![(ops - 20, Tear::RandomBits)]);
    let seeking = run(
        &case,
        &Options {
            cuts: cuts.clone(),
            ..opt.clone()
        },
    );
    assert_eq!(seeking.stats.jumps.len(), 1, "{:?}", seeking.stats);
    let streaming = run(
        &case,
        &Options {
            cuts,
            seek: false,
            ..opt
        },
    );
    assert!(seeking.stats.pushed_bytes + 30_000 < streaming.stats.pushed_bytes);
    assert_eq!(seeking.stats.slot.erases, streaming.stats.slot.erases);
}

/// Cut between the last block and the end: nothing is decoded again.
#[test]
fn a_written_image_needs_only_the_envelope() {
    let case = case(9_000);
    let opt = options("nrf52840");
    let ops = run(&case, &opt).stats.ops;
    // The last two operations are the flag and the end of the journal.
    let cuts = Cuts::At(vec![(ops - 2, Tear::None)]);
    let outcome = run(&case, &Options { cuts, ..opt });
    assert_eq!(outcome.stats.jumps, [case.patch.len() as u32]);
}

#[test]
fn another_patch_starts_over() {
    let keys = public_keys();
    let first = case(20_000);
    let mut other = case(20_000);
    other.new = image(20_000, 9);
    other.patch = toy_patch(&other.old, &other.new, Profile::Tiny);
    for name in ["nrf52840", "stm32l4"] {
        let opt = options(name);
        let ops = run(&first, &opt).stats.ops;
        // One fewer than above: here no flag had to be taken back.
        for n in (0..ops - 1).step_by(3) {
            let mut board = Board::new(&first.old, 20_000, &opt);
            cut_off(
                &mut board,
                &first.patch,
                &opt,
                (n, Tear::ALL[n as usize % 5]),
            );
            let keys = Ed25519Keys(&keys);
            for case in [&other, &first, &other] {
                let cuts = Cuts::At(vec![(n / 2, Tear::Weak)]);
                let opt = Options {
                    cuts,
                    ..opt.clone()
                };
                let done = board.run::<Toy, _>(&case.patch, &keys, &opt).unwrap();
                assert!(done.new_image == case.new);
            }
        }
    }
}

/// The slot is changed behind the journal's back: the read-back notices, the image is
/// not handed over, and the next attempt starts from the front.
#[test]
fn a_journal_that_lies_costs_one_attempt() {
    let keys = public_keys();
    let keys = Ed25519Keys(&keys);
    let case = case(20_000);
    let opt = options("nrf52840");
    let mut board = Board::new(&case.old, 20_000, &opt);
    cut_off(&mut board, &case.patch, &opt, (60, Tear::None));
    board.slot.flip(100, 3);
    let e = board.run::<Toy, _>(&case.patch, &keys, &opt).unwrap_err();
    assert_eq!(e, ApplyError::Patch(Error::NewImageMismatch));
    assert_eq!(board.flag.pending, None);
    let done = board.run::<Toy, _>(&case.patch, &keys, &opt).unwrap();
    assert!(done.new_image == case.new);
}

/// Poison in journal and slot while power is off.
#[test]
fn poisoned_units_are_survived() {
    let keys = public_keys();
    let keys = Ed25519Keys(&keys);
    let case = case(20_000);
    let opt = options("stm32l4");
    for at in (0..4096).step_by(8) {
        let mut board = Board::new(&case.old, 20_000, &opt);
        cut_off(&mut board, &case.patch, &opt, (70, Tear::RandomBits));
        board.journal.poison(at);
        let done = board.run::<Toy, _>(&case.patch, &keys, &opt).unwrap();
        assert!(done.new_image == case.new, "{at}");
    }
    for at in [0u32, 2000, 5000, 19_000] {
        let mut board = Board::new(&case.old, 20_000, &opt);
        cut_off(&mut board, &case.patch, &opt, (70, Tear::RandomBits));
        board.slot.poison(at);
        // Where the poison is in what was finished, one attempt is lost.
        let done = board
            .run::<Toy, _>(&case.patch, &keys, &opt)
            .or_else(|_| board.run::<Toy, _>(&case.patch, &keys, &opt))
            .unwrap();
        assert!(done.new_image == case.new, "{at}");
    }
}

#[test]
fn erasures_are_spread_and_few() {
    let case = case(60_000);
    let outcome = run(&case, &options("nrf52840"));
    assert_eq!(outcome.stats.slot.erases, 15);
    assert_eq!(outcome.stats.most_erased, 2);
    assert!(outcome.stats.journal.programmed_bytes < 2048);
}

/// A flag from an earlier update never stands next to a slot that is being written.
#[test]
fn the_flag_is_down_before_the_slot_is_touched() {
    let keys = public_keys();
    let case = case(9_000);
    let opt = options("nrf52840");
    let ops = run(&case, &opt).stats.ops;
    let mut touched = 0;
    for n in 0..ops {
        let mut board = Board::new(&case.old, 9_000, &opt);
        let before = image(board.slot.bytes().len(), 77);
        board.slot.preload(0, &before);
        board.flag.pending = Some(before.clone());
        board.power.cut_after(n, Tear::RandomBits);
        let mut stats = Default::default();
        let _ = board.session::<Toy, _>(&case.patch, &Ed25519Keys(&keys), &opt, &mut stats);
        if board.slot.bytes() != before {
            touched += 1;
            let new = Some(&case.new);
            let flag = board.flag.pending.as_ref();
            assert!(flag.is_none() || flag == new, "cut at {n}");
        }
    }
    assert!(touched > 10);
}

/// A page of an update that was given up does not come back when the page that
/// replaced it becomes unreadable.
#[test]
fn a_stale_journal_page_is_gone() {
    let keys = public_keys();
    let keys = Ed25519Keys(&keys);
    let opt = options("stm32l4");
    let first = case(20_000);
    let new = image(20_000, 9);
    let other = toy_patch(&first.old, &new, Profile::Tiny);
    let mut board = Board::new(&first.old, 20_000, &opt);
    for patch in [&first.patch, &other] {
        cut_off(&mut board, patch, &opt, (40, Tear::None));
    }
    // The second update's page is the second one; the first's was the first.
    board.journal.poison(2048);
    let done = board.run::<Toy, _>(&first.patch, &keys, &opt).unwrap();
    assert!(done.new_image == first.new);
}

/// Wherever a reset point falls in the chunks: the tail of one, the front of the next.
#[test]
fn reset_points_at_every_place_of_a_chunk() {
    let opt = options("nrf52840");
    let (old, new) = (image(3000, 1), image(14_000, 2));
    for map in (0..264).chain(700..964) {
        let data = toy_payload(&old, &new, map);
        let m = Manifest {
            chunk_size: 280,
            ..manifest(&old, &new, Profile::Tiny)
        };
        let patch = seal(m, &data, Some(&signing_key()));
        let case = Case {
            old: old.clone(),
            new: new.clone(),
            patch,
        };
        // Behind the third block: the reset point at 12,000.
        let cuts = Cuts::At(vec![(61, Tear::Poisoned)]);
        let outcome = run(
            &case,
            &Options {
                cuts,
                ..opt.clone()
            },
        );
        assert_eq!(outcome.stats.jumps.len(), 1, "{map}: {:?}", outcome.stats);
    }
}

//! What is swept.

use crate::common::{PERIOD, Toy};
use crate::pairs::{self, Pair};
use deltamote_format::Profile;
use deltamote_patcher::codec::{Codec, Deltamote};
use deltamote_patcher::encryption::WithRecipient;
use deltamote_patcher::hand_over::{ImageState, Mcuboot, Swap};
use deltamote_patcher::{Device, NoKeys, Run};
use deltamote_sim::{
    Aftermath, Board, Bootloader, EspBootloader, Options, PRESETS, Preset, Report, Start, Sweep,
    Transport, Units, Update, preset,
};

/// A sweep with a name.
pub struct Job {
    pub name: String,
    pub run: Box<dyn Fn() -> Report>,
}

fn job(name: impl Into<String>, run: impl Fn() -> Report + 'static) -> Job {
    Job {
        name: name.into(),
        run: Box::new(run),
    }
}

/// The part called `name` with erase blocks of `block` bytes.
pub fn part(name: &str, block: u32) -> Preset {
    preset(name).expect("a preset").with_blocks(block)
}

/// A board of `preset` that takes unsigned patches in pieces.
pub fn options(preset: Preset, profile: Profile) -> Options {
    Options {
        preset,
        device: Device {
            allow_unsigned: true,
            ..Device::new(profile)
        },
        split: 200,
        ..Options::default()
    }
}

/// Sweeps `pair` on a board in state `start`.
pub fn sweep<C: Codec>(
    pair: &Pair,
    options: &Options,
    start: Start,
    change: impl Fn(&mut Sweep<'_, C, NoKeys>),
) -> Report {
    let updates = [pair.update()];
    let mut sweep: Sweep<'_, C, NoKeys> = Sweep::new(options, &NoKeys, &updates);
    change(&mut sweep);
    sweep.run(&board(pair, options, start), &|_, _| ())
}

/// A board with the old image of `pair`.
pub fn board(pair: &Pair, options: &Options, start: Start) -> Board {
    let room = options.device.new_offset + options.device.reserved_tail;
    let mut board = Board::new(&pair.old, pair.new.len() as u32 + room, options);
    board.begin(start);
    board
}

/// Erase blocks small enough for several to a small image.
fn small_blocks(preset: Preset) -> Preset {
    const MIXED: &[Run] = &[
        Run { count: 2, len: 512 },
        Run {
            count: 1,
            len: 1024,
        },
        Run {
            count: 4,
            len: 2048,
        },
    ];
    match preset.write_size() {
        _ if preset.is_mixed() => preset.with_runs(MIXED, 512),
        256 => preset.with_blocks(2048),
        _ => preset.with_blocks(512),
    }
}

const PROFILES: [Profile; 4] = Profile::ALL;

/// Everything; `full` or a sample of seconds.
pub fn all(full: bool) -> Vec<Job> {
    let mut jobs = Vec::new();
    presets(full, &mut jobs);
    boards(full, &mut jobs);
    bootloaders(full, &mut jobs);
    resets(full, &mut jobs);
    encrypted(full, &mut jobs);
    deep(full, &mut jobs);
    let only = std::env::var("DELTAMOTE_POWER_ONLY").unwrap_or_default();
    jobs.retain(|job| job.name.contains(&only));
    jobs
}

/// Depth 1, each unit: every preset with its real erase blocks and every profile; the
/// same with erase blocks small enough for several to an image.
fn presets(full: bool, jobs: &mut Vec<Job>) {
    for preset in PRESETS {
        for profile in PROFILES {
            if !full && profile != Profile::Tiny {
                continue;
            }
            let len = if full { 1500 } else { 600 };
            let name = format!("{} {}", preset.name, profile.name());
            let opt = options(preset, profile);
            jobs.push(job(name.clone(), move || {
                let pair = pairs::firmware(len, profile);
                sweep::<Deltamote>(&pair, &opt, Start::Clean, |_| ())
            }));
            let opt = options(small_blocks(preset), profile);
            jobs.push(job(format!("{name}, small blocks"), move || {
                let pair = pairs::firmware(len, profile);
                let mut report = sweep::<Deltamote>(&pair, &opt, Start::Clean, |_| ());
                let toy = pairs::toy(len + len / 4, profile, 2);
                report.add(sweep::<Toy>(&toy, &opt, Start::Clean, |s| {
                    s.reset_every = Some(PERIOD.into());
                }));
                report
            }));
        }
    }
}

/// Other boards, transports, starts.
fn boards(full: bool, jobs: &mut Vec<Job>) {
    let len = if full { 2500 } else { 900 };
    let names = if full {
        &["nrf52840", "stm32l4", "stm32h7", "esp32"][..]
    } else {
        &["stm32l4"][..]
    };
    for name in names {
        let base = options(part(name, 512), Profile::Tiny);
        let kinds = [
            (
                "one device",
                Options {
                    one_device: true,
                    ..base.clone()
                },
            ),
            (
                "erased to 0",
                Options {
                    preset: base.preset.erased_to(0),
                    ..base.clone()
                },
            ),
            (
                "lossy",
                Options {
                    transport: Transport::Lossy,
                    ..base.clone()
                },
            ),
            (
                "staged",
                Options {
                    transport: Transport::Staged,
                    ..base.clone()
                },
            ),
            (
                "no seek",
                Options {
                    seek: false,
                    ..base.clone()
                },
            ),
        ];
        for (kind, opt) in kinds {
            jobs.push(job(format!("{name}, {kind}"), move || {
                let mut report = sweep::<Toy>(
                    &pairs::toy(len, Profile::Tiny, 2),
                    &opt,
                    Start::Clean,
                    |_| (),
                );
                let pair = pairs::firmware(len, Profile::Tiny);
                report.add(sweep::<Deltamote>(&pair, &opt, Start::Clean, |_| ()));
                report
            }));
        }
        for (state, start) in &Start::ALL[1..] {
            let opt = base.clone();
            jobs.push(job(format!("{name}, {state}"), move || {
                let pair = pairs::firmware(len, Profile::Tiny);
                sweep::<Deltamote>(&pair, &opt, *start, |_| ())
            }));
        }
        let opt = base.clone();
        jobs.push(job(format!("{name}, another patch"), move || {
            another_patch(if full { 1900 } else { 600 }, &opt)
        }));
        let opt = base.clone();
        jobs.push(job(format!("{name}, rot"), move || rot(len, &opt)));
    }
}

/// A patch, cut, another, cut, the first again.
pub fn another_patch(len: usize, options: &Options) -> Report {
    let first = pairs::toy(len, Profile::Tiny, 2);
    let other = pairs::toy(len, Profile::Tiny, 3);
    let updates = [first.update(), other.update(), first.update()];
    let mut sweep: Sweep<'_, Toy, NoKeys> = Sweep::new(options, &NoKeys, &updates);
    sweep.units = Units::One;
    sweep.depth = 2;
    sweep.run(&board(&first, options, Start::Clean), &|_, _| ())
}

/// Bits of the slot turn over while power is off.
pub fn rot(len: usize, options: &Options) -> Report {
    let pair = pairs::toy(len, Profile::Tiny, 2);
    sweep::<Toy>(&pair, options, Start::Clean, |sweep| {
        sweep.aftermath = Aftermath::Rot;
    })
}

/// The hand-over torn at each of its units.
fn bootloaders(full: bool, jobs: &mut Vec<Job>) {
    let len = if full { 2500 } else { 700 };
    for name in ["nrf52840", "stm32l4", "stm32u5", "stm32h7"] {
        let base = options(part(name, 512), Profile::Tiny);
        let align = base.preset.write_size().max(8);
        for (kind, swap, offset) in [
            ("test", Swap::Test, 0),
            ("permanent, swap-offset", Swap::Permanent, 512),
        ] {
            let mut mcuboot = Mcuboot::new(align, 512);
            mcuboot.swap = swap;
            mcuboot.image_offset = offset;
            let mut opt = base.clone();
            opt.bootloader = Bootloader::Mcuboot(mcuboot);
            opt.device.new_offset = offset;
            opt.device.reserved_tail = 512;
            jobs.push(job(format!("{name}, mcuboot {kind}"), move || {
                let pair = pairs::firmware(len, Profile::Tiny);
                let mut report = sweep::<Deltamote>(&pair, &opt, Start::Clean, |_| ());
                report.add(sweep::<Deltamote>(&pair, &opt, Start::DirtySlot, |s| {
                    s.units = Units::One;
                }));
                report
            }));
        }
        let opt = Options {
            bootloader: Bootloader::Embassy,
            ..base
        };
        jobs.push(job(format!("{name}, embassy-boot"), move || {
            let pair = pairs::firmware(len, Profile::Tiny);
            sweep::<Deltamote>(&pair, &opt, Start::Clean, |_| ())
        }));
    }
    // Units of 4, and of 16 and 32 with flash encryption.
    for (unit, rollback) in [(4, true), (16, false), (32, true)] {
        let opt = otadata(unit, rollback);
        jobs.push(job(format!("esp32, otadata, units of {unit}"), move || {
            let pair = pairs::firmware(len, Profile::Tiny);
            let mut report = sweep::<Deltamote>(&pair, &opt, Start::Clean, |_| ());
            report.add(selected_already(&pair, &opt));
            report
        }));
    }
}

/// A board with ESP-IDF's bootloader.
pub fn otadata(unit: u32, rollback: bool) -> Options {
    let esp = EspBootloader { apps: 2, rollback };
    Options {
        bootloader: Bootloader::EspIdf(esp),
        ..options(part("esp32", 512).with_units(unit), Profile::Tiny)
    }
}

/// An entry selects our slot when the update begins.
pub fn selected_already(pair: &Pair, options: &Options) -> Report {
    let mut stale = board(pair, options, Start::Clean);
    let entry = EspBootloader::entry(2, ImageState::Valid);
    stale.state.preload(512, &entry);
    let updates = [pair.update()];
    let mut sweep: Sweep<'_, Deltamote, NoKeys> = Sweep::new(options, &NoKeys, &updates);
    sweep.units = Units::One;
    sweep.run(&stale, &|_, _| ())
}

/// The real codec with reset points, and where resuming at them is all that is paid.
fn resets(full: bool, jobs: &mut Vec<Job>) {
    let names = if full {
        &["stm32u5", "stm32h7"][..]
    } else {
        &["stm32u5"][..]
    };
    let units = if full { Units::Each } else { Units::One };
    for name in names {
        let opt = options(part(name, 1024), Profile::Tiny);
        jobs.push(job(format!("{name}, codec resets"), move || {
            let pair = pairs::with_resets(13_000, Profile::Tiny);
            sweep::<Deltamote>(&pair, &opt, Start::Clean, |s| {
                s.units = units;
                s.reset_every = Some(4096);
            })
        }));
    }
    // Each reset at a checkpoint, which must have it at once, however the patch comes.
    for (kind, transport, seek) in [
        ("streaming", Transport::Clean, true),
        ("streaming without seek", Transport::Clean, false),
        ("staged", Transport::Staged, true),
        ("lossy", Transport::Lossy, true),
    ] {
        let on = |name, block| Options {
            transport,
            seek,
            ..options(part(name, block), Profile::Tiny)
        };
        let (toy, real) = (on("nrf52840", PERIOD / 3), on("stm32u5", 1024));
        jobs.push(job(format!("resets at checkpoints, {kind}"), move || {
            let pair = pairs::toy(4 * PERIOD as usize + 100, Profile::Tiny, 2);
            let mut report = sweep::<Toy>(&pair, &toy, Start::Clean, |s| {
                s.units = units;
                s.reset_every = Some(PERIOD.into());
            });
            let pair = pairs::with_resets(9_500, Profile::Tiny);
            report.add(sweep::<Deltamote>(&pair, &real, Start::Clean, |s| {
                s.units = Units::One;
                s.reset_every = Some(4096);
            }));
            report
        }));
    }
    // Erase blocks as large as they come: a cut costs a checkpoint inside them where units
    // may be programmed again, the block where they may not.
    let len = if full { 13_000 } else { 9_500 };
    for (name, block) in [
        ("stm32f4", 16384),
        ("stm32f4", 131_072),
        ("stm32h7", 131_072),
    ] {
        for start in [Start::Clean, Start::DirtySlot] {
            let opt = options(part(name, block), Profile::Tiny);
            let units = if full && start == Start::Clean {
                Units::Each
            } else {
                Units::One
            };
            let kib = block / 1024;
            jobs.push(job(
                format!("{name}, blocks of {kib} KiB, {start:?}"),
                move || {
                    let pair = pairs::toy(len, Profile::Tiny, 2);
                    let mut report = sweep::<Toy>(&pair, &opt, start, |s| {
                        s.units = units;
                        s.reset_every = Some(PERIOD.into());
                    });
                    let pair = pairs::with_resets(len, Profile::Tiny);
                    report.add(sweep::<Deltamote>(&pair, &opt, start, |s| {
                        s.units = Units::One;
                        s.reset_every = Some(4096);
                    }));
                    report
                },
            ));
        }
    }
}

/// The same, encrypted: key and nonces follow from the manifest and the chunk's index, so
/// a resume from any checkpoint needs nothing else.
fn encrypted(full: bool, jobs: &mut Vec<Job>) {
    let opt = options(part("stm32u5", 1024), Profile::Small);
    let units = if full { Units::Each } else { Units::One };
    jobs.push(job("stm32u5, encrypted", move || {
        let pair = pairs::encrypted(if full { 13_000 } else { 9_000 }, Profile::Small);
        let verifier = WithRecipient {
            verifier: NoKeys,
            recipient: pairs::Element,
        };
        let updates = [pair.update()];
        let mut sweep: Sweep<'_, Deltamote, _> = Sweep::new(&opt, &verifier, &updates);
        sweep.units = units;
        sweep.run(&board(&pair, &opt, Start::Clean), &|_, _| ())
    }));
}

/// A second cut at every point of the recovery; many cuts at random.
fn deep(full: bool, jobs: &mut Vec<Job>) {
    let parts = if full {
        &[("nrf52840", 500), ("stm32l4", 700), ("stm32h7", 1500)][..]
    } else {
        &[("stm32h7", 500)][..]
    };
    for (name, len) in parts.iter().copied() {
        let opt = options(part(name, 512), Profile::Tiny);
        let other = opt.clone();
        jobs.push(job(format!("{name}, cut twice"), move || {
            let pair = pairs::toy(len, Profile::Tiny, 2);
            sweep::<Toy>(&pair, &opt, Start::Clean, |s| s.depth = 2)
        }));
        jobs.push(job(format!("{name}, cut twice, real codec"), move || {
            let pair = pairs::firmware(len / 2, Profile::Tiny);
            sweep::<Deltamote>(&pair, &other, Start::Clean, |s| s.depth = 2)
        }));
    }
    jobs.push(job("resets at checkpoints, cut twice", move || {
        resets_cut_twice(if full { 700 } else { 100 })
    }));
    let runs = if full { 20_000 } else { 100 };
    for name in ["nrf52840", "stm32l4", "stm32u5"] {
        let opt = options(part(name, 512), Profile::Tiny);
        jobs.push(job(format!("{name}, up to 12 cuts at random"), move || {
            let pair = pairs::firmware(2500, Profile::Tiny);
            let start = board(&pair, &opt, Start::Clean);
            let mut report = soak::<Deltamote>(&pair.update(), &start, &opt, runs / 10);
            let pair = pairs::toy(1400, Profile::Tiny, 2);
            let start = board(&pair, &opt, Start::DirtySlot);
            report.add(soak::<Toy>(&pair.update(), &start, &opt, runs));
            report
        }));
    }
}

/// An image that ends `behind` bytes behind a reset at a checkpoint. The second cut comes
/// before the reset point that the first one lost is recorded again: it must be in the
/// page that the session between them opens.
pub fn resets_cut_twice(behind: u32) -> Report {
    let opt = options(part("nrf52840", PERIOD / 3), Profile::Tiny);
    let pair = pairs::toy((PERIOD + behind) as usize, Profile::Tiny, 2);
    sweep::<Toy>(&pair, &opt, Start::Clean, |s| {
        s.depth = 2;
        s.units = Units::One;
        s.reset_every = Some(PERIOD.into());
    })
}

fn soak<C: Codec>(update: &Update<'_>, board: &Board, options: &Options, runs: u64) -> Report {
    let updates = [*update];
    let sweep: Sweep<'_, C, NoKeys> = Sweep::new(options, &NoKeys, &updates);
    sweep.soak(board, runs, 12, 7, &|_, _| ())
}

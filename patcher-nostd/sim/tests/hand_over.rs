//! The bootloaders, the size of the journal, the staged way.

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::hand_over::{
    Callback, Embassy, EspIdf, ImageState, Mcuboot, Swap, is_confirmed, magic,
};
use deltamote_patcher::{
    Block, Error, Flash, Geometry, HandOver, NoKeys, Parts, PatchStore, Patcher, SmallWorkspace,
    checkpoints, journal_bytes, journal_bytes_written,
};
use deltamote_sim::{
    Board, Bootloader, EspBootloader, Options, PRESETS, Power, SimFlash, Stats, Sweep, Update,
    preset,
};

fn options(name: &str) -> Options {
    let mut options = Options {
        preset: preset(name).unwrap(),
        split: 300,
        ..Options::default()
    };
    options.device.allow_unsigned = true;
    options
}

fn patch(old: &[u8], new: &[u8]) -> Vec<u8> {
    let data = toy_payload(old, new, 100);
    seal(manifest(old, new, Profile::Small), &data, None)
}

#[test]
fn the_journal_fits_what_is_stated() {
    // Stated before anything runs:
    const NRF: Option<u32> = journal_bytes(
        &Geometry {
            size: 1 << 20,
            write_size: 4,
            write_once: false,
            erased: 0xff,
            blocks: deltamote_patcher::Blocks::Uniform(4096),
        },
        Profile::Tiny,
    );
    const { assert!(matches!(NRF, Some(8192))) };
    let (old, new) = (image(600, 1), image(40_000, 2));
    let bytes = patch(&old, &new);
    for preset in PRESETS {
        for profile in Profile::ALL {
            let journal = preset.journal();
            assert_eq!(
                journal_bytes(&journal, profile),
                Some(journal.size),
                "{}",
                preset.name
            );
        }
        let options = Options {
            preset,
            ..options(preset.name)
        };
        let board = Board::new(&old, new.len() as u32, &options);
        let updates = [Update {
            patch: &bytes,
            new: &new,
        }];
        let mut sweep: Sweep<'_, Toy, NoKeys> = Sweep::new(&options, &NoKeys, &updates);
        sweep.depth = 0;
        let report = sweep.run(&board, &|_, _| ());
        assert_eq!(report.failures, 0, "{:?}", report.examples);
        let slot = preset.slot(new.len() as u32);
        let records = checkpoints(&slot, 0, new.len() as u32);
        let page = board.journal_len() / 2;
        let most = journal_bytes_written(records, records, page, preset.write_size());
        assert!(report.uncut.journal_bytes <= most, "{} {most}", preset.name);
        assert!(report.uncut.journal_bytes > 0);
    }
    // Too small a block, or a unit that the page buffer cannot hold.
    let small = preset("nrf52840").unwrap().with_blocks(256).journal();
    assert_eq!(journal_bytes(&small, Profile::Tiny), None);
    let coarse = preset("nrf52840").unwrap().with_units(1024).journal();
    assert_eq!(journal_bytes(&coarse, Profile::Tiny), None);
}

#[test]
fn mcuboot_finds_its_magic_behind_the_image_and_not_before() {
    let (old, new) = (image(600, 1), image(9_000, 2));
    for (name, align, offset) in [
        ("nrf52840", 8, 0),
        ("stm32u5", 16, 8192),
        ("stm32h7", 32, 0),
    ] {
        let mut options = options(name);
        let block = options.preset.slot(1).size;
        let mut mcuboot = Mcuboot::new(align, block);
        mcuboot.swap = Swap::Permanent;
        mcuboot.image_offset = offset;
        options.bootloader = Bootloader::Mcuboot(mcuboot);
        options.device.new_offset = offset;
        options.device.reserved_tail = block;
        let room = new.len() as u32 + offset + block;
        let mut board = Board::new(&old, room, &options);
        let bytes = patch(&old, &new);
        board
            .session::<Toy, _>(&bytes, &NoKeys, &options, &mut Stats::default())
            .unwrap();
        let slot = board.slot_bytes();
        assert_eq!(slot[slot.len() - 16..], magic(align));
        let ok = (slot.len() - 16 - align as usize) / align as usize * align as usize;
        assert_eq!(slot[ok], 1, "{name}: image_ok");
        assert_eq!(slot[offset as usize..][..new.len()], new);
        assert!(board.is_pending(&options.bootloader));
        // What the bootloader would now see in a primary slot: confirmed.
        assert_eq!(is_confirmed(&mut board.slot, align), Ok(true));
    }
}

#[test]
fn the_image_to_fall_back_to_is_not_touched() {
    let (old, new) = (image(600, 1), image(9_000, 2));
    let mut options = options("nrf52840");
    let mut mcuboot = Mcuboot::new(8, 4096);
    mcuboot.confirmed = false;
    options.bootloader = Bootloader::Mcuboot(mcuboot);
    options.device.reserved_tail = 4096;
    let mut board = Board::new(&old, 16_384, &options);
    let bytes = patch(&old, &new);
    let e = board.session::<Toy, _>(&bytes, &NoKeys, &options, &mut Stats::default());
    assert_eq!(e, Err(Error::NotConfirmed));
    assert_eq!(board.power.ops(), 0);

    // The trailer of a primary slot whose image was swapped in and has not confirmed.
    let mut primary = SimFlash::new(options.preset.slot(8192), Power::new(1));
    assert_eq!(is_confirmed(&mut primary, 8), Ok(true), "never swapped");
    primary.preload(8192 - 16, &magic(8));
    assert_eq!(is_confirmed(&mut primary, 8), Ok(false));
    primary.preload(8192 - 24, &[1]);
    assert_eq!(is_confirmed(&mut primary, 8), Ok(true));
}

#[test]
fn a_trailer_that_shares_a_block_with_the_image_is_refused() {
    let mut slot = SimFlash::new(preset("nrf52840").unwrap().slot(8192), Power::new(1));
    let mut mcuboot = Mcuboot::new(8, 64);
    assert_eq!(mcuboot.set_pending(&mut slot, 4096), Ok(()));
    // Again: a flag may be set twice, on units that were written.
    assert_eq!(mcuboot.set_pending(&mut slot, 4096), Ok(()));
    assert!(mcuboot.set_pending(&mut slot, 4097).is_err());
    assert!(slot.violations().is_empty());
}

#[test]
fn embassy_boot_tells_pending_from_unconfirmed() {
    let geometry = preset("stm32l4").unwrap().slot(2048);
    let mut slot = SimFlash::new(geometry, Power::new(1));
    let mut embassy = Embassy {
        state: SimFlash::new(geometry, Power::new(1)),
    };
    let confirmed = |e: &mut Embassy<SimFlash>, slot: &mut SimFlash| e.is_confirmed(slot).unwrap();
    assert!(confirmed(&mut embassy, &mut slot), "blank: boot");
    embassy.set_pending(&mut slot, 1).unwrap();
    assert_eq!(embassy.state.bytes()[..8], [0xf0; 8]);
    assert!(confirmed(&mut embassy, &mut slot), "not swapped yet");
    // The bootloader has counted its first step.
    embassy.state.preload(16, &[0; 8]);
    assert!(!confirmed(&mut embassy, &mut slot), "swapped");
    embassy.clear_pending(&mut slot).unwrap();
    assert!(confirmed(&mut embassy, &mut slot));
    assert!(embassy.state.violations().is_empty());
}

fn adapter(otadata: &mut SimFlash, app: u32) -> EspIdf<&mut SimFlash> {
    EspIdf {
        otadata,
        app,
        apps: 2,
        rollback: true,
    }
}

/// The whole life of updates on ESP-IDF: tried, aborted, tried again, confirmed, next one.
#[test]
fn esp_idf_tries_confirms_and_goes_back() {
    for unit in [4, 16, 32] {
        let part = preset("esp32").unwrap().with_units(unit);
        let boot = EspBootloader {
            apps: 2,
            rollback: true,
        };
        let mut slot = SimFlash::new(part.slot(4096), Power::new(1));
        let mut otadata = SimFlash::new(part.journal(), Power::new(1));
        otadata.preload(0, &EspBootloader::entry(1, ImageState::Valid));
        let mut told = |otadata: &mut SimFlash, app: u32| {
            let mut esp = adapter(otadata, app);
            assert_eq!(esp.is_confirmed(&mut slot), Ok(true), "{app}");
            esp.clear_pending(&mut slot).unwrap();
            assert_eq!(
                boot.selects(esp.otadata),
                Some(1 - app),
                "slot {app} is gone"
            );
            // Twice: may be repeated.
            esp.set_pending(&mut slot, 1).unwrap();
            esp.set_pending(&mut slot, 1).unwrap();
            assert_eq!(esp.is_confirmed(&mut slot), Ok(true), "not booted yet");
        };
        let confirmed = |otadata: &mut SimFlash, app: u32| {
            let mut slot = SimFlash::new(part.slot(4096), Power::new(1));
            adapter(otadata, app).is_confirmed(&mut slot).unwrap()
        };
        // Runs once, does not confirm, and the next reset goes back.
        told(&mut otadata, 1);
        assert_eq!(boot.boot(&mut otadata), Ok(Some(1)));
        assert!(!confirmed(&mut otadata, 0), "on trial");
        assert_eq!(boot.boot(&mut otadata), Ok(Some(0)));
        assert!(confirmed(&mut otadata, 1), "the old one is back");
        // Again, and this time it confirms.
        told(&mut otadata, 1);
        assert_eq!(boot.boot(&mut otadata), Ok(Some(1)));
        boot.confirm(&mut otadata).unwrap();
        assert_eq!(boot.boot(&mut otadata), Ok(Some(1)));
        // The next update takes the other slot; its app finds itself bad.
        told(&mut otadata, 0);
        assert_eq!(boot.boot(&mut otadata), Ok(Some(0)));
        assert_eq!(boot.boot(&mut otadata), Ok(Some(1)));
        assert!(
            otadata.violations().is_empty(),
            "{:?}",
            otadata.violations()
        );
    }
}

#[test]
fn esp_idf_with_a_factory_app_more_slots_and_no_rollback() {
    let part = preset("esp32").unwrap();
    let mut slot = SimFlash::new(part.slot(4096), Power::new(1));
    for apps in 2..5 {
        let boot = EspBootloader {
            apps,
            rollback: false,
        };
        // Blank: the factory app runs.
        let mut otadata = SimFlash::new(part.journal(), Power::new(1));
        for round in 0..3 * apps {
            let app = round % apps;
            let mut esp = EspIdf {
                otadata: &mut otadata,
                app,
                apps,
                rollback: false,
            };
            assert_eq!(esp.is_confirmed(&mut slot), Ok(true));
            esp.clear_pending(&mut slot).unwrap();
            let before = round.checked_sub(1).map(|round| round % apps);
            assert_eq!(boot.selects(esp.otadata), before, "{apps} {round}");
            esp.set_pending(&mut slot, 1).unwrap();
            assert_eq!(boot.boot(&mut otadata), Ok(Some(app)), "{apps} {round}");
        }
        assert!(otadata.violations().is_empty());
    }
}

/// An app on trial must not lose what it would go back to.
#[test]
fn esp_idf_refuses_while_the_image_is_on_trial() {
    let (old, new) = (image(600, 1), image(9_000, 2));
    let esp = EspBootloader {
        apps: 2,
        rollback: true,
    };
    let mut options = options("esp32");
    options.bootloader = Bootloader::EspIdf(esp);
    let bytes = patch(&old, &new);
    let mut board = Board::new(&old, 16_384, &options);
    let run = |board: &mut Board| {
        board.session::<Toy, _>(&bytes, &NoKeys, &options, &mut Stats::default())
    };
    board
        .state
        .preload(0, &EspBootloader::entry(1, ImageState::PendingVerify));
    assert_eq!(run(&mut board), Err(Error::NotConfirmed));
    assert_eq!(board.power.ops(), 0);
    board
        .state
        .preload(0, &EspBootloader::entry(1, ImageState::Valid));
    assert_eq!(run(&mut board), Ok(9_000));
    assert_eq!(esp.boot(&mut board.state), Ok(Some(1)));
}

type Part<'b> = &'b mut SimFlash;
type OnBoard<'w, 'b, H> = Patcher<'w, 'static, Part<'b>, Part<'b>, Part<'b>, NoKeys, H, Toy>;

fn patcher<'w, 'b, H: HandOver<Part<'b>>>(
    workspace: &'w mut SmallWorkspace,
    board: &'b mut Board,
    options: &Options,
    hand_over: H,
) -> OnBoard<'w, 'b, H> {
    let parts = Parts {
        old: &mut board.old,
        slot: &mut board.slot,
        journal: &mut board.journal,
        verifier: NoKeys,
        hand_over,
    };
    Patcher::with_codec(workspace.lend(), options.device, parts)
}

#[test]
fn a_callback_is_called_last_and_once() {
    let (old, new) = (image(600, 1), image(9_000, 2));
    let (options, bytes) = (options("nrf52840"), patch(&old, &new));
    let mut board = Board::new(&old, 9_000, &options);
    let (mut cleared, mut set) = (0, Vec::new());
    let mut workspace = SmallWorkspace::new();
    let callback = Callback {
        clear: || {
            cleared += 1;
            Ok(())
        },
        set: |len| {
            set.push(len);
            Ok(())
        },
    };
    let mut patcher = patcher(&mut workspace, &mut board, &options, callback);
    // Staged; at first the store holds a part of the patch only.
    let mut buf = [0; 100];
    let mut part = &bytes[..3000];
    let short = loop {
        if let Err(e) = patcher.pull(&mut part, &mut buf) {
            break e;
        }
    };
    assert_eq!(short, Error::Incomplete);
    assert_eq!(patcher.finish(), Err(Error::Incomplete));
    while !patcher.pull(&mut &bytes[..], &mut buf).unwrap().complete {}
    patcher.finish().unwrap();
    patcher.finish().unwrap();
    drop(patcher);
    assert_eq!((cleared, set), (1, vec![9_000]));
    assert_eq!(board.slot.bytes()[..9_000], new);
}

#[test]
fn a_store_that_cannot_be_read_is_reported() {
    struct Broken;
    impl PatchStore for Broken {
        fn read(&mut self, _: u32, _: &mut [u8]) -> Result<usize, deltamote_patcher::Fault> {
            Err(deltamote_patcher::Fault::Bus)
        }
    }
    let options = options("nrf52840");
    let mut board = Board::new(&[1], 100, &options);
    let mut workspace = SmallWorkspace::new();
    let mut patcher = patcher(&mut workspace, &mut board, &options, ());
    let e = patcher.pull(&mut Broken, &mut [0; 8]).unwrap_err();
    assert!(
        matches!(e, Error::Flash(deltamote_patcher::FlashDevice::Patch, _)),
        "{e}"
    );
}

#[test]
fn a_busy_part_refuses_and_recovers() {
    let geometry = preset("spi-nor").unwrap().slot(4096);
    let mut flash = SimFlash::new(geometry, Power::new(1));
    flash.stay_busy(2);
    assert!(flash.read(0, &mut [0; 4]).is_err());
    assert!(
        flash
            .erase(Block {
                start: 0,
                len: 4096
            })
            .is_err()
    );
    assert!(flash.read(0, &mut [0; 4]).is_ok());
    assert!(flash.violations().is_empty());
}

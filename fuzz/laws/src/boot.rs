//! What the bootloader keeps in flash, with anything in it.

use crate::fixtures::options;
use arbitrary::Unstructured;
use deltamote_patcher::hand_over::{Embassy, EspIdf, ImageState, Mcuboot, Swap, is_confirmed};
use deltamote_patcher::{Fault, Flash, HandOver};
use deltamote_sim::{Board, Bootloader, EspBootloader, Options, Tear};

/// Bytes of the image in the slot.
const IMAGE: u32 = 1100;
/// An erase block of [`options`].
const BLOCK: u32 = 512;

/// Whatever trailer, STATE or otadata hold, and wherever power is cut: taking an update
/// back and handing it over ends, breaks no rule of flash and leaves the image alone;
/// what was taken back is not pending, what was handed over is, and what runs now stays
/// bootable. Only otadata whose sequence numbers are used up refuse, and change nothing.
pub fn any_boot_state_is_survived(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(which), Ok(cut), Ok(tear)) = (
        u.arbitrary::<u8>(),
        u.arbitrary::<u8>(),
        u.arbitrary::<u8>(),
    ) else {
        return;
    };
    let mut options = options(which >> 2);
    options.device.reserved_tail = BLOCK;
    let align = options.preset.write_size().max(8);
    options.bootloader = match which & 3 {
        0 => Bootloader::Embassy,
        1 => {
            let mut mcuboot = Mcuboot::new(align, BLOCK);
            if which >> 4 & 1 == 1 {
                mcuboot.swap = Swap::Permanent;
            }
            Bootloader::Mcuboot(mcuboot)
        }
        _ => Bootloader::EspIdf(EspBootloader {
            apps: 1 + u32::from(which >> 4 & 3),
            rollback: which & 1 == 0,
        }),
    };
    let mut board = Board::new(&[0; 64], IMAGE + BLOCK, &options);
    let image = vec![0x5a; IMAGE as usize];
    board.slot.preload(0, &image);
    let _ = fill(&mut board, &options, &mut u);
    let _ = is_confirmed(&mut board.slot, align);

    let runs = runs(&board, &options);
    let tear = Tear::ALL[usize::from(tear) % Tear::ALL.len()];
    board.power.cut_after(u64::from(cut % 16), tear);
    let _ = hand_over(&mut board, &options);
    board.power.no_cut();
    board.power.reboot();
    keeps(&board, &options, &image, runs);

    // What was torn does not stand in the way of the next session.
    match hand_over(&mut board, &options) {
        Ok(()) => assert!(board.is_pending(&options.bootloader)),
        Err(()) => {
            assert!(used_up(runs), "refused without a reason");
            assert!(!board.is_pending(&options.bootloader));
        }
    }
    keeps(&board, &options, &image, runs);
    if let (Bootloader::EspIdf(esp), true) =
        (options.bootloader, board.is_pending(&options.bootloader))
    {
        boots_and_confirms(&mut board, esp);
    }
}

/// Entries of otadata, the magic of the others, and noise, where the input says.
fn fill(board: &mut Board, options: &Options, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    while !u.is_empty() {
        let what = u.arbitrary::<u8>()?;
        let size = board.state.geometry().size;
        match what % 4 {
            0 | 1 => {
                let seq = match u.arbitrary::<u8>()? {
                    255 => u.arbitrary()?,
                    near @ 240.. => u32::MAX - u32::from(255 - near),
                    seq => u32::from(seq),
                };
                let state = [
                    ImageState::New,
                    ImageState::PendingVerify,
                    ImageState::Valid,
                    ImageState::Invalid,
                    ImageState::Aborted,
                    ImageState::Undefined,
                ][usize::from(what >> 2) % 6];
                let entry = EspBootloader::entry(seq, state);
                board.state.preload(u32::from(what % 4) * size / 2, &entry);
            }
            2 => {
                let len = usize::from(what >> 2);
                board.state.preload(0, &vec![u.arbitrary()?; len]);
            }
            _ => {
                let bytes = u.arbitrary::<[u8; 16]>()?;
                let slot = board.slot.geometry().size;
                board.slot.preload(slot - 16, &bytes);
                board.slot.poison(slot - u32::from(what));
                board.state.preload(u32::from(what) % (size - 16), &bytes);
                // An entry that is whole and cannot be read was torn by somebody else; its
                // erasure torn as well, it may read as an entry at one time only.
                if !matches!(options.bootloader, Bootloader::EspIdf(_)) {
                    board.state.poison(u32::from(bytes[0]) * 4 % size);
                }
            }
        }
    }
    Ok(())
}

/// One session's calls. `Err` stands for power that went, and for a refusal.
fn hand_over(board: &mut Board, options: &Options) -> Result<(), ()> {
    let mut mcuboot = match options.bootloader {
        Bootloader::Mcuboot(mcuboot) => mcuboot,
        _ => Mcuboot::new(8, BLOCK),
    };
    for step in [Step::TakeBack, Step::Mark] {
        let Board { slot, state, .. } = &mut *board;
        let done = match options.bootloader {
            Bootloader::Flag => Ok(()),
            // This one remembers what it has erased; the others remember nothing.
            Bootloader::Mcuboot(_) => call(&mut mcuboot, slot, step),
            Bootloader::Embassy => call(&mut Embassy { state }, slot, step),
            Bootloader::EspIdf(esp) => call(&mut adapter(state, esp), slot, step),
        };
        if done.is_ok() == (step == Step::TakeBack) && !board.power.is_lost() {
            assert!(!board.is_pending(&options.bootloader), "was taken back");
        }
        done.map_err(drop)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    TakeBack,
    Mark,
}

fn call<S: Flash, H: HandOver<S>>(loader: &mut H, slot: &mut S, step: Step) -> Result<(), Fault> {
    match step {
        Step::TakeBack => {
            loader.is_confirmed(slot)?;
            loader.clear_pending(slot)
        }
        Step::Mark => loader.set_pending(slot, IMAGE),
    }
}

fn adapter<F: Flash>(otadata: F, esp: EspBootloader) -> EspIdf<F> {
    EspIdf {
        otadata,
        app: esp.apps - 1,
        apps: esp.apps,
        rollback: esp.rollback,
    }
}

/// What otadata boots once our own app is out of it: the app and its sequence number.
fn runs(board: &Board, options: &Options) -> Option<(u32, u32)> {
    let Bootloader::EspIdf(esp) = options.bootloader else {
        return None;
    };
    let mut without = board.clone();
    let mut slot = without.slot.clone();
    adapter(&mut without.state, esp)
        .clear_pending(&mut slot)
        .expect("nothing stands in the way");
    let app = esp.selects(&without.state)?;
    assert_ne!(app, esp.apps - 1, "ours was taken out");
    let number = |at: u32| {
        let bytes = &without.state.bytes()[at as usize..][..4];
        bytes.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b))
    };
    let half = without.state.geometry().size / 2;
    // Of the two entries the one that boots this app with the larger number.
    let fits = |seq: &u32| *seq != u32::MAX && seq.wrapping_sub(1) % esp.apps == app;
    let seq = [number(0), number(half)].into_iter().filter(fits).max();
    Some((app, seq?))
}

/// Whether there is no larger sequence number left.
fn used_up(runs: Option<(u32, u32)>) -> bool {
    runs.is_some_and(|(_, seq)| seq >= u32::MAX - 8)
}

fn keeps(board: &Board, options: &Options, image: &[u8], runs: Option<(u32, u32)>) {
    assert_eq!(board.violation(), None);
    assert!(
        board.slot_bytes().starts_with(image),
        "the image is another"
    );
    if let (Bootloader::EspIdf(esp), Some((app, _))) = (options.bootloader, runs) {
        let now = esp.selects(&board.state);
        let either = now == Some(app) || now == Some(esp.apps - 1);
        assert!(either, "{now:?} boots in place of {app}");
    }
}

/// The bootloader takes the app, and with roll-back it is on trial until it says so.
fn boots_and_confirms(board: &mut Board, esp: EspBootloader) {
    let ours = Some(esp.apps - 1);
    assert_eq!(esp.boot(&mut board.state), Ok(ours));
    let mut slot = board.slot.clone();
    let mut confirmed = |board: &mut Board| {
        adapter(&mut board.state, esp)
            .is_confirmed(&mut slot)
            .expect("it reads")
    };
    assert_eq!(confirmed(board), !esp.rollback);
    esp.confirm(&mut board.state).expect("power stays");
    assert!(confirmed(board));
}

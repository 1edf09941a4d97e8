//! The application half of an update on an nRF52840 with embassy-boot.
//!
//! ```text
//! radio --> Patcher --> DFU partition        old image: the active partition
//!                   --> journal (2 pages)    hand-over: embassy-boot's STATE partition
//! ```
//!
//! Compiled in CI, not run: there is no radio here, [`radio`] is where it goes. The
//! bootloader is embassy-boot-nrf's own example; partitions are those of `memory.x`. After the
//! swap the new image must say that it works ([`confirm`]), or the bootloader goes back.

#![no_std]
#![no_main]

use core::cell::RefCell;
use core::panic::PanicInfo;
use deltamote_adapters::Nor;
use deltamote_patcher::format::{Profile, prior};
use deltamote_patcher::hand_over::Embassy;
use deltamote_patcher::{Device, Ed25519Keys, Error, Parts, Patcher, SmallWorkspace};
use embassy_boot_nrf::{AlignedBuffer, BlockingFirmwareUpdater, FirmwareUpdaterConfig};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_nrf::nvmc::Nvmc;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;

type SharedFlash<'d> = Mutex<NoopRawMutex, RefCell<Nvmc<'d>>>;

/// As in `memory.x`: the active partition and the journal.
const ACTIVE: (u32, u32) = (0x0_7000, 480 * 1024);
const JOURNAL: (u32, u32) = (0xf_8000, 8 * 1024);

/// The vendor's public key: `deltamote keygen` writes it.
static VENDOR: [[u8; 32]; 1] = [[0; 32]];

/// Where the patch comes from: fills `piece` from patch offset `from` on; gives how many
/// bytes it has.
fn radio(from: u32, piece: &mut [u8]) -> usize {
    // A product asks its server for this range. Opaque, so that all of the rest links.
    core::hint::black_box((from, piece));
    core::hint::black_box(0)
}

/// Takes one update; on success the next reset swaps it in.
fn update(flash: &SharedFlash<'_>) -> Result<(), Error> {
    let partition = |(start, len)| Nor::new(BlockingPartition::new(flash, start, len));
    let boot = FirmwareUpdaterConfig::from_linkerfile_blocking(flash, flash);
    let mut workspace = SmallWorkspace::new();
    let parts = Parts {
        old: partition(ACTIVE),
        slot: Nor::new(boot.dfu),
        journal: partition(JOURNAL),
        verifier: Ed25519Keys(&VENDOR),
        // Refuses to overwrite the image to fall back to while the running one is on trial.
        hand_over: Embassy {
            state: Nor::new(boot.state),
        },
    };
    let device = Device {
        priors: &[prior::SMALL],
        ..Device::new(Profile::Small)
    };
    let mut patcher = Patcher::new(workspace.lend(), device, parts);
    let mut piece = [0; 64];
    loop {
        let from = patcher.wanted_offset();
        let len = radio(from, &mut piece);
        let bytes = piece.get(..len).unwrap_or(&[]);
        if bytes.is_empty() {
            return Err(Error::Incomplete);
        }
        if patcher.push_at(from, bytes)?.complete {
            return patcher.finish();
        }
    }
}

/// Tells the bootloader that this image works.
fn confirm(flash: &SharedFlash<'_>) -> bool {
    let config = FirmwareUpdaterConfig::from_linkerfile_blocking(flash, flash);
    let mut aligned = AlignedBuffer([0; 4]);
    let mut updater = BlockingFirmwareUpdater::new(config, &mut aligned.0);
    updater.mark_booted().is_ok()
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let peripherals = embassy_nrf::init(Default::default());
    let flash = Mutex::new(RefCell::new(Nvmc::new(peripherals.NVMC)));
    // A product tests itself first.
    if confirm(&flash) && update(&flash).is_ok() {
        cortex_m::peripheral::SCB::sys_reset();
    }
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

//! The application of the A/B demonstration, in two versions (feature `v2`).
//!
//! Says its version and confirms itself, unless the command line says `fail`: then it ends
//! as one that hangs would, by a watchdog. With `update` on the command line it takes the
//! patch into the other slot and asks for a reset.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod board;
mod flash;
mod image;
mod report;

use board::host::{self, File};
use core::cell::Cell;
use deltamote_patcher::format::{Profile, prior};
use deltamote_patcher::hand_over::Mcuboot;
use deltamote_patcher::{Device, Ed25519Keys, Error, Parts, Patcher};
use flash::{Chip, Supply};
use image::{Header, SLOTS, TRAILER, Trailer, UNIT};

const VERSION: u32 = if cfg!(feature = "v2") { 2 } else { 1 };

/// Status of a board that asks to be reset.
const RESET: usize = 10;
/// Status of a board that its watchdog reset.
const WATCHDOG: usize = 11;

fn update(running: &'static [u8], other: &'static [u8]) -> Result<(), Error> {
    let supply = Supply {
        left: Cell::new(u32::MAX),
        strict: true,
    };
    let chip = |name| Chip::open(name, &supply).ok_or(Error::Bug);
    let mut key = [0; 32];
    File::open(b"key.bin\0")
        .ok_or(Error::Bug)?
        .read(0, &mut key);
    let patch = File::open(b"patch.dmp\0").ok_or(Error::Bug)?;
    let mut device = Device::new(Profile::Small);
    device.priors = &[prior::SMALL];
    device.reserved_tail = TRAILER;
    let parts = Parts {
        old: chip(running)?,
        slot: chip(other)?,
        journal: chip(b"journal.bin\0")?,
        verifier: Ed25519Keys(&[key]),
        hand_over: Mcuboot::new(UNIT, TRAILER),
    };
    let workspace = board::workspace().ok_or(Error::Bug)?;
    let mut patcher = Patcher::new(workspace, device, parts);
    let mut piece = [0; 64];
    loop {
        let at = patcher.wanted_offset();
        let n = patch.read(at, &mut piece);
        if patcher.push_at(at, piece.get(..n).unwrap_or(&[]))?.complete {
            return patcher.finish();
        }
        if n == 0 {
            return Err(Error::Incomplete);
        }
    }
}

fn run() -> ! {
    report::text(if VERSION == 2 {
        "app: version 2\n"
    } else {
        "app: version 1\n"
    });
    let mut buf = [0; 64];
    let words = host::command_line(&mut buf);
    let says = |word: &[u8]| words.split(|b| *b == b' ' || *b == 0).any(|w| w == word);
    if VERSION == 2 && says(b"fail") {
        host::exit(WATCHDOG);
    }
    let runs = |name: &&&'static [u8]| {
        let header = File::open(name).and_then(Header::read);
        header.is_some_and(|h| h.version == VERSION)
    };
    let (Some(running), Some(other)) = (
        SLOTS.iter().find(runs),
        SLOTS.iter().find(|name| !runs(name)),
    ) else {
        host::exit(2);
    };
    if let Some(slot) = File::open(running)
        && !Trailer(slot).is_confirmed()
    {
        Trailer(slot).confirm();
        report::text("app: confirmed\n");
    }
    if !says(b"update") {
        host::exit(0);
    }
    match update(running, other) {
        Ok(()) => host::exit(RESET),
        Err(e) => {
            report::text("app: ");
            report::text(report::name(&e));
            report::text("\n");
            host::exit(1);
        }
    }
}

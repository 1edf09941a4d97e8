//! The boot stage of the A/B demonstration: picks a slot, checks it, loads and starts it.
//!
//! A slot can be started when the patcher handed it over, its digest holds, and it has
//! confirmed itself or was never tried. The newest such slot starts; so an image that does
//! not confirm itself is left at the next boot, for the one that it replaced.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod board;
mod image;
mod report;

use board::host::{self, File};
use image::{HEADER, Header, SLOTS, Trailer};
use sha2::{Digest, Sha256};

/// The image's digest holds once it is in memory, so what was checked is what starts.
fn load(slot: File, header: &Header, memory: &mut [u8]) -> bool {
    let Some(memory) = memory.get_mut(..HEADER + header.len as usize) else {
        return false;
    };
    slot.read(0, memory);
    let body = memory.get(HEADER..).unwrap_or(&[]);
    let digest: [u8; 32] = Sha256::digest(body).into();
    digest == header.digest
}

fn may_start(slot: File) -> bool {
    let trailer = Trailer(slot);
    trailer.is_handed_over() && (trailer.is_confirmed() || !trailer.was_tried())
}

fn run() -> ! {
    let Some(memory) = board::image_memory() else {
        host::exit(2);
    };
    let mut refused = [false; 2];
    loop {
        let mut best: Option<(usize, File, Header)> = None;
        for (k, name) in SLOTS.iter().enumerate() {
            if let Some(slot) = File::open(name)
                && !refused.get(k).copied().unwrap_or(true)
                && let Some(header) = Header::read(slot)
                && may_start(slot)
                && best
                    .as_ref()
                    .is_none_or(|(_, _, b)| header.version > b.version)
            {
                best = Some((k, slot, header));
            }
        }
        let Some((k, slot, header)) = best else {
            report::text("boot: no slot can be started\n");
            host::exit(2);
        };
        if load(slot, &header, memory) {
            if !Trailer(slot).is_confirmed() {
                report::text("boot: on trial\n");
                Trailer(slot).note_try();
            }
            board::start_image(HEADER);
        }
        report::text("boot: a digest does not hold\n");
        if let Some(refused) = refused.get_mut(k) {
            *refused = true;
        }
    }
}

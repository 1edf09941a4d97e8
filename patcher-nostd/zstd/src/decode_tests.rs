//! The decoder by itself: memory, limits, resume points.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::frames::HEAP_BYTES;
use crate::{BLOCK_BYTES, BLOCK_LOG2, block_log2, encode};

/// A plan of nothing but inserts.
struct Inserts;

impl deltamote_format::codec::Guide for Inserts {
    fn gap(&mut self, _: u32, room: u32) -> u32 {
        room
    }
    fn op(&mut self) -> deltamote_format::codec::Op {
        ().op()
    }
    fn taken(&mut self) {}
    fn entry(&mut self, index: u32) -> deltamote_format::codec::Entry {
        ().entry(index)
    }
    fn truth(&self, _: u32, _: u32) -> u32 {
        0
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut x = 1u32;
    let mut next = || {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn inserted(new: &[u8]) -> Vec<u8> {
    let len = new.len() as u32;
    let mut header = Header::new(1, len, Isa::None);
    header.reset_log2 = block_log2(len);
    encode(header, (&[0], new), &mut Inserts, 1).unwrap()
}

/// Decodes in pieces; gives the new image and the most heap on the way.
fn decoded(payload: &[u8], new_len: usize, piece: usize) -> Result<(Vec<u8>, usize), Error> {
    let mut words = vec![0; Predictor::words(&Profile::Large.limits())];
    let mut decoder = Zstd::start(&mut words, Profile::Large, 1, new_len as u32, None)?;
    let (mut new, mut most, mut at) = (Vec::new(), 0, 0);
    loop {
        let end = payload.len().min(at + piece);
        let mut input = Input {
            bytes: &payload[at..end],
            last: end == payload.len(),
            used: 0,
        };
        let mut page = [0; 4096];
        let n = Zstd::run(&mut decoder, &mut &[0u8][..], &mut page);
        new.extend_from_slice(&page[..n]);
        let step = Zstd::step(&mut decoder, &mut input, &mut &[0u8][..], &mut &new[..])?;
        at += input.used;
        most = most.max(decoder.heap_bytes());
        match step {
            Step::Output { word, len } => {
                new.extend_from_slice(&le::word_bytes(word)[..usize::from(len)]);
            }
            Step::Done => break,
            Step::Control | Step::Reset => (),
        }
    }
    assert_eq!(Zstd::payload_len(&decoder) as usize, at);
    Ok((new, most))
}

#[test]
fn blocks_come_back_in_bounded_memory() {
    let new = noise(2 * BLOCK_BYTES as usize + 70_000);
    let payload = inserted(&new);
    let (made, most) = decoded(&payload, new.len(), 65_000).unwrap();
    assert!(made == new);
    // A block, its streams, its section: of these each is at least a block here.
    assert!(most > 3 * BLOCK_BYTES as usize, "{most}");
    assert!(most <= HEAP_BYTES, "{most}");
}

#[test]
fn sections_that_are_too_long_take_no_memory() {
    for lead in [u32::MAX, crate::frames::SECTION_BYTES + 1] {
        let payload = [&le::word_bytes(lead)[..], &[0; 100]].concat();
        let error = decoded(&payload, 5, 10).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NumberTooLarge);
    }
}

#[test]
fn no_block_is_too_small_or_too_large() {
    let made = |log2: u8, len: u32| {
        let (mut header, new) = (Header::new(1, len, Isa::None), vec![0; len as usize]);
        header.reset_log2 = log2;
        let payload = encode(header, (&[0], &new), &mut Inserts, 1);
        payload.map(|_| ()).map_err(|e| e.kind)
    };
    let refused = Err(ErrorKind::HeaderUnsupported);
    let least = *deltamote_format::codec::RESET_LOG2.start();
    for (log2, len, outcome) in [
        (0, BLOCK_BYTES, Ok(())),
        (0, BLOCK_BYTES + 1, refused),
        (least - 1, 5000, refused),
        (least, 5000, Ok(())),
        (BLOCK_LOG2, BLOCK_BYTES + 1, Ok(())),
        (BLOCK_LOG2 + 1, BLOCK_BYTES + 1, refused),
    ] {
        assert_eq!(made(log2, len), outcome, "{log2} {len}");
    }
}

#[test]
fn prices_of_a_block_are_what_its_frames_take() {
    let new = noise(2 * BLOCK_BYTES as usize + 70_000);
    let payload = inserted(&new);
    let spent = crate::spent(&payload).unwrap();
    let (mut back, mut prices) = (Vec::new(), vec![0; spent.blocks.len()]);
    crate::watch(&payload, &[0], new.len() as u32, |piece| {
        assert_eq!(piece.start as usize, back.len());
        assert_eq!(piece.source, None);
        prices[piece.start as usize >> BLOCK_LOG2] += piece.price;
        back.extend_from_slice(&le::word_bytes(piece.word)[..piece.len as usize]);
    })
    .unwrap();
    assert!(back == new);
    let bits: Vec<u64> = spent.blocks.iter().map(|bytes| bytes * 8 * 1024).collect();
    assert_eq!(prices, bits);
}

#[test]
fn only_profile_large_and_no_prior() {
    let mut words = vec![0; Predictor::words(&Profile::Large.limits())];
    for profile in Profile::ALL {
        let started = Zstd::start(&mut words, profile, 1, 1, None);
        assert_eq!(started.is_ok(), profile == Profile::Large);
    }
}

#[test]
fn a_resume_point_that_is_none_of_ours_is_refused() {
    let new = noise(BLOCK_BYTES as usize + 5);
    let payload = inserted(&new);
    let mut words = vec![0; Predictor::words(&Profile::Large.limits())];
    let len = new.len() as u32;
    let mut decoder = Zstd::start(&mut words, Profile::Large, 1, len, None).unwrap();
    let good = ResumePoint {
        new_pos: BLOCK_BYTES,
        payload_pos: 7,
        op: [0; 8],
    };
    let nothing = || &[0u8; 0][..];
    let jump = |decoder: &mut Decoder<'_, '_>, point: &ResumePoint| {
        Zstd::jump(decoder, point, &mut nothing(), &mut nothing())
    };
    assert!(jump(&mut decoder, &good).is_err(), "before the map");
    let mut input = Input {
        bytes: &payload,
        last: true,
        used: 0,
    };
    while !Zstd::map_ready(&decoder) {
        Zstd::step(&mut decoder, &mut input, &mut nothing(), &mut nothing()).unwrap();
    }
    let mut op = [0; 8];
    op[3] = 1;
    for bad in [
        ResumePoint { op, ..good },
        ResumePoint {
            new_pos: BLOCK_BYTES - 1,
            ..good
        },
        ResumePoint {
            new_pos: 2 * BLOCK_BYTES,
            ..good
        },
    ] {
        let error = jump(&mut decoder, &bad).unwrap_err();
        assert_eq!(error.kind, ErrorKind::HeaderInconsistent);
    }
    jump(&mut decoder, &good).unwrap();
}

/// A copy of one byte after the other, from far apart.
struct Crumbs(u32);

impl deltamote_format::codec::Guide for Crumbs {
    fn gap(&mut self, _: u32, _: u32) -> u32 {
        0
    }
    fn op(&mut self) -> deltamote_format::codec::Op {
        let at = self.0.wrapping_mul(7919 * 4999) % (1 << 19);
        deltamote_format::codec::Op {
            source: deltamote_format::codec::Position::Old(at),
            len: 1,
        }
    }
    fn taken(&mut self) {
        self.0 += 1;
    }
    fn entry(&mut self, index: u32) -> deltamote_format::codec::Entry {
        ().entry(index)
    }
    fn truth(&self, _: u32, _: u32) -> u32 {
        0
    }
}

#[test]
fn a_plan_that_takes_more_memory_than_a_device_has_is_no_payload() {
    let (old, new) = (noise(1 << 19), vec![0; 450_000]);
    let header = Header::new(old.len() as u32, new.len() as u32, Isa::None);
    let error = encode(header, (&old, &new), &mut Crumbs(0), 1).unwrap_err();
    assert_eq!(error, Error::new(ErrorKind::NumberTooLarge, 0));
}

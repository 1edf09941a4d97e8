//! The journal's flash, with anything in it.

use crate::fixtures::{CHUNK, Pair, Stamp, firmware, options, payload_len, sha, stored};
use crate::store::{Store, seen};
use arbitrary::Unstructured;
use deltamote_format::chain::{Layout, Link};
use deltamote_format::codec::ResumePoint;
use deltamote_format::journal::{Binding, Header, Mark, Record, ResetMark, binding_message, crc32};
use deltamote_patcher::codec::{Codec, Deltamote};
use deltamote_patcher::{Error, Flash, Geometry};
use deltamote_sim::{Board, Stats};

/// Whatever the journal's flash and the slot hold, lies with good checksums included: no
/// image but the new one is handed over, no rule of flash is broken, and after one
/// refusal at most the update succeeds, but for a lie about a chunk's link: that one is
/// refused as long as it stands (a bad chunk from the air must not erase progress). And:
/// a header or record that reads is the one that writing it gives.
pub fn any_journal_is_survived(data: &[u8]) {
    canonical(data);
    let mut u = Unstructured::new(data);
    let (Ok(which), Ok(slot)) = (u.arbitrary::<u8>(), u.arbitrary::<u8>()) else {
        return;
    };
    match which & 1 {
        0 => survived::<Store>(stored(), which >> 1, slot, &mut u),
        _ => survived::<Deltamote>(firmware(), which >> 1, slot, &mut u),
    }
    seen();
}

fn canonical(data: &[u8]) {
    let mut bytes = data.to_vec();
    for len in [92usize, 16, 72] {
        if let Some(front) = bytes.get_mut(..len) {
            let crc = crc32(&front[..len - 4]);
            for (k, byte) in front[len - 4..].iter_mut().enumerate() {
                *byte = (crc >> (8 * k)) as u8;
            }
        }
        let mut out = [0; 128];
        if let Some(header) = Header::parse(&bytes) {
            let n = header
                .emit(1, &mut out)
                .expect("what was read can be written");
            assert_eq!(&out[..n], &bytes[..n]);
        }
        if let Some((record, n)) = Record::parse(&bytes) {
            assert_eq!(record.emit(1, &mut out), Some(n));
            assert_eq!(&out[..n], &bytes[..n]);
        }
    }
}

/// The link of the chunk that holds data byte `at`.
fn link(pair: &Pair, at: u32) -> Link {
    let payload = &pair.patch[pair.patch.len() - payload_len(pair)..];
    let layout = Layout::new(payload.len() as u32, CHUNK).expect("made here");
    let chunk = layout.chunk(layout.chunk_of(at)).expect("it is there");
    let mut link = Link::default();
    link.copy_from_slice(&sha(&payload[chunk.start as usize..chunk.end as usize])[..16]);
    link
}

fn binding(pair: &Pair, slot: &Geometry) -> Binding {
    let head = pair.patch.first_chunk().expect("a head");
    let len = deltamote_format::envelope::parse_head(head).expect("made here");
    let envelope = &pair.patch[head.len()..head.len() + len];
    let block = slot.block(0).expect("a slot has blocks");
    let message = binding_message(&sha(envelope), slot.size, slot.write_size, block.len, 0);
    let mut binding = Binding::default();
    binding.copy_from_slice(&sha(&message)[..16]);
    binding
}

/// A mark: near the truth, or anything.
fn mark(u: &mut Unstructured<'_>, record: bool, pair: &Pair) -> arbitrary::Result<Mark> {
    let frontier = match u.arbitrary::<u8>()? {
        at @ 0..=7 => 512 * u32::from(at),
        at @ 8..=99 => u32::from(at) * 31,
        _ => u.arbitrary()?,
    };
    let mut reset = None;
    if u.arbitrary::<u8>()? & 3 == u8::from(record) {
        let mut point = ResumePoint {
            new_pos: u.int_in_range(0..=2000)?,
            payload_pos: u.int_in_range(0..=2000)?,
            op: [0; 8],
        };
        for word in &mut point.op {
            *word = u.int_in_range(0..=2000)?;
        }
        point.op[0] %= 7;
        let link = match u.arbitrary::<u8>()? {
            lie @ 250.. => [lie; 16],
            _ => link(pair, point.payload_pos),
        };
        reset = Some(ResetMark { point, link });
    }
    Ok(Mark { frontier, reset })
}

/// Fills the journal as the input says; an input that ends early leaves the rest erased.
fn fill(
    board: &mut Board,
    ours: Binding,
    u: &mut Unstructured<'_>,
    pair: &Pair,
) -> arbitrary::Result<()> {
    let geometry = board.journal.geometry();
    let unit = geometry.write_size as usize;
    let page = geometry.block(0).expect("a journal has blocks").len;
    let mut out = [0; 160];
    let (mut at, mut epoch) = (0, 1);
    while !u.is_empty() {
        let len = match u.arbitrary::<u8>()? % 8 {
            0 => {
                at = page * u.int_in_range(0..=1u32)?;
                continue;
            }
            1..=3 => {
                epoch = match u.arbitrary::<u8>()? {
                    255 => u32::MAX,
                    e => u32::from(e),
                };
                let binding = match u.arbitrary::<u8>()? {
                    255 => Binding::default(),
                    _ => ours,
                };
                let mark = mark(u, false, pair)?;
                let header = Header {
                    epoch,
                    binding,
                    mark,
                };
                header.emit(unit, &mut out)
            }
            4..=6 => {
                let record = Record {
                    epoch: epoch.wrapping_add(u32::from(u.arbitrary::<u8>()? == 255)),
                    sequence: u.arbitrary::<u8>()?.into(),
                    mark: mark(u, true, pair)?,
                };
                record.emit(unit, &mut out)
            }
            _ => {
                let bytes = u.arbitrary::<[u8; 16]>()?;
                out[..16].copy_from_slice(&bytes);
                Some(16)
            }
        };
        let len = len.expect("the buffer is large enough");
        if at as usize + len <= geometry.size as usize {
            board.journal.preload(at, &out[..len]);
            at += len as u32;
        }
    }
    Ok(())
}

fn survived<C: Codec>(pair: &Pair, unit: u8, slot: u8, u: &mut Unstructured<'_>) {
    let options = options(unit);
    let mut board = Board::new(&pair.old, pair.new.len() as u32, &options);
    // The slot: erased, the new image as far as some place, or something else.
    let geometry = board.slot.geometry();
    let whole = usize::from(slot >> 2) * 128;
    match slot & 3 {
        0 => {}
        1 => board
            .slot
            .preload(0, &pair.new[..whole.min(pair.new.len())]),
        _ => board
            .slot
            .preload(0, &vec![slot; whole.min(geometry.size as usize)]),
    }
    let ours = binding(pair, &geometry);
    let _ = fill(&mut board, ours, u, pair);
    let mut refusal = None;
    for _ in 0..2 {
        let done = board.session::<C, _>(&pair.patch, &Stamp, &options, &mut Stats::default());
        assert_eq!(board.violation(), None);
        if done.is_ok() {
            assert!(board.flag.pending.as_deref() == Some(&pair.new[..]));
            assert!(board.slot_bytes().starts_with(&pair.new));
            return;
        }
        assert_eq!(board.flag.pending, None, "handed over and failed");
        if let Some(first) = refusal {
            let lie = matches!(done, Err(Error::ChunkMismatch { .. })) && done == first;
            assert!(lie, "refused twice: {first:?}, {done:?}");
        }
        refusal = Some(done);
    }
}

//! The chunk chain, in front of the decoder.

use crate::fixtures::{Stamp, manifest, noise, options, seal, sha};
use crate::store::{Store, seen};
use arbitrary::Unstructured;
use deltamote_format::chain::Layout;
use deltamote_format::manifest::Manifest;
use deltamote_patcher::codec::Codec;
use deltamote_sim::{Board, Stats};

/// Of a payload that was changed, cut short, reordered or lengthened, a decoder sees a
/// prefix of the sealed data and nothing else, and the update does not complete; and
/// chunks tile every payload that a layout exists for.
pub fn chunks_pass_only_as_sealed(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(size), Ok(chunk_size), Ok(len), Ok(seed), Ok(split)) = (
        u.arbitrary::<u32>(),
        u.int_in_range(120..=300u32),
        u.int_in_range(1..=1400usize),
        u.arbitrary::<u16>(),
        u.arbitrary::<u8>(),
    ) else {
        return;
    };
    tiles(size, chunk_size);
    tiles(size % 2000, chunk_size);
    let chunk_size = chunk_size.max(128);
    let (old, new) = (noise(16, 1), noise(len, u32::from(seed)));
    let manifest = Manifest {
        chunk_size,
        ..manifest(&old, &new, Store::ID)
    };
    let sealed = seal(manifest, &new);
    let Some(layout) = Layout::for_data(len as u32, chunk_size) else {
        panic!("{len} bytes have chunks of {chunk_size}");
    };
    let front = sealed.len() - layout.payload_size() as usize;
    let mut patch = sealed.clone();
    while let (false, Ok(edit)) = (u.is_empty(), u.arbitrary::<(u8, u16, u16)>()) {
        change(&mut patch, front, chunk_size as usize, edit);
    }
    let options = deltamote_sim::Options {
        split: usize::from(split),
        ..options(0)
    };
    let mut board = Board::new(&old, new.len() as u32, &options);
    seen();
    let result = board.session::<Store, _>(&patch, &Stamp, &options, &mut Stats::default());
    let passed = seen();
    assert!(
        new.starts_with(&passed),
        "a byte that was never sealed passed"
    );
    assert_eq!(board.violation(), None);
    match result {
        Ok(_) => {
            // What lies behind the end is refused if it comes with the last bytes, and
            // never asked for if it comes later.
            assert!(patch.starts_with(&sealed), "a changed patch was applied");
            assert_eq!(board.flag.pending.as_deref().map(sha), Some(sha(&new)));
        }
        Err(e) => {
            assert!(patch != sealed, "a good patch was refused: {e}");
            assert_eq!(board.flag.pending, None);
        }
    }
}

/// Overwrites, cuts, drops, doubles or swaps behind the envelope.
fn change(patch: &mut Vec<u8>, front: usize, chunk: usize, (what, a, b): (u8, u16, u16)) {
    let payload = patch.len() - front;
    if payload == 0 {
        return;
    }
    let at = front + usize::from(a) % payload;
    match what % 6 {
        0 => patch[at] ^= (b as u8).max(1),
        1 => patch.truncate(at),
        2 => patch.extend_from_slice(&b.to_be_bytes()),
        3 => {
            let end = (at + chunk).min(patch.len());
            patch.drain(at..end);
        }
        4 => {
            // A chunk again, in the place of another.
            let chunks = payload / chunk;
            if chunks > 1 {
                let from = front + usize::from(a) % chunks * chunk;
                let to = front + usize::from(b) % chunks * chunk;
                patch.copy_within(from..from + chunk, to);
            }
        }
        _ => {
            let other = front + usize::from(b) % payload;
            patch.swap(at, other);
        }
    }
}

fn tiles(payload_size: u32, chunk_size: u32) {
    let Some(layout) = Layout::new(payload_size, chunk_size) else {
        return;
    };
    assert_eq!(
        Layout::for_data(layout.data_size(), chunk_size),
        Some(layout),
        "the data's layout is the payload's"
    );
    let count = layout.count();
    assert_eq!(layout.chunk(count), None);
    for index in [0, 1, count / 2, count.saturating_sub(2), count - 1] {
        let Some(chunk) = layout.chunk(index) else {
            continue;
        };
        assert_eq!(
            u64::from(chunk.start),
            u64::from(index) * u64::from(chunk_size)
        );
        assert_eq!(layout.is_last(index), index == count - 1);
        assert_eq!(chunk.end == payload_size, index == count - 1);
        assert_eq!(layout.chunk_of(layout.data_start(index)), index);
    }
}

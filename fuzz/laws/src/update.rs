//! The update as a whole: trust, splits of the stream, power cuts.

use crate::fixtures::{Pair, Stamp, firmware, options, payload_len, stored};
use crate::store::{Store, seen};
use arbitrary::Unstructured;
use deltamote_patcher::codec::{Codec, Deltamote};
use deltamote_patcher::{
    Block, Error, Fault, Flash, Geometry, NoKeys, Parts, Patcher, WorkspaceRef, workspace_bytes,
    workspace_words,
};
use deltamote_sim::{Board, Cuts, Options, Stats, Tear, Transport};

/// Bytes that no trusted key signed cause no erase and no program; nor does a signed
/// patch complete of which one byte was changed or cut away.
pub fn unauthentic_bytes_change_nothing(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let pair = stored();
    let options = Options {
        split: usize::from(first >> 1),
        ..options(0)
    };
    let mut board = Board::new(&pair.old, pair.new.len() as u32, &options);
    if first & 1 == 0 {
        let result = board.session::<Store, _>(rest, &NoKeys, &options, &mut Stats::default());
        assert!(result.is_err());
        assert_eq!(board.power.ops(), 0);
        return;
    }
    let mut patch = pair.patch.clone();
    let mut u = Unstructured::new(rest);
    while let (false, Ok((at, by))) = (u.is_empty(), u.arbitrary::<(u16, u8)>()) {
        match by {
            0 => patch.truncate(usize::from(at) % (patch.len() + 1)),
            _ if patch.is_empty() => {}
            _ => {
                let at = usize::from(at) % patch.len();
                patch[at] ^= by;
            }
        }
    }
    let result = board.session::<Store, _>(&patch, &Stamp, &options, &mut Stats::default());
    seen();
    assert_eq!(result.is_ok(), patch == pair.patch);
    assert_eq!(board.flag.pending.is_some(), result.is_ok());
    // Head, envelope: everything that is looked at before the first chunk.
    let signed = pair.patch.len() - payload_len(pair);
    if patch.get(..signed) != pair.patch.get(..signed) {
        assert_eq!(board.power.ops(), 0, "flash was touched: {result:?}");
    }
}

/// Every erase and program, in order.
#[derive(Default, PartialEq, Eq, Debug)]
struct Tape(Vec<(u32, Option<Vec<u8>>)>);

struct Taped<'a, F>(F, &'a std::cell::RefCell<Tape>);

impl<F: Flash> Flash for Taped<'_, F> {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }
    fn read(&mut self, at: u32, out: &mut [u8]) -> Result<(), Fault> {
        self.0.read(at, out)
    }
    fn erase(&mut self, block: Block) -> Result<(), Fault> {
        self.1.borrow_mut().0.push((block.start, None));
        self.0.erase(block)
    }
    fn program(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.1.borrow_mut().0.push((at, Some(bytes.to_vec())));
        self.0.program(at, bytes)
    }
}

/// Pushes `patch` in pieces; what came of it, all that was done to the flash, and the slot.
fn pushed<C: Codec>(
    pair: &Pair,
    patch: &[u8],
    options: &Options,
    mut piece: impl FnMut() -> usize,
) -> (Result<u32, Error>, Tape, Vec<u8>) {
    let tape = std::cell::RefCell::new(Tape::default());
    let mut board = Board::new(&pair.old, pair.new.len() as u32, options);
    let profile = options.device.profile;
    let mut words = vec![0; workspace_words(profile)];
    let mut bytes = vec![0; workspace_bytes(profile)];
    let workspace = WorkspaceRef {
        words: &mut words,
        bytes: &mut bytes,
    };
    let parts = Parts {
        old: &mut board.old,
        slot: Taped(&mut board.slot, &tape),
        journal: Taped(&mut board.journal, &tape),
        verifier: &Stamp,
        hand_over: (),
    };
    let mut patcher: Patcher<'_, '_, _, _, _, _, _, C> =
        Patcher::with_codec(workspace, options.device, parts);
    let mut rest = patch;
    let result = loop {
        if rest.is_empty() {
            break patcher.finish().map(|()| patcher.wanted_offset());
        }
        let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
        rest = later;
        if let Err(e) = patcher.push(now) {
            // A failure is final: the same comes back.
            assert_eq!(patcher.push(rest), Err(e));
            break Err(e);
        }
    };
    drop(patcher);
    seen();
    assert_eq!(board.violation(), None);
    let slot = board.slot_bytes().to_vec();
    (result, tape.into_inner(), slot)
}

/// Any split of a patch, good or damaged, gives the same flash operations, the same new
/// image and the same error at the same place.
pub fn any_split_is_the_same(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(which), Ok(edits)) = (u.arbitrary::<u8>(), u.int_in_range(0..=3u8)) else {
        return;
    };
    let pair = match which % 64 {
        0..=39 => stored(),
        _ => firmware(),
    };
    let options = options(which >> 6);
    let mut patch = pair.patch.clone();
    for _ in 0..edits {
        let Ok((at, by)) = u.arbitrary::<(u16, u8)>() else {
            return;
        };
        if patch.is_empty() {
            return;
        }
        let at = usize::from(at) % patch.len();
        match by {
            0 => patch.truncate(at),
            1 => patch.push(7),
            _ => patch[at] ^= by,
        }
    }
    let pieces = u.take_rest();
    let mut turn = 0;
    let piece = || {
        turn += 1;
        let n = pieces.get((turn - 1) % pieces.len().max(1)).copied();
        // Small pieces mostly, some that span chunks.
        n.map_or(1, |n| match n {
            0..=199 => usize::from(n) % 67,
            n => usize::from(n - 199) * 11,
        })
    };
    let (whole, split) = match which % 64 {
        0..=39 => (
            pushed::<Store>(pair, &patch, &options, || usize::MAX),
            pushed::<Store>(pair, &patch, &options, piece),
        ),
        _ => (
            pushed::<Deltamote>(pair, &patch, &options, || usize::MAX),
            pushed::<Deltamote>(pair, &patch, &options, piece),
        ),
    };
    assert_eq!(whole.0, split.0, "another result");
    assert!(whole.1 == split.1, "other flash operations");
    assert!(whole.2 == split.2, "another slot");
    if patch == pair.patch {
        assert!(whole.0.is_ok(), "{:?}", whole.0);
        assert!(whole.2.starts_with(&pair.new));
    }
}

/// Power cuts at any operations of any sessions, torn in any way, lead to the slot that an
/// update without cuts leaves.
pub fn resume_is_no_cut(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(which), Ok(seed), Ok(split), Ok(how)) = (
        u.arbitrary::<u8>(),
        u.arbitrary::<u16>(),
        u.arbitrary::<u8>(),
        u.arbitrary::<u8>(),
    ) else {
        return;
    };
    let mut cuts = Vec::new();
    while let (false, true, Ok(n)) = (u.is_empty(), cuts.len() < 8, u.arbitrary::<u8>()) {
        let tear = u.arbitrary::<u8>().unwrap_or(0);
        // Most updates have some hundred operations: near ones and far ones.
        let n = u64::from(n) * if tear & 0x80 == 0 { 1 } else { 3 };
        cuts.push((n, Tear::ALL[usize::from(tear & 0x7f) % Tear::ALL.len()]));
    }
    let options = Options {
        // A lossy transport takes long steps back: with short ones forward it never ends.
        split: match how >> 1 & 3 {
            1 => usize::from(split).max(64),
            _ => usize::from(split),
        },
        seek: how & 1 != 0,
        seed: u64::from(seed),
        cuts: Cuts::At(cuts),
        transport: match how >> 1 & 3 {
            0 => Transport::Staged,
            1 => Transport::Lossy,
            _ => Transport::Clean,
        },
        one_device: how & 8 != 0,
        ..options(which >> 6)
    };
    match which % 64 {
        0..=39 => resumed::<Store>(stored(), &options),
        _ => resumed::<Deltamote>(firmware(), &options),
    }
    seen();
}

fn resumed<C: Codec>(pair: &Pair, options: &Options) {
    let mut board = Board::new(&pair.old, pair.new.len() as u32, options);
    let done = board.run::<C, _>(&pair.patch, &Stamp, options);
    let done = done.unwrap_or_else(|e| panic!("{e}, with {:?}", options.cuts));
    assert!(done.new_image == pair.new, "another image");
    assert!(board.flag.pending.as_deref() == Some(&pair.new[..]));
}

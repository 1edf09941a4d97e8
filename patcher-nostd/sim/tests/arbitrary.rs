//! Arbitrary bytes: no panic, no flash operation unless authentic, none out of range.

mod common;

use common::*;
use deltamote_patcher::format::Profile;
use deltamote_patcher::{Device, Ed25519Keys};
use deltamote_sim::{Board, Options, Stats};
use proptest::prelude::*;

fn board(options: &Options) -> Board {
    Board::new(&image(500, 1), 8192, options)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn bytes_of_a_stranger_touch_nothing(bytes: Vec<u8>, split in 0usize..40, magic: bool) {
        let keys = public_keys();
        let options = Options { split, ..Options::default() };
        let mut bytes = bytes;
        if magic {
            let mut head = b"DMP1".to_vec();
            head.extend((bytes.len().clamp(1, 512) as u16).to_le_bytes());
            head.extend(bytes);
            bytes = head;
        }
        let mut board = board(&options);
        let result = board.session::<Toy, _>(
            &bytes, &Ed25519Keys(&keys), &options, &mut Stats::default());
        prop_assert!(result.is_err());
        prop_assert_eq!(board.power.ops(), 0);
    }

    /// Unsigned patches are allowed here, so the damage reaches every layer.
    #[test]
    fn damage_behind_the_signature_stays_in_its_bounds(
        edits in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4),
        cut in any::<u16>(),
        split in 0usize..600,
    ) {
        let (old, new) = (image(500, 1), image(6000, 2));
        let data = toy_payload(&old, &new, 100);
        let mut patch = seal(manifest(&old, &new, Profile::Tiny), &data, None);
        for (at, by) in &edits {
            // Mostly in the envelope.
            let range = if at % 4 == 0 { patch.len() } else { 150 };
            let at = usize::from(*at / 4) % range;
            patch[at] = *by;
        }
        if cut % 4 == 0 {
            patch.truncate(usize::from(cut / 4) % patch.len());
        }
        let device = Device { allow_unsigned: true, ..Device::new(Profile::Small) };
        let options = Options { split, device, ..Options::default() };
        let mut board = board(&options);
        let keys = public_keys();
        let result = board.session::<Toy, _>(
            &patch, &Ed25519Keys(&keys), &options, &mut Stats::default());
        for flash in [&board.old, &board.slot, &board.journal] {
            prop_assert!(flash.violations().is_empty(), "{:?}", flash.violations());
        }
        if result.is_err() {
            prop_assert_eq!(board.flag.pending, None);
        } else {
            prop_assert_eq!(board.flag.pending.map(|i| sha(&i)), Some(sha(&new)));
        }
    }

    /// Whatever the journal's flash holds, the update comes to its end.
    #[test]
    fn any_journal_contents_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in 0u32..8000,
    ) {
        let (old, new) = (image(500, 1), image(6000, 2));
        let patch = toy_patch(&old, &new, Profile::Tiny);
        let options = Options::default();
        let mut board = Board::new(&old, 6000, &options);
        let len = bytes.len().min((8192 - at) as usize);
        board.journal.preload(at, &bytes[..len]);
        let keys = public_keys();
        let done = board.run::<Toy, _>(&patch, &Ed25519Keys(&keys), &options).unwrap();
        prop_assert!(done.new_image == new);
    }
}

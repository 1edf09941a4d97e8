//! Updates through the adapters, on simulated flash, with power cuts at sampled operations.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../../sim/tests/common/mod.rs"]
mod common;
#[path = "../../capi/tests/abi/payload.rs"]
mod payload;
mod storage_driver;

use deltamote_adapters::{AsyncNor, AsyncPatcher, Deferred, Nor, ReadOnly, Writes, writes_bytes};
use deltamote_patcher::format::Profile;
use deltamote_patcher::hand_over::Mcuboot;
use deltamote_patcher::{
    Device, Ed25519Keys, Error, Fault, FlashDevice, Parts, Patcher, TinyWorkspace,
};
use deltamote_sim::{Board, Options, Tear, preset};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use storage_driver::Driver;

const OLD: usize = 20_000;
const NEW: usize = 30_000;

struct Case {
    old: Vec<u8>,
    new: Vec<u8>,
    patch: Vec<u8>,
    keys: [[u8; 32]; 2],
    options: Options,
}

fn case() -> Case {
    let (old, mut new) = (common::image(OLD, 1), common::image(NEW, 2));
    new[..19_000].copy_from_slice(&old[500..19_500]);
    let patch = payload::patch(&old, &new, 500, 19_000, Some(&common::signing_key()));
    let options = Options {
        preset: preset("nrf52840").unwrap(),
        ..Options::default()
    };
    Case {
        old,
        new,
        patch,
        keys: common::public_keys(),
        options,
    }
}

impl Case {
    fn board(&self, seed: u64) -> Board {
        let options = Options {
            seed,
            ..self.options.clone()
        };
        let mut board = Board::new(&self.old, NEW as u32, &options);
        let rubbish = common::image(board.slot_bytes().len(), 77);
        board.slot.preload(0, &rubbish);
        board
    }

    /// One boot with the blocking adapter.
    fn blocking(&self, board: &mut Board) -> Result<(), Error> {
        let mut workspace = TinyWorkspace::new();
        let parts = Parts {
            old: Nor::new(Driver::new(&mut board.old)),
            slot: Nor::new(Driver::new(&mut board.slot)),
            journal: Nor::new(Driver::new(&mut board.journal)).with_poison(Driver::is_poison),
            verifier: Ed25519Keys(&self.keys),
            hand_over: (),
        };
        let device = Device::new(Profile::Tiny);
        let mut patcher = Patcher::new(workspace.lend(), device, parts);
        for piece in self.patch.chunks(100) {
            patcher.push(piece)?;
        }
        patcher.finish()
    }

    /// One boot with the async one; gives how often it waited.
    fn waiting(&self, board: &mut Board, polls: u32) -> (Option<Result<(), Error>>, u32) {
        let mut workspace = TinyWorkspace::new();
        let mut buffer = vec![0; writes_bytes(Profile::Tiny, 4)];
        let writes = Writes::new(&mut buffer);
        let parts = Parts {
            old: ReadOnly(AsyncNor::new(Driver::new(&mut board.old))),
            slot: Deferred::slot(AsyncNor::new(Driver::new(&mut board.slot)), &writes),
            journal: Deferred::journal(
                AsyncNor::new(Driver::new(&mut board.journal)).with_poison(Driver::is_poison),
                &writes,
            ),
            verifier: Ed25519Keys(&self.keys),
            hand_over: (),
        };
        let device = Device::new(Profile::Tiny);
        let mut patcher = AsyncPatcher::new(workspace.lend(), device, parts, &writes);
        let update = async {
            let mut at = 0;
            for piece in self.patch.chunks(100) {
                patcher.push_at(at, piece).await?;
                at += piece.len() as u32;
            }
            patcher.finish().await
        };
        poll(update, polls)
    }
}

/// Polls at most `limit` times; gives the result, if there is one, and how often it waited.
fn poll<T>(future: impl Future<Output = T>, limit: u32) -> (Option<T>, u32) {
    let mut future = pin!(future);
    for waits in 0..limit {
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(value) = polled {
            return (Some(value), waits);
        }
    }
    (None, limit)
}

fn check(case: &Case, board: &Board, what: &str) {
    assert_eq!(board.violation(), None, "{what}");
    assert!(board.slot_bytes()[..NEW] == case.new, "{what}");
}

#[test]
fn blocking_update_with_power_cuts() {
    let case = case();
    let mut board = case.board(0);
    assert_eq!(case.blocking(&mut board), Ok(()));
    check(&case, &board, "uncut");
    let ops = board.power.ops();
    assert!(ops > 100);
    for n in (0..ops).step_by(7) {
        for tear in Tear::ALL {
            let mut board = case.board(n);
            board.power.cut_after(n, tear);
            assert!(case.blocking(&mut board).is_err());
            board.power.reboot();
            assert_eq!(case.blocking(&mut board), Ok(()), "{n} {tear:?}");
            check(&case, &board, &format!("{n} {tear:?}"));
        }
    }
}

#[test]
fn async_update_waits_and_survives_power_cuts() {
    let case = case();
    let mut board = case.board(0);
    let (result, waits) = case.waiting(&mut board, u32::MAX);
    assert_eq!(result, Some(Ok(())));
    check(&case, &board, "uncut");
    let ops = board.power.ops();
    // Each erase and program was waited for once.
    assert_eq!(u64::from(waits), ops);
    // The same operations as the blocking one's, in number.
    let mut other = case.board(0);
    assert_eq!(case.blocking(&mut other), Ok(()));
    assert_eq!(other.power.ops(), ops);
    for n in (0..ops).step_by(7) {
        for tear in Tear::ALL {
            let mut board = case.board(n);
            board.power.cut_after(n, tear);
            assert!(matches!(case.waiting(&mut board, u32::MAX).0, Some(Err(_))));
            board.power.reboot();
            let again = case.waiting(&mut board, u32::MAX).0;
            assert_eq!(again, Some(Ok(())), "{n} {tear:?}");
            check(&case, &board, &format!("{n} {tear:?}"));
        }
    }
}

#[test]
fn a_task_that_is_dropped_is_a_power_cut() {
    let case = case();
    for polls in (1..120).step_by(13) {
        let mut board = case.board(1);
        assert_eq!(case.waiting(&mut board, polls).0, None);
        assert_eq!(
            case.waiting(&mut board, u32::MAX).0,
            Some(Ok(())),
            "{polls}"
        );
        check(&case, &board, &format!("dropped after {polls}"));
    }
}

#[test]
fn a_push_that_is_dropped_fails_the_patcher() {
    let case = case();
    let mut board = case.board(1);
    let mut workspace = TinyWorkspace::new();
    let mut buffer = vec![0; writes_bytes(Profile::Tiny, 4)];
    let writes = Writes::new(&mut buffer);
    let parts = Parts {
        old: ReadOnly(AsyncNor::new(Driver::new(&mut board.old))),
        slot: Deferred::slot(AsyncNor::new(Driver::new(&mut board.slot)), &writes),
        journal: Deferred::journal(AsyncNor::new(Driver::new(&mut board.journal)), &writes),
        verifier: Ed25519Keys(&case.keys),
        hand_over: (),
    };
    let device = Device::new(Profile::Tiny);
    let mut patcher = AsyncPatcher::new(workspace.lend(), device, parts, &writes);
    assert!(poll(patcher.push_at(0, &case.patch), 3).0.is_none());
    let failure = Err(Error::Flash(FlashDevice::Journal, Fault::Bus));
    assert_eq!(poll(patcher.push_at(0, &case.patch), 9).0, Some(failure));
    assert_eq!(poll(patcher.finish(), 9).0, Some(failure.map(drop)));
}

#[test]
fn a_driver_that_cannot_read_at_once_is_refused() {
    let case = case();
    let mut board = case.board(1);
    let mut workspace = TinyWorkspace::new();
    let mut buffer = vec![0; writes_bytes(Profile::Tiny, 4)];
    let writes = Writes::new(&mut buffer);
    let parts = Parts {
        old: ReadOnly(AsyncNor::new(Driver::new(&mut board.old).slow_to_read())),
        slot: Deferred::slot(AsyncNor::new(Driver::new(&mut board.slot)), &writes),
        journal: Deferred::journal(AsyncNor::new(Driver::new(&mut board.journal)), &writes),
        verifier: Ed25519Keys(&case.keys),
        hand_over: (),
    };
    let device = Device::new(Profile::Tiny);
    let mut patcher = AsyncPatcher::new(workspace.lend(), device, parts, &writes);
    let failure = Err(Error::Flash(FlashDevice::Old, Fault::Bus));
    assert_eq!(poll(patcher.push_at(0, &case.patch), 9).0, Some(failure));
}

#[test]
fn a_hand_over_that_writes_to_the_slot_is_awaited_too() {
    const TRAILER: u32 = 4096;
    let mut case = case();
    case.options.device.reserved_tail = TRAILER;
    let mut board = Board::new(&case.old, NEW as u32 + TRAILER, &case.options);
    let mut workspace = TinyWorkspace::new();
    let mut buffer = vec![0; writes_bytes(Profile::Tiny, 4)];
    let writes = Writes::new(&mut buffer);
    let parts = Parts {
        old: ReadOnly(AsyncNor::new(Driver::new(&mut board.old))),
        slot: Deferred::slot(AsyncNor::new(Driver::new(&mut board.slot)), &writes),
        journal: Deferred::journal(AsyncNor::new(Driver::new(&mut board.journal)), &writes),
        verifier: Ed25519Keys(&case.keys),
        hand_over: Mcuboot::new(8, TRAILER),
    };
    let device = Device {
        reserved_tail: TRAILER,
        ..Device::new(Profile::Tiny)
    };
    let mut patcher = AsyncPatcher::new(workspace.lend(), device, parts, &writes);
    let update = async {
        patcher.push_at(0, &case.patch).await?;
        patcher.finish().await
    };
    assert_eq!(poll(update, u32::MAX).0, Some(Ok(())));
    check(&case, &board, "mcuboot");
    let magic = deltamote_patcher::hand_over::magic(8);
    assert!(board.slot_bytes().ends_with(&magic));
}

//! Firmware that takes one update and says what it took: the patcher on emulated boards.
//!
//! The patch arrives in pieces as a radio delivers them; old image, slot and journal are
//! flash models whose content outlives the emulator ([`flash`]). Stack, instructions and
//! flash operations are counted from outside the patcher ([`board`]), which runs as it
//! would in a product. Words of the command line: `cut=N` lets power fail in the Nth
//! flash operation, `strict` makes the flash refuse what real flash garbles. Prints one
//! line of JSON; leaves with status 0 where the update ended well, 3 where power failed.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod board;
mod flash;
mod report;

use board::Ticks;
use board::host::{self, File};
use core::cell::Cell;
#[cfg(feature = "x25519")]
use deltamote_patcher::encryption::{WithRecipient, X25519Key};
use deltamote_patcher::format::envelope::{HEAD_BYTES, Signer, parse_head};
use deltamote_patcher::format::model::Prior;
use deltamote_patcher::format::{Profile, prior};
use deltamote_patcher::{Device, Distrust, Error, Parts, Patcher, Verifier, WorkspaceRef};
use flash::{Chip, Supply};

/// Bytes that the radio delivers at a time.
const PIECE: usize = 64;

#[cfg(feature = "tiny")]
const PROFILE: Profile = Profile::Tiny;
#[cfg(feature = "small")]
const PROFILE: Profile = Profile::Small;

#[cfg(feature = "tiny")]
static PRIORS: &[Prior<'static>] = &[prior::TINY];
#[cfg(feature = "small")]
static PRIORS: &[Prior<'static>] = &[prior::SMALL];

/// Bytes of the key: Ed25519's, or that of the scheme that is built in beside it.
const KEY_BYTES: usize = if cfg!(feature = "p256") { 65 } else { 32 };

/// The verifier of the product, and what it takes.
struct Timed<'c> {
    key: &'c [[u8; KEY_BYTES]; 1],
    ticks: &'c Cell<Ticks>,
}

impl Verifier for Timed<'_> {
    #[inline]
    fn verify(&self, signer: &Signer, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        let began = board::ticks();
        #[cfg(not(feature = "p256"))]
        let keys = deltamote_patcher::Ed25519Keys(self.key);
        #[cfg(feature = "p256")]
        let keys = self.key.each_ref().map(|bytes| deltamote_patcher::PublicKey {
            algorithm: deltamote_patcher::format::envelope::Algorithm::ESP256,
            bytes,
        });
        #[cfg(feature = "p256")]
        let keys = deltamote_patcher::Keys(&keys);
        let result = keys.verify(signer, message, signature);
        self.ticks.set(board::ticks().wrapping_sub(began));
        result
    }
}

/// Checks signatures and, where payloads are encrypted, holds the key for them.
#[cfg(not(feature = "x25519"))]
type Trusted<'c> = Timed<'c>;
#[cfg(feature = "x25519")]
type Trusted<'c> = WithRecipient<Timed<'c>, X25519Key<'c>>;

type Demo<'w, 'f, 's, 'c> =
    Patcher<'w, 'static, &'f mut Chip<'s>, &'f mut Chip<'s>, &'f mut Chip<'s>, Trusted<'c>, ()>;

/// Ticks of the parts of an update.
#[derive(Default)]
struct Times {
    open: Ticks,
    decode: Ticks,
    finish: Ticks,
}

/// What an update works with, all of it outside the memory that is counted.
struct Board<'s> {
    old: Chip<'s>,
    slot: Chip<'s>,
    journal: Chip<'s>,
    patch: File,
    piece: [u8; PIECE],
    key: [[u8; KEY_BYTES]; 1],
    /// Secret and public half.
    #[cfg(feature = "x25519")]
    recipient: [[u8; 32]; 2],
    verify: Cell<Ticks>,
    times: Times,
}

impl<'s> Board<'s> {
    fn open(supply: &'s Supply) -> Option<Self> {
        let mut key = [0; KEY_BYTES];
        File::open(b"key.bin\0")?.read(0, &mut key);
        #[cfg(feature = "x25519")]
        let recipient = {
            let mut halves = [[0; 32]; 2];
            let file = File::open(b"recipient.bin\0")?;
            for (half, at) in halves.iter_mut().zip([0, 32]) {
                file.read(at, half);
            }
            halves
        };
        Some(Board {
            #[cfg(feature = "x25519")]
            recipient,
            old: Chip::open(b"old.bin\0", supply)?,
            slot: Chip::open(b"slot.bin\0", supply)?,
            journal: Chip::open(b"journal.bin\0", supply)?,
            patch: File::open(b"patch.dmp\0")?,
            piece: [0; PIECE],
            key: [key],
            verify: Cell::new(0),
            times: Times::default(),
        })
    }

    /// One update, as the application of a product runs it; everything it needs but the
    /// workspace is on its stack. Gives the bytes of the new image.
    #[inline(never)]
    fn update(&mut self, workspace: WorkspaceRef<'_>) -> Result<u32, Error> {
        let mut device = Device::new(PROFILE);
        device.priors = PRIORS;
        let verifier = Timed {
            key: &self.key,
            ticks: &self.verify,
        };
        #[cfg(feature = "x25519")]
        let [secret, public] = &self.recipient;
        #[cfg(feature = "x25519")]
        let verifier = WithRecipient {
            verifier,
            recipient: X25519Key { secret, public },
        };
        let parts = Parts {
            old: &mut self.old,
            slot: &mut self.slot,
            journal: &mut self.journal,
            verifier,
            hand_over: (),
        };
        let mut patcher: Demo = Patcher::new(workspace, device, parts);
        let (mut at, mut new_size) = (0, 0);
        // Envelope and payload in pieces of their own, so that they can be told apart.
        let mut head = [0; HEAD_BYTES];
        self.patch.read(0, &mut head);
        let payload = (HEAD_BYTES + parse_head(&head)?) as u32;
        let began = board::ticks();
        let mut opened = began;
        loop {
            let to_payload = payload.checked_sub(at).filter(|n| *n > 0);
            let n = to_payload.map_or(PIECE, |n| PIECE.min(n as usize));
            let n = self
                .patch
                .read(at, self.piece.get_mut(..n).unwrap_or(&mut []));
            if n == 0 {
                break;
            }
            let progress = patcher.push_at(at, self.piece.get(..n).unwrap_or(&[]))?;
            at = progress.wanted;
            if new_size == 0 && progress.new_size != 0 {
                new_size = progress.new_size;
                opened = board::ticks();
            }
        }
        let decoded = board::ticks();
        patcher.finish()?;
        self.times.open = opened.wrapping_sub(began);
        self.times.decode = decoded.wrapping_sub(opened);
        self.times.finish = board::ticks().wrapping_sub(decoded);
        Ok(new_size)
    }
}

/// The supply that the command line asks for.
fn supply() -> Supply {
    let mut buf = [0; 64];
    let mut supply = Supply {
        left: Cell::new(u32::MAX),
        strict: false,
    };
    for word in host::command_line(&mut buf).split(|b| *b == b' ' || *b == 0) {
        if word == b"strict" {
            supply.strict = true;
        } else if let Some(number) = word.strip_prefix(b"cut=") {
            let digit = |n: u32, b: &u8| n.wrapping_mul(10).wrapping_add(u32::from(b & 15));
            supply.left.set(number.iter().fold(0, digit));
        }
    }
    supply
}

/// Called by the board at power-on.
fn run() -> ! {
    let supply = supply();
    let (Some(workspace), Some(mut board)) = (board::workspace(), Board::open(&supply)) else {
        report::text("error: no files\n");
        host::exit(2);
    };
    let workspace_bytes = 2 * workspace.words.len() + workspace.bytes.len();
    let (result, stack, room) = board::stack_of(|| board.update(workspace));
    let new_size = match result {
        Ok(size) => size,
        Err(e) => {
            report::text("error ");
            report::text(report::name(&e));
            report::text("\n");
            host::exit(1);
        }
    };
    let patcher = size_of::<Demo>();
    let times = &board.times;
    report::fields(&[
        ("workspace_bytes", workspace_bytes as u64),
        ("patcher_bytes", patcher as u64),
        ("stack_bytes", stack as u64),
        ("stack_room_bytes", room as u64),
        ("ram_bytes", (workspace_bytes + stack) as u64),
        ("new_bytes", u64::from(new_size)),
        ("insns_signature", board::instructions(board.verify.get())),
        ("insns_open", board::instructions(times.open)),
        ("insns_decode", board::instructions(times.decode)),
        ("insns_finish", board::instructions(times.finish)),
        ("slot_erases", u64::from(board.slot.erases)),
        ("slot_programs", u64::from(board.slot.programs)),
        ("journal_erases", u64::from(board.journal.erases)),
        ("journal_programs", u64::from(board.journal.programs)),
    ]);
    host::exit(0)
}

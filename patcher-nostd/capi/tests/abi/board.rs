//! A board in C's manner: flash, bootloader and verifier behind callbacks with contexts.

use deltamote_capi::*;
use std::cell::Cell;
use std::ffi::c_void;
use std::rc::Rc;

pub const WRITE: u32 = 8;
pub const BLOCK: u32 = 512;

/// Flash that refuses to program what is not erased.
pub struct Chip {
    pub bytes: Vec<u8>,
    /// Writing operations left until power fails; shared by all chips of a board.
    pub power: Rc<Cell<u32>>,
    /// What a read gives instead of success, once `reads_left` is used up.
    pub read_result: i32,
    pub reads_left: u32,
    /// Set by a write that no flash would take.
    pub broken_rule: bool,
    /// A handle that each read calls back into, and what that gave.
    pub reenter: *mut Context,
    pub reentered: Option<[Status; 4]>,
}

impl Chip {
    fn new(size: u32, power: &Rc<Cell<u32>>) -> Self {
        Chip {
            bytes: vec![0xff; size as usize],
            power: power.clone(),
            read_result: 0,
            reads_left: u32::MAX,
            broken_rule: false,
            reenter: std::ptr::null_mut(),
            reentered: None,
        }
    }

    /// How many of `len` bytes the operation at hand still reaches.
    fn reach(&self, len: usize) -> (usize, i32) {
        let left = self.power.get();
        self.power.set(left.saturating_sub(1));
        match left {
            0 => (0, -5),
            1 => (len / 2, -5),
            _ => (len, 0),
        }
    }
}

unsafe extern "C" fn read(context: *mut c_void, offset: u32, out: *mut u8, len: usize) -> i32 {
    // SAFETY: `Board::config` gives a chip as context.
    let chip = unsafe { &mut *context.cast::<Chip>() };
    if !chip.reenter.is_null() {
        // SAFETY: the handle is the one in whose call we are.
        chip.reentered = Some(unsafe {
            [
                deltamote_push(chip.reenter, [1].as_ptr(), 1, std::ptr::null_mut()),
                deltamote_finish(chip.reenter),
                deltamote_close(chip.reenter),
                deltamote_progress(chip.reenter, &mut Progress::default()),
            ]
        });
    }
    if chip.reads_left == 0 {
        return chip.read_result;
    }
    chip.reads_left -= 1;
    let from = &chip.bytes[offset as usize..][..len];
    // SAFETY: the library gives `len` bytes to fill.
    unsafe { out.copy_from_nonoverlapping(from.as_ptr(), len) };
    0
}

unsafe extern "C" fn erase(context: *mut c_void, offset: u32, len: u32) -> i32 {
    // SAFETY: as above.
    let chip = unsafe { &mut *context.cast::<Chip>() };
    chip.broken_rule |= len != BLOCK || !offset.is_multiple_of(BLOCK);
    let (reach, result) = chip.reach(len as usize);
    chip.bytes[offset as usize..][..reach].fill(0xff);
    result
}

unsafe extern "C" fn program(
    context: *mut c_void,
    offset: u32,
    bytes: *const u8,
    len: usize,
) -> i32 {
    // SAFETY: as above.
    let chip = unsafe { &mut *context.cast::<Chip>() };
    // SAFETY: the library gives `len` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, len) };
    let (reach, result) = chip.reach(len);
    let to = &mut chip.bytes[offset as usize..][..len];
    chip.broken_rule |= !offset.is_multiple_of(WRITE) || !len.is_multiple_of(WRITE as usize);
    chip.broken_rule |= to.iter().any(|byte| *byte != 0xff);
    to[..reach].copy_from_slice(&bytes[..reach]);
    result
}

/// A copy of what a manifest said.
#[derive(PartialEq, Eq, Debug)]
pub struct Offered {
    pub sequence: u64,
    pub sizes: [u32; 2],
    pub digests: [Option<Vec<u8>>; 2],
    pub payload_size: u32,
    pub profile: u32,
    pub update_class: u32,
    pub encrypted: u32,
    pub vendor: Option<Vec<u8>>,
    pub class_id: Option<Vec<u8>>,
    pub sboms: [Option<Vec<u8>>; 2],
    pub advisories: Vec<String>,
    pub extensions: Vec<u8>,
}

/// The `len` bytes at `at`, if it is not null.
///
/// # Safety
/// They are there.
unsafe fn copied(at: *const u8, len: usize) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise.
    (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at, len) }.to_vec())
}

impl Offered {
    /// # Safety
    /// `manifest` is what the callback was given.
    unsafe fn of(manifest: *const Manifest) -> Offered {
        // SAFETY: the lengths are as the header says.
        unsafe {
            let m = &*manifest;
            let ids = m.advisories.iter().take(m.advisory_count);
            let text = |id: &Text| String::from_utf8(copied(id.bytes, id.len).unwrap()).unwrap();
            Offered {
                sequence: m.sequence,
                sizes: [m.old_size, m.new_size],
                digests: [copied(m.old_digest, 32), copied(m.new_digest, 32)],
                payload_size: m.payload_size,
                profile: m.profile,
                update_class: m.update_class,
                encrypted: m.encrypted,
                vendor: copied(m.vendor, 16),
                class_id: copied(m.class_id, 16),
                sboms: [copied(m.sbom_old, 32), copied(m.sbom_new, 32)],
                advisories: ids.map(text).collect(),
                extensions: copied(m.extensions, m.extensions_len).unwrap(),
            }
        }
    }
}

/// A bootloader and what it was told.
#[derive(Default)]
pub struct Loader {
    pub confirmed: i32,
    pub fail: i32,
    pub cleared: u32,
    pub pending: Option<u32>,
    /// Declines this sequence number.
    pub declined: Option<u64>,
    /// What the manifest that was offered said.
    pub offered: Option<Offered>,
}

unsafe extern "C" fn is_confirmed(context: *mut c_void) -> i32 {
    // SAFETY: `Board::config` gives a loader as context.
    unsafe { &*context.cast::<Loader>() }.confirmed
}

unsafe extern "C" fn accepts(context: *mut c_void, manifest: *const Manifest) -> i32 {
    // SAFETY: as above; the manifest is there during the call.
    let (loader, offered) = unsafe { (&mut *context.cast::<Loader>(), Offered::of(manifest)) };
    let wanted = loader.declined != Some(offered.sequence);
    loader.offered = Some(offered);
    wanted.into()
}

unsafe extern "C" fn clear_pending(context: *mut c_void) -> i32 {
    // SAFETY: as above.
    let loader = unsafe { &mut *context.cast::<Loader>() };
    loader.cleared += 1;
    loader.pending = None;
    0
}

unsafe extern "C" fn set_pending(context: *mut c_void, image_len: u32) -> i32 {
    // SAFETY: as above.
    let loader = unsafe { &mut *context.cast::<Loader>() };
    if loader.fail == 0 {
        loader.pending = Some(image_len);
    }
    loader.fail
}

pub struct Board {
    pub old: Box<Chip>,
    pub slot: Box<Chip>,
    pub journal: Box<Chip>,
    pub loader: Box<Loader>,
    pub power: Rc<Cell<u32>>,
    pub flags: u32,
}

impl Board {
    /// With `old` in place and a slot for `new_len` bytes.
    pub fn new(old: &[u8], new_len: usize) -> Self {
        let power = Rc::new(Cell::new(u32::MAX));
        let mut chip = Chip::new(8192, &power);
        chip.bytes[..old.len()].copy_from_slice(old);
        let slot = (new_len as u32).next_multiple_of(BLOCK);
        Board {
            old: Box::new(chip),
            slot: Box::new(Chip::new(slot, &power)),
            journal: Box::new(Chip::new(2 * BLOCK, &power)),
            loader: Box::new(Loader {
                confirmed: 1,
                ..Loader::default()
            }),
            power,
            flags: DELTAMOTE_ALLOW_UNSIGNED,
        }
    }

    /// The board as C describes it. The contexts point into it.
    pub fn config(&mut self) -> Config {
        // SAFETY: zeros are what C's `{0}` gives; all fields take them (null, 0, none).
        let mut config: Config = unsafe { std::mem::zeroed() };
        config.profile = Profile::Tiny as u32;
        config.flags = self.flags;
        config.old_image = flash(&mut self.old);
        config.old_image.erase = None;
        config.old_image.program = None;
        config.slot = flash(&mut self.slot);
        config.journal = flash(&mut self.journal);
        config.hand_over = HandOver {
            context: (&raw mut *self.loader).cast(),
            is_confirmed: Some(is_confirmed),
            accepts: Some(accepts),
            clear_pending: Some(clear_pending),
            set_pending: Some(set_pending),
        };
        config
    }

    pub fn broke_a_rule(&self) -> bool {
        self.slot.broken_rule || self.journal.broken_rule
    }
}

fn flash(chip: &mut Chip) -> Flash {
    Flash {
        size: chip.bytes.len() as u32,
        context: (&raw mut *chip).cast(),
        write_size: WRITE,
        erase_size: BLOCK,
        runs: std::ptr::null(),
        run_count: 0,
        rewritable: 0,
        erased_is_zero: 0,
        read: Some(read),
        erase: Some(erase),
        program: Some(program),
    }
}

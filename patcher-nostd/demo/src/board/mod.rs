//! The boards: start, memory, stack paint, panic. All `unsafe` of the demo is in this folder.

// Each of the firmwares uses a part of it.
#![allow(dead_code, unused_imports)]

mod clock;
pub mod host;
pub mod memory;

pub use clock::{Ticks, instructions, ticks};

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "small")]
use deltamote_patcher::SmallWorkspace as Space;
#[cfg(feature = "tiny")]
use deltamote_patcher::TinyWorkspace as Space;
use deltamote_patcher::WorkspaceRef;

static mut WORKSPACE: Space = Space::new();
static LENT: AtomicBool = AtomicBool::new(false);

/// The workspace; `None` after the first time.
pub fn workspace() -> Option<WorkspaceRef<'static>> {
    if LENT.load(Ordering::Relaxed) {
        return None;
    }
    LENT.store(true, Ordering::Relaxed);
    // SAFETY: one core, no interrupts, and `LENT` lets this run once: nothing else refers
    // to it.
    Some(unsafe { (*(&raw mut WORKSPACE)).lend() })
}

#[cfg(not(feature = "rv32"))]
#[cortex_m_rt::entry]
fn main() -> ! {
    clock::start();
    crate::run()
}

#[cfg(feature = "rv32")]
core::arch::global_asm!(
    ".section .init, \"ax\"",
    ".globl _start",
    "_start:",
    "la sp, _stack_start",
    "la t0, _sbss",
    "la t1, __sheap",
    "1: bgeu t0, t1, 2f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 1b",
    "2: j {start}",
    start = sym start_rv32,
);

#[cfg(feature = "rv32")]
extern "C" fn start_rv32() -> ! {
    clock::start();
    crate::run()
}

unsafe extern "C" {
    /// Defined nowhere: an image in which a panic can be reached does not link.
    safe fn a_panic_is_reachable() -> !;
    /// End of the statics, by the linker script.
    static __sheap: u32;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    a_panic_is_reachable()
}

/// Most bytes of stack that are painted.
const DEPTH: usize = if cfg!(feature = "ml-dsa") { 512 } else { 24 } * 1024;
const PAINT: u32 = 0xcccc_cccc;

fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    #[cfg(not(feature = "rv32"))]
    unsafe {
        asm!("mov {}, sp", out(reg) sp, options(nomem, nostack));
    }
    // SAFETY: reads a register.
    #[cfg(feature = "rv32")]
    unsafe {
        asm!("mv {}, sp", out(reg) sp, options(nomem, nostack));
    }
    sp
}

/// Calls `f`; gives how many bytes of stack it used at most, and how many there were.
#[inline(never)]
pub fn stack_of<R>(f: impl FnOnce() -> R) -> (R, usize, usize) {
    let top = stack_pointer();
    let room = top.saturating_sub(&raw const __sheap as usize) & !3;
    let depth = room.min(DEPTH);
    let bottom = (top - depth) as *mut u32;
    let words = depth / 4;
    for k in 0..words {
        // SAFETY: below the stack pointer and above the statics; no interrupts.
        unsafe { bottom.add(k).write_volatile(PAINT) };
    }
    let result = f();
    let untouched = (0..words)
        // SAFETY: as above.
        .take_while(|&k| unsafe { bottom.add(k).read_volatile() } == PAINT)
        .count();
    (result, depth - 4 * untouched, depth)
}

/// Where images of the A/B demonstration are loaded: PSRAM of mps2-an386.
const IMAGE: usize = 0x2100_0000;
const IMAGE_BYTES: usize = 1 << 20;

/// The memory that images are loaded into; `None` after the first time.
#[cfg(feature = "m4")]
pub fn image_memory() -> Option<&'static mut [u8]> {
    static LENT: AtomicBool = AtomicBool::new(false);
    if LENT.load(Ordering::Relaxed) {
        return None;
    }
    LENT.store(true, Ordering::Relaxed);
    // SAFETY: memory of the board that no linker script of the boot stage gives away, lent
    // once; the emulator gives it a value.
    Some(unsafe { core::slice::from_raw_parts_mut(IMAGE as *mut u8, IMAGE_BYTES) })
}

/// Starts the image whose vector table is `offset` bytes into the image memory.
#[cfg(feature = "m4")]
pub fn start_image(offset: usize) -> ! {
    let table = (IMAGE + offset) as *const usize;
    // SAFETY: the caller has checked the image: its table begins with stack pointer and
    // entry. Nothing of the boot stage is used from here on.
    unsafe {
        (0xe000_ed08 as *mut usize).write_volatile(table as usize);
        let (stack, entry) = (table.read_volatile(), table.add(1).read_volatile());
        asm!("msr msp, {}", "bx {}", in(reg) stack, in(reg) entry, options(noreturn));
    }
}

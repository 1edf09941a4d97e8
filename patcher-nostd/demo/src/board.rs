//! The boards: start, memory, clock, stack paint, semihosting. All `unsafe` of the demo.

use crate::flash::{JOURNAL, SLOT};
use core::arch::asm;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "small")]
use deltamote_patcher::SmallWorkspace as Space;
#[cfg(feature = "tiny")]
use deltamote_patcher::TinyWorkspace as Space;
use deltamote_patcher::WorkspaceRef;

/// Time, in units of the board's clock.
pub type Ticks = u32;

macro_rules! image {
    ($name:ident, $file:literal) => {
        /// A file of the folder that run.sh filled; kept out of `.rodata`, whose size is
        /// measured.
        pub static $name: &[u8] = {
            const FILE: &[u8] = include_bytes!(concat!(env!("DELTAMOTE_DEMO"), "/", $file));
            #[unsafe(link_section = ".images")]
            static BYTES: [u8; FILE.len()] = *FILE.first_chunk().unwrap();
            &BYTES
        };
    };
}
image!(OLD, "old.bin");
image!(NEW, "new.bin");
image!(PATCH, "patch.dmp");

/// What the board lends to the demo.
pub struct Memory {
    pub workspace: WorkspaceRef<'static>,
    pub slot: &'static mut [u8],
    pub journal: &'static mut [u8],
}

static mut WORKSPACE: Space = Space::new();
// Flash keeps its content over a reset: `.uninit` is left alone by the start code. The
// emulator's memory is 0 at power-on.
#[unsafe(link_section = ".uninit.slot")]
static mut SLOT_BYTES: MaybeUninit<[u8; SLOT]> = MaybeUninit::uninit();
#[unsafe(link_section = ".uninit.journal")]
static mut JOURNAL_BYTES: MaybeUninit<[u8; JOURNAL]> = MaybeUninit::uninit();
#[unsafe(link_section = ".uninit.boots")]
static mut BOOTS: MaybeUninit<usize> = MaybeUninit::uninit();
static LENT: AtomicBool = AtomicBool::new(false);

/// What comes after a boot.
pub enum Next {
    Reset,
    Done,
}

fn start() -> ! {
    if LENT.load(Ordering::Relaxed) {
        exit(false);
    }
    LENT.store(true, Ordering::Relaxed);
    // SAFETY: one core, no interrupts, and `LENT` lets this run once a boot: nothing
    // else refers to the four. The emulator gives all memory a value, so none of them is
    // uninitialised.
    let (boot, memory) = unsafe {
        let boots = &raw mut BOOTS as *mut usize;
        let boot = boots.read_volatile();
        boots.write_volatile(boot + 1);
        let memory = Memory {
            workspace: (*(&raw mut WORKSPACE)).lend(),
            slot: &mut *(&raw mut SLOT_BYTES as *mut [u8; SLOT]),
            journal: &mut *(&raw mut JOURNAL_BYTES as *mut [u8; JOURNAL]),
        };
        (boot, memory)
    };
    clock_start();
    match crate::run(boot, memory) {
        Ok(Next::Reset) => reset(),
        Ok(Next::Done) => exit(true),
        Err(()) => exit(false),
    }
}

/// Resets the board: the core, its registers, its devices; memory stays.
fn reset() -> ! {
    #[cfg(not(feature = "rv32"))]
    const RESET: (usize, u32) = (0xe000_ed0c, 0x05fa_0004);
    #[cfg(feature = "rv32")]
    const RESET: (usize, u32) = (0x0010_0000, 0x7777);
    loop {
        // SAFETY: AIRCR of the core, or the test device of virt.
        unsafe { (RESET.0 as *mut u32).write_volatile(RESET.1) };
    }
}

#[cfg(not(feature = "rv32"))]
#[cortex_m_rt::entry]
fn main() -> ! {
    start()
}

#[cfg(feature = "rv32")]
core::arch::global_asm!(
    ".section .init, \"ax\"",
    ".globl _start",
    "_start:",
    "la sp, _stack_start",
    "la t0, _sbss",
    "la t1, _ebss",
    "1: bgeu t0, t1, 2f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 1b",
    "2: j {start}",
    start = sym start_rv32,
);

#[cfg(feature = "rv32")]
extern "C" fn start_rv32() -> ! {
    start()
}

unsafe extern "C" {
    /// Defined nowhere: an image in which a panic can be reached does not link.
    safe fn a_panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    a_panic_is_reachable()
}

/// Stack below this is painted.
const DEPTH: usize = 24 * 1024;
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

/// Calls `f`; gives how many bytes of stack it used at most.
#[inline(never)]
pub fn stack_of<R>(f: impl FnOnce() -> R) -> (R, usize) {
    let top = stack_pointer();
    let bottom = (top - DEPTH) as *mut u32;
    let words = DEPTH / 4;
    for k in 0..words {
        // SAFETY: below the stack pointer and above the end of `.bss`, by the layouts
        // in boards/; no interrupts.
        unsafe { bottom.add(k).write_volatile(PAINT) };
    }
    let result = f();
    let untouched = (0..words)
        // SAFETY: as above.
        .take_while(|&k| unsafe { bottom.add(k).read_volatile() } == PAINT)
        .count();
    (result, DEPTH - 4 * untouched)
}

/// Timer: base address, offset of the count, and nanoseconds of a tick.
#[cfg(any(feature = "m3", feature = "m4"))]
const TIMER: (usize, u32) = (0x4000_2000, 40);
#[cfg(feature = "m33")]
const TIMER: (usize, u32) = (0x5000_0000, 50);

/// The dual timer (CMSDK) counts down from its load value.
#[cfg(any(feature = "m3", feature = "m4"))]
fn clock_start() {
    // SAFETY: registers of the board's timer, used by nobody else.
    unsafe {
        (TIMER.0 as *mut u32).write_volatile(u32::MAX);
        ((TIMER.0 + 8) as *mut u32).write_volatile(0x82);
    }
}

#[cfg(any(feature = "m3", feature = "m4"))]
pub fn ticks() -> Ticks {
    // SAFETY: as above.
    !unsafe { ((TIMER.0 + 4) as *const u32).read_volatile() }
}

/// The simple timer (CMSDK): control, value, reload.
#[cfg(feature = "m33")]
fn clock_start() {
    // SAFETY: registers of the board's timer, used by nobody else.
    unsafe {
        ((TIMER.0 + 8) as *mut u32).write_volatile(u32::MAX);
        ((TIMER.0 + 4) as *mut u32).write_volatile(u32::MAX);
        (TIMER.0 as *mut u32).write_volatile(1);
    }
}

#[cfg(feature = "m33")]
pub fn ticks() -> Ticks {
    // SAFETY: as above.
    !unsafe { ((TIMER.0 + 4) as *const u32).read_volatile() }
}

#[cfg(feature = "rv32")]
const TIMER: (usize, u32) = (0, 1);

#[cfg(feature = "rv32")]
fn clock_start() {}

#[cfg(feature = "rv32")]
pub fn ticks() -> Ticks {
    let count: u32;
    // SAFETY: reads the counter of retired instructions.
    unsafe { asm!("csrr {}, minstret", out(reg) count, options(nomem, nostack)) };
    count
}

/// Instructions that took `ticks`: under `-icount shift=0` one takes a nanosecond.
pub fn instructions(ticks: Ticks) -> u64 {
    u64::from(ticks) * u64::from(TIMER.1)
}

/// Semihosting call `operation`.
fn host(operation: usize, argument: usize) {
    // SAFETY: the emulator answers; the operations used here write nothing.
    #[cfg(not(feature = "rv32"))]
    unsafe {
        asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument);
    }
    // SAFETY: as above. The two nops mark the break as a call (RISC-V semihosting spec).
    #[cfg(feature = "rv32")]
    unsafe {
        asm!(
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inout("a0") operation => _, in("a1") argument
        );
    }
}

/// A byte to the terminal (SYS_WRITEC).
pub fn put(byte: u8) {
    host(0x03, (&raw const byte) as usize);
}

/// Leaves the emulator (SYS_EXIT): success or failure.
fn exit(good: bool) -> ! {
    const APPLICATION_EXIT: usize = 0x20026;
    const RUNTIME_ERROR: usize = 0x20023;
    loop {
        host(
            0x18,
            if good {
                APPLICATION_EXIT
            } else {
                RUNTIME_ERROR
            },
        );
    }
}

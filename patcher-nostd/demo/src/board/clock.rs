//! A counter of instructions on each board: under `-icount shift=0` an instruction takes
//! a nanosecond of the board's time.

/// Time, in units of the board's counter.
pub type Ticks = u32;

/// Instructions that took `ticks`.
pub fn instructions(ticks: Ticks) -> u64 {
    u64::from(ticks) * TENTHS / 10
}

pub use counter::{start, ticks};

/// The dual timer (CMSDK), 25 MHz, counts down from its load value.
#[cfg(any(feature = "m3", feature = "m4"))]
const TENTHS: u64 = 400;
#[cfg(any(feature = "m3", feature = "m4"))]
mod counter {
    const TIMER: usize = 0x4000_2000;

    pub fn start() {
        // SAFETY: registers of the board's timer, used by nobody else.
        unsafe {
            (TIMER as *mut u32).write_volatile(u32::MAX);
            ((TIMER + 8) as *mut u32).write_volatile(0x82);
        }
    }

    pub fn ticks() -> super::Ticks {
        // SAFETY: as above.
        !unsafe { ((TIMER + 4) as *const u32).read_volatile() }
    }
}

/// The simple timer (CMSDK), 20 MHz: control, value, reload.
#[cfg(feature = "m33")]
const TENTHS: u64 = 500;
#[cfg(feature = "m33")]
mod counter {
    const TIMER: usize = 0x5000_0000;

    pub fn start() {
        // SAFETY: registers of the board's timer, used by nobody else.
        unsafe {
            ((TIMER + 8) as *mut u32).write_volatile(u32::MAX);
            ((TIMER + 4) as *mut u32).write_volatile(u32::MAX);
            (TIMER as *mut u32).write_volatile(1);
        }
    }

    pub fn ticks() -> super::Ticks {
        // SAFETY: as above.
        !unsafe { ((TIMER + 4) as *const u32).read_volatile() }
    }
}

/// TIMER0 of the nRF51, 16 MHz, 32 bits; the count is captured to be read.
#[cfg(feature = "m0")]
const TENTHS: u64 = 625;
#[cfg(feature = "m0")]
mod counter {
    const TIMER: usize = 0x4000_8000;

    fn write(register: usize, value: u32) {
        // SAFETY: registers of the board's timer, used by nobody else.
        unsafe { ((TIMER + register) as *mut u32).write_volatile(value) };
    }

    pub fn start() {
        write(0x504, 0); // a timer, not a counter
        write(0x508, 3); // 32 bits
        write(0x510, 0); // no prescaler
        write(0x000, 1);
    }

    pub fn ticks() -> super::Ticks {
        write(0x040, 1);
        // SAFETY: as above.
        unsafe { ((TIMER + 0x540) as *const u32).read_volatile() }
    }
}

/// Retired instructions.
#[cfg(feature = "rv32")]
const TENTHS: u64 = 10;
#[cfg(feature = "rv32")]
mod counter {
    pub fn start() {}

    pub fn ticks() -> super::Ticks {
        let count: u32;
        // SAFETY: reads a counter.
        unsafe {
            core::arch::asm!("csrr {}, minstret", out(reg) count, options(nomem, nostack));
        }
        count
    }
}

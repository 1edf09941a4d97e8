//! Simulated flash, stricter than any chip, and a device made of it.
//!
//! Used by the tests of the patcher (a power cut at every flash operation, torn in every
//! way flash is known to tear), by the engine to prove a patch before it leaves, and by
//! the command (`apply`, `demo`, `simulate`).
//!
//! ```text
//! [power] one supply, one operation counter, one cut  --> all [flash] devices
//! [flash] program units with their state              --> [device] old, slot, journal
//! [device] pushes a patch, reboots after each cut     --> new image and [Stats]
//! [sweep]  every cut of a session, again in the next  --> [Report]
//! [oracle] what must hold after each session, and what a cut may cost
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bootloader;
mod device;
mod esp_idf;
mod feed;
mod flash;
mod oracle;
mod power;
mod presets;
mod report;
mod start;
mod sweep;

pub use bootloader::{Bootloader, Flag};
pub use device::{
    ApplyError, Board, Cuts, Options, Outcome, Stats, Transport, apply_on_sim, apply_with,
};
pub use esp_idf::EspBootloader;
pub use flash::{Counts, ERASE_STEPS, Rewrites, SimFlash, Wear};
pub use power::{Power, Tear};
pub use presets::{PRESETS, Preset, Timing, preset};
pub use report::{BlockWear, Report, Uncut};
pub use start::Start;
pub use sweep::{Aftermath, Sweep, Units, Update};

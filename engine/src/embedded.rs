//! One small pair of real images, built in, for the demonstration and for tests.
//!
//! Fed from `corpora/microbit-micropython/` (its README says where the images come from
//! and under which licence); feeds `deltamote demo`.

/// What the images are.
pub const NAME: &str = "MicroPython for the BBC micro:bit";

/// Version of [`OLD`].
pub const OLD_VERSION: &str = "1.2.0";

/// Version of [`NEW`].
pub const NEW_VERSION: &str = "1.2.4";

/// The raw image of the older release, for flash address 0.
pub const OLD: &[u8] = include_bytes!("../../corpora/microbit-micropython/1.2.0.bin");

/// The raw image of the newer release, for flash address 0.
pub const NEW: &[u8] = include_bytes!("../../corpora/microbit-micropython/1.2.4.bin");

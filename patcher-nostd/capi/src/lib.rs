//! The C interface of the patcher, for firmware that is written in C.
//!
//! ```text
//! C firmware --> [api] checks pointers --> [context] in the caller's memory --> Patcher
//!      ^                                                                          |
//!      +-- flash, hand-over: [callbacks]; [trust], [recipient] <------------------+
//!      C firmware --> [key_set] which keys [trust] takes
//! ```
//!
//! `include/deltamote.h` is made from this crate by cbindgen and held to it by a test;
//! `README.md` says how to link it. Each function is a few lines: turn pointers into
//! checked references, call `deltamote_patcher`, turn the result into a [`Status`].
//!
//! This is one of the few places with `unsafe`. Every block rests on what the header
//! asks of the caller and says so; what can be checked is checked first: null and
//! misaligned pointers, sizes, ABI version, a handle that is closed, a call from inside
//! a callback of the same handle.

#![no_std]
#![deny(missing_docs)]

#[cfg(feature = "host")]
extern crate std;

mod api;
mod callbacks;
mod context;
mod key_set;
#[cfg(all(feature = "device", target_os = "none"))]
mod panic;
#[cfg(feature = "encryption")]
mod recipient;
mod status;
mod trust;
mod types;

pub use api::*;
pub use context::{Context, DELTAMOTE_WORKSPACE_ALIGN};
pub use context::{
    DELTAMOTE_WORKSPACE_MEDIUM, DELTAMOTE_WORKSPACE_SMALL, DELTAMOTE_WORKSPACE_TINY,
};
pub use key_set::*;
pub use status::{Class, Status};
pub use types::*;

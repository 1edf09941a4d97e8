//! The C interface of the patcher: an empty shell so far.
//!
//! What comes here, and only here, is `unsafe`: an opaque context in caller-given
//! memory (init takes its size and the ABI version), flash callbacks with a context
//! pointer each, push and finish, and the header `include/deltamote.h` that goes with
//! them. Each function will be a few lines: turn pointers into checked references, call
//! `deltamote_patcher`, turn the result into a code.

#![no_std]
#![deny(missing_docs)]

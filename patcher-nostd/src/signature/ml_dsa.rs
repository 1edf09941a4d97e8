//! ML-DSA-65 (FIPS 204, pure, empty context; RFC 9964), by the ml-dsa crate.
//!
//! The crate expands the whole matrix of the key on the stack, far more than the other
//! schemes take: for Linux-class devices. `tests/signature_stack.rs` measures all of them.

use ml_dsa::{EncodedVerifyingKey, MlDsa65, Signature, VerifyingKey};

/// Whether `signature` (3309 bytes) over `message` is that of the owner of `key` (1952).
#[inline(never)]
pub(super) fn verify(message: &[u8], key: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = <&EncodedVerifyingKey<MlDsa65>>::try_from(key) else {
        return false;
    };
    let Ok(signature) = Signature::<MlDsa65>::try_from(signature) else {
        return false;
    };
    VerifyingKey::<MlDsa65>::decode(key).verify_with_context(message, &[], &signature)
}

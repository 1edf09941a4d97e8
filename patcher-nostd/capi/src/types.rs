//! What C hands over at init: plain structures, all zero where nothing is said.

use core::ffi::c_void;

/// Version of this interface: layouts of the structures and meanings of the functions.
/// A library that was built for another one refuses at `deltamote_init`.
pub const DELTAMOTE_ABI: u32 = 2;

/// `deltamote_config_t.flags`: take patches without signature. For development only.
pub const DELTAMOTE_ALLOW_UNSIGNED: u32 = 1;
/// `deltamote_config_t.flags`: `slot_number` is known; a patch that names one must name it.
pub const DELTAMOTE_HAS_SLOT_NUMBER: u32 = 2;
/// `deltamote_config_t.flags`: `load_address` is known; a patch that names one must name it.
pub const DELTAMOTE_HAS_LOAD_ADDRESS: u32 = 4;
/// `deltamote_config_t.flags`: one signature is not enough; the verifier callback checks
/// the second one too. With a key set: a classical one, then a post-quantum one.
/// `deltamote_root_t.flags` takes it, too.
pub const DELTAMOTE_NEEDS_TWO_SIGNATURES: u32 = 8;
/// `deltamote_config_t.flags`: of a key set, take what its test keys sign, too.
pub const DELTAMOTE_TEST_DEVICE: u32 = 16;

/// Result of a flash callback: done.
pub const DELTAMOTE_FLASH_OK: i32 = 0;
/// Result of a flash callback `read`: the bytes cannot be read (uncorrectable ECC
/// error), most often after a torn write. Part of normal life after a power cut. Any
/// other result that is not `DELTAMOTE_FLASH_OK` means that the operation failed.
pub const DELTAMOTE_FLASH_POISONED: i32 = 1;

/// Result of the callback `verify`: trusted, and the signature holds.
pub const DELTAMOTE_TRUSTED: i32 = 0;
/// Result of the callback `verify`: no trusted key has this id and algorithm. Results that
/// have no name here mean that the signature does not hold.
pub const DELTAMOTE_NO_SUCH_KEY: i32 = 1;
/// Result of the callback `verify`: the key is revoked.
pub const DELTAMOTE_REVOKED_KEY: i32 = 2;
/// Result of the callback `verify`: the key may not sign for this device.
pub const DELTAMOTE_NOT_ENTITLED_KEY: i32 = 3;

/// Result of the callback `content_key`: the key is in `key`.
pub const DELTAMOTE_CONTENT_KEY_OK: i32 = 0;
/// Result of the callback `content_key`: no key of this recipient is here. Results that
/// have no name here mean that the encapsulated key does not open.
pub const DELTAMOTE_OTHER_RECIPIENT: i32 = 1;

/// `deltamote_manifest_t.update_class`: the patch does not say.
pub const DELTAMOTE_UPDATE_NOT_SAID: u32 = 0;
/// `deltamote_manifest_t.update_class`: only repairs weaknesses.
pub const DELTAMOTE_UPDATE_SECURITY: u32 = 1;
/// `deltamote_manifest_t.update_class`: only changes what the device does.
pub const DELTAMOTE_UPDATE_FEATURE: u32 = 2;
/// `deltamote_manifest_t.update_class`: both.
pub const DELTAMOTE_UPDATE_MIXED: u32 = 3;
/// Most advisory ids in a manifest.
pub const DELTAMOTE_MAX_ADVISORIES: usize = 4;

/// Memory class of a device. A patch says which one it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Profile {
    /// 8 KiB of RAM in all.
    Tiny = 0,
    /// 16 KiB of RAM in all. What the command makes by default.
    Small = 1,
    /// 64 KiB of RAM in all.
    Medium = 2,
    /// 8 MiB of RAM in all: Linux-class devices.
    Large = 3,
}

/// A stretch of equal erase blocks.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Run {
    /// Number of blocks.
    pub count: u32,
    /// Bytes of each.
    pub len: u32,
}

/// A flash device, or a part of one; offsets count from its first byte.
///
/// What the patcher keeps to: it programs whole units, each once between two erases, in
/// blocks that it has erased since the last reset. A driver that emulates writes by
/// reading, erasing and writing again breaks the power safety of everything above it.
/// The callbacks must not call functions of this library with the same handle (they
/// give DELTAMOTE_BUSY) and return only when the operation is over.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Flash {
    /// Given to each callback.
    pub context: *mut c_void,
    /// Bytes.
    pub size: u32,
    /// Bytes of a program unit, 1 or more: the largest of all that look at the flash
    /// (driver, bootloader). Not used for the old image.
    pub write_size: u32,
    /// Bytes of an erase block, where all are equal; else 0. Not used for the old image.
    pub erase_size: u32,
    /// Where `erase_size` is 0: `run_count` stretches of equal blocks from the front,
    /// which must stay where they are until `deltamote_close` (STM32F4: 4 of 16 KiB, 1 of
    /// 64 KiB, 7 of 128 KiB). NULL otherwise.
    pub runs: *const Run,
    /// Elements of `runs`.
    pub run_count: usize,
    /// 0: a program unit is programmed once between erases (flash with ECC; right
    /// everywhere). 1: programming a unit again with the same bytes does no harm (NOR
    /// flash without ECC), which lets an update go on inside an erase block after a reset.
    pub rewritable: u32,
    /// 0: erased bytes read as 0xff, as on nearly all parts. 1: as 0x00.
    pub erased_is_zero: u32,
    /// Reads `len` bytes from `offset`. Gives DELTAMOTE_FLASH_OK, DELTAMOTE_FLASH_POISONED or another
    /// value. Parts that raise an exception for unreadable bytes (STM32 L4, H7, U5):
    /// catch it and give DELTAMOTE_FLASH_POISONED.
    pub read: Option<
        unsafe extern "C" fn(context: *mut c_void, offset: u32, out: *mut u8, len: usize) -> i32,
    >,
    /// Erases the block of `len` bytes at `offset`. Gives 0 or an error. NULL for the old image.
    pub erase: Option<unsafe extern "C" fn(context: *mut c_void, offset: u32, len: u32) -> i32>,
    /// Programs `len` bytes, whole units, at `offset`. Gives 0 or an error. NULL for the
    /// old image.
    pub program: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            offset: u32,
            bytes: *const u8,
            len: usize,
        ) -> i32,
    >,
}

/// A piece of text in UTF-8, not ended by a zero byte.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Text {
    /// The bytes.
    pub bytes: *const u8,
    /// How many.
    pub len: usize,
}

/// What the signer promises about a patch. It and all that it points to is there during
/// the callback only.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Manifest {
    /// Grows with every release.
    pub sequence: u64,
    /// Bytes of the old image.
    pub old_size: u32,
    /// Bytes of the new image.
    pub new_size: u32,
    /// SHA-256 of the old image, 32 bytes.
    pub old_digest: *const u8,
    /// SHA-256 of the new image, 32 bytes.
    pub new_digest: *const u8,
    /// Bytes of the payload: what is still to be received of an update that begins.
    pub payload_size: u32,
    /// The profile that the patch needs: a value of `deltamote_profile_t`.
    pub profile: u32,
    /// Why the update was made: DELTAMOTE_UPDATE_NOT_SAID and others.
    pub update_class: u32,
    /// 1: the payload is encrypted. Else 0.
    pub encrypted: u32,
    /// Vendor id, 16 bytes. NULL: any.
    pub vendor: *const u8,
    /// Class id, 16 bytes. NULL: any.
    pub class_id: *const u8,
    /// SHA-256 of the old image's bill of materials, 32 bytes. NULL: not said.
    pub sbom_old: *const u8,
    /// SHA-256 of the new image's bill of materials, 32 bytes. NULL: not said.
    pub sbom_new: *const u8,
    /// Ids of the advisories that the update answers.
    pub advisories: [Text; DELTAMOTE_MAX_ADVISORIES],
    /// How many of `advisories` are there.
    pub advisory_count: usize,
    /// Extension fields as they were signed: CBOR, key and value one behind the other.
    pub extensions: *const u8,
    /// Bytes of `extensions`.
    pub extensions_len: usize,
}

/// The bootloader's side of an update. All callbacks may be NULL: then whoever calls
/// `deltamote_finish` acts on its result.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct HandOver {
    /// Given to each callback.
    pub context: *mut c_void,
    /// Whether the running image is confirmed: 1 yes, 0 no (the slot holds the image to
    /// fall back to: the patcher refuses with DELTAMOTE_NOT_CONFIRMED), negative: an error.
    /// NULL: it always is.
    pub is_confirmed: Option<unsafe extern "C" fn(context: *mut c_void) -> i32>,
    /// Whether the application wants this update now: 1 yes, 0 no (the patcher refuses with
    /// DELTAMOTE_DECLINED and nothing is touched). The patch is authentic and meant for
    /// this device; `manifest` has all that was signed. Asked again after each reset: the
    /// answer must not depend on what the update itself does. NULL: it does.
    pub accepts:
        Option<unsafe extern "C" fn(context: *mut c_void, manifest: *const Manifest) -> i32>,
    /// Takes back an earlier hand-over, before the slot is erased for the first time in
    /// a session. Must be repeatable. Gives 0 or an error.
    pub clear_pending: Option<unsafe extern "C" fn(context: *mut c_void) -> i32>,
    /// Marks the image of `image_len` bytes in the slot as the next to boot; called once
    /// the slot was read back and its digest holds. Must be repeatable, and a flag that
    /// was half written must read as *not pending*. Gives 0 or an error.
    pub set_pending: Option<unsafe extern "C" fn(context: *mut c_void, image_len: u32) -> i32>,
}

/// Checks signatures: PSA Crypto, a secure element, code in ROM.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Verifier {
    /// Given to the callback.
    pub context: *mut c_void,
    /// Whether the key with the 8 bytes `key_id` (the first of the SHA-256 of the public
    /// key) is trusted for the COSE `algorithm` (-19: Ed25519, -8: the same by its older
    /// name, -9: ECDSA P-256, -46: HSS/LMS, -49: ML-DSA-65) and made `signature` over
    /// `message`. `second` is 1 for the second of two signatures, which must have a set of
    /// trusted keys of its own, else 0. Gives DELTAMOTE_TRUSTED, DELTAMOTE_NO_SUCH_KEY or
    /// another value: the signature does not hold. NULL: the keys of `deltamote_config_t` are
    /// used, and no second signature is believed.
    pub verify: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            second: i32,
            algorithm: i32,
            key_id: *const u8,
            message: *const u8,
            message_len: usize,
            signature: *const u8,
            signature_len: usize,
        ) -> i32,
    >,
}

/// Holds the key that encrypted payloads are for: in a secure element, or in software.
/// All zero: encrypted patches are refused. What is not built in (features `encryption`
/// and `x25519`) gives DELTAMOTE_ENCRYPTION_UNSUPPORTED at init.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Recipient {
    /// Given to the callback.
    pub context: *mut c_void,
    /// The content key (`key`, 32 bytes to fill) that `encapsulated` (32 bytes) holds for
    /// the key pair with the 8 bytes `key_id` (the first of the SHA-256 of the public key):
    /// HPKE's Decap and Export (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), `info`
    /// "deltamote-1", exporter context "content key"), which a secure element does without
    /// showing its key. Gives DELTAMOTE_CONTENT_KEY_OK, DELTAMOTE_OTHER_RECIPIENT or
    /// another value: it does not open. NULL: `secret` is used.
    pub content_key: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            key_id: *const u8,
            encapsulated: *const u8,
            key: *mut u8,
        ) -> i32,
    >,
    /// X25519 secret key in software, 32 bytes. NULL: none. Must stay where it is until
    /// `deltamote_close`.
    pub secret: *const u8,
    /// Its public key, 32 bytes, which must stay likewise.
    pub public_key: *const u8,
}

/// What the device is, what it accepts, and how its flash is reached. Zero bytes mean
/// "nothing special": begin with `deltamote_config_t config = {0};`. Copied at init; only
/// what its pointers point to must stay until `deltamote_close`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Config {
    /// Largest profile accepted: a value of `deltamote_profile_t`. The workspace must suffice
    /// for it.
    pub profile: u32,
    /// DELTAMOTE_ALLOW_UNSIGNED and others, or-ed.
    pub flags: u32,
    /// 16 bytes: vendor id. A patch that names one must name this one. NULL: none.
    pub vendor: *const u8,
    /// 16 bytes: class id. A patch that names one must name this one. NULL: none.
    pub class_id: *const u8,
    /// Number of the new slot; see DELTAMOTE_HAS_SLOT_NUMBER.
    pub slot_number: u32,
    /// Where the new slot is mapped; see DELTAMOTE_HAS_LOAD_ADDRESS.
    pub load_address: u64,
    /// Smallest sequence number accepted: protection against rollback.
    pub sequence_floor: u64,
    /// First byte of the old image in its flash.
    pub old_offset: u32,
    /// First byte of the new image in its slot; begins an erase block.
    pub new_offset: u32,
    /// Bytes at the end of the slot that belong to the bootloader (MCUboot's trailer).
    pub reserved_tail: u32,
    /// Holds the old image; only read.
    pub old_image: Flash,
    /// Takes the new image.
    pub slot: Flash,
    /// Takes the journal: two erase blocks or more.
    pub journal: Flash,
    /// Tells the bootloader.
    pub hand_over: HandOver,
    /// Checks signatures.
    pub verifier: Verifier,
    /// Trusted Ed25519 public keys, 32 bytes each, one behind the other; used where there
    /// is no verifier callback. Must stay where they are until `deltamote_close`.
    pub keys: *const u8,
    /// Number of keys.
    pub key_count: usize,
    /// The key set in use (`deltamote_key_set_t.set` of the one accepted last, which may
    /// lie in flash): its keys are the trusted ones, instead of `keys` and the verifier
    /// callback, which must be NULL then. NULL: none. Must stay where it is until
    /// `deltamote_close`.
    pub key_set: *const u8,
    /// Bytes of `key_set`.
    pub key_set_len: usize,
    /// Holds the key for encrypted payloads.
    pub recipient: Recipient,
}

/// Who signs key sets: a key that stays offline. Zero bytes mean "nothing special".
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Root {
    /// Checks signatures of the root.
    pub verifier: Verifier,
    /// Ed25519 public keys of the root, 32 bytes each; used where there is no verifier callback.
    pub keys: *const u8,
    /// Number of keys.
    pub key_count: usize,
    /// DELTAMOTE_NEEDS_TWO_SIGNATURES or 0.
    pub flags: u32,
}

/// What a device remembers of the key set accepted last: to be stored in one piece, as it
/// is or field by field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Accepted {
    /// Version of the set.
    pub version: u64,
    /// SHA-256 of the set.
    pub digest: [u8; 32],
}

/// A key set that was accepted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AcceptedSet {
    /// The set, in the buffer that was given: to be stored, then for
    /// `deltamote_config_t.key_set`. NULL on failure.
    pub set: *const u8,
    /// Bytes of the set.
    pub len: usize,
    /// To be stored behind the set.
    pub accepted: Accepted,
    /// On failure, what the status says more; see `deltamote_error_detail`.
    pub detail: u32,
}

/// How far an update is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Progress {
    /// Bytes of the last push that are done with.
    pub consumed: usize,
    /// Patch offset of the next byte needed: where to send from.
    pub wanted: u32,
    /// New-image bytes decoded.
    pub decoded: u32,
    /// New-image bytes in the slot that a power cut cannot take back.
    pub written: u32,
    /// Bytes of the new image; 0 until the manifest is known.
    pub new_size: u32,
    /// New-image bytes that were not decoded again because a former session had.
    pub skipped: u32,
    /// 1: nothing more is needed, call `deltamote_finish`. Else 0.
    pub complete: u32,
}

/// More stretches of blocks than any part has: a count above it is a mistake.
pub(crate) const MAX_RUNS: usize = 64;
/// More keys than a device can need.
pub(crate) const MAX_KEYS: usize = 64;
/// More bytes than a key set has: it lies in an envelope.
#[cfg(feature = "key-sets")]
pub(crate) const MAX_KEY_SET: usize = deltamote_patcher::format::envelope::MAX_ENVELOPE;

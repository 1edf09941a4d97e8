/*
 * Deltamote: power-safe delta updates for firmware in C.
 *
 * Made from patcher-nostd/capi/src by `DELTAMOTE_BLESS=1 cargo test -p deltamote-capi
 * --test header`; do not edit. examples/update.c shows all of it at work.
 *
 *     static uint8_t workspace[DELTAMOTE_WORKSPACE_SMALL]
 *         __attribute__((aligned(DELTAMOTE_WORKSPACE_ALIGN)));
 *     deltamote_config_t config = {0};          // zero: nothing special
 *     config.profile = DELTAMOTE_PROFILE_SMALL;
 *     config.old_image = ...; config.slot = ...; config.journal = ...;
 *     config.keys = vendor_key; config.key_count = 1;
 *
 *     deltamote_t *update;
 *     deltamote_status_t status = DELTAMOTE_OPEN(&update, workspace, sizeof workspace, &config);
 *     deltamote_progress_t progress = {0};
 *     while (status == DELTAMOTE_OK && !progress.complete) {
 *         // jumps ahead once after a power cut
 *         uint32_t from = deltamote_wanted_offset(update);
 *         size_t len = radio_fetch(from, buffer, sizeof buffer);
 *         status = deltamote_push_at(update, from, buffer, len, &progress);
 *     }
 *     if (status == DELTAMOTE_OK) status = deltamote_finish(update);
 *     if (status != DELTAMOTE_OK) log(deltamote_error_text(status));
 *     deltamote_close(update);
 *
 * Keys that are rotated and revoked: deltamote_key_set_accept, then config.key_set.
 * Encrypted patches: config.recipient. To decide by what was signed: config.hand_over.accepts.
 *
 * No heap, no threads, no global state. A handle is used by one thread at a time; stack
 * needed: see patcher-nostd/demo/README.md. After a reset, or a failure, do the same
 * again: the journal says how far the update was. Licence: MIT or Apache-2.0.
 */


#ifndef DELTAMOTE_H
#define DELTAMOTE_H

#include <stddef.h>
#include <stdint.h>
/* Which of the sizes below hold. */
#if UINTPTR_MAX > 0xffffffffu
#define DELTAMOTE_POINTERS_64
#else
#define DELTAMOTE_POINTERS_32
#endif

/** `deltamote_init` with the sizes and the version that this header has. */
#define DELTAMOTE_OPEN(handle, workspace, workspace_bytes, config) \
    deltamote_init((handle), (workspace), (workspace_bytes), (config), sizeof *(config), \
                   DELTAMOTE_ABI)

/** `deltamote_key_set_accept` with the size and the version that this header has. */
#define DELTAMOTE_ACCEPT_KEY_SET(file, file_bytes, buffer, buffer_bytes, root, newest, out) \
    deltamote_key_set_accept((file), (file_bytes), (buffer), (buffer_bytes), (root), \
                             sizeof *(root), (newest), (out), DELTAMOTE_ABI)

/**
 * Version of this interface: layouts of the structures and meanings of the functions.
 * A library that was built for another one refuses at `deltamote_init`.
 */
#define DELTAMOTE_ABI 2

/**
 * `deltamote_config_t.flags`: take patches without signature. For development only.
 */
#define DELTAMOTE_ALLOW_UNSIGNED 1

/**
 * `deltamote_config_t.flags`: `slot_number` is known; a patch that names one must name it.
 */
#define DELTAMOTE_HAS_SLOT_NUMBER 2

/**
 * `deltamote_config_t.flags`: `load_address` is known; a patch that names one must name it.
 */
#define DELTAMOTE_HAS_LOAD_ADDRESS 4

/**
 * `deltamote_config_t.flags`: one signature is not enough; the verifier callback checks
 * the second one too. With a key set: a classical one, then a post-quantum one.
 * `deltamote_root_t.flags` takes it, too.
 */
#define DELTAMOTE_NEEDS_TWO_SIGNATURES 8

/**
 * `deltamote_config_t.flags`: of a key set, take what its test keys sign, too.
 */
#define DELTAMOTE_TEST_DEVICE 16

/**
 * Result of a flash callback: done.
 */
#define DELTAMOTE_FLASH_OK 0

/**
 * Result of a flash callback `read`: the bytes cannot be read (uncorrectable ECC
 * error), most often after a torn write. Part of normal life after a power cut. Any
 * other result that is not `DELTAMOTE_FLASH_OK` means that the operation failed.
 */
#define DELTAMOTE_FLASH_POISONED 1

/**
 * Result of the callback `verify`: trusted, and the signature holds.
 */
#define DELTAMOTE_TRUSTED 0

/**
 * Result of the callback `verify`: no trusted key has this id and algorithm. Results that
 * have no name here mean that the signature does not hold.
 */
#define DELTAMOTE_NO_SUCH_KEY 1

/**
 * Result of the callback `verify`: the key is revoked.
 */
#define DELTAMOTE_REVOKED_KEY 2

/**
 * Result of the callback `verify`: the key may not sign for this device.
 */
#define DELTAMOTE_NOT_ENTITLED_KEY 3

/**
 * Result of the callback `content_key`: the key is in `key`.
 */
#define DELTAMOTE_CONTENT_KEY_OK 0

/**
 * Result of the callback `content_key`: no key of this recipient is here. Results that
 * have no name here mean that the encapsulated key does not open.
 */
#define DELTAMOTE_OTHER_RECIPIENT 1

/**
 * `deltamote_manifest_t.update_class`: the patch does not say.
 */
#define DELTAMOTE_UPDATE_NOT_SAID 0

/**
 * `deltamote_manifest_t.update_class`: only repairs weaknesses.
 */
#define DELTAMOTE_UPDATE_SECURITY 1

/**
 * `deltamote_manifest_t.update_class`: only changes what the device does.
 */
#define DELTAMOTE_UPDATE_FEATURE 2

/**
 * `deltamote_manifest_t.update_class`: both.
 */
#define DELTAMOTE_UPDATE_MIXED 3

/**
 * Most advisory ids in a manifest.
 */
#define DELTAMOTE_MAX_ADVISORIES 4

/**
 * The workspace must begin at a multiple of this many bytes.
 */
#define DELTAMOTE_WORKSPACE_ALIGN 8

#if defined(DELTAMOTE_POINTERS_32)
/**
 * Bytes of workspace for profile tiny.
 */
#define DELTAMOTE_WORKSPACE_TINY 8192
#endif

#if defined(DELTAMOTE_POINTERS_64)
/**
 * Bytes of workspace for profile tiny.
 */
#define DELTAMOTE_WORKSPACE_TINY 8960
#endif

#if defined(DELTAMOTE_POINTERS_32)
/**
 * Bytes of workspace for profile small.
 */
#define DELTAMOTE_WORKSPACE_SMALL 13632
#endif

#if defined(DELTAMOTE_POINTERS_64)
/**
 * Bytes of workspace for profile small.
 */
#define DELTAMOTE_WORKSPACE_SMALL 14400
#endif

#if defined(DELTAMOTE_POINTERS_32)
/**
 * Bytes of workspace for profile medium.
 */
#define DELTAMOTE_WORKSPACE_MEDIUM 62464
#endif

#if defined(DELTAMOTE_POINTERS_64)
/**
 * Bytes of workspace for profile medium.
 */
#define DELTAMOTE_WORKSPACE_MEDIUM 63232
#endif

/**
 * Bytes that `deltamote_key_set_in_front` looks at.
 */
#define DELTAMOTE_HEAD_BYTES 6

/**
 * Bytes of the buffer that any key set can be checked in; most take less than 512.
 */
#define DELTAMOTE_KEY_SET_BUFFER 4144

/**
 * Result of a call. 0 is success; the rest says what was wrong, and never changes its
 * number. Failures are final (the same one comes back on every call) except where it
 * says otherwise; after one, a new `deltamote_init` on the same flash resumes.
 */
enum deltamote_status_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Done.
     */
    DELTAMOTE_OK = 0,
    /**
     * A pointer is null or misaligned, or points into the workspace where it must not,
     * or a value is out of range. Not final.
     */
    DELTAMOTE_INVALID_ARGUMENT = 1,
    /**
     * Header and library are not of the same version. Not final.
     */
    DELTAMOTE_ABI_MISMATCH = 2,
    /**
     * The workspace is smaller than the profile needs: see `deltamote_workspace_size`.
     */
    DELTAMOTE_WORKSPACE_TOO_SMALL = 3,
    /**
     * The workspace does not begin at a multiple of DELTAMOTE_WORKSPACE_ALIGN.
     */
    DELTAMOTE_WORKSPACE_MISALIGNED = 4,
    /**
     * Called from inside a callback of the same handle. Not final.
     */
    DELTAMOTE_BUSY = 5,
    /**
     * The handle was never opened, or is closed.
     */
    DELTAMOTE_NOT_OPEN = 6,
    /**
     * Neither a verifier, nor keys that this build can use, nor unsigned patches allowed.
     */
    DELTAMOTE_NO_VERIFIER = 7,
    /**
     * The patch is unsigned and the device does not allow that.
     */
    DELTAMOTE_NOT_SIGNED = 10,
    /**
     * The key that signed is not trusted here.
     */
    DELTAMOTE_UNKNOWN_KEY = 11,
    /**
     * The signature does not hold.
     */
    DELTAMOTE_BAD_SIGNATURE = 12,
    /**
     * A chunk is not the one that was signed. Detail: its patch offset.
     */
    DELTAMOTE_CHUNK_MISMATCH = 13,
    /**
     * The device wants two signatures, and the patch has one.
     */
    DELTAMOTE_SECOND_SIGNATURE_MISSING = 14,
    /**
     * The key that signed is revoked.
     */
    DELTAMOTE_KEY_REVOKED = 15,
    /**
     * The key that signed may not sign this sequence number, or not for this device.
     */
    DELTAMOTE_KEY_NOT_ENTITLED = 16,
    /**
     * A key set is older than the newest one accepted, or another of its version.
     */
    DELTAMOTE_KEY_SET_TOO_OLD = 17,
    /**
     * The patch uses a codec that is not built in.
     */
    DELTAMOTE_CODEC_UNKNOWN = 20,
    /**
     * The patch uses an instruction set that is not built in.
     */
    DELTAMOTE_ISA_UNKNOWN = 21,
    /**
     * The patch needs a trained initial state that is not built in.
     */
    DELTAMOTE_PRIOR_MISSING = 22,
    /**
     * The patch needs a larger profile than the device has.
     */
    DELTAMOTE_PROFILE_TOO_LARGE = 23,
    /**
     * The patch needs more working RAM than was given. Detail: bytes needed.
     */
    DELTAMOTE_RAM_TOO_SMALL = 24,
    /**
     * The payload is encrypted, or at init: a key for that is given, which is not built in.
     */
    DELTAMOTE_ENCRYPTION_UNSUPPORTED = 25,
    /**
     * A key set is to be used, which is not built in.
     */
    DELTAMOTE_KEY_SET_UNSUPPORTED = 26,
    /**
     * Made for another vendor.
     */
    DELTAMOTE_WRONG_VENDOR = 30,
    /**
     * Made for another class of device.
     */
    DELTAMOTE_WRONG_CLASS = 31,
    /**
     * Made for another slot or load address.
     */
    DELTAMOTE_WRONG_SLOT = 32,
    /**
     * The sequence number is below the device's floor.
     */
    DELTAMOTE_SEQUENCE_TOO_OLD = 33,
    /**
     * The old image is not the one that the patch starts from.
     */
    DELTAMOTE_OLD_IMAGE_MISMATCH = 34,
    /**
     * The new image does not fit the slot.
     */
    DELTAMOTE_NEW_IMAGE_TOO_LARGE = 35,
    /**
     * The running image is not confirmed: the slot holds the one to fall back to.
     */
    DELTAMOTE_NOT_CONFIRMED = 36,
    /**
     * The payload is encrypted for another recipient.
     */
    DELTAMOTE_WRONG_RECIPIENT = 37,
    /**
     * The application does not want this update now.
     */
    DELTAMOTE_DECLINED = 38,
    /**
     * The slot does not hold the new image although all was written.
     */
    DELTAMOTE_NEW_IMAGE_MISMATCH = 40,
    /**
     * Bytes follow the end of the patch.
     */
    DELTAMOTE_TRAILING_BYTES = 41,
    /**
     * Bytes were pushed that do not follow on. Detail: patch offset to send from. Not final.
     */
    DELTAMOTE_GAP = 42,
    /**
     * Finished before the patch was complete. Not final.
     */
    DELTAMOTE_INCOMPLETE = 43,
    /**
     * The content key of the encrypted payload cannot be had from the patch.
     */
    DELTAMOTE_CONTENT_KEY_UNAVAILABLE = 44,
    /**
     * A chunk is the one that was signed, but does not decrypt. Detail: its patch offset.
     */
    DELTAMOTE_NOT_DECRYPTED = 45,
    /**
     * The old image's flash cannot be used as described.
     */
    DELTAMOTE_GEOMETRY_OLD = 50,
    /**
     * The slot's flash cannot be used as described.
     */
    DELTAMOTE_GEOMETRY_SLOT = 51,
    /**
     * The journal's flash cannot be used as described.
     */
    DELTAMOTE_GEOMETRY_JOURNAL = 52,
    /**
     * The old image's flash failed.
     */
    DELTAMOTE_FLASH_OLD = 53,
    /**
     * The slot's flash failed.
     */
    DELTAMOTE_FLASH_SLOT = 54,
    /**
     * The journal's flash failed.
     */
    DELTAMOTE_FLASH_JOURNAL = 55,
    /**
     * Bytes of the old image cannot be read.
     */
    DELTAMOTE_POISONED_OLD = 56,
    /**
     * Bytes of the slot cannot be read.
     */
    DELTAMOTE_POISONED_SLOT = 57,
    /**
     * Bytes of the journal cannot be read.
     */
    DELTAMOTE_POISONED_JOURNAL = 58,
    /**
     * The hand-over to the bootloader failed; may be tried again. Not final.
     */
    DELTAMOTE_HAND_OVER = 59,
    /**
     * A state that no input should reach: a defect of the library.
     */
    DELTAMOTE_BUG = 90,
    /**
     * An error that this header does not know.
     */
    DELTAMOTE_OTHER = 91,
    /**
     * This is not a Deltamote patch.
     */
    DELTAMOTE_MAGIC = 100,
    /**
     * The envelope has an impossible length.
     */
    DELTAMOTE_ENVELOPE_LENGTH = 101,
    /**
     * Envelope or manifest are malformed.
     */
    DELTAMOTE_MALFORMED = 102,
    /**
     * Envelope or manifest are not in canonical form.
     */
    DELTAMOTE_NOT_CANONICAL = 103,
    /**
     * An unknown field that must be understood. Detail: its key.
     */
    DELTAMOTE_UNKNOWN_FIELD = 104,
    /**
     * A required field is missing. Detail: its key.
     */
    DELTAMOTE_MISSING_FIELD = 105,
    /**
     * A field has an unknown value.
     */
    DELTAMOTE_UNKNOWN_VALUE = 106,
    /**
     * A field is out of range.
     */
    DELTAMOTE_OUT_OF_RANGE = 107,
    /**
     * Signature and key id do not go together.
     */
    DELTAMOTE_HALF_SIGNED = 108,
    /**
     * The payload ends before the new image is complete.
     */
    DELTAMOTE_PAYLOAD_TRUNCATED = 120,
    /**
     * Bytes are left over after the new image is complete.
     */
    DELTAMOTE_PAYLOAD_TRAILING = 121,
    /**
     * The payload header has an unknown value.
     */
    DELTAMOTE_HEADER_UNSUPPORTED = 122,
    /**
     * The payload header contradicts the manifest.
     */
    DELTAMOTE_HEADER_INCONSISTENT = 123,
    /**
     * An image is larger than the profile can address.
     */
    DELTAMOTE_IMAGE_TOO_LARGE = 124,
    /**
     * The equivalence map is larger than the profile allows.
     */
    DELTAMOTE_MAP_TOO_LARGE = 125,
    /**
     * A map entry lies outside the images.
     */
    DELTAMOTE_MAP_OUT_OF_RANGE = 126,
    /**
     * A copy reads outside the image.
     */
    DELTAMOTE_COPY_OUT_OF_RANGE = 127,
    /**
     * An op writes beyond the end of the new image.
     */
    DELTAMOTE_OUTPUT_OVERRUN = 128,
    /**
     * A number does not fit its field.
     */
    DELTAMOTE_NUMBER_TOO_LARGE = 129,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum deltamote_status_t deltamote_status_t;
#else
typedef int32_t deltamote_status_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a status means to whoever sent the patch.
 */
enum deltamote_class_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing is wrong.
     */
    DELTAMOTE_CLASS_NONE = 0,
    /**
     * Not signed by a trusted key, or altered on the way.
     */
    DELTAMOTE_CLASS_NOT_AUTHENTIC = 1,
    /**
     * Good, but not for this image or this device.
     */
    DELTAMOTE_CLASS_WRONG_BASE = 2,
    /**
     * Broken, or cut short.
     */
    DELTAMOTE_CLASS_DAMAGED = 3,
    /**
     * Good, but this build cannot apply it.
     */
    DELTAMOTE_CLASS_UNSUPPORTED = 4,
    /**
     * The device's flash failed.
     */
    DELTAMOTE_CLASS_FLASH_FAILED = 5,
    /**
     * The firmware called the library in a wrong way.
     */
    DELTAMOTE_CLASS_USAGE = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum deltamote_class_t deltamote_class_t;
#else
typedef int32_t deltamote_class_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Memory class of a device. A patch says which one it needs.
 */
enum deltamote_profile_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * 8 KiB of RAM in all.
     */
    DELTAMOTE_PROFILE_TINY = 0,
    /**
     * 16 KiB of RAM in all. What the command makes by default.
     */
    DELTAMOTE_PROFILE_SMALL = 1,
    /**
     * 64 KiB of RAM in all.
     */
    DELTAMOTE_PROFILE_MEDIUM = 2,
    /**
     * 8 MiB of RAM in all: Linux-class devices.
     */
    DELTAMOTE_PROFILE_LARGE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum deltamote_profile_t deltamote_profile_t;
#else
typedef uint32_t deltamote_profile_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An update under way. Lies at the front of the workspace; use it through its pointer
 * only.
 */
typedef struct deltamote_t deltamote_t;

/**
 * A stretch of equal erase blocks.
 */
typedef struct deltamote_run_t {
    /**
     * Number of blocks.
     */
    uint32_t count;
    /**
     * Bytes of each.
     */
    uint32_t len;
} deltamote_run_t;

/**
 * A flash device, or a part of one; offsets count from its first byte.
 *
 * What the patcher keeps to: it programs whole units, each once between two erases, in
 * blocks that it has erased since the last reset. A driver that emulates writes by
 * reading, erasing and writing again breaks the power safety of everything above it.
 * The callbacks must not call functions of this library with the same handle (they
 * give DELTAMOTE_BUSY) and return only when the operation is over.
 */
typedef struct deltamote_flash_t {
    /**
     * Given to each callback.
     */
    void *context;
    /**
     * Bytes.
     */
    uint32_t size;
    /**
     * Bytes of a program unit, 1 or more: the largest of all that look at the flash
     * (driver, bootloader). Not used for the old image.
     */
    uint32_t write_size;
    /**
     * Bytes of an erase block, where all are equal; else 0. Not used for the old image.
     */
    uint32_t erase_size;
    /**
     * Where `erase_size` is 0: `run_count` stretches of equal blocks from the front,
     * which must stay where they are until `deltamote_close` (STM32F4: 4 of 16 KiB, 1 of
     * 64 KiB, 7 of 128 KiB). NULL otherwise.
     */
    const struct deltamote_run_t *runs;
    /**
     * Elements of `runs`.
     */
    size_t run_count;
    /**
     * 0: a program unit is programmed once between erases (flash with ECC; right
     * everywhere). 1: programming a unit again with the same bytes does no harm (NOR
     * flash without ECC), which lets an update go on inside an erase block after a reset.
     */
    uint32_t rewritable;
    /**
     * 0: erased bytes read as 0xff, as on nearly all parts. 1: as 0x00.
     */
    uint32_t erased_is_zero;
    /**
     * Reads `len` bytes from `offset`. Gives DELTAMOTE_FLASH_OK, DELTAMOTE_FLASH_POISONED or another
     * value. Parts that raise an exception for unreadable bytes (STM32 L4, H7, U5):
     * catch it and give DELTAMOTE_FLASH_POISONED.
     */
    int32_t (*read)(void *context, uint32_t offset, uint8_t *out, size_t len);
    /**
     * Erases the block of `len` bytes at `offset`. Gives 0 or an error. NULL for the old image.
     */
    int32_t (*erase)(void *context, uint32_t offset, uint32_t len);
    /**
     * Programs `len` bytes, whole units, at `offset`. Gives 0 or an error. NULL for the
     * old image.
     */
    int32_t (*program)(void *context, uint32_t offset, const uint8_t *bytes, size_t len);
} deltamote_flash_t;

/**
 * A piece of text in UTF-8, not ended by a zero byte.
 */
typedef struct deltamote_text_t {
    /**
     * The bytes.
     */
    const uint8_t *bytes;
    /**
     * How many.
     */
    size_t len;
} deltamote_text_t;

/**
 * What the signer promises about a patch. It and all that it points to is there during
 * the callback only.
 */
typedef struct deltamote_manifest_t {
    /**
     * Grows with every release.
     */
    uint64_t sequence;
    /**
     * Bytes of the old image.
     */
    uint32_t old_size;
    /**
     * Bytes of the new image.
     */
    uint32_t new_size;
    /**
     * SHA-256 of the old image, 32 bytes.
     */
    const uint8_t *old_digest;
    /**
     * SHA-256 of the new image, 32 bytes.
     */
    const uint8_t *new_digest;
    /**
     * Bytes of the payload: what is still to be received of an update that begins.
     */
    uint32_t payload_size;
    /**
     * The profile that the patch needs: a value of `deltamote_profile_t`.
     */
    uint32_t profile;
    /**
     * Why the update was made: DELTAMOTE_UPDATE_NOT_SAID and others.
     */
    uint32_t update_class;
    /**
     * 1: the payload is encrypted. Else 0.
     */
    uint32_t encrypted;
    /**
     * Vendor id, 16 bytes. NULL: any.
     */
    const uint8_t *vendor;
    /**
     * Class id, 16 bytes. NULL: any.
     */
    const uint8_t *class_id;
    /**
     * SHA-256 of the old image's bill of materials, 32 bytes. NULL: not said.
     */
    const uint8_t *sbom_old;
    /**
     * SHA-256 of the new image's bill of materials, 32 bytes. NULL: not said.
     */
    const uint8_t *sbom_new;
    /**
     * Ids of the advisories that the update answers.
     */
    struct deltamote_text_t advisories[DELTAMOTE_MAX_ADVISORIES];
    /**
     * How many of `advisories` are there.
     */
    size_t advisory_count;
    /**
     * Extension fields as they were signed: CBOR, key and value one behind the other.
     */
    const uint8_t *extensions;
    /**
     * Bytes of `extensions`.
     */
    size_t extensions_len;
} deltamote_manifest_t;

/**
 * The bootloader's side of an update. All callbacks may be NULL: then whoever calls
 * `deltamote_finish` acts on its result.
 */
typedef struct deltamote_hand_over_t {
    /**
     * Given to each callback.
     */
    void *context;
    /**
     * Whether the running image is confirmed: 1 yes, 0 no (the slot holds the image to
     * fall back to: the patcher refuses with DELTAMOTE_NOT_CONFIRMED), negative: an error.
     * NULL: it always is.
     */
    int32_t (*is_confirmed)(void *context);
    /**
     * Whether the application wants this update now: 1 yes, 0 no (the patcher refuses with
     * DELTAMOTE_DECLINED and nothing is touched). The patch is authentic and meant for
     * this device; `manifest` has all that was signed. Asked again after each reset: the
     * answer must not depend on what the update itself does. NULL: it does.
     */
    int32_t (*accepts)(void *context, const struct deltamote_manifest_t *manifest);
    /**
     * Takes back an earlier hand-over, before the slot is erased for the first time in
     * a session. Must be repeatable. Gives 0 or an error.
     */
    int32_t (*clear_pending)(void *context);
    /**
     * Marks the image of `image_len` bytes in the slot as the next to boot; called once
     * the slot was read back and its digest holds. Must be repeatable, and a flag that
     * was half written must read as *not pending*. Gives 0 or an error.
     */
    int32_t (*set_pending)(void *context, uint32_t image_len);
} deltamote_hand_over_t;

/**
 * Checks signatures: PSA Crypto, a secure element, code in ROM.
 */
typedef struct deltamote_verifier_t {
    /**
     * Given to the callback.
     */
    void *context;
    /**
     * Whether the key with the 8 bytes `key_id` (the first of the SHA-256 of the public
     * key) is trusted for the COSE `algorithm` (-19: Ed25519, -8: the same by its older
     * name, -9: ECDSA P-256, -46: HSS/LMS, -49: ML-DSA-65) and made `signature` over
     * `message`. `second` is 1 for the second of two signatures, which must have a set of
     * trusted keys of its own, else 0. Gives DELTAMOTE_TRUSTED, DELTAMOTE_NO_SUCH_KEY or
     * another value: the signature does not hold. NULL: the keys of `deltamote_config_t` are
     * used, and no second signature is believed.
     */
    int32_t (*verify)(void *context,
                      int32_t second,
                      int32_t algorithm,
                      const uint8_t *key_id,
                      const uint8_t *message,
                      size_t message_len,
                      const uint8_t *signature,
                      size_t signature_len);
} deltamote_verifier_t;

/**
 * Holds the key that encrypted payloads are for: in a secure element, or in software.
 * All zero: encrypted patches are refused. What is not built in (features `encryption`
 * and `x25519`) gives DELTAMOTE_ENCRYPTION_UNSUPPORTED at init.
 */
typedef struct deltamote_recipient_t {
    /**
     * Given to the callback.
     */
    void *context;
    /**
     * The content key (`key`, 32 bytes to fill) that `encapsulated` (32 bytes) holds for
     * the key pair with the 8 bytes `key_id` (the first of the SHA-256 of the public key):
     * HPKE's Decap and Export (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), `info`
     * "deltamote-1", exporter context "content key"), which a secure element does without
     * showing its key. Gives DELTAMOTE_CONTENT_KEY_OK, DELTAMOTE_OTHER_RECIPIENT or
     * another value: it does not open. NULL: `secret` is used.
     */
    int32_t (*content_key)(void *context,
                           const uint8_t *key_id,
                           const uint8_t *encapsulated,
                           uint8_t *key);
    /**
     * X25519 secret key in software, 32 bytes. NULL: none. Must stay where it is until
     * `deltamote_close`.
     */
    const uint8_t *secret;
    /**
     * Its public key, 32 bytes, which must stay likewise.
     */
    const uint8_t *public_key;
} deltamote_recipient_t;

/**
 * What the device is, what it accepts, and how its flash is reached. Zero bytes mean
 * "nothing special": begin with `deltamote_config_t config = {0};`. Copied at init; only
 * what its pointers point to must stay until `deltamote_close`.
 */
typedef struct deltamote_config_t {
    /**
     * Largest profile accepted: a value of `deltamote_profile_t`. The workspace must suffice
     * for it.
     */
    uint32_t profile;
    /**
     * DELTAMOTE_ALLOW_UNSIGNED and others, or-ed.
     */
    uint32_t flags;
    /**
     * 16 bytes: vendor id. A patch that names one must name this one. NULL: none.
     */
    const uint8_t *vendor;
    /**
     * 16 bytes: class id. A patch that names one must name this one. NULL: none.
     */
    const uint8_t *class_id;
    /**
     * Number of the new slot; see DELTAMOTE_HAS_SLOT_NUMBER.
     */
    uint32_t slot_number;
    /**
     * Where the new slot is mapped; see DELTAMOTE_HAS_LOAD_ADDRESS.
     */
    uint64_t load_address;
    /**
     * Smallest sequence number accepted: protection against rollback.
     */
    uint64_t sequence_floor;
    /**
     * First byte of the old image in its flash.
     */
    uint32_t old_offset;
    /**
     * First byte of the new image in its slot; begins an erase block.
     */
    uint32_t new_offset;
    /**
     * Bytes at the end of the slot that belong to the bootloader (MCUboot's trailer).
     */
    uint32_t reserved_tail;
    /**
     * Holds the old image; only read.
     */
    struct deltamote_flash_t old_image;
    /**
     * Takes the new image.
     */
    struct deltamote_flash_t slot;
    /**
     * Takes the journal: two erase blocks or more.
     */
    struct deltamote_flash_t journal;
    /**
     * Tells the bootloader.
     */
    struct deltamote_hand_over_t hand_over;
    /**
     * Checks signatures.
     */
    struct deltamote_verifier_t verifier;
    /**
     * Trusted Ed25519 public keys, 32 bytes each, one behind the other; used where there
     * is no verifier callback. Must stay where they are until `deltamote_close`.
     */
    const uint8_t *keys;
    /**
     * Number of keys.
     */
    size_t key_count;
    /**
     * The key set in use (`deltamote_key_set_t.set` of the one accepted last, which may
     * lie in flash): its keys are the trusted ones, instead of `keys` and the verifier
     * callback, which must be NULL then. NULL: none. Must stay where it is until
     * `deltamote_close`.
     */
    const uint8_t *key_set;
    /**
     * Bytes of `key_set`.
     */
    size_t key_set_len;
    /**
     * Holds the key for encrypted payloads.
     */
    struct deltamote_recipient_t recipient;
} deltamote_config_t;

/**
 * How far an update is.
 */
typedef struct deltamote_progress_t {
    /**
     * Bytes of the last push that are done with.
     */
    size_t consumed;
    /**
     * Patch offset of the next byte needed: where to send from.
     */
    uint32_t wanted;
    /**
     * New-image bytes decoded.
     */
    uint32_t decoded;
    /**
     * New-image bytes in the slot that a power cut cannot take back.
     */
    uint32_t written;
    /**
     * Bytes of the new image; 0 until the manifest is known.
     */
    uint32_t new_size;
    /**
     * New-image bytes that were not decoded again because a former session had.
     */
    uint32_t skipped;
    /**
     * 1: nothing more is needed, call `deltamote_finish`. Else 0.
     */
    uint32_t complete;
} deltamote_progress_t;

/**
 * Who signs key sets: a key that stays offline. Zero bytes mean "nothing special".
 */
typedef struct deltamote_root_t {
    /**
     * Checks signatures of the root.
     */
    struct deltamote_verifier_t verifier;
    /**
     * Ed25519 public keys of the root, 32 bytes each; used where there is no verifier callback.
     */
    const uint8_t *keys;
    /**
     * Number of keys.
     */
    size_t key_count;
    /**
     * DELTAMOTE_NEEDS_TWO_SIGNATURES or 0.
     */
    uint32_t flags;
} deltamote_root_t;

/**
 * What a device remembers of the key set accepted last: to be stored in one piece, as it
 * is or field by field.
 */
typedef struct deltamote_accepted_t {
    /**
     * Version of the set.
     */
    uint64_t version;
    /**
     * SHA-256 of the set.
     */
    uint8_t digest[32];
} deltamote_accepted_t;

/**
 * A key set that was accepted.
 */
typedef struct deltamote_key_set_t {
    /**
     * The set, in the buffer that was given: to be stored, then for
     * `deltamote_config_t.key_set`. NULL on failure.
     */
    const uint8_t *set;
    /**
     * Bytes of the set.
     */
    size_t len;
    /**
     * To be stored behind the set.
     */
    struct deltamote_accepted_t accepted;
    /**
     * On failure, what the status says more; see `deltamote_error_detail`.
     */
    uint32_t detail;
} deltamote_key_set_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the interface that this library was built for: DELTAMOTE_ABI of its
 * header.
 */
uint32_t deltamote_abi_version(void);

/**
 * Bytes of workspace that `profile` (a value of `deltamote_profile_t`) needs.
 *
 * Returns 0 for a profile that does not exist. For the three smaller ones,
 * DELTAMOTE_WORKSPACE_TINY and the like are at least that, for a static array.
 */
size_t deltamote_workspace_size(uint32_t profile);

/**
 * Begins an update, or goes on with one that was interrupted: what was done before is in
 * the journal, if the same patch is pushed.
 *
 * `workspace` points to `workspace_bytes` bytes at a multiple of
 * DELTAMOTE_WORKSPACE_ALIGN: all the memory there is. It belongs to the library until
 * `deltamote_close`; whatever it held is overwritten. `config_bytes` is `sizeof(deltamote_config_t)` and `abi_version`
 * is DELTAMOTE_ABI, as the caller's compiler saw them. The handle, which is a pointer into the
 * workspace, is stored in `*handle`.
 *
 * No flash is touched. Returns DELTAMOTE_OK, DELTAMOTE_ABI_MISMATCH,
 * DELTAMOTE_INVALID_ARGUMENT (a pointer or callback is missing or one too many, no such
 * profile, no key set), DELTAMOTE_WORKSPACE_MISALIGNED, DELTAMOTE_WORKSPACE_TOO_SMALL,
 * DELTAMOTE_KEY_SET_UNSUPPORTED, DELTAMOTE_ENCRYPTION_UNSUPPORTED or
 * DELTAMOTE_NO_VERIFIER; `*handle` is NULL on failure.
 *
 * What the caller promises: `handle`, `workspace` and `config` are each NULL or point to what is said above, and do
 * not overlap. The callbacks can be called with their contexts, on the thread that calls
 * this library, until `deltamote_close`.
 */
deltamote_status_t deltamote_init(struct deltamote_t **handle,
                                  void *workspace,
                                  size_t workspace_bytes,
                                  const struct deltamote_config_t *config,
                                  size_t config_bytes,
                                  uint32_t abi_version);

/**
 * Takes the `len` patch bytes that follow those pushed last, at any split: one byte or
 * the whole patch. Bytes that are not needed (after a resume) are skipped.
 *
 * `progress` may be NULL, and is written on success only. Returns DELTAMOTE_OK, or why the patch is not
 * applied: final, but for DELTAMOTE_INVALID_ARGUMENT (`bytes` is NULL or lies in the
 * workspace) and DELTAMOTE_BUSY.
 *
 * What the caller promises: `handle` is NULL or what `deltamote_init` gave, its workspace in place. `bytes` points
 * to `len` bytes and `progress` to a `deltamote_progress_t`, or they are NULL. One thread at
 * a time.
 */
deltamote_status_t deltamote_push(struct deltamote_t *handle,
                                  const uint8_t *bytes,
                                  size_t len,
                                  struct deltamote_progress_t *progress);

/**
 * As `deltamote_push`, for bytes that begin at patch offset `offset`: the way to seek to
 * `deltamote_wanted_offset`.
 *
 * Returns DELTAMOTE_GAP, which is not final, if they begin behind the byte that is needed.
 *
 * What the caller promises: As `deltamote_push`.
 */
deltamote_status_t deltamote_push_at(struct deltamote_t *handle,
                                     uint32_t offset,
                                     const uint8_t *bytes,
                                     size_t len,
                                     struct deltamote_progress_t *progress);

/**
 * Patch offset of the next byte needed: what to ask the transport for (HTTP Range, CoAP
 * Block). After a resume it jumps forward once.
 *
 * Returns 0 if `handle` is not open.
 *
 * What the caller promises: As `deltamote_push`.
 */
uint32_t deltamote_wanted_offset(const struct deltamote_t *handle);

/**
 * How far the update was after the last push that succeeded, in `*progress`.
 *
 * Returns DELTAMOTE_OK, DELTAMOTE_INVALID_ARGUMENT, DELTAMOTE_BUSY or
 * DELTAMOTE_NOT_OPEN.
 *
 * What the caller promises: `handle` as in `deltamote_push`; `progress` is NULL or points to a
 * `deltamote_progress_t`.
 */
deltamote_status_t deltamote_progress(const struct deltamote_t *handle,
                                      struct deltamote_progress_t *progress);

/**
 * Reads the whole new image back, compares its digest with the signed one, and only then
 * hands over to the bootloader. Call when progress is complete. May be called again after
 * DELTAMOTE_INCOMPLETE, DELTAMOTE_HAND_OVER and success.
 *
 * Returns DELTAMOTE_OK: the new image is good and pending; or why it must not be booted.
 *
 * What the caller promises: As `deltamote_push`.
 */
deltamote_status_t deltamote_finish(struct deltamote_t *handle);

/**
 * Ends the use of the workspace; its memory is the caller's again. Flash is not touched:
 * an update that was under way can be resumed.
 *
 * Returns DELTAMOTE_OK, DELTAMOTE_INVALID_ARGUMENT, DELTAMOTE_BUSY or
 * DELTAMOTE_NOT_OPEN.
 *
 * What the caller promises: As `deltamote_push`.
 */
deltamote_status_t deltamote_close(struct deltamote_t *handle);

/**
 * What the status of the last call says more: a patch offset, a manifest key or a
 * number of bytes, as `deltamote_status_t` says; else 0.
 *
 * What the caller promises: As `deltamote_push`.
 */
uint32_t deltamote_error_detail(const struct deltamote_t *handle);

/**
 * `status` in English. Never NULL, whatever the number; stays for ever.
 */
const char *deltamote_error_text(int32_t status);

/**
 * What `status` means to whoever sent the patch: whether to send another one, the same
 * one again, or to look at the device.
 */
deltamote_class_t deltamote_error_class(int32_t status);

/**
 * Bytes of the key set file in front of a patch, into `*file_bytes`: 0 if the patch
 * begins at once. `head` points to the first DELTAMOTE_HEAD_BYTES bytes that were received.
 * The patch's own offsets count from behind the file.
 *
 * Returns DELTAMOTE_OK, DELTAMOTE_INVALID_ARGUMENT, DELTAMOTE_ENVELOPE_LENGTH (a key set of
 * an impossible length) or DELTAMOTE_KEY_SET_UNSUPPORTED.
 *
 * What the caller promises: `head` is NULL or points to `head_len` bytes, `file_bytes` is NULL or points to a `size_t`.
 */
deltamote_status_t deltamote_key_set_in_front(const uint8_t *head,
                                              size_t head_len,
                                              size_t *file_bytes);

/**
 * Checks the key set file at `file`, which came beside a patch or in front of it
 * (`deltamote_key_set_in_front`), under the root key, in the `buffer_bytes` bytes at
 * `buffer`: those of the workspace will do while no update is open in it.
 *
 * `newest` is what is remembered of the set accepted last, NULL if there is none: an older
 * set, or another one of the same version, is refused; the very same again is accepted.
 * `root_bytes` is `sizeof(deltamote_root_t)` and `abi_version` is DELTAMOTE_ABI, as the
 * caller's compiler saw them.
 *
 * What to do then, through any power cut: store `out->set` where the set in use does not
 * lie, then `out->accepted` in one piece. After each reset the set in use is the one that
 * `deltamote_key_set_is` says 1 of.
 *
 * Nothing is remembered here. Returns DELTAMOTE_OK, or why the set must not be used:
 * DELTAMOTE_KEY_SET_TOO_OLD, DELTAMOTE_NOT_SIGNED, DELTAMOTE_UNKNOWN_KEY,
 * DELTAMOTE_BAD_SIGNATURE, DELTAMOTE_INCOMPLETE (the file is longer than `file_bytes`),
 * DELTAMOTE_RAM_TOO_SMALL (detail: bytes of buffer needed), DELTAMOTE_MALFORMED and the like.
 * `*out` is written but for DELTAMOTE_ABI_MISMATCH.
 *
 * What the caller promises: `file`, `buffer`, `root`, `newest` and `out` are each NULL or point to what is said above,
 * and `buffer` and `out` overlap nothing. The root's callback can be called with its context.
 */
deltamote_status_t deltamote_key_set_accept(const uint8_t *file,
                                            size_t file_bytes,
                                            uint8_t *buffer,
                                            size_t buffer_bytes,
                                            const struct deltamote_root_t *root,
                                            size_t root_bytes,
                                            const struct deltamote_accepted_t *newest,
                                            struct deltamote_key_set_t *out,
                                            uint32_t abi_version);

/**
 * Whether the `len` bytes at `set`, found in storage, are the set that `accepted`
 * remembers, unchanged: 1 yes, 0 no (or a pointer is NULL, or it is not built in).
 *
 * What the caller promises: `accepted` is NULL or points to a `deltamote_accepted_t`, `set` is NULL or points to `len`
 * bytes.
 */
int32_t deltamote_key_set_is(const struct deltamote_accepted_t *accepted,
                             const uint8_t *set,
                             size_t len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DELTAMOTE_H */

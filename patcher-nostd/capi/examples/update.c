/*
 * An update in C: the same source runs on a host and on a Cortex-M4.
 *
 *     update OLD PATCH KEY SLOT JOURNAL [CUT [KEYS]]
 *
 * OLD is the running image, PATCH what `deltamote diff` made, KEY the 32 bytes of the
 * vendor's public key; 64 bytes more are secret and public half of the X25519 key that
 * encrypted patches are for. SLOT and JOURNAL are files that stand for flash and keep what
 * was written over a reset; missing ones are erased flash. With CUT other than 0, power
 * fails in the middle of the CUT-th write or erase: the operation is torn and the program
 * ends with status 3. Started again without, it resumes. With KEYS, flash for key sets, KEY
 * is the root's, a key set may lie in front of PATCH, and the patch must be signed by a key
 * of the newest one. Status 0: the new image is in SLOT.
 */
#include "board.h"
#include "deltamote.h"
#include "keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that the radio delivers at a time. */
#define PIECE 64
#define POWER_FAILED 3

static uint8_t workspace[DELTAMOTE_WORKSPACE_SMALL]
    __attribute__((aligned(DELTAMOTE_WORKSPACE_ALIGN)));

/* Set by the bootloader model below. */
struct bootloader {
    uint32_t pending_len;
};

static int32_t clear_pending(void *context) {
    ((struct bootloader *)context)->pending_len = 0;
    return 0;
}

static int32_t set_pending(void *context, uint32_t image_len) {
    ((struct bootloader *)context)->pending_len = image_len;
    return 0;
}

/* The application's say, before anything is touched. */
static int32_t accepts(void *context, const deltamote_manifest_t *manifest) {
    (void)context;
    static const char *const why[] = {"not said", "security", "feature", "mixed"};
    printf("offered: sequence %lu, update class %s, %lu bytes%s\n",
           (unsigned long)manifest->sequence, why[manifest->update_class & 3],
           (unsigned long)manifest->payload_size, manifest->encrypted ? ", encrypted" : "");
    for (size_t k = 0; k < manifest->advisory_count; k++) {
        printf("  answers %.*s\n", (int)manifest->advisories[k].len,
               (const char *)manifest->advisories[k].bytes);
    }
    return 1;
}

/* The flash callbacks: chip.c has the model, a product calls its driver here. */
static int32_t flash_read(void *context, uint32_t offset, uint8_t *out, size_t len) {
    return chip_read(context, offset, out, len) ? DELTAMOTE_FLASH_OK : -1;
}

static int32_t flash_erase(void *context, uint32_t offset, uint32_t len) {
    return chip_erase(context, offset, len) ? 0 : -1;
}

static int32_t flash_program(void *context, uint32_t offset, const uint8_t *bytes, size_t len) {
    return chip_program(context, offset, bytes, len) ? 0 : -1;
}

static deltamote_flash_t flash(struct chip *chip) {
    return (deltamote_flash_t){
        .context = chip,
        .size = chip->size,
        .write_size = CHIP_UNIT,
        .erase_size = CHIP_BLOCK,
        .read = flash_read,
        .erase = flash_erase,
        .program = flash_program,
    };
}

/* Takes the whole update, which begins at `begins` of what the radio has; leaves how far
 * it came in `progress`. */
static deltamote_status_t take_update(const deltamote_config_t *config, const char *patch,
                                      uint32_t begins, deltamote_progress_t *progress) {
    deltamote_t *update;
    deltamote_status_t status =
        DELTAMOTE_OPEN(&update, workspace, sizeof workspace, config);
    while (status == DELTAMOTE_OK && !progress->complete) {
        uint8_t piece[PIECE];
        /* What the patcher wants next: jumps ahead once after a power cut. */
        uint32_t from = deltamote_wanted_offset(update);
        size_t len = radio_fetch(patch, begins + from, piece, sizeof piece);
        if (len == 0) {
            status = DELTAMOTE_INCOMPLETE;
            break;
        }
        status = deltamote_push_at(update, from, piece, len, progress);
    }
    if (status == DELTAMOTE_OK) {
        status = deltamote_finish(update);
    }
    if (update != NULL) {
        deltamote_close(update);
    }
    return status;
}

int main(int argc, char **argv) {
    static struct chip old, slot, journal, keys;
    static uint8_t key[96];
    if (argc < 6) {
        fprintf(stderr, "usage: update OLD PATCH KEY SLOT JOURNAL [CUT [KEYS]]\n");
        return 2;
    }
    if (deltamote_workspace_size(DELTAMOTE_PROFILE_SMALL) > sizeof workspace ||
        deltamote_abi_version() != DELTAMOTE_ABI) {
        fprintf(stderr, "header and library do not fit together\n");
        return 1;
    }
    chip_power(argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 0);
    if (!chip_open(&old, argv[1], CHIP_OLD) || !chip_open(&slot, argv[4], CHIP_SLOT) ||
        !chip_open(&journal, argv[5], CHIP_JOURNAL) ||
        (argc > 7 && !chip_open(&keys, argv[7], CHIP_KEYS))) {
        fprintf(stderr, "a file cannot be read\n");
        return 1;
    }
    size_t key_bytes = radio_fetch(argv[3], 0, key, sizeof key);
    if (key_bytes != 32 && key_bytes != 96) {
        fprintf(stderr, "a key file has 32 or 96 bytes\n");
        return 1;
    }

    struct bootloader bootloader = {0};
    deltamote_config_t config = {
        .profile = DELTAMOTE_PROFILE_SMALL,
        .old_image = flash(&old),
        .slot = flash(&slot),
        .journal = flash(&journal),
        .hand_over = {.context = &bootloader,
                      .accepts = accepts,
                      .clear_pending = clear_pending,
                      .set_pending = set_pending},
        .keys = key,
        .key_count = 1,
    };
    if (key_bytes == 96) {
        config.recipient.secret = key + 32;
        config.recipient.public_key = key + 64;
    }
    deltamote_status_t status = DELTAMOTE_OK;
    deltamote_accepted_t accepted = {0};
    uint32_t begins = 0;
    if (argc > 7) {
        deltamote_root_t root = {.keys = key, .key_count = 1};
        status = keys_take(&keys, argv[2], &root, workspace, sizeof workspace, &begins);
        config.keys = NULL;
        config.key_count = 0;
        config.key_set = keys_in_use(&keys, &config.key_set_len, &accepted);
    }
    deltamote_progress_t progress = {0};
    if (status == DELTAMOTE_OK) {
        status = take_update(&config, argv[2], begins, &progress);
    }

    if (accepted.version != 0) {
        printf("key set %lu\n", (unsigned long)accepted.version);
    }
    printf("status %d (%s), %lu of %lu bytes written, %lu not decoded again, %lu writes\n",
           (int)status, deltamote_error_text(status), (unsigned long)progress.written,
           (unsigned long)progress.new_size, (unsigned long)progress.skipped,
           (unsigned long)chip_operations());
    if (chip_power_failed()) {
        return POWER_FAILED;
    }
    return status == DELTAMOTE_OK && bootloader.pending_len == progress.new_size ? 0 : 1;
}

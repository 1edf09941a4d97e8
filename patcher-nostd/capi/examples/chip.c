/* The chips: strict, and torn when power fails. Every write goes to the file at once, so
 * that a program that is killed leaves what real flash would. */
#include "board.h"

#include <stdio.h>
#include <string.h>

static uint32_t operations, cut_at;
static bool failed;

void chip_power(uint32_t cut) { cut_at = cut; }
bool chip_power_failed(void) { return failed; }
uint32_t chip_operations(void) { return operations; }

static bool in_range(const struct chip *chip, uint32_t offset, size_t len) {
    return offset <= chip->size && len <= chip->size - offset;
}

/* Puts bytes into memory and file. */
static bool store(struct chip *chip, uint32_t offset, const uint8_t *bytes, size_t len) {
    memcpy(chip->bytes + offset, bytes, len);
    FILE *file = fopen(chip->path, "r+b");
    if (file == NULL) {
        return false;
    }
    bool good = fseek(file, (long)offset, SEEK_SET) == 0 && fwrite(bytes, 1, len, file) == len;
    return fclose(file) == 0 && good;
}

/* How many of `len` bytes the operation at hand still reaches. */
static size_t reach(size_t len) {
    if (failed) {
        return 0;
    }
    operations++;
    if (operations == cut_at) {
        failed = true;
        return len / 2;
    }
    return len;
}

bool chip_open(struct chip *chip, const char *path, enum chip_kind kind) {
    memset(chip->bytes, 0xff, sizeof chip->bytes);
    chip->path = path;
    chip->writable = kind != CHIP_OLD;
    chip->size = kind == CHIP_JOURNAL || kind == CHIP_KEYS ? 2 * CHIP_BLOCK : CHIP_MAX;
    FILE *file = fopen(path, "rb");
    if (file != NULL) {
        size_t len = fread(chip->bytes, 1, chip->size, file);
        fclose(file);
        return len > 0;
    }
    if (!chip->writable || (file = fopen(path, "wb")) == NULL) {
        return false;
    }
    bool good = fwrite(chip->bytes, 1, chip->size, file) == chip->size;
    return fclose(file) == 0 && good;
}

bool chip_read(struct chip *chip, uint32_t offset, uint8_t *out, size_t len) {
    if (failed || !in_range(chip, offset, len)) {
        return false;
    }
    memcpy(out, chip->bytes + offset, len);
    return true;
}

bool chip_erase(struct chip *chip, uint32_t offset, uint32_t len) {
    static uint8_t blank[CHIP_BLOCK];
    memset(blank, 0xff, sizeof blank);
    if (!chip->writable || offset % CHIP_BLOCK != 0 || len != CHIP_BLOCK ||
        !in_range(chip, offset, len)) {
        return false;
    }
    return store(chip, offset, blank, reach(len)) && !failed;
}

bool chip_program(struct chip *chip, uint32_t offset, const uint8_t *bytes, size_t len) {
    if (!chip->writable || offset % CHIP_UNIT != 0 || len % CHIP_UNIT != 0 ||
        !in_range(chip, offset, len)) {
        return false;
    }
    for (size_t k = 0; k < len; k++) {
        if (chip->bytes[offset + k] != 0xff) {
            return false;
        }
    }
    return store(chip, offset, bytes, reach(len)) && !failed;
}

size_t radio_fetch(const char *patch, uint32_t offset, uint8_t *out, size_t len) {
    FILE *file = fopen(patch, "rb");
    if (file == NULL) {
        return 0;
    }
    size_t got = fseek(file, (long)offset, SEEK_SET) == 0 ? fread(out, 1, len, file) : 0;
    fclose(file);
    return got;
}

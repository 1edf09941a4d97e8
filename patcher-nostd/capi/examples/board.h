/* What the example has instead of a board: flash chips that keep their bytes in files,
 * and a radio that reads from one. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHIP_UNIT 8u      /* bytes of a program unit */
#define CHIP_BLOCK 4096u  /* bytes of an erase block */
#define CHIP_MAX (256u * 1024u)

enum chip_kind { CHIP_OLD, CHIP_SLOT, CHIP_JOURNAL, CHIP_KEYS };

struct chip {
    uint8_t bytes[CHIP_MAX];
    uint32_t size;
    const char *path;
    bool writable;
};

/* Power fails in the middle of the `cut`-th write or erase from now; 0: never. */
void chip_power(uint32_t cut);
bool chip_power_failed(void);
uint32_t chip_operations(void);

/* Loads a chip from its file; what is missing is erased. */
bool chip_open(struct chip *chip, const char *path, enum chip_kind kind);
bool chip_read(struct chip *chip, uint32_t offset, uint8_t *out, size_t len);
bool chip_erase(struct chip *chip, uint32_t offset, uint32_t len);
/* Refuses to program what is not erased, or parts of units. */
bool chip_program(struct chip *chip, uint32_t offset, const uint8_t *bytes, size_t len);

/* Patch bytes from `offset` on, as many as there are up to `len`; 0 at the end. */
size_t radio_fetch(const char *patch, uint32_t offset, uint8_t *out, size_t len);

#endif

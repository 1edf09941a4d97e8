/* Two places, in turns: a set goes where the one in use does not lie, then what is to be
 * remembered of it in front. A place that power left half written is not what it says to
 * be, and does not count: whenever power fails, the old set or the new one is in use. */
#include "keys.h"

#include <string.h>

/* In front of the set in each place. */
struct entry {
    deltamote_accepted_t accepted;
    uint64_t len;
};

#define PLACES 2

static const uint8_t *place_holds(const struct chip *keys, uint32_t place, struct entry *entry) {
    const uint8_t *at = keys->bytes + place * CHIP_BLOCK;
    memcpy(entry, at, sizeof *entry);
    if (entry->len == 0 || entry->len > CHIP_BLOCK - sizeof *entry) {
        return NULL;
    }
    at += sizeof *entry;
    return deltamote_key_set_is(&entry->accepted, at, (size_t)entry->len) ? at : NULL;
}

/* The place of the newest set; PLACES: none. */
static uint32_t newest_place(const struct chip *keys, struct entry *newest) {
    uint32_t found = PLACES;
    for (uint32_t place = 0; place < PLACES; place++) {
        struct entry entry;
        if (place_holds(keys, place, &entry) != NULL &&
            (found == PLACES || entry.accepted.version > newest->accepted.version)) {
            found = place;
            *newest = entry;
        }
    }
    return found;
}

const uint8_t *keys_in_use(struct chip *keys, size_t *len, deltamote_accepted_t *accepted) {
    struct entry entry;
    uint32_t place = newest_place(keys, &entry);
    if (place == PLACES) {
        return NULL;
    }
    *accepted = entry.accepted;
    *len = (size_t)entry.len;
    return keys->bytes + place * CHIP_BLOCK + sizeof entry;
}

static bool store(struct chip *keys, uint32_t place, const deltamote_key_set_t *set) {
    uint32_t at = place * CHIP_BLOCK;
    struct entry entry = {.accepted = set->accepted, .len = set->len};
    size_t whole = set->len / CHIP_UNIT * CHIP_UNIT;
    uint8_t last[CHIP_UNIT];
    memset(last, 0xff, sizeof last);
    memcpy(last, set->set + whole, set->len - whole);
    return set->len <= CHIP_BLOCK - sizeof entry - CHIP_UNIT &&
           chip_erase(keys, at, CHIP_BLOCK) &&
           chip_program(keys, at + sizeof entry, set->set, whole) &&
           chip_program(keys, at + sizeof entry + (uint32_t)whole, last, sizeof last) &&
           chip_program(keys, at, (const uint8_t *)&entry, sizeof entry);
}

deltamote_status_t keys_take(struct chip *keys, const char *patch, const deltamote_root_t *root,
                             uint8_t *memory, size_t memory_bytes, uint32_t *patch_begins) {
    uint8_t head[DELTAMOTE_HEAD_BYTES];
    size_t file_bytes;
    *patch_begins = 0;
    size_t got = radio_fetch(patch, 0, head, sizeof head);
    deltamote_status_t status = deltamote_key_set_in_front(head, got, &file_bytes);
    if (status != DELTAMOTE_OK || file_bytes == 0) {
        return status;
    }
    /* The file in the back of the memory, room to check it in front. */
    if (file_bytes > memory_bytes || memory_bytes - file_bytes < DELTAMOTE_KEY_SET_BUFFER) {
        return DELTAMOTE_RAM_TOO_SMALL;
    }
    uint8_t *file = memory + (memory_bytes - file_bytes);
    if (radio_fetch(patch, 0, file, file_bytes) != file_bytes) {
        return DELTAMOTE_INCOMPLETE;
    }
    struct entry newest;
    uint32_t used = newest_place(keys, &newest);
    deltamote_key_set_t set;
    status = DELTAMOTE_ACCEPT_KEY_SET(file, file_bytes, memory, DELTAMOTE_KEY_SET_BUFFER, root,
                                      used == PLACES ? NULL : &newest.accepted, &set);
    if (status != DELTAMOTE_OK) {
        return status;
    }
    *patch_begins = (uint32_t)file_bytes;
    if (used != PLACES && newest.accepted.version == set.accepted.version) {
        return DELTAMOTE_OK; /* the very same */
    }
    return store(keys, used == 0 ? 1 : 0, &set) ? DELTAMOTE_OK : DELTAMOTE_FLASH_SLOT;
}

/* Key sets through resets: which keys may sign changes with the sets that the root, a key
 * that stays offline, has signed. */
#ifndef KEYS_H
#define KEYS_H

#include "board.h"
#include "deltamote.h"

/* Takes the key set in front of the patch, if there is one: checks it under the root key,
 * stores it, and leaves in `patch_begins` where the patch itself does. `memory`, aligned for
 * 8 bytes, is used meanwhile. What was stored and checked before stays in use on failure. */
deltamote_status_t keys_take(struct chip *keys, const char *patch, const deltamote_root_t *root,
                             uint8_t *memory, size_t memory_bytes, uint32_t *patch_begins);

/* The key set in use, where it lies in flash; NULL if there is none. */
const uint8_t *keys_in_use(struct chip *keys, size_t *len, deltamote_accepted_t *accepted);

#endif

"""Table sizes of the profiles (SPEC §3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """One row of the table."""

    number: int
    name: str
    byte_slots: int
    flag_slots: int
    map_entries: int
    entry_words: int
    corrections: int
    largest_chunk: int
    page: int
    state_words: int

    @property
    def largest_image(self) -> int:
        """Bytes of an image that map entries can address."""
        return 2**23 if self.entry_words == 3 else 2**32 - 1


PROFILES = [
    Profile(0, "tiny", 768, 256, 96, 3, 16, 1040, 256, 2612),
    Profile(1, "small", 1792, 640, 320, 3, 48, 2064, 256, 4820),
    Profile(2, "medium", 16384, 3072, 1536, 4, 256, 4112, 512, 27860),
    Profile(3, "large", 1048576, 65536, 8192, 4, 4096, 65552, 4096, 1164500),
]


def named(name: str) -> Profile:
    return next(p for p in PROFILES if p.name == name)

"""The range decoder (SPEC §6.1)."""

from __future__ import annotations

ALL = 0xFFFFFFFF


def closing(low: int, high: int) -> int:
    """Bytes of the closing prefix of (low, high)."""
    for n in (1, 2, 3):
        rest = ALL >> 8 * n
        if low + rest <= ALL:
            prefix = (low + rest) & ~rest
            if prefix + rest <= high:
                return n
    return 4


class Decoder:
    """Decisions from data bytes; data bytes that are not there count as zero."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position
        self.start()

    def start(self) -> None:
        """Takes the start values and fills `code` from the position."""
        self.low, self.high = 0, ALL
        self.code = 0
        for k in range(4):
            self.code = self.code << 8 | self.byte(self.position + k)

    def byte(self, at: int) -> int:
        return self.data[at] if at < len(self.data) else 0

    def decision(self, p: int) -> int:
        """One decision whose probability of being 1 is p / 65536."""
        mid = self.low + ((self.high - self.low) * p >> 16)
        if self.code <= mid:
            self.high = mid
            bit = 1
        else:
            self.low = mid + 1
            bit = 0
        while (self.low ^ self.high) >> 24 == 0:
            self.low = self.low << 8 & ALL
            self.high = (self.high << 8 & ALL) | 0xFF
            self.code = (self.code << 8 & ALL) | self.byte(self.position + 4)
            self.position += 1
        return bit

    def even(self) -> int:
        return self.decision(32768)

    def bits(self, n: int) -> int:
        """n even decisions, most significant first."""
        value = 0
        for _ in range(n):
            value = value << 1 | self.even()
        return value

    def restart(self) -> None:
        """Goes on behind the closing prefix."""
        self.position += closing(self.low, self.high)
        self.start()

    def length(self) -> int:
        """Bytes that the data has if it ends here."""
        return self.position + closing(self.low, self.high)

"""Adaptive probabilities: slots, numbers, mixed decisions, priors (SPEC §6.2 to §6.5, §6.12).

The tables of logistic functions are computed here as the text defines them; `vectors.py`
compares them with the tables of the document.
"""

from __future__ import annotations

from math import exp, floor, log

from .coder import Decoder
from .profiles import Profile

MASK = 0xFFFFFFFF


def rounded(x: float) -> int:
    return floor(x + 0.5)


STRETCH = [rounded(16 * log((2 * i + 1) / (255 - 2 * i))) for i in range(128)]
SQUASH = [rounded(65536 / (1 + exp(8 - i / 4))) for i in range(65)]
RATES = [int(65536 / (n + 1.6)) for n in range(15)] + [65536 // 24]

NODE, FORESEEN = 0x9E3779B1, 1023
BLANK_SLOT, BLANK_WEIGHT = 0x8000, 1229

# Numbers of number models and of single flags, named as in SPEC §6.3 and §6.4.
N_GAP, N_SHIFT, N_REST, N_INSERT, N_BACK, N_SOURCE, N_NEXT, N_OLD, N_NEW, N_TARGET, N_POINTER = range(11)
S_MOVED, S_FILLS, S_FROM_NEW, S_SUBSTITUTES, S_CONTINUES, S_DIAGONAL = 0, 1, 2, 3, 4, 5
S_NEARER_NEXT, S_UNCHANGED, S_OTHER_TARGET, S_POINTER_STEP = 8, 9, 18, 27
S_FORM, S_PLACE, S_NEIGHBOUR = 36, 68, 84


def stretch(p: int) -> int:
    return STRETCH[p >> 5]


def squash(x: int) -> int:
    x = max(-2047, min(2047, x)) + 2048
    i, f = x >> 6, x & 63
    return (SQUASH[i] * (64 - f) + SQUASH[i + 1] * f + 32) >> 6


def hash2(a: int, b: int) -> int:
    y = (a * 0x9E3779B1 ^ b * 0x85EBCA6B) & MASK
    x = (y ^ y >> 15) * 0x2C1B3C6D & MASK
    return x ^ x >> 13


def updated(slot: int, decision: int, most: int = 15) -> int:
    """A slot after a decision; its count ends at `most`."""
    p, n = slot >> 4, slot & 15
    p += ((4095 if decision else 0) - p) * RATES[n] >> 16
    return p << 4 | min(n + 1, most)


class Models:
    """All that adapts, but for the correction cache."""

    def __init__(self, profile: Profile, prior: list[int] | None = None) -> None:
        self.profile = profile
        self.prior = prior
        self.reset()

    @staticmethod
    def words(profile: Profile) -> int:
        """16-bit words of a prior."""
        return profile.byte_slots + profile.flag_slots + 256 + 532 + 352 + 96

    def reset(self) -> None:
        """Takes the initial state: the prior, or blank."""
        sizes = [self.profile.byte_slots, self.profile.flag_slots, 256, 532, 352, 96]
        blanks = [BLANK_SLOT, BLANK_SLOT, BLANK_WEIGHT, BLANK_WEIGHT, BLANK_SLOT, BLANK_SLOT]
        parts: list[list[int]] = []
        at = 0
        for size, blank in zip(sizes, blanks):
            if self.prior is None:
                parts.append([blank] * size)
            else:
                parts.append(self.prior[at : at + size])
            at += size
        self.bytes, self.flags, byte_weights, flag_weights, self.numbers, self.singles = parts
        sign = lambda w: w - 0x10000 if w & 0x8000 else w  # noqa: E731
        self.byte_weights = [sign(w) for w in byte_weights]
        self.flag_weights = [sign(w) for w in flag_weights]

    def in_slot(self, coder: Decoder, table: list[int], index: int) -> int:
        """A decision with a slot of its own."""
        slot = table[index]
        decision = coder.decision(max(64, min(65472, 16 * (slot >> 4) + 8)))
        table[index] = updated(slot, decision)
        return decision

    def single(self, coder: Decoder, number: int) -> int:
        """Single flag `number`."""
        return self.in_slot(coder, self.singles, number)

    def number(self, coder: Decoder, model: int) -> int:
        """A number of `model`."""
        base = 32 * model
        e = 0
        while e < 30 and self.in_slot(coder, self.numbers, base + min(e, 13)):
            e += 1
        value = bit = 1
        for k in range(e):
            if k == 0:
                bit = self.in_slot(coder, self.numbers, base + 14 + min(e, 13))
            elif k == e - 1:
                bit = self.in_slot(coder, self.numbers, base + 29 + bit)
            elif k == e - 2:
                bit = self.in_slot(coder, self.numbers, base + 28)
            else:
                bit = coder.even()
            value = value << 1 | bit
        return value - 1

    def signed_number(self, coder: Decoder, model: int) -> int:
        value = self.number(coder, model)
        if value and self.in_slot(coder, self.numbers, 32 * model + 31):
            return -value
        return value

    def teach(self, number: int, decision: bool) -> None:
        """Tells single flag `number` of a decision that is not coded."""
        self.singles[number] = updated(self.singles[number], decision, 14)

    def taught(self, number: int) -> int:
        """P of a single flag."""
        return self.singles[number] >> 4

    def mixed(
        self,
        coder: Decoder,
        table: list[int],
        hashes: list[int],
        weights: list[int],
        first: int,
    ) -> int:
        """One mixed decision; its weights begin at `first`."""
        size = len(table)
        places = [h * size >> 32 for h in hashes]
        x = [stretch(table[place] >> 4) for place in places]
        x.append(16)
        dot = 0
        for i, xi in enumerate(x):
            dot += weights[first + i] * xi
        p = squash(dot >> 8)
        decision = coder.decision(p)
        err = (decision << 16) - p
        if abs(err) <= FORESEEN:
            return decision
        for i, xi in enumerate(x):
            w = weights[first + i] + ((xi * err + 8192) >> 14)
            weights[first + i] = -32768 if w < -32768 else 32767 if w > 32767 else w
        for place in places:
            table[place] = updated(table[place], decision)
        return decision

    def flag(self, coder: Decoder, weight_set: int, contexts: list[int]) -> int:
        """A mixed flag; as many contexts as are given, six."""
        return self.mixed(coder, self.flags, contexts, self.flag_weights, 7 * weight_set)

    def byte(self, coder: Decoder, situation: int, contexts: list[int]) -> int:
        """A mixed byte from seven contexts."""
        node = 1
        for k in range(8):
            hashes = [(c + node * NODE) & MASK for c in contexts]
            first = 8 * (8 * situation + k)
            bit = self.mixed(coder, self.bytes, hashes, self.byte_weights, first)
            node = node << 1 | bit
        return node & 0xFF


def prior_number(words: list[int]) -> int:
    """The number of a prior (SPEC §6.12)."""
    h = 0x811C9DC5
    for word in words:
        h = (h ^ word) * 0x01000193 & MASK
    return ((h ^ h >> 16) & 0xFFFF) or 1

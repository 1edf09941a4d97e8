"""What an instruction set gives: units and references (SPEC §7.1).

A form is one row of a table of SPEC §7.2 to §7.8. A field is a list of runs (W, V, N): N bits
at bit W of the word are bits V and up of the value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

ALL = 0xFFFFFFFF

PLAIN, CALL, JUMP, BRANCH, LITERAL, PAGE, LOW = range(7)
KINDS = ["plain", "call", "jump", "branch", "literal", "page", "low", "pointer", "ram"]

Image = Union[bytes, bytearray]
Runs = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Reference:
    """A unit that holds an address; `back` only for low parts: the distance to the partner,
    or ABSOLUTE."""

    length: int
    kind: int
    target: int
    back: int = 0


ABSOLUTE = -1


def runs(text: str) -> Runs:
    """`16:1:11 0:12:10` as numbers."""
    return tuple(
        (int(w), int(v), int(n)) for w, v, n in (run.split(":") for run in text.split())
    )


def extract(word: int, field: Runs) -> int:
    value = 0
    for w, v, n in field:
        value |= (word >> w & (1 << n) - 1) << v
    return value


def insert(word: int, field: Runs, value: int) -> int:
    """`word` with all runs of the value written."""
    for w, v, n in field:
        ones = (1 << n) - 1
        word = word & ~(ones << w) | (value >> v & ones) << w
    return word


def sign(value: int, bits: int) -> int:
    """`value` sign-extended from `bits` to 32."""
    value &= (1 << bits) - 1
    return (value - (1 << bits)) & ALL if value >> (bits - 1) else value


@dataclass(frozen=True)
class Form:
    """One row: a relative or absolute field. `signed` is 0 for an unsigned one, else its bits.
    `base` is a function of the pc."""

    match: Callable[[int], bool]
    kind: int
    base: Callable[[int], int]
    field: Runs
    signed: int = 0
    #: A magnitude's bits A and S; None: no magnitude.
    direction: tuple[int, int] | None = None
    #: Thumb's J: applied between field and offset, either way.
    twist: Callable[[int], int] | None = None

    def target(self, word: int, pc: int) -> int | None:
        value = extract(word, self.field)
        if self.direction is not None:
            a, s = self.direction
            plus = word & a == a and word & s == 0
            if not plus and value == 0:
                return None
            value = value if plus else -value
        elif self.signed:
            value = sign(value, self.signed)
        if self.twist:
            value = self.twist(value)
        return (self.base(pc) + value) & ALL

    def encode(self, word: int, pc: int, target: int) -> int | None:
        value = (target - self.base(pc)) & ALL
        if self.twist:
            value = self.twist(value)
        if self.direction is not None:
            a, s = self.direction
            negative = value >> 31
            word = word & ~(a | s) | (s if negative else a)
            value = -value & ALL if negative else value
        word = insert(word, self.field, value)
        read = extract(word, self.field)
        if self.signed:
            read = sign(read, self.signed)
        return word if read == value else None


class Isa:
    """An instruction set; this one is *none*."""

    number = 0
    name = "none"
    alignment = 1
    sweep = False
    opcode_on_top = False

    def unit_length(self, code: Image, at: int) -> int:
        return 1

    def decode(self, code: Image, at: int, pc: int) -> Reference | None:
        return None

    def encode(self, word: int, ref: Reference, pc: int, target: int) -> int | None:
        raise NotImplementedError

    @staticmethod
    def word(code: Image, at: int, length: int) -> int | None:
        """The unit there, or None if not all of its bytes are there."""
        if at < 0 or at + length > len(code):
            return None
        return int.from_bytes(code[at : at + length], "little")

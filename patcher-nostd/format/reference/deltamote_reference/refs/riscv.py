"""RISC-V, RV32 and RV64 with compressed instructions (SPEC §7.5)."""

from __future__ import annotations

from .isa import (
    ABSOLUTE, ALL, BRANCH, CALL, JUMP, LOW, PAGE, Form, Image, Isa, Reference, Runs, extract,
    insert, runs, sign,
)


def pc_itself(pc: int) -> int:
    return pc


C_JUMP = runs("3:1:3 11:4:1 2:5:1 7:6:1 6:7:1 9:8:2 8:10:1 12:11:1")
JAL = runs("21:1:10 20:11:1 12:12:8 31:20:1")

NARROW = [
    Form(lambda w: w & 0xE003 == 0x2001, CALL, pc_itself, C_JUMP, 12),
    Form(lambda w: w & 0xE003 == 0xA001, BRANCH, pc_itself, C_JUMP, 12),
    Form(
        lambda w: w & 0xE003 in (0xC001, 0xE001),
        BRANCH, pc_itself, runs("3:1:2 10:3:2 2:5:1 5:6:2 12:8:1"), 9,
    ),
]
WIDE = [
    Form(lambda w: w & 0x7F == 0x6F and w >> 7 & 31 in (1, 5), CALL, pc_itself, JAL, 21),
    Form(lambda w: w & 0x7F == 0x6F, JUMP, pc_itself, JAL, 21),
    Form(
        lambda w: w & 0x7F == 0x63 and w >> 13 & 3 != 1,
        BRANCH, pc_itself, runs("8:1:4 25:5:6 7:11:1 31:12:1"), 13,
    ),
]

LOAD_FIELD, STORE_FIELD = runs("20:0:12"), runs("7:0:5 25:5:7")


def is_upper(word: int) -> bool:
    return word & 0x5F == 0x17


def low_field(word: int) -> Runs | None:
    """The field of a low part; None if the word is none."""
    if word >> 15 & 31 == 0:
        return None
    opcode, f = word & 0x7F, word >> 12 & 7
    if opcode == 0x03 or opcode in (0x13, 0x1B, 0x67) and f == 0 or opcode == 0x07 and 1 <= f <= 4:
        return LOAD_FIELD
    if opcode == 0x23 or opcode == 0x27 and 1 <= f <= 4:
        return STORE_FIELD
    return None


def upper(word: int, pc: int) -> int:
    return ((word & 0xFFFFF000) + (pc if word & 0x7F == 0x17 else 0)) & ALL


class RiscV(Isa):
    number, name, alignment, sweep, opcode_on_top = 4, "riscv", 2, True, True

    def unit_length(self, code: Image, at: int) -> int:
        if at >= len(code):
            return 1
        return 4 if code[at] & 3 == 3 else 2

    def form(self, word: int, length: int) -> Form | None:
        return next((f for f in (NARROW if length == 2 else WIDE) if f.match(word)), None)

    def decode(self, code: Image, at: int, pc: int) -> Reference | None:
        length = self.unit_length(code, at)
        word = self.word(code, at, length)
        if word is None or length == 1 or pc & 1:
            return None
        form = self.form(word, length)
        if form:
            target = form.target(word, pc)
            return None if target is None else Reference(length, form.kind, target)
        if length == 2:
            return None
        if is_upper(word) and word >> 7 & 31:
            return self.page(code, at, word, pc)
        field = low_field(word)
        if field is None:
            return None
        for back in range(4, 25, 2):
            high = self.word(code, at - back, 4)
            if high is not None and is_upper(high) and high >> 7 & 31 == word >> 15 & 31:
                value = upper(high, pc - back) + sign(extract(word, field), 12)
                kept = back if high & 0x7F == 0x17 else ABSOLUTE
                return Reference(4, LOW, value & ALL, kept)
        return None

    def page(self, code: Image, at: int, word: int, pc: int) -> Reference | None:
        register, place = word >> 7 & 31, at
        for _ in range(6):
            place += self.unit_length(code, place)
            other = self.word(code, place, 4)
            if other is None or self.unit_length(code, place) != 4:
                continue
            field = low_field(other)
            if field and other >> 15 & 31 == register:
                return Reference(4, PAGE, (upper(word, pc) + sign(extract(other, field), 12)) & ALL)
            if is_upper(other) and other >> 7 & 31 == register:
                return None
        return None

    def encode(self, word: int, ref: Reference, pc: int, target: int) -> int | None:
        if pc & 1:
            return None
        if ref.kind == PAGE:
            value = target - pc if word & 0x7F == 0x17 else target
            return word & 0xFFF | (value + 0x800) & 0xFFFFF000
        if ref.kind == LOW:
            field = low_field(word)
            if field is None:
                return None
            value = target if ref.back == ABSOLUTE else target - (pc - ref.back)
            return insert(word, field, value & 0xFFF)
        form = self.form(word, ref.length)
        return form.encode(word, pc, target) if form else None

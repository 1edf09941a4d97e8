"""Thumb and A32 (SPEC §7.2, §7.3): alike in their pairs of MOVW and MOVT."""

from __future__ import annotations

from .isa import (
    ABSOLUTE, ALL, BRANCH, CALL, JUMP, LITERAL, LOW, PAGE, Form, Image, Isa, Reference, extract,
    insert, runs,
)


def p4(pc: int) -> int:
    return pc + 4


def aligned(pc: int) -> int:
    return (pc + 4) & ~3


def p8(pc: int) -> int:
    return pc + 8


def halves(word: int) -> tuple[int, int]:
    return word & 0xFFFF, word >> 16


def j_bits(offset: int) -> int:
    """When bit 24 is 0, bits 22 and 23 are inverted."""
    return offset if offset >> 24 & 1 else offset ^ 3 << 22


THUMB_NARROW = [
    Form(lambda a: a >> 11 in (0x09, 0x14), LITERAL, aligned, runs("0:2:8")),
    Form(lambda a: a >> 11 == 0x1C, BRANCH, p4, runs("0:1:11"), signed=12),
    Form(lambda a: a >> 12 == 0xD and a >> 9 & 7 != 7, BRANCH, p4, runs("0:1:8"), signed=9),
    Form(lambda a: a & 0xF500 == 0xB100, BRANCH, p4, runs("3:1:5 9:6:1")),
]

BL = runs("16:1:11 0:12:10 27:22:1 29:23:1 10:24:1")
BLX = runs("17:2:10 0:12:10 27:22:1 29:23:1 10:24:1")


def wide(a: int, c: int, c_mask: int, c_value: int) -> bool:
    return a >> 11 == 0x1E and c & c_mask == c_value


THUMB_WIDE = [
    Form(lambda w: wide(*halves(w), 0xD000, 0xD000), CALL, p4, BL, 25, twist=j_bits),
    Form(lambda w: wide(*halves(w), 0xD000, 0x9000), JUMP, p4, BL, 25, twist=j_bits),
    Form(lambda w: wide(*halves(w), 0xD001, 0xC000), CALL, aligned, BLX, 25, twist=j_bits),
    Form(
        lambda w: wide(*halves(w), 0xD000, 0x8000) and w >> 7 & 7 != 7,
        BRANCH, p4, runs("16:1:11 0:12:6 29:18:1 27:19:1 10:20:1"), 21,
    ),
]

THUMB_LITERALS = [
    Form(
        lambda w: w & 0xFBFF in (0xF20F, 0xF2AF) and w >> 31 == 0,
        LITERAL, aligned, runs("16:0:8 28:8:3 10:11:1"), direction=(0, 0xA0),
    ),
    Form(
        lambda w: w & 0xFE1F == 0xF81F and w & 0x160 not in (0x60, 0x140, 0x160),
        LITERAL, aligned, runs("16:0:12"), direction=(0x80, 0),
    ),
    Form(
        lambda w: w & 0xFF3F == 0xED1F and w >> 16 & 0x0E00 == 0x0A00 or w & 0xFF7F == 0xE95F,
        LITERAL, aligned, runs("16:2:8"), direction=(0x80, 0),
    ),
]


class Paired(Isa):
    """An instruction set whose addresses come in two halves, MOVW and MOVT."""

    half = runs("")
    #: Bits in which partners agree, and the one that tells MOVT from MOVW.
    same = 0
    top_bit = 0

    def is_movw(self, word: int) -> bool:
        raise NotImplementedError

    def is_movt(self, word: int) -> bool:
        raise NotImplementedError

    def behind(self) -> int:
        """Units that are looked at behind a MOVW."""
        return 5

    def step(self) -> int:
        """Bytes between places that are looked at before a MOVT."""
        return self.alignment

    def reach(self) -> int:
        raise NotImplementedError

    def pair(self, code: Image, at: int, word: int) -> Reference | None:
        partner = self.find(code, at, word)
        if partner is None:
            return None
        low, high = (word, partner) if self.is_movw(word) else (partner, word)
        target = extract(high, self.half) << 16 | extract(low, self.half)
        if self.is_movw(word):
            return Reference(4, PAGE, target)
        return Reference(4, LOW, target, ABSOLUTE)

    def find(self, code: Image, at: int, word: int) -> int | None:
        agree = self.same & ~self.top_bit
        if self.is_movw(word):
            place = at
            for _ in range(self.behind()):
                place += self.unit_length(code, place)
                other = self.word(code, place, 4)
                if other is None or self.unit_length(code, place) != 4:
                    continue
                if (other ^ word) & agree == 0:
                    if self.is_movt(other):
                        return other
                    if self.is_movw(other):
                        return None
            return None
        for distance in range(4, self.reach() + 1, self.step()):
            other = self.word(code, at - distance, 4)
            if other is not None and self.is_movw(other) and (other ^ word) & agree == 0:
                return other
        return None

    def encode_half(self, word: int, kind: int, target: int) -> int:
        return insert(word, self.half, target >> 16 if kind == LOW else target & 0xFFFF)


class Thumb(Paired):
    number, name, alignment, sweep = 1, "thumb", 2, True
    half = runs("16:0:8 28:8:3 10:11:1 0:12:4")
    same, top_bit = 0x8F00FBF0, 0x80

    def reach(self) -> int:
        return 12

    def is_movw(self, word: int) -> bool:
        return word & 0xFBF0 == 0xF240 and word >> 31 == 0

    def is_movt(self, word: int) -> bool:
        return word & 0xFBF0 == 0xF2C0 and word >> 31 == 0

    def unit_length(self, code: Image, at: int) -> int:
        if at + 2 > len(code):
            return 1
        return 4 if code[at + 1] >> 3 >= 0x1D else 2

    def form(self, word: int, length: int) -> Form | None:
        if length == 2:
            return next((f for f in THUMB_NARROW if f.match(word)), None)
        for form in THUMB_WIDE:
            if form.match(word):
                return form
        if word >> 11 & 0x1F == 0x1E and word >> 31:
            return None
        return next((f for f in THUMB_LITERALS if f.match(word)), None)

    def decode(self, code: Image, at: int, pc: int) -> Reference | None:
        length = self.unit_length(code, at)
        word = self.word(code, at, length)
        if word is None or length == 1 or pc & 1:
            return None
        if length == 4 and (self.is_movw(word) or self.is_movt(word)):
            return self.pair(code, at, word)
        form = self.form(word, length)
        target = form.target(word, pc) if form else None
        if form is None or target is None:
            return None
        return Reference(length, form.kind, target)

    def encode(self, word: int, ref: Reference, pc: int, target: int) -> int | None:
        if ref.kind in (PAGE, LOW):
            return self.encode_half(word, ref.kind, target)
        form = self.form(word, ref.length)
        return form.encode(word, pc, target) if form and not pc & 1 else None


A32_FORMS = [
    Form(lambda w: w >> 25 == 0x7D, CALL, p8, runs("0:2:24 24:1:1"), 26),
    Form(lambda w: w & 0x0F000000 == 0x0A000000, JUMP, p8, runs("0:2:24"), 26),
    Form(lambda w: w & 0x0F000000 == 0x0B000000, CALL, p8, runs("0:2:24"), 26),
    Form(
        lambda w: w & 0x0F3F0000 == 0x051F0000,
        LITERAL, p8, runs("0:0:12"), direction=(0x800000, 0),
    ),
    Form(
        lambda w: w & 0x0F7F0090 == 0x015F0090 and w & 0x60 != 0 or w & 0x0F7F00F0 == 0x014F00D0,
        LITERAL, p8, runs("0:0:4 8:4:4"), direction=(0x800000, 0),
    ),
    Form(
        lambda w: w & 0x0F3F0E00 == 0x0D1F0A00,
        LITERAL, p8, runs("0:2:8"), direction=(0x800000, 0),
    ),
]


def rotated(value: int, right: int) -> int:
    right &= 31
    return (value >> right | value << 32 - right) & ALL


def is_adr(word: int) -> bool:
    return word & 0x0FFF0000 in (0x028F0000, 0x024F0000)


class A32(Paired):
    number, name, alignment, sweep, opcode_on_top = 2, "a32", 4, False, True
    half = runs("0:0:12 16:12:4")
    same, top_bit = 0xFFF0F000, 0x00400000

    def reach(self) -> int:
        return 20

    def is_movw(self, word: int) -> bool:
        return word >> 28 != 15 and word & 0x0FF00000 == 0x03000000

    def is_movt(self, word: int) -> bool:
        return word >> 28 != 15 and word & 0x0FF00000 == 0x03400000

    def unit_length(self, code: Image, at: int) -> int:
        return 4

    def form(self, word: int) -> Form | None:
        if word >> 28 == 15:
            return A32_FORMS[0] if A32_FORMS[0].match(word) else None
        return next((f for f in A32_FORMS if f.match(word)), None)

    def decode(self, code: Image, at: int, pc: int) -> Reference | None:
        word = self.word(code, at, 4)
        if word is None or pc & 3:
            return None
        if self.is_movw(word) or self.is_movt(word):
            return self.pair(code, at, word)
        if word >> 28 != 15 and is_adr(word):
            value = rotated(word & 0xFF, 2 * (word >> 8 & 15))
            target = (pc + 8 + (value if word >> 23 & 1 else -value)) & ALL
            return Reference(4, LITERAL, target) if self.adr(word, pc, target) == word else None
        form = self.form(word)
        target = form.target(word, pc) if form else None
        if form is None or target is None:
            return None
        return Reference(4, form.kind, target)

    def adr(self, word: int, pc: int, target: int) -> int | None:
        value = (target - (pc + 8)) & ALL
        word &= ~0x00C00FFF
        if value >> 31:
            word, value = word | 1 << 22, -value & ALL
        else:
            word |= 1 << 23
        for n in range(16):
            low = rotated(value, 32 - 2 * n)
            if low < 256:
                return word | n << 8 | low
        return None

    def encode(self, word: int, ref: Reference, pc: int, target: int) -> int | None:
        if pc & 3:
            return None
        if ref.kind in (PAGE, LOW):
            return self.encode_half(word, ref.kind, target)
        if word >> 28 != 15 and is_adr(word):
            return self.adr(word, pc, target)
        form = self.form(word)
        return form.encode(word, pc, target) if form else None

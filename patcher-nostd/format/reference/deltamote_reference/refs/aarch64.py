"""AArch64 (SPEC §7.4)."""

from __future__ import annotations

from .isa import (
    ALL, BRANCH, CALL, JUMP, LITERAL, LOW, PAGE, Form, Image, Isa, Reference, extract, insert,
    runs, sign,
)


def pc_itself(pc: int) -> int:
    return pc


FORMS = [
    Form(lambda w: w & 0xFC000000 == 0x14000000, JUMP, pc_itself, runs("0:2:26"), 28),
    Form(lambda w: w & 0xFC000000 == 0x94000000, CALL, pc_itself, runs("0:2:26"), 28),
    Form(
        lambda w: w & 0xFF000010 == 0x54000000 or w & 0x7E000000 == 0x34000000,
        BRANCH, pc_itself, runs("5:2:19"), 21,
    ),
    Form(lambda w: w & 0x7E000000 == 0x36000000, BRANCH, pc_itself, runs("5:2:14"), 16),
    Form(lambda w: w & 0x9F000000 == 0x10000000, LITERAL, pc_itself, runs("29:0:2 5:2:19"), 21),
    Form(
        lambda w: w & 0x3B000000 == 0x18000000 and w >> 24 != 0xDC,
        LITERAL, pc_itself, runs("5:2:19"), 21,
    ),
]

FIELD = runs("10:0:12")
PAGE_FIELD = runs("29:12:2 5:14:18 23:31:1")


def is_adrp(word: int) -> bool:
    return word & 0x9F000000 == 0x90000000


def scale(word: int) -> int | None:
    """The scale of a low part; None if the word is none."""
    if word & 0x7FC00000 == 0x11000000:
        return 0
    if word & 0x3B000000 == 0x39000000:
        if word & 0x04800000 != 0x04800000:
            return word >> 30
        if word >> 30 == 0:
            return 4
    return None


def low_offset(word: int) -> int | None:
    """The offset of a low part; None if the word is none or the offset is 4096 or more."""
    s = scale(word)
    if s is None:
        return None
    offset = extract(word, FIELD) << s
    return offset if offset < 4096 else None


def page(word: int, pc: int) -> int | None:
    """The page of an ADRP."""
    if (word >> 22 ^ word >> 23) & 1:
        return None
    # Bits 22 and 23 both stand for bit 31; bits 5 to 22 are 18 bits from 14.
    return ((pc & ~0xFFF) + extract(word, PAGE_FIELD)) & ALL


class AArch64(Isa):
    number, name, alignment, opcode_on_top = 3, "aarch64", 4, True

    def unit_length(self, code: Image, at: int) -> int:
        return 4

    def form(self, word: int) -> Form | None:
        return next((f for f in FORMS if f.match(word)), None)

    def decode(self, code: Image, at: int, pc: int) -> Reference | None:
        word = self.word(code, at, 4)
        if word is None or pc & 3:
            return None
        form = self.form(word)
        if form:
            target = form.target(word, pc)
            return None if target is None else Reference(4, form.kind, target)
        if is_adrp(word):
            start = page(word, pc)
            if start is None:
                return None
            return Reference(4, PAGE, (start + self.first_user(code, at, word)) & ALL)
        offset = low_offset(word)
        if offset is None:
            return None
        for back in range(4, 29, 4):
            adrp = self.word(code, at - back, 4)
            if adrp is not None and adrp & 0x9F00001F == 0x90000000 | word >> 5 & 31:
                start = page(adrp, pc - back)
                return None if start is None else Reference(4, LOW, (start + offset) & ALL, back)
        return None

    def first_user(self, code: Image, at: int, adrp: int) -> int:
        for ahead in range(4, 29, 4):
            word = self.word(code, at + ahead, 4)
            if word is None or (word ^ adrp) & 0x9F00001F == 0:
                return 0
            offset = low_offset(word)
            if offset is not None and word >> 5 & 31 == adrp & 31:
                return offset
        return 0

    def encode(self, word: int, ref: Reference, pc: int, target: int) -> int | None:
        if pc & 3:
            return None
        if ref.kind == PAGE:
            value = ((target & ~0xFFF) - (pc & ~0xFFF)) & ALL
            word = insert(word, PAGE_FIELD, value)
            return word if page(word, pc) == target & ~0xFFF else None
        if ref.kind == LOW:
            s = scale(word)
            low = target & 0xFFF
            if s is None or low >> s << s != low:
                return None
            return insert(word, FIELD, low >> s)
        form = self.form(word)
        return form.encode(word, pc, target) if form else None

"""Xtensa LX, little-endian (SPEC §7.6)."""

from __future__ import annotations

from .isa import BRANCH, CALL, JUMP, LITERAL, Form, Image, Isa, Reference, runs


def p(pc: int) -> int:
    return pc + 4


def n(word: int) -> int:
    return word >> 4 & 15


S8 = runs("16:0:8")

WIDE = [
    Form(lambda w: w & 15 == 1, LITERAL, lambda pc: ((pc + 3) & ~3) - 0x40000, runs("8:2:16")),
    Form(lambda w: w & 15 == 5, CALL, lambda pc: (pc & ~3) + 4, runs("6:2:18"), 20),
    Form(lambda w: w & 15 == 7, BRANCH, p, S8, 8),
    Form(lambda w: w & 15 == 6 and n(w) in (0, 4, 8, 12), JUMP, p, runs("6:0:18"), 18),
    Form(lambda w: w & 15 == 6 and n(w) in (1, 5, 9, 13), BRANCH, p, runs("12:0:12"), 12),
    Form(lambda w: w & 15 == 6 and n(w) in (2, 6, 10, 11, 14, 15), BRANCH, p, S8, 8),
    Form(lambda w: w & 15 == 6 and n(w) == 7 and w >> 12 & 15 in (0, 1), BRANCH, p, S8, 8),
    Form(lambda w: w & 15 == 6 and n(w) == 7 and w >> 12 & 15 in (8, 9, 10), BRANCH, p, S8),
]
NARROW = Form(lambda w: w & 15 == 12 and w & 0x80 != 0, BRANCH, p, runs("12:0:4 4:4:2"))


class Xtensa(Isa):
    number, name, sweep = 5, "xtensa", True

    def unit_length(self, code: Image, at: int) -> int:
        if at >= len(code):
            return 1
        return 2 if 8 <= code[at] & 15 <= 13 else 3

    def form(self, word: int, length: int) -> Form | None:
        if length == 2:
            return NARROW if NARROW.match(word) else None
        return next((f for f in WIDE if f.match(word)), None)

    def decode(self, code: Image, at: int, pc: int) -> Reference | None:
        length = self.unit_length(code, at)
        word = self.word(code, at, length)
        form = self.form(word, length) if word is not None and length > 1 else None
        if form is None or word is None:
            return None
        target = form.target(word, pc)
        return None if target is None else Reference(length, form.kind, target)

    def encode(self, word: int, ref: Reference, pc: int, target: int) -> int | None:
        form = self.form(word, ref.length)
        return form.encode(word, pc, target) if form else None

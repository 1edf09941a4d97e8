"""AVR (SPEC §7.7)."""

from __future__ import annotations

from .isa import BRANCH, CALL, JUMP, Form, Image, Isa, Reference, runs


def p(pc: int) -> int:
    return pc + 2


FAR = runs("16:1:16 0:17:1 4:18:5")
WIDE = [
    Form(lambda w: w & 0xFE0E == 0x940E, CALL, lambda pc: 0, FAR),
    Form(lambda w: w & 0xFE0E == 0x940C, JUMP, lambda pc: 0, FAR),
]
NARROW = [
    Form(lambda w: w >> 12 == 0xC, JUMP, p, runs("0:1:12"), 13),
    Form(lambda w: w >> 12 == 0xD, CALL, p, runs("0:1:12"), 13),
    Form(lambda w: w & 0xF800 == 0xF000, BRANCH, p, runs("3:1:7"), 8),
]


class Avr(Isa):
    number, name, alignment, sweep = 6, "avr", 2, True

    def unit_length(self, code: Image, at: int) -> int:
        first = self.word(code, at, 2)
        if first is None:
            return 1
        return 4 if first & 0xFE0C == 0x940C or first & 0xFC0F == 0x9000 else 2

    def form(self, word: int, length: int) -> Form | None:
        return next((f for f in (NARROW if length == 2 else WIDE) if f.match(word)), None)

    def decode(self, code: Image, at: int, pc: int) -> Reference | None:
        length = self.unit_length(code, at)
        word = self.word(code, at, length)
        if word is None or length == 1 or pc & 1:
            return None
        form = self.form(word, length)
        target = form.target(word, pc) if form else None
        if form is None or target is None:
            return None
        return Reference(length, form.kind, target)

    def encode(self, word: int, ref: Reference, pc: int, target: int) -> int | None:
        form = self.form(word, ref.length)
        return form.encode(word, pc, target) if form and not pc & 1 else None

"""8051 (SPEC §7.8)."""

from __future__ import annotations

from .isa import ALL, BRANCH, CALL, JUMP, LITERAL, Form, Image, Isa, Reference, extract, insert, runs

SIX_UP = "1 1 1 1 1 1 1 2 2 1 2 3 1 1 1 1"
LENGTHS = [
    [int(n) for n in row.split()]
    for row in [
        "1 3 3 3 2 2 2 2 2 3 2 2 2 2 1 1",
        "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2",
        "3 3 1 1 2 2 2 2 2 2 2 2 2 2 1 1",
        "1 1 1 1 3 3 3 1 1 1 1 1 1 1 1 1",
        "1 1 2 2 2 2 2 2 1 2 1 3 1 1 1 1",
        "2 2 2 2 2 2 2 3 3 2 1 3 2 3 2 2",
        SIX_UP,
        SIX_UP,
    ]
    + [SIX_UP[:26] + "2" + SIX_UP[27:]] * 8
]

FAR = {0x02: JUMP, 0x12: CALL, 0x90: LITERAL}
FAR_FIELD = runs("16:0:8 8:8:8")
SECOND = {0x80, 0x40, 0x50, 0x60, 0x70, *range(0xD8, 0xE0)}
THIRD = {0x10, 0x20, 0x30, 0xD5, *range(0xB4, 0xC0)}
PAGED = runs("8:0:8 5:8:3")


def always(_: int) -> bool:
    return True


SECOND_FORM = Form(always, BRANCH, lambda pc: pc + 2, runs("8:0:8"), 8)
THIRD_FORM = Form(always, BRANCH, lambda pc: pc + 3, runs("16:0:8"), 8)
AJMP = Form(always, BRANCH, lambda pc: (pc + 2) & ~0x7FF, PAGED)
ACALL = Form(always, CALL, lambda pc: (pc + 2) & ~0x7FF, PAGED)


def bank(pc: int) -> int:
    return pc & ~0x7FFF or 0x8000


class I8051(Isa):
    number, name, sweep = 7, "8051", True

    def unit_length(self, code: Image, at: int) -> int:
        if at >= len(code):
            return 1
        return LENGTHS[code[at] & 15][code[at] >> 4]

    def form(self, opcode: int) -> Form | None:
        if opcode in SECOND:
            return SECOND_FORM
        if opcode in THIRD:
            return THIRD_FORM
        return {0x01: AJMP, 0x11: ACALL}.get(opcode & 31)

    def decode(self, code: Image, at: int, pc: int) -> Reference | None:
        if at >= len(code):
            return None
        opcode = code[at]
        length = LENGTHS[opcode & 15][opcode >> 4]
        word = self.word(code, at, length)
        if word is None:
            return None
        if opcode in FAR:
            v = extract(word, FAR_FIELD)
            target = v if v < 0x8000 else (bank(pc) + v - 0x8000) & ALL
            return Reference(3, FAR[opcode], target)
        form = self.form(opcode)
        target = form.target(word, pc) if form else None
        if form is None or target is None:
            return None
        return Reference(length, form.kind, target)

    def encode(self, word: int, ref: Reference, pc: int, target: int) -> int | None:
        opcode = word & 0xFF
        if opcode in FAR:
            if target >= 0x8000:
                target = (target - bank(pc)) & ALL
                if target >= 0x8000:
                    return None
                target += 0x8000
            return insert(word, FAR_FIELD, target)
        form = self.form(opcode)
        return form.encode(word, pc, target) if form else None

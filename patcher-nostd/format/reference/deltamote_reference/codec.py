"""Map, ops, copies and literals: from data and old image to the new one (SPEC §6.7 to §6.11)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from . import models as m
from .coder import Decoder
from .errors import Broken
from .header import ALL, POINTER, RAM, Header, Space, read
from .profiles import Profile
from .refs import ISAS, Reference
from .refs.isa import Isa

BLOCK_SIZE, BLOCK_DISTANCE = (32, 256, 2048), (64, 512, 4096)
MISSED_ORDER = {4: (1, 0, 3, 2), 3: (0, 1, 2), 2: (1, 0), 1: (0,)}
LEARNED_KINDS = (1, 2, 6, POINTER, RAM)
PAIRED_LITERALS = ("thumb", "riscv", "avr")
MIN_RESET_DATA = 4096

hash2 = m.hash2


def word_of(data: bytes | bytearray) -> int:
    return int.from_bytes(data, "little")


@dataclass
class Corrections:
    """Pairs (old target, new target), sorted (SPEC §6.8)."""

    capacity: int
    old: list[int] = field(default_factory=list)
    new: list[int] = field(default_factory=list)
    leaving: int = 0

    def clear(self) -> None:
        self.old, self.new, self.leaving = [], [], 0

    def learn(self, old: int, new: int) -> None:
        at = bisect_left(self.old, old)
        if at < len(self.old) and self.old[at] == old:
            self.new[at] = new
            return
        if len(self.old) == self.capacity:
            self.leaving = (self.leaving * 1664525 + 1013904223) & ALL
            victim = (self.leaving >> 8) % self.capacity
            del self.old[victim], self.new[victim]
            at = bisect_left(self.old, old)
        self.old.insert(at, old)
        self.new.insert(at, new)

    def around(self, target: int) -> list[tuple[int, int]]:
        """Distance and shift of lower and upper."""
        at = bisect_left(self.old, target)
        return [
            (abs(target - self.old[k]), (self.new[k] - self.old[k]) & ALL)
            for k in (at - 1, at)
            if 0 <= k < len(self.old)
        ]

    def neighbour(self, target: int, f: int, first: int, last: int) -> tuple[int, int] | None:
        """Shift and class of what moved near a target, whose old offset is f."""
        at = bisect_left(self.old, target)
        near = [
            (min(e, -e & ALL), (self.new[k] - self.old[k]) & ALL)
            for k in (at - 1, at)
            if 0 <= k < len(self.old)
            for e in [(self.old[k] - target) & ALL]
            if self.old[k] != self.new[k] and first <= f + e & ALL < last
        ]
        if not near:
            return None
        if len(near) == 1:
            row, (distance, shift) = 2, near[0]
        elif near[0][1] == near[1][1]:
            row, (distance, shift) = 0, max(near)
        else:
            row, (distance, shift) = 1, near[0] if near[0][0] <= near[1][0] else near[1]
        return shift, row * 4 + min((distance >> 3).bit_length() // 3, 3)

    def nearest(self, target: int) -> tuple[int, int]:
        """New target and confidence for a target that has no pair of its own."""
        near = self.around(target)
        if len(near) == 2:
            (below, lower), (above, upper) = near
            if lower == upper:
                return (target + lower) & ALL, 2
            return (target + (lower if below <= above else upper)) & ALL, 1
        if near and near[0][0] < 65536:
            return (target + near[0][1]) & ALL, 1
        return target, 0


@dataclass
class Entry:
    old: int
    new: int
    learned: bool = False


def old_of(entry: Entry) -> int:
    return entry.old


def new_of(entry: Entry) -> int:
    return entry.new


def place(entries: list[Entry], offset: int, offset_of: Callable[[Entry], int]) -> int:
    """How many entries lie below an offset; they ascend. (`bisect` has keys since 3.10.)"""
    low, high = 0, len(entries)
    while low < high:
        middle = (low + high) // 2
        if offset_of(entries[middle]) < offset:
            low = middle + 1
        else:
            high = middle
    return low


class Map:
    """Equivalences in order of their old offset (SPEC §6.7)."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.entries: list[Entry] = []
        self.sent: list[Entry] = []  # ascending in new

    def add(self, entry: Entry) -> None:
        if len(self.entries) >= self.capacity:
            return
        at = place(self.entries, entry.old + 1, old_of)
        self.entries.insert(at, entry)
        if not entry.learned:
            self.sent.append(entry)

    def forget_learned(self) -> None:
        self.entries = [e for e in self.entries if not e.learned]

    def shift(self, offset: int) -> tuple[int, int, int]:
        """The shift of an old offset, and the offsets that it holds for."""
        at = place(self.entries, offset + 1, old_of)
        last = self.entries[at].old if at < len(self.entries) else ALL
        if not at:
            return 0, 0, last
        entry = self.entries[at - 1]
        return entry.new - entry.old, entry.old, last

    def next(self, pos: int, above: bool = False) -> Entry | None:
        """The sent entry with the smallest new offset at least `pos`, or above it."""
        at = place(self.sent, pos + above, new_of)
        return self.sent[at] if at < len(self.sent) else None


@dataclass
class Moved:
    """Where a target of old went. A rival is the other of two predictions; `flag` is the taught
    flag that chose, and `neighbour` the prediction that it speaks of."""

    target: int
    confidence: int
    rival: int | None = None
    flag: int = 0
    neighbour: int = 0


@dataclass
class Unit:
    """What one prediction covers."""

    length: int
    pred: int
    old_word: int
    ref: Reference | None = None
    moved: Moved = field(default_factory=lambda: Moved(0, 0))
    confidence: int = 0

    @property
    def kind(self) -> int:
        return self.ref.kind if self.ref else 0

    @property
    def changed(self) -> int:
        return int(self.pred != self.old_word)


class Codec:
    """One payload being decoded; the variables are those of SPEC §6."""

    def __init__(
        self,
        data: bytes,
        old: bytes,
        sizes: tuple[int, int],
        profile: Profile,
        prior: list[int] | None = None,
    ) -> None:
        self.data, self.old, self.new = data, old, bytearray()
        self.old_size, self.new_size = sizes
        self.profile = profile
        self.coder = Decoder(data)
        self.models = m.Models(profile, prior)
        self.corrections = Corrections(profile.corrections)
        self.map = Map(profile.map_entries)
        self.gap = self.last_end = 0
        self.diagonals = [0, 0, 0]
        self.recent = 0  # `bytes` of the text
        self.misses = self.equal = self.last_miss = 0
        self.deltas = [0, 0, 0, 0]
        self.hit_end, self.cap, self.miss_end = 0, 3, 0
        self.synced_from = 0
        self.reset_at = 0
        self.filling = False
        #: Resume points on the way: 10 words each (§6.9).
        self.resets: list[list[int]] = []
        self.header: Header
        self.isa: Isa
        self.region_end = 0
        self.next: Entry | None = None

    @property
    def pos(self) -> int:
        return len(self.new)

    def fail(self, kind: str) -> Broken:
        return Broken(kind, self.pos)

    def decode(self) -> bytes:
        """The new image."""
        self.header = read(self.coder, self.profile, self.old_size, self.new_size)
        if self.new_size:
            self.enter_region()
        self.read_map()
        self.next = self.map.next(0)
        while self.pos < self.new_size:
            self.op()
        length = self.coder.length()
        if length != len(self.data):
            longer = len(self.data) > length
            raise Broken("PayloadTrailing" if longer else "PayloadTruncated", length)
        return bytes(self.new)

    def enter_region(self) -> None:
        self.region_end, isa = self.header.region(self.pos)
        self.isa = ISAS[isa]

    def read_map(self) -> None:
        old = new = 0
        for k in range(self.header.map_entries):
            gap = self.models.number(self.coder, m.N_GAP)
            moved = self.models.single(self.coder, m.S_MOVED)
            shift = self.models.signed_number(self.coder, m.N_SHIFT) if moved else 0
            if gap == 0 and k > 0:
                raise Broken("MapOutOfRange", 0)
            old, new = (old + gap + shift) & ALL, new + gap
            if old >= self.old_size or new >= self.new_size:
                raise Broken("MapOutOfRange", 0)
            self.map.add(Entry(old, new))

    # Ops (§6.7).

    def room(self) -> int:
        return (self.next.new if self.next else self.new_size) - self.pos

    def op(self) -> None:
        self.gap = 0
        if self.next and self.next.new == self.pos:
            source = self.next.old
            self.next = self.map.next(self.pos, above=True)
            self.copy_op(source, from_new=False, inline=False)
            return
        self.filling = bool(self.models.single(self.coder, m.S_FILLS))
        if self.filling:
            self.literals(self.room())
            return
        length = self.models.number(self.coder, m.N_INSERT)
        if length >= self.room():
            raise self.fail("OutputOverrun")
        self.gap = length
        self.literals(length)
        from_new = bool(self.models.single(self.coder, m.S_FROM_NEW))
        self.copy_op(self.source(from_new), from_new, inline=True)

    def source(self, from_new: bool) -> int:
        """Step 4: the source of an inline copy."""
        coder, models, pos = self.coder, self.models, self.pos
        if from_new:
            back = models.number(coder, m.N_BACK)
            if not 1 <= back <= pos:
                raise self.fail("CopyOutOfRange")
            return pos - back
        source = self.old_source(self.last_end + self.gap)
        if source >= self.old_size:
            raise self.fail("CopyOutOfRange")
        return source

    def old_source(self, sub: int) -> int:
        coder, models, pos = self.coder, self.models, self.pos
        if models.single(coder, m.S_SUBSTITUTES):
            return sub & ALL
        if models.single(coder, m.S_CONTINUES):
            return self.last_end
        for k in range(3):
            if models.single(coder, m.S_DIAGONAL + k):
                return (pos + self.diagonals[k]) & ALL
        if self.next:
            at = (self.next.old - (self.next.new - pos)) & ALL
            if at != sub & ALL and models.single(coder, m.S_NEARER_NEXT):
                return (at + models.signed_number(coder, m.N_NEXT)) & ALL
        return (sub + models.signed_number(coder, m.N_SOURCE)) & ALL

    def copy_op(self, source: int, from_new: bool, inline: bool) -> None:
        """Step 5: the length, then the copy."""
        room = self.room()
        if inline:
            length = 1 + self.models.number(self.coder, m.N_NEW if from_new else m.N_OLD)
        else:
            length = room - self.models.number(self.coder, m.N_REST)
        if not 1 <= length <= room:
            raise self.fail("OutputOverrun")
        if not from_new:
            if source + length > self.old_size:
                raise self.fail("CopyOutOfRange")
            self.last_end = source + length
            diagonal = (source - self.pos) & ALL
            if diagonal in self.diagonals:
                self.diagonals.remove(diagonal)
            self.diagonals = ([diagonal] + self.diagonals)[:3]
            if self.header.learn_map and inline and length >= 48:
                self.map.add(Entry(source, self.pos, learned=True))
        self.copy(source, length, from_new)

    # Resets (§6.9).

    def period(self) -> int:
        """Bytes up to the next place where a reset may happen; none: more than any image."""
        if not self.header.reset_log2:
            return 2**32
        return (1 << self.header.reset_log2) - self.pos % (1 << self.header.reset_log2)

    def put(self, data: bytes) -> None:
        """End of a unit or literal."""
        for byte in data:
            self.recent = (self.recent << 8 | byte) & 0xFFFFFFFFFFFFFFFF
        self.new += data
        if self.region_end <= self.pos < self.new_size:
            self.enter_region()

    def reset(self, op: int, source: int, left: int) -> bool:
        """Resets where it is time to; the arguments are for the resume point."""
        log2 = self.header.reset_log2
        if not log2 or self.pos % (1 << log2) or self.pos >= self.new_size:
            return False
        if self.coder.position - self.reset_at < MIN_RESET_DATA:
            return False
        self.coder.restart()
        self.reset_at = self.coder.position
        self.models.reset()
        self.corrections.clear()
        self.map.forget_learned()
        self.next = self.map.next(self.pos)
        self.recent = self.misses = self.equal = 0
        self.deltas = [0, 0, 0, 0]
        self.last_miss = self.pos
        self.hit_end, self.cap, self.miss_end = 0, 3, 0
        point = [self.pos, self.coder.position, op, source, left, self.gap, self.last_end]
        self.resets.append(point + self.diagonals)
        return True

    # Literals (§6.11).

    def literals(self, left: int) -> None:
        while left:
            room = min(left, self.region_end - self.pos, self.period())
            if self.isa.name in PAIRED_LITERALS and self.pos % 2 == 0 and room >= 2:
                data = self.two_literals()
            else:
                data = bytes([self.one_literal()])
            self.misses = (self.misses << 1 | 1) & ALL
            left -= len(data)
            self.put(data)
            if left:
                self.reset(4 if self.filling else 3, 0, left)
            else:
                self.reset(0 if self.filling else 5, 0, 0)

    def b(self, k: int) -> int:
        return self.recent >> 8 * k & 0xFF

    def one_literal(self) -> int:
        i, q, b = self.isa.number << 8, self.pos & 3, self.b
        contexts = [
            hash2(0x30 | i, q),
            hash2(0x31 | i, b(0)),
            hash2(0x32 | i, b(0) | b(1) << 8),
            hash2(0x33 | i, b(1) | q << 16),
            hash2(0x34 | i, b(3) | q << 8),
            hash2(0x35 | i, b(0) | b(1) << 8 | b(2) << 16),
            hash2(0x36 | i, 0),
        ]
        return self.models.byte(self.coder, 3, contexts)

    def two_literals(self) -> bytes:
        i, q, b = self.isa.number << 8, self.pos & 3, self.b
        w = b(0) | b(1) << 8
        ww = w | b(2) << 16 | b(3) << 24
        high = self.models.byte(
            self.coder,
            1,
            [
                hash2(0x10 | i, 0),
                hash2(0x11 | i, b(0)),
                hash2(0x12 | i, b(0) | b(2) << 8),
                hash2(0x13 | i, w),
                hash2(0x14 | i, q | b(2) << 8 | b(3) << 16),
                hash2(0x15 | i, ww),
                hash2(0x16 | i, q),
            ],
        )
        h = high
        low = self.models.byte(
            self.coder,
            2,
            [
                hash2(0x20 | i, h),
                hash2(0x21 | i, h | b(1) << 8),
                hash2(0x22 | i, h | b(0) << 8),
                hash2(0x23 | i, h | w << 8),
                hash2(0x24 | i, h | q << 8 | b(3) << 16),
                hash2(0x25 | i, h ^ hash2(ww, 9)),
                hash2(0x26 | i, 0),
            ],
        )
        return bytes([low, high])

    # Copies (§6.10).

    def image(self, from_new: bool) -> bytes | bytearray:
        return self.new if from_new else self.old

    def sync(self, source: int, from_new: bool) -> None:
        """Finds instruction boundaries in front of a source."""
        if not self.isa.sweep:
            self.synced_from = source
            return
        at = max(source - 48, 0) & ~3
        while at < source:
            at += self.isa.unit_length(self.image(from_new), at)
        self.synced_from = at

    def copy(self, src: int, left: int, from_new: bool) -> None:
        self.last_miss = self.hit_end = self.miss_end = self.pos
        self.cap = 3
        self.sync(src, from_new)
        while left:
            length = self.copy_unit(src, left, from_new)
            src, left = src + length, left - length
            if self.reset((2 if from_new else 1) if left else 0, src if left else 0, left) and left:
                self.sync(src, from_new)

    def copy_unit(self, src: int, left: int, from_new: bool) -> int:
        unit = self.predict(src, left, from_new)
        pred = unit.pred.to_bytes(unit.length, "little")
        flagged = missed = False
        if self.pos >= self.hit_end:
            self.block(left)
        if self.pos < self.hit_end:
            actual = pred
        else:
            flagged = True
            missed = not self.unit_flag(unit, left)
            actual = self.missed_unit(unit, pred) if missed else pred
        at, isa = self.pos, self.isa
        self.put(actual)
        if flagged and not from_new and unit.ref:
            target = self.new_target(unit.ref, at, isa)
            self.teach(unit, unit.ref, actual == pred, target)
            if target is not None and (missed or unit.kind == RAM) and unit.kind in LEARNED_KINDS:
                self.corrections.learn(unit.ref.target, target)
        return unit.length

    def predict(self, src: int, left: int, from_new: bool) -> Unit:
        """The unit at `src`, and what it will be in the new image."""
        header, isa, pos = self.header, self.isa, self.pos
        image = self.image(from_new)
        room = min(left, self.region_end - pos, self.period())
        ref = None
        aligned = (src | pos) % isa.alignment == 0
        if src % 4 == 0 and pos % 4 == 0 and room >= 4 and src + 4 <= len(image):
            value = word_of(image[src : src + 4])
            kind = header.word_kind(value)
            if kind:
                ref = Reference(4, kind, value)
        if ref is None and src >= self.synced_from and pos % isa.alignment == 0:
            ref = isa.decode(image, src, header.address(from_new, src))
            if ref and ref.length > room:
                ref = None
        if ref:
            old_word = word_of(image[src : src + ref.length])
            moved = Moved(ref.target, 2) if from_new else self.moved(ref.target, ref.kind)
            confidence = moved.confidence
            pred = self.encode(old_word, ref, moved.target)
            doubtful = ref.kind == POINTER and not from_new and moved.target != ref.target
            if pred is None or (doubtful and not self.is_pointer(old_word)):
                pred, confidence = old_word, 0
            return Unit(ref.length, pred, old_word, ref, moved, confidence)
        length = 1
        if src >= self.synced_from and aligned:
            length = min(isa.unit_length(image, src), room)
            if src + length > len(image):
                length = 1
        if src >= len(image):
            raise self.fail("CopyOutOfRange")
        word = word_of(image[src : src + length])
        return Unit(length, word, word)

    def encode(self, word: int, ref: Reference, target: int) -> int | None:
        if ref.kind in (POINTER, RAM):
            return target
        return self.isa.encode(word, ref, self.header.address(True, self.pos), target)

    def moved(self, target: int, kind: int) -> Moved:
        """New target and confidence of a reference in old (§6.8)."""
        at = bisect_left(self.corrections.old, target)
        if at < len(self.corrections.old) and self.corrections.old[at] == target:
            return Moved(self.corrections.new[at], 3)
        if kind != RAM:
            for space in self.header.spaces:
                f = space.old.offset_of(target)
                if f is None:
                    continue
                shift, first, last = self.map.shift(f)
                by_map = self.by_map(target, f + shift & ALL, space, shift)
                near = self.corrections.neighbour(target, f, first, last)
                if near is None or (target + near[0]) & ALL == by_map:
                    return Moved(by_map, 2)
                by_near, flag = (target + near[0]) & ALL, m.S_NEIGHBOUR + near[1]
                if self.models.taught(flag) >= 2600:
                    return Moved(by_near, 1, by_map, flag, by_near)
                return Moved(by_map, 2, by_near, flag, by_near)
        return Moved(*self.corrections.nearest(target))

    def by_map(self, target: int, offset: int, space: Space, shift: int) -> int:
        """The address of new offset `offset`, through the target's own space if that holds it."""
        for through in [space, *self.header.spaces]:
            address = through.new.address_of(offset)
            if address is not None:
                return address
        return (target + shift) & ALL

    def pointer_flags(self, value: int) -> tuple[int, int]:
        """The taught flags of form and place of a word that may be a pointer."""
        if self.isa.name == "thumb":
            form = value >> 11 & 31
        else:
            form = (value & 3) << 3 | value >> 12 & 7
        offsets = (space.old.offset_of(value) for space in self.header.spaces)
        f = next((offset for offset in offsets if offset is not None), 0)
        place = min(f >> max(self.old_size.bit_length() - 4, 0), 15)
        return m.S_FORM + form, m.S_PLACE + place

    def is_pointer(self, value: int) -> bool:
        form, place = self.pointer_flags(value)
        taught = self.models.taught
        return m.stretch(taught(form)) + m.stretch(taught(place)) >= -7

    def block(self, left: int) -> None:
        """Block flags in front of a unit, until one holds or none is left to ask for."""
        pos = self.pos
        if pos >= self.miss_end:
            self.cap = 3
        while True:
            usable = [
                i
                for i in range(self.cap)
                if pos - self.last_miss >= BLOCK_DISTANCE[i]
                and left >= BLOCK_SIZE[i] + 4
                and (self.cap == 3 or self.miss_end - pos >= BLOCK_SIZE[i])
            ]
            if not usable:
                return
            i = usable[-1]
            t = 0xB00 | i | self.cap << 4
            d = min((pos - self.last_miss).bit_length(), 16)
            r = min(left.bit_length(), 14)
            contexts = [
                hash2(t, 1),
                hash2(t, d << 8 | 2),
                hash2(t, (self.misses & 15) << 8 | 3),
                hash2(t, (self.misses & 255) << 8 | 4),
                hash2(t, r << 8 | 5),
                hash2(t, d << 16 | (self.misses & 15) << 8 | 6),
            ]
            if self.models.flag(self.coder, 72 + i, contexts):
                self.hit_end = pos + BLOCK_SIZE[i]
                self.misses = self.misses << 1 & ALL
                return
            self.cap = i
            self.miss_end = pos + BLOCK_SIZE[i]

    def unit_flag(self, unit: Unit, left: int) -> int:
        """Whether the unit is as predicted."""
        top = int(unit.length >= 2)
        tb = unit.pred >> 8 * top & 0xFF
        kind = unit.kind
        c = kind * 8 + unit.confidence * 2 + unit.changed
        d = min((self.pos - self.last_miss).bit_length(), 9)
        r = min(left.bit_length(), 6)
        weights = (
            (kind & 7) * 8
            + ((unit.confidence & 1) * 4 if kind else 0)
            + unit.changed * 2
            + (self.misses & 1)
        )
        contexts = [
            hash2(c, self.misses & 7 | unit.length << 8),
            hash2(tb | kind << 8, self.misses & 3 | 0x100),
            hash2(unit.pred, c),
            hash2(self.misses & 255, kind),
            hash2(d | r << 4, c),
            hash2(tb | self.b(top) << 8 | (self.b(0) << 16 if unit.length == 1 else 0), kind + 77),
        ]
        hit = self.models.flag(self.coder, weights, contexts)
        self.misses = (self.misses << 1 | (1 - hit)) & ALL
        return hit

    def missed_unit(self, unit: Unit, pred: bytes) -> bytes:
        coder, models, kind, ref = self.coder, self.models, unit.kind, unit.ref
        self.last_miss = self.pos + unit.length
        self.hit_end, self.cap, self.miss_end = self.pos, 3, self.pos
        if unit.changed and models.single(coder, m.S_UNCHANGED + kind):
            return unit.old_word.to_bytes(unit.length, "little")
        if ref and models.single(coder, m.S_OTHER_TARGET + kind):
            target = self.other_target(unit, kind)
            word = self.encode(unit.old_word, ref, target)
            if word is None:
                raise self.fail("NumberTooLarge")
            return word.to_bytes(unit.length, "little")
        return self.missed_bytes(unit, pred)

    def other_target(self, unit: Unit, kind: int) -> int:
        if kind in (POINTER, RAM):
            # The last four new bytes as a word: `recent` has them the other way round.
            before = int.from_bytes((self.recent & ALL).to_bytes(4, "big"), "little")
            if self.header.word_kind(before) == kind:
                if self.models.single(self.coder, m.S_POINTER_STEP + kind):
                    return (before + self.models.signed_number(self.coder, m.N_POINTER)) & ALL
        return (unit.moved.target + self.models.signed_number(self.coder, m.N_TARGET)) & ALL

    def missed_bytes(self, unit: Unit, pred: bytes) -> bytes:
        length, kind = unit.length, unit.kind
        order = MISSED_ORDER[length]
        if length == 4 and self.isa.opcode_on_top:
            order = (3, 2, 1, 0)
        top = int(length >= 2)
        tb = pred[top]
        old = unit.old_word.to_bytes(length, "little")
        out = bytearray(length)
        coded = missed = 0
        for k, j in enumerate(order):
            e, place = pred[j], kind << 2 | j | length << 8
            if missed or k < length - 1:
                contexts = [
                    hash2(place, missed | 0x4000),
                    hash2(e | place << 8, missed | 0x8000),
                    hash2(unit.pred, (place | missed << 16) + 0x5000),
                    hash2(place, coded & 255 | 0x2000),
                    hash2(place, self.equal & 255 | 0xA000),
                    hash2(tb | place << 8, self.misses >> 1 & 1 | 0x6000),
                ]
                same = self.models.flag(self.coder, 64 + 2 * k + missed, contexts)
                self.equal = (self.equal << 1 | same) & ALL
                if same:
                    out[j] = e
                    coded = (coded << 8 | e) & ALL
                    continue
            missed = 1
            d, s = self.deltas[j], old[j]
            contexts = [
                hash2(e, place),
                hash2(unit.pred ^ 0x5555, (coded | place << 20) & ALL),
                hash2(e | d << 8, coded & 255),
                hash2(place ^ d * 0x3001, 0x77),
                hash2(tb | self.b(top) << 8, (coded | place << 20) & ALL),
                hash2(coded, j | 0x900),
                hash2(s | e << 8, hash2(self.b(0) | self.b(1) << 8, place)),
            ]
            byte = self.models.byte(self.coder, 0, contexts)
            self.deltas[j] = (byte - e) & 0xFF
            coded = (coded << 8 | byte) & ALL
            out[j] = byte
        return bytes(out)

    def new_target(self, ref: Reference, at: int, isa: Isa) -> int | None:
        """The target of the unit that was written at `at`."""
        if ref.kind in (POINTER, RAM):
            return word_of(self.new[at : at + 4])
        there = isa.decode(self.new, at, self.header.address(True, at))
        if there and (there.kind, there.length) == (ref.kind, ref.length):
            return there.target
        return None

    def teach(self, unit: Unit, ref: Reference, hit: bool, target: int | None) -> None:
        """Tells the taught flags which prediction was right."""
        moved = unit.moved
        if moved.rival is not None:
            if hit and unit.changed:
                self.models.teach(moved.flag, moved.target == moved.neighbour)
            elif not hit and target == moved.rival:
                self.models.teach(moved.flag, moved.rival == moved.neighbour)
        if ref.kind == POINTER and moved.target != ref.target:
            changed = word_of(self.new[-4:]) != unit.old_word
            for flag in self.pointer_flags(unit.old_word):
                self.models.teach(flag, changed)

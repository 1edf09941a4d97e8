"""Payload codec 1 (SPEC §13): predictions of §6, and what is sent besides them as bytes in
zstd frames."""

from __future__ import annotations

from .codec import LEARNED_KINDS, RAM, Codec, Entry
from .coder import Decoder
from .header import ALL, read
from .errors import Broken
from .frames import content
from .profiles import Profile, named

MOST_SECTION = 1_310_720
MOST_STREAMS = 1 << 21
BLOCK_LOG2 = 20
STREAMS = ("inserts", "lengths", "sources", "hits", "misses", "literals")


def signed(number: int) -> int:
    return -(number + 1 >> 1) if number & 1 else number >> 1


class Stream:
    """Bytes that are used up from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def over(self) -> bool:
        return self.at == len(self.data)

    def take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        if len(part) < count:
            raise Broken("PayloadTruncated", -1)
        self.at += count
        return part

    def number(self) -> int:
        """7 bits a byte, lowest first, in its shortest form, below 2^32."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value > ALL or (shift and not byte):
                    break
                return value
        raise Broken("NumberTooLarge", -1)


class ZstdCodec(Codec):
    """One payload; `op`, `copy` and coder of codec 0 lie idle behind the map."""

    def __init__(
        self,
        data: bytes,
        old: bytes,
        sizes: tuple[int, int],
        profile: Profile,
        prior: list[int] | None = None,
    ) -> None:
        if profile is not named("large") or prior is not None:
            raise Broken("HeaderUnsupported", 0)
        super().__init__(data, old, sizes, profile)
        self.streams: dict[str, Stream] = {}
        self.used = 0
        self.hits: int | None = 0

    def decode(self) -> bytes:
        """The new image."""
        section = self.section()
        self.coder = Decoder(section)
        self.header = read(self.coder, self.profile, self.old_size, self.new_size)
        log2 = self.header.reset_log2
        self.enter_region()
        self.read_map()
        if self.coder.length() != len(section):
            raise Broken("HeaderInconsistent", 0)
        if log2 > BLOCK_LOG2 or (log2 == 0 and self.new_size > 1 << BLOCK_LOG2):
            raise Broken("HeaderUnsupported", 0)
        while self.pos < self.new_size:
            if self.pos:
                self.resets.append([self.pos, self.used] + [0] * 8)
            start = self.pos
            try:
                self.block_of(self.section(), min(start + (1 << (log2 or 31)), self.new_size))
            except Broken as broken:
                # Streams know no offsets.
                raise broken if broken.at >= 0 else Broken(broken.kind, self.pos) from None
        if self.used < len(self.data):
            raise Broken("PayloadTrailing", self.used)
        return bytes(self.new)

    def section(self) -> bytes:
        """The next one (§13.1)."""
        front = self.data[self.used : self.used + 4]
        length = int.from_bytes(front, "little")
        if len(front) == 4 and length > MOST_SECTION:
            raise Broken("NumberTooLarge", self.pos)
        section = self.data[self.used + 4 : self.used + 4 + length]
        if len(front) < 4 or len(section) < length:
            raise Broken("PayloadTruncated", len(self.data))
        self.used += 4 + length
        return section

    def unpack(self, section: bytes) -> None:
        """The streams of a block (§13.3)."""
        front = Stream(section)
        sizes = [(front.number(), front.number()) for _ in STREAMS]
        if any((not size) != (not coded) for size, coded in sizes):
            raise Broken("HeaderInconsistent", self.pos)
        if sum(size for size, _ in sizes) > MOST_STREAMS:
            raise Broken("NumberTooLarge", self.pos)
        if front.at + sum(coded for _, coded in sizes) != len(section):
            raise Broken("HeaderInconsistent", self.pos)
        for name, (size, coded) in zip(STREAMS, sizes):
            data = content(front.take(coded), size) if size else b""
            if data is None:
                raise Broken("HeaderInconsistent", self.pos)
            self.streams[name] = Stream(data)

    def block_of(self, section: bytes, end: int) -> None:
        """The new bytes up to `end` (§13.2)."""
        self.models.reset()
        self.corrections.clear()
        self.map.forget_learned()
        self.next = self.map.next(self.pos)
        self.last_end = 0
        self.unpack(section)
        streams = self.streams
        self.next_hits()
        while self.pos < end:
            mapped = self.next is not None and self.next.new == self.pos
            if mapped:
                source, from_new = self.next.old, False
                self.next = self.map.next(self.pos, above=True)
            else:
                room = min(self.room(), end - self.pos)
                gap = streams["inserts"].number()
                if gap > room:
                    raise self.fail("OutputOverrun")
                for byte in streams["literals"].take(gap):
                    self.put(bytes([byte]))
                if gap == room:
                    continue
                source, from_new = self.where()
            self.copy_of(source, from_new, mapped, end)
        if not all(stream.over() for stream in streams.values()):
            raise Broken("HeaderInconsistent", end)

    def where(self) -> tuple[int, bool]:
        number = self.streams["sources"].number()
        if number & 1:
            if number >> 1 > self.pos:
                raise self.fail("CopyOutOfRange")
            return self.pos - (number >> 1), True
        return (self.last_end + signed(number >> 1)) & ALL, False

    def copy_of(self, source: int, from_new: bool, mapped: bool, end: int) -> None:
        length = self.streams["lengths"].number()
        if length > end - self.pos or not 1 <= length <= self.room():
            raise self.fail("OutputOverrun")
        if source + length > self.old_size if not from_new else source >= self.pos:
            raise self.fail("CopyOutOfRange")
        if not from_new:
            self.last_end = source + length
            if self.header.learn_map and not mapped and length >= 48:
                self.map.add(Entry(source, self.pos, learned=True))
        self.sync(source, from_new)
        while length:
            unit = self.predict(source, length, from_new)
            actual, hit = unit.pred.to_bytes(unit.length, "little"), self.is_hit()
            if not hit:
                miss = unit.pred + signed(self.streams["misses"].number())
                actual = (miss % (1 << 8 * unit.length)).to_bytes(unit.length, "little")
            at, isa = self.pos, self.isa
            self.put(actual)
            if not from_new and unit.ref:
                target = self.new_target(unit.ref, at, isa)
                self.teach(unit, unit.ref, hit, target)
                learns = (not hit or unit.kind == RAM) and unit.kind in LEARNED_KINDS
                if learns and target is not None:
                    self.corrections.learn(unit.ref.target, target)
            source, length = source + unit.length, length - unit.length

    def next_hits(self) -> None:
        stream = self.streams["hits"]
        self.hits = None if stream.over() else stream.number()

    def is_hit(self) -> bool:
        """Whether the next unit is as predicted."""
        if self.hits is None:
            return True
        if self.hits == 0:
            self.next_hits()
            return False
        self.hits -= 1
        return True

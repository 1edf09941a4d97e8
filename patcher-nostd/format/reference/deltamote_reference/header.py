"""The header of the payload, and what it says about addresses (SPEC §6.6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from .coder import Decoder
from .errors import Broken
from .profiles import Profile

ALL = 0xFFFFFFFF
POINTER, RAM = 7, 8


@dataclass
class Extent:
    """File offsets of one image and their addresses."""

    offset: int
    address: int
    length: int

    def address_of(self, offset: int) -> int | None:
        inside = (offset - self.offset) & ALL
        return (self.address + inside) & ALL if inside < self.length else None

    def offset_of(self, address: int) -> int | None:
        inside = (address - self.address) & ALL
        return (self.offset + inside) & ALL if inside < self.length else None


@dataclass
class Space:
    old: Extent
    new: Extent


@dataclass
class Header:
    """All of it; sizes come from the manifest."""

    old_size: int
    new_size: int
    zero_based: int = 0
    learn_map: int = 0
    reset_log2: int = 0
    #: (end, instruction set)
    regions: list[tuple[int, int]] = field(default_factory=list)
    spaces: list[Space] = field(default_factory=list)
    #: (first value, count)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    map_entries: int = 0

    def word_kind(self, value: int) -> int:
        """POINTER, RAM or 0 for plain."""
        for space in self.spaces:
            if space.old.offset_of(value) is not None:
                if space.old.address != 0 or (self.zero_based and value >= 0x200):
                    return POINTER
        if any((value - first) & ALL < count for first, count in self.ranges):
            return RAM
        return 0

    def address(self, is_new: bool, offset: int) -> int:
        """Virtual address of a file offset."""
        for space in self.spaces:
            address = (space.new if is_new else space.old).address_of(offset)
            if address is not None:
                return address
        return offset & ALL

    def region(self, at: int) -> tuple[int, int]:
        """End and instruction set of the region that holds new offset `at`."""
        return next(r for r in self.regions if r[0] > at)


def nibbles(coder: Decoder) -> int:
    value = 0
    for group in range(8):
        value |= coder.bits(4) << 4 * group
        if not coder.even():
            break
    return value


def address(coder: Decoder) -> int:
    zeros = coder.bits(3)
    return nibbles(coder) << 4 * zeros & ALL


def total(a: int, b: int) -> int:
    if a + b > ALL:
        raise Broken("HeaderInconsistent", 0)
    return a + b


def space(coder: Decoder, before: Space | None) -> Space:
    old_end = new_end = 0
    if before is not None:
        old_end = total(before.old.offset, before.old.length)
        new_end = total(before.new.offset, before.new.length)
    old_address = address(coder)
    gap = nibbles(coder)
    old_offset = total(old_end, gap)
    old_length = nibbles(coder)
    new_address = address(coder) if coder.even() else old_address
    new_offset = nibbles(coder) if coder.even() else total(new_end, gap)
    new_length = nibbles(coder) if coder.even() else old_length
    total(old_offset, old_length)
    total(new_offset, new_length)
    return Space(
        Extent(old_offset, old_address, old_length), Extent(new_offset, new_address, new_length)
    )


def read(coder: Decoder, profile: Profile, old_size: int, new_size: int) -> Header:
    """Reads the header and checks it against the profile."""
    header = Header(old_size, new_size)
    header.zero_based, header.learn_map = coder.even(), coder.even()
    header.reset_log2 = coder.bits(5) if coder.even() else 0
    regions = coder.bits(3) + 1
    end = 0
    for k in range(regions):
        isa = coder.bits(3)
        end = new_size if k == regions - 1 else total(end, nibbles(coder))
        if end > new_size:
            raise Broken("HeaderInconsistent", 0)
        header.regions.append((end, isa))
    if coder.even():
        everything = address(coder)
        header.spaces = [
            Space(Extent(0, everything, old_size), Extent(0, everything, new_size))
        ]
    else:
        count = coder.bits(4)
        if count > 8:
            raise Broken("HeaderInconsistent", 0)
        for _ in range(count):
            header.spaces.append(space(coder, header.spaces[-1] if header.spaces else None))
    count = coder.bits(4)
    if count > 8:
        raise Broken("HeaderInconsistent", 0)
    for _ in range(count):
        header.ranges.append((address(coder), address(coder)))
    header.map_entries = nibbles(coder)
    if max(old_size, new_size) > profile.largest_image:
        raise Broken("ImageTooLarge", 0)
    if header.map_entries > profile.map_entries:
        raise Broken("MapTooLarge", 0)
    if header.reset_log2 != 0 and not 12 <= header.reset_log2 <= 31:
        raise Broken("HeaderUnsupported", 0)
    return header

"""Page headers and records of the device's journal (SPEC §10)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from zlib import crc32

MAGIC = b"DMJ1"
NO_POINT = bytes(56)


@dataclass
class Mark:
    """A header or a record: `kind` is H, P or R."""

    kind: str
    epoch: int
    frontier: int
    sequence: int = 0
    binding: bytes = b""
    point: tuple[int, ...] | None = None
    link: bytes = b""


def sealed(data: bytes, length: int) -> bytes | None:
    """The first `length` bytes without their checksum, if it holds."""
    if len(data) < length:
        return None
    body, crc = data[: length - 4], data[length - 4 : length]
    return body if crc32(body).to_bytes(4, "little") == crc else None


def page_header(data: bytes) -> Mark | None:
    body = sealed(data, 92)
    if body is None or body[:4] != MAGIC:
        return None
    epoch, binding, frontier, present = struct.unpack_from("<I16sII", body, 4)
    if present > 1 or (present == 0 and body[32:] != NO_POINT):
        return None
    mark = Mark("H", epoch, frontier, binding=binding)
    if present:
        mark.point, mark.link = struct.unpack_from("<10I", body, 32), body[72:88]
    return mark


def record(data: bytes) -> Mark | None:
    length = {b"P": 16, b"R": 72}.get(data[:1])
    body = sealed(data, length) if length else None
    if body is None or body[1] != 0:
        return None
    sequence, epoch, frontier = struct.unpack_from("<HII", body, 2)
    mark = Mark(chr(body[0]), epoch, frontier, sequence)
    if mark.kind == "R":
        mark.point, mark.link = struct.unpack_from("<10I", body, 12), body[52:68]
    return mark


def binding(message: bytes) -> bytes:
    return sha256(message).digest()[:16]

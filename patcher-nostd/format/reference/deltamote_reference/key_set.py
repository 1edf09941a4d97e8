"""Key sets (SPEC §4.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from .envelope import MAP, ARRAY, UINT, Reader, head, integer, same, string
from .errors import Broken

AAD = b"deltamote-keys-1"
ROLES = ["release", "test"]
LAST = 2**64 - 1


@dataclass
class Key:
    """One key and what it may sign."""

    alg: int = 0
    public: bytes = b""
    role: int = 0
    first: int = 0
    last: int = LAST

    @property
    def kid(self) -> bytes:
        return sha256(self.public).digest()[:8]


@dataclass
class KeySet:
    version: int
    keys: list[Key] = field(default_factory=list)
    revoked: list[bytes] = field(default_factory=list)


def read_key(reader: Reader) -> Key:
    """One entry of field 3: its errors are that field's, but for the spelling."""
    start = reader.at
    key, seen = Key(), set()
    for _ in range(reader.expect(MAP)):
        number = reader.expect(UINT)
        seen.add(number)
        if number == 1:
            key.alg = reader.integer()
            if not -(2**31) <= key.alg < 2**31:
                raise reader.malformed()
        elif number == 2:
            key.public = reader.bytes()
            if not 1 <= len(key.public) <= 1952:
                raise Broken("OutOfRange", 3)
        elif number == 3:
            key.role = reader.expect(UINT)
            if key.role > 1:
                raise Broken("UnknownValue", 3)
        elif number == 4:
            key.first = reader.expect(UINT)
        elif number == 5:
            key.last = reader.expect(UINT)
        else:
            raise Broken("UnknownKey", 3)
    if not {1, 2} <= seen:
        raise Broken("MissingField", 3)
    if key.last < key.first:
        raise Broken("OutOfRange", 3)
    written = write_key(key)
    if reader.data[start : reader.at] != written:
        pairs = zip(reader.data[start:], written)
        at = next((k for k, (a, b) in enumerate(pairs) if a != b), len(written))
        raise Broken("NotCanonical", start + at)
    return key


def write_key(key: Key) -> bytes:
    fields = [b"\x01" + integer(key.alg), b"\x02" + string(key.public)]
    for number, value, default in ((3, key.role, 0), (4, key.first, 0), (5, key.last, LAST)):
        if value != default:
            fields.append(integer(number) + integer(value))
    return head(MAP, len(fields)) + b"".join(fields)


def read_set(data: bytes) -> KeySet:
    """The payload of a key set's envelope; fields come in their order, the last may be missing."""
    reader = Reader(data)
    count = reader.expect(MAP)
    if count not in (3, 4):
        raise Broken("MissingField", 0)
    found = KeySet(0)
    for number in range(1, count + 1):
        if reader.expect(UINT) != number:
            raise Broken("UnknownKey" if number == 4 else "MissingField", number)
        if number == 1 and reader.expect(UINT) != 1:
            raise Broken("UnknownValue", 1)
        if number == 2:
            found.version = reader.expect(UINT)
        elif number == 3:
            keys = reader.expect(ARRAY)
            if not 1 <= keys <= 16:
                raise Broken("OutOfRange", 3)
            found.keys = [read_key(reader) for _ in range(keys)]
        elif number == 4:
            revoked(found, reader.bytes())
    if found.version < 1:
        raise Broken("OutOfRange", 2)
    if len({key.public for key in found.keys}) != len(found.keys):
        raise Broken("OutOfRange", 3)
    written = b"\x01\x01\x02" + integer(found.version) + b"\x03" + head(ARRAY, len(found.keys))
    written += b"".join(write_key(key) for key in found.keys)
    if count == 4:
        written += b"\x04" + string(b"".join(found.revoked))
    same(data, head(MAP, count) + written)
    return found


def revoked(found: KeySet, ids: bytes) -> None:
    if not ids:
        raise Broken("NotCanonical", 4)
    found.revoked = [ids[k : k + 8] for k in range(0, len(ids), 8)]
    if len(ids) % 8 or len(ids) > 512 or sorted(set(found.revoked)) != found.revoked:
        raise Broken("OutOfRange", 4)

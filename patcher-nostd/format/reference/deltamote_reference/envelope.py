"""Head, envelope and manifest (SPEC §2, §4, §5).

One spelling: bytes are accepted only if writing what was read gives the same bytes, so
there is a writer here for what is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .chain import TAG_BYTES, is_possible
from .errors import Broken, Refused
from .profiles import PROFILES
from .signatures import holds

MAGIC = b"DMP1"
MAX_ENVELOPE = 4096
AAD = b"deltamote-1"

UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)


def head(major: int, value: int) -> bytes:
    """The shortest CBOR head."""
    if value < 24:
        return bytes([major << 5 | value])
    for size, info in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | info]) + value.to_bytes(size, "big")
    raise ValueError(value)


def integer(value: int) -> bytes:
    return head(UINT, value) if value >= 0 else head(NEGATIVE, -1 - value)


def string(data: bytes | str) -> bytes:
    if isinstance(data, str):
        return head(TEXT, len(data.encode())) + data.encode()
    return head(BYTES, len(data)) + data


class Reader:
    """CBOR items from the front; any spelling but indefinite lengths."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def malformed(self) -> Broken:
        return Broken("Malformed", self.at)

    def take(self, n: int) -> bytes:
        part = self.data[self.at : self.at + n]
        if len(part) != n:
            raise self.malformed()
        self.at += n
        return part

    def head(self, expected: int | None = None) -> tuple[int, int]:
        """Major type and value. One of another type than expected stops the parsing right
        behind its first byte."""
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if expected is not None and major != expected:
            raise self.malformed()
        if info < 24:
            return major, info
        if info > 27:
            raise self.malformed()
        return major, int.from_bytes(self.take(1 << info - 24), "big")

    def expect(self, major: int) -> int:
        return self.head(major)[1]

    def integer(self) -> int:
        major, value = self.head()
        if major not in (UINT, NEGATIVE):
            raise self.malformed()
        return value if major == UINT else -1 - value

    def bytes(self) -> bytes:
        return self.take(self.expect(BYTES))

    def text(self) -> str:
        data = self.take(self.expect(TEXT))
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self.malformed() from None


def same(data: bytes, canonical: bytes) -> None:
    """Refuses another spelling."""
    if data != canonical:
        pairs = zip(data, canonical)
        at = next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(data), len(canonical)))
        raise Broken("NotCanonical", at)


@dataclass
class Signature:
    """One signature and who made it."""

    protected: bytes
    alg: int
    kid: bytes
    value: bytes


def protected_header(data: bytes, outer: Reader) -> tuple[int, bytes]:
    """{1: alg, 4: kid} and nothing else."""
    inner = Reader(data)
    try:
        count = inner.expect(MAP)
        if count != 2 or inner.integer() != 1:
            raise Broken("UnknownKey", outer.at)
        alg = inner.integer()
        if not -(2**31) <= alg < 2**31:
            raise outer.malformed()
        if inner.integer() != 4:
            raise Broken("UnknownKey", outer.at)
        kid = inner.bytes()
    except Broken as broken:
        raise Broken(broken.kind, outer.at) from None
    if len(kid) != 8:
        raise Broken("OutOfRange", outer.at)
    if data != b"\xa2\x01" + integer(alg) + b"\x04" + string(kid):
        raise Broken("NotCanonical", outer.at)
    return alg, kid


def no_unprotected(reader: Reader) -> None:
    if reader.expect(MAP) != 0:
        raise Broken("UnknownKey", reader.at)


class Envelope:
    """A COSE_Sign1, or a COSE_Sign of two, taken apart; says nothing about whether it is
    authentic. `manifest` is what was signed."""

    def __init__(self, data: bytes) -> None:
        if not 1 <= len(data) <= MAX_ENVELOPE:
            raise Broken("EnvelopeLength", len(data))
        self.signatures: list[Signature] = []
        reader = Reader(data)
        tag = reader.expect(TAG)
        if tag not in (18, 98) or reader.expect(ARRAY) != 4:
            raise reader.malformed()
        read = self.read_one if tag == 18 else self.read_two
        same(data, head(TAG, tag) + head(ARRAY, 4) + read(reader))

    def read_one(self, reader: Reader) -> bytes:
        """Behind tag and array; gives the one spelling of it."""
        protected = reader.bytes()
        alg, kid = protected_header(protected, reader) if protected else (0, b"")
        no_unprotected(reader)
        self.manifest = reader.bytes()
        value = reader.bytes()
        if bool(protected) != bool(value):
            raise Broken("HalfSigned", 0)
        if protected:
            self.signatures.append(Signature(protected, alg, kid, value))
        return string(protected) + b"\xa0" + string(self.manifest) + string(value)

    def read_two(self, reader: Reader) -> bytes:
        if reader.bytes():
            raise Broken("UnknownKey", reader.at)
        no_unprotected(reader)
        self.manifest = reader.bytes()
        written = b"\x40\xa0" + string(self.manifest) + head(ARRAY, 2)
        if reader.expect(ARRAY) != 2:
            raise reader.malformed()
        for _ in range(2):
            if reader.expect(ARRAY) != 3:
                raise reader.malformed()
            protected = reader.bytes()
            alg, kid = protected_header(protected, reader)
            no_unprotected(reader)
            value = reader.bytes()
            if not value:
                raise Broken("HalfSigned", 0)
            self.signatures.append(Signature(protected, alg, kid, value))
            written += head(ARRAY, 3) + string(protected) + b"\xa0" + string(value)
        return written

    def signed_bytes(self, index: int = 0, aad: bytes = AAD) -> bytes:
        """The Sig_structure (RFC 9052 §4.4) of a signature."""
        one = len(self.signatures) == 1
        front = head(ARRAY, 4) + string("Signature1")
        if not one:
            front = head(ARRAY, 5) + string("Signature") + string(b"")
        protected = self.signatures[index].protected
        return front + string(protected) + string(aad) + string(self.manifest)

    def check_signature(self, public_keys: list[bytes] | None, aad: bytes = AAD) -> None:
        """Refuses what was not signed by these keys, one signature each and in this order;
        None: signatures are not looked at."""
        if public_keys is None:
            return
        if len(self.signatures) != len(public_keys):
            raise Refused(f"{len(self.signatures)} signatures, not {len(public_keys)}")
        for index, (made, key) in enumerate(zip(self.signatures, public_keys)):
            if made.kid != sha256(key).digest()[:8]:
                raise Refused("the patch is signed by another key")
            if not holds(made.alg, key, self.signed_bytes(index, aad), made.value):
                raise Refused("the signature does not hold")


def read_uint(bits: int) -> Callable[[Reader], int]:
    def read(reader: Reader) -> int:
        value = reader.expect(UINT)
        if value >> bits:
            raise reader.malformed()
        return value

    return read


def read_bytes(length: int) -> Callable[[Reader], bytes]:
    def read(reader: Reader) -> bytes:
        value = reader.bytes()
        if len(value) != length:
            raise Broken("OutOfRange", -1)
        return value

    return read


def read_advisories(reader: Reader) -> list[str]:
    count = reader.expect(ARRAY)
    if count > 4:
        raise Broken("OutOfRange", -1)
    ids = [reader.text() for _ in range(count)]
    if any(not 1 <= len(i.encode()) <= 24 for i in ids):
        raise Broken("OutOfRange", -1)
    return ids


def read_encryption(reader: Reader) -> tuple[bytes, bytes]:
    """Recipient and encapsulated key; the suite must be 1."""
    count = reader.expect(ARRAY)
    if count != 3:
        raise Broken("OutOfRange", -1)
    if reader.expect(UINT) != 1:
        raise Broken("UnknownValue", -1)
    recipient, encapsulated = reader.bytes(), reader.bytes()
    if len(recipient) != 8 or len(encapsulated) != 32:
        raise Broken("OutOfRange", -1)
    return recipient, encapsulated


def write_encryption(parts: tuple[bytes, bytes]) -> bytes:
    return head(ARRAY, 3) + integer(1) + string(parts[0]) + string(parts[1])


def write_advisories(ids: list[str]) -> bytes:
    return head(ARRAY, len(ids)) + b"".join(string(i) for i in ids)


Writer = Callable[[Any], bytes]
#: key: (name, reader, writer, default); NEEDED has none.
NEEDED = object()
FIELDS: dict[int, tuple[str, Callable[[Reader], Any], Writer, Any]] = {
    1: ("version", read_uint(32), integer, NEEDED),
    2: ("old_size", read_uint(32), integer, NEEDED),
    3: ("old_digest", read_bytes(32), string, NEEDED),
    4: ("new_size", read_uint(32), integer, NEEDED),
    5: ("new_digest", read_bytes(32), string, NEEDED),
    6: ("first_chunk", read_bytes(16), string, NEEDED),
    7: ("payload_size", read_uint(32), integer, NEEDED),
    8: ("profile", read_uint(32), integer, 1),
    9: ("ram_bytes", read_uint(32), integer, None),
    10: ("chunk_size", read_uint(32), integer, None),
    11: ("codec", read_uint(32), integer, 0),
    12: ("isa_mask", read_uint(32), integer, 0),
    13: ("prior", read_uint(32), integer, None),
    14: ("sequence", read_uint(64), integer, 0),
    15: ("vendor", read_bytes(16), string, None),
    16: ("class", read_bytes(16), string, None),
    17: ("load_address", read_uint(64), integer, None),
    18: ("slot", read_uint(32), integer, None),
    19: ("update_class", read_uint(32), integer, None),
    20: ("advisories", read_advisories, write_advisories, []),
    21: ("sbom_old", read_bytes(32), string, None),
    22: ("sbom_new", read_bytes(32), string, None),
    23: ("encryption", read_encryption, write_encryption, None),
}


def read_manifest(data: bytes) -> dict[str, Any]:
    """All fields by name, defaults filled in; extensions as their bytes."""
    reader = Reader(data)
    fields: dict[str, Any] = {}
    #: Offsets of extensions, and of what follows them though it must not.
    extensions: list[tuple[int, int]] = []
    try:
        pairs = reader.expect(MAP)
    except Broken:
        raise Broken("Malformed", 0) from None
    for _ in range(pairs):
        start = reader.at
        key = reader.expect(UINT)
        if key in FIELDS:
            if extensions:
                extensions.append((key, start))
            name, read, _, _ = FIELDS[key]
            try:
                fields[name] = read(reader)
            except Broken as broken:
                raise Broken(broken.kind, key) from None
        elif 64 <= key <= 127:
            extension(reader, key)
            extensions.append((key, start))
        else:
            raise Broken("UnknownKey", key)
    needed(fields)
    tail = b""
    if extensions:
        # Out of order: the place is that inside the extensions.
        first = extensions[0][1]
        for (before, _), (key, start) in zip([(0, 0), *extensions], extensions):
            if key <= before or key < 64:
                raise Broken("UnknownKey", start - first)
        tail = data[first : reader.at]
    check_manifest(fields)
    same(data, write_manifest(fields, tail, len(extensions)))
    for key, (name, _, _, default) in FIELDS.items():
        fields.setdefault(name, default)
    profile = fields["profile"]
    if fields["chunk_size"] is None:
        fields["chunk_size"] = PROFILES[profile].largest_chunk
    fields["extensions"] = tail
    return fields


def extension(reader: Reader, key: int) -> None:
    """An extension that is ignored: a uint, a byte or a text string, spelled shortly."""
    start = reader.at
    major, value = reader.head()
    if major not in (UINT, BYTES, TEXT):
        raise Broken("UnknownValue", key)
    if reader.data[start - 2 : reader.at] != bytes([0x18, key]) + head(major, value):
        raise Broken("NotCanonical", key)
    if major == UINT:
        return
    data = reader.take(value)
    if major == TEXT:
        try:
            data.decode()
        except UnicodeDecodeError:
            raise Broken("Malformed", key) from None


def needed(fields: dict[str, Any]) -> None:
    for key, (name, _, _, default) in FIELDS.items():
        if default is NEEDED and name not in fields:
            raise Broken("MissingField", key)


def check_manifest(fields: dict[str, Any]) -> None:
    if fields["version"] != 1:
        raise Broken("UnknownValue", 1)
    profile = fields.get("profile", 1)
    if profile > 3:
        raise Broken("UnknownValue", 8)
    if fields["new_size"] < 1:
        raise Broken("OutOfRange", 4)
    largest = PROFILES[profile].largest_chunk
    chunk_size = fields.get("chunk_size", largest)
    if not 128 <= chunk_size <= largest:
        raise Broken("OutOfRange", 10)
    tag = TAG_BYTES if fields.get("encryption") else 0
    if not is_possible(fields["payload_size"], chunk_size, tag):
        raise Broken("OutOfRange", 7)
    if fields.get("update_class", 0) > 2:
        raise Broken("UnknownValue", 19)


def write_manifest(fields: dict[str, Any], extensions: bytes, extension_count: int) -> bytes:
    """The one spelling: ascending, without fields at their default."""
    profile = fields.get("profile", 1)
    implied = {"chunk_size": PROFILES[profile].largest_chunk}
    body = bytearray()
    count = extension_count
    for key, (name, _, write, default) in FIELDS.items():
        value = fields.get(name, default)
        if value is None or (default is not NEEDED and value == implied.get(name, default)):
            continue
        body += integer(key) + write(value)
        count += 1
    return head(MAP, count) + bytes(body) + extensions


def split(patch: bytes) -> tuple[Envelope, dict[str, Any], bytes]:
    """Envelope, manifest and payload of a patch file."""
    if patch[:4] != MAGIC:
        raise Broken("Magic", 0)
    length = int.from_bytes(patch[4:6], "little")
    if len(patch) < 6 or not 1 <= length <= MAX_ENVELOPE:
        raise Broken("EnvelopeLength", 4)
    if len(patch) < 6 + length:
        raise Refused("the patch ends inside the envelope")
    envelope = Envelope(patch[6 : 6 + length])
    return envelope, read_manifest(envelope.manifest), patch[6 + length :]

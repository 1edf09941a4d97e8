"""The chunk chain (SPEC §8, §8.1)."""

from __future__ import annotations

from hashlib import sha256

from . import encryption
from .errors import Refused

LINK = 16
#: Bytes that encryption adds to the data of each chunk (SPEC §8.1).
TAG_BYTES = 16


def payload_size(data_size: int, chunk_size: int, tag: int = 0) -> int:
    """Payload bytes of so many data bytes."""
    more = -(-max(0, data_size + tag - chunk_size) // (chunk_size - LINK - tag))
    return data_size + tag * (more + 1) + LINK * more


def is_possible(size: int, chunk_size: int, tag: int = 0) -> bool:
    """Whether a payload can have this size."""
    if chunk_size < 128 or not tag < size <= 2**32 - 1 - 4096:
        return False
    chunks = -(-size // chunk_size)
    return chunks == 1 or size - (chunks - 1) * chunk_size > LINK + tag


def link(chunk: bytes) -> bytes:
    return sha256(chunk).digest()[:LINK]


def data_of(payload: bytes, chunk_size: int, first: bytes, key: bytes | None = None) -> bytes:
    """The data of a payload, each chunk compared with its link before anything else, then
    decrypted where there is a content key."""
    data = bytearray()
    expected = first
    for index, at in enumerate(range(0, len(payload), chunk_size)):
        chunk = payload[at : at + chunk_size]
        if link(chunk) != expected:
            raise Refused(f"the chunk at payload offset {at} is not the one that was signed")
        if at + chunk_size < len(payload):
            chunk, expected = chunk[:-LINK], chunk[-LINK:]
        data += chunk if key is None else opened(key, index, chunk)
    return bytes(data)


def opened(key: bytes, index: int, chunk: bytes) -> bytes:
    data = encryption.opened(key, index.to_bytes(4, "little") + bytes(8), chunk)
    if data is None:
        raise Refused(f"chunk {index} does not decrypt")
    return data

"""zstd frames (RFC 8878): the walk over a frame, and blocks that are bytes as they are.

Compressed blocks are another format, with decoders of its own: Python's (3.14, module
`compression.zstd`) or that of the package `zstandard`, where one is installed.
"""

from __future__ import annotations

from .errors import Refused

MAGIC = bytes.fromhex("28b52ffd")


def library():
    """A function from a frame to its content, or None."""
    try:
        from compression.zstd import ZstdDecompressor
    except ImportError:
        try:
            from zstandard import ZstdDecompressor as Package
        except ImportError:
            return None
        return lambda frame, size: Package().decompressobj().decompress(frame)
    return lambda frame, size: ZstdDecompressor().decompress(frame)


def blocks(frame: bytes) -> list[tuple[int, int, bytes]] | None:
    """Type, size and bytes of each block; None if this is not exactly one frame."""
    if frame[:4] != MAGIC or len(frame) < 6:
        return None
    descriptor = frame[4]
    single, checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
    if descriptor >> 3 & 1 or descriptor & 3:  # reserved; a dictionary
        return None
    content_size = (single, 2, 4, 8)[descriptor >> 6]
    at = 5 + (not single) + content_size
    found = []
    last = 0
    while not last:
        header = int.from_bytes(frame[at : at + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at += 3
        length = 1 if kind == 1 else size
        if kind == 3 or at + length > len(frame):
            return None
        found.append((kind, size, frame[at : at + length]))
        at += length
    return found if at + 4 * checksum == len(frame) else None


def content(frame: bytes, size: int) -> bytes | None:
    """What is in a frame that has exactly `size` bytes; None if it is broken or has others.

    Raises Refused where no library is there for it."""
    found = blocks(frame)
    if found is None:
        return None
    if all(kind < 2 for kind, _, _ in found):
        out = b"".join(b * (n if kind == 1 else 1) for kind, n, b in found)
    else:
        decompress = library()
        if decompress is None:
            raise Refused("codec zstd needs Python 3.14 or `pip install zstandard`")
        try:
            out = decompress(frame, size)
        except Exception:  # each library has its own
            return None
    return out if len(out) == size else None

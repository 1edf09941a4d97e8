"""Blocks of SPEC.md and the notation inside them (SPEC §1.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

SPEC = Path(__file__).resolve().parents[2] / "SPEC.md"


@dataclass
class Block:
    """One fenced block: `verb` vector, reject or table, then what it is about, then its name."""

    verb: str
    about: str
    name: str
    #: key and value of each line; a line without a key has an empty one.
    lines: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.verb} {self.about} {self.name}".strip()

    def all(self, key: str) -> list[str]:
        return [value for k, value in self.lines if k == key]

    def get(self, key: str, default: str | None = None) -> str:
        found = self.all(key)
        if not found and default is not None:
            return default
        if len(found) != 1:
            raise ValueError(f"{self}: {len(found)} lines of {key}")
        return found[0]

    def number(self, key: str, default: str | None = None) -> int:
        return int(self.get(key, default), 0)

    def data(self, key: str) -> bytes:
        return expand(self.get(key))


def blocks(text: str) -> list[Block]:
    found = []
    for info, body in re.findall(r"^```(\w+ [^\n]*)\n(.*?)^```$", text, re.M | re.S):
        words = info.split(" ", 2) + [""]
        if words[0] not in ("vector", "reject", "table"):
            continue
        block = Block(words[0], words[1], words[2])
        # Comment lines go first: what follows one continues the line before it.
        body = re.sub(r"^#.*\n", "", body, flags=re.M)
        for line in re.sub(r"\n  +", " ", body).splitlines():
            if not line.strip():
                continue
            key, _, value = line.partition(":")
            block.lines.append((key, value.strip()))
        found.append(block)
    return found


def lcg(seed: int, count: int) -> bytes:
    out = bytearray()
    x = seed
    for _ in range(count):
        x = (1664525 * x + 1013904223) & 0xFFFFFFFF
        out.append(x >> 24)
    return bytes(out)


def expand(text: str, old: bytes = b"") -> bytes:
    """Bytes as SPEC §1.2 writes them."""
    out = bytearray()
    for token in text.replace(" ", "\n").split():
        if match := re.fullmatch(r"lcg\((\d+),(\d+)\)", token):
            out += lcg(int(match[1]), int(match[2]))
        elif match := re.fullmatch(r"old\((\d+),(\d+)\)", token):
            out += old[int(match[1]) : int(match[2])]
        elif match := re.fullmatch(r"([0-9a-f]{2})\*(\d+)", token):
            out += bytes.fromhex(match[1]) * int(match[2])
        else:
            out += bytes.fromhex(token)
    return bytes(out)


def edited(base: bytes, edits: str) -> bytes:
    """`A..B:BYTES` applied from the right, then `crc` if it is there."""
    parts = []
    for token in edits.split():
        if token != "crc":
            span, _, new = token.partition(":")
            start, _, end = span.partition("..")
            parts.append((int(start), int(end), expand(new.replace(",", " "))))
    out = base
    for start, end, new in sorted(parts, key=lambda p: p[0], reverse=True):
        out = out[:start] + new + out[end:]
    return out


def with_crc(data: bytes, length: int) -> bytes:
    """The first `length` bytes with a checksum that holds, and the rest."""
    return data[: length - 4] + crc32(data[: length - 4]).to_bytes(4, "little") + data[length:]

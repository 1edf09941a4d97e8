"""Encrypted payloads (SPEC §8.1): HPKE's export (RFC 9180) and ChaCha20-Poly1305 (RFC 8439)."""

from __future__ import annotations

import hmac
import struct
from hashlib import sha256

from .errors import Refused

P = 2**255 - 19
ALL = 0xFFFFFFFF


def x25519(scalar: bytes, point: bytes) -> bytes:
    """RFC 7748 §5."""
    k = int.from_bytes(scalar, "little") & ~7 & (1 << 254) - 1 | 1 << 254
    u = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swapped ^ bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


BASE_POINT = bytes([9]) + bytes(31)


def recipient_id(secret: bytes) -> bytes:
    return sha256(x25519(secret, BASE_POINT)).digest()[:8]


def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite: bytes, prk: bytes, label: bytes, info: bytes) -> bytes:
    """32 bytes: one block of HKDF."""
    labeled = (32).to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labeled + b"\x01", "sha256")


KEM = b"KEM" + struct.pack(">H", 0x0020)
HPKE = b"HPKE" + struct.pack(">HHH", 0x0020, 0x0001, 0xFFFF)


def content_key(secret: bytes, encapsulated: bytes) -> bytes:
    """What HPKE exports to the recipient."""
    shared = x25519(secret, encapsulated)
    if shared == bytes(32):
        raise Refused("the encapsulated key is a point of small order")
    context = encapsulated + x25519(secret, BASE_POINT)
    shared = expand(KEM, extract(KEM, b"", b"eae_prk", shared), b"shared_secret", context)
    schedule = b"\0" + extract(HPKE, b"", b"psk_id_hash", b"")
    schedule += extract(HPKE, b"", b"info_hash", b"deltamote-1")
    root = extract(HPKE, shared, b"secret", b"")
    exporter = expand(HPKE, root, b"exp", schedule)
    return expand(HPKE, exporter, b"sec", b"content key")


def quarter(s: list[int], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = s[x] + s[y] & ALL
        s[z] ^= s[x]
        s[z] = (s[z] << turn | s[z] >> 32 - turn) & ALL


def block(key: bytes, counter: int, nonce: bytes) -> bytes:
    """64 bytes of ChaCha20."""
    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    s = start[:]
    for _ in range(10):
        for column in range(4):
            quarter(s, column, 4 + column, 8 + column, 12 + column)
        for k in range(4):
            quarter(s, k, 4 + (k + 1) % 4, 8 + (k + 2) % 4, 12 + (k + 3) % 4)
    return struct.pack("<16I", *(a + b & ALL for a, b in zip(s, start)))


def opened(key: bytes, nonce: bytes, sealed: bytes) -> bytes | None:
    """The data of ciphertext and tag, without additional data; None: it does not hold."""
    text, tag = sealed[:-16], sealed[-16:]
    once = block(key, 0, nonce)
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    padded = text + bytes(-len(text) % 16) + struct.pack("<QQ", 0, len(text))
    total = 0
    for at in range(0, len(padded), 16):
        total = (total + int.from_bytes(padded[at : at + 16] + b"\1", "little")) * r % (2**130 - 5)
    total += int.from_bytes(once[16:32], "little")
    if (total & (1 << 128) - 1).to_bytes(16, "little") != tag:
        return None
    out = bytearray()
    for at in range(0, len(text), 64):
        stream = block(key, 1 + at // 64, nonce)
        out += bytes(a ^ b for a, b in zip(text[at : at + 64], stream))
    return bytes(out)

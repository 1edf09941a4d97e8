"""Verification of each signature scheme (SPEC §4.4): P-256 and LMS here, the others in files
of their own."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Optional

from . import ed25519, ml_dsa

Verify = Callable[[bytes, bytes, bytes], bool]

# P-256: FIPS 186-4, section D.1.2.3.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
Point = Optional[tuple[int, int]]  # None: the point at infinity


def add(p: Point, q: Point) -> Point:
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def multiply(scalar: int, point: Point) -> Point:
    result: Point = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def p256(key: bytes, message: bytes, signature: bytes) -> bool:
    """ECDSA over SHA-256, s at most half the order."""
    if len(key) != 65 or key[0] != 4 or len(signature) != 64:
        return False
    x, y = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if x >= P or y >= P or (y * y - x**3 + 3 * x - B) % P:
        return False
    if not (1 <= r < N and 1 <= s <= N // 2):
        return False
    z, w = int.from_bytes(sha256(message).digest(), "big"), pow(s, -1, N)
    point = add(multiply(z * w % N, G), multiply(r * w % N, (x, y)))
    return point is not None and point[0] % N == r


#: LMS: hash bytes and height of the tree by registry number (RFC 8554, RFC 9858).
TREES = {5 + k: (32, 5 * (k + 1)) for k in range(5)} | {10 + k: (24, 5 * (k + 1)) for k in range(5)}
#: LM-OTS: hash bytes, Winternitz parameter, chains, checksum shift.
CHAINS = {
    1: (32, 1, 265, 7), 2: (32, 2, 133, 6), 3: (32, 4, 67, 4), 4: (32, 8, 34, 0),
    5: (24, 1, 200, 8), 6: (24, 2, 101, 6), 7: (24, 4, 51, 4), 8: (24, 8, 26, 0),
}


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def coefficient(data: bytes, i: int, w: int) -> int:
    return data[i * w // 8] >> (8 - w - i * w % 8) & (1 << w) - 1


def lms(key: bytes, message: bytes, signature: bytes) -> bool:
    """HSS with one level (RFC 8554 §5.4, §6.3)."""
    if len(key) < 28 or number(key[:4]) != 1 or signature[:4] != bytes(4):
        return False
    tree, chains = number(key[4:8]), number(key[8:12])
    if tree not in TREES or chains not in CHAINS:
        return False
    (n, height), (m, w, count, shift) = TREES[tree], CHAINS[chains]
    if n != m or len(key) != 28 + n or len(signature) != 12 + n * (count + 1) + 4 + n * height:
        return False
    ident, root = key[12:28], key[28:]
    leaf, body = signature[4:8], signature[12 : 12 + n * (count + 1)]
    rest = signature[12 + len(body) :]
    if number(signature[8:12]) != chains or number(rest[:4]) != tree or number(leaf) >> height:
        return False

    def digest(*parts: bytes) -> bytes:
        return sha256(ident + b"".join(parts)).digest()[:n]

    q = digest(leaf, b"\x81\x81", body[:n], message)
    top = (1 << w) - 1
    total = sum(top - coefficient(q, i, w) for i in range(8 * n // w))
    q += (total << shift & 0xFFFF).to_bytes(2, "big")
    ends = b""
    for i in range(count):
        y = body[n * (i + 1) : n * (i + 2)]
        for j in range(coefficient(q, i, w), top):
            y = digest(leaf, i.to_bytes(2, "big"), bytes([j]), y)
        ends += y
    node = (1 << height) + number(leaf)
    value = digest(node.to_bytes(4, "big"), b"\x82\x82", digest(leaf, b"\x80\x80", ends))
    for level in range(height):
        path = rest[4 + n * level : 4 + n * (level + 1)]
        pair = path + value if node & 1 else value + path
        node >>= 1
        value = digest(node.to_bytes(4, "big"), b"\x83\x83", pair)
    return value == root


SCHEMES: dict[int, Verify] = {
    -19: ed25519.verify, -8: ed25519.verify, -9: p256, -46: lms, -49: ml_dsa.verify,
}


def holds(alg: int, key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether it is known and good."""
    verify = SCHEMES.get(alg)
    return verify is not None and verify(key, message, signature)

"""Verification of ML-DSA-65 (FIPS 204; pure, with an empty context), as SPEC §4.4 wants it.

Names and algorithm numbers are those of FIPS 204.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import shake_128, shake_256
from typing import Optional

Poly = list[int]

Q, D = 8380417, 13
TAU, GAMMA1, GAMMA2 = 49, 1 << 19, (Q - 1) // 32
K, L, OMEGA = 6, 5, 55
BETA = TAU * 4
CHALLENGE_BYTES = 48
KEY_BYTES, SIGNATURE_BYTES = 32 + 320 * K, CHALLENGE_BYTES + 640 * L + OMEGA + K

#: Powers of the root of unity 1753 in bit-reversed order (Appendix B).
ZETAS = [pow(1753, int(f"{m:08b}"[::-1], 2), Q) for m in range(256)]


def ntt(w: Poly) -> Poly:
    """Algorithm 41."""
    w, m, length = list(w), 0, 128
    while length:
        for start in range(0, 256, 2 * length):
            m += 1
            for j in range(start, start + length):
                t = ZETAS[m] * w[j + length] % Q
                w[j], w[j + length] = (w[j] + t) % Q, (w[j] - t) % Q
        length //= 2
    return w


def inverse_ntt(w: Poly) -> Poly:
    """Algorithm 42."""
    w, m, length = list(w), 256, 1
    while length < 256:
        for start in range(0, 256, 2 * length):
            m -= 1
            for j in range(start, start + length):
                t = w[j]
                w[j] = (t + w[j + length]) % Q
                w[j + length] = -ZETAS[m] * (t - w[j + length]) % Q
        length *= 2
    return [8347681 * x % Q for x in w]


def unpack(data: bytes, bits: int) -> Poly:
    """256 numbers of so many bits, the low one first (algorithm 18)."""
    whole = int.from_bytes(data, "little")
    return [whole >> bits * i & (1 << bits) - 1 for i in range(256)]


def stream(data: bytes, shake, step: int) -> Iterator[bytes]:
    """The output of an extendable hash, so many bytes at a time; it is hashed again when
    more is wanted."""
    at, have = 0, b""
    while True:
        if at + step > len(have):
            have = shake(data).digest(2 * len(have) + 168 * step)
        yield have[at : at + step]
        at += step


def matrix_entry(seed: bytes, row: int, column: int) -> Poly:
    """Algorithms 14 and 30."""
    out: Poly = []
    for a, b, c in stream(seed + bytes([column, row]), shake_128, 3):
        value = a | b << 8 | (c & 0x7F) << 16
        if value < Q:
            out.append(value)
            if len(out) == 256:
                break
    return out


def sample_in_ball(challenge: bytes) -> Poly:
    """Algorithm 29."""
    draws = stream(challenge, shake_256, 1)
    signs = int.from_bytes(b"".join(next(draws) for _ in range(8)), "little")
    c = [0] * 256
    for i in range(256 - TAU, 256):
        j = next(draws)[0]
        while j > i:
            j = next(draws)[0]
        c[i], c[j] = c[j], 1 - 2 * (signs & 1)
        signs >>= 1
    return c


def hints(data: bytes) -> Optional[list[Poly]]:
    """Algorithm 21: ones at ascending places, nothing behind the last."""
    out, index = [[0] * 256 for _ in range(K)], 0
    for i in range(K):
        end = data[OMEGA + i]
        if not index <= end <= OMEGA:
            return None
        places = data[index:end]
        if any(a >= b for a, b in zip(places, places[1:])):
            return None
        for place in places:
            out[i][place] = 1
        index = end
    return None if any(data[index:OMEGA]) else out


def use_hint(hint: int, r: int) -> int:
    """Algorithms 36 and 40."""
    low = r % (2 * GAMMA2)
    if low > GAMMA2:
        low -= 2 * GAMMA2
    if r - low == Q - 1:
        high, low = 0, low - 1
    else:
        high = (r - low) // (2 * GAMMA2)
    if hint:
        high += 1 if low > 0 else -1
    return high % 16


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Algorithms 3 and 8."""
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    challenge, rest = signature[:CHALLENGE_BYTES], signature[CHALLENGE_BYTES:]
    z = [[GAMMA1 - v for v in unpack(rest[640 * i : 640 * (i + 1)], 20)] for i in range(L)]
    hint = hints(rest[640 * L :])
    if hint is None or any(abs(v) >= GAMMA1 - BETA for poly in z for v in poly):
        return False
    digest = shake_256(key).digest(64)
    mu = shake_256(digest + b"\0\0" + message).digest(64)
    c = ntt(sample_in_ball(challenge))
    z = [ntt(poly) for poly in z]
    high = b""
    for row in range(K):
        t = ntt([v << D for v in unpack(key[32 + 320 * row : 32 + 320 * (row + 1)], 10)])
        total = [-a * b for a, b in zip(c, t)]
        for column in range(L):
            entry = matrix_entry(key[:32], row, column)
            total = [s + a * b for s, a, b in zip(total, entry, z[column])]
        w = inverse_ntt([s % Q for s in total])
        w1 = [use_hint(h, r) for h, r in zip(hint[row], w)]
        high += bytes(a | b << 4 for a, b in zip(w1[::2], w1[1::2]))
    return shake_256(mu + high).digest(CHALLENGE_BYTES) == challenge

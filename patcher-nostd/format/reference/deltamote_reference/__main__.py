"""python3 -m deltamote_reference OLD PATCH -o NEW --pub KEY"""

from __future__ import annotations

import argparse
import base64
import os
import sys
from pathlib import Path

from .apply import apply
from .errors import Broken, Refused

#: Ed25519, LMS with SHA-256/192 and with SHA-256, P-256, ML-DSA-65.
RAW_KEYS = (32, 52, 60, 65, 1952)


def contents(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """What an element of this tag holds, and what is behind it."""
    if len(der) < 2 or der[0] != tag:
        raise ValueError
    start = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    end = start + (int.from_bytes(der[2:start], "big") if start > 2 else der[1])
    return der[start:end], der[end:]


def spki_key(der: bytes) -> bytes:
    """The key in a SubjectPublicKeyInfo (RFC 5280 §4.1), whatever its algorithm: the kid of
    a patch is the digest of the key alone."""
    info, _ = contents(der, 0x30)
    _, rest = contents(info, 0x30)
    bits, _ = contents(rest, 0x03)
    return bits[1:]


def read_key(path: Path) -> bytes:
    """A public key: PEM, or the raw bytes of SPEC §4.4, or their hex digits."""
    data = path.read_bytes()
    try:
        if data.startswith(b"-----BEGIN PUBLIC KEY-----"):
            data = spki_key(base64.b64decode(b"".join(data.split(b"\n")[1:-2])))
        elif len(data) not in RAW_KEYS:
            data = bytes.fromhex(data.decode())
    except ValueError:
        data = b""
    if len(data) not in RAW_KEYS:
        raise SystemExit(f"{path} is no public key; give the .pub file of `deltamote keygen`")
    return data


def main() -> int:
    parser = argparse.ArgumentParser(prog="deltamote_reference", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("patch", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    trust = parser.add_mutually_exclusive_group(required=True)
    trust.add_argument("--pub", type=Path, action="append", help="whose signature to believe; "
                       "twice for a patch with two signatures")
    trust.add_argument("--allow-unsigned", action="store_true")
    parser.add_argument("--recipient", type=Path, help="32 bytes: secret key of an encrypted patch")
    args = parser.parse_args()
    keys = [read_key(path) for path in args.pub] if args.pub else None
    recipient = args.recipient.read_bytes() if args.recipient else b""
    try:
        new = apply(args.old.read_bytes(), args.patch.read_bytes(), keys, recipient)
    except (Broken, Refused) as refusal:
        print(f"{args.patch}: {refusal}", file=sys.stderr)
        return 1
    beside = args.output.with_name(args.output.name + ".part")
    with beside.open("wb") as file:
        file.write(new)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""python3 -m deltamote_reference OLD PATCH -o NEW --pub KEY"""

from __future__ import annotations

import argparse
import base64
import os
import sys
from pathlib import Path

from .apply import apply
from .errors import Broken, Refused

#: SubjectPublicKeyInfo of an Ed25519 key, up to the key (RFC 8410).
SPKI = bytes.fromhex("302a300506032b6570032100")

#: Ed25519, LMS, P-256.
RAW_KEYS = (32, 52, 60, 65)


def read_key(path: Path) -> bytes:
    """A public key: PEM (Ed25519), or the raw bytes of SPEC §4.4, or their hex digits."""
    data = path.read_bytes()
    if data.startswith(b"-----BEGIN PUBLIC KEY-----"):
        der = base64.b64decode(b"".join(data.split(b"\n")[1:-2]))
        if der.startswith(SPKI) and len(der) == 44:
            return der[12:]
    elif len(data) in RAW_KEYS:
        return data
    elif len(data.strip()) // 2 in RAW_KEYS:
        return bytes.fromhex(data.decode())
    raise SystemExit(f"{path} is no public key; give the .pub file of `deltamote keygen`")


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

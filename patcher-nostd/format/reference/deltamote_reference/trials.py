"""Patches of the `deltamote` command, read by this decoder: what both must agree on.

    python3 -m deltamote_reference.trials embedded        the pair in corpora/, every profile,
                                                          every instruction set, damage
    python3 -m deltamote_reference.trials corpus DIR...   pairs of images, see corpora/README.md

`--deltamote` names the command (or a build of it); it is only ever asked for patches, and
for what it makes of damaged ones.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from . import chain
from .__main__ import read_key
from .apply import apply
from .envelope import MAGIC, Envelope, head, read_manifest, split, string, write_manifest
from .errors import Broken, Refused
from .frames import library
from .profiles import PROFILES
from .refs import ISAS

ROOT = Path(__file__).resolve().parents[4]
EMBEDDED = ROOT / "corpora" / "microbit-micropython"
#: Where a build of this tree puts the command.
BUILT = ROOT / "target" / "release" / "deltamote"


#: How the command words the rules of SPEC §9.2.
WORDS = {
    "PayloadTruncated": "the payload ends too early",
    "PayloadTrailing": "bytes are left over behind the payload",
    "HeaderUnsupported": "the payload header has an unknown value",
    "HeaderInconsistent": "the payload header contradicts the manifest",
    "ImageTooLarge": "an image is larger than the profile can address",
    "MapTooLarge": "the equivalence map is larger than the profile allows",
    "MapOutOfRange": "a map entry lies outside the images",
    "CopyOutOfRange": "a copy reads outside the image",
    "OutputOverrun": "an op writes beyond the end of the new image",
    "NumberTooLarge": "a number does not fit its field",
}


#: What else patches are signed with, besides Ed25519 alone.
SCHEMES = [("p256",), ("lms",), ("ml-dsa-65",), ("ed25519", "lms"), ("ed25519", "ml-dsa-65")]


class Trials:
    """Makes patches in a scratch folder and keeps count of what was seen."""

    def __init__(self, command: Path, scratch: Path, level: str = "fast") -> None:
        self.command, self.scratch, self.level = command, scratch, level
        self.seen: Counter[str] = Counter()
        self.made = 0
        self.sign_with("ed25519")

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([str(self.command), *args], capture_output=True, text=True)
        # Wrong usage, or images above what the profile can address: no patch then.
        if done.returncode == 2 and "addresses up to" not in done.stderr:
            raise SystemExit(f"{args}: {done.stderr}")
        return done

    def sign_with(self, *schemes: str) -> None:
        """New keys of these schemes, for all patches from here on."""
        self.signing: list[str] = []
        self.keys = []
        for scheme in schemes:
            self.made += 1
            secret = self.scratch / f"{self.made}.key"
            self.run("keygen", "--scheme", scheme, "--out", str(secret))
            self.signing += ["--key", str(secret)]
            self.keys.append(read_key(secret.with_name(secret.name + ".pub")))

    def diff(self, old: Path, new: Path, *options: str) -> bytes | None:
        """A patch by the command; None where it will not make one."""
        patch = self.scratch / "patch.dmp"
        patch.unlink(missing_ok=True)
        done = self.run("diff", str(old), str(new), "-o", str(patch), *self.signing,
                        "--level", self.level, *options)
        return patch.read_bytes() if done.returncode == 0 else None

    def raw(self, image: Path) -> Path:
        """The bytes that patches are about. Containers (Intel HEX, UF2, GBL) are for the
        command to read: it is what a patch from the image to itself gives back."""
        if image.suffix == ".bin":
            return image
        kept = self.scratch / f"{image.parent.name}-{image.name}.bin"
        if not kept.exists():
            patch = self.scratch / "itself.dmp"
            for done in (
                self.run("diff", str(image), str(image), "-o", str(patch), "--unsigned",
                         "--profile", "large"),
                self.run("apply", str(image), str(patch), "-o", str(kept), "--allow-unsigned"),
            ):
                if done.returncode:
                    raise SystemExit(f"{image}: {done.stderr}")
        return kept

    def agree(self, what: str, old: Path, new: Path, *options: str) -> bool:
        """Whether both make the same image of a patch; counts and tells."""
        old_raw, new_raw = self.raw(old), self.raw(new)
        began = time.monotonic()
        patch = self.diff(old, new, *options)
        if patch is None:
            print(f"{what:56} no patch: not for this profile", flush=True)
            self.seen["pairs without a patch"] += 1
            return True
        made = time.monotonic()
        try:
            good = apply(old_raw.read_bytes(), patch, self.keys) == new_raw.read_bytes()
        except (Broken, Refused) as error:
            print(error)
            good = False
        self.seen["patches that agree" if good else "PATCHES THAT DO NOT AGREE"] += 1
        spent = f"{made - began:.1f} + {time.monotonic() - made:.1f} s"
        print(f"{what:56} {len(patch):8} B {'same' if good else 'OTHER'} {spent}", flush=True)
        return good

    # Damage.

    def refuses(self, old: bytes, patch: bytes, what: str) -> None:
        try:
            apply(old, patch, self.keys)
        except (Broken, Refused):
            self.seen[f"{what} refused"] += 1
        else:
            self.seen[f"{what.upper()} ACCEPTED"] += 1

    def damage(
        self, old: Path, new: Path, values: list[int], step: int = 1, profile: str = "tiny"
    ) -> None:
        """Every truncation, and every byte (or every so many) changed in these ways."""
        patch = self.diff(old, new, "--profile", profile)
        assert patch is not None
        bytes_of_old = old.read_bytes()
        for n in range(len(patch)):
            self.refuses(bytes_of_old, patch[:n], "truncations")
        self.refuses(bytes_of_old, patch + b"\0", "lengthened patches")
        for at in range(0, len(patch), step):
            for value in values:
                changed = bytearray(patch)
                changed[at] ^= value
                self.refuses(bytes_of_old, bytes(changed), "changed bytes")
        print(f"{len(patch)} bytes of patch, each cut off, "
              f"every {step}. changed in {len(values)} ways")

    def schemes(self, old: Path, new: Path, step: int) -> None:
        """Each scheme, and two at once: read here as made there, and damaged; and the same
        under other keys of the scheme."""
        for schemes in SCHEMES:
            self.sign_with(*schemes)
            name = " and ".join(schemes)
            self.agree(f"{new.stat().st_size} bytes, signed with {name}", old, new,
                       "--profile", "medium")
            self.damage(old, new, [0x01], step, "medium")
            patch = self.diff(old, new, "--profile", "medium")
            assert patch is not None
            self.sign_with(*schemes)
            self.refuses(old.read_bytes(), patch, "patches of other keys")

    def hostile(self, old: Path, new: Path, count: int, seed: int, *options: str) -> None:
        """Payloads of a signer gone mad: sealed well, wrong inside. Both must say the same."""
        patch = self.diff(old, new, "--no-prior", *options)
        assert patch is not None
        bytes_of_old = old.read_bytes()
        envelope, manifest, payload = split(patch)
        data = chain.data_of(payload, manifest["chunk_size"], manifest["first_chunk"])
        draw = random.Random(seed)
        for _ in range(count):
            changed = bytearray(data)
            for _ in range(draw.choice((1, 1, 2, 5))):
                changed[draw.randrange(len(changed))] ^= draw.randrange(1, 256)
            if draw.random() < 0.2:
                del changed[draw.randrange(1, len(changed)) :]
            sealed = resealed(envelope, bytes(changed))
            there = self.verdict(old, sealed)
            try:
                apply(bytes_of_old, sealed, None)
                here, words = "applied", "applied"
            except Broken as broken:
                here, words = broken.kind, f"{WORDS[broken.kind]} (at byte {broken.at})"
            except Refused:
                here, words = "another image", "the slot does not hold the new image"
            # Lengths of codec zstd are looked at before a device is simulated: the rule alone.
            if words in there or f"({here})" in there:
                self.seen[f"hostile payloads, here as there: {here}"] += 1
            else:
                self.seen["VERDICTS THAT DIFFER"] += 1
                print(f"here: {words}; there: {there}; data {changed.hex()}")

    def verdict(self, old: Path, patch: bytes) -> str:
        """What the command says to a patch."""
        path, out = self.scratch / "hostile.dmp", self.scratch / "hostile.bin"
        path.write_bytes(patch)
        done = self.run("apply", str(old), str(path), "-o", str(out), "--allow-unsigned")
        return "applied" if done.returncode == 0 else done.stderr.strip()


def resealed(envelope: Envelope, data: bytes) -> bytes:
    """An unsigned patch around other data that fits one chunk."""
    fields = read_manifest(envelope.manifest)
    fields["payload_size"], fields["first_chunk"] = len(data), chain.link(data)
    manifest = write_manifest(fields, b"", 0)
    body = b"\xd2\x84\x40\xa0" + string(manifest) + head(2, 0)
    return MAGIC + len(body).to_bytes(2, "little") + body + data


def cut_pair(scratch: Path, start: int, length: int) -> tuple[Path, Path]:
    """A stretch of the embedded pair as images of their own; code in it moved by 0x400."""
    old, new = scratch / f"old-{length}", scratch / f"new-{length}"
    old.write_bytes((EMBEDDED / "1.2.0.bin").read_bytes()[start : start + length + 1024])
    new.write_bytes((EMBEDDED / "1.2.4.bin").read_bytes()[start + 0x400 : start + 0x400 + length])
    return old, new


def embedded(trials: Trials, every_value: bool) -> None:
    whole = EMBEDDED / "1.2.0.bin", EMBEDDED / "1.2.4.bin"
    for profile in PROFILES:
        trials.agree(f"embedded pair, {profile.name}", *whole, "--profile", profile.name)
    trials.agree("embedded pair, small, no prior", *whole, "--no-prior")
    if library() is None:
        trials.seen["patches of codec zstd skipped: no library for its frames"] += 1
    else:
        trials.agree("embedded pair, large, zstd", *whole, "--profile", "large", "--codec", "zstd")
    part = cut_pair(trials.scratch, 0x10000, 24000)
    for isa in ISAS:
        trials.agree(f"24 kB of it as {isa.name}", *part, "--isa", isa.name)
    small = cut_pair(trials.scratch, 0x18C00, 600)
    trials.damage(*small, list(range(1, 256)) if every_value else [0x01, 0x80])
    hostile = 3000 if every_value else 100
    trials.hostile(*small, hostile, 1, "--profile", "tiny")
    if library() is not None:
        trials.hostile(*small, hostile, 2, "--profile", "large", "--codec", "zstd")
    trials.schemes(*small, 1 if every_value else 7)


def pairs(folder: Path, cache: Path | None) -> Iterator[tuple[str, Path, Path]]:
    """Pairs of a corpus: pairs.tsv with columns id, old and new. `registry:P/V` is P/V.bin
    in the cache, where `deltamote-bench` put it."""

    def place(name: str) -> Path:
        if name.startswith("registry:"):
            return (cache or folder) / (name.removeprefix("registry:") + ".bin")
        return folder / name

    with (folder / "pairs.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield row["id"], place(row["old"]), place(row["new"])


def corpus(trials: Trials, args: argparse.Namespace) -> None:
    for folder in args.folders:
        for name, old, new in pairs(folder, args.cache):
            if args.pairs and not re.search(args.pairs, name):
                continue
            if not (old.is_file() and new.is_file()):
                trials.seen["pairs without images here"] += 1
                continue
            if max(old.stat().st_size, new.stat().st_size) > args.most_bytes:
                trials.seen[f"pairs above {args.most_bytes} bytes"] += 1
                continue
            for profile in args.profiles.split(","):
                trials.agree(f"{name}, {profile}", old, new, "--profile", profile)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["embedded", "corpus"])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--deltamote", type=Path, default=BUILT)
    parser.add_argument("--every-value", action="store_true", help="255 changes of each byte")
    parser.add_argument("--profiles", default="small")
    parser.add_argument("--level", default="fast")
    parser.add_argument("--cache", type=Path, help="fetched images")
    parser.add_argument("--pairs", help="only those whose name matches this")
    parser.add_argument("--most-bytes", type=int, default=700_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        trials = Trials(args.deltamote, Path(scratch), args.level)
        if args.what == "embedded":
            embedded(trials, args.every_value)
        else:
            corpus(trials, args)
    for what, count in sorted(trials.seen.items()):
        print(f"{count:6} {what}")
    bad = [what for what in trials.seen if what.isupper() or "DIFFER" in what or "DO NOT" in what]
    if bad or not trials.seen:
        print("the two do not agree", file=sys.stderr)
    return 1 if bad or not trials.seen else 0


if __name__ == "__main__":
    sys.exit(main())

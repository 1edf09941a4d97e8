"""Runs every vector, reject and table block of SPEC.md.

    python3 -m deltamote_reference.vectors [SPEC.md]
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

from . import chain, encryption, frames, journal, models
from .codec import Codec
from .coder import Decoder
from .envelope import FIELDS, MAGIC, Envelope, read_manifest
from .errors import Broken, Refused
from .key_set import ROLES, read_set
from .profiles import PROFILES, named
from .refs import ISAS
from .refs.isa import ABSOLUTE, KINDS
from .signatures import holds
from .spec_blocks import SPEC, Block, blocks, edited, expand, with_crc
from .zstd_codec import ZstdCodec


def check(condition: bool, what: object) -> None:
    if not condition:
        raise AssertionError(what)


def equal(got: Any, want: Any) -> None:
    check(got == want, f"{got!r} is not {want!r}")


def breaks(run: Callable[[], object], rule: str) -> None:
    """`run` must break `rule`, written `KIND @AT`."""
    try:
        run()
    except Broken as broken:
        equal(str(broken), rule)
    else:
        raise AssertionError(f"accepted, should be {rule}")


class Runner:
    """One run over a document."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blocks = blocks(path.read_text())
        self.done: Counter[str] = Counter()

    def bytes_of(self, about: str, name: str) -> bytes:
        block = next(b for b in self.blocks if (b.about, b.name) == (about, name))
        return block.data("bytes")

    def run(self) -> None:
        for block in self.blocks:
            name = f"{block.verb}_{block.about.replace('-', '_')}"
            runner = getattr(self, name, None)
            check(runner is not None, f"nothing here runs `{block}`")
            try:
                runner(block)
            except Exception as error:
                raise AssertionError(f"{block}: {type(error).__name__}: {error}") from error
            self.done[f"{block.verb} {block.about}"] += 1
        self.zstd()

    def zstd(self) -> None:
        """Vectors of codec 1 (§13.4): bytes for the plan of another vector."""
        said = re.findall(
            r"^codec 1, zstd .*, of vector payload (\w+):\n(.*?)^```",
            self.path.read_text(), re.M | re.S,
        )
        check(len(said) > 0, "no vector of codec 1")
        for name, text in said:
            block = next(b for b in self.blocks if (b.about, b.name) == ("payload", name))
            old, data = block.data("old"), bytes.fromhex("".join(text.split()))
            new = expand(block.get("new"), old)

            def decode(data: bytes) -> bytes:
                return ZstdCodec(data, old, (len(old), len(new)), named("large")).decode()

            equal(decode(data), new)
            self.done["vector payload, codec 1"] += 1
            for n in range(len(data)):
                try:
                    decode(data[:n])
                    raise AssertionError(f"accepted {n} of {len(data)} bytes")
                except Broken:
                    self.done["truncations refused"] += 1
            breaks(lambda: decode(data + b"\0"), f"PayloadTrailing @{len(data)}")
            for profile in ("tiny", "small", "medium"):
                breaks(
                    lambda: ZstdCodec(data, old, (len(old), len(new)), named(profile)),
                    "HeaderUnsupported @0",
                )
        # A compressed block, and nothing to read it with.
        known, frames.library = frames.library, lambda: None
        try:
            frames.content(frames.MAGIC + bytes.fromhex("00001d0000000000"), 9)
            raise AssertionError("a compressed block was read without a library")
        except Refused as refused:
            check("zstandard" in str(refused), refused)
        finally:
            frames.library = known

    def cases(self, block: Block) -> list[tuple[str, bytes, str]]:
        """Name, bytes and rule of each line of a reject block without a name."""
        found = []
        for name, value in block.lines:
            what, _, rule = value.rpartition(" = ")
            base, _, edits = what.strip().partition(" ")
            if any(b.name == base and b.about == block.about for b in self.blocks):
                data = edited(self.bytes_of(block.about, base), edits)
                if "crc" in edits.split():
                    lengths = {b"P": 16, b"R": 72}
                    length = 92 if block.about == "journal-header" else lengths.get(data[:1], 16)
                    data = with_crc(data, length)
            else:
                data = expand(what)
            found.append((name, data, rule))
        self.done["reject cases"] += len(found)
        return found

    # Tables.

    def table_profiles(self, block: Block) -> None:
        rows = block.lines[1:]
        equal(len(rows), len(PROFILES))
        for (name, row), p in zip(rows, PROFILES):
            numbers = (p.number, p.byte_slots, p.flag_slots, p.map_entries, p.entry_words,
                       p.corrections, p.largest_chunk, p.page, p.state_words)
            equal((name, tuple(map(int, row.split()))), (p.name, numbers))
            words = models.Models.words(p) + p.map_entries * p.entry_words + 4 * p.corrections
            equal(words, p.state_words)

    def table(self, block: Block, want: list[int]) -> None:
        equal([int(n) for n in block.get("values").split()], want)

    def table_stretch(self, block: Block) -> None:
        self.table(block, models.STRETCH)

    def table_squash(self, block: Block) -> None:
        self.table(block, models.SQUASH)

    def table_rates(self, block: Block) -> None:
        self.table(block, models.RATES)

    # Head, envelope, manifest.

    def reject_head(self, block: Block) -> None:
        from .envelope import split

        for _, data, rule in self.cases(block):
            breaks(lambda data=data: split(data), rule)

    def vector_envelope(self, block: Block) -> None:
        data = block.data("bytes")
        envelope = Envelope(data)
        equal(envelope.manifest, block.data("manifest"))
        equal(MAGIC + len(data).to_bytes(2, "little"), block.data("head"))
        keys = []
        for index, made in enumerate(envelope.signatures):
            which = "" if index == 0 else str(index + 1)
            equal(made.alg, block.number(f"alg{which}"))
            equal(made.kid, block.data(f"kid{which}"))
            equal(envelope.signed_bytes(index), block.data(f"signed_bytes{which}"))
            equal(made.value, block.data(f"signature{which}"))
            keys.append(block.data(f"public_key{which}"))
            check(not holds(made.alg, keys[-1], made.kid, made.value), "forged")
        envelope.check_signature(keys)
        self.every_flip(data, Envelope)

    def reject_envelope(self, block: Block) -> None:
        for _, data, rule in self.cases(block):
            breaks(lambda data=data: Envelope(data), rule)

    def every_flip(self, data: bytes, read: Callable[[bytes], object]) -> None:
        """No truncation is accepted, and no byte is ignored."""
        for n in range(len(data)):
            try:
                read(data[:n])
                raise AssertionError(f"accepted {n} of {len(data)} bytes")
            except Broken:
                self.done["truncations refused"] += 1

    def vector_manifest(self, block: Block) -> None:
        data = block.data("bytes")
        fields = read_manifest(data)
        for key, text in block.lines:
            if key == "bytes":
                continue
            parts = dict(zip(("recipient", "encapsulated"), fields["encryption"] or ()))
            want: Any = parts[key] if key in parts else fields[key]
            if isinstance(want, bytes):
                equal(want, expand(text))
            elif isinstance(want, list):
                equal(want, text.split())
            else:
                equal(want, int(text, 0))
        named_here = {key for key, _ in block.lines}
        for name, _, _, default in FIELDS.values():
            if name not in named_here and name not in ("version", "chunk_size", "encryption"):
                equal(fields[name], default)
        self.every_flip(data, read_manifest)

    def vector_key_set(self, block: Block) -> None:
        found = read_set(block.data("bytes"))
        equal(found.version, block.number("version"))
        lines = [
            f"{k.alg} {k.public.hex()} {ROLES[k.role]} {k.first} "
            + (hex(k.last) if k.last == 2**64 - 1 else str(k.last))
            for k in found.keys
        ]
        equal(lines, block.all("key"))
        equal(" ".join(r.hex() for r in found.revoked), block.get("revoked", ""))
        self.every_flip(block.data("bytes"), read_set)

    def reject_key_set(self, block: Block) -> None:
        for _, data, rule in self.cases(block):
            breaks(lambda data=data: read_set(data), rule)

    def reject_manifest(self, block: Block) -> None:
        for _, data, rule in self.cases(block):
            breaks(lambda data=data: read_manifest(data), rule)

    # Coder and models.

    def vector_coder(self, block: Block) -> None:
        coder = Decoder(block.data("bytes"))
        positions = []
        for decision in block.get("decisions").split():
            if decision == "R":
                coder.restart()
            else:
                bit, _, p = decision.partition("/")
                equal(coder.decision(int(p, 16)), int(bit))
            positions.append(coder.position)
        equal(positions, [int(n) for n in block.get("positions").split()])
        equal(coder.length(), len(coder.data))

    def vector_models(self, block: Block) -> None:
        coder = Decoder(block.data("bytes"))
        state = models.Models(PROFILES[0])
        for line in block.all("do"):
            what, _, want = line.partition(" = ")
            word, *args = what.split()
            contexts = [int(c, 16) for c in args[1:]]
            number = int(args[0])
            if word == "number":
                equal(state.number(coder, number), int(want))
            elif word == "signed":
                equal(state.signed_number(coder, number), int(want))
            elif word == "bit":
                equal(state.single(coder, number), int(want))
            elif word == "flag":
                equal(state.flag(coder, number, contexts), int(want))
            else:
                equal(state.byte(coder, number, contexts), int(want, 16))
        equal(coder.length(), len(coder.data))

    # Payloads.

    def codec(self, block: Block) -> tuple[Codec, bytes]:
        old = block.data("old")
        new = expand(block.get("new"), old)
        if file := block.all("file"):
            data = expand((self.path.parent / file[0]).read_text())
        else:
            data = block.data("bytes")
        sizes = (
            block.number("read_old_len", str(len(old))),
            block.number("read_new_len", str(len(new))),
        )
        if block.verb == "reject":
            old = old[: sizes[0]]
        return Codec(data, old, sizes, named(block.get("profile", "tiny"))), new

    def vector_payload(self, block: Block) -> None:
        codec, new = self.codec(block)
        equal(codec.decode(), new)
        h = codec.header
        names = [f"{end} {ISAS[isa].name}" for end, isa in h.regions]
        equal(names, block.all("region") or names)
        equal(len(h.spaces), len(block.all("space")))
        for space, line in zip(h.spaces, block.all("space")):
            numbers = [int(n, 0) for n in line.split()]
            o, n = space.old, space.new
            equal([o.offset, o.address, o.length, n.offset, n.address, n.length], numbers)
        equal(h.ranges, [tuple(int(n, 0) for n in line.split()) for line in block.all("range")])
        equal(h.reset_log2, block.number("reset_log2", "0"))
        equal(h.zero_based, block.number("zero_based", "0"))
        equal(h.learn_map, block.number("learn_map", "1"))
        equal(codec.resets, [[int(n) for n in line.split()] for line in block.all("reset")])
        # Shorter or longer data is not that of this image.
        for cut in (codec.data[:-1], codec.data + b"\0"):
            short = Codec(cut, codec.old, (codec.old_size, codec.new_size), codec.profile)
            try:
                got = short.decode()
                raise AssertionError(f"{len(cut)} bytes make {len(got)}")
            except Broken:
                self.done["cut or lengthened payloads refused"] += 1

    def reject_payload(self, block: Block) -> None:
        codec, _ = self.codec(block)
        breaks(codec.decode, block.get("error"))

    # References.

    def vector_references(self, block: Block) -> None:
        isa = next(i for i in ISAS if i.name == block.get("isa"))
        base = block.number("base")
        code = block.data("code")
        equal(f"{crc32(code):08x}", block.get("crc"))
        found, at = {}, 0
        while at < len(code):
            if ref := isa.decode(code, at, base + at):
                found[at] = ref
                word = int.from_bytes(code[at : at + ref.length], "little")
                equal(isa.encode(word, ref, base + at, ref.target), word)
            at += isa.unit_length(code, at)
        lines = []
        for at, ref in found.items():
            back = {0: "", ABSOLUTE: " absolute"}.get(ref.back, f" back {ref.back}")
            lines.append(f"{at} {KINDS[ref.kind]} {ref.length} {ref.target:#x}{back}")
        equal(lines, block.all("ref"))
        for line in block.all("move"):
            offset, pc, target, want = line.split()
            ref = found[int(offset)]
            unit = code[int(offset) :][: ref.length]
            word = isa.encode(int.from_bytes(unit, "little"), ref, int(pc, 0), int(target, 0))
            got = "none" if word is None else word.to_bytes(ref.length, "little").hex()
            equal(got, want)

    # Chain and journal.

    def vector_chain(self, block: Block) -> None:
        size, payload, data = block.number("chunk_size"), block.data("payload"), block.data("data")
        equal(chain.payload_size(len(data), size), len(payload))
        check(chain.is_possible(len(payload), size), "an impossible size")
        equal(chain.data_of(payload, size, block.data("first_chunk")), data)

    def vector_encryption(self, block: Block) -> None:
        secret, sealed = block.data("recipient_secret"), block.data("encapsulated")
        equal(encryption.x25519(secret, encryption.BASE_POINT), block.data("recipient_public"))
        equal(encryption.recipient_id(secret), block.data("recipient"))
        key = encryption.content_key(secret, sealed)
        equal(key, block.data("content_key"))
        size, payload, data = block.number("chunk_size"), block.data("payload"), block.data("data")
        equal(chain.payload_size(len(data), size, chain.TAG_BYTES), len(payload))
        check(chain.is_possible(len(payload), size, chain.TAG_BYTES), "an impossible size")
        equal(chain.data_of(payload, size, block.data("first_chunk"), key), data)

    def reject_layout(self, block: Block) -> None:
        for name, value in block.lines:
            words = value.partition(" = ")[0].split()
            tag = chain.TAG_BYTES if words[0] == "encrypted" else 0
            size, chunk_size = words[-2:]
            check(not chain.is_possible(int(size), int(chunk_size), tag), name)
        self.done["reject cases"] += len(block.lines)

    def mark(self, block: Block, mark: journal.Mark | None) -> None:
        if mark is None:
            raise AssertionError("nothing valid")
        equal((mark.epoch, mark.frontier), (block.number("epoch"), block.number("frontier")))
        point = " ".join(map(str, mark.point)) if mark.point else ""
        equal([point], block.all("reset") or [""])
        if mark.point:
            equal(mark.link, block.data("link"))
        length = {"H": 92, "P": 16, "R": 72}[mark.kind]
        data, unit = block.data("bytes"), block.number("write_size")
        equal((len(data) - length) < unit and len(data) % unit, 0)
        equal(data[length:], bytes(len(data) - length))

    def vector_journal_header(self, block: Block) -> None:
        mark = journal.page_header(block.data("bytes"))
        self.mark(block, mark)
        equal(mark.binding if mark else None, block.data("binding"))

    def vector_journal_record(self, block: Block) -> None:
        mark = journal.record(block.data("bytes"))
        self.mark(block, mark)
        equal(mark.sequence if mark else None, block.number("sequence"))

    def vector_journal_binding(self, block: Block) -> None:
        names = ("slot_size", "write_size", "first_block", "new_offset")
        parts = [block.number(name).to_bytes(4, "little") for name in names]
        equal(block.data("envelope_digest") + b"".join(parts), block.data("message"))
        equal(journal.binding(block.data("message")), block.data("binding"))

    def reject_journal_header(self, block: Block) -> None:
        for name, data, _ in self.cases(block):
            check(journal.page_header(data) is None, name)

    def reject_journal_record(self, block: Block) -> None:
        for name, data, _ in self.cases(block):
            check(journal.record(data) is None, name)


def main() -> int:
    runner = Runner(Path(sys.argv[1]) if len(sys.argv) > 1 else SPEC)
    runner.run()
    for what, count in sorted(runner.done.items()):
        print(f"{count:5} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

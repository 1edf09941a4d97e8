"""A patch applied as a device applies it: every check of SPEC §4.2 that is not about flash."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from . import envelope as env
from .chain import data_of
from .codec import Codec
from .encryption import content_key, recipient_id
from .errors import Refused
from .models import Models, prior_number
from .profiles import PROFILES, Profile
from .zstd_codec import ZstdCodec

PRIORS = Path(__file__).resolve().parents[2] / "prior"

#: Payload codecs by their number in the manifest.
CODECS = {0: Codec, 1: ZstdCodec}


def prior_words(profile: Profile, number: int) -> list[int]:
    """The prior of this number for this profile, from the repository's files."""
    path = PRIORS / f"{profile.name}.bin"
    if path.is_file():
        data = path.read_bytes()
        words = [int.from_bytes(data[k : k + 2], "little") for k in range(0, len(data), 2)]
        if len(words) == Models.words(profile) and prior_number(words) == number:
            return words
    raise Refused(f"there is no prior {number} for profile {profile.name}")


def apply(
    old: bytes, patch: bytes, public_keys: list[bytes] | None, recipient_secret: bytes = b""
) -> bytes:
    """The new image. `public_keys` None: signatures are not looked at.

    Raises Broken or Refused."""
    # A device checks the signature before it reads the manifest; so that the order can be
    # seen here, the manifest is read again by `split`.
    length = int.from_bytes(patch[4:6], "little")
    if patch[:4] == env.MAGIC and 1 <= length <= env.MAX_ENVELOPE and len(patch) >= 6 + length:
        env.Envelope(patch[6 : 6 + length]).check_signature(public_keys)
    _, manifest, payload = env.split(patch)
    codec = CODECS.get(manifest["codec"])
    if codec is None:
        raise Refused(f"codec {manifest['codec']} is unknown")
    if manifest["isa_mask"] >> 8:
        raise Refused("an instruction set is unknown")
    profile = PROFILES[manifest["profile"]]
    prior = None
    if manifest["prior"] is not None:
        prior = prior_words(profile, manifest["prior"])
    if len(old) != manifest["old_size"] or sha256(old).digest() != manifest["old_digest"]:
        raise Refused("this is not the old image that the patch starts from")
    if len(payload) != manifest["payload_size"]:
        raise Refused(f"the payload has {len(payload)} bytes, not {manifest['payload_size']}")
    key = None
    if manifest["encryption"] is not None:
        recipient, encapsulated = manifest["encryption"]
        if not recipient_secret or recipient_id(recipient_secret) != recipient:
            raise Refused("the payload is encrypted for another recipient")
        key = content_key(recipient_secret, encapsulated)
    data = data_of(payload, manifest["chunk_size"], manifest["first_chunk"], key)
    new = codec(data, old, (len(old), manifest["new_size"]), profile, prior).decode()
    if sha256(new).digest() != manifest["new_digest"]:
        raise Refused("the new image is not the one that was signed")
    return new

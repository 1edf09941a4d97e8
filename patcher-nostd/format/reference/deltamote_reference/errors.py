"""The rules of SPEC §9, as exceptions that name the rule and the place."""

from __future__ import annotations


class Broken(Exception):
    """A rule is broken: `kind` as in the tables of SPEC §9, `at` the offset."""

    def __init__(self, kind: str, at: int) -> None:
        super().__init__(f"{kind} @{at}")
        self.kind = kind
        self.at = at


class Refused(Exception):
    """A patch is good by itself and not for this device, key or base (SPEC §4.2)."""

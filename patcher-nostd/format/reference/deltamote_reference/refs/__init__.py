"""References of all instruction sets (SPEC §7)."""

from __future__ import annotations

from .aarch64 import AArch64
from .arm import A32, Thumb
from .avr import Avr
from .i8051 import I8051
from .isa import Isa, Reference
from .riscv import RiscV
from .xtensa import Xtensa

ISAS: list[Isa] = [Isa(), Thumb(), A32(), AArch64(), RiscV(), Xtensa(), Avr(), I8051()]

__all__ = ["ISAS", "Isa", "Reference"]

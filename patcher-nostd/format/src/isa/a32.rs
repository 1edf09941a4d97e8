//! Arm A32: branches, pc-relative loads and addresses, MOVW/MOVT pairs.
//! Encodings: Arm Architecture Reference Manual ARMv7-A/R, chapter A8.8.

use super::bits::{Bits, Magnitude, runs};
use super::{Code, Kind, Reference, Words};

/// Distance in bytes over which MOVW and MOVT are paired, either way.
const REACH: u32 = 20;

enum Form {
    /// `pc + 8 + offset`.
    Pc(Kind, &'static Bits),
    /// `pc + 8` plus or minus an offset.
    Signed(&'static Magnitude),
    /// ADD or SUB of a rotated byte to pc.
    Adr,
    /// Low half of a 32-bit constant.
    Movw,
    /// High half of a 32-bit constant.
    Movt,
}

const B: Bits = Bits::signed(26, &runs([(0, 2, 24)]));
/// BLX keeps bit 1 of its Thumb target where the others have the link bit.
const BLX: Bits = Bits::signed(26, &runs([(0, 2, 24), (24, 1, 1)]));
const LDR: Magnitude = Magnitude {
    bits: Bits::unsigned(&runs([(0, 0, 12)])),
    add: 1 << 23,
    sub: 0,
};
const LDRH: Magnitude = Magnitude {
    bits: Bits::unsigned(&runs([(0, 0, 4), (8, 4, 4)])),
    add: 1 << 23,
    sub: 0,
};
const VLDR: Magnitude = Magnitude {
    bits: Bits::unsigned(&runs([(0, 2, 8)])),
    add: 1 << 23,
    sub: 0,
};
const ROTATED: u32 = 0xfff;
const ADR_ADD: u32 = 1 << 23;
const ADR_SUB: u32 = 1 << 22;
const IMM16: Bits = Bits::unsigned(&runs([(0, 0, 12), (16, 12, 4)]));

fn form(word: u32) -> Option<Form> {
    if word >> 28 == 15 {
        return (word >> 25 == 0x7d).then_some(Form::Pc(Kind::Call, &BLX));
    }
    match (word >> 24) & 15 {
        0x0a => return Some(Form::Pc(Kind::Jump, &B)),
        0x0b => return Some(Form::Pc(Kind::Call, &B)),
        _ => {}
    }
    match word & 0x0ff0_0000 {
        0x0300_0000 => return Some(Form::Movw),
        0x0340_0000 => return Some(Form::Movt),
        _ => {}
    }
    if matches!(word & 0x0fff_0000, 0x028f_0000 | 0x024f_0000) {
        return Some(Form::Adr);
    }
    // LDR and LDRB.
    if word & 0x0f3f_0000 == 0x051f_0000 {
        return Some(Form::Signed(&LDR));
    }
    // LDRH, LDRSB, LDRSH; LDRD.
    if word & 0x0f7f_0090 == 0x015f_0090 && word & 0x60 != 0 || word & 0x0f7f_00f0 == 0x014f_00d0 {
        return Some(Form::Signed(&LDRH));
    }
    // VLDR of a single or double.
    if word & 0x0f3f_0e00 == 0x0d1f_0a00 {
        return Some(Form::Signed(&VLDR));
    }
    None
}

/// The offset of an ADR, if it is written as `adr_set` writes it: constants such as
/// 4 have several encodings and the offset alone could not tell which.
fn adr_get(word: u32) -> Option<u32> {
    let value = (word & 0xff).rotate_right((word >> 8 & 15) * 2);
    let offset = if word & ADR_ADD != 0 {
        value
    } else {
        value.wrapping_neg()
    };
    (adr_set(word, offset) == Some(word)).then_some(offset)
}

fn adr_set(word: u32, offset: u32) -> Option<u32> {
    let word = adr_clear(word);
    let (word, value) = if (offset as i32) < 0 {
        (word | ADR_SUB, offset.wrapping_neg())
    } else {
        (word | ADR_ADD, offset)
    };
    // The smallest rotation, as assemblers choose it.
    (0..16)
        .find(|&n| value.rotate_left(2 * n) <= 0xff)
        .map(|n| word | n << 8 | value.rotate_left(2 * n))
}

const fn adr_clear(word: u32) -> u32 {
    word & !(ROTATED | ADR_ADD | ADR_SUB)
}

/// Condition, opcode and destination register of a MOVW or MOVT.
const fn half_of(word: u32) -> u32 {
    word & 0xfff0_f000
}

const MOVW_TO_MOVT: u32 = 0x0040_0000;

/// The constant of the pair whose first half, `movw`, is at `at`.
fn after<C: Code + ?Sized>(code: &mut C, at: u32, movw: u32) -> Option<u32> {
    for ahead in (4..=REACH).step_by(4) {
        let word = code.u32(at.checked_add(ahead)?)?;
        if half_of(word) == half_of(movw) ^ MOVW_TO_MOVT {
            return Some(IMM16.get(word) << 16 | IMM16.get(movw));
        }
        // A second MOVW starts another constant: a later MOVT belongs to that.
        if half_of(word) == half_of(movw) {
            return None;
        }
    }
    None
}

/// The constant of the pair whose second half, `movt`, is at `at`.
fn before<C: Code + ?Sized>(code: &mut C, at: u32, movt: u32) -> Option<u32> {
    for back in (4..=REACH).step_by(4) {
        let word = code.u32(at.checked_sub(back)?)?;
        if half_of(word) == half_of(movt) ^ MOVW_TO_MOVT {
            return Some(IMM16.get(movt) << 16 | IMM16.get(word));
        }
    }
    None
}

pub(super) fn decode<C: Code + ?Sized>(code: &mut C, at: u32, pc: u32) -> Option<Reference> {
    if pc & 3 != 0 {
        return None;
    }
    let word = code.u32(at)?;
    let pc = pc.wrapping_add(8);
    let (kind, target) = match form(word)? {
        Form::Pc(kind, bits) => (kind, pc.wrapping_add(bits.get(word))),
        Form::Signed(bits) => (Kind::Literal, pc.wrapping_add(bits.get(word)?)),
        Form::Adr => (Kind::Literal, pc.wrapping_add(adr_get(word)?)),
        Form::Movw => (Kind::Page, after(code, at, word)?),
        Form::Movt => (Kind::Low, before(code, at, word)?),
    };
    let partner = if kind == Kind::Low {
        Reference::ABSOLUTE
    } else {
        0
    };
    Some(Reference {
        len: 4,
        kind,
        target,
        partner,
    })
}

pub(super) fn encode(word: u32, _: &Reference, pc: u32, target: u32) -> Option<u32> {
    let offset = target.wrapping_sub(pc.wrapping_add(8));
    match form(word)? {
        Form::Pc(_, bits) => bits.set(word, offset),
        Form::Signed(bits) => bits.set(word, offset),
        Form::Adr => adr_set(word, offset),
        Form::Movw => IMM16.set(word, target & 0xffff),
        Form::Movt => IMM16.set(word, target >> 16),
    }
}

pub(super) fn blank(word: u32, _: &Reference) -> u32 {
    match form(word) {
        None => word,
        Some(Form::Pc(_, bits)) => bits.clear(word),
        Some(Form::Signed(bits)) => bits.clear(word),
        Some(Form::Adr) => adr_clear(word),
        Some(Form::Movw | Form::Movt) => IMM16.clear(word),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::super::laws::{Rng, decode_one, pair, put, words};
    use super::super::{Isa, Kind, Reference};

    #[test]
    fn words_of_four() {
        let forms = [
            (0x0e00_0000, 0x0a00_0000), // B, BL, BLX
            (0xfe00_0000, 0xfa00_0000), // BLX
            (0x0f3f_0000, 0x051f_0000), // LDR, LDRB
            (0x0f7f_0090, 0x015f_0090), // LDRH, LDRSB, LDRSH
            (0x0f7f_00f0, 0x014f_00d0), // LDRD
            (0x0f3f_0e00, 0x0d1f_0a00), // VLDR
            (0x0fff_0000, 0x028f_0000), // ADR, add
            (0x0fff_0000, 0x024f_0000), // ADR, subtract
            (0x0f7f_0fff, 0x051f_0000), // subtract zero
        ];
        assert!(words(Isa::A32, 4, &forms) > 90_000);
    }

    #[test]
    fn constant_pairs() {
        let mut rng = Rng(9);
        for k in 0..20_000 {
            let mut buf = [0u8; 48];
            let low = 8 + 4 * (1 + k % 5);
            let fixed = (rng.next() % 15) << 28 | (rng.next() & 15) << 12;
            put(
                &mut buf,
                8,
                4,
                rng.next() & 0x000f_0fff | 0x0300_0000 | fixed,
            );
            put(
                &mut buf,
                low,
                4,
                rng.next() & 0x000f_0fff | 0x0340_0000 | fixed,
            );
            pair(Isa::A32, &mut buf, 8, low, rng.address(4), &mut rng);
        }
    }

    /// Checked against GNU as and objdump 2.40 (arm-none-eabi).
    #[test]
    fn vectors() {
        let cases: &[(u32, u32, Kind, u32)] = &[
            (0xeb00000b, 0x1054, Kind::Call, 0x1088),     // bl
            (0xeafffffd, 0x1058, Kind::Jump, 0x1054),     // b
            (0xafffffc, 0x105c, Kind::Jump, 0x1054),      // beq
            (0xfafffc26, 0x1060, Kind::Call, 0x100),      // blx
            (0xfbfffc26, 0x1060, Kind::Call, 0x102),      // blx to a halfword
            (0xe51f0018, 0x1064, Kind::Literal, 0x1054),  // ldr r0, [pc, #-24]
            (0xe5df1020, 0x1068, Kind::Literal, 0x1090),  // ldrb r1, [pc, #32]
            (0xe15f20b6, 0x106c, Kind::Literal, 0x106e),  // ldrh r2, [pc, #-6]
            (0xe1cf20d8, 0x1070, Kind::Literal, 0x1080),  // ldrd r2, [pc, #8]
            (0xed5f0a10, 0x1074, Kind::Literal, 0x103c),  // vldr s1, [pc, #-64]
            (0xe28f4bff, 0x1078, Kind::Literal, 0x40c80), // add r4, pc, #261120
            (0xe24f4018, 0x107c, Kind::Literal, 0x106c),  // sub r4, pc, #24
        ];
        for &(w, pc, kind, target) in cases {
            let r = Reference {
                len: 4,
                kind,
                target,
                partner: 0,
            };
            assert_eq!(decode_one(Isa::A32, w, pc), Some(r), "{w:x}");
        }
        // add r0, pc, #4 with a rotation that no assembler chooses; ldr r0, [pc, #-0].
        assert_eq!(decode_one(Isa::A32, 0xe28f_0f01, 0), None);
        assert_eq!(decode_one(Isa::A32, 0xe51f_0000, 0), None);
    }
}

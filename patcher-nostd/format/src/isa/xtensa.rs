//! Xtensa LX: calls, jumps, conditional branches, zero-overhead loops, literal loads.
//! Encodings: Xtensa Instruction Set Architecture Reference Manual, chapters 6 and 7
//! ("Instruction descriptions", "Instruction formats and opcodes"), little-endian.

use super::bits::{Bits, runs};
use super::{Code, Kind, Reference, Words};

enum Form {
    /// `pc + 4 + offset`: also for instructions of 2 and 3 bytes.
    Pc(Kind, &'static Bits),
    /// Aligned `pc + 4` plus words.
    Call,
    /// Words below the next aligned pc.
    L32r,
}

const CALL: Bits = Bits::signed(20, &runs([(6, 2, 18)]));
const J: Bits = Bits::signed(18, &runs([(6, 0, 18)]));
const IMM12: Bits = Bits::signed(12, &runs([(12, 0, 12)]));
const IMM8: Bits = Bits::signed(8, &runs([(16, 0, 8)]));
const LOOP: Bits = Bits::unsigned(&runs([(16, 0, 8)]));
const IMM6: Bits = Bits::unsigned(&runs([(12, 0, 4), (4, 4, 2)]));
const L32R: Bits = Bits::unsigned(&runs([(8, 2, 16)]));
/// L32R extends its offset with ones: it reaches only backwards.
const L32R_REACH: u32 = 0x4_0000;

fn form(word: u32) -> Option<Form> {
    match word & 15 {
        1 => Some(Form::L32r),
        5 => Some(Form::Call),
        // All sixteen comparisons of two registers, or of a register and a bit.
        7 => Some(Form::Pc(Kind::Branch, &IMM8)),
        // BEQZ.N and BNEZ.N; with bit 7 clear it is MOVI.N.
        12 if word & 0x80 != 0 => Some(Form::Pc(Kind::Branch, &IMM6)),
        6 => match (word >> 4) & 15 {
            0x0 | 0x4 | 0x8 | 0xc => Some(Form::Pc(Kind::Jump, &J)),
            // BEQZ, BNEZ, BLTZ, BGEZ.
            0x1 | 0x5 | 0x9 | 0xd => Some(Form::Pc(Kind::Branch, &IMM12)),
            // BEQI, BNEI, BLTI, BGEI; BLTUI, BGEUI.
            0x2 | 0x6 | 0xa | 0xe | 0xb | 0xf => Some(Form::Pc(Kind::Branch, &IMM8)),
            0x7 => match (word >> 12) & 15 {
                // BF and BT.
                0 | 1 => Some(Form::Pc(Kind::Branch, &IMM8)),
                // LOOP, LOOPNEZ, LOOPGTZ: the end of the loop.
                8..=10 => Some(Form::Pc(Kind::Branch, &LOOP)),
                _ => None,
            },
            // ENTRY.
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn decode<C: Code + ?Sized>(code: &mut C, at: u32, pc: u32) -> Option<Reference> {
    let first = u32::from(code.byte(at)?);
    let rest = at.checked_add(1)?;
    let (word, len) = if matches!(first & 15, 8..=13) {
        (first | u32::from(code.byte(rest)?) << 8, 2)
    } else {
        (first | code.u16(rest)? << 8, 3)
    };
    let (kind, target) = match form(word)? {
        Form::Pc(kind, bits) => (kind, pc.wrapping_add(4).wrapping_add(bits.get(word))),
        Form::Call => (Kind::Call, after_aligned(pc).wrapping_add(CALL.get(word))),
        Form::L32r => (Kind::Literal, literal_base(pc).wrapping_add(L32R.get(word))),
    };
    Some(Reference {
        len,
        kind,
        target,
        partner: 0,
    })
}

pub(super) fn encode(word: u32, _: &Reference, pc: u32, target: u32) -> Option<u32> {
    match form(word)? {
        Form::Pc(_, bits) => bits.set(word, target.wrapping_sub(pc.wrapping_add(4))),
        Form::Call => CALL.set(word, target.wrapping_sub(after_aligned(pc))),
        Form::L32r => L32R.set(word, target.wrapping_sub(literal_base(pc))),
    }
}

pub(super) fn blank(word: u32, _: &Reference) -> u32 {
    match form(word) {
        None => word,
        Some(Form::Pc(_, bits)) => bits.clear(word),
        Some(Form::Call) => CALL.clear(word),
        Some(Form::L32r) => L32R.clear(word),
    }
}

const fn after_aligned(pc: u32) -> u32 {
    (pc & !3).wrapping_add(4)
}

/// The lowest address that an L32R at `pc` reaches.
const fn literal_base(pc: u32) -> u32 {
    (pc.wrapping_add(3) & !3).wrapping_sub(L32R_REACH)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::super::laws::{decode_one, halfwords, words};
    use super::super::{Isa, Kind, Reference};

    #[test]
    fn every_halfword() {
        assert_eq!(halfwords(Isa::Xtensa), 0x800);
    }

    #[test]
    fn words_of_three() {
        let forms = [
            (0x0f, 0x05), // CALLn
            (0x3f, 0x06), // J
            (0x0f, 0x01), // L32R
            (0x3f, 0x16), // BEQZ and others
            (0x3f, 0x26), // BEQI and others
            (0x3f, 0x36), // BLTUI, BGEUI, BF, BT, LOOP, ENTRY
            (0xff, 0x76), // BF, BT, LOOP
            (0x0f, 0x07), // BEQ and others
        ];
        assert!(words(Isa::Xtensa, 3, &forms) > 110_000);
    }

    /// Checked against GNU as and objdump 2.40 (xtensa-lx106-elf).
    #[test]
    fn vectors() {
        let cases: &[(u32, u32, u8, Kind, u32)] = &[
            (0x305, 0x101, 3, Kind::Call, 0x134),      // call0
            (0xfffe06, 0x105, 3, Kind::Jump, 0x101),   // j
            (0xffce31, 0x108, 3, Kind::Literal, 0x40), // l32r a3
            (0xff2416, 0x10b, 3, Kind::Branch, 0x101), // beqz a4
            (0x1ef456, 0x10e, 3, Kind::Branch, 0x301), // bnez a4
            (0xfec496, 0x111, 3, Kind::Branch, 0x101), // bltz a4
            (0xfe94d6, 0x114, 3, Kind::Branch, 0x101), // bgez a4
            (0xe64526, 0x117, 3, Kind::Branch, 0x101), // beqi a5, 4
            (0xe34566, 0x11a, 3, Kind::Branch, 0x101), // bnei a5, 4
            (0xe045a6, 0x11d, 3, Kind::Branch, 0x101), // blti a5, 4
            (0xdd45e6, 0x120, 3, Kind::Branch, 0x101), // bgei a5, 4
            (0xda45b6, 0x123, 3, Kind::Branch, 0x101), // bltui a5, 4
            (0xd745f6, 0x126, 3, Kind::Branch, 0x101), // bgeui a5, 4
            (0xd41127, 0x129, 3, Kind::Branch, 0x101), // beq a1, a2
            (0xce2127, 0x12f, 3, Kind::Branch, 0x101), // blt a1, a2
            (0xcb7147, 0x132, 3, Kind::Branch, 0x101), // bbci a1, 20
            (0x1be137, 0x135, 3, Kind::Branch, 0x154), // bbsi a1, 3
            (0xc54137, 0x138, 3, Kind::Branch, 0x101), // ball a1, a3
            (0x12b137, 0x13e, 3, Kind::Branch, 0x154), // bgeu a1, a3
            (0xf38c, 0x141, 2, Kind::Branch, 0x154),   // beqz.n a3
            (0xd3cc, 0x143, 2, Kind::Branch, 0x154),   // bnez.n a3
        ];
        for &(w, pc, len, kind, target) in cases {
            let r = Reference {
                len,
                kind,
                target,
                partner: 0,
            };
            assert_eq!(decode_one(Isa::Xtensa, w, pc), Some(r), "{w:x}");
        }
        // ENTRY and MOVI.N are no branches.
        assert_eq!(decode_one(Isa::Xtensa, 0x00_4136, 0), None);
        assert_eq!(decode_one(Isa::Xtensa, 0x020c, 0), None);
    }
}

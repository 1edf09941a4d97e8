//! Intel 8051 with banked code: long, page and relative jumps, MOV DPTR.
//! Encodings: MCS-51 Programmer's Guide and Instruction Set (Intel 270249). Banking:
//! TI CC253x User's Guide (SWRU191), "Memory": the common 32 KiB at 0x0000-0x7fff,
//! one bank of 32 KiB at 0x8000-0xffff.
//!
//! Virtual addresses here are flat: the common area, then the banks one after the
//! other from 0x8000. Addresses in the instructions are big-endian, the instruction
//! word is little-endian: the opcode is in its low 8 bits.

use super::bits::{Bits, runs};
use super::{Code, Kind, Reference};

enum Form {
    /// A 16-bit address seen through the bank window.
    Banked(Kind),
    /// 11 bits of an address in the 2-KiB page of the next instruction.
    Paged(Kind),
    /// Relative to the next instruction.
    Next(&'static Bits),
}

const ADDR16: Bits = Bits::unsigned(&runs([(16, 0, 8), (8, 8, 8)]));
const ADDR11: Bits = Bits::unsigned(&runs([(8, 0, 8), (5, 8, 3)]));
const REL2: Bits = Bits::signed(8, &runs([(8, 0, 8)]));
const REL3: Bits = Bits::signed(8, &runs([(16, 0, 8)]));

/// First address of the bank window, and its size.
const BANK: u32 = 0x8000;

/// Lengths by the low nibble of the opcode, the high nibble counting from the least
/// significant pair of bits; the last is for 6 and 7 (@Ri), and for 8 to F (Rn).
const LENGTHS: [u32; 7] = [
    columns([1, 3, 3, 3, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2, 1, 1]),
    columns([2; 16]),
    columns([3, 3, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1]),
    columns([1, 1, 1, 1, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
    columns([1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 1, 3, 1, 1, 1, 1]),
    columns([2, 2, 2, 2, 2, 2, 2, 3, 3, 2, 1, 3, 2, 3, 2, 2]),
    columns([1, 1, 1, 1, 1, 1, 1, 2, 2, 1, 2, 3, 1, 1, 1, 1]),
];

const fn columns(lengths: [u32; 16]) -> u32 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = lengths;
    a | b << 2
        | c << 4
        | d << 6
        | e << 8
        | f << 10
        | g << 12
        | h << 14
        | i << 16
        | j << 18
        | k << 20
        | l << 22
        | m << 24
        | n << 26
        | o << 28
        | p << 30
}

/// Length of the instruction with this opcode.
pub(super) fn length(opcode: u8) -> u32 {
    let (row, column) = (opcode >> 4, opcode & 15);
    // DJNZ Rn shares its row with XCHD A, @Ri.
    if row == 13 && column >= 8 {
        return 2;
    }
    let lengths = LENGTHS
        .get(usize::from(column.min(6)))
        .copied()
        .unwrap_or(0);
    (lengths >> (2 * row)) & 3
}

fn form(word: u32) -> Option<Form> {
    match word & 0xff {
        0x02 => Some(Form::Banked(Kind::Jump)),
        0x12 => Some(Form::Banked(Kind::Call)),
        // MOV DPTR, #data16: a table in code, or a variable in external RAM.
        0x90 => Some(Form::Banked(Kind::Literal)),
        // SJMP; JC, JNC, JZ, JNZ; DJNZ Rn.
        0x80 | 0x40 | 0x50 | 0x60 | 0x70 | 0xd8..=0xdf => Some(Form::Next(&REL2)),
        // JBC, JB, JNB; CJNE; DJNZ direct.
        0x10 | 0x20 | 0x30 | 0xb4..=0xbf | 0xd5 => Some(Form::Next(&REL3)),
        // AJMP and ACALL in all eight pages.
        opcode => match opcode & 0x1f {
            0x01 => Some(Form::Paged(Kind::Branch)),
            0x11 => Some(Form::Paged(Kind::Call)),
            _ => None,
        },
    }
}

/// The bank that code at `pc` sees in the window; code in the common area is taken
/// to see the first.
const fn bank(pc: u32) -> u32 {
    if pc < BANK { BANK } else { pc & !(BANK - 1) }
}

const fn page(pc: u32) -> u32 {
    pc.wrapping_add(2) & !0x7ff
}

pub(super) fn decode<C: Code + ?Sized>(code: &mut C, at: u32, pc: u32) -> Option<Reference> {
    let opcode = code.byte(at)?;
    let len = length(opcode);
    let mut word = u32::from(opcode);
    for k in 1..len {
        word |= u32::from(code.byte(at.checked_add(k)?)?) << (8 * k);
    }
    let (kind, target) = match form(word)? {
        Form::Banked(kind) => {
            let address = ADDR16.get(word);
            let target = if address < BANK {
                address
            } else {
                bank(pc) | (address - BANK)
            };
            (kind, target)
        }
        Form::Paged(kind) => (kind, page(pc) | ADDR11.get(word)),
        Form::Next(bits) => {
            let next = pc.wrapping_add(len);
            (Kind::Branch, next.wrapping_add(bits.get(word)))
        }
    };
    Some(Reference {
        len: len as u8,
        kind,
        target,
        partner: 0,
    })
}

pub(super) fn encode(word: u32, r: &Reference, pc: u32, target: u32) -> Option<u32> {
    match form(word)? {
        Form::Banked(_) if target < BANK => ADDR16.set(word, target),
        // Outside the bank the offset is too large for the field.
        Form::Banked(_) => {
            let offset = target.wrapping_sub(bank(pc));
            (offset < BANK).then_some(())?;
            ADDR16.set(word, BANK | offset)
        }
        Form::Paged(_) => ADDR11.set(word, target.wrapping_sub(page(pc))),
        Form::Next(bits) => {
            let next = pc.wrapping_add(u32::from(r.len));
            bits.set(word, target.wrapping_sub(next))
        }
    }
}

pub(super) fn blank(word: u32, _: &Reference) -> u32 {
    match form(word) {
        None => word,
        Some(Form::Banked(_)) => ADDR16.clear(word),
        Some(Form::Paged(_)) => ADDR11.clear(word),
        Some(Form::Next(bits)) => bits.clear(word),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::super::laws::{decode_one, halfwords, words};
    use super::super::{Isa, Kind, Reference};
    use super::length;

    #[test]
    fn every_halfword() {
        // 16 AJMP and ACALL, 5 jumps, 8 DJNZ Rn.
        assert_eq!(halfwords(Isa::I8051), (16 + 5 + 8) * 256);
    }

    #[test]
    fn words_of_three() {
        let forms = [
            (0xff, 0x02), // LJMP
            (0xff, 0x12), // LCALL
            (0xff, 0x90), // MOV DPTR
            (0xff, 0x20), // JB
            (0xff, 0xd5), // DJNZ direct
            (0xfc, 0xb4), // CJNE
        ];
        assert!(words(Isa::I8051, 3, &forms) > 140_000);
    }

    #[test]
    fn lengths() {
        // Every opcode was compared with what sdas8051 emits for its mnemonic.
        let count = |n| (0..=255u8).filter(|&op| length(op) == n).count();
        assert_eq!((count(1), count(2), count(3)), (141, 91, 24));
        for (op, len) in [
            (0x85, 3),
            (0xa5, 1),
            (0xb6, 3),
            (0xd6, 1),
            (0xd8, 2),
            (0x7f, 2),
        ] {
            assert_eq!(length(op), len, "{op:x}");
        }
    }

    #[test]
    fn banks() {
        let at = |w, pc| decode_one(Isa::I8051, w, pc).unwrap();
        // ljmp 0x9234 seen from the common area and from two banks.
        let ljmp = 0x34_9202;
        assert_eq!(at(ljmp, 0x100).target, 0x9234);
        assert_eq!(at(ljmp, 0x8100).target, 0x9234);
        assert_eq!(at(ljmp, 0x2_8100).target, 0x2_9234);
        let r = at(ljmp, 0x2_8100);
        assert_eq!(
            Isa::I8051.encode(ljmp, &r, 0x2_8100, 0x1234),
            Some(0x34_1202)
        );
        assert_eq!(Isa::I8051.encode(ljmp, &r, 0x2_8100, 0x3_0000), None);
        assert_eq!(
            Isa::I8051.encode(ljmp, &r, 0x3_0100, 0x3_1234),
            Some(0x34_9202)
        );
    }

    /// Checked against sdas8051 4.2.0.
    #[test]
    fn vectors() {
        let cases: &[(u32, u32, u8, Kind, u32)] = &[
            (0x341202, 0x1000, 3, Kind::Jump, 0x1234),   // ljmp
            (0xcdab12, 0x1003, 3, Kind::Call, 0xabcd),   // lcall
            (0x18090, 0x1006, 3, Kind::Literal, 0x8001), // mov dptr
            (0xf580, 0x1009, 2, Kind::Branch, 0x1000),   // sjmp
            (0x805b4, 0x100b, 3, Kind::Branch, 0x1016),  // cjne
            (0xf0db, 0x100e, 2, Kind::Branch, 0x1000),   // djnz r3
            (0xed30d5, 0x1010, 3, Kind::Branch, 0x1000), // djnz direct
            (0x120, 0x1013, 3, Kind::Branch, 0x1016),    // jb
            (0xe850, 0x1016, 2, Kind::Branch, 0x1000),   // jnc
            (0x3451, 0x1018, 2, Kind::Call, 0x1234),     // acall
            (0x1e1, 0x101a, 2, Kind::Branch, 0x1701),    // ajmp
        ];
        for &(w, pc, len, kind, target) in cases {
            let r = Reference {
                len,
                kind,
                target,
                partner: 0,
            };
            assert_eq!(decode_one(Isa::I8051, w, pc), Some(r), "{w:x}");
        }
    }
}

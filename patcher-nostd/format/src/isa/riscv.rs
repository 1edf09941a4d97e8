//! RISC-V RV32 and RV64 with compressed instructions: jumps, branches, and AUIPC or
//! LUI with the instruction that adds the low 12 bits.
//! Encodings: The RISC-V Instruction Set Manual Volume I, chapters "RV32I",
//! "C extension" and "RV32/64G instruction set listings".
//!
//! The word does not tell RV32 from RV64: what is C.JAL on RV32 is C.ADDIW on RV64
//! and is taken for a call there. The invariants of [`super`] hold all the same, the
//! prediction just is of no use.

use super::bits::{Bits, runs};
use super::{Code, Kind, Reference, Words, sign_extend};

/// Instructions after an AUIPC or LUI in which its low part is looked for.
const AHEAD: u32 = 6;
/// Bytes before a low part in which its AUIPC or LUI is looked for.
const BACK: u32 = 24;

const JAL: Bits = Bits::signed(
    21,
    &runs([(21, 1, 10), (20, 11, 1), (12, 12, 8), (31, 20, 1)]),
);
const BRANCH: Bits = Bits::signed(13, &runs([(8, 1, 4), (25, 5, 6), (7, 11, 1), (31, 12, 1)]));
const C_J: Bits = Bits::signed(
    12,
    &runs([
        (3, 1, 3),
        (11, 4, 1),
        (2, 5, 1),
        (7, 6, 1),
        (6, 7, 1),
        (9, 8, 2),
        (8, 10, 1),
        (12, 11, 1),
    ]),
);
const C_B: Bits = Bits::signed(
    9,
    &runs([(3, 1, 2), (10, 3, 2), (2, 5, 1), (5, 6, 2), (12, 8, 1)]),
);
const UPPER: Bits = Bits::unsigned(&runs([(12, 12, 20)]));
const LOW: Bits = Bits::signed(12, &runs([(20, 0, 12)]));
const LOW_STORE: Bits = Bits::signed(12, &runs([(7, 0, 5), (25, 5, 7)]));

enum Form {
    /// `pc + offset`.
    Pc(Kind, &'static Bits),
    /// AUIPC or LUI.
    Upper,
    /// Signed low 12 bits added to the register in bits 19:15.
    Low(&'static Bits),
}

fn form(word: u32) -> Option<Form> {
    if word & 3 != 3 {
        return match word & 0xe003 {
            0x2001 => Some(Form::Pc(Kind::Call, &C_J)),
            0xa001 => Some(Form::Pc(Kind::Branch, &C_J)),
            0xc001 | 0xe001 => Some(Form::Pc(Kind::Branch, &C_B)),
            _ => None,
        };
    }
    let rd = (word >> 7) & 31;
    match word & 0x7f {
        // Return addresses go to ra, and to t0 in calls of save/restore routines.
        0x6f if rd == 1 || rd == 5 => return Some(Form::Pc(Kind::Call, &JAL)),
        0x6f => return Some(Form::Pc(Kind::Jump, &JAL)),
        0x63 if (word >> 13) & 3 != 1 => return Some(Form::Pc(Kind::Branch, &BRANCH)),
        // With x0 it is a hint.
        0x17 | 0x37 if rd != 0 => return Some(Form::Upper),
        _ => {}
    }
    if base(word) == 0 {
        return None;
    }
    match (word & 0x7f, (word >> 12) & 7) {
        // Loads; ADDI, ADDIW and JALR; loads to floating-point registers. Other
        // widths of the last are vector loads, which have no offset.
        (0x03, _) | (0x13 | 0x1b | 0x67, 0) | (0x07, 1..=4) => Some(Form::Low(&LOW)),
        (0x23, _) | (0x27, 1..=4) => Some(Form::Low(&LOW_STORE)),
        _ => None,
    }
}

const fn base(word: u32) -> u32 {
    (word >> 15) & 31
}

/// Whether `word` is an AUIPC or LUI to `register`.
const fn is_upper(word: u32, register: u32) -> bool {
    word & 0x5f == 0x17 && (word >> 7) & 31 == register
}

const fn is_auipc(word: u32) -> bool {
    word & 0x20 == 0
}

/// What AUIPC or LUI at `pc` puts into its register.
fn upper(word: u32, pc: u32) -> u32 {
    let value = UPPER.get(word);
    if is_auipc(word) {
        pc.wrapping_add(value)
    } else {
        value
    }
}

/// What the first user of the register of the AUIPC or LUI `word` at `at` adds.
fn after<C: Code + ?Sized>(code: &mut C, at: u32, word: u32) -> Option<u32> {
    let register = (word >> 7) & 31;
    let mut next = at.checked_add(4)?;
    for _ in 0..AHEAD {
        if code.u16(next)? & 3 != 3 {
            next = next.checked_add(2)?;
            continue;
        }
        let user = code.u32(next)?;
        // The register is loaded anew: what follows belongs to that.
        if is_upper(user, register) {
            return None;
        }
        if let Some(Form::Low(bits)) = form(user)
            && base(user) == register
        {
            return Some(bits.get(user));
        }
        next = next.checked_add(4)?;
    }
    None
}

/// The nearest AUIPC or LUI to the base register of the instruction at `at`: what it
/// puts there, and `partner` of the reference.
fn before<C: Code + ?Sized>(code: &mut C, at: u32, pc: u32, register: u32) -> Option<(u32, u32)> {
    for back in (4..=BACK).step_by(2) {
        let word = code.u32(at.checked_sub(back)?)?;
        if is_upper(word, register) {
            let partner = if is_auipc(word) {
                back
            } else {
                Reference::ABSOLUTE
            };
            return Some((upper(word, pc.wrapping_sub(back)), partner));
        }
    }
    None
}

pub(super) fn decode<C: Code + ?Sized>(code: &mut C, at: u32, pc: u32) -> Option<Reference> {
    if pc & 1 != 0 {
        return None;
    }
    let first = code.u16(at)?;
    let (word, len) = if first & 3 == 3 {
        (code.u32(at)?, 4)
    } else {
        (first, 2)
    };
    let (kind, target, partner) = match form(word)? {
        Form::Pc(kind, bits) => (kind, pc.wrapping_add(bits.get(word)), 0),
        Form::Upper => {
            let low = after(code, at, word)?;
            (Kind::Page, upper(word, pc).wrapping_add(low), 0)
        }
        Form::Low(bits) => {
            let (value, partner) = before(code, at, pc, base(word))?;
            (Kind::Low, value.wrapping_add(bits.get(word)), partner)
        }
    };
    Some(Reference {
        len,
        kind,
        target,
        partner,
    })
}

pub(super) fn encode(word: u32, r: &Reference, pc: u32, target: u32) -> Option<u32> {
    match form(word)? {
        Form::Pc(_, bits) => bits.set(word, target.wrapping_sub(pc)),
        Form::Upper => {
            let value = if is_auipc(word) {
                target.wrapping_sub(pc)
            } else {
                target
            };
            // The low part is signed: half its range rounds the upper part up.
            UPPER.set(word, value.wrapping_add(0x800) & 0xffff_f000)
        }
        Form::Low(bits) => {
            let value = if r.partner == Reference::ABSOLUTE {
                target
            } else {
                target.wrapping_sub(pc.wrapping_sub(r.partner))
            };
            bits.set(word, sign_extend(value, 12))
        }
    }
}

pub(super) fn blank(word: u32, _: &Reference) -> u32 {
    match form(word) {
        None => word,
        Some(Form::Pc(_, bits) | Form::Low(bits)) => bits.clear(word),
        Some(Form::Upper) => UPPER.clear(word),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::super::laws::{Rng, decode_one, halfwords, pair, put, words};
    use super::super::{Isa, Kind, Reference};

    #[test]
    fn every_halfword() {
        // Four of the 24 quadrant-and-function pairs, 2048 patterns each.
        assert_eq!(halfwords(Isa::RiscV), 4 * 2048);
    }

    #[test]
    fn words_of_four() {
        let forms = [
            (0x7f, 0x6f),  // JAL
            (0xfff, 0xef), // JAL ra
            (0x7f, 0x63),  // branches
        ];
        assert!(words(Isa::RiscV, 4, &forms) > 100_000);
    }

    #[test]
    fn upper_and_low() {
        let mut rng = Rng(13);
        let users = [
            0x0000_0013u32, // addi
            0x0000_001b,    // addiw
            0x0000_2003,    // lw
            0x0000_0067,    // jalr
            0x0000_2007,    // flw
            0x0000_2023,    // sw
            0x0000_3027,    // fsd
        ];
        for k in 0..40_000usize {
            // Fillers: C.NOP.
            let mut buf = [0u8; 48];
            for at in (0..48).step_by(2) {
                put(&mut buf, at, 2, 0x0001);
            }
            let low = 12 + 2 * (k as u32 % 6);
            let rd = 1 + rng.next() % 31;
            let upper = if rng.next() & 1 == 0 { 0x17 } else { 0x37 };
            let mut page = rng.next() & 0xffff_f000 | upper | rd << 7;
            // Look-back tries every halfword: the upper half must not look like
            // another AUIPC or LUI, before or after re-encoding.
            page &= !(1 << 16);
            put(&mut buf, 8, 4, page);
            let user = users[k % users.len()];
            let imm = if user & 0x20 != 0 && user & 0x7f != 0x67 {
                rng.next() & 0xfe00_0f80
            } else {
                rng.next() & 0xfff0_0000
            };
            put(&mut buf, low, 4, user | imm | rd << 15);
            if low == 12 {
                pair(Isa::RiscV, &mut buf, 8, low, rng.address(2), &mut rng);
            } else {
                let base = rng.address(2);
                let p = Isa::RiscV
                    .decode(&mut &buf[..], 8, base.wrapping_add(8))
                    .unwrap();
                let l = Isa::RiscV
                    .decode(&mut &buf[..], low, base.wrapping_add(low))
                    .unwrap();
                assert_eq!(
                    (p.kind, l.kind, p.target),
                    (Kind::Page, Kind::Low, l.target)
                );
                let distance = if upper == 0x17 {
                    low - 8
                } else {
                    Reference::ABSOLUTE
                };
                assert_eq!(l.partner, distance);
            }
        }
    }

    /// Checked against GNU as and objdump 2.40 (riscv64-unknown-elf, rv32gc).
    #[test]
    fn vectors() {
        let cases: &[(u32, u32, u8, Kind, u32)] = &[
            (0xf01ff0ef, 0x1000, 4, Kind::Call, 0xf00),    // jal ra
            (0x7fc002ef, 0x1004, 4, Kind::Call, 0x1800),   // jal t0
            (0xff9ff06f, 0x1008, 4, Kind::Jump, 0x1000),   // j
            (0xfeb50be3, 0x100a, 4, Kind::Branch, 0x1000), // beq
            (0x6eb579e3, 0x100e, 4, Kind::Branch, 0x1f00), // bgeu
            (0xbfc1, 0x1030, 2, Kind::Branch, 0x1000),     // c.j
            (0x20f9, 0x1032, 2, Kind::Call, 0x1100),       // c.jal
            (0xd571, 0x1034, 2, Kind::Branch, 0x1000),     // c.beqz
            (0xedc9, 0x1036, 2, Kind::Branch, 0x10d0),     // c.bnez
        ];
        for &(w, pc, len, kind, target) in cases {
            let r = Reference {
                len,
                kind,
                target,
                partner: 0,
            };
            assert_eq!(decode_one(Isa::RiscV, w, pc), Some(r), "{w:x}");
        }
        // auipc a0; sw a1, -4(a0); lui a1; sh a2, 291(a1); auipc ra; jalr -1(ra)
        let code = [
            (0x1234_5517u32, 0x1234_600e, 0),
            (0xfeb5_2e23, 0x1234_600e, 4),
            (0x2000_05b7, 0x2000_0123, 0),
            (0x12c5_91a3, 0x2000_0123, Reference::ABSOLUTE),
            (0xffff_f097, 0x0000_0021, 0),
            (0xfff0_80e7, 0x0000_0021, 4),
        ];
        let mut buf = [0u8; 24];
        for (k, &(w, ..)) in code.iter().enumerate() {
            put(&mut buf, 4 * k as u32, 4, w);
        }
        for (k, &(_, target, partner)) in code.iter().enumerate() {
            let at = 4 * k as u32;
            let kind = if k % 2 == 0 { Kind::Page } else { Kind::Low };
            let r = Reference {
                len: 4,
                kind,
                target,
                partner,
            };
            assert_eq!(Isa::RiscV.decode(&mut &buf[..], at, 0x1012 + at), Some(r));
        }
    }
}

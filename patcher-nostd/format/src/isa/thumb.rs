//! Arm Thumb and Thumb-2: branches, pc-relative loads and addresses, MOVW/MOVT pairs.
//! Encodings: Arm Architecture Reference Manual ARMv7-A/R and ARMv7-M, chapter A7.7
//! and A8.8 ("alphabetical list of instructions").
//!
//! A four-byte instruction is two halfwords, first halfword at the lower address, so
//! it is in the low 16 bits of the word here: manual bit n of the second halfword is
//! bit n + 16.

use super::bits::{Bits, Magnitude};
use super::{Code, Kind, Reference};

/// Instructions after a MOVW in which its MOVT is looked for.
const AHEAD: u32 = 5;
/// Bytes before a MOVT in which its MOVW is looked for.
const BACK: u32 = 12;

enum Form {
    /// `pc + 4 + offset`.
    Pc(Kind, &'static Bits),
    /// The same with the offset bits of [`swap_j`] stored inverted.
    Far(Kind),
    /// BLX: far, from the aligned pc because the target is A32 code.
    FarA32,
    /// Aligned `pc + 4` plus offset.
    Aligned(&'static Bits),
    /// Aligned `pc + 4` plus or minus an offset.
    Signed(&'static Magnitude),
    /// Low half of a 32-bit constant.
    Movw,
    /// High half of a 32-bit constant.
    Movt,
}

const B: Bits = Bits::signed(12, &[(0, 1, 11)]);
const BCC: Bits = Bits::signed(9, &[(0, 1, 8)]);
const CBZ: Bits = Bits::unsigned(&[(3, 1, 5), (9, 6, 1)]);
const BCC_W: Bits = Bits::signed(
    21,
    &[
        (16, 1, 11),
        (0, 12, 6),
        (29, 18, 1),
        (27, 19, 1),
        (10, 20, 1),
    ],
);
const FAR: Bits = Bits::signed(
    25,
    &[
        (16, 1, 11),
        (0, 12, 10),
        (27, 22, 1),
        (29, 23, 1),
        (10, 24, 1),
    ],
);
const FAR_A32: Bits = Bits::signed(
    25,
    &[
        (17, 2, 10),
        (0, 12, 10),
        (27, 22, 1),
        (29, 23, 1),
        (10, 24, 1),
    ],
);
const WORDS: Bits = Bits::unsigned(&[(0, 2, 8)]);
const LDR_W: Magnitude = Magnitude {
    bits: Bits::unsigned(&[(16, 0, 12)]),
    add: 0x80,
    sub: 0,
};
const VLDR: Magnitude = Magnitude {
    bits: Bits::unsigned(&[(16, 2, 8)]),
    add: 0x80,
    sub: 0,
};
const ADR_W: Magnitude = Magnitude {
    bits: Bits::unsigned(&[(16, 0, 8), (28, 8, 3), (10, 11, 1)]),
    add: 0,
    sub: 0xa0,
};
const IMM16: Bits = Bits::unsigned(&[(16, 0, 8), (28, 8, 3), (10, 11, 1), (0, 12, 4)]);

const fn is_wide(first: u32) -> bool {
    first >> 11 >= 0x1d
}

/// J1 and J2 are stored as NOT(I XOR S), so that small offsets of either sign look
/// like the two-instruction BL of the first Thumb. Its own inverse.
const fn swap_j(offset: u32) -> u32 {
    if offset & 0x0100_0000 == 0 {
        offset ^ 0x00c0_0000
    } else {
        offset
    }
}

fn form(word: u32) -> Option<Form> {
    let (a, c) = (word & 0xffff, word >> 16);
    if !is_wide(a) {
        return match a >> 11 {
            0x09 | 0x14 => Some(Form::Aligned(&WORDS)),
            0x1c => Some(Form::Pc(Kind::Branch, &B)),
            // Conditions 14 and 15 are UDF and SVC.
            0x1a | 0x1b if (a >> 9) & 7 != 7 => Some(Form::Pc(Kind::Branch, &BCC)),
            0x16 | 0x17 if a & 0xf500 == 0xb100 => Some(Form::Pc(Kind::Branch, &CBZ)),
            _ => None,
        };
    }
    if a >> 11 == 0x1e && c & 0x8000 != 0 {
        return match c & 0x5000 {
            0x5000 => Some(Form::Far(Kind::Call)),
            0x1000 => Some(Form::Far(Kind::Jump)),
            0x4000 if c & 1 == 0 => Some(Form::FarA32),
            // Conditions 14 and 15 are system instructions.
            0 if (a >> 7) & 7 != 7 => Some(Form::Pc(Kind::Branch, &BCC_W)),
            _ => None,
        };
    }
    match a & 0xfbf0 {
        0xf240 if c & 0x8000 == 0 => return Some(Form::Movw),
        0xf2c0 if c & 0x8000 == 0 => return Some(Form::Movt),
        _ => {}
    }
    if (a & 0xfbff == 0xf20f || a & 0xfbff == 0xf2af) && c & 0x8000 == 0 {
        return Some(Form::Signed(&ADR_W));
    }
    // LDR, LDRH, LDRB, LDRSH, LDRSB: size in bits 6:5, sign in bit 8.
    if a & 0xfe1f == 0xf81f && !matches!(a & 0x160, 0x60 | 0x140 | 0x160) {
        return Some(Form::Signed(&LDR_W));
    }
    // VLDR of a single or double, LDRD: both scale by four.
    if (a & 0xff3f == 0xed1f && c & 0x0e00 == 0x0a00) || a & 0xff7f == 0xe95f {
        return Some(Form::Signed(&VLDR));
    }
    None
}

/// Opcode and destination register of a MOVW or MOVT.
const fn half_of(word: u32) -> u32 {
    word & 0x8f00_fbf0
}

const MOVW_TO_MOVT: u32 = 0xf240 ^ 0xf2c0;

/// The constant of the pair whose first half, `movw`, is at `at`.
fn after<C: Code>(code: &mut C, at: u32, movw: u32) -> Option<u32> {
    let mut next = at.checked_add(4)?;
    for _ in 0..AHEAD {
        if !is_wide(code.u16(next)?) {
            next = next.checked_add(2)?;
            continue;
        }
        let word = code.u32(next)?;
        if half_of(word) == half_of(movw) ^ MOVW_TO_MOVT {
            return Some(IMM16.get(word) << 16 | IMM16.get(movw));
        }
        // A second MOVW starts another constant: a later MOVT belongs to that.
        if half_of(word) == half_of(movw) {
            return None;
        }
        next = next.checked_add(4)?;
    }
    None
}

/// The constant of the pair whose second half, `movt`, is at `at`.
fn before<C: Code>(code: &mut C, at: u32, movt: u32) -> Option<u32> {
    for back in (4..=BACK).step_by(2) {
        let word = code.u32(at.checked_sub(back)?)?;
        if half_of(word) == half_of(movt) ^ MOVW_TO_MOVT {
            return Some(IMM16.get(movt) << 16 | IMM16.get(word));
        }
    }
    None
}

pub(super) fn decode<C: Code>(code: &mut C, at: u32, pc: u32) -> Option<Reference> {
    if pc & 1 != 0 {
        return None;
    }
    let first = code.u16(at)?;
    let head = if is_wide(first) { code.u32(at)? } else { first };
    decode_head(head, code, at, pc)
}

/// Top five bits of the first halfword of all instructions that [`form`] knows.
pub(super) const FORMS: u32 =
    1 << 0x09 | 1 << 0x14 | 1 << 0x16 | 1 << 0x17 | 1 << 0x1a | 1 << 0x1b | 1 << 0x1c | 7 << 0x1d;

/// Length of an instruction that [`form`] certainly does not know.
#[inline]
pub(super) fn plain_len(head: u32) -> Option<u32> {
    let top = (head >> 11) & 31;
    // Of the wide ones: loads and moves of registers, of which half are plain.
    (FORMS >> top & 1 == 0).then_some(2)
}

/// Length of the instruction that begins with the bytes `head`, and what it refers to:
/// kind and target. [`Kind::Page`] and [`Kind::Low`] are without their target, for which
/// more than the instruction has to be read. `pc` is even.
pub(super) fn glance(head: u32, pc: u32) -> (u8, Option<(Kind, u32)>) {
    let (word, len) = if is_wide(head & 0xffff) {
        (head, 4)
    } else {
        (head & 0xffff, 2)
    };
    let pc = pc.wrapping_add(4);
    let aligned = pc & !3;
    let offset = |base: u32, offset: u32| base.wrapping_add(offset);
    let found = form(word).and_then(|form| {
        Some(match form {
            Form::Pc(kind, bits) => (kind, offset(pc, bits.get(word))),
            Form::Far(kind) => (kind, offset(pc, swap_j(FAR.get(word)))),
            Form::FarA32 => (Kind::Call, offset(aligned, swap_j(FAR_A32.get(word)))),
            Form::Aligned(bits) => (Kind::Literal, offset(aligned, bits.get(word))),
            Form::Signed(bits) => (Kind::Literal, offset(aligned, bits.get(word)?)),
            Form::Movw => (Kind::Page, 0),
            Form::Movt => (Kind::Low, 0),
        })
    });
    (len, found)
}

/// As [`decode`], with the four bytes at `at` read already.
pub(super) fn decode_head<C: Code>(head: u32, code: &mut C, at: u32, pc: u32) -> Option<Reference> {
    if pc & 1 != 0 {
        return None;
    }
    let (len, found) = glance(head, pc);
    let (kind, mut target) = found?;
    let mut partner = 0;
    match kind {
        Kind::Page => target = after(code, at, head)?,
        Kind::Low => {
            target = before(code, at, head)?;
            partner = Reference::ABSOLUTE;
        }
        _ => {}
    }
    Some(Reference {
        len,
        kind,
        target,
        partner,
    })
}

pub(super) fn encode(word: u32, _: &Reference, pc: u32, target: u32) -> Option<u32> {
    let offset = target.wrapping_sub(pc.wrapping_add(4));
    let aligned = target.wrapping_sub(pc.wrapping_add(4) & !3);
    match form(word)? {
        Form::Pc(_, bits) => bits.set(word, offset),
        Form::Far(_) => FAR.set(word, swap_j(offset)),
        Form::FarA32 => FAR_A32.set(word, swap_j(aligned)),
        Form::Aligned(bits) => bits.set(word, aligned),
        Form::Signed(bits) => bits.set(word, aligned),
        Form::Movw => IMM16.set(word, target & 0xffff),
        Form::Movt => IMM16.set(word, target >> 16),
    }
}

pub(super) fn blank(word: u32, _: &Reference) -> u32 {
    match form(word) {
        None => word,
        Some(Form::Pc(_, bits) | Form::Aligned(bits)) => bits.clear(word),
        Some(Form::Far(_)) => FAR.clear(word),
        Some(Form::FarA32) => FAR_A32.clear(word),
        Some(Form::Signed(bits)) => bits.clear(word),
        Some(Form::Movw | Form::Movt) => IMM16.clear(word),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::super::laws::{Rng, decode_one, halfwords, pair, put, words};
    use super::super::{Isa, Kind, Reference};

    #[test]
    fn every_halfword() {
        assert!(halfwords(Isa::Thumb) > 10_000);
    }

    #[test]
    fn words_of_four() {
        let forms = [
            (0xd000_f800, 0xd000_f000), // BL
            (0xd001_f800, 0xc000_f000), // BLX
            (0xd000_f800, 0x9000_f000), // B.W
            (0xd000_f800, 0x8000_f000), // Bcc.W
            (0x0000_fe1f, 0x0000_f81f), // loads
            (0x0000_ff7f, 0x0000_e95f), // LDRD
            (0x0e00_ff3f, 0x0a00_ed1f), // VLDR
            (0x8000_fbff, 0x0000_f20f), // ADR.W, add
            (0x8000_fbff, 0x0000_f2af), // ADR.W, subtract
            (0x0fff_ff7f, 0x0000_e95f), // subtract zero
        ];
        assert!(words(Isa::Thumb, 4, &forms) > 100_000);
    }

    #[test]
    fn constant_pairs() {
        let mut rng = Rng(7);
        for k in 0..20_000 {
            let mut buf = [0u8; 40];
            // Fillers: NOP (2 bytes) or NOP.W (4 bytes).
            for at in (0..40).step_by(4) {
                put(&mut buf, at, 4, 0xbf00_bf00);
            }
            let low = match k % 4 {
                0 => 12,
                1 => 14,
                2 => {
                    put(&mut buf, 12, 4, 0x8000_f3af);
                    16
                }
                _ => 20,
            };
            let rd = (rng.next() & 15) << 24;
            put(&mut buf, 8, 4, rng.next() & 0x70ff_040f | 0xf240 | rd);
            put(&mut buf, low, 4, rng.next() & 0x70ff_040f | 0xf2c0 | rd);
            pair(Isa::Thumb, &mut buf, 8, low, rng.address(2), &mut rng);
        }
    }

    #[test]
    fn half_without_partner() {
        assert_eq!(decode_one(Isa::Thumb, 0x0034_f241, 0x100), None);
        assert_eq!(decode_one(Isa::Thumb, 0x0034_f2c1, 0x100), None);
        // movw r0; movw r0; movt r0: the first is a constant of its own.
        let words = [0x0034_f241u32, 0x0034_f241, 0x0000_f2c2];
        let mut buf = [0u8; 12];
        for (k, w) in words.iter().enumerate() {
            put(&mut buf, 4 * k as u32, 4, *w);
        }
        assert_eq!(Isa::Thumb.decode(&mut &buf[..], 0, 0), None);
        assert_eq!(
            Isa::Thumb.decode(&mut &buf[..], 4, 0).unwrap().target,
            0x2000_1034
        );
    }

    /// Checked against GNU as and objdump 2.40 (arm-none-eabi).
    #[test]
    fn vectors() {
        let cases: &[(u32, u32, u8, Kind, u32)] = &[
            (0xf87df7ff, 0x1002, 4, Kind::Call, 0x100),     // bl
            (0xe826f000, 0x1006, 4, Kind::Call, 0x1054),    // blx
            (0xb879f7ff, 0x100a, 4, Kind::Jump, 0x100),     // b.w
            (0xa877f43f, 0x100e, 4, Kind::Branch, 0x100),   // beq.w
            (0x1014f85f, 0x1012, 4, Kind::Literal, 0x1000), // ldr.w r1, [pc, #-20]
            (0x2028f89f, 0x1016, 4, Kind::Literal, 0x1040), // ldrb.w r2, [pc, #40]
            (0x3007f93f, 0x101a, 4, Kind::Literal, 0x1015), // ldrsh.w r3, [pc, #-7]
            (0x5b04ed1f, 0x101e, 4, Kind::Literal, 0x1010), // vldr d5, [pc, #-16]
            (0x105e9df, 0x1022, 4, Kind::Literal, 0x1038),  // ldrd r0, r1, [pc, #20]
            (0x5928f6af, 0x1026, 4, Kind::Literal, 0x300),  // subw r9, pc, #3368
            (0x414f20f, 0x1030, 4, Kind::Literal, 0x1048),  // adr.w
            (0xe7f8, 0x103c, 2, Kind::Branch, 0x1030),      // b.n
            (0xd1f7, 0x103e, 2, Kind::Branch, 0x1030),      // bne.n
            (0xb112, 0x1040, 2, Kind::Branch, 0x1048),      // cbz
            (0x4802, 0x1048, 2, Kind::Literal, 0x1054),     // ldr r0, [pc, #8]
            (0xa500, 0x104a, 2, Kind::Literal, 0x104c),     // adr r5
        ];
        for &(w, pc, len, kind, target) in cases {
            let r = Reference {
                len,
                kind,
                target,
                partner: 0,
            };
            assert_eq!(decode_one(Isa::Thumb, w, pc), Some(r), "{w:x}");
        }
    }
}

//! Arm AArch64: branches, pc-relative loads and addresses, ADRP with its low 12 bits.
//! Encodings: Arm Architecture Reference Manual for A-profile, chapter C6.2 and C7.2.

use super::bits::{Bits, runs};
use super::{Code, Kind, Reference, Words};

/// Distance in bytes over which ADRP and its users are paired, either way.
const REACH: u32 = 28;

const PAGE: u32 = 0xfff;

const B: Bits = Bits::signed(28, &runs([(0, 2, 26)]));
const IMM19: Bits = Bits::signed(21, &runs([(5, 2, 19)]));
const IMM14: Bits = Bits::signed(16, &runs([(5, 2, 14)]));
const ADR: Bits = Bits::signed(21, &runs([(29, 0, 2), (5, 2, 19)]));
/// The offset of an ADRP has 33 bits, addresses here have 32: the topmost two bits
/// are one (see [`far_page`]).
const ADRP: Bits = Bits::unsigned(&runs([(29, 12, 2), (5, 14, 18), (23, 31, 1)]));
const IMM12: Bits = Bits::unsigned(&runs([(10, 0, 12)]));

enum Form {
    /// `pc + offset`.
    Pc(Kind, &'static Bits),
    /// Page of pc plus offset.
    Adrp,
    /// Low 12 bits of an address, divided by the power of two given here.
    Low(u32),
}

fn form(word: u32) -> Option<Form> {
    match word & 0xfc00_0000 {
        0x1400_0000 => return Some(Form::Pc(Kind::Jump, &B)),
        0x9400_0000 => return Some(Form::Pc(Kind::Call, &B)),
        _ => {}
    }
    // B.cond; CBZ and CBNZ.
    if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        return Some(Form::Pc(Kind::Branch, &IMM19));
    }
    // TBZ and TBNZ.
    if word & 0x7e00_0000 == 0x3600_0000 {
        return Some(Form::Pc(Kind::Branch, &IMM14));
    }
    match word & 0x9f00_0000 {
        0x1000_0000 => return Some(Form::Pc(Kind::Literal, &ADR)),
        0x9000_0000 => return Some(Form::Adrp),
        _ => {}
    }
    // LDR, LDRSW and PRFM (literal), general and SIMD; one SIMD size is unallocated.
    if word & 0x3b00_0000 == 0x1800_0000 && word >> 24 != 0xdc {
        return Some(Form::Pc(Kind::Literal, &IMM19));
    }
    scale(word).map(Form::Low)
}

/// The scale of the 12-bit offset in an instruction that can follow an ADRP: ADD, or
/// a load or store with an unsigned offset.
fn scale(word: u32) -> Option<u32> {
    if word & 0x7fc0_0000 == 0x1100_0000 {
        return Some(0);
    }
    if word & 0x3b00_0000 != 0x3900_0000 {
        return None;
    }
    let size = word >> 30;
    // SIMD with the upper bit of opc: 16 bytes, and the size field must be zero.
    if word & 0x0480_0000 != 0x0480_0000 {
        Some(size)
    } else if size == 0 {
        Some(4)
    } else {
        None
    }
}

/// The offset inside a page; `None` where it would leave the page, because then the
/// two halves could not be told from the sum.
fn low(word: u32, scale: u32) -> Option<u32> {
    let value = IMM12.get(word) << scale;
    (value <= PAGE).then_some(value)
}

/// The page of the ADRP `word` at `pc`; `None` beyond 2 GiB either way, where 32-bit
/// addresses would wrap around to the same page as a shorter offset.
fn far_page(word: u32, pc: u32) -> Option<u32> {
    if (word >> 22 ^ word >> 23) & 1 != 0 {
        return None;
    }
    Some((pc & !PAGE).wrapping_add(ADRP.get(word)))
}

/// The offset that the first user of the ADRP `adrp` at `at` adds; zero if none does.
fn after<C: Code + ?Sized>(code: &mut C, at: u32, adrp: u32) -> u32 {
    for ahead in (4..=REACH).step_by(4) {
        let Some(word) = at.checked_add(ahead).and_then(|next| code.u32(next)) else {
            break;
        };
        // The register is loaded anew: what follows belongs to that ADRP.
        if (word ^ adrp) & 0x9f00_001f == 0 {
            break;
        }
        if (word >> 5) & 31 == adrp & 31
            && let Some(value) = scale(word).and_then(|s| low(word, s))
        {
            return value;
        }
    }
    0
}

/// The page that the nearest ADRP before `at` puts into the base register of `user`,
/// and how many bytes before.
fn before<C: Code + ?Sized>(code: &mut C, at: u32, pc: u32, user: u32) -> Option<(u32, u32)> {
    for back in (4..=REACH).step_by(4) {
        let word = code.u32(at.checked_sub(back)?)?;
        if word & 0x9f00_001f == 0x9000_0000 | (user >> 5) & 31 {
            return Some((far_page(word, pc.wrapping_sub(back))?, back));
        }
    }
    None
}

pub(super) fn decode<C: Code + ?Sized>(code: &mut C, at: u32, pc: u32) -> Option<Reference> {
    if pc & 3 != 0 {
        return None;
    }
    let word = code.u32(at)?;
    let (kind, target, partner) = match form(word)? {
        Form::Pc(kind, bits) => (kind, pc.wrapping_add(bits.get(word)), 0),
        Form::Adrp => (Kind::Page, far_page(word, pc)? | after(code, at, word), 0),
        Form::Low(scale) => {
            let offset = low(word, scale)?;
            let (page, back) = before(code, at, pc, word)?;
            (Kind::Low, page | offset, back)
        }
    };
    Some(Reference {
        len: 4,
        kind,
        target,
        partner,
    })
}

pub(super) fn encode(word: u32, _: &Reference, pc: u32, target: u32) -> Option<u32> {
    match form(word)? {
        Form::Pc(_, bits) => bits.set(word, target.wrapping_sub(pc)),
        Form::Adrp => ADRP.set(word, (target & !PAGE).wrapping_sub(pc & !PAGE)),
        Form::Low(scale) => {
            let value = (target & PAGE) >> scale;
            (value << scale == target & PAGE).then_some(())?;
            IMM12.set(word, value)
        }
    }
}

pub(super) fn blank(word: u32, _: &Reference) -> u32 {
    match form(word) {
        None => word,
        Some(Form::Pc(_, bits)) => bits.clear(word),
        Some(Form::Adrp) => ADRP.clear(word),
        Some(Form::Low(_)) => IMM12.clear(word),
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
            (0x7c00_0000, 0x1400_0000), // B, BL
            (0xff00_0010, 0x5400_0000), // B.cond
            (0x7e00_0000, 0x3400_0000), // CBZ, CBNZ
            (0x7e00_0000, 0x3600_0000), // TBZ, TBNZ
            (0x9f00_0000, 0x1000_0000), // ADR
            (0x9f00_0000, 0x9000_0000), // ADRP
            (0x3b00_0000, 0x1800_0000), // LDR (literal)
        ];
        assert!(words(Isa::A64, 4, &forms) > 120_000);
    }

    #[test]
    fn page_pairs() {
        let mut rng = Rng(11);
        // ADD; LDRB to LDR x; LDR s, d; LDR q; with the scale of each.
        let users = [
            (0x9100_0000u32, 0),
            (0x3940_0000, 0),
            (0x7900_0000, 1),
            (0xb980_0000, 2),
            (0xf940_0000, 3),
            (0xbd40_0000, 2),
            (0xfd00_0000, 3),
            (0x3dc0_0000, 4),
        ];
        for k in 0..40_000usize {
            let mut buf = [0u8; 48];
            let (user, scale) = users[k % users.len()];
            let low = 8 + 4 * (1 + rng.next() % 7);
            let rd = rng.next() & 31;
            let imm = (rng.next() & 0xfff) >> scale << 10;
            // Bits 22 and 23 alike: inside 2 GiB.
            let sign = if k & 64 == 0 { 0 } else { 0x00c0_0000 };
            put(
                &mut buf,
                8,
                4,
                rng.next() & 0x603f_ffe0 | sign | 0x9000_0000 | rd,
            );
            put(&mut buf, low, 4, user | imm | rd << 5 | rng.next() & 31);
            pair(Isa::A64, &mut buf, 8, low, rng.address(4), &mut rng);
        }
    }

    /// Checked against GNU as and objdump 2.40 (aarch64-linux-gnu).
    #[test]
    fn vectors() {
        let cases: &[(u32, u32, Kind, u32)] = &[
            (0x97ffffc0, 0x1000, Kind::Call, 0xf00),          // bl
            (0x140007ff, 0x1004, Kind::Jump, 0x3000),         // b
            (0x54ffffc1, 0x1008, Kind::Branch, 0x1000),       // b.ne
            (0xb4ffffa3, 0x100c, Kind::Branch, 0x1000),       // cbz x3
            (0x373fff85, 0x1010, Kind::Branch, 0x1000),       // tbnz w5, #7
            (0x70ffff63, 0x1014, Kind::Literal, 0x1003),      // adr x3
            (0x58007f44, 0x1018, Kind::Literal, 0x2000),      // ldr x4
            (0x18ffff24, 0x101c, Kind::Literal, 0x1000),      // ldr w4
            (0x98ffff01, 0x1020, Kind::Literal, 0x1000),      // ldrsw x1
            (0x9cfffee3, 0x1024, Kind::Literal, 0x1000),      // ldr q3
            (0x1cfffec3, 0x1028, Kind::Literal, 0x1000),      // ldr s3
            (0xb0fff881, 0x40001000, Kind::Page, 0x3ff12000), // adrp x1
        ];
        for &(w, pc, kind, target) in cases {
            let r = Reference {
                len: 4,
                kind,
                target,
                partner: 0,
            };
            assert_eq!(decode_one(Isa::A64, w, pc), Some(r), "{w:x}");
        }
        // adrp x1; add x1, x1, #0x348; ldr x3, [x7, #840] of another pointer.
        let mut buf = [0u8; 12];
        put(&mut buf, 0, 4, 0xb0ff_f881);
        put(&mut buf, 4, 4, 0xf941_a4e3);
        put(&mut buf, 8, 4, 0x910d_2021);
        let page = Isa::A64.decode(&mut &buf[..], 0, 0x4000_1000).unwrap();
        assert_eq!(page.target, 0x3ff1_2348);
        assert_eq!(Isa::A64.decode(&mut &buf[..], 4, 0x4000_1004), None);
        let low = Isa::A64.decode(&mut &buf[..], 8, 0x4000_1008).unwrap();
        assert_eq!(
            low,
            Reference {
                kind: Kind::Low,
                partner: 8,
                ..page
            }
        );
        // A user without an ADRP before it, and an offset that leaves the page.
        assert_eq!(decode_one(Isa::A64, 0x9100_4000, 0), None);
        let mut buf = [0u8; 8];
        put(&mut buf, 0, 4, 0x9000_0000);
        put(&mut buf, 4, 4, 0xf97f_fc00);
        assert_eq!(Isa::A64.decode(&mut &buf[..], 4, 4), None);
    }
}

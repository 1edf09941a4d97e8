//! Arm Thumb and Thumb-2: branches, pc-relative loads and addresses, MOVW/MOVT pairs.
//! Encodings: Arm Architecture Reference Manual ARMv7-A/R and ARMv7-M, chapter A7.7
//! and A8.8 ("alphabetical list of instructions").
//!
//! A four-byte instruction is two halfwords, first halfword at the lower address, so
//! it is in the low 16 bits of the word here: manual bit n of the second halfword is
//! bit n + 16.

use super::bits::{INTO, OUT, Run, moved, runs};
use super::{Code, Kind, Reference, Words, is_wide, sign_extend};

/// Where an instruction keeps what it refers to, and what that is counted from.
struct Layout {
    kind: Kind,
    /// Bits of `pc + 4` that do not count, sign-extended: of halves of a constant none does.
    align: i8,
    /// The number's first run in [`RUNS`].
    first: u8,
    /// In the low bits how many above the number are copies of its sign, 0 for unsigned
    /// numbers; and [`FAR`].
    extend: u8,
    /// Bits of the word that say whether the number is added or subtracted; none where it is
    /// always added.
    sign: u8,
    /// Those of them that are set to add it; the others are set to subtract it.
    add: u8,
}

impl Layout {
    /// From `pc + 4`.
    const fn relative(kind: Kind, first: u8, extend: u8) -> Layout {
        Layout {
            kind,
            align: 0,
            first,
            extend,
            sign: 0,
            add: 0,
        }
    }

    /// From the aligned `pc + 4`, upwards, or either way where there are bits that say which.
    const fn literal(first: u8, sign: u8, add: u8) -> Layout {
        Layout {
            kind: Kind::Literal,
            align: 3,
            first,
            extend: 0,
            sign,
            add,
        }
    }
}

/// Runs of the numbers, one after the other.
#[allow(clippy::indexing_slicing)]
const RUNS: &[Run] = &{
    let mut all = [0; 25];
    let mut at = 0;
    let parts: [&[Run]; 10] = [
        &runs([(0, 1, 11)]),
        &runs([(0, 1, 8)]),
        &runs([(3, 1, 5), (9, 6, 1)]),
        &runs([
            (16, 1, 11),
            (0, 12, 6),
            (29, 18, 1),
            (27, 19, 1),
            (10, 20, 1),
        ]),
        &runs([
            (16, 1, 11),
            (0, 12, 10),
            (27, 22, 1),
            (29, 23, 1),
            (10, 24, 1),
        ]),
        &runs([(0, 2, 8)]),
        &runs([(16, 0, 12)]),
        &runs([(16, 2, 8)]),
        // Without the first of them it is the number of ADR.W.
        &runs([(0, 12, 4), (16, 0, 8), (28, 8, 3), (10, 11, 1)]),
        &runs([(0, 28, 4), (16, 16, 8), (28, 24, 3), (10, 27, 1)]),
    ];
    let mut part = 0;
    while part < parts.len() {
        let mut k = 0;
        while k < parts[part].len() {
            all[at] = parts[part][k];
            (at, k) = (at + 1, k + 1);
        }
        part += 1;
    }
    all
};

/// Set in [`Layout::extend`] of far branches: J1 and J2 of the number, sixteen bits lower.
const FAR: u8 = 0xc0;

const B: u32 = 0;
const BCC: u32 = 1;
const CBZ: u32 = 2;
const BCC_W: u32 = 3;
const BL: u32 = 4;
const B_W: u32 = 5;
const BLX: u32 = 6;
const WORDS: u32 = 7;
const LDR_W: u32 = 8;
const VLDR: u32 = 9;
const ADR_W: u32 = 10;
const MOVW: u32 = 11;
const MOVT: u32 = 12;
/// No layout.
const PLAIN: u32 = 13;

/// By the numbers above.
const LAYOUTS: [Layout; PLAIN as usize] = [
    Layout::relative(Kind::Branch, 0, 32 - 12),
    Layout::relative(Kind::Branch, 1, 32 - 9),
    Layout::relative(Kind::Branch, 2, 0),
    Layout::relative(Kind::Branch, 4, 32 - 21),
    Layout::relative(Kind::Call, 9, FAR | (32 - 25)),
    Layout::relative(Kind::Jump, 9, FAR | (32 - 25)),
    Layout {
        // The target is A32 code.
        align: 3,
        ..Layout::relative(Kind::Call, 9, FAR | (32 - 25))
    },
    Layout::literal(14, 0, 0),
    Layout::literal(15, 0x80, 0x80),
    Layout::literal(16, 0x80, 0x80),
    Layout::literal(18, 0xa0, 0),
    Layout {
        align: -1,
        ..Layout::relative(Kind::Page, 17, 0)
    },
    Layout {
        align: -1,
        ..Layout::relative(Kind::Low, 21, 0)
    },
];

/// What instructions of a form have in common.
struct Form {
    mask: u32,
    /// `word & mask`, and in bits that no mask has the number of the layout.
    value: u32,
}

/// Where a form has the number of its layout.
const LAYOUT_BIT: u32 = 17;

const fn form(mask: u32, value: u32, layout: u32) -> Form {
    assert!(mask & (15 << LAYOUT_BIT) == 0 && value & !mask == 0);
    Form {
        mask,
        value: value | layout << LAYOUT_BIT,
    }
}

/// By the top five bits of the first halfword, as [`STARTS`] says; the first that matches
/// counts.
const SEARCHED: [Form; 20] = [
    form(0, 0, WORDS),
    form(0, 0, B),
    // Conditions 14 and 15 are UDF and SVC.
    form(0x0e00, 0x0e00, PLAIN),
    form(0, 0, BCC),
    form(0xf500, 0xb100, CBZ),
    form(0, 0, PLAIN),
    form(0xd000_0000, 0xd000_0000, BL),
    form(0xd000_0000, 0x9000_0000, B_W),
    form(0xd001_0000, 0xc000_0000, BLX),
    // Conditions 14 and 15 are system instructions.
    form(0xd000_0380, 0x8000_0380, PLAIN),
    form(0xd000_0000, 0x8000_0000, BCC_W),
    form(0x8000_fbf0, 0xf240, MOVW),
    form(0x8000_fbf0, 0xf2c0, MOVT),
    form(0x8000_fbff, 0xf20f, ADR_W),
    form(0x8000_fbff, 0xf2af, ADR_W),
    // LDR, LDRH, LDRB, LDRSH, LDRSB: size in bits 6:5, sign in bit 8.
    form(0x0060, 0x0060, PLAIN),
    form(0x0140, 0x0140, PLAIN),
    form(0xfe1f, 0xf81f, LDR_W),
    // VLDR of a single or double, LDRD: both scale by four.
    form(0x0e00_ff3f, 0x0a00_ed1f, VLDR),
    form(0xff7f, 0xe95f, VLDR),
];

/// Where [`SEARCHED`] has what matches always and is no reference.
const NO_FORM: u8 = 5;

/// Where in [`SEARCHED`] to begin, by the top five bits of the first halfword. What is behind
/// the group does not match the others.
#[allow(clippy::indexing_slicing)]
const STARTS: [u8; 32] = {
    let mut starts = [NO_FORM; 32];
    (starts[0x09], starts[0x14]) = (0, 0);
    (starts[0x16], starts[0x17]) = (4, 4);
    (starts[0x1a], starts[0x1b]) = (2, 2);
    starts[0x1c] = 1;
    (starts[0x1d], starts[0x1e], starts[0x1f]) = (18, 6, 15);
    starts
};

/// Top five bits of the first halfword of all instructions with a reference.
#[allow(clippy::indexing_slicing)]
pub(super) const FORMS: u32 = {
    let (mut forms, mut top) = (0, 0);
    while top < 32 {
        forms |= ((STARTS[top] != NO_FORM) as u32) << top;
        top += 1;
    }
    forms
};

/// Where the instruction `word` keeps its reference, if it has one. What follows it in the
/// word does not count.
#[cfg_attr(feature = "small-code", inline(never))]
fn layout(word: u32) -> Option<&'static Layout> {
    let start = STARTS.get((word >> 11 & 31) as usize)?;
    let forms = SEARCHED.get(usize::from(*start)..)?;
    let form = forms
        .iter()
        .find(|form| (word ^ form.value) & form.mask == 0)?;
    LAYOUTS.get((form.value >> LAYOUT_BIT & 15) as usize)
}

/// The bits of the number that `layout` has, moved to where the other side has them.
#[cfg_attr(feature = "small-code", inline(never))]
fn number(layout: &Layout, bits: u32, way: u32) -> u32 {
    moved(RUNS, usize::from(layout.first), bits, way)
}

/// J1 and J2 are stored as NOT(I XOR S), so that small offsets of either sign look
/// like the two-instruction BL of the first Thumb. Its own inverse.
#[inline(always)]
const fn swap_j(layout: &Layout, offset: u32) -> u32 {
    let swapped = (layout.extend & FAR) as u32;
    offset ^ (swapped & !(offset as i32 >> 31) as u32) << 16
}

/// Where the distance to what the instruction at `pc` refers to counts from.
#[inline(always)]
const fn base(layout: &Layout, pc: u32) -> u32 {
    pc.wrapping_add(4) & !(layout.align as u32)
}

/// Kind and target of the reference in the instruction that begins with the bytes `head`, of
/// [`Kind::Plain`] where there is none. Of [`Kind::Page`] and [`Kind::Low`] it is half the
/// target: for the rest more than the instruction has to be read. `pc` is even.
#[cfg_attr(feature = "small-code", inline(never))]
pub(super) fn glance(head: u32, pc: u32) -> (Kind, u32) {
    let Some(layout) = layout(head) else {
        return (Kind::Plain, 0);
    };
    let bits = number(layout, head, OUT);
    let mut offset = swap_j(
        layout,
        sign_extend(bits, 32 - u32::from(layout.extend & !FAR)),
    );
    if (head ^ u32::from(layout.add)) & u32::from(layout.sign) != 0 {
        // "Subtract zero" would turn into "add zero".
        if offset == 0 {
            return (Kind::Plain, 0);
        }
        offset = offset.wrapping_neg();
    }
    (layout.kind, base(layout, pc).wrapping_add(offset))
}

/// Opcode and destination register of a MOVW or MOVT.
const HALF: u32 = 0x8f00_fbf0;

const MOVW_TO_MOVT: u32 = 0xf240 ^ 0xf2c0;

/// Instructions after a MOVW in which its MOVT is looked for, and halfwords before a MOVT
/// in which its MOVW.
const TRIES: u32 = 5;

/// The other half of the constant of which one, `word`, a [`Kind::Page`] or [`Kind::Low`], is
/// at `at`.
fn partner<C: Code + ?Sized>(code: &mut C, mut at: u32, word: u32, kind: Kind) -> Option<u32> {
    let ahead = kind == Kind::Page;
    let mut step = if ahead { 4 } else { 4u32.wrapping_neg() };
    for _ in 0..TRIES {
        at = at.wrapping_add(step);
        // With less than four bytes there the partner is not behind them either.
        let other = code.u32(at)?;
        let differs = (other ^ word) & HALF;
        if differs == MOVW_TO_MOVT {
            return Some(glance(other, 0).1);
        }
        step = 2u32.wrapping_neg();
        if ahead {
            // A second MOVW starts another constant: a later MOVT belongs to that.
            if differs == 0 {
                return None;
            }
            step = len(other);
        }
    }
    None
}

/// Length of the instruction that begins with the bytes `head`.
#[inline]
pub(super) const fn len(head: u32) -> u32 {
    if is_wide(head) { 4 } else { 2 }
}

/// Length of an instruction that certainly has no reference.
#[cfg(not(feature = "small-code"))]
#[inline]
pub(super) fn plain_len(head: u32) -> Option<u32> {
    // Of the wide ones: loads and moves of registers, of which half are plain.
    (FORMS >> (head >> 11 & 31) & 1 == 0).then_some(2)
}

/// Puts the reference in the instruction at `at` that begins with the bytes `head`, if it has
/// one, into `place`.
pub(super) fn decode<C: Code + ?Sized>(
    head: u32,
    code: &mut C,
    at: u32,
    pc: u32,
    place: &mut Reference,
) {
    let (kind, mut target) = glance(head, pc);
    if kind == Kind::Plain || pc & 1 != 0 {
        return;
    }
    if matches!(kind, Kind::Page | Kind::Low) {
        match partner(code, at, head, kind) {
            Some(rest) => target |= rest,
            None => return,
        }
    }
    *place = Reference {
        len: len(head) as u8,
        kind,
        target,
        partner: if kind == Kind::Low {
            Reference::ABSOLUTE
        } else {
            0
        },
    };
}

pub(super) fn encode(word: u32, r: &Reference, pc: u32, target: u32) -> Option<u32> {
    let layout = layout(word)?;
    let mut offset = target.wrapping_sub(base(layout, pc));
    let mut sign = u32::from(layout.add);
    if layout.sign != 0 && (offset as i32) < 0 {
        sign ^= u32::from(layout.sign);
        offset = offset.wrapping_neg();
    }
    let bits = number(layout, swap_j(layout, offset), INTO);
    let new = emptied(layout, word) | bits | sign;
    // What is out of reach came out as something else, or as no reference at all.
    let reached = matches!(r.kind, Kind::Page | Kind::Low) || glance(new, pc) == (r.kind, target);
    reached.then_some(new)
}

/// `word` without number and sign.
#[inline]
fn emptied(layout: &Layout, word: u32) -> u32 {
    word & !(number(layout, u32::MAX, INTO) | u32::from(layout.sign))
}

pub(super) fn blank(word: u32, _: &Reference) -> u32 {
    layout(word).map_or(word, |layout| emptied(layout, word))
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

//! AVR: calls, jumps and conditional branches.
//! Encodings: AVR Instruction Set Manual (DS40002198), chapter "Instruction
//! description". The program counter there counts words; addresses here are bytes.

use super::bits::{Bits, runs};
use super::{Code, Kind, Reference, Words};

enum Form {
    /// CALL and JMP: an absolute address.
    Absolute(Kind),
    /// `pc + 2 + offset`.
    Pc(Kind, &'static Bits),
}

const FAR: Bits = Bits::unsigned(&runs([(16, 1, 16), (0, 17, 1), (4, 18, 5)]));
const NEAR: Bits = Bits::signed(13, &runs([(0, 1, 12)]));
const BRANCH: Bits = Bits::signed(8, &runs([(3, 1, 7)]));

/// Length of the instruction that starts with the halfword `first`: CALL, JMP, LDS
/// and STS have a second one.
pub(super) const fn length(first: u32) -> u32 {
    if first & 0xfe0c == 0x940c || first & 0xfc0f == 0x9000 {
        4
    } else {
        2
    }
}

fn form(word: u32) -> Option<Form> {
    let first = word & 0xffff;
    if first & 0xfe0c == 0x940c {
        let kind = if first & 2 != 0 {
            Kind::Call
        } else {
            Kind::Jump
        };
        return Some(Form::Absolute(kind));
    }
    match first >> 12 {
        0xc => Some(Form::Pc(Kind::Jump, &NEAR)),
        0xd => Some(Form::Pc(Kind::Call, &NEAR)),
        // BRBS and BRBC; the upper half of 0xf are bit operations.
        0xf if first & 0x0800 == 0 => Some(Form::Pc(Kind::Branch, &BRANCH)),
        _ => None,
    }
}

pub(super) fn decode<C: Code + ?Sized>(code: &mut C, at: u32, pc: u32) -> Option<Reference> {
    if pc & 1 != 0 {
        return None;
    }
    let first = code.u16(at)?;
    let (word, len) = if length(first) == 4 {
        (code.u32(at)?, 4)
    } else {
        (first, 2)
    };
    let (kind, target) = match form(word)? {
        Form::Absolute(kind) => (kind, FAR.get(word)),
        Form::Pc(kind, bits) => (kind, pc.wrapping_add(2).wrapping_add(bits.get(word))),
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
        Form::Absolute(_) => FAR.set(word, target),
        Form::Pc(_, bits) => bits.set(word, target.wrapping_sub(pc.wrapping_add(2))),
    }
}

pub(super) fn blank(word: u32, _: &Reference) -> u32 {
    match form(word) {
        None => word,
        Some(Form::Absolute(_)) => FAR.clear(word),
        Some(Form::Pc(_, bits)) => bits.clear(word),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::super::laws::{decode_one, halfwords, words};
    use super::super::{Isa, Kind, Reference};

    #[test]
    fn every_halfword() {
        assert_eq!(halfwords(Isa::Avr), 2 * 0x1000 + 0x800);
    }

    #[test]
    fn words_of_four() {
        // CALL and JMP; LDS and STS, which refer to RAM and are left alone.
        let forms = [(0xfe0c, 0x940c), (0xfe0e, 0x940e), (0xfc0f, 0x9000)];
        assert!(words(Isa::Avr, 4, &forms) > 90_000);
    }

    #[test]
    fn lengths() {
        let len = |first: u32| Isa::Avr.unit_len(&mut &first.to_le_bytes()[..], 0);
        let wide = (0..0x1_0000).filter(|&w| len(w) == 4).count();
        // CALL and JMP: 32 registers' worth of address bits, twice 4; LDS and STS: 32.
        assert_eq!(wide, 32 * 4 + 2 * 32);
        assert_eq!(len(0x9180), 4); // lds r24, k
        assert_eq!(len(0x9380), 4); // sts k, r24
        assert_eq!(len(0x918f), 2); // pop r24
    }

    /// Checked against GNU as and objdump 2.39 (avr).
    #[test]
    fn vectors() {
        let cases: &[(u32, u32, u8, Kind, u32)] = &[
            (0x1a2f940f, 0x1000, 4, Kind::Call, 0x2345e),  // call
            (0xffff95fd, 0x1004, 4, Kind::Jump, 0x7ffffe), // jmp
            (0xdf7b, 0x1008, 2, Kind::Call, 0xf00),        // rcall
            (0xc37a, 0x100a, 2, Kind::Jump, 0x1700),       // rjmp
            (0xf7c9, 0x100c, 2, Kind::Branch, 0x1000),     // brne
            (0xf0c1, 0x100e, 2, Kind::Branch, 0x1040),     // breq
            (0xf7be, 0x1010, 2, Kind::Branch, 0x1000),     // brtc
        ];
        for &(w, pc, len, kind, target) in cases {
            let r = Reference {
                len,
                kind,
                target,
                partner: 0,
            };
            assert_eq!(decode_one(Isa::Avr, w, pc), Some(r), "{w:x}");
        }
    }
}

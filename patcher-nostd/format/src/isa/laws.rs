//! The laws of [`super`], as checks that the tests of every module run.
//!
//! Fed by the modules' tests with words in random surroundings; panics on the first
//! violation and counts the references it saw, so that a test can tell that it
//! tested something.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use super::{Isa, Kind, Reference};

/// xorshift64*: tests need spread, not quality.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// A distance of random magnitude and sign, biased to powers of two.
    fn distance(&mut self) -> u32 {
        let near = (self.next() % 9).wrapping_sub(4);
        let d = match self.next() % 3 {
            0 => 1u32 << (self.next() % 32),
            1 => self.next() >> (self.next() % 32),
            _ => 0,
        };
        let d = d.wrapping_add(near);
        if self.next() & 1 == 0 {
            d
        } else {
            d.wrapping_neg()
        }
    }

    /// An address: in flash, in RAM, at either end of the address space, or anywhere.
    pub(super) fn address(&mut self, align: u32) -> u32 {
        let a = match self.next() % 6 {
            0 => self.next() & 0xffff,
            1 => self.next() & 0x3f_ffff,
            2 => 0x0800_0000 | (self.next() & 0xf_ffff),
            3 => 0x4200_0000 | (self.next() & 0x3f_ffff),
            4 => (self.next() & 0xff).wrapping_neg(),
            _ => self.next(),
        };
        a & !(align - 1)
    }
}

pub(super) fn word(buf: &[u8], at: u32, len: u8) -> u32 {
    let mut w = 0;
    for k in (0..len as usize).rev() {
        w = w << 8 | u32::from(buf[at as usize + k]);
    }
    w
}

pub(super) fn put(buf: &mut [u8], at: u32, len: u8, w: u32) {
    for k in 0..len as usize {
        buf[at as usize + k] = (w >> (8 * k)) as u8;
    }
}

/// Decodes at `at` and checks every law there; returns what it decoded.
pub(super) fn check(
    isa: Isa,
    buf: &mut [u8],
    at: u32,
    pc: u32,
    rng: &mut Rng,
) -> Option<Reference> {
    let r = isa.decode(&mut &*buf, at, pc)?;
    let old = word(buf, at, r.len);
    assert_eq!(
        isa.encode(old, &r, pc, r.target),
        Some(old),
        "same target: {old:x} {r:x?} at {pc:x}"
    );
    assert_eq!(u32::from(r.len), isa.unit_len(&mut &*buf, at), "{old:x}");
    for k in 0..24 {
        let to = match k % 3 {
            0 => r.target.wrapping_add(rng.distance()),
            1 => pc.wrapping_add(rng.distance()),
            _ => rng.next(),
        };
        let Some(new) = isa.encode(old, &r, pc, to) else {
            continue;
        };
        assert_eq!(
            isa.blank(new, &r),
            isa.blank(old, &r),
            "blank: {old:x} {new:x} {r:x?}"
        );
        assert_eq!(
            isa.encode(new, &r, pc, to),
            Some(new),
            "idempotent: {old:x} {new:x} {r:x?}"
        );
        put(buf, at, r.len, new);
        let got = isa.decode(&mut &*buf, at, pc);
        put(buf, at, r.len, old);
        let want = Reference { target: to, ..r };
        match r.kind {
            // A half keeps the other half's bits: only `pair` can tell the target.
            Kind::Page | Kind::Low => {
                let got = got.unwrap();
                assert_eq!(Reference { target: to, ..got }, want, "{old:x} {new:x}");
                assert_eq!(
                    isa.encode(new, &got, pc, got.target),
                    Some(new),
                    "{old:x} {new:x}"
                );
            }
            _ => assert_eq!(got, Some(want), "{old:x} {new:x} at {pc:x}"),
        }
    }
    Some(r)
}

const AT: u32 = 32;

/// All 65536 two-byte patterns that are whole units; returns how many decode.
pub(super) fn halfwords(isa: Isa) -> u32 {
    let mut rng = Rng(0x1234_5678_9abc_def1);
    let mut seen = 0;
    for w in 0..=0xffff {
        let mut buf = noise(&mut rng);
        put(&mut buf, AT, 2, w);
        if isa.unit_len(&mut &buf[..], AT) != 2 {
            continue;
        }
        let pc = rng.address(isa.alignment());
        seen += u32::from(check(isa, &mut buf, AT, pc, &mut rng).is_some());
    }
    seen
}

/// 210,000 random words of `len` bytes, two of three of them with the fixed bits of
/// one of the `forms` (`(mask, value)`); returns how many decode.
pub(super) fn words(isa: Isa, len: u8, forms: &[(u32, u32)]) -> u32 {
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
    let mut seen = 0;
    for k in 0..210_000usize {
        let mut buf = noise(&mut rng);
        let mut w = rng.next();
        if k % 3 != 0 {
            let (mask, value) = forms[k / 3 % forms.len()];
            w = w & !mask | value;
        }
        put(&mut buf, AT, len, w);
        let pc = rng.address(isa.alignment());
        seen += u32::from(check(isa, &mut buf, AT, pc, &mut rng).is_some());
        // The end of the image comes first: no panic, and nothing that is not there.
        for cut in 1..u32::from(len) {
            let short = &buf[..(AT + cut) as usize];
            if let Some(r) = isa.decode(&mut &*short, AT, pc) {
                assert!(u32::from(r.len) <= cut);
            }
        }
    }
    seen
}

/// A high part at `page` and a low part at `low` inside `buf`, whose first byte has
/// address `base`: they agree on a target, and still do after both were re-encoded.
pub(super) fn pair(isa: Isa, buf: &mut [u8], page: u32, low: u32, base: u32, rng: &mut Rng) {
    let (pc_page, pc_low) = (base.wrapping_add(page), base.wrapping_add(low));
    let p = check(isa, buf, page, pc_page, rng).unwrap();
    let l = check(isa, buf, low, pc_low, rng).unwrap();
    assert_eq!((p.kind, l.kind), (Kind::Page, Kind::Low));
    assert_eq!(p.target, l.target, "{:x?}", &buf[page as usize..]);
    let to = match rng.next() % 2 {
        0 => p.target.wrapping_add(rng.distance()),
        _ => rng.next(),
    };
    let new_page = isa.encode(word(buf, page, 4), &p, pc_page, to);
    let new_low = isa.encode(word(buf, low, 4), &l, pc_low, to);
    let (Some(new_page), Some(new_low)) = (new_page, new_low) else {
        return;
    };
    put(buf, page, 4, new_page);
    put(buf, low, 4, new_low);
    assert_eq!(
        isa.decode(&mut &*buf, page, pc_page),
        Some(Reference { target: to, ..p })
    );
    assert_eq!(
        isa.decode(&mut &*buf, low, pc_low),
        Some(Reference { target: to, ..l })
    );
}

/// The reference in a single instruction given as a little-endian word.
pub(super) fn decode_one(isa: Isa, w: u32, pc: u32) -> Option<Reference> {
    isa.decode(&mut &w.to_le_bytes()[..], 0, pc)
}

fn noise(rng: &mut Rng) -> [u8; 72] {
    let mut buf = [0; 72];
    for b in &mut buf {
        *b = rng.next() as u8;
    }
    buf
}

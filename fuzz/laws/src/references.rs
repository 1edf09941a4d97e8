//! Instruction sets: references in arbitrary code.

use arbitrary::Unstructured;
use deltamote_format::isa::{Isa, Kind, Reference};

fn word(code: &[u8], at: usize, len: u8) -> u32 {
    (0..usize::from(len))
        .rev()
        .fold(0, |w, k| w << 8 | u32::from(code[at + k]))
}

/// In any code: a reference encoded for its own target is the unit it was read from, and
/// encoded for another target it reads as a reference to that one.
pub fn references_encode_as_they_read(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(isa), Ok(base), Ok(step), Ok(target)) = (
        u.int_in_range(0..=7u32),
        u.arbitrary::<u32>(),
        u.arbitrary::<i16>(),
        u.arbitrary::<u32>(),
    ) else {
        return;
    };
    let isa = Isa::from_wire(isa).expect("0 to 7 exist");
    let base = base & !(isa.alignment() - 1);
    let code = u.take_rest();
    for at in 0..code.len() {
        let pc = base.wrapping_add(at as u32);
        // The codec asks at aligned places only.
        if !pc.is_multiple_of(isa.alignment()) {
            continue;
        }
        let Some(r) = isa.decode(&mut &*code, at as u32, pc) else {
            continue;
        };
        assert_eq!(u32::from(r.len), isa.unit_len(&mut &*code, at as u32));
        assert!(at + usize::from(r.len) <= code.len());
        let old = word(code, at, r.len);
        assert_eq!(isa.encode(old, &r, pc, r.target), Some(old), "{r:x?}");
        for to in [target, r.target.wrapping_add(step as u32)] {
            let Some(new) = isa.encode(old, &r, pc, to) else {
                continue;
            };
            let mut moved = code.to_vec();
            for k in 0..usize::from(r.len) {
                moved[at + k] = (new >> (8 * k)) as u8;
            }
            let got = isa.decode(&mut &*moved, at as u32, pc);
            match r.kind {
                // A half keeps the other half's bits: only both together tell the target.
                Kind::Page | Kind::Low => {
                    let got = got.expect("still a half with a partner");
                    assert_eq!(isa.encode(new, &got, pc, got.target), Some(new));
                }
                _ => assert_eq!(got, Some(Reference { target: to, ..r }), "{new:x}"),
            }
        }
    }
}

//! Which instruction sets an image holds.
//!
//! Code calls the same functions again and again. An instruction set is believed
//! where its calls, decoded as if the bytes were code of it, hit targets inside the
//! image that other calls hit too: random bytes hardly ever do.

use deltamote_format::codec::Region;
use deltamote_format::isa::{Isa, Kind, Reference};
use rayon::prelude::*;
use std::collections::HashMap;

/// Instruction sets that detection considers.
const CANDIDATES: [Isa; 7] = [
    Isa::Thumb,
    Isa::A32,
    Isa::A64,
    Isa::RiscV,
    Isa::Xtensa,
    Isa::Avr,
    Isa::I8051,
];

/// Shared calls below this count prove nothing.
const LEAST_EVIDENCE: u32 = 8;

/// Calls of `isa` in `image` whose target two or more calls share, in all.
fn shared_calls(image: &[u8], isa: Isa) -> u32 {
    let mut targets: HashMap<u32, u32> = HashMap::new();
    let mut source = image;
    let mut at = 0u32;
    while (at as usize) < image.len() {
        let found = isa.decode(&mut source, at, at);
        // Short calls reach so little that random bytes agree on targets.
        let far = found.filter(|r| match isa {
            Isa::Avr => r.len == 4,
            Isa::I8051 | Isa::Xtensa => r.len == 3,
            _ => r.len == 4,
        });
        // Linkers that do not relax call through AUIPC and JALR.
        let calls = |r: &Reference| match isa {
            Isa::RiscV => matches!(r.kind, Kind::Call | Kind::Page),
            _ => r.kind == Kind::Call,
        };
        if let Some(r) = far.filter(calls) {
            // Absolute targets count from the load address, usually 0 on these.
            if (r.target as usize) < image.len() && r.target != at {
                *targets.entry(r.target).or_default() += 1;
            }
        }
        at += isa.unit_len(&mut source, at).max(1);
    }
    targets.values().filter(|&&n| n >= 2).sum()
}

/// Bytes per call that code of `isa` has at least, to tell code from chance.
fn evidence_needed(isa: Isa, len: usize) -> u32 {
    // Three-byte encodings without alignment meet by chance more often.
    let per = match isa {
        Isa::Xtensa | Isa::I8051 => 512,
        _ => 4096,
    };
    ((len / per) as u32).max(LEAST_EVIDENCE)
}

/// The regions of an image, by the evidence in `image`.
pub fn regions(image: &[u8]) -> Vec<Region> {
    let scores: Vec<(u32, Isa)> = CANDIDATES
        .par_iter()
        .map(|&isa| (shared_calls(image, isa), isa))
        .collect();
    let best = scores
        .iter()
        .filter(|(score, isa)| *score >= evidence_needed(*isa, image.len()))
        // The lower wire number wins a tie: a stable choice.
        .max_by_key(|(score, isa)| (*score, std::cmp::Reverse(*isa)));
    let isa = best.map_or(Isa::None, |(_, isa)| *isa);
    vec![Region {
        end: image.len() as u32,
        isa,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_no_code() {
        let mut state = 1u64;
        let noise: Vec<u8> = (0..200_000)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        assert_eq!(regions(&noise)[0].isa, Isa::None);
    }
}

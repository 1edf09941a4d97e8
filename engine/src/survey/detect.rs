//! Which instruction sets an image holds.
//!
//! Code calls the same functions again and again. An instruction set is believed
//! where its calls, decoded as if the bytes were code of it, hit targets inside the
//! image that other calls hit too: random bytes hardly ever do.

use deltamote_format::codec::{MAX_REGIONS, Region};
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

/// Instruction sets whose calls are so rare in anything else that a few tell code from
/// chance even in a small part of an image.
const SHARP: [Isa; 5] = [Isa::Thumb, Isa::A32, Isa::A64, Isa::RiscV, Isa::Avr];

/// Bytes of a window in which instruction sets are told apart.
const WINDOW: usize = 16 << 10;
/// Shared calls that make a window another instruction set's, if the image's main one
/// has almost none there.
const WINDOW_EVIDENCE: u32 = 6;

/// Offsets of the calls of `isa` in `image` whose target two or more calls share.
fn shared_calls(image: &[u8], isa: Isa) -> Vec<u32> {
    let mut targets: HashMap<u32, u32> = HashMap::new();
    let mut calls: Vec<(u32, u32)> = Vec::new();
    let mut source = image;
    let mut at = 0u32;
    while (at as usize) < image.len() {
        // Absolute targets count from the load address, usually 0 where they occur.
        if let Some(r) = isa.decode(&mut source, at, at).filter(|r| is_call(isa, r))
            && (r.target as usize) < image.len()
            && r.target != at
        {
            *targets.entry(r.target).or_default() += 1;
            calls.push((at, r.target));
        }
        at += isa.unit_len(&mut source, at).max(1);
    }
    calls.retain(|(_, target)| targets[target] >= 2);
    calls.into_iter().map(|(at, _)| at).collect()
}

/// Whether `r` is a call that says something: short ones reach so little that random
/// bytes agree on targets.
fn is_call(isa: Isa, r: &Reference) -> bool {
    let len = match isa {
        Isa::I8051 | Isa::Xtensa => 3,
        _ => 4,
    };
    // Linkers that do not relax call through AUIPC and JALR.
    let page = isa == Isa::RiscV && r.kind == Kind::Page;
    r.len == len && (page || r.kind == Kind::Call)
}

/// Shared calls that code of `isa` has at least, to tell code from chance.
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
    let evidence: Vec<(Isa, Vec<u32>)> = CANDIDATES
        .par_iter()
        .map(|&isa| (isa, shared_calls(image, isa)))
        .filter(|(isa, calls)| calls.len() as u32 >= evidence_needed(*isa, image.len()))
        .collect();
    // The lower wire number wins a tie: a stable choice.
    let main = evidence
        .iter()
        .max_by_key(|(isa, calls)| (calls.len(), std::cmp::Reverse(*isa)));
    let whole = |isa| {
        vec![Region {
            end: image.len() as u32,
            isa,
        }]
    };
    let Some((main, _)) = main else {
        return whole(Isa::None);
    };
    let windows = labels(image.len(), *main, &evidence);
    let regions = runs(&windows, image.len());
    if regions.len() > MAX_REGIONS {
        whole(*main)
    } else {
        regions
    }
}

/// The instruction set of each window.
fn labels(len: usize, main: Isa, evidence: &[(Isa, Vec<u32>)]) -> Vec<Isa> {
    let count = len.div_ceil(WINDOW);
    let per_window = |calls: &[u32]| {
        let mut counts = vec![0u32; count];
        for &at in calls {
            counts[at as usize / WINDOW] += 1;
        }
        counts
    };
    let mut labels = vec![main; count];
    let Some((_, calls)) = evidence.iter().find(|(isa, _)| *isa == main) else {
        return labels;
    };
    let mains = per_window(calls);
    for (isa, calls) in evidence {
        if *isa == main || !SHARP.contains(isa) {
            continue;
        }
        for (k, &n) in per_window(calls).iter().enumerate() {
            if n >= WINDOW_EVIDENCE && n > 4 * mains[k] {
                labels[k] = *isa;
            }
        }
    }
    labels
}

/// Windows of one instruction set in a row.
fn runs(labels: &[Isa], len: usize) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for (k, &isa) in labels.iter().enumerate() {
        let end = len.min((k + 1) * WINDOW) as u32;
        match regions.last_mut() {
            Some(last) if last.isa == isa => last.end = end,
            _ => regions.push(Region { end, isa }),
        }
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::*;
    use deltamote_format::le;

    #[test]
    fn noise_is_no_code() {
        let mut state = 1u64;
        let noise: Vec<u8> = (0..200_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        assert_eq!(regions(&noise)[0].isa, Isa::None);
    }

    /// Code that is nothing but calls of every 16th instruction to one of four places.
    fn calls(image: &mut [u8], from: usize, to: usize, call: u32, isa: Isa) {
        for at in (from..to).step_by(64) {
            let target = (from + (at / 64 % 4) * 256) as u32;
            let mut source = &le::word_bytes(call)[..];
            let r = isa.decode(&mut source, 0, 0).unwrap();
            let word = isa.encode(call, &r, at as u32, target).unwrap();
            image[at..at + 4].copy_from_slice(&le::word_bytes(word));
        }
    }

    #[test]
    fn two_instruction_sets_are_told_apart() {
        let mut image = vec![0u8; 256 << 10];
        calls(&mut image, 0, 96 << 10, 0xf800_f000, Isa::Thumb);
        calls(&mut image, 96 << 10, 256 << 10, 0x9400_0000, Isa::A64);
        let found = regions(&image);
        let expected = [(96 << 10, Isa::Thumb), (256 << 10, Isa::A64)];
        let found: Vec<_> = found.iter().map(|r| (r.end, r.isa)).collect();
        assert_eq!(found, expected);
    }
}

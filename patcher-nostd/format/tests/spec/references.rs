//! References in machine code: SPEC §7.

use super::blocks::{Block, Findings};
use super::values::{self, u32_of};
use deltamote_format::isa::{Isa, Kind, Reference};

pub fn isa_named(name: &str) -> Isa {
    let isa = Isa::ALL.into_iter().find(|isa| isa.name() == name);
    isa.unwrap()
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "plain",
        Kind::Call => "call",
        Kind::Jump => "jump",
        Kind::Branch => "branch",
        Kind::Literal => "literal",
        Kind::Page => "page",
        Kind::Low => "low",
        Kind::Pointer => "pointer",
        Kind::Ram => "ram",
    }
}

fn text(at: u32, r: &Reference) -> String {
    let partner = match r.partner {
        0 => String::new(),
        Reference::ABSOLUTE => " absolute".into(),
        back => format!(" back {back}"),
    };
    format!(
        "{at} {} {} {:#x}{partner}",
        kind_name(r.kind),
        r.len,
        r.target
    )
}

/// Every unit of the code in order: its reference, if it has one; then each `move`.
pub fn references(block: &Block, out: &mut Findings) {
    block.only(&["isa", "base", "code", "crc", "ref", "move"]);
    let isa = isa_named(block.need("isa"));
    let base = u32_of(block.need("base"));
    let code = values::bytes(block.need("code"), &[]);
    let crc = deltamote_format::journal::crc32(&code);
    out.expect_bytes(block, "crc", &crc.to_be_bytes());
    let mut found = Vec::new();
    let mut at = 0;
    while (at as usize) < code.len() {
        if let Some(r) = isa.decode(&mut &code[..], at, base.wrapping_add(at)) {
            found.push((at, r));
        }
        at += isa.unit_len(&mut &code[..], at);
    }
    let lines: Vec<String> = found.iter().map(|(at, r)| text(*at, r)).collect();
    out.expect_lines(block, "ref", &lines);

    // `move: AT PC TARGET WORD`: what the unit at AT becomes at PC.
    let moves = block.all("move");
    let lines: Vec<String> = moves
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [at, pc, target] = [0, 1, 2].map(|k| u32_of(words[k]));
            let Some((_, r)) = found.iter().find(|(a, _)| *a == at) else {
                return format!("{at}: no reference there");
            };
            let unit = &code[at as usize..at as usize + usize::from(r.len)];
            let word = unit.iter().rev().fold(0, |w, &b| w << 8 | u32::from(b));
            let new = isa.encode(word, r, pc, target);
            let new = new.map_or("none".into(), |w| {
                values::to_hex(&w.to_le_bytes()[..usize::from(r.len)])
            });
            format!("{at} {pc:#x} {target:#x} {new}")
        })
        .collect();
    out.expect_lines(block, "move", &lines);
}

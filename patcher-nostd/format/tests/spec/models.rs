//! Range coder, models and the tables they are built from: SPEC §6.1 to §6.5.

use super::blocks::{Block, Findings};
use super::values::{self, u32_of};
use deltamote_format::coder::{Coder, Decoder, Encoder, Input, Sink};
use deltamote_format::model::{Contexts, Models, NumberModel, hash};
use deltamote_format::{Limits, Profile};

/// Collects encoded bytes.
#[derive(Debug, Default)]
pub struct Bytes(pub Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

/// `Some((bit, p))`, or `None` for a restart.
type Decision = Option<(bool, u32)>;

fn decisions(block: &Block) -> Vec<Decision> {
    let words = block.need("decisions").split_whitespace();
    words
        .map(|word| {
            let (bit, p) = word.split_once('/')?;
            Some((bit == "1", u32::from_str_radix(p, 16).unwrap()))
        })
        .collect()
}

fn run<C: Coder>(coder: &mut C, decisions: &[Decision]) -> (String, String) {
    let (mut bits, mut positions) = (String::new(), String::new());
    for decision in decisions {
        match decision {
            Some((bit, p)) => bits += if coder.bit(*bit, *p) { "1" } else { "0" },
            None => {
                coder.restart();
                bits += "R";
            }
        }
        positions += &format!(" {}", coder.position());
    }
    (bits, positions)
}

/// Vectors of the range coder.
pub fn coder(block: &Block, out: &mut Findings) {
    block.only(&["decisions", "positions", "bytes"]);
    let decisions = decisions(block);
    let mut encoder = Encoder::new(Bytes::default());
    let (truth, positions) = run(&mut encoder, &decisions);
    out.expect(block, "positions", &positions);
    out.expect_bytes(block, "bytes", &encoder.finish().0);

    // The decoder knows the probabilities, not the bits.
    let asked: Vec<Decision> = decisions
        .iter()
        .map(|d| d.map(|(_, p)| (false, p)))
        .collect();
    let said = values::hex(block.need("bytes")).unwrap();
    let mut decoder = Decoder::default();
    let mut input = Input {
        bytes: &said,
        last: true,
        used: 0,
    };
    let (mut bits, mut positions) = (String::new(), String::new());
    for decision in asked {
        let (bit, position) = run(&mut decoder.with(&mut input), &[decision]);
        bits += &bit;
        positions += &position;
    }
    if bits != truth {
        out.fail(block, format!("decodes to\n  {bits}, not\n  {truth}"));
    }
    out.expect(block, "positions", &positions);
    if decoder.closing_len() as usize != said.len() {
        out.fail(block, "the closing prefix has another length");
    }
}

/// One line `do: MODEL ARGUMENTS = VALUE`.
struct Action<'a> {
    words: Vec<&'a str>,
    value: &'a str,
}

fn act<C: Coder>(
    models: &mut Models<'_>,
    coder: &mut C,
    action: &Action<'_>,
    known: bool,
) -> String {
    let value = if known { action.value } else { "0" };
    let contexts: Vec<u32> = match action.words.get(2..) {
        Some(words) => words
            .iter()
            .map(|w| u32::from_str_radix(w, 16).unwrap())
            .collect(),
        None => Vec::new(),
    };
    let which = u32_of(action.words[1]);
    match action.words[0] {
        "bit" => u32::from(models.bit(coder, which as usize, value == "1")).to_string(),
        "number" => models
            .number(coder, number_model(which), u32_of(value))
            .to_string(),
        "signed" => {
            let value: i32 = value.parse().unwrap();
            models.signed(coder, number_model(which), value).to_string()
        }
        "flag" => {
            assert_eq!(contexts.len(), 6);
            let mut contexts = unhashed(&contexts);
            u32::from(models.flag(coder, which as usize, &mut contexts, value == "1")).to_string()
        }
        "byte" => {
            assert_eq!(contexts.len(), 7);
            let mut contexts = unhashed(&contexts);
            let value = u8::from_str_radix(value, 16).unwrap();
            let byte = models.byte(coder, which as usize, &mut contexts, value);
            format!("{byte:02x}")
        }
        other => panic!("SPEC.md: unknown model {other}"),
    }
}

/// Pairs of words whose hashes are `contexts`.
fn unhashed(contexts: &[u32]) -> Contexts {
    let mut pairs = Contexts::default();
    for (pair, &context) in pairs.iter_mut().zip(contexts) {
        let x = context ^ context >> 13 ^ context >> 26;
        let x = x.wrapping_mul(0x64EA_2D65);
        let x = x ^ x >> 15 ^ x >> 30;
        *pair = [x.wrapping_mul(0x0E8B_2F51), 0];
        assert_eq!(hash(pair[0], 0), context);
    }
    pairs
}

fn number_model(n: u32) -> NumberModel {
    use NumberModel::*;
    let all = [
        MapGap,
        MapShift,
        MapRest,
        Insert,
        SelfDistance,
        Source,
        SourceNext,
        CopyLength,
        SelfLength,
        Reference,
        PointerStep,
    ];
    assert_eq!(all.len(), NumberModel::COUNT);
    assert!(all.iter().enumerate().all(|(k, m)| *m as usize == k));
    all[n as usize]
}

/// Vectors of the models.
pub fn models(block: &Block, out: &mut Findings) {
    block.only(&["do", "bytes"]);
    let actions: Vec<Action<'_>> = block
        .all("do")
        .into_iter()
        .map(|line| {
            let (words, value) = line.split_once('=').unwrap();
            Action {
                words: words.split_whitespace().collect(),
                value: value.trim(),
            }
        })
        .collect();
    let limits = Profile::Tiny.limits();
    let mut words = vec![0; Models::words(&limits)];
    let mut encoder = Encoder::new(Bytes::default());
    let mut models = blank(&mut words, &limits);
    for action in &actions {
        act(&mut models, &mut encoder, action, true);
    }
    out.expect_bytes(block, "bytes", &encoder.finish().0);

    let said = values::hex(block.need("bytes")).unwrap();
    let mut input = Input {
        bytes: &said,
        last: true,
        used: 0,
    };
    let mut decoder = Decoder::default();
    let mut models = blank(&mut words, &limits);
    for action in &actions {
        let got = act(&mut models, &mut decoder.with(&mut input), action, false);
        if got != action.value {
            out.fail(block, format!("{:?} decodes to {got}", action.words));
        }
    }
    if decoder.closing_len() as usize != said.len() {
        out.fail(block, "another length of the bytes");
    }
}

fn blank<'w>(mut words: &'w mut [u16], limits: &Limits) -> Models<'w> {
    let mut models = Models::carve(&mut words, limits).unwrap();
    models.reset(&[]);
    models
}

/// The tables of SPEC §3 and §6, against the code where it shows them and against
/// their formulas where it does not.
pub fn table(block: &Block, out: &mut Findings) {
    match block.name.as_str() {
        "profiles" => profiles(block, out),
        "rates" => formula(
            block,
            out,
            |i| 65536.0 / if i == 15 { 24.0 } else { f64::from(i) + 1.6 },
            f64::floor,
        ),
        "stretch" => formula(
            block,
            out,
            |i| 16.0 * ((2.0 * f64::from(i) + 1.0) / (255.0 - 2.0 * f64::from(i))).ln(),
            f64::round,
        ),
        "squash" => formula(
            block,
            out,
            |i| 65536.0 / (1.0 + (8.0 - f64::from(i) / 4.0).exp()),
            f64::round,
        ),
        _ => out.fail(block, "no check knows this table"),
    }
}

fn formula(block: &Block, out: &mut Findings, f: impl Fn(u32) -> f64, round: fn(f64) -> f64) {
    block.only(&["values"]);
    let count = block.need("values").split_whitespace().count() as u32;
    let text: Vec<String> = (0..count)
        .map(|i| (round(f(i)) + 0.0).to_string())
        .collect();
    out.expect(block, "values", &text.join(" "));
}

fn profiles(block: &Block, out: &mut Findings) {
    block.only(&["columns", "tiny", "small", "medium", "large"]);
    for profile in Profile::ALL {
        let l = profile.limits();
        let words = deltamote_format::codec::Decoder::words(profile);
        let row = [
            profile as usize,
            l.byte_slots,
            l.flag_slots,
            l.map_entries,
            l.map_entry_words,
            l.corrections,
            l.chunk_bytes,
            l.page_bytes,
            words,
        ];
        let row: Vec<String> = row.iter().map(usize::to_string).collect();
        out.expect(block, profile.name(), &row.join(" "));
    }
}

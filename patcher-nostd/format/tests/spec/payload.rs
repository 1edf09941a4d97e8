//! Whole payloads: SPEC §6. A block holds the plan; the test encodes it, compares the
//! bytes, and decodes the bytes of the SPEC in pieces of every size.

use super::blocks::{Block, Findings, crate_dir};
use super::models::Bytes;
use super::references::isa_named;
use super::values::{self, number, u32_of};
use deltamote_format::codec::{
    Codec, Decoder, Entry, Extent, Guide, Header, Op, Position, Region, ResumePoint, STEP_RESERVE,
    Space, Step, ValueRange,
};
use deltamote_format::coder::{Coder, Encoder, Input, Section};
use deltamote_format::isa::{Code, Isa};
use deltamote_format::{Error, ErrorKind, Profile};

const PLAN_KEYS: &[&str] = &[
    "profile",
    "old",
    "new",
    "zero_based",
    "learn_map",
    "reset_log2",
    "region",
    "space",
    "range",
    "copy",
    "bytes",
    "file",
    "reset",
];
const REJECT_KEYS: &[&str] = &[
    "profile",
    "old",
    "new",
    "zero_based",
    "learn_map",
    "reset_log2",
    "region",
    "space",
    "range",
    "copy",
    "bytes",
    "map_len",
    "force",
    "cut",
    "append",
    "read_profile",
    "read_old_len",
    "read_new_len",
    "error",
];

/// A copy: new offset, source, length, whether it is in the map.
#[derive(Clone, Copy, Debug)]
struct Copy {
    new: u32,
    op: Op,
    mapped: bool,
}

#[derive(Debug)]
struct Plan {
    profile: Profile,
    old: Vec<u8>,
    new: Vec<u8>,
    header: Header,
    copies: Vec<Copy>,
}

fn profile_named(name: &str) -> Profile {
    Profile::ALL.into_iter().find(|p| p.name() == name).unwrap()
}

fn extent(words: &[&str]) -> Extent {
    Extent {
        offset: u32_of(words[0]),
        address: u32_of(words[1]),
        len: u32_of(words[2]),
    }
}

fn plan(block: &Block) -> Plan {
    let old = values::bytes(block.need("old"), &[]);
    let new = values::bytes(block.need("new"), &old);
    let mut header = Header::new(old.len() as u32, new.len() as u32, Isa::None);
    let regions: Vec<Region> = block
        .all("region")
        .into_iter()
        .map(|line| {
            let (end, isa) = line.split_once(' ').unwrap();
            Region {
                end: u32_of(end),
                isa: isa_named(isa),
            }
        })
        .collect();
    // Without regions there is no code.
    let fit = regions.is_empty() || header.set_regions(&regions);
    assert!(fit, "{}: regions", block.title());
    let spaces: Vec<Space> = block
        .all("space")
        .into_iter()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Space {
                old: extent(&words[..3]),
                new: extent(&words[3..]),
            }
        })
        .collect();
    header = header.with_spaces(&spaces);
    for line in block.all("range") {
        let words = values::numbers(line);
        assert!(header.push_range(ValueRange {
            start: words[0],
            len: words[1],
        }));
    }
    let set = |key: &str, default| block.get(key).map_or(default, number);
    header.zero_based = set("zero_based", 0) != 0;
    header.learn_map = set("learn_map", 1) != 0;
    header.reset_log2 = set("reset_log2", 0) as u8;
    let copies: Vec<Copy> = block.all("copy").into_iter().map(copy).collect();
    let mapped = copies.iter().filter(|c| c.mapped).count() as u32;
    header.map_len = block.get("map_len").map_or(mapped, u32_of);
    Plan {
        profile: profile_named(block.get("profile").unwrap_or("tiny")),
        old,
        new,
        header,
        copies,
    }
}

/// `NEW from old|new OFFSET, LEN [mapped]`, without the words that only please.
fn copy(line: &str) -> Copy {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = u32_of(words[2]);
    Copy {
        new: u32_of(words[0]),
        op: Op {
            source: match words[1] {
                "old" => Position::Old(at),
                _ => Position::New(at),
            },
            len: u32_of(words[3]),
        },
        mapped: words.get(4) == Some(&"mapped"),
    }
}

/// A plan while it is coded.
struct Cursor<'a> {
    plan: &'a Plan,
    at: usize,
}

impl Guide for Cursor<'_> {
    fn gap(&mut self, pos: u32, room: u32) -> u32 {
        let next = self.plan.copies.get(self.at);
        next.map_or(room, |c| room.min(c.new.wrapping_sub(pos)))
    }

    fn op(&mut self) -> Op {
        let none = Op {
            source: Position::Old(0),
            len: 1,
        };
        self.plan.copies.get(self.at).map_or(none, |c| c.op)
    }

    fn taken(&mut self) {
        self.at += 1;
    }

    fn entry(&mut self, index: u32) -> Entry {
        let mut mapped = self.plan.copies.iter().filter(|c| c.mapped);
        let copy = mapped.nth(index as usize).unwrap();
        match copy.op.source {
            Position::Old(old) => Entry { old, new: copy.new },
            Position::New(_) => panic!("SPEC.md: a copy from the new image is mapped"),
        }
    }

    fn truth(&self, at: u32, len: u32) -> u32 {
        let byte = |k| u32::from(self.plan.new.get((at + k) as usize).copied().unwrap_or(0));
        (0..len).fold(0, |word, k| word | byte(k) << (8 * k))
    }
}

/// The new image as far as it is written.
struct Written<'a>(&'a [u8], u32);

impl Code for Written<'_> {
    fn byte(&mut self, at: u32) -> Option<u8> {
        self.0.get(at as usize).copied().filter(|_| at < self.1)
    }

    fn reveal(&mut self, len: u32) {
        self.1 = len;
    }
}

/// Decisions, by number, and what they are coded as whatever the plan says.
type Force = (std::ops::Range<u64>, bool);

/// An encoder that lies: the way to bytes that no plan leads to.
struct Forced<C> {
    coder: C,
    force: Force,
    count: u64,
}

impl<C: Coder> Coder for Forced<C> {
    const ENCODES: bool = C::ENCODES;

    fn bit(&mut self, bit: bool, p: u32) -> bool {
        let (forced, to) = &self.force;
        let bit = if forced.contains(&self.count) {
            *to
        } else {
            bit
        };
        self.count += 1;
        self.coder.bit(bit, p)
    }

    fn section(&mut self, section: Section) {
        self.coder.section(section);
    }

    fn position(&self) -> u32 {
        self.coder.position()
    }

    fn restart(&mut self) {
        self.coder.restart();
    }
}

/// The payload and the resets on the way. Ends early at an error: the bytes up to there
/// lead a decoder to it.
fn encode(plan: &Plan, force: Force) -> (Vec<u8>, Vec<ResumePoint>) {
    let mut words = vec![0; Decoder::words(plan.profile)];
    let mut codec = Codec::new(&mut words, plan.profile, plan.header.clone(), None).unwrap();
    let mut coder = Forced {
        coder: Encoder::new(Bytes::default()),
        force,
        count: 0,
    };
    let mut guide = Cursor { plan, at: 0 };
    let mut written = Written(&plan.new, 0);
    let mut resets = Vec::new();
    loop {
        written.reveal(codec.pos());
        match codec.step(&mut coder, &mut &plan.old[..], &mut written, &mut guide) {
            Ok(Step::Reset) => resets.push(codec.resume_point()),
            Ok(Step::Done) | Err(_) => break,
            Ok(_) => {}
        }
    }
    (coder.coder.finish().0, resets)
}

/// What a decoder is told besides the payload.
#[derive(Clone, Copy)]
struct Told<'a> {
    profile: Profile,
    old: &'a [u8],
    old_len: u32,
    new_len: u32,
}

struct Decoded {
    new: Vec<u8>,
    resets: Vec<ResumePoint>,
}

/// Decodes `payload` as it becomes readable in pieces that end at `ends`; from `from`
/// on, if given, with what was written before.
fn decode(
    told: Told<'_>,
    payload: &[u8],
    ends: &[usize],
    from: Option<(&ResumePoint, &[u8])>,
) -> Result<Decoded, Error> {
    let mut words = vec![0xdead; Decoder::words(told.profile)];
    let Told {
        profile,
        old_len,
        new_len,
        ..
    } = told;
    let mut old = told.old;
    let mut decoder = Decoder::new(&mut words, profile, old_len, new_len, None)?;
    let mut out = Decoded {
        new: Vec::new(),
        resets: Vec::new(),
    };
    let mut from = from;
    let (mut used, mut ends) = (0, ends.iter());
    let mut end = *ends.next().unwrap_or(&payload.len());
    loop {
        let last = end == payload.len();
        if end.saturating_sub(used) < STEP_RESERVE && !last {
            end = *ends.next().unwrap_or(&payload.len());
            continue;
        }
        let mut input = Input {
            bytes: payload.get(used..end).unwrap_or(&[]),
            last,
            used: 0,
        };
        let step = decoder.step(&mut input, &mut old, &mut &out.new[..]);
        used += input.used;
        match step? {
            Step::Output { word, len } => {
                out.new.extend(&word.to_le_bytes()[..usize::from(len)]);
                assert!(out.new.len() <= new_len as usize, "output beyond the image");
            }
            Step::Reset => out.resets.push(decoder.resume_point()),
            Step::Control => {}
            Step::Done => break,
        }
        if decoder.map_ready()
            && let Some((point, before)) = from.take()
        {
            out.new = before.to_vec();
            decoder.jump(point, &mut old, &mut &out.new[..])?;
            used = point.payload_pos as usize;
        }
    }
    // SPEC §9.2: the two rules that only whoever feeds the decoder can check.
    let (len, had) = (decoder.payload_len(), payload.len() as u32);
    if len > had {
        return Err(Error::new(ErrorKind::PayloadTruncated, len));
    }
    if len < had {
        return Err(Error::new(ErrorKind::PayloadTrailing, len));
    }
    Ok(out)
}

fn point_text(p: &ResumePoint) -> String {
    let op: Vec<String> = p.op.iter().map(u32::to_string).collect();
    format!("{} {} {}", p.new_pos, p.payload_pos, op.join(" "))
}

/// All ways to cut `len` bytes in two, and into bytes and pairs of bytes.
fn splits(len: usize) -> Vec<Vec<usize>> {
    // Long payloads: each cut near the ends, then every 97th.
    let cuts = (0..=len).filter(|k| *k < 80 || len - k < 80 || k % 97 == 0);
    let mut all: Vec<Vec<usize>> = cuts.map(|k| vec![k, len]).collect();
    all.push((1..=len).collect());
    all.push((1..=len.div_ceil(2)).map(|k| (2 * k).min(len)).collect());
    all
}

/// Vectors of whole payloads, in both directions.
pub fn payload(block: &Block, out: &mut Findings) {
    block.only(PLAN_KEYS);
    let plan = plan(block);
    let (bytes, resets) = encode(&plan, (0..0, false));
    let said = match block.get("file") {
        Some(name) => {
            let path = crate_dir().join(name);
            let said = std::fs::read_to_string(&path).unwrap_or_default();
            let said = values::hex(&said).unwrap();
            if said != bytes {
                out.fail(block, format!("{name} does not hold the payload"));
                let lines = bytes.chunks(48).map(|line| values::to_hex(line) + "\n");
                out.files.push((path, lines.collect()));
            }
            said
        }
        None => {
            out.expect_bytes(block, "bytes", &bytes);
            values::hex(block.need("bytes")).unwrap()
        }
    };
    let points: Vec<String> = resets.iter().map(point_text).collect();
    out.expect_lines(block, "reset", &points);

    let told = Told {
        profile: plan.profile,
        old: &plan.old,
        old_len: plan.header.old_len,
        new_len: plan.header.new_len,
    };
    for ends in splits(said.len()) {
        match decode(told, &said, &ends, None) {
            Ok(d) if d.new == plan.new && d.resets == resets => {}
            Ok(_) => return out.fail(block, format!("other output in {} pieces", ends.len())),
            Err(e) => return out.fail(block, format!("{e} in {} pieces", ends.len())),
        }
    }
    for point in &resets {
        let before = &plan.new[..point.new_pos as usize];
        let went_on = decode(told, &said, &[], Some((point, before)));
        if went_on.map(|d| d.new).ok().as_ref() != Some(&plan.new) {
            out.fail(block, "another output after a jump to the reset");
        }
    }
}

/// Payloads that must be refused, with the rule and the offset.
pub fn reject(block: &Block, out: &mut Findings) {
    block.only(REJECT_KEYS);
    let plan = plan(block);
    let force = block.get("force").map_or((0..0, false), |line| {
        let (range, bit) = line.split_once('=').unwrap();
        let (from, to) = range.split_once("..").unwrap();
        (number(from)..number(to), bit == "1")
    });
    let (mut bytes, _) = encode(&plan, force);
    let cut = block.get("cut").map_or(0, number) as usize;
    bytes.truncate(bytes.len() - cut);
    bytes.extend(values::bytes(block.get("append").unwrap_or(""), &[]));
    out.expect_bytes(block, "bytes", &bytes);

    let said = values::hex(block.need("bytes")).unwrap();
    let told = Told {
        profile: block
            .get("read_profile")
            .map_or(plan.profile, profile_named),
        old: &plan.old,
        old_len: block
            .get("read_old_len")
            .map_or(plan.header.old_len, u32_of),
        new_len: block
            .get("read_new_len")
            .map_or(plan.header.new_len, u32_of),
    };
    for ends in splits(said.len()) {
        let got = match decode(told, &said, &ends, None) {
            Ok(_) => "accepted".into(),
            Err(e) => format!("{:?} @{}", e.kind, e.at),
        };
        out.expect(block, "error", &got);
        if !out.failures.is_empty() {
            return;
        }
    }
}

//! Payloads of the second codec that are authentic and hostile all the same. What is
//! compressed is the input's to say: frames are made here, so that a fuzzer reaches what
//! is behind them.

use crate::fixtures::{Stamp, manifest, options, seal};
use arbitrary::Unstructured;
use deltamote_engine::image::Image;
use deltamote_engine::planner::{Settings, plan};
use deltamote_engine::{Level, NoProgress, embedded};
use deltamote_format::codec::{Decoder as Ours, ResumePoint, Step};
use deltamote_format::coder::Input;
use deltamote_format::manifest::Manifest;
use deltamote_format::{Error, Profile, le};
use deltamote_patcher::codec::Codec;
use deltamote_patcher::{Device, Error as Refusal};
use deltamote_sim::{Board, Stats};
use deltamote_zstd::{Stream, Zstd};
use std::cell::RefCell;
use std::sync::OnceLock;

/// Real firmware of two releases, and the data of a patch between them.
struct Pair {
    old: Vec<u8>,
    new: Vec<u8>,
    isa_mask: u32,
    data: Vec<u8>,
    parts: Parts,
}

/// A payload taken apart (SPEC §13.1, §13.3): header and map, then each block's streams.
#[derive(Clone)]
struct Parts {
    front: Vec<u8>,
    blocks: Vec<[Vec<u8>; Stream::COUNT]>,
}

/// What a decoder makes of a payload.
#[derive(PartialEq, Debug)]
struct Made {
    new: Vec<u8>,
    /// Payload bytes used, or the rule that was broken.
    end: Result<u32, Error>,
}

/// Any payload of codec zstd ends: in a complete image of the declared size or in an error,
/// the same whole as in pieces, from its front as from any reset. Sealed and signed, a device
/// hands over the image of the digest or none, and writes nothing behind it.
pub fn zstd_payload_stays_in_bounds(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(how), Ok(piece)) = (u.arbitrary::<u8>(), u.arbitrary::<u8>()) else {
        return;
    };
    let pair = firmware(how >> 2 & 1);
    let payload = match how & 3 {
        0 => edited(&pair.data, &mut u),
        1 => {
            let mut parts = pair.parts.clone();
            edit_streams(&mut parts, &mut u);
            joined(&parts)
        }
        2 => joined(&own(pair, &mut u)),
        _ => u.take_rest().to_vec(),
    };
    let new_len = pair.new.len();
    if how & 0x18 == 0x18 {
        return device(pair, &payload, None, how >> 5);
    }
    let mut resets = Vec::new();
    let whole = decoded(pair, &payload, usize::MAX, None, &mut resets);
    assert!(whole.new.len() <= new_len, "beyond the new image");
    if let Ok(used) = whole.end {
        assert_eq!(whole.new.len(), new_len, "done before the end");
        assert!(used as usize <= payload.len());
    }
    // One of these at a time: most of what a decoder costs is its 2 MB of workspace.
    let split = 1 + usize::from(piece) * 3;
    let decode = |from| decoded(pair, &payload, split, from, &mut Vec::new());
    match how >> 3 & 3 {
        0 => assert_eq!(decode(None), whole),
        1 => {
            if let Some(point) = resets.get(usize::from(piece) % resets.len().max(1)) {
                assert!(point.new_pos as usize <= whole.new.len());
                assert_eq!(decode(Some((point, &whole.new))), whole, "from {point:?}");
            }
        }
        _ => device(pair, &payload, Some(&whole), how >> 5),
    }
}

/// The bytes, some of them others, cut short or longer.
fn edited(payload: &[u8], u: &mut Unstructured<'_>) -> Vec<u8> {
    let mut bytes = payload.to_vec();
    while let (false, Ok((at, by, how))) = (u.is_empty(), u.arbitrary::<(u16, u8, u8)>()) {
        edit(&mut bytes, usize::from(at), by, how);
    }
    bytes
}

fn edit(bytes: &mut Vec<u8>, at: usize, by: u8, how: u8) {
    let at = at % (bytes.len() + 1);
    match (how % 8, bytes.get_mut(at)) {
        (0, _) => bytes.truncate(at),
        (1, _) => bytes.insert(at, by),
        (2, Some(_)) => drop(bytes.remove(at)),
        (3, Some(byte)) => *byte = by,
        (_, Some(byte)) => *byte ^= 1 << (by & 7),
        (_, None) => bytes.push(by),
    }
}

fn edit_streams(parts: &mut Parts, u: &mut Unstructured<'_>) {
    while let (false, Ok((which, at, by, how))) = (u.is_empty(), u.arbitrary::<(u8, u8, u8, u8)>())
    {
        let which = usize::from(which);
        match which % 8 {
            6 => edit(&mut parts.front, at.into(), by, how),
            7 if how & 1 == 0 => drop(parts.blocks.pop()),
            7 => parts.blocks.extend(parts.blocks.last().cloned()),
            stream => {
                let count = parts.blocks.len().max(1);
                if let Some(block) = parts.blocks.get_mut(which / 8 % count) {
                    edit(&mut block[stream], at.into(), by, how);
                }
            }
        }
    }
}

/// A front that is real, and streams that are not.
fn own(pair: &Pair, u: &mut Unstructured<'_>) -> Parts {
    let mut parts = Parts {
        front: pair.parts.front.clone(),
        blocks: Vec::new(),
    };
    while !u.is_empty() && parts.blocks.len() < 4 {
        let mut block: [Vec<u8>; Stream::COUNT] = Default::default();
        for stream in &mut block {
            let len = u.arbitrary::<u8>().unwrap_or(0);
            // A byte again and again, or as many of the input's.
            *stream = match len {
                0..=127 => (0..len).map_while(|_| u.arbitrary().ok()).collect(),
                _ => vec![u.arbitrary().unwrap_or(0); usize::from(len & 127) * 40],
            };
        }
        parts.blocks.push(block);
    }
    parts
}

/// One small block, or two of 4 KiB with a reset between them.
fn firmware(which: u8) -> &'static Pair {
    static PAIRS: [OnceLock<Pair>; 2] = [const { OnceLock::new() }; 2];
    PAIRS[usize::from(which)].get_or_init(|| {
        let (len, log2) = [(400, 0), (5000, 12)][usize::from(which)];
        let old = embedded::OLD[0x18c00..0x18c00 + len + 1024].to_vec();
        let new = embedded::NEW[0x19000..0x19000 + len].to_vec();
        let image = |bytes: &[u8]| Image::from_bytes(bytes.to_vec()).expect("raw bytes");
        let settings = Settings {
            profile: Profile::Large,
            level: Level::Fast,
            isa: None,
            base: None,
            prior: None,
        };
        let planned = plan(&image(&old), &image(&new), &settings, &NoProgress);
        let plan = planned.expect("a plan").plan.in_blocks(log2);
        let mut header = plan.header.clone();
        header.map_len = plan.count_map();
        let data = deltamote_zstd::encode(header, (&old, &new), &mut plan.cursor(&new), 19);
        let data = data.expect("a payload");
        Pair {
            isa_mask: plan.header.isa_mask(),
            parts: apart(&data),
            old,
            new,
            data,
        }
    })
}

fn apart(mut payload: &[u8]) -> Parts {
    let mut sections = Vec::new();
    while let Some((len, rest)) = payload.split_first_chunk() {
        let (section, rest) = rest.split_at(le::word(*len) as usize);
        sections.push(section);
        payload = rest;
    }
    let blocks = sections[1..].iter().map(|section| {
        let mut rest = *section;
        let sizes: [_; Stream::COUNT] =
            std::array::from_fn(|_| (number(&mut rest), number(&mut rest)));
        sizes.map(|(len, coded)| {
            let (frame, behind) = rest.split_at(coded as usize);
            rest = behind;
            match len {
                0 => Vec::new(),
                len => zstd::bulk::decompress(frame, len as usize).expect("a frame"),
            }
        })
    });
    Parts {
        front: sections[0].to_vec(),
        blocks: blocks.collect(),
    }
}

fn number(bytes: &mut &[u8]) -> u32 {
    let len = 1 + bytes.iter().take_while(|b| **b >= 0x80).count();
    let (number, rest) = bytes.split_at(len);
    *bytes = rest;
    let bits = number.iter().rev().map(|b| u32::from(b & 0x7f));
    bits.fold(0, |sum, bits| sum << 7 | bits)
}

fn put_number(to: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn joined(parts: &Parts) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut section = |bytes: &[u8]| {
        payload.extend_from_slice(&le::word_bytes(bytes.len() as u32));
        payload.extend_from_slice(bytes);
    };
    section(&parts.front);
    for block in &parts.blocks {
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        for stream in block {
            let before = frames.len();
            frame(stream, &mut frames);
            put_number(&mut bytes, stream.len());
            put_number(&mut bytes, frames.len() - before);
        }
        bytes.extend_from_slice(&frames);
        section(&bytes);
    }
    payload
}

/// A zstd frame of one block as it is, or of one byte again and again (RFC 8878, 3.1.1).
fn frame(stream: &[u8], to: &mut Vec<u8>) {
    let Some(&first) = stream.first() else {
        return;
    };
    // No content size; a window of 128 KiB.
    to.extend_from_slice(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38]);
    let repeats = stream.len() > 64 && stream.iter().all(|b| *b == first);
    let header = (stream.len() as u32) << 3 | u32::from(repeats) << 1 | 1;
    to.extend_from_slice(&le::word_bytes(header)[..3]);
    to.extend_from_slice(if repeats { &stream[..1] } else { stream });
}

thread_local! {
    /// Never cleared: what a decoder finds in its workspace is none of its business.
    static WORDS: RefCell<Vec<u16>> = RefCell::new(vec![0x5a5a; Ours::words(Profile::Large)]);
}

/// Decodes in pieces, from the front or with the image before a resume point in place.
fn decoded(
    pair: &Pair,
    payload: &[u8],
    piece: usize,
    from: Option<(&ResumePoint, &[u8])>,
    resets: &mut Vec<ResumePoint>,
) -> Made {
    WORDS.with_borrow_mut(|words| {
        let sizes = (pair.old.len() as u32, pair.new.len() as u32);
        let mut decoder = Zstd::start(words, Profile::Large, sizes.0, sizes.1, None)
            .expect("the workspace is large enough");
        let mut new = Vec::new();
        let end = run(&mut decoder, pair, payload, piece, from, &mut new, resets);
        let end = end.map(|()| Zstd::payload_len(&decoder));
        Made { new, end }
    })
}

fn run(
    decoder: &mut deltamote_zstd::Decoder<'_, '_>,
    pair: &Pair,
    payload: &[u8],
    piece: usize,
    mut from: Option<(&ResumePoint, &[u8])>,
    new: &mut Vec<u8>,
    resets: &mut Vec<ResumePoint>,
) -> Result<(), Error> {
    let old = &mut &pair.old[..];
    let mut at = 0;
    // A step uses a piece, gives bytes, or goes to the next of few states.
    for _ in 0..payload.len() + pair.new.len() + 4 * (pair.new.len() >> 12) + 16 {
        if Zstd::map_ready(decoder)
            && let Some((point, before)) = from.take()
        {
            new.extend_from_slice(&before[..point.new_pos as usize]);
            Zstd::jump(decoder, point, old, &mut &new[..])?;
            at = point.payload_pos as usize;
        }
        let end = payload.len().min(at.saturating_add(piece));
        let mut input = Input {
            bytes: &payload[at..end],
            last: end == payload.len(),
            used: 0,
        };
        if piece.is_multiple_of(2) {
            let mut page = [0; 100];
            let len = Zstd::run(decoder, old, &mut page);
            new.extend_from_slice(&page[..len]);
        }
        let step = Zstd::step(decoder, &mut input, old, &mut &new[..])?;
        assert!(input.used <= input.bytes.len());
        at += input.used;
        match step {
            Step::Output { word, len } => {
                new.extend_from_slice(&le::word_bytes(word)[..usize::from(len)]);
            }
            Step::Done => return Ok(()),
            Step::Reset => resets.push(Zstd::resume_point(decoder)),
            Step::Control => {}
        }
    }
    panic!("the payload does not end");
}

/// The same, sealed by the signer and pushed into a device: its verdict is that on what a
/// decoder `made`, where that is known.
fn device(pair: &Pair, payload: &[u8], made: Option<&Made>, unit: u8) {
    if payload.is_empty() {
        return; // No layout has no chunk.
    }
    let manifest = Manifest {
        profile: Profile::Large,
        isa_mask: pair.isa_mask,
        ..manifest(&pair.old, &pair.new, Zstd::ID)
    };
    let patch = seal(manifest, payload);
    let mut options = options(unit);
    options.device = Device::new(Profile::Large);
    options.split = 1 << 16;
    let new_len = pair.new.len();
    let mut board = Board::new(&pair.old, new_len as u32 + 600, &options);
    let done = board.session::<Zstd, _>(&patch, &Stamp, &options, &mut Stats::default());
    assert_eq!(board.violation(), None);
    if let Some(made) = made {
        let is_new = made.end == Ok(payload.len() as u32) && made.new == pair.new;
        assert_eq!(done.is_ok(), is_new, "{done:?}, {:?}", made.end);
    }
    match done {
        Ok(_) => {
            assert!(board.flag.pending.as_deref() == Some(&pair.new[..]));
            assert!(board.slot_bytes().starts_with(&pair.new));
        }
        Err(error) => {
            let of_payload = matches!(error, Refusal::Payload { .. } | Refusal::NewImageMismatch);
            assert!(of_payload, "{error:?}");
            assert_eq!(board.flag.pending, None, "handed over and failed");
        }
    }
    let behind = &board.slot_bytes()[new_len..];
    assert!(behind.iter().all(|b| *b == 0xff), "written behind the end");
}

//! Both directions of codec and engine on arbitrary pairs of images.

use arbitrary::Unstructured;
use deltamote_engine::image::{Format, Image};
use deltamote_engine::plan::{Plan, Segment};
use deltamote_engine::{DiffOptions, Level, NoProgress, Trust, apply, diff, encode};
use deltamote_format::codec::{Decoder, Extent, Header, Position, Region, Space, Step, ValueRange};
use deltamote_format::coder::Input;
use deltamote_format::isa::Isa;
use deltamote_format::{Profile, le, prior};

/// Old and new, `len` each at most: new has stretches of old, moved and changed.
fn images(u: &mut Unstructured<'_>, len: usize) -> arbitrary::Result<(Vec<u8>, Vec<u8>)> {
    let old_len = u.int_in_range(1..=len)?;
    let seed = u.arbitrary::<[u8; 6]>()?;
    let mut old: Vec<u8> = (0..old_len)
        .map(|k| seed[k % 6].wrapping_add((k / 16 * usize::from(seed[k % 3] & 3)) as u8))
        .collect();
    let mut new = Vec::new();
    for _ in 0..u.int_in_range(0..=24)? {
        let (what, a, b) = u.arbitrary::<(u8, u8, u8)>()?;
        let from = usize::from(a) * 3 % old.len();
        match what % 4 {
            // Before it is copied: what old looks like is the input's to say.
            0 => old[from] ^= b,
            1 => new.extend_from_slice(&[b, a]),
            _ => new.extend_from_slice(&old[from..(from + usize::from(b)).min(old.len())]),
        }
        if what & 0x80 != 0
            && let Some(last) = new.last_mut()
        {
            *last ^= a;
        }
    }
    new.truncate(len);
    if new.is_empty() {
        new.push(seed[0]);
    }
    Ok((old, new))
}

fn header(u: &mut Unstructured<'_>, old: u32, new: u32) -> arbitrary::Result<Header> {
    let isa = Isa::from_wire(u.int_in_range(0..=7u32)?).expect("0 to 7 exist");
    let mut header = Header::new(old, new, isa);
    let flags = u.arbitrary::<u8>()?;
    header.zero_based = flags & 1 != 0;
    header.learn_map = flags & 2 != 0;
    if flags & 4 != 0 {
        let end = u.int_in_range(1..=new)?;
        let isa = Isa::from_wire(u32::from(flags >> 5)).expect("0 to 7 exist");
        let last = header.regions()[0];
        header.set_regions(&[Region { end, isa }, last]);
    }
    if flags & 8 != 0 {
        let mut extent = || -> arbitrary::Result<Extent> {
            Ok(Extent {
                offset: u.int_in_range(0..=old)?,
                address: u.arbitrary()?,
                len: u.int_in_range(0..=old)?,
            })
        };
        let mut first = Space {
            old: extent()?,
            new: extent()?,
        };
        // On the wire the old offset is a distance from the space before.
        first.old.len = first.old.len.min(old - first.old.offset);
        header = header.with_spaces(&[first]);
    }
    if flags & 16 != 0 {
        header.push_range(ValueRange {
            start: u32::from(u.arbitrary::<u16>()?) << 16,
            len: 0x1000,
        });
    }
    Ok(header)
}

fn segments(u: &mut Unstructured<'_>, old: u32, new: u32, room: usize) -> Vec<Segment> {
    let mut list: Vec<Segment> = Vec::new();
    let mut at = 0;
    while at < new
        && !u.is_empty()
        && let Ok((what, gap, from, len)) = u.arbitrary::<(u8, u8, u8, u8)>()
    {
        let start = at + u32::from(gap) % 32;
        if start >= new {
            break;
        }
        let from_new = what & 1 != 0 && start > 0;
        let (source, most) = match from_new {
            true => (Position::New(u32::from(from) * 5 % start), new - start),
            false => {
                let from = u32::from(from) * 3 % old;
                (Position::Old(from), (new - start).min(old - from))
            }
        };
        let len = (1 + u32::from(len)).min(most);
        let mapped = what & 2 != 0 && !from_new && list.iter().filter(|s| s.mapped).count() < room;
        list.push(Segment {
            new: start,
            source,
            len,
            mapped,
        });
        at = start + len;
    }
    list
}

/// Any plan over any pair of images encodes, and its payload decodes to the new image in
/// exactly its own length.
pub fn any_plan_round_trips(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(options) = u.arbitrary::<u8>() else {
        return;
    };
    let Ok((old, new)) = images(&mut u, 400) else {
        return;
    };
    let (old_len, new_len) = (old.len() as u32, new.len() as u32);
    let Ok(header) = header(&mut u, old_len, new_len) else {
        return;
    };
    let (profile, trained) = match options & 1 {
        0 => (Profile::Tiny, prior::TINY),
        _ => (Profile::Small, prior::SMALL),
    };
    let prior = (options & 2 != 0).then_some(trained);
    let segments = segments(&mut u, old_len, new_len, 90);
    let plan = Plan { header, segments };
    let payload = encode::encode(&plan, (&old, &new), profile, prior).expect("a plan encodes");

    let mut words = vec![0; Decoder::words(profile)];
    let mut decoder = Decoder::new(&mut words, profile, old_len, new_len, prior)
        .expect("the workspace is large enough");
    let mut input = Input {
        bytes: &payload,
        last: true,
        used: 0,
    };
    let mut got = Vec::new();
    loop {
        match decoder.step(&mut input, &mut &old[..], &mut &got[..]) {
            Ok(Step::Output { word, len }) => {
                got.extend_from_slice(&le::word_bytes(word)[..usize::from(len)]);
            }
            Ok(Step::Done) => break,
            Ok(Step::Control | Step::Reset) => {}
            Err(e) => panic!("what was encoded does not decode: {e:?}"),
        }
    }
    assert!(got == new, "another image");
    assert_eq!(decoder.payload_len() as usize, payload.len());
}

/// How one input is tried.
struct Trial {
    options: DiffOptions,
    /// Bytes of an image, at most.
    len: usize,
    /// Whether the patch is made twice.
    again: bool,
}

/// What the first byte and the last one say. What takes more than twice the usual time
/// (harder levels, larger images, the patch once more) is for one value in four, so that a
/// million inputs are affordable.
fn trial(first: u8, last: u8) -> Trial {
    let (level, len) = match last >> 4 {
        0..=11 => (Level::Fast, 160),
        12 => (Level::Fast, 2000),
        13 => (Level::Default, 160),
        14 => (Level::Best, 160),
        _ => (Level::Default, 2000),
    };
    let profile = match (first & 1, last & 0xf) {
        (0, 1..=3) => Profile::Medium,
        (1, 1..=3) => Profile::Large,
        (0, _) => Profile::Tiny,
        _ => Profile::Small,
    };
    let isa = Isa::from_wire(u32::from(first >> 2 & 7)).expect("0 to 7 exist");
    let options = DiffOptions {
        profile,
        isa: (first & 2 != 0).then_some(isa),
        level,
        base: (first & 0x40 != 0).then_some(0x0800_0000),
        ..DiffOptions::default()
    };
    Trial {
        options,
        len,
        again: last & 0xf == 0,
    }
}

/// The engine makes a patch of any pair of images, and the patcher makes the new image of
/// it; the same patch comes out again, with several threads too (of each 16th input).
pub fn every_pair_round_trips(data: &[u8]) {
    let Some((&last, front)) = data.split_last() else {
        return;
    };
    let mut u = Unstructured::new(front);
    let Ok(first) = u.arbitrary::<u8>() else {
        return;
    };
    let Trial {
        mut options,
        len,
        again,
    } = trial(first, last);
    let Ok((old, new)) = images(&mut u, len) else {
        return;
    };
    let image = |bytes: &[u8]| Image::from_bytes(bytes.to_vec());
    // Bytes that happen to begin like a container that does not hold.
    let (Ok(from), Ok(to)) = (image(&old), image(&new)) else {
        return;
    };
    // What the engine reads must not be judged by what the engine reads.
    for (image, file) in [(&from, &old), (&to, &new)] {
        assert!(image.format() != Format::Raw || image.bytes() == file);
    }
    let patch = |options: &DiffOptions| {
        let made = diff(&from, &to, options, None, &NoProgress);
        made.expect("any pair has a patch").bytes
    };
    let bytes = patch(&options);
    let trust = Trust::AllowUnsigned;
    let made = apply(from.bytes(), &bytes, &trust, &NoProgress).expect("it applies");
    assert!(made == to.bytes(), "another image");
    if again {
        options.jobs = Some(2);
        assert!(patch(&options) == bytes, "another patch");
    }
}

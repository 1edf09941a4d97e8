//! Payloads that are authentic and hostile all the same: the signer is trusted, the
//! decoder must be safe even so.

use arbitrary::Unstructured;
use deltamote_format::codec::{Decoder, ResumePoint, STEP_RESERVE, Step};
use deltamote_format::coder::Input;
use deltamote_format::{Profile, le, prior};

/// Any payload, from its front or from any resume point, ends: in a complete image of the
/// declared size, or in an error; no step uses more than its reserve of input.
pub fn payload_stays_in_bounds(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(options), Ok(old_len), Ok(new_len), Ok(seed)) = (
        u.arbitrary::<u8>(),
        u.int_in_range(1..=600u32),
        u.int_in_range(1..=1200u32),
        u.arbitrary::<[u8; 8]>(),
    ) else {
        return;
    };
    let (profile, trained) = match options & 1 {
        0 => (Profile::Tiny, prior::TINY),
        _ => (Profile::Small, prior::SMALL),
    };
    let point = match options & 6 {
        6 => resume_point(&mut u),
        _ => None,
    };
    let payload = u.take_rest();
    // Code-like: the same few bytes again and again, with the payload's own among them.
    let old: Vec<u8> = (0..old_len as usize)
        .map(|k| seed[k % 8] ^ payload.get(k / 3).copied().unwrap_or(0))
        .collect();
    let mut words = vec![0; Decoder::words(profile)];
    let prior = (options & 8 != 0).then_some(trained);
    let mut decoder = Decoder::new(&mut words, profile, old_len, new_len, prior)
        .expect("the workspace is large enough");
    run(&mut decoder, &old, new_len, payload, point);
}

fn resume_point(u: &mut Unstructured<'_>) -> Option<ResumePoint> {
    let mut word = || u.int_in_range(0..=1300u32).ok();
    let mut point = ResumePoint {
        new_pos: word()?,
        payload_pos: word()?,
        op: [0; 8],
    };
    for field in &mut point.op {
        *field = word()?;
    }
    point.op[0] %= 7;
    Some(point)
}

fn run(
    decoder: &mut Decoder<'_, '_>,
    old: &[u8],
    new_len: u32,
    payload: &[u8],
    mut point: Option<ResumePoint>,
) {
    let mut input = Input {
        bytes: payload,
        last: true,
        used: 0,
    };
    let mut new = Vec::with_capacity(new_len as usize);
    // A byte takes a few steps at most; commands without bytes are bounded by them.
    for _ in 0..64 * (new_len + 1) + 4096 {
        if decoder.map_ready()
            && let Some(point) = point.take()
        {
            input.used = (point.payload_pos as usize).min(payload.len());
            new.resize(point.new_pos as usize, 0x5a);
            if decoder.jump(&point, &mut &*old, &mut &new[..]).is_err() {
                return;
            }
        }
        let used = input.used;
        let step = decoder.step(&mut input, &mut &*old, &mut &new[..]);
        assert!(input.used - used <= STEP_RESERVE, "a step used too much");
        match step {
            Ok(Step::Output { word, len }) => {
                new.extend_from_slice(&le::word_bytes(word)[..usize::from(len)]);
                assert!(new.len() <= new_len as usize);
                assert_eq!(new.len(), decoder.new_pos() as usize);
            }
            Ok(Step::Done) => {
                assert_eq!(new.len(), new_len as usize);
                return;
            }
            Ok(Step::Control | Step::Reset) => {}
            Err(_) => return,
        }
    }
    panic!("the payload does not end");
}

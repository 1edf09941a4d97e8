//! A codec whose data is the new image: what the shell around it lets through is plain
//! to see. It resets often, so that resuming has places to go on from.

use deltamote_patcher::codec::Codec;
use deltamote_patcher::format::codec::{ResumePoint, Step};
use deltamote_patcher::format::coder::Input;
use deltamote_patcher::format::isa::Code;
use deltamote_patcher::format::model::Prior;
use deltamote_patcher::format::{Error, ErrorKind, Profile};
use std::cell::RefCell;

/// See the module.
pub(crate) struct Store;

/// New bytes between resets.
const PERIOD: u32 = 200;

/// Resets in an image of `len` bytes, at most.
pub(crate) fn resets(len: u32) -> u32 {
    len / PERIOD
}

/// New bytes so far, and how many there will be.
pub(crate) struct Copied {
    pos: u32,
    new_len: u32,
    reset_due: bool,
}

thread_local! {
    /// Every byte that reached the codec in this thread since [`seen`] was asked.
    static SEEN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The bytes that reached the codec since the last call.
pub(crate) fn seen() -> Vec<u8> {
    SEEN.with(|seen| std::mem::take(&mut *seen.borrow_mut()))
}

impl Codec for Store {
    const ID: u32 = 77;
    type Decoder<'w, 'p> = Copied;
    type Coded = Result<Step, Error>;

    fn start<'w, 'p>(
        _: &'w mut [u16],
        _: Profile,
        _: u32,
        new_len: u32,
        _: Option<Prior<'p>>,
    ) -> Result<Copied, Error> {
        Ok(Copied {
            pos: 0,
            new_len,
            reset_due: false,
        })
    }

    fn step<O: Code, N: Code>(
        d: &mut Copied,
        input: &mut Input<'_>,
        _: &mut O,
        _: &mut N,
    ) -> Result<Step, Error> {
        if d.pos == d.new_len {
            return Ok(Step::Done);
        }
        if std::mem::take(&mut d.reset_due) {
            return Ok(Step::Reset);
        }
        let len = (d.new_len - d.pos).min(4) as usize;
        let mut word = 0;
        for k in 0..len {
            // Behind the end the data reads as zeros; the length tells on them.
            let byte = input.bytes.get(input.used).copied();
            SEEN.with(|seen| seen.borrow_mut().extend(byte));
            word |= u32::from(byte.unwrap_or(0)) << (8 * k);
            input.used += 1;
        }
        d.pos += len as u32;
        d.reset_due = d.pos.is_multiple_of(PERIOD) && d.pos < d.new_len;
        Ok(Step::Output {
            word,
            len: len as u8,
        })
    }

    fn step_of(_: &Copied, coded: Result<Step, Error>) -> Result<Step, Error> {
        coded
    }

    fn resume_point(d: &Copied) -> ResumePoint {
        ResumePoint {
            new_pos: d.pos,
            payload_pos: d.pos,
            op: [0; 8],
        }
    }

    fn map_ready(_: &Copied) -> bool {
        true
    }

    fn jump<O: Code, N: Code>(
        d: &mut Copied,
        point: &ResumePoint,
        _: &mut O,
        _: &mut N,
    ) -> Result<Step, Error> {
        // The data is the image: no other place goes with these bytes.
        if point.payload_pos != point.new_pos || point.new_pos >= d.new_len {
            return Err(Error::new(ErrorKind::HeaderInconsistent, point.new_pos));
        }
        d.pos = point.new_pos;
        d.reset_due = false;
        Ok(Step::Control)
    }

    fn payload_len(d: &Copied) -> u32 {
        d.pos
    }
}

//! Pieces with addresses, as HEX, S-record and UF2 files hold them, made into one image.
//!
//! Fed by those readers in file order; feeds [`super::Image`]. Pieces less than
//! [`JOIN_GAP_BYTES`] apart make one run, gaps filled with 0xFF (erased flash); the
//! longest run is the image. The rest is option words, RAM or another chip's memory.

use super::error::{self, ImageError, Place};
use super::{Reading, whole};

/// Pieces closer than this belong to the same run.
const JOIN_GAP_BYTES: u64 = 64 << 10;
/// A text file of a few MB could name addresses that span gigabytes: no such image.
const MAX_RUN_BYTES: u64 = 256 << 20;

struct Piece {
    address: u64,
    /// Where its bytes are in `Sparse::data`.
    start: usize,
    len: usize,
    /// Where the file says so, for the error of a conflict.
    place: Place,
}

impl Piece {
    fn end(&self) -> u64 {
        self.address + self.len as u64
    }
}

/// Collects the pieces of one file.
#[derive(Default)]
pub(super) struct Sparse {
    pieces: Vec<Piece>,
    data: Vec<u8>,
}

/// Pieces `from..to` of the sorted list, covering `start..end`.
struct Run {
    from: usize,
    to: usize,
    start: u64,
    end: u64,
}

impl Sparse {
    /// Adds `bytes` at `address`. Addresses are 32 bits in every format, in `u64` so
    /// that sums do not wrap.
    pub(super) fn push(&mut self, address: u32, bytes: &[u8], place: Place) {
        let address = u64::from(address);
        if let Some(last) = self.pieces.last_mut()
            && last.end() == address
        {
            last.len += bytes.len();
        } else if !bytes.is_empty() {
            self.pieces.push(Piece {
                address,
                start: self.data.len(),
                len: bytes.len(),
                place,
            });
        }
        self.data.extend_from_slice(bytes);
    }

    /// The longest run as an image; the lowest of equally long ones.
    pub(super) fn into_reading(mut self) -> Result<Reading, ImageError> {
        self.pieces.sort_by_key(|p| p.address);
        let runs = self.runs();
        let Some(best) = runs
            .iter()
            .max_by_key(|r| (r.end - r.start, std::cmp::Reverse(r.start)))
        else {
            return Err(error::empty("the file holds no data records"));
        };
        if best.end - best.start > MAX_RUN_BYTES {
            return Err(error::too_large(best.end - best.start));
        }
        let bytes = self.fill(best)?;
        let notes = runs
            .iter()
            .filter(|r| r.start != best.start)
            .map(|r| {
                format!(
                    "left out: {} bytes at {:#010x}, outside the image at {:#010x}",
                    r.end - r.start,
                    r.start,
                    best.start
                )
            })
            .collect();
        Ok(Reading {
            base: Some(best.start),
            segments: vec![whole(best.start, bytes.len())],
            bytes: Some(bytes),
            notes,
            ..Reading::default()
        })
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (i, piece) in self.pieces.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if piece.address < run.end + JOIN_GAP_BYTES => {
                    run.to = i + 1;
                    run.end = run.end.max(piece.end());
                }
                _ => runs.push(Run {
                    from: i,
                    to: i + 1,
                    start: piece.address,
                    end: piece.end(),
                }),
            }
        }
        runs
    }

    fn fill(&self, run: &Run) -> Result<Vec<u8>, ImageError> {
        let len = usize::try_from(run.end - run.start).unwrap_or(usize::MAX);
        let mut image = vec![0xff; len];
        // Pieces are sorted, so what is already written is a prefix of the run.
        let mut written = 0;
        for piece in self.pieces.get(run.from..run.to).unwrap_or_default() {
            let at = (piece.address - run.start) as usize;
            let bytes = &self.data[piece.start..][..piece.len];
            let again = written.clamp(at, at + piece.len) - at;
            if image[at..][..again] != bytes[..again] {
                return Err(ImageError::malformed(
                    piece.place,
                    format!(
                        "gives other bytes for addresses from {:#010x} than a record before",
                        piece.address
                    ),
                ));
            }
            image[at + again..at + piece.len].copy_from_slice(&bytes[again..]);
            written = written.max(at + piece.len);
        }
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(pieces: &[(u32, &[u8])]) -> Result<(u64, Vec<u8>, usize), ImageError> {
        let mut sparse = Sparse::default();
        for (i, (address, bytes)) in pieces.iter().enumerate() {
            sparse.push(*address, bytes, Place::Line(i + 1));
        }
        let r = sparse.into_reading()?;
        Ok((r.base.unwrap(), r.bytes.unwrap(), r.notes.len()))
    }

    #[test]
    fn joins_below_the_gap_only() {
        let (base, bytes, left_out) = join(&[(0x1_0000, b"b"), (0, b"a")]).unwrap();
        assert_eq!((base, bytes.len(), left_out), (0, 0x1_0001, 0));
        assert_eq!(bytes[1..0x1_0000], vec![0xff; 0xffff]);
        let (base, bytes, left_out) = join(&[(0, b"a"), (0x1_0001, b"bc")]).unwrap();
        assert_eq!(
            (base, bytes.as_slice(), left_out),
            (0x1_0001, &b"bc"[..], 1)
        );
    }

    #[test]
    fn lowest_of_equal_runs_and_none_at_all() {
        let (base, ..) = join(&[(0x2000_0000, b"x"), (0x0800_0000, b"y")]).unwrap();
        assert_eq!(base, 0x0800_0000);
        assert!(join(&[]).is_err());
        assert!(join(&[(5, b"")]).is_err());
    }

    #[test]
    fn overlap_must_agree() {
        let (_, bytes, _) = join(&[(0, b"abcd"), (8, b"x"), (2, b"cdef")]).unwrap();
        assert_eq!(bytes, b"abcdef\xff\xffx");
        let e = join(&[(0, b"abcd"), (1, b"xx")]).unwrap_err();
        assert_eq!(e.place(), Place::Line(2));
    }

    #[test]
    fn the_top_of_memory() {
        let (base, bytes, _) = join(&[(0xffff_fffe, b"ab")]).unwrap();
        assert_eq!((base, bytes.as_slice()), (0xffff_fffe, &b"ab"[..]));
    }
}

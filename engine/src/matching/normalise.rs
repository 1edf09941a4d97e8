//! An image with the targets of its far references blanked.
//!
//! Short branches and Thumb literals keep theirs: they rarely change when code moves,
//! and say a lot about where it is.

use crate::survey::References;
use deltamote_format::codec::Header;
use deltamote_format::isa::{Isa, Kind};
use deltamote_format::le;

/// A copy of `image` in which references that move with the layout are blank.
pub fn normalised(image: &[u8], references: &References, header: &Header) -> Vec<u8> {
    let mut out = image.to_vec();
    for known in &references.known {
        let far = match known.reference.kind {
            Kind::Call | Kind::Jump | Kind::Page | Kind::Low => true,
            Kind::Literal => {
                let at = known.at.min(header.new_len.saturating_sub(1));
                header.region_at(at).isa != Isa::Thumb
            }
            Kind::Pointer | Kind::Ram => true,
            Kind::Branch | Kind::Plain => false,
        };
        if !far {
            continue;
        }
        let at = known.at as usize;
        let word = if matches!(known.reference.kind, Kind::Pointer | Kind::Ram) {
            // The top byte tells pointers into different spaces apart.
            0x0003_0201 | u32::from(image[at + 3]) << 24
        } else {
            known.blank
        };
        let len = usize::from(known.reference.len);
        out[at..at + len].copy_from_slice(&le::word_bytes(word)[..len]);
    }
    out
}

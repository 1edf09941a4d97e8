//! Which of two predictions to believe, learned from what became of earlier ones.
//!
//! Two questions have no answer in the images: whether an aligned word that looks like
//! a pointer is one (two Thumb instructions or a plain number can look the same), and
//! whether a reference moved as the map says or as the nearest correction did. Each is
//! answered by adaptive flags of a few classes; nothing is coded for it. SPEC §6.8.

use super::corrections::{Confidence, disagrees};
use super::header::Space;
use super::map::Stretch;
use super::predict::Prediction;
use super::{Codec, bit, magnitude};
use crate::isa::{Code, Isa, Kind};
use crate::logistic::stretch;

/// A word is taken for a pointer unless both its classes say otherwise: sum of the
/// stretched probabilities; about -0.44 nats.
const LEAST_POINTER: i32 = -7;
/// Probability (of 4096) from which a neighbour is believed before the map.
const LEAST_NEIGHBOUR: u16 = 2600;

/// The prediction that was not taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rival {
    /// Adaptive flag that decided, true for the neighbour.
    which: usize,
    /// Whether the neighbour was taken.
    neighbour: bool,
    /// Target by the other.
    target: u32,
}

/// A target as predicted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub target: u32,
    pub confidence: Confidence,
    pub rival: Option<Rival>,
}

/// Targets that all moved by the same distance: what the map, the corrections around
/// them and the spaces say. Most references point near where the one before did.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Straight {
    /// The first of them, an address in the old image.
    start: u32,
    /// How many there are.
    len: u32,
    /// New minus old address, wrapping.
    shift: u32,
}

impl Moved {
    pub(super) fn certain(target: u32, confidence: Confidence) -> Moved {
        Moved {
            target,
            confidence,
            rival: None,
        }
    }
}

impl Codec<'_, '_> {
    /// Where the target `target` of an old reference of kind `kind` is now.
    pub(super) fn moved(&self, target: u32, kind: Kind) -> Moved {
        let last = self.straight.get();
        if target.wrapping_sub(last.start) < last.len && kind != Kind::Ram {
            return Moved::certain(target.wrapping_add(last.shift), Confidence::Map);
        }
        let above = self.corrections.at_or_above(target);
        if let Some(new) = self.corrections.exact(target, above) {
            return Moved::certain(new, Confidence::Exact);
        }
        let mapped = if kind == Kind::Ram {
            None
        } else {
            self.header.old_offset(target)
        };
        let Some((offset, space)) = mapped else {
            let (target, confidence) = self.corrections.nearest(target, above);
            return Moved::certain(target, confidence);
        };
        let stretch = self.map.stretch(offset);
        let fallback = target.wrapping_add(stretch.shift);
        let now = offset.wrapping_add(stretch.shift);
        let by_map = self.header.new_address(now, space, fallback);
        // A neighbour beyond the next map entry moved for other reasons.
        let inside = |distance: u32| {
            let at = offset.wrapping_add(distance);
            at >= stretch.start && at < stretch.end
        };
        let Some((shift, class)) = self.corrections.neighbour(target, above, inside) else {
            self.go_straight(target, above, offset, space, stretch);
            return Moved::certain(by_map, Confidence::Map);
        };
        let by_neighbour = target.wrapping_add(shift);
        if by_neighbour == by_map {
            if !disagrees(class) {
                self.go_straight(target, above, offset, space, stretch);
            }
            return Moved::certain(by_map, Confidence::Map);
        }
        let which = bit::NEIGHBOUR + class;
        let neighbour = self.models.probability(which) >= LEAST_NEIGHBOUR;
        let rival = |target| {
            Some(Rival {
                which,
                neighbour,
                target,
            })
        };
        if neighbour {
            Moved {
                target: by_neighbour,
                confidence: Confidence::Guess,
                rival: rival(by_map),
            }
        } else {
            Moved {
                target: by_map,
                confidence: Confidence::Map,
                rival: rival(by_neighbour),
            }
        }
    }

    /// Keeps the targets around `target` that the map answers for and that moved like it.
    /// Where it is not obvious which they are, none.
    fn go_straight(&self, target: u32, above: usize, offset: u32, space: &Space, stretch: Stretch) {
        // Of several spaces another one may answer.
        let alone = self.header.spaces().len() == 1;
        let Some(_) = space
            .old
            .address
            .checked_add(space.old.len)
            .filter(|_| alone)
        else {
            return;
        };
        let (below, above) = self.corrections.between(target, above);
        // Offsets from the target down to the first, and up to the one behind the last.
        let new = offset
            .wrapping_add(stretch.shift)
            .wrapping_sub(space.new.offset);
        if new >= space.new.len {
            return;
        }
        let down = (offset - stretch.start.max(space.old.offset))
            .min(below)
            .min(new);
        let old_end = space.old.offset.wrapping_add(space.old.len);
        let up = (stretch.end.min(old_end) - offset)
            .min(above)
            .min(space.new.len - new);
        self.straight.set(Straight {
            start: target.wrapping_sub(down),
            len: down.wrapping_add(up),
            shift: self
                .header
                .new_address(offset.wrapping_add(stretch.shift), space, 0)
                .wrapping_sub(target),
        });
    }

    /// Learns from `p`, whose unit turned out to be `word`, which target to believe.
    pub(super) fn judge<N: Code>(&mut self, new: &mut N, p: &Prediction, word: u32) {
        if let Some(rival) = p.rival {
            let hit = word == p.word;
            if hit && p.changed() {
                self.models.learn_bit(rival.which, rival.neighbour);
            } else if !hit && self.target_of(new, p, word) == Some(rival.target) {
                self.models.learn_bit(rival.which, !rival.neighbour);
            }
        }
        if let Some((reference, moved)) = p.reference
            && reference.kind == Kind::Pointer
            && moved != reference.target
        {
            let is_pointer = word != p.source_word;
            for which in self.pointer_classes(p.source_word) {
                self.models.learn_bit(which, is_pointer);
            }
        }
    }

    /// Whether the aligned old word `word`, which could be a pointer, is likely to be one.
    pub(super) fn is_pointer(&self, word: u32) -> bool {
        let mut votes = 0;
        for class in self.pointer_classes(word) {
            votes += stretch(self.models.probability(class));
        }
        votes >= LEAST_POINTER
    }

    /// The adaptive flags that know about words like `word`: by its form (in Thumb the
    /// top of its first halfword is the opcode) and by where it would point.
    fn pointer_classes(&self, word: u32) -> [usize; 2] {
        let form = match self.isa {
            Isa::Thumb => word >> 11 & 31,
            _ => (word & 3) << 3 | word >> 12 & 7,
        };
        let place = self.header.old_offset(word).map_or(0, |(offset, _)| {
            let shift = magnitude(self.header.old_len).saturating_sub(bit::PLACES_LOG2);
            offset >> shift
        });
        let place = (place as usize).min(bit::PLACES - 1);
        [bit::FORM + form as usize, bit::PLACE + place]
    }
}

//! Which of two predictions to believe, learned from what became of earlier ones.
//!
//! Two questions have no answer in the images: whether an aligned word that looks like
//! a pointer is one (two Thumb instructions or a plain number can look the same), and
//! whether a reference moved as the map says or as the nearest correction did. Each is
//! answered by adaptive flags of a few classes; nothing is coded for it. SPEC §6.8.

use super::corrections::{Confidence, disagrees};
use super::header::Space;
use super::map::Stretch;
use super::straight::Straight;
use super::{Codec, Images, Position, bit, magnitude};
use crate::isa::{Code, Isa, Kind, Reference};

/// A word is taken for a pointer unless both its classes say otherwise: sum of the
/// stretched probabilities; about -0.44 nats.
const LEAST_POINTER: i32 = -7;
/// Probability (of 4096) from which a neighbour is believed before the map.
const LEAST_NEIGHBOUR: u16 = 2600;

/// The prediction that was not taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rival {
    /// Adaptive flag that decided, true for the neighbour; 0 where there is no rival.
    which: u8,
    /// Whether the neighbour was taken.
    neighbour: bool,
    /// Target by the other.
    target: u32,
}

impl Rival {
    /// Nothing else was possible.
    pub(super) const NONE: Rival = Rival {
        which: 0,
        neighbour: false,
        target: 0,
    };
}

const _: () = assert!(bit::NEIGHBOUR > 0 && bit::COUNT <= 256);

impl Codec<'_, '_> {
    /// Where the target `target` of an old reference of kind `kind` is now, and how sure that
    /// is. `rival` is set where there is one.
    pub(super) fn moved(&self, target: u32, kind: Kind, rival: &mut Rival) -> (u32, Confidence) {
        if kind != Kind::Ram
            && let Some(new) = self.straight.get(target)
        {
            return (new, Confidence::Map);
        }
        let above = self.corrections.at_or_above(target);
        if let Some(new) = self.corrections.exact(target, above) {
            return (new, Confidence::Exact);
        }
        let mapped = if kind == Kind::Ram {
            None
        } else {
            self.header.old_offset(target)
        };
        let Some((offset, space)) = mapped else {
            let (shift, confidence) = self.corrections.shift(target, above);
            return (target.wrapping_add(shift), confidence);
        };
        let stretch = self.map.stretch(offset);
        let fallback = target.wrapping_add(stretch.shift);
        let now = offset.wrapping_add(stretch.shift);
        let by_map = self.header.new_address(now, space, fallback);
        // A neighbour beyond the next map entry moved for other reasons.
        let first = target.wrapping_sub(offset - stretch.start);
        let count = stretch.end - stretch.start;
        let neighbour = self.corrections.neighbour(target, above, (first, count));
        let Some((shift, class)) = neighbour else {
            self.go_straight(target, above, offset, space, stretch);
            return (by_map, Confidence::Map);
        };
        let by_neighbour = target.wrapping_add(shift);
        if by_neighbour == by_map {
            if !disagrees(class) {
                self.go_straight(target, above, offset, space, stretch);
            }
            return (by_map, Confidence::Map);
        }
        let which = bit::NEIGHBOUR + class;
        *rival = Rival {
            which: which as u8,
            neighbour: self.models.probability(which) >= LEAST_NEIGHBOUR,
            target: by_neighbour,
        };
        if rival.neighbour {
            rival.target = by_map;
            return (by_neighbour, Confidence::Guess);
        }
        (by_map, Confidence::Map)
    }

    /// Keeps the targets around `target` that the map answers for and that moved like it.
    /// Where it is not obvious which they are, none.
    fn go_straight(&self, target: u32, above: usize, offset: u32, space: &Space, stretch: Stretch) {
        // Of several spaces another one may answer.
        let alone = Straight::KEPT && self.header.spaces().len() == 1;
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
        let start = target.wrapping_sub(down);
        let now = offset.wrapping_add(stretch.shift);
        let shift = self.header.new_address(now, space, 0).wrapping_sub(target);
        self.straight.set(start, down.wrapping_add(up), shift);
    }

    /// The target of the unit `word` at the current place, if it is a reference like
    /// `p`'s.
    pub(super) fn target_of<O: ?Sized, N: Code + ?Sized>(
        &self,
        images: &mut Images<'_, O, N>,
        word: u32,
    ) -> Option<u32> {
        let p = &self.unit;
        if matches!(p.kind(), Kind::Pointer | Kind::Ram) {
            return Some(word);
        }
        let pc = self.header.address(Position::New(self.pos));
        let mut found = Reference::NONE;
        self.isa
            .decode_last((word, p.len), images.new, self.pos, pc, &mut found);
        (found.kind == p.kind() && u32::from(found.len) == p.len).then_some(found.target)
    }

    /// Learns from what the unit, copied from the old image, turned out to be: `word`. Which
    /// target to believe, and where this one is now.
    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn learn<O: ?Sized, N: Code + ?Sized>(
        &mut self,
        images: &mut Images<'_, O, N>,
        word: u32,
    ) {
        let kind = self.unit.kind();
        if kind == Kind::Plain {
            return;
        }
        let hit = word == self.unit.word;
        let mut target = None;
        if !hit || kind == Kind::Ram {
            target = self.target_of(images, word);
        }
        let rival = self.unit.rival;
        if rival.which != 0 {
            let right = if hit {
                self.unit.changed()
            } else {
                target == Some(rival.target)
            };
            if right {
                let neighbour = rival.neighbour == hit;
                self.models.learn_bit(rival.which.into(), neighbour);
            }
        }
        let old = self.unit.reference.target;
        if kind == Kind::Pointer && self.unit.target != old {
            let source_word = self.unit.source_word;
            let (form, place) = self.pointer_classes(source_word);
            self.models.learn_bit(form, word != source_word);
            self.models.learn_bit(place, word != source_word);
        }
        // A page alone is half an address; short references say nothing about others.
        if let Some(new) = target
            && !matches!(kind, Kind::Page | Kind::Literal | Kind::Branch)
        {
            self.straight.forget();
            self.corrections.learn(old, new);
        }
    }

    /// Whether the aligned old word `word`, which could be a pointer, is likely to be one.
    pub(super) fn is_pointer(&self, word: u32) -> bool {
        let (form, place) = self.pointer_classes(word);
        self.models.vote(form) + self.models.vote(place) >= LEAST_POINTER
    }

    /// The adaptive flags that know about words like `word`: by its form (in Thumb the
    /// top of its first halfword is the opcode) and by where it would point.
    #[cfg_attr(feature = "small-code", inline(never))]
    fn pointer_classes(&self, word: u32) -> (usize, usize) {
        let form = match self.isa {
            Isa::Thumb => word >> 11 & 31,
            _ => (word & 3) << 3 | word >> 12 & 7,
        };
        let place = self.header.old_offset(word).map_or(0, |(offset, _)| {
            let shift = magnitude(self.header.old_len).saturating_sub(bit::PLACES_LOG2);
            offset >> shift
        });
        let place = (place as usize).min(bit::PLACES - 1);
        (bit::FORM + form as usize, bit::PLACE + place)
    }
}

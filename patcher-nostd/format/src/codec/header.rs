//! The payload header: where the images lie in memory and what runs where.
//!
//! First thing in a payload; read by every prediction. Found by the engine from the
//! images, so a decoder never guesses. SPEC §6.6.

use super::{Entry, Position};
use crate::coder::{Coder, Section};
use crate::isa::{Isa, Kind, Reference};
use core::num::NonZeroU8;

/// Most address spaces of a header.
pub const MAX_SPACES: usize = 8;
/// Most value ranges of a header.
pub const MAX_RANGES: usize = 8;
/// Most instruction-set regions of a header.
pub const MAX_REGIONS: usize = 8;
/// What [`Header::reset_log2`] may be, besides 0.
pub const RESET_LOG2: core::ops::RangeInclusive<u8> = 12..=31;

/// A stretch of one image: file offsets on one side, virtual addresses on the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extent {
    /// File offset of its first byte.
    pub offset: u32,
    /// Virtual address of its first byte.
    pub address: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Extent {
    const NONE: Extent = Extent {
        offset: 0,
        address: 0,
        len: 0,
    };

    #[inline]
    fn address_of(&self, offset: u32) -> Option<u32> {
        let inside = offset.wrapping_sub(self.offset);
        (inside < self.len).then(|| self.address.wrapping_add(inside))
    }
}

/// The same segment in the old and in the new image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Space {
    /// Where it lies in the old image.
    pub old: Extent,
    /// Where it lies in the new image.
    pub new: Extent,
}

/// Values of words that point outside the image (RAM, peripherals).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ValueRange {
    /// First value, a multiple of 4096.
    pub start: u32,
    /// Count of values, a multiple of 4096.
    pub len: u32,
}

/// New offsets up to `end` hold code of `isa`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// First new offset behind the region.
    pub end: u32,
    /// Instruction set of the region.
    pub isa: Isa,
}

/// Parts of the header that are coded in one step each: a list, and where in it. Behind the
/// last item of a list comes how many the next one has.
const PARTS: u8 = 16;
const REGIONS: u8 = PARTS;
const SPACES: u8 = 2 * PARTS;
const RANGES: u8 = 3 * PARTS;
/// The part that is coded first.
pub(super) const FIRST_PART: u8 = 0;
/// What comes behind the last part.
pub(super) const LAST_PART: u8 = 4 * PARTS;

/// Everything in front of the map.
// Arrays behind: a Cortex-M reaches what is in front with short instructions.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Header {
    region_count: u8,
    space_count: u8,
    range_count: u8,
    /// Words that lie in a space at address 0 count as pointers too (from 0x200 on).
    pub zero_based: bool,
    /// Long inline copies enter the map while decoding.
    pub learn_map: bool,
    /// Models are reset at multiples of `1 << reset_log2` new bytes ([`RESET_LOG2`]); 0:
    /// never.
    pub reset_log2: u8,
    /// Size of the old image in bytes; from the manifest, not in the payload.
    pub old_len: u32,
    /// Size of the new image in bytes; from the manifest, not in the payload.
    pub new_len: u32,
    /// Entries of the equivalence map that follow.
    pub map_len: u32,
    regions: [Region; MAX_REGIONS],
    ranges: [ValueRange; MAX_RANGES],
    spaces: [Space; MAX_SPACES],
}

fn push<T: Copy>(list: &mut [T], count: &mut u8, item: T) -> bool {
    match list.get_mut(usize::from(*count)) {
        Some(place) => {
            *place = item;
            *count += 1;
            true
        }
        None => false,
    }
}

/// A number in nibbles, low first, each in front of a bit that says one follows.
#[cfg_attr(feature = "small-code", inline(never))]
fn nibbles<C: Coder>(coder: &mut C, value: u32) -> u32 {
    let value = C::truth(value);
    let mut result = 0u32;
    let mut shift = 0;
    while shift < 32 {
        let rest = value >> shift;
        let five = bits(coder, 5, (rest & 15) << 1 | u32::from(rest > 15));
        result |= (five >> 1) << shift;
        shift += 4;
        if five & 1 == 0 {
            break;
        }
    }
    result
}

/// `count` even bits, high first.
#[cfg_attr(feature = "small-code", inline(never))]
fn bits<C: Coder>(coder: &mut C, count: u32, value: u32) -> u32 {
    let value = C::truth(value);
    let mut result = 0;
    for k in (0..count).rev() {
        let bit = coder.bit(value >> k & 1 != 0, 1 << 15);
        result = result << 1 | u32::from(bit);
    }
    result
}

#[cfg_attr(feature = "small-code", inline(never))]
fn flag<C: Coder>(coder: &mut C, value: bool) -> bool {
    coder.bit(value, 1 << 15)
}

/// An address: addresses end in zeros, so their count comes first.
fn address<C: Coder>(coder: &mut C, value: u32) -> u32 {
    let value = C::truth(value);
    let zeros = (value.trailing_zeros() / 4).min(7);
    let zeros = bits(coder, 3, zeros);
    nibbles(coder, value >> (4 * zeros)) << (4 * zeros)
}

/// Bit `n` is set where one of the `len` values from `start` on may have `n` in its top five
/// bits.
#[inline]
fn tops_of(start: u32, len: u32) -> u32 {
    let more = (start & 0x07ff_ffff).saturating_add(len) >> 27;
    (u32::MAX >> (31 - more)).rotate_left(start >> 27)
}

impl Header {
    /// All zero: to put that in its place takes little.
    pub(super) const BLANK: Header = Header {
        region_count: 0,
        space_count: 0,
        range_count: 0,
        zero_based: false,
        learn_map: false,
        reset_log2: 0,
        old_len: 0,
        new_len: 0,
        map_len: 0,
        regions: [Region {
            end: 0,
            isa: Isa::None,
        }; MAX_REGIONS],
        ranges: [ValueRange { start: 0, len: 0 }; MAX_RANGES],
        spaces: [Space {
            old: Extent::NONE,
            new: Extent::NONE,
        }; MAX_SPACES],
    };

    /// A header without spaces, ranges and map: all code is `isa`.
    #[inline]
    pub fn new(old_len: u32, new_len: u32, isa: Isa) -> Self {
        let region = Region { end: new_len, isa };
        Header {
            old_len,
            new_len,
            regions: [region; MAX_REGIONS],
            region_count: 1,
            learn_map: true,
            ..Header::BLANK
        }
    }

    /// Address spaces.
    #[inline]
    pub fn spaces(&self) -> &[Space] {
        first(&self.spaces, self.space_count)
    }

    /// Value ranges.
    #[inline]
    pub fn ranges(&self) -> &[ValueRange] {
        first(&self.ranges, self.range_count)
    }

    /// Instruction-set regions, ascending; the last ends at `new_len`.
    #[inline]
    pub fn regions(&self) -> &[Region] {
        first(&self.regions, self.region_count)
    }

    /// The header with the first [`MAX_SPACES`] of `spaces` for address spaces.
    #[must_use]
    pub fn with_spaces(mut self, spaces: &[Space]) -> Self {
        self.space_count = 0;
        for &space in spaces.iter().take(MAX_SPACES) {
            push(&mut self.spaces, &mut self.space_count, space);
        }
        self
    }

    /// Adds a value range; false when there is no room.
    pub fn push_range(&mut self, range: ValueRange) -> bool {
        push(&mut self.ranges, &mut self.range_count, range)
    }

    /// Replaces the value ranges by the first [`MAX_RANGES`] of `ranges`.
    pub fn set_ranges(&mut self, ranges: &[ValueRange]) {
        self.range_count = 0;
        for &range in ranges.iter().take(MAX_RANGES) {
            self.push_range(range);
        }
    }

    /// Replaces the regions; false (and unchanged) when there are none, too many, not
    /// ascending, or the last does not end at `new_len`.
    pub fn set_regions(&mut self, regions: &[Region]) -> bool {
        let ascending = regions.windows(2).all(|w| match w {
            [a, b] => a.end < b.end,
            _ => true,
        });
        let ends = regions.last().is_some_and(|r| r.end == self.new_len);
        if !ascending || !ends || regions.len() > MAX_REGIONS {
            return false;
        }
        self.region_count = 0;
        for &region in regions {
            push(&mut self.regions, &mut self.region_count, region);
        }
        true
    }

    /// The header with its largest region everywhere.
    #[must_use]
    pub fn with_main_region(&self) -> Self {
        let mut start = 0;
        let mut largest = (0, Isa::None);
        for region in self.regions() {
            let len = region.end.wrapping_sub(start);
            if len > largest.0 {
                largest = (len, region.isa);
            }
            start = region.end;
        }
        let mut single = self.clone();
        single.set_regions(&[Region {
            end: self.new_len,
            isa: largest.1,
        }]);
        single
    }

    /// Bit `n` is set when instruction set number `n` occurs.
    pub fn isa_mask(&self) -> u32 {
        self.regions().iter().fold(0, |m, r| m | 1 << r.isa as u32)
    }

    /// Whether the whole image is one space that starts at file offset 0.
    fn is_whole(&self) -> bool {
        match self.spaces() {
            [only] => {
                let whole = |len| Extent {
                    offset: 0,
                    address: only.old.address,
                    len,
                };
                *only
                    == Space {
                        old: whole(self.old_len),
                        new: whole(self.new_len),
                    }
            }
            _ => false,
        }
    }

    /// Codes part `part` of the header, and says which comes after it; `None` where that
    /// contradicts the rest. In parts, so that none needs more payload bytes than a step may.
    /// Lengths of the images are known to both sides. What may be a pointer now is added to
    /// `tops`: bit `n` is set where an aligned old word with `n` in its top five bits may be
    /// one. `end` is where the last space ends.
    #[cfg_attr(feature = "small-code", inline(never))]
    pub(super) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        mut part: u8,
        tops: &mut u32,
        end: &mut Entry,
    ) -> Option<NonZeroU8> {
        coder.section(Section::Header);
        let k = part % PARTS;
        let next = part - k + PARTS;
        let (start, len) = match part - k {
            REGIONS if k < self.region_count => {
                self.code_region(coder, k)?;
                return NonZeroU8::new(part + 1);
            }
            SPACES if k < self.space_count => self.code_space(coder, k, end)?,
            RANGES if k < self.range_count => {
                let range = self.ranges.get_mut(usize::from(k))?;
                range.start = address(coder, range.start);
                range.len = address(coder, range.len);
                (range.start, range.len)
            }
            FIRST_PART => {
                self.zero_based = flag(coder, self.zero_based);
                self.learn_map = flag(coder, self.learn_map);
                self.reset_log2 = if flag(coder, self.reset_log2 != 0) {
                    bits(coder, 5, u32::from(self.reset_log2)) as u8
                } else {
                    0
                };
                let others = u32::from(self.region_count.wrapping_sub(1)) & 7;
                self.region_count = bits(coder, 3, others) as u8 + 1;
                return NonZeroU8::new(next);
            }
            REGIONS => {
                if !flag(coder, self.is_whole()) {
                    self.space_count = bits(coder, 4, u32::from(self.space_count)) as u8;
                    return fits(next, self.space_count, MAX_SPACES);
                }
                let only = self.spaces.first_mut()?;
                let address = address(coder, only.old.address);
                let whole = |len| Extent {
                    offset: 0,
                    address,
                    len,
                };
                (only.old, only.new) = (whole(self.old_len), whole(self.new_len));
                self.space_count = 1;
                part = next;
                (address, self.old_len)
            }
            SPACES => {
                self.range_count = bits(coder, 4, u32::from(self.range_count)) as u8;
                return fits(next, self.range_count, MAX_RANGES);
            }
            _ => {
                self.map_len = nibbles(coder, self.map_len);
                return NonZeroU8::new(next);
            }
        };
        *tops |= tops_of(start, len);
        NonZeroU8::new(part + 1)
    }

    fn code_region<C: Coder>(&mut self, coder: &mut C, index: u8) -> Option<()> {
        let before = self.regions.get(usize::from(index).wrapping_sub(1));
        let start = before.map_or(0, |before| before.end);
        let region = self.regions.get_mut(usize::from(index))?;
        let isa = Isa::from_wire(bits(coder, 3, region.isa as u32));
        region.isa = isa.filter(|isa| isa.is_built_in())?;
        region.end = if index + 1 == self.region_count {
            self.new_len
        } else {
            start.wrapping_add(nibbles(coder, region.end.wrapping_sub(start)))
        };
        (start <= region.end && region.end <= self.new_len).then_some(())
    }

    /// Gives the old addresses of the space: the first, and how many there are.
    fn code_space<C: Coder>(
        &mut self,
        coder: &mut C,
        index: u8,
        end: &mut Entry,
    ) -> Option<(u32, u32)> {
        let Space { old, new } = self.spaces.get_mut(usize::from(index))?;
        old.address = address(coder, old.address);
        let gap = nibbles(coder, old.offset.wrapping_sub(end.old));
        old.offset = end.old.checked_add(gap)?;
        old.len = nibbles(coder, old.len);
        new.address = if flag(coder, new.address != old.address) {
            address(coder, new.address)
        } else {
            old.address
        };
        let same_gap = end.new.checked_add(gap)?;
        new.offset = if flag(coder, new.offset != same_gap) {
            nibbles(coder, new.offset)
        } else {
            same_gap
        };
        new.len = if flag(coder, new.len != old.len) {
            nibbles(coder, new.len)
        } else {
            old.len
        };
        end.old = old.offset.checked_add(old.len)?;
        end.new = new.offset.checked_add(new.len)?;
        Some((old.address, old.len))
    }

    /// What the aligned old word `value` points at, if it is a pointer.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    pub fn word_kind(&self, value: u32) -> Kind {
        let low = u32::from(self.zero_based && value >= 0x200);
        for space in self.spaces() {
            let usable = (space.old.address | low) != 0;
            if usable && value.wrapping_sub(space.old.address) < space.old.len {
                return Kind::Pointer;
            }
        }
        for range in self.ranges() {
            if value.wrapping_sub(range.start) < range.len {
                return Kind::Ram;
            }
        }
        Kind::Plain
    }

    /// The aligned old word `value` as a reference, of [`Kind::Plain`] if it is no pointer.
    #[inline]
    pub fn pointer(&self, value: u32) -> Reference {
        Reference {
            len: 4,
            kind: self.word_kind(value),
            target: value,
            partner: 0,
        }
    }

    /// Virtual address of file offset `at`; the offset itself outside all spaces.
    #[inline]
    pub fn address(&self, at: Position) -> u32 {
        let (offset, new) = match at {
            Position::Old(offset) => (offset, false),
            Position::New(offset) => (offset, true),
        };
        self.locate(offset, new, false).1
    }

    /// File offset in the old image of virtual address `address`, and its space.
    #[inline]
    pub fn old_offset(&self, address: u32) -> Option<(u32, &Space)> {
        let (space, offset) = self.locate(address, false, true);
        Some((offset, space?))
    }

    /// Virtual address in the new image of what was in `space` and now lies at
    /// `offset`; `fallback` outside all spaces.
    #[inline]
    pub fn new_address(&self, offset: u32, space: &Space, fallback: u32) -> u32 {
        if let Some(address) = space.new.address_of(offset) {
            return address;
        }
        let (space, address) = self.locate(offset, true, false);
        space.map_or(fallback, |_| address)
    }

    /// The space that `value` is in, an address or else an offset, of the new or else the old
    /// image, and the offset or address that belongs to it; `value` itself outside all spaces.
    // One search for all: on a device that is less code.
    #[cfg_attr(feature = "small-code", inline(never))]
    #[cfg_attr(not(feature = "small-code"), inline)]
    fn locate(&self, value: u32, new: bool, is_address: bool) -> (Option<&Space>, u32) {
        for space in self.spaces() {
            let extent = if new { &space.new } else { &space.old };
            let (mut from, mut to) = (extent.offset, extent.address);
            if is_address {
                (from, to) = (to, from);
            }
            let inside = value.wrapping_sub(from);
            if inside < extent.len {
                return (Some(space), to.wrapping_add(inside));
            }
        }
        (None, value)
    }

    /// Instruction set at new offset `at`, and where its region ends.
    #[inline]
    pub fn region_at(&self, at: u32) -> Region {
        let mut found = Region {
            end: self.new_len,
            isa: Isa::None,
        };
        for region in self.regions() {
            if at < region.end {
                found = *region;
                break;
            }
        }
        found
    }
}

/// Part `next`, if a list that is not longer than `most` has `count` items.
#[inline]
fn fits(next: u8, count: u8, most: usize) -> Option<NonZeroU8> {
    NonZeroU8::new(next).filter(|_| usize::from(count) <= most)
}

/// The first `count` of `all`, as many as there are at most.
#[inline]
fn first<const N: usize, T>(all: &[T; N], count: u8) -> &[T] {
    all.get(..usize::from(count).min(N)).unwrap_or(&[])
}

//! The payload header: where the images lie in memory and what runs where.
//!
//! First thing in a payload; read by every prediction. Found by the engine from the
//! images, so a decoder never guesses. SPEC §6.6.

use super::Position;
use crate::coder::{Coder, Section};
use crate::isa::{Isa, Kind, Reference};
use crate::{Error, ErrorKind};

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
    #[inline]
    fn address_of(&self, offset: u32) -> Option<u32> {
        let inside = offset.wrapping_sub(self.offset);
        (inside < self.len).then(|| self.address.wrapping_add(inside))
    }

    #[inline]
    fn offset_of(&self, address: u32) -> Option<u32> {
        let inside = address.wrapping_sub(self.address);
        (inside < self.len).then(|| self.offset.wrapping_add(inside))
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

/// A part of the header that is coded in one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Flags,
    Regions,
    SpaceCount,
    /// The space of this index, or behind the last one how many ranges there are.
    Space(u8),
    /// The range of this index, or behind the last one how many map entries there are.
    Range(u8),
}

/// Everything in front of the map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Size of the old image in bytes; from the manifest, not in the payload.
    pub old_len: u32,
    /// Size of the new image in bytes; from the manifest, not in the payload.
    pub new_len: u32,
    spaces: [Space; MAX_SPACES],
    space_count: u8,
    ranges: [ValueRange; MAX_RANGES],
    range_count: u8,
    regions: [Region; MAX_REGIONS],
    region_count: u8,
    /// Words that lie in a space at address 0 count as pointers too (from 0x200 on).
    pub zero_based: bool,
    /// Long inline copies enter the map while decoding.
    pub learn_map: bool,
    /// Models are reset at multiples of `1 << reset_log2` new bytes ([`RESET_LOG2`]); 0:
    /// never.
    pub reset_log2: u8,
    /// Entries of the equivalence map that follow.
    pub map_len: u32,
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

/// A number in nibbles, low first, each behind a bit that says one follows.
fn nibbles<C: Coder>(coder: &mut C, value: u32) -> u32 {
    let mut result = 0u32;
    let mut shift = 0;
    loop {
        let rest = value.checked_shr(shift).unwrap_or(0);
        result |= bits(coder, 4, rest & 15) << shift;
        shift += 4;
        let more = coder.bit(rest > 15, 1 << 15);
        if !more || shift >= 32 {
            return result;
        }
    }
}

/// `count` even bits, high first.
fn bits<C: Coder>(coder: &mut C, count: u32, value: u32) -> u32 {
    let mut result = 0;
    for k in (0..count).rev() {
        let bit = coder.bit(value >> k & 1 != 0, 1 << 15);
        result = result << 1 | u32::from(bit);
    }
    result
}

fn flag<C: Coder>(coder: &mut C, value: bool) -> bool {
    coder.bit(value, 1 << 15)
}

/// An address: addresses end in zeros, so their count comes first.
fn address<C: Coder>(coder: &mut C, value: u32) -> u32 {
    let zeros = (value.trailing_zeros() / 4).min(7);
    let zeros = bits(coder, 3, zeros);
    nibbles(coder, value >> (4 * zeros)) << (4 * zeros)
}

/// Bit `n` is set where one of the `len` values from `start` on may have `n` in its top five
/// bits.
#[cfg_attr(feature = "small-code", inline(never))]
fn tops_of(start: u32, len: u32) -> u32 {
    let mut tops = 0u32;
    let mut left = (start & 0x07ff_ffff).saturating_add(len) >> 27;
    let mut top = start >> 27;
    loop {
        tops |= 1 << (top & 31);
        if left == 0 {
            return tops;
        }
        (top, left) = (top + 1, left - 1);
    }
}

impl Header {
    /// A header without spaces, ranges and map: all code is `isa`.
    #[inline]
    pub fn new(old_len: u32, new_len: u32, isa: Isa) -> Self {
        let region = Region { end: new_len, isa };
        Header {
            old_len,
            new_len,
            spaces: [Space::default(); MAX_SPACES],
            space_count: 0,
            ranges: [ValueRange::default(); MAX_RANGES],
            range_count: 0,
            regions: [region; MAX_REGIONS],
            region_count: 1,
            zero_based: false,
            learn_map: true,
            reset_log2: 0,
            map_len: 0,
        }
    }

    /// Address spaces.
    pub fn spaces(&self) -> &[Space] {
        self.spaces
            .get(..usize::from(self.space_count))
            .unwrap_or(&[])
    }

    /// Value ranges.
    pub fn ranges(&self) -> &[ValueRange] {
        self.ranges
            .get(..usize::from(self.range_count))
            .unwrap_or(&[])
    }

    /// Instruction-set regions, ascending; the last ends at `new_len`.
    pub fn regions(&self) -> &[Region] {
        self.regions
            .get(..usize::from(self.region_count))
            .unwrap_or(&[])
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

    /// Codes the next part of the header, and says which comes after it; `None` after
    /// the last. In parts, so that none needs more payload bytes than a step may.
    /// Lengths of the images are known to both sides.
    pub(super) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        part: Part,
    ) -> Result<Option<Part>, Error> {
        coder.section(Section::Header);
        let next = match part {
            Part::Flags => {
                self.zero_based = flag(coder, self.zero_based);
                self.learn_map = flag(coder, self.learn_map);
                self.reset_log2 = if flag(coder, self.reset_log2 != 0) {
                    bits(coder, 5, u32::from(self.reset_log2)) as u8
                } else {
                    0
                };
                Some(Some(Part::Regions))
            }
            Part::Regions => self.code_regions(coder).map(|()| Some(Part::SpaceCount)),
            Part::SpaceCount => self.code_space_count(coder).map(Some),
            Part::Space(k) if k < self.space_count => {
                let next = Some(Part::Space(k.wrapping_add(1)));
                self.code_space(coder, k).map(|()| next)
            }
            Part::Space(_) => {
                self.range_count = bits(coder, 4, u32::from(self.range_count)) as u8;
                let fits = usize::from(self.range_count) <= MAX_RANGES;
                fits.then_some(Some(Part::Range(0)))
            }
            Part::Range(k) if k < self.range_count => {
                let next = Some(Part::Range(k.wrapping_add(1)));
                self.code_range(coder, k).map(|()| next)
            }
            Part::Range(_) => {
                self.map_len = nibbles(coder, self.map_len);
                Some(None)
            }
        };
        next.ok_or(Error::new(ErrorKind::HeaderInconsistent, 0))
    }

    fn code_regions<C: Coder>(&mut self, coder: &mut C) -> Option<()> {
        let count = bits(coder, 3, u32::from(self.region_count.wrapping_sub(1)) & 7) + 1;
        let mut start = 0u32;
        for k in 0..count as usize {
            let region = self.regions.get_mut(k)?;
            let isa = Isa::from_wire(bits(coder, 3, region.isa as u32));
            region.isa = isa.filter(|isa| isa.is_built_in())?;
            region.end = if k + 1 == count as usize {
                self.new_len
            } else {
                start.checked_add(nibbles(coder, region.end.wrapping_sub(start)))?
            };
            if region.end < start || region.end > self.new_len {
                return None;
            }
            start = region.end;
        }
        self.region_count = count as u8;
        Some(())
    }

    /// Codes how many spaces there are, or the one space that is the whole image.
    fn code_space_count<C: Coder>(&mut self, coder: &mut C) -> Option<Part> {
        if flag(coder, self.is_whole()) {
            let at = address(coder, self.spaces.first()?.old.address);
            let whole = |len| Extent {
                offset: 0,
                address: at,
                len,
            };
            *self.spaces.first_mut()? = Space {
                old: whole(self.old_len),
                new: whole(self.new_len),
            };
            self.space_count = 1;
            return Some(Part::Space(1));
        }
        self.space_count = bits(coder, 4, u32::from(self.space_count)) as u8;
        (usize::from(self.space_count) <= MAX_SPACES).then_some(Part::Space(0))
    }

    fn code_space<C: Coder>(&mut self, coder: &mut C, index: u8) -> Option<()> {
        let index = usize::from(index);
        let (mut old_end, mut new_end) = (0, 0);
        if let Some(before) = index.checked_sub(1) {
            let before = self.spaces.get(before)?;
            old_end = before.old.offset.checked_add(before.old.len)?;
            new_end = before.new.offset.checked_add(before.new.len)?;
        }
        let Space { old, new } = self.spaces.get_mut(index)?;
        old.address = address(coder, old.address);
        let gap = nibbles(coder, old.offset.wrapping_sub(old_end));
        old.offset = old_end.checked_add(gap)?;
        old.len = nibbles(coder, old.len);
        new.address = if flag(coder, new.address != old.address) {
            address(coder, new.address)
        } else {
            old.address
        };
        let same_gap = new_end.checked_add(gap)?;
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
        old.offset.checked_add(old.len)?;
        new.offset.checked_add(new.len)?;
        Some(())
    }

    fn code_range<C: Coder>(&mut self, coder: &mut C, index: u8) -> Option<()> {
        let range = self.ranges.get_mut(usize::from(index))?;
        range.start = address(coder, range.start);
        range.len = address(coder, range.len);
        Some(())
    }

    /// What the aligned old word `value` points at, if it is a pointer.
    #[inline]
    pub fn word_kind(&self, value: u32) -> Kind {
        for space in self.spaces() {
            let usable = space.old.address != 0 || (self.zero_based && value >= 0x200);
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

    /// Bit `n` is set where an aligned old word with `n` in its top five bits may be a
    /// pointer.
    pub(super) fn pointer_tops(&self) -> u32 {
        let mut tops = 0;
        for space in self.spaces() {
            tops |= tops_of(space.old.address, space.old.len);
        }
        for range in self.ranges() {
            tops |= tops_of(range.start, range.len);
        }
        tops
    }

    /// The aligned old word `value` as a reference, if it is a pointer.
    #[inline]
    pub fn pointer(&self, value: u32) -> Option<Reference> {
        let kind = self.word_kind(value);
        (kind != Kind::Plain).then_some(Reference {
            len: 4,
            kind,
            target: value,
            partner: 0,
        })
    }

    /// Virtual address of file offset `at`; the offset itself outside all spaces.
    #[inline]
    pub fn address(&self, at: Position) -> u32 {
        let (offset, new) = match at {
            Position::Old(offset) => (offset, false),
            Position::New(offset) => (offset, true),
        };
        self.spaces()
            .iter()
            .find_map(|s| if new { s.new } else { s.old }.address_of(offset))
            .unwrap_or(offset)
    }

    /// File offset in the old image of virtual address `address`, and its space.
    #[inline]
    pub fn old_offset(&self, address: u32) -> Option<(u32, &Space)> {
        if self.space_count == 0 {
            return None;
        }
        self.spaces()
            .iter()
            .find_map(|s| Some((s.old.offset_of(address)?, s)))
    }

    /// Virtual address in the new image of what was in `space` and now lies at
    /// `offset`; `fallback` outside all spaces.
    #[inline]
    pub fn new_address(&self, offset: u32, space: &Space, fallback: u32) -> u32 {
        if let Some(address) = space.new.address_of(offset) {
            return address;
        }
        self.spaces()
            .iter()
            .find_map(|s| s.new.address_of(offset))
            .unwrap_or(fallback)
    }

    /// Instruction set at new offset `at`, and where its region ends.
    #[inline]
    pub fn region_at(&self, at: u32) -> Region {
        let found = self.regions().iter().find(|r| at < r.end);
        found.copied().unwrap_or(Region {
            end: self.new_len,
            isa: Isa::None,
        })
    }
}

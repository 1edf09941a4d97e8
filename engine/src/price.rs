//! Counts what decisions would cost instead of writing them.
//!
//! Stands in for the range encoder wherever the engine weighs alternatives; integer
//! arithmetic throughout, so that plans are the same on every host.

use deltamote_format::coder::{Coder, Section};

/// A price of one bit. Prices are in 1/1024 bit.
pub const BIT: u64 = 1024;

/// -log2(p / 4096) in 1/1024 bit, for p in 0..=4096.
static PRICE: [u32; 4097] = {
    let mut table = [12 * 1024; 4097];
    let mut p = 1;
    while p <= 4096 {
        table[p] = 12 * 1024 - log2_fixed(p as u32);
        p += 1;
    }
    table
};

/// log2(`x`) in 1/1024, by repeated squaring; 0 for 0.
pub const fn log2_fixed(x: u32) -> u32 {
    if x < 2 {
        return 0;
    }
    let whole = 31 - x.leading_zeros();
    let mut mantissa = (x as u64) << (31 - whole);
    let mut result = whole << 10;
    let mut bit = 1 << 9;
    while bit > 0 {
        mantissa = (mantissa * mantissa) >> 31;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            result |= bit;
        }
        bit >>= 1;
    }
    result
}

/// A [`Coder`] that adds up prices.
#[derive(Clone, Debug, Default)]
pub struct PriceCounter {
    total: u64,
    section: usize,
    by_section: [u64; Section::COUNT],
    /// Decisions counted.
    pub decisions: u64,
}

impl PriceCounter {
    /// Price so far in 1/1024 bit.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Price by section in 1/1024 bit.
    pub fn by_section(&self) -> &[u64; Section::COUNT] {
        &self.by_section
    }
}

impl Coder for PriceCounter {
    const ENCODES: bool = true;

    #[inline]
    fn bit(&mut self, bit: bool, p: u32) -> bool {
        let p = if bit { p } else { 65536 - p };
        let price = u64::from(PRICE[(p >> 4) as usize]);
        self.total += price;
        self.by_section[self.section] += price;
        self.decisions += 1;
        bit
    }

    #[inline]
    fn section(&mut self, section: Section) {
        self.section = section as usize;
    }

    fn position(&self) -> u32 {
        (self.total / (8 * BIT)) as u32
    }

    fn restart(&mut self) {
        self.total += 8 * BIT;
    }
}

/// A [`Coder`] that adds up rough prices, without the models that take most of the time.
#[derive(Debug, Default)]
pub struct Sketch(PriceCounter);

impl Coder for Sketch {
    const ENCODES: bool = true;
    const SKETCHES: bool = true;

    #[inline]
    fn bit(&mut self, bit: bool, p: u32) -> bool {
        self.0.bit(bit, p)
    }

    fn position(&self) -> u32 {
        self.0.position()
    }

    fn restart(&mut self) {
        self.0.restart();
    }
}

/// A [`Coder`] that passes decisions on and adds up what they cost.
#[derive(Debug)]
pub struct Measuring<'c, C> {
    /// Does the work.
    pub coder: C,
    /// Adds up.
    pub counter: &'c mut PriceCounter,
}

impl<C: Coder> Coder for Measuring<'_, C> {
    const ENCODES: bool = C::ENCODES;

    fn bit(&mut self, bit: bool, p: u32) -> bool {
        let bit = self.coder.bit(bit, p);
        self.counter.bit(bit, p)
    }

    fn section(&mut self, section: Section) {
        self.counter.section(section);
    }

    fn position(&self) -> u32 {
        self.coder.position()
    }

    fn restart(&mut self) {
        self.coder.restart();
        self.counter.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_follow_the_formula() {
        for x in [1u32, 2, 3, 5, 100, 4095, 4096, 123_456_789, u32::MAX] {
            let exact = (f64::from(x)).log2() * 1024.0;
            assert!((f64::from(log2_fixed(x)) - exact).abs() < 1.5, "{x}");
        }
    }
}

//! Whole numbers by their distribution function, on a stack of bits: one function for both directions.
//!
//! ```text
//! F_i = ⌊cdf(e_i)·(2ʳ − 2n)⌋ + 2i,   F_0 = 0, F_n = 2ʳ       each symbol has a size of at least 1, whatever its probability
//! ```
//!
//! The cdf is a number that may be off by a rounding, so that of two edges the higher may have the lower cdf. ⌊…⌋ can then
//! fall by 1, and 2i rises by 2: F still rises. Whoever reads searches the same F that the writer asked; there is no second
//! formula. r = 24 and at most 2¹⁰ symbols leave a share of 2⁻¹³ to the 2i, a cost of 2·10⁻⁴ bits.
//!
//! A number of a larger range is coded by its digits: first in which of at most 2¹⁰ parts it lies, then where in that. What a
//! part has of the whole is (cdf(e) − cdf(low))/(cdf(high) − cdf(low)); where that divides by less than 2⁻²⁰, and what
//! roundings make of it could be seen, all in it are alike.

use super::stack::{Interval, PRECISION, Stack, TOTAL};

/// Bits of a digit at most.
const DIGIT: u32 = 10;

/// A part with less than this has no law of its own inside.
const FAINT: f64 = 1.0 / (1 << 20) as f64;

/// Where symbols go, or come from.
pub trait Coder {
    /// Codes a symbol of 0 … `count` − 1 whose F_i, for 0 < i < `count`, is `below(i)`. One that writes takes `symbol`; one
    /// that reads does not look at it. Gives the symbol.
    fn code(&mut self, symbol: u32, count: u32, below: &dyn Fn(u32) -> u32) -> u32;
}

/// Takes symbols off a stack.
pub struct Reader<'s>(pub &'s mut Stack);

/// Collects what symbols will be put on a stack, in the order in which they will be read.
#[derive(Default)]
pub struct Writer {
    intervals: Vec<Interval>,
}

impl Writer {
    /// Puts all of it on a stack, the first on top.
    pub fn push_to(&mut self, stack: &mut Stack) {
        self.intervals.drain(..).rev().for_each(|interval| stack.push(interval));
    }

    /// What it will cost, in bits.
    pub fn bits(&self) -> f64 {
        let bits = |i: &Interval| PRECISION as f64 - f64::from(i.size).log2();
        self.intervals.iter().map(bits).sum()
    }
}

impl Coder for Writer {
    fn code(&mut self, symbol: u32, count: u32, below: &dyn Fn(u32) -> u32) -> u32 {
        let edge = |i: u32| match i {
            0 => 0,
            i if i == count => TOTAL,
            i => below(i),
        };
        let start = edge(symbol);
        // Of what is no law at all something is put, and is not found again.
        let size = edge(symbol + 1).saturating_sub(start).max(1);
        self.intervals.push(Interval { start, size });
        symbol
    }
}

impl Coder for Reader<'_> {
    fn code(&mut self, _: u32, count: u32, below: &dyn Fn(u32) -> u32) -> u32 {
        self.0.pop(|place| {
            let ((mut low, mut start), (mut high, mut end)) = ((0, 0), (count, TOTAL));
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                let edge = below(middle);
                if edge <= place {
                    (low, start) = (middle, edge)
                } else {
                    (high, end) = (middle, edge)
                }
            }
            (low, Interval { start, size: end - start })
        })
    }
}

/// Codes one of `count` symbols that are all alike.
pub fn code_even(coder: &mut dyn Coder, symbol: u32, count: u32) -> u32 {
    let step = u64::from(TOTAL) / u64::from(count);
    let rest = u64::from(TOTAL) % u64::from(count);
    // The first `rest` of them have one more.
    coder.code(symbol, count, &|i| (u64::from(i) * step + u64::from(i).min(rest)) as u32)
}

/// Codes a number of 0 … `count` − 1, where `below(k)` is the probability of all numbers below k. Gives the number.
///
/// # Panics
/// If there are no numbers, or a writer's number is none of them.
pub fn code_number(
    coder: &mut dyn Coder,
    number: u64,
    count: u64,
    below: &dyn Fn(u64) -> f64,
) -> u64 {
    assert!(count > 0, "a number of none");
    let bits = u64::BITS - (count - 1).leading_zeros();
    let mut shift = bits.saturating_sub(DIGIT).div_ceil(DIGIT) * DIGIT;
    let ((mut low, mut of_low), (mut high, mut of_high)) = ((0, 0.0), (count, 1.0));
    loop {
        let cells = ((high - low - 1) >> shift) + 1;
        if cells > 1 {
            let (mass, room) = (of_high - of_low, f64::from(TOTAL) - 2.0 * cells as f64);
            let edge = |i: u32| {
                let at = u64::from(i) << shift;
                let share = match mass > FAINT {
                    true => (below(low + at) - of_low) / mass,
                    false => at as f64 / (high - low) as f64,
                };
                // Not `clamp`: of a NaN this makes 0.
                let share = if share > 0.0 { share.min(1.0) } else { 0.0 };
                (share * room) as u32 + 2 * i
            };
            let wanted = (number.saturating_sub(low) >> shift) as u32;
            let cell = u64::from(coder.code(wanted, cells as u32, &edge));
            let next = low + ((cell + 1) << shift);
            if next < high {
                (high, of_high) = (next, below(next));
            }
            if cell > 0 {
                low += cell << shift;
                of_low = below(low);
            }
        }
        if shift == 0 {
            return low;
        }
        shift -= DIGIT;
    }
}

//! A stack of bits: what was put last comes out first, and taking is the exact mirror of putting.
//!
//! ```text
//! Asymmetric numeral systems   a number s and a law of symbols i = 0 … n − 1 in whole numbers, 0 = F_0 < F_1 < … < F_n = 2ʳ
//! Push i    s ← ⌊s/f⌋ 2ʳ + F_i + s mod f,  f = F_{i+1} − F_i       s grows by a factor 2ʳ/f: by −log₂ P(i) bits
//! Pop       q = s mod 2ʳ;  i is that with F_i ≤ q < F_{i+1};  s ← ⌊s/2ʳ⌋ f + q − F_i
//! Words     s is kept from 2³² up to 2⁶⁴: its low 32 bits go to the pile before a push that would overflow, and come back
//!           after a pop that leaves less than 2³²
//! Source    Duda 2009, arXiv:0902.0271; Townsend 2020, "A tutorial on the range variant of asymmetric numeral systems"
//! ```
//!
//! The arithmetic is the crate `constriction`'s, with words of 32 bits, s of 64 and r = 24. `tests/codec/` holds it to a
//! reference of forty lines. An empty pile gives zeros without end and takes them back, so that popping never fails:
//! what a damaged archive pops is wrong, and nothing else.

use constriction::stream::model::{DecoderModel, EncoderModel, EntropyModel};
use constriction::stream::stack::DefaultAnsCoder;
use constriction::stream::{Code, Decode, Encode};
use std::num::NonZeroU32;

/// r
pub const PRECISION: usize = 24;

/// 2ʳ
pub const TOTAL: u32 = 1 << PRECISION;

/// A symbol's place: F_i, and f.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// F_i
    pub start: u32,
    /// F_{i+1} − F_i, at least 1.
    pub size: u32,
}

/// A stack of bits.
#[derive(Clone, Debug)]
pub struct Stack {
    coder: DefaultAnsCoder,
    /// The fewest words there ever were.
    least: usize,
}

/// Where words without a meaning come from (Steele, Lea & Flood 2014, "SplitMix64").
struct Filler(u64);

impl Filler {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

impl Stack {
    /// One with so many words on it that mean nothing, always the same ones: bits to take before there are others.
    pub fn primed(words: usize) -> Self {
        let mut filler = Filler(0);
        // From the top down, so that of a pile with more words below the upper ones are the same.
        let state = (1 << 32) | u64::from(filler.next());
        let mut bulk: Vec<u32> = (0..words).map(|_| filler.next()).collect();
        bulk.reverse();
        Stack { least: bulk.len(), coder: DefaultAnsCoder::from_raw_parts(bulk, state) }
    }

    /// One with these words on it, the last on top.
    ///
    /// # Errors
    /// If they are no stack's: the last one is 0.
    pub fn from_words(words: Vec<u32>) -> Result<Self, &'static str> {
        let least = words.len();
        let coder = DefaultAnsCoder::from_compressed(words);
        coder.map(|coder| Stack { coder, least }).map_err(|_| "its stack of bits ends in a zero")
    }

    /// All that is on it, as words.
    pub fn into_words(self) -> Vec<u32> {
        let words = self.coder.into_compressed();
        words.unwrap_or_else(|never| match never {})
    }

    /// How many words there are, but for the two on top.
    pub fn len(&self) -> usize {
        self.coder.bulk().len()
    }

    /// How much is on it, in bits: what a push adds to it is what the symbol costs.
    pub fn bits(&self) -> f64 {
        32.0 * self.len() as f64 + (self.coder.state() as f64).log2()
    }

    /// Whether there are none but those.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fewest words there were since it was made.
    pub fn least(&self) -> usize {
        self.least
    }

    /// Whether it is what it was when it was [`primed`](Self::primed) with so many words.
    pub fn is_primed(&self, words: usize) -> bool {
        let primed = Stack::primed(words);
        let parts = |stack: &Stack| stack.coder.clone().into_raw_parts();
        self.len() == words && parts(&primed) == parts(self)
    }

    /// Puts a symbol on it.
    pub fn push(&mut self, interval: Interval) {
        let pushed = self.coder.encode_symbol((), interval);
        pushed.expect("every interval has a size, and there is room for a word");
    }

    /// Takes a symbol off it: `find` says which, and its interval, from the q that lies in it.
    pub fn pop(&mut self, find: impl Fn(u32) -> (u32, Interval)) -> u32 {
        let popped = self.coder.decode_symbol(Search(find));
        self.least = self.least.min(self.len());
        popped.expect("taking off a stack cannot fail")
    }
}

impl EntropyModel<PRECISION> for Interval {
    type Symbol = ();
    type Probability = u32;
}

impl EncoderModel<PRECISION> for Interval {
    fn left_cumulative_and_probability(
        &self,
        _: impl std::borrow::Borrow<()>,
    ) -> Option<(u32, NonZeroU32)> {
        Some((self.start, NonZeroU32::new(self.size)?))
    }
}

/// A law that is searched.
struct Search<F>(F);

impl<F: Fn(u32) -> (u32, Interval)> EntropyModel<PRECISION> for Search<F> {
    type Symbol = u32;
    type Probability = u32;
}

impl<F: Fn(u32) -> (u32, Interval)> DecoderModel<PRECISION> for Search<F> {
    fn quantile_function(&self, quantile: u32) -> (u32, u32, NonZeroU32) {
        let (symbol, Interval { start, size }) = self.0(quantile);
        (symbol, start, NonZeroU32::new(size).unwrap_or(NonZeroU32::MIN))
    }
}

//! Latents as whole numbers: 2ᵖ bins that are equally likely under N(0, 1).
//!
//! ```text
//! e_k = Φ⁻¹(k/2ᵖ), k = 1 … 2ᵖ − 1      z of bin k = Φ⁻¹((k + ½)/2ᵖ)
//! under N(0, 1) each bin costs p bits; under another law F the bin k has F(e_{k+1}) − F(e_k)
//! ```
//!
//! The finer the bins, the nearer is what is coded to the bound; what a bin is too coarse for is a posterior narrower than
//! it. A finer bin costs nothing: it takes as many more bits off the stack as it then puts back.
//! Source: Townsend, Bird & Barber 2019, arXiv:1901.04866, section 2.5.

use super::stack::PRECISION;
use super::symbol::{Coder, code_number};
use crate::distribution::Below;
use crate::math::normal::quantile;

/// Edges and middles.
#[derive(Clone, Debug)]
pub struct Bins {
    /// p
    bits: u32,
    /// e_1 …
    edges: Vec<f64>,
    middles: Vec<f32>,
}

impl Bins {
    /// p at least, and at most: beyond, a bin would be less than r gives it.
    pub const BITS: std::ops::RangeInclusive<u32> = 4..=16;

    /// 2ᵖ bins.
    ///
    /// # Panics
    /// If p is none of [`Self::BITS`].
    pub fn new(bits: u32) -> Self {
        assert!(Self::BITS.contains(&bits), "bins of {bits} bits");
        let count = 1u32 << bits;
        let at = |k: f64| quantile(k / f64::from(count));
        Bins {
            bits,
            edges: (1..count).map(|k| at(f64::from(k))).collect(),
            middles: (0..count).map(|k| at(f64::from(k) + 0.5) as f32).collect(),
        }
    }

    /// z of a bin.
    pub fn middle(&self, bin: u32) -> f32 {
        self.middles[bin as usize]
    }

    /// From where to where it reaches.
    pub fn ends(&self, bin: u32) -> [f64; 2] {
        let bin = bin as usize;
        let low = if bin == 0 { f64::NEG_INFINITY } else { self.edges[bin - 1] };
        [low, self.edges.get(bin).copied().unwrap_or(f64::INFINITY)]
    }

    /// Codes a bin under N(0, 1).
    pub fn code_standard(&self, coder: &mut dyn Coder, bin: u32) -> u32 {
        let shift = PRECISION as u32 - self.bits;
        coder.code(bin, 1 << self.bits, &|k| k << shift)
    }

    /// Codes a bin under a law.
    pub fn code(&self, coder: &mut dyn Coder, bin: u32, below: &Below<'_>) -> u32 {
        let edge = |k: u64| below(self.edges[k as usize - 1]);
        code_number(coder, u64::from(bin), 1 << self.bits, &edge) as u32
    }
}

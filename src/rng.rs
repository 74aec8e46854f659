//! Noise that is addressed, not consumed.
//!
//! Every random number of the crate is a pure function of an [`Address`]: which seed, what for,
//! which level, epoch, dataset row and sample. Nobody advances a shared generator, so the noise of a
//! row does not depend on the batch it falls into, on the number of threads, or on whether the run
//! was stopped and resumed in between.
//!
//! What has no number that means anything, because it is judged and not trained on, gets one from what it
//! holds ([`number_of`]): equal rows then meet equal noise in any file, at any place in it.
//!
//! The generator is ChaCha with eight rounds (Bernstein 2008), which `rand` provides under a name it
//! keeps stable. Its key has 256 bits; **the key is the address**, written out byte by byte, so two
//! different addresses can never share a stream and no hash is needed:
//!
//! ```text
//! byte   0 … 7    8 9       10 11   12 … 15   16 … 23   24 … 27   28 … 31
//!        seed     purpose   level   epoch     row       sample    "elb1"
//! ```
//!
//! All integers are little-endian. The last four bytes name the version of this scheme; a change of
//! anything that alters the numbers must change them too.

mod noise;

pub use noise::{Draws, Noise};

use crate::real::Real;
use rand::SeedableRng;
use rand_distr::{Distribution as _, StandardNormal};

pub use rand::rngs::ChaCha8Rng;

/// The version of the addressing scheme, the last four bytes of every key.
const VERSION: [u8; 4] = *b"elb1";

/// What a stream of noise is for. Streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Purpose {
    /// Starting values of the parameters.
    Init = 1,
    /// The order of the training rows in an epoch.
    Shuffle = 2,
    /// Which rows become validation or test rows.
    Split = 3,
    /// The coins that turn a grey training pixel into 0 or 1.
    BinarizeTrain = 4,
    /// The same coins for validation and test rows, thrown once.
    BinarizeHeldOut = 5,
    /// ε of the posterior's draws while training.
    Train = 6,
    /// ε of the posterior's draws while evaluating on validation rows.
    Validate = 7,
    /// ε of the posterior's draws while evaluating on test rows.
    Test = 8,
    /// Draws from the prior and from the conditionals below it.
    Sample = 9,
    /// The embedded digits.
    Digits = 10,
    /// Points at which gradients and exact results are checked.
    Check = 11,
    /// Noise of layers that are noisy while training.
    Layers = 12,
    /// Which cells of a training row are taken away.
    Mask = 13,
}

/// Where a stream of random numbers lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The user's seed.
    pub seed: u64,
    /// What the numbers are for.
    pub purpose: Purpose,
    /// Level of the chain, or another small index within the purpose.
    pub level: u16,
    /// Epoch, counted from 0.
    pub epoch: u32,
    /// Row of the dataset (not of the batch), or [`number_of`] it.
    pub row: u64,
    /// Importance sample of that row.
    pub sample: u32,
}

impl Address {
    /// The address with everything but seed and purpose at zero.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Address { seed, purpose, level: 0, epoch: 0, row: 0, sample: 0 }
    }

    /// The same address at another level.
    pub fn level(self, level: usize) -> Self {
        Address { level: level as u16, ..self }
    }

    /// The same address at another epoch.
    pub fn epoch(self, epoch: u32) -> Self {
        Address { epoch, ..self }
    }

    /// The same address at another dataset row.
    pub fn row(self, row: u64) -> Self {
        Address { row, ..self }
    }

    /// The same address at another sample.
    pub fn sample(self, sample: u32) -> Self {
        Address { sample, ..self }
    }

    /// The generator that lives at this address, at the start of its stream.
    pub fn rng(self) -> ChaCha8Rng {
        let mut key = [0u8; 32];
        key[0..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..10].copy_from_slice(&(self.purpose as u16).to_le_bytes());
        key[10..12].copy_from_slice(&self.level.to_le_bytes());
        key[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        key[16..24].copy_from_slice(&self.row.to_le_bytes());
        key[24..28].copy_from_slice(&self.sample.to_le_bytes());
        key[28..32].copy_from_slice(&VERSION);
        ChaCha8Rng::from_seed(key)
    }

    /// Fills `eps` with independent draws from N(0, 1).
    ///
    /// The draws are made in `f64` and rounded, so `f32` and `f64` models see the same noise.
    pub fn fill_normal<T: Real>(self, eps: &mut [T]) {
        let mut rng = self.rng();
        for e in eps {
            *e = T::from_f64(StandardNormal.sample(&mut rng));
        }
    }
}

/// The number of a row by what it holds, to address its noise with. Values count as `f32` knows them,
/// so that models of both precisions see the same noise, and −0 counts as 0.
///
/// A multiplication carries every bit upwards, a shift brings it down again; both are one-to-one, so
/// that rows which differ in one value never meet, and others with a probability of 2⁻⁶⁴.
pub fn number_of<T: Real>(row: &[T]) -> u64 {
    row.iter().fold(0, |number: u64, value| {
        let value = value.to_f64() as f32 + 0.0; // −0 + 0 = 0
        let number = (number ^ u64::from(value.to_bits())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        number ^ (number >> 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn a_row_is_numbered_by_what_it_holds() {
        assert_eq!(number_of(&[0.1f32, -0.0, 2.0]), number_of(&[0.1f32 as f64, 0.0, 2.0]));
        // All rows of 16 pixels, in both orders of growth: no two alike, and neither are their halves.
        let pixels = |i: u32| -> [f32; 16] { std::array::from_fn(|j| (i >> j & 1) as f32) };
        let numbers = || (0..1 << 16).map(|i| number_of(&pixels(i)));
        for part in [|n: u64| n, |n: u64| n >> 40, |n: u64| n & 0xff_ffff] {
            let mut seen: Vec<u64> = numbers().map(part).collect();
            seen.sort_unstable();
            seen.dedup();
            // Among 2²⁴ places 2¹⁶ random numbers meet some 128 times.
            assert!(seen.len() > (1 << 16) - 200, "{}", seen.len());
        }
    }

    /// The keystream of ChaCha8 for the all-zero 256-bit key and nonce, first 32 bytes: the
    /// published eSTREAM-style test vector. Guards against the generator changing under its name.
    #[test]
    fn the_generator_is_chacha8() {
        let mut bytes = [0u8; 32];
        ChaCha8Rng::from_seed([0; 32]).fill_bytes(&mut bytes);
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e");
    }

    #[test]
    fn every_field_of_the_address_matters() {
        let base = Address::new(1, Purpose::Train);
        let others = [
            Address::new(2, Purpose::Train),
            Address::new(1, Purpose::Test),
            base.level(1),
            base.epoch(1),
            base.row(1),
            base.sample(1),
        ];
        let first = |a: Address| a.rng().next_u64();
        assert_eq!(first(base), first(base));
        for other in others {
            assert_ne!(first(base), first(other), "{other:?}");
        }
    }

    #[test]
    fn normals_have_the_moments_of_the_standard_normal() {
        let n = 200_000;
        let mut eps = vec![0f64; n];
        Address::new(3, Purpose::Check).fill_normal(&mut eps);
        let moment = |p: i32| eps.iter().map(|e| e.powi(p)).sum::<f64>() / n as f64;
        // Standard errors of the sample moments: √1/n, √2/n, √15/n, √96/n.
        let se = |v: f64| 4.0 * (v / n as f64).sqrt();
        assert!(moment(1).abs() < se(1.0));
        assert!((moment(2) - 1.0).abs() < se(2.0));
        assert!(moment(3).abs() < se(15.0));
        assert!((moment(4) - 3.0).abs() < se(96.0));
    }
}

//! An exponential moving average of the weights.
//!
//! ```text
//! a ← d a + (1 − d) p   after every step, from a = 0;   the average is a / (1 − dᵗ)
//! ```
//!
//! Started at zero and divided by the weight it has gathered (as Adam does with its moments), the
//! average is a true one from the first step on, not biased towards the random start. The sum is kept
//! in f64 whatever the parameters are: in f32, rounding (of d and 1 − d, and of every step) would
//! leave an average with d = 0.9999 some 3·10⁻⁴ below constant weights, as measured.
//!
//! Source: Polyak & Juditsky 1992 (averaging); Kingma & Ba 2015, section 7.2 (this form).

use crate::parallel::RowsMut;
use crate::real::Real;
use crate::simd;

/// The running average.
#[derive(Clone, Debug)]
pub struct Average {
    decay: f64,
    pub(crate) sum: Vec<f64>,
    pub(crate) steps: u64,
}

impl Average {
    /// The state before the first step; `decay` in (0, 1), for example 0.999.
    pub fn new(decay: f64, len: usize) -> Self {
        Average { decay, sum: vec![0.0; len], steps: 0 }
    }

    /// Begins to take in the `len` parameters after a step: the sums, and what to do with each part
    /// of them.
    ///
    /// # Panics
    /// If there are more or fewer parameters than sums.
    pub(super) fn start_update(&mut self, len: usize) -> (RowsMut<'_, f64>, Option<Update>) {
        assert_eq!(len, self.sum.len(), "average: lengths differ");
        self.steps += 1;
        (RowsMut::new(&mut self.sum, 1), Some(Update { decay: self.decay }))
    }

    /// `params ← the average`; leaves them alone before the first step.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn write_to<T: Real>(&self, params: &mut [T]) {
        assert_eq!(params.len(), self.sum.len(), "average: lengths differ");
        if self.steps > 0 {
            let scale = 1.0 / (1.0 - self.decay.powf(self.steps as f64));
            params.iter_mut().zip(&self.sum).for_each(|(p, &s)| *p = T::from_f64(s * scale));
        }
    }
}

/// One step of the average, for any part of the parameters.
#[derive(Clone, Copy)]
pub(super) struct Update {
    decay: f64,
}

impl Update {
    /// `sum ← d sum + (1 − d) params`
    pub(super) fn take_in<T: Real>(self, sum: &mut [f64], params: &[T]) {
        let (d, c) = (self.decay, 1.0 - self.decay);
        simd::dispatch(
            #[inline(always)]
            || sum.iter_mut().zip(params).for_each(|(s, &p)| *s = d * *s + c * p.to_f64()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update<T: Real>(average: &mut Average, params: &[T]) {
        let (sum, update) = average.start_update(params.len());
        update.unwrap().take_in(sum.into_slice(), params);
    }

    #[test]
    fn is_a_weighted_mean_of_the_steps() {
        let (mut average, mut out) = (Average::new(0.5, 1), [0.0f64]);
        average.write_to(&mut out);
        assert_eq!(out, [0.0]);
        update(&mut average, &[3.0f64]);
        average.write_to(&mut out);
        assert_eq!(out, [3.0]);
        update(&mut average, &[6.0f64]);
        average.write_to(&mut out);
        assert!((out[0] - 5.0).abs() < 1e-15); // weights 1/3 and 2/3
    }

    /// What does not move is its own average, also for single-precision weights and a slow decay.
    #[test]
    fn of_a_constant_is_the_constant() {
        for decay in [0.9, 0.999, 0.9999] {
            let (mut average, mut out) = (Average::new(decay, 1), [0.0f32]);
            (0..50_000).for_each(|_| update(&mut average, &[0.3f32]));
            average.write_to(&mut out);
            assert!((out[0] - 0.3).abs() <= f32::EPSILON * 0.3, "decay {decay}: {}", out[0]);
        }
    }
}

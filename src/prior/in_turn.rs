//! A mixture's law of one latent after another, for a codec.
//!
//! ```text
//! p(z) = Σ_c w_c Π_j p_c(z_j | z_1 … z_{j−1})
//! P(z_j in a bin | the bins of those before it) = Σ_c w_c(j) P_c(z_j in it),   w_c(1) = w_c,
//!                                                 w_c(j + 1) ∝ w_c(j) P_c(z_j in its bin)
//! ```
//!
//! So the bins of all latents together have Σ_c w_c Π_j P_c(bin_j): the mixture itself, and no component is ever chosen.

use super::Sequential;
use crate::distribution::{At, Below};
use crate::real::Real;

/// Calls back with component c's F of a column of z.
type LawOf<'a, T> = Box<dyn Fn(usize, At<'_, T>, &mut dyn FnMut(&Below<'_>)) + 'a>;

/// Components with their weights so far, and the latents so far.
pub(super) struct InTurn<'a, T> {
    weights: Vec<f64>,
    z: Vec<T>,
    column: usize,
    law: LawOf<'a, T>,
}

/// A component whose share is below this is gone: together they are nothing that a codec could tell.
const GONE: f64 = 1e-9;

impl<'a, T: Real> InTurn<'a, T> {
    /// Of latents of this width. The law is asked for columns of z, with η and own tensors for itself to find.
    pub(super) fn new(weights: Vec<f64>, width: usize, law: LawOf<'a, T>) -> Self {
        InTurn { weights, z: vec![T::zero(); width], column: 0, law }
    }

    /// F of component c at an edge.
    fn below(&self, c: usize, edge: f64) -> f64 {
        let (mut share, at) = (0.0, At { column: self.column, x: &self.z, eta: &[], own: &[] });
        (self.law)(c, at, &mut |below| share = below(edge));
        share
    }
}

impl<T: Real> Sequential for InTurn<'_, T> {
    fn law(&self, with: &mut dyn FnMut(&Below<'_>)) {
        with(&|edge| {
            let there = self.weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
            there.map(|(c, weight)| weight * self.below(c, edge)).sum()
        });
    }

    fn found(&mut self, z: f64, low: f64, high: f64) {
        let count = self.weights.len();
        let each = (0..count).map(|c| match self.weights[c] > 0.0 {
            true => self.weights[c] * (self.below(c, high) - self.below(c, low)),
            false => 0.0,
        });
        let each: Vec<f64> = each.collect();
        let sum: f64 = each.iter().sum();
        // Where none has any of it they stay what they were.
        if sum > 0.0 && sum.is_finite() {
            let share = |each: &f64| Some(each / sum).filter(|share| *share > GONE).unwrap_or(0.0);
            self.weights.iter_mut().zip(&each).for_each(|(weight, each)| *weight = share(each));
        }
        self.z[self.column] = T::from_f64(z);
        self.column += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::normal::cdf;

    /// The product of the conditionals is the mixture's, whatever the bins: two normals in two dimensions.
    #[test]
    fn the_conditionals_multiply_to_the_mixture() {
        let means = [[-1.0, 2.0], [0.5, -0.3]];
        let weights = [0.3, 0.7];
        let law = move |c: usize, at: At<'_, f64>, with: &mut dyn FnMut(&Below<'_>)| {
            with(&|edge: f64| cdf(edge - means[c][at.column]));
        };
        for bins in
            [[[-1.2, -0.9], [1.0, 2.5]], [[0.0, 0.1], [-0.5, 3.0]], [[-9.0, -8.0], [7.0, 9.0]]]
        {
            let mut in_turn = InTurn::new(weights.to_vec(), 2, Box::new(law));
            let mut found = 1.0;
            for [low, high] in bins {
                in_turn.law(&mut |below| found *= below(high) - below(low));
                in_turn.found(0.5 * (low + high), low, high);
            }
            let mass = |c: usize| -> f64 {
                let each = bins.iter().zip(means[c]);
                each.map(|([low, high], mean)| cdf(high - mean) - cdf(low - mean)).product()
            };
            let want: f64 = (0..2).map(|c| weights[c] * mass(c)).sum();
            assert!((found - want).abs() < 1e-12 * want + 1e-16, "{bins:?}: {found:e} {want:e}");
        }
    }
}

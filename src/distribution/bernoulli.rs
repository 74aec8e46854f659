//! The Bernoulli distribution of each pixel, from logits.
//!
//! ```text
//! Shapes    x [D] in {0, 1} (or [0, 1], see below)   η = logits l [D], so P = D
//! Forward   p(x_i = 1) = σ(l_i).  With ln σ(l) = −softplus(−l) and ln(1 − σ(l)) = −softplus(l):
//!             log p = Σ_i x_i ln σ(l_i) + (1 − x_i) ln(1 − σ(l_i))
//!                   = Σ_i x_i l_i − softplus(l_i)          since softplus(l) − softplus(−l) = l
//! Backward  softplus′ = σ, so
//!             ∂log p/∂l_i = x_i − σ(l_i)
//!             ∂log p/∂x_i = l_i
//! Numerics  softplus(l) = max(l, 0) + ln(1 + e) and σ share one e = exp(−|l|), which cannot overflow;
//!           l = ±10⁴ is exact. One logarithm of a product serves many pixels (`map_sum_ln_1p`). The
//!           textbook x ln σ + (1 − x) ln(1 − σ) is NaN (0 · −∞) once σ(l) rounds to 0 or 1,
//!           which in f32 it does from l ≈ 17.
//! Source    Kingma & Welling 2014, appendix C.1
//! ```
//!
//! Grey values in (0, 1) are accepted, because every introduction to VAEs trains on them. The value
//! is then a cross-entropy between two coins, **not** a log-likelihood: the distribution gives such
//! pixels no probability at all.

use super::{
    At, Below, Coded, Distribution, Domain, Factorized, Facts, Likelihood, Member, Moments,
    RowGradient, Spec,
};
use crate::math::{self, map_sum_ln_1p, portable};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use crate::simd;
use rand::RngExt;

/// Independent coins with log-odds η.
#[derive(Clone, Copy, Debug)]
pub struct Bernoulli;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "bernoulli",
        summary: "each value is a coin, from logits; for data in {0, 1} (grey values give a cross-entropy)",
        build: |spec| {
            spec.only(&[])?;
            Ok(Box::new(Bernoulli))
        },
        examples: &["bernoulli"],
    }
}

impl<T: Real> Distribution<T> for Bernoulli {
    fn spec(&self) -> Spec {
        Spec::new("bernoulli")
    }

    fn eta_width(&self, width: usize) -> usize {
        width
    }

    fn mean(&self, mean: &mut [T], eta: &[T], _own: &[T]) {
        simd::dispatch(
            #[inline(always)]
            || mean.iter_mut().zip(eta).for_each(|(m, &l)| *m = math::sigmoid(l)),
        );
    }

    fn sample(&self, x: &mut [T], eta: &[T], _own: &[T], rng: &mut ChaCha8Rng) {
        for (x, &l) in x.iter_mut().zip(eta) {
            let heads = rng.random::<f64>() < math::sigmoid(l.to_f64());
            *x = if heads { T::one() } else { T::zero() };
        }
    }

    fn facts(&self, _column: usize) -> Facts {
        Facts::of(Domain::Bit)
    }

    /// The logit of the mean: before training, every image is then scored by its pixels' frequencies
    /// (Burda et al. 2015). Frequencies are kept 10⁻³ away from 0 and 1.
    fn start(&self, bias: &mut [T], _own: &mut [T], data: &Moments) {
        for (b, mean) in bias.iter_mut().zip(&data.mean) {
            let p = mean.clamp(1e-3, 1.0 - 1e-3);
            *b = T::from_f64((p / (1.0 - p)).ln());
        }
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for Bernoulli {
    fn log_prob(&self, x: &[T], eta: &[T], _own: &[T]) -> T {
        -map_sum_ln_1p(
            [],
            [x, eta],
            #[inline(always)]
            |[x, l]| ([], l.max(T::zero()) - x * l, (-l.abs()).exp()),
        )
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], _own: &[T]) -> T {
        if !d.d_x.is_empty() {
            d.d_x.copy_from_slice(eta);
        }
        -map_sum_ln_1p(
            [d.d_eta],
            [x, eta],
            #[inline(always)]
            |[x, l]| {
                let (e, sigmoid) = math::softplus_sigmoid_parts(l);
                ([x - sigmoid], l.max(T::zero()) - x * l, e)
            },
        )
    }

    fn mode(&self, mode: &mut [T], eta: &[T], _own: &[T]) {
        for (x, &l) in mode.iter_mut().zip(eta) {
            *x = if l > T::zero() { T::one() } else { T::zero() };
        }
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Factorized<T> for Bernoulli {}

impl<T: Real> Coded<T> for Bernoulli {
    fn law(&self, At { column, eta, .. }: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let zero = portable::sigmoid(-eta[column].to_f64());
        with(&|edge| {
            if edge <= 0.0 {
                0.0
            } else if edge <= 1.0 {
                zero
            } else {
                1.0
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities of all 2³ outcomes sum to one, and each is the product of its coins.
    #[test]
    fn probabilities_sum_to_one() {
        let logits = [-1.5f64, 0.3, 2.0];
        let mut total = 0.0;
        for outcome in 0..8 {
            let x = [0, 1, 2].map(|i| ((outcome >> i) & 1) as f64);
            let p: f64 = x
                .iter()
                .zip(&logits)
                .map(|(x, l)| 1.0 / (1.0 + (l * (1.0 - 2.0 * x)).exp()))
                .product();
            let log_p = Bernoulli.log_prob(&x, &logits, &[]);
            assert!((log_p - p.ln()).abs() < 1e-14);
            total += log_p.exp();
        }
        assert!((total - 1.0).abs() < 1e-14);
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let (x, l) = ([0f32, 1.0, 0.0, 1.0], [1e4f32, 1e4, -1e4, -1e4]);
        let mut d_eta = [0f32; 4];
        let d = RowGradient { d_eta: &mut d_eta, d_x: &mut [] };
        assert_eq!(Bernoulli.log_prob_gradient(d, &x, &l, &[]), -2e4);
        assert_eq!(d_eta, [-1.0, 0.0, 0.0, 1.0]);
    }
}

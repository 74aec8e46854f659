//! The categorical distribution: one of K classes, from logits.
//!
//! ```text
//! Shapes    x [D], the numbers of classes 0 … K−1   η = logits l [K·D]: the D of class 0, those of class 1, …
//! Forward   p(x_i = c) = e^{l_ci}/Σ_k e^{l_ki}.   log p(x|η) = Σ_i l_{x_i i} − ln Σ_k e^{l_ki}
//! Backward  ∂/∂l_ki = [x_i = k] − e^{l_ki}/Σ_j e^{l_ji}
//! Numerics  each value's logits less their own maximum: no exponential overflows, and one of them is 1
//! Source    Bishop 2006, section 4.3.4
//! ```
//!
//! Classes have no order and no mean: the most probable one stands for it.

use super::coded::{Sums, exponentials};
use super::{
    At, Below, Coded, Distribution, Domain, Factorized, Facts, Likelihood, Member, Moments,
    RowGradient, Spec,
};
use crate::error::Error;
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand::RngExt;

/// So many classes.
#[derive(Clone, Copy, Debug)]
pub struct Categorical {
    classes: usize,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "categorical",
        summary: "one of `classes=K`, numbered from 0; the net emits a logit for each",
        build: |spec| {
            spec.only(&["classes"])?;
            let Some(classes) = spec.whole("classes", 2..=1 << 16)? else {
                let message = "is needed: how many classes there are";
                return Err(Error::setting("categorical:classes", message));
            };
            Ok(Box::new(Categorical { classes }))
        },
        examples: &["categorical:classes=4"],
    }
}

impl Categorical {
    /// The logits of value i of n.
    #[inline(always)]
    fn logits<T: Real>(self, eta: &[T], i: usize, n: usize) -> impl Iterator<Item = T> + Clone {
        eta[i..].iter().step_by(n).take(self.classes).copied()
    }

    /// The largest of these, and Σ e^{l − largest}.
    #[inline(always)]
    fn sum<T: Real>(logits: impl Iterator<Item = T> + Clone) -> (T, T) {
        let largest = logits.clone().fold(T::NEG_INFINITY, T::max);
        (largest, logits.map(|l| (l - largest).exp()).sum())
    }
}

impl<T: Real> Distribution<T> for Categorical {
    fn spec(&self) -> Spec {
        Spec::new("categorical").with("classes", self.classes)
    }

    fn eta_width(&self, width: usize) -> usize {
        self.classes * width
    }

    fn facts(&self, _column: usize) -> Facts {
        let domain = Domain::Classes(self.classes as u32);
        Facts::of(domain)
    }

    fn mean(&self, mean: &mut [T], eta: &[T], _own: &[T]) {
        let n = mean.len();
        for (i, mean) in mean.iter_mut().enumerate() {
            let mut best = (0, T::NEG_INFINITY);
            for (k, l) in self.logits(eta, i, n).enumerate() {
                best = if l > best.1 { (k, l) } else { best };
            }
            *mean = T::from_f64(best.0 as f64);
        }
    }

    fn sample(&self, x: &mut [T], eta: &[T], _own: &[T], rng: &mut ChaCha8Rng) {
        let n = x.len();
        for (i, x) in x.iter_mut().enumerate() {
            let logits = self.logits(eta, i, n).map(T::to_f64);
            let (largest, sum) = Self::sum(logits.clone());
            // The class in whose part of Σ a uniform point lies.
            let mut rest = rng.random::<f64>() * sum;
            let class = logits.map(|l| (l - largest).exp()).position(|share| {
                rest -= share;
                rest < 0.0
            });
            *x = T::from_f64(class.unwrap_or(self.classes - 1) as f64);
        }
    }

    /// All classes alike: a mean says nothing of them.
    fn start(&self, bias: &mut [T], _own: &mut [T], _data: &Moments) {
        bias.fill(T::zero());
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for Categorical {
    fn log_prob(&self, x: &[T], eta: &[T], _own: &[T]) -> T {
        let n = x.len();
        let of_value = |(i, x): (usize, &T)| {
            let (largest, sum) = Self::sum(self.logits(eta, i, n));
            (eta[x.to_f64() as usize * n + i] - largest - sum.ln()).to_f64()
        };
        // One after another in `f32`, hundreds of values would round the sum so far with each.
        T::from_f64(x.iter().enumerate().map(of_value).sum())
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T {
        let n = x.len();
        for (i, x) in x.iter().enumerate() {
            let (largest, sum) = Self::sum(self.logits(eta, i, n));
            for k in 0..self.classes {
                let here = if x.to_f64() as usize == k { T::one() } else { T::zero() };
                d.d_eta[k * n + i] = here - (eta[k * n + i] - largest).exp() / sum;
            }
        }
        self.log_prob(x, eta, own)
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Factorized<T> for Categorical {}

impl<T: Real> Coded<T> for Categorical {
    fn law(&self, At { column, x, eta, .. }: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let (shares, _) = exponentials(self.logits(eta, column, x.len()).map(T::to_f64));
        let sums = Sums::of_weights(&shares);
        with(&|edge| sums.below(edge));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two values of three classes by hand; logits far apart are finite.
    #[test]
    fn shares_are_known() {
        let law = Categorical { classes: 3 };
        let eta = [0.0f64, 1.0, 2f64.ln(), 1.0, 3f64.ln(), 1.0];
        let log_p = law.log_prob(&[2.0, 0.0], &eta, &[]);
        assert!((log_p - (0.5f64.ln() - 3f64.ln())).abs() < 1e-14, "{log_p}");
        let mut d_eta = [0f32; 3];
        let d = RowGradient { d_eta: &mut d_eta, d_x: &mut [] };
        assert_eq!(law.log_prob_gradient(d, &[1.0f32], &[1e4, -1e4, 0.0], &[]), -2e4);
        assert_eq!(d_eta, [-1.0, 1.0, 0.0]);
    }

    #[test]
    fn classes_are_needed() {
        for spec in ["categorical", "categorical:classes=1", "categorical:classes=2.5"] {
            let error = super::super::build::<f64>(&spec.parse().unwrap()).err().unwrap();
            assert!(error.to_string().contains("classes"), "{error}");
        }
    }
}

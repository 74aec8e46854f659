//! The continuous Bernoulli distribution: the density that grey values between 0 and 1 have.
//!
//! ```text
//! Shapes    x [D] in [0, 1]   η = logits l [D]
//! Forward   p(x) = e^{l x} / ∫₀¹ e^{l u} du, an exponential density cut to [0, 1]. With
//!           L(a) = ln ∫₀¹ e^{−a u} du (`math/mean_exp.rs`), and u turned round where l > 0:
//!             log p(x|η) = Σ_i l_i x_i − A(l_i),   A(l) = max(l, 0) + L(|l|)
//! Backward  ∂A/∂l = E x = μ, as of any exponential family:
//!             ∂/∂l_i = x_i − μ_i      μ = −L′(|l|) for l < 0, and 1 less that for l > 0
//! Draw      by its distribution function F(x) = (e^{l x} − 1)/(eˡ − 1):   x = ln(1 + u (eˡ − 1))/l
//! Numerics  L and L′ are series near 0, that is near a fair coin
//! Source    Loaiza-Ganem & Cunningham 2019, "The continuous Bernoulli: fixing a pervasive error in variational
//!           autoencoders"
//! ```
//!
//! The cross-entropy of `bernoulli` on grey values is this without A, which no density is. A is not small: it is
//! what keeps the network from believing in its pixels too much.

use super::univariate::{Independent, Parameter, Place, Scored, Univariate};
use super::{Below, Distribution, Domain, Facts, Member, Spec};
use crate::math::mean_exp::ln_mean_exp;
use crate::math::portable;
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand::RngExt;

/// A logit.
#[derive(Clone, Copy, Debug)]
pub struct ContinuousBernoulli;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "continuous-bernoulli",
        summary: "a density of grey values from 0 to 1, from logits, where `bernoulli` has none",
        build: |spec| Ok(Box::new(Independent::from_spec::<T>(ContinuousBernoulli, &[], spec)?)),
        examples: &["continuous-bernoulli"],
    }
}

/// A(l), and its slope, the mean.
#[inline(always)]
fn log_partition<T: Real>(l: T) -> (T, T) {
    let (value, slope) = ln_mean_exp(l.abs());
    let mean = if l > T::zero() { T::one() + slope } else { -slope };
    (l.max(T::zero()) + value, mean)
}

impl<T: Real> Univariate<T, 1> for ContinuousBernoulli {
    const PARAMETERS: [Parameter; 1] = [Parameter::emitted("logit")];

    fn spec(&self) -> Spec {
        Spec::new("continuous-bernoulli")
    }

    fn facts(&self, _places: &[Place; 1]) -> Facts {
        Facts { location_scale: false, learns_spread: true, ..Facts::of(Domain::Unit) }
    }

    #[inline(always)]
    fn score(&self, x: T, [l]: [T; 1]) -> Scored<T, 1> {
        let (a, mean) = log_partition(l);
        Scored { log_p: x * l - a, d_eta: [x - mean], d_x: T::zero() }
    }

    fn mean(&self, [l]: [T; 1]) -> T {
        log_partition(l).1
    }

    /// The density rises, or falls, from one end to the other.
    fn mode(&self, [l]: [T; 1]) -> T {
        if l > T::zero() { T::one() } else { T::zero() }
    }

    /// (e^{lx} − 1)/(eˡ − 1), of −|l|, turned round for l > 0.
    fn law(&self, [l]: [f64; 1], with: &mut dyn FnMut(&Below<'_>)) {
        let a = -l.abs();
        let share =
            |x: f64| if a > -1e-12 { x } else { portable::exp_m1(a * x) / portable::exp_m1(a) };
        with(&|edge| {
            let edge = edge.clamp(0.0, 1.0);
            if l > 0.0 { 1.0 - share(1.0 - edge) } else { share(edge) }
        });
    }

    /// Of −|l|, where nothing overflows, and turned round for l > 0.
    fn draw(&self, [l]: [T; 1], rng: &mut ChaCha8Rng) -> T {
        let (u, l) = (rng.random::<f64>(), l.to_f64());
        let a = l.abs();
        let x = if a < 1e-9 { u } else { -(u * (-a).exp_m1()).ln_1p() / a };
        T::from_f64(if l > 0.0 { 1.0 - x } else { x })
    }

    /// The logit with the data's mean, by halving.
    fn start(&self, mean: f64, _variance: f64) -> [f64; 1] {
        let (mut low, mut high) = (-500.0, 500.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if log_partition(middle).1 < mean { low = middle } else { high = middle }
        }
        [0.5 * (low + high)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Around a fair coin, where the textbook's form has no digits, and far from one.
    #[test]
    fn single_precision_follows_near_a_fair_coin() {
        for l in [0.0f32, 1e-30, 1e-6, -1e-3, 4e-3, -0.5, 0.99, 1.01, 20.0, -1e4] {
            for x in [0.0f32, 0.3, 1.0] {
                let single = ContinuousBernoulli.score(x, [l]);
                let double = ContinuousBernoulli.score(f64::from(x), [f64::from(l)]);
                let error = (f64::from(single.log_p) - double.log_p).abs();
                assert!(error < 1e-5 * double.log_p.abs().max(1.0), "{l} {x}: {error}");
                assert!((f64::from(single.d_eta[0]) - double.d_eta[0]).abs() < 1e-6, "{l} {x}");
            }
        }
        // A fair coin is uniform.
        assert_eq!(ContinuousBernoulli.score(0.7f64, [0.0]).log_p, 0.0);
        let start = Univariate::<f64, 1>::start(&ContinuousBernoulli, 0.2, 0.1);
        assert!((log_partition(start[0]).1 - 0.2).abs() < 1e-9);
    }
}

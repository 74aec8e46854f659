//! The Poisson distribution: counts of events that come independently of each other.
//!
//! ```text
//! Shapes    x [D] in 0, 1, 2 …   η = log-rates l [D]
//! Forward   log p(x|η) = Σ_i x_i l_i − e^{l_i} − ln x_i!
//! Backward  ∂/∂l_i = x_i − e^{l_i}
//! Numerics  in f64: at a rate of 10⁵ the three terms are 10⁶ each
//! Source    McCullagh & Nelder 1989, Generalized Linear Models, chapter 6
//! ```
//!
//! Mean and variance are the rate. Counts that vary more want `negative-binomial`.

use super::coded::Sums;
use super::facts::MOST;
use super::univariate::{Independent, Parameter, Place, Scored, Univariate};
use super::{Below, Distribution, Domain, Facts, Member, Spec};
use crate::math::gamma::ln_gamma;
use crate::math::portable;
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::Distribution as _;

/// A rate.
#[derive(Clone, Copy, Debug)]
pub struct Poisson;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "poisson",
        summary: "counts of independent events; the net emits the rate's logarithm",
        build: |spec| Ok(Box::new(Independent::from_spec::<T>(Poisson, &[], spec)?)),
        examples: &["poisson"],
    }
}

/// A draw from a Poisson distribution of that rate.
pub(super) fn draw(rate: f64, rng: &mut ChaCha8Rng) -> f64 {
    // A rate of 0, or one so large that counts have no digits left, is its own draw.
    rand_distr::Poisson::new(rate).map_or(rate, |law| law.sample(rng))
}

impl<T: Real> Univariate<T, 1> for Poisson {
    const PARAMETERS: [Parameter; 1] = [Parameter::emitted("rate")];

    const HAS_RATE: bool = true;

    fn spec(&self) -> Spec {
        Spec::new("poisson")
    }

    fn facts(&self, _places: &[Place; 1]) -> Facts {
        Facts::of(Domain::Count)
    }

    #[inline(always)]
    fn score(&self, x: T, [l]: [T; 1]) -> Scored<T, 1> {
        let (x, l) = (x.to_f64(), l.to_f64());
        let rate = l.exp();
        Scored {
            log_p: T::from_f64(x * l - rate - ln_gamma(x + 1.0)),
            d_eta: [T::from_f64(x - rate)],
            d_x: T::zero(),
        }
    }

    fn mean(&self, [l]: [T; 1]) -> T {
        l.exp()
    }

    /// The last count before which p(x)/p(x − 1) = rate/x is at least 1.
    fn mode(&self, [l]: [T; 1]) -> T {
        T::from_f64(l.to_f64().exp().floor())
    }

    /// p(k + 1)/p(k) = rate/(k + 1)
    fn law(&self, [l]: [f64; 1], with: &mut dyn FnMut(&Below<'_>)) {
        let rate = portable::exp(l);
        let sums = Sums::of_ratios(rate, MOST, true, |k| rate / (k + 1.0));
        with(&|edge| sums.below(edge));
    }

    fn draw(&self, [l]: [T; 1], rng: &mut ChaCha8Rng) -> T {
        T::from_f64(draw(l.to_f64().exp(), rng))
    }

    fn start(&self, mean: f64, _variance: f64) -> [f64; 1] {
        [mean.max(1e-3).ln()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P(2) = λ² e^{−λ}/2; and counts of 10⁵ keep their digits in single precision.
    #[test]
    fn probabilities_are_known() {
        let rate = 1.3f64;
        let log_p = Poisson.score(2.0, [rate.ln()]).log_p;
        assert!((log_p - (rate * rate / 2.0 * (-rate).exp()).ln()).abs() < 1e-14, "{log_p}");
        let (x, l) = (100_300.0f32, 1e5f32.ln());
        let (single, double) = (Poisson.score(x, [l]), Poisson.score(f64::from(x), [f64::from(l)]));
        assert!((f64::from(single.log_p) - double.log_p).abs() < 1e-5 * double.log_p.abs());
    }
}

//! The log-normal distribution: positive values whose logarithm is normal.
//!
//! ```text
//! Shapes    x [D], above 0   η = [mean μ; log-variance s] of ln x [≤ 2D]
//! Forward   σ² = eˢ, t = (ln x − μ)/σ.   The density of ln x, times ∂ln x/∂x = 1/x:
//!             log p(x|η) = −Σ_i [ ln x_i + ½ (ln 2π + s_i + t_i²) ]
//! Backward  ∂t/∂μ = −1/σ, ∂t/∂s = −½ t, so
//!             ∂/∂μ_i = t_i/σ_i      ∂/∂s_i = ½ (t_i² − 1)
//! Mean      E x = e^{μ + σ²/2}
//! Source    Johnson, Kotz & Balakrishnan 1994, Continuous Univariate Distributions 1, chapter 14
//! ```

use super::univariate::{Independent, Parameter, Place, Scored, Univariate};
use super::{Below, Distribution, Domain, Facts, Member, Spec};
use crate::math::{LN_2PI, normal, portable};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

/// Mean and log-variance of the logarithm.
#[derive(Clone, Copy, Debug)]
pub struct LogNormal;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "log-normal",
        summary: "values above 0 whose logarithm is normal; the net emits mean and log-variance of the \
                  logarithm, or `variance=learned`, or `variance=V`",
        build: |spec| Ok(Box::new(Independent::from_spec::<T>(LogNormal, &[], spec)?)),
        examples: &["log-normal", "log-normal:variance=learned"],
    }
}

impl<T: Real> Univariate<T, 2> for LogNormal {
    const PARAMETERS: [Parameter; 2] =
        [Parameter::emitted("mean"), Parameter::positive("variance")];

    fn spec(&self) -> Spec {
        Spec::new("log-normal")
    }

    fn facts(&self, places: &[Place; 2]) -> Facts {
        let learns_spread = !matches!(places[1], Place::Fixed(_));
        Facts { location_scale: false, learns_spread, ..Facts::of(Domain::Positive) }
    }

    #[inline(always)]
    fn score(&self, x: T, [mean, s]: [T; 2]) -> Scored<T, 2> {
        let (half, one) = (T::from_f64(0.5), T::one());
        let (ln_x, rate) = (x.ln(), (-half * s).exp());
        let t = (ln_x - mean) * rate;
        Scored {
            log_p: -(ln_x + half * (T::from_f64(LN_2PI) + s + t * t)),
            d_eta: [t * rate, half * (t * t - one)],
            d_x: T::zero(),
        }
    }

    fn mean(&self, [mean, s]: [T; 2]) -> T {
        (mean + T::from_f64(0.5) * s.exp()).exp()
    }

    /// e^{μ − σ²}
    fn mode(&self, [mean, s]: [T; 2]) -> T {
        (mean - s.exp()).exp().max(T::MIN_POSITIVE)
    }

    fn law(&self, [mean, s]: [f64; 2], with: &mut dyn FnMut(&Below<'_>)) {
        let rate = portable::exp(-0.5 * s);
        with(&|edge| {
            if edge > 0.0 { normal::cdf((portable::ln(edge) - mean) * rate) } else { 0.0 }
        });
    }

    fn draw(&self, [mean, s]: [T; 2], rng: &mut ChaCha8Rng) -> T {
        let eps: f64 = StandardNormal.sample(rng);
        (mean + (T::from_f64(0.5) * s).exp() * T::from_f64(eps)).exp()
    }

    /// By moments: σ² = ln(1 + variance/mean²), μ = ln mean − ½ σ².
    fn start(&self, mean: f64, variance: f64) -> [f64; 2] {
        let mean = mean.max(1e-12);
        let of_log = (variance / (mean * mean)).clamp(1e-6, 1e12).ln_1p();
        [mean.ln() - 0.5 * of_log, of_log.ln()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is a normal of ln x, and finite at the ends of what single precision has.
    #[test]
    fn the_logarithm_is_normal() {
        let (x, mean, s) = (2.5f64, 0.3, -0.7);
        let of_log = -0.5 * (LN_2PI + s + (x.ln() - mean).powi(2) * (-s).exp());
        assert!((LogNormal.score(x, [mean, s]).log_p - (of_log - x.ln())).abs() < 1e-14);
        for x in [f32::MIN_POSITIVE, 1.0, f32::MAX] {
            let scored = LogNormal.score(x, [0.0, 0.0]);
            let exact = LogNormal.score(f64::from(x), [0.0, 0.0]).log_p;
            let error = (f64::from(scored.log_p) - exact).abs();
            assert!(error < 1e-5 * exact.abs().max(1.0), "{x}: {scored:?} {exact}");
        }
    }
}

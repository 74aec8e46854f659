//! The gamma distribution, by its mean and shape: positive values such as durations and amounts.
//!
//! ```text
//! Shapes    x [D], above 0   η = [log-mean m; log-shape a] [≤ 2D]
//! Forward   k = eᵃ, r = ln x − m.   With rate k/μ, k ln(k x/μ) = k (a + r):
//!             log p = [ k ln k − k − ln Γ(k) ] + k [ r + 1 − eʳ ] − ln x
//!           Both brackets stay small where k is large: Stirling's remainder ½ ln(k/2π) + …, and −½ r² + …
//! Backward  ∂r/∂m = −1, and ∂/∂k of the first bracket is ln k − ψ(k), so
//!             ∂/∂m = k (eʳ − 1)      ∂/∂a = k [ ln k − ψ(k) + r + 1 − eʳ ]
//! Numerics  in f64, eʳ − 1 as expm1 and the first bracket by `math/gamma.rs`: at k = 10⁶ its terms are 10⁷
//! Source    McCullagh & Nelder 1989, Generalized Linear Models, chapter 8
//! ```
//!
//! Its standard deviation is μ/√k: it grows with the mean.

use super::univariate::{Independent, Parameter, Place, Scored, Univariate};
use super::{Below, Distribution, Domain, Facts, Member, Spec};
use crate::math::gamma::short_of;
use crate::math::{incomplete, portable};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::Distribution as _;

/// Mean and shape.
#[derive(Clone, Copy, Debug)]
pub struct Gamma;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "gamma",
        summary: "values above 0 whose spread grows with their mean; the net emits the mean's logarithm, the \
                  shape is learned, one a column, or `shape=emitted`, or `shape=K`",
        build: |spec| Ok(Box::new(Independent::from_spec::<T>(Gamma, &[], spec)?)),
        examples: &["gamma", "gamma:shape=emitted"],
    }
}

/// A draw of the mean eᵐ and the shape eᵃ. Where either is beyond what numbers can hold, the spread is: it is the
/// mean, or 0 for a shape that is nearly none.
pub(super) fn draw(m: f64, a: f64, rng: &mut ChaCha8Rng) -> f64 {
    let (shape, scale) = (a.exp(), (m - a).exp());
    match rand_distr::Gamma::new(shape, scale) {
        Ok(law) if shape.is_finite() && scale.is_finite() => law.sample(rng),
        _ if a < 0.0 => 0.0,
        _ => m.exp(),
    }
}

impl<T: Real> Univariate<T, 2> for Gamma {
    const PARAMETERS: [Parameter; 2] = [
        Parameter::emitted("mean"),
        Parameter { name: "shape", place: Place::Learned, eta: Some(portable::ln) },
    ];

    fn spec(&self) -> Spec {
        Spec::new("gamma")
    }

    fn facts(&self, places: &[Place; 2]) -> Facts {
        let learns_spread = !matches!(places[1], Place::Fixed(_));
        Facts { location_scale: false, learns_spread, ..Facts::of(Domain::Positive) }
    }

    #[inline(always)]
    fn score(&self, x: T, eta: [T; 2]) -> Scored<T, 2> {
        let [m, a] = eta.map(T::to_f64);
        let (x, k) = (x.to_f64(), a.exp());
        let (ln_x, r) = (x.ln(), x.ln() - m);
        let beyond = r.exp_m1();
        let bracket = r - beyond;
        let (constant, slope) = short_of(k);
        Scored {
            log_p: T::from_f64(constant + k * bracket - ln_x),
            d_eta: [k * beyond, k * (slope + bracket)].map(T::from_f64),
            d_x: T::zero(),
        }
    }

    fn mean(&self, [m, _]: [T; 2]) -> T {
        m.exp()
    }

    /// m (k − 1)/k; up to k = 1 the density falls from 0 on.
    fn mode(&self, eta: [T; 2]) -> T {
        let [m, a] = eta.map(T::to_f64);
        let mode = if a > 0.0 { -m.exp() * (-a).exp_m1() } else { 0.0 };
        T::from_f64(mode).max(T::MIN_POSITIVE)
    }

    fn law(&self, [m, a]: [f64; 2], with: &mut dyn FnMut(&Below<'_>)) {
        let (k, rate) = (portable::exp(a), portable::exp(a - m));
        with(&|edge| incomplete::gamma_below(k, rate * edge));
    }

    fn draw(&self, eta: [T; 2], rng: &mut ChaCha8Rng) -> T {
        let [m, a] = eta.map(T::to_f64);
        // A shape near 0 has draws below any number there is.
        T::from_f64(draw(m, a, rng)).max(T::MIN_POSITIVE)
    }

    fn start(&self, mean: f64, variance: f64) -> [f64; 2] {
        let mean = mean.max(1e-12);
        [mean.ln(), (mean * mean / variance.max(1e-12)).clamp(1e-3, 1e6).ln()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::LN_2PI;

    /// A network that is shown a latent from far out emits what no number holds.
    #[test]
    fn draws_far_out_are_still_numbers_above_0() {
        let mut rng = crate::rng::Address::new(0, crate::rng::Purpose::Check).rng();
        for m in [-1e30f32, -800.0, 0.0, 800.0, 1e30] {
            for a in [-1e30f32, -800.0, 0.0, 800.0, 1e30] {
                let x = Gamma.draw([m, a], &mut rng);
                assert!(x > 0.0, "{m} {a}: {x}");
            }
        }
    }

    /// Shape 1 is the exponential distribution; a large shape is nearly a normal of spread μ/√k, whose digits
    /// single precision keeps.
    #[test]
    fn its_ends_are_known() {
        let (x, mean) = (1.7f64, 0.8f64);
        let log_p = Gamma.score(x, [mean.ln(), 0.0]).log_p;
        assert!((log_p - (-mean.ln() - x / mean)).abs() < 1e-14, "{log_p}");

        let (k, mean) = (1e6f64, 3.0f64);
        for off in [-2.0, 0.0, 1.5] {
            let x = mean * (1.0 + off / k.sqrt());
            let normal = -0.5 * (LN_2PI + off * off) - (mean / k.sqrt()).ln();
            let scored = Gamma.score(x, [mean.ln(), k.ln()]);
            assert!((scored.log_p - normal).abs() < 5e-3, "{off}: {scored:?} {normal}");
            // The same numbers as single precision has them.
            let (x, eta) = (x as f32, [mean.ln() as f32, k.ln() as f32]);
            let (single, double) =
                (Gamma.score(x, eta), Gamma.score(f64::from(x), eta.map(f64::from)));
            let error = (f64::from(single.log_p) - double.log_p).abs();
            assert!(error < 1e-5 * double.log_p.abs().max(1.0), "{off}: {single:?} {double:?}");
        }
    }
}

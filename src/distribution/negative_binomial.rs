//! The negative binomial distribution, by its mean and inverse dispersion: counts that vary more than a
//! Poisson's.
//!
//! ```text
//! Shapes    x [D] in 0, 1, 2 …   η = [log-mean m; log inverse dispersion a] [≤ 2D]
//! Forward   μ = eᵐ, θ = eᵃ, q = m − a = ln(μ/θ).   Poisson counts whose rate has a gamma distribution of
//!           mean μ and shape θ:
//!             p = Γ(x + θ)/(Γ(θ) x!) (θ/(θ + μ))^θ (μ/(θ + μ))^x,   and ln θ/(θ+μ) = −softplus(q), so
//!             log p = ln Γ(x + θ) − ln Γ(θ) − ln x! − θ softplus(q) − x softplus(−q)
//! Backward  softplus′ = σ, and σ(q) = μ/(θ + μ):
//!             ∂/∂m = −θ σ(q) + x σ(−q) = (x − μ) θ/(θ + μ) = (x − μ) σ(−q)
//!             ∂/∂a = θ [ ψ(x + θ) − ψ(θ) − softplus(q) ] − ∂/∂m
//! Numerics  in f64, and the difference of the two ln Γ by `math/gamma.rs`: at θ = 10⁶ each is 10⁷. softplus(q) keeps its digits where μ/θ is small
//! Source    McCullagh & Nelder 1989, Generalized Linear Models, section 6.2; of single cells: Lopez et al. 2018
//! ```
//!
//! The variance is μ + μ²/θ; as θ grows it is a Poisson's.

use super::coded::Sums;
use super::facts::MOST;
use super::univariate::{Independent, Parameter, Place, Scored, Univariate};
use super::{Below, Distribution, Domain, Facts, Member, Spec, gamma, poisson};
use crate::math::gamma::{ln_gamma, rise};
use crate::math::{portable, sigmoid, softplus};
use crate::real::Real;
use crate::rng::ChaCha8Rng;

/// Mean and inverse dispersion.
#[derive(Clone, Copy, Debug)]
pub struct NegativeBinomial;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "negative-binomial",
        summary: "counts that vary more than a Poisson's; the net emits the mean's logarithm, the inverse \
                  dispersion is learned, one a column, or `dispersion=emitted`, or `dispersion=D`",
        build: |spec| Ok(Box::new(Independent::from_spec::<T>(NegativeBinomial, &[], spec)?)),
        examples: &["negative-binomial", "negative-binomial:dispersion=emitted"],
    }
}

impl<T: Real> Univariate<T, 2> for NegativeBinomial {
    /// A spec names the dispersion 1/θ.
    const PARAMETERS: [Parameter; 2] = [
        Parameter::emitted("mean"),
        Parameter { name: "dispersion", place: Place::Learned, eta: Some(|v| -portable::ln(v)) },
    ];

    const HAS_RATE: bool = true;

    fn spec(&self) -> Spec {
        Spec::new("negative-binomial")
    }

    fn facts(&self, _places: &[Place; 2]) -> Facts {
        Facts::of(Domain::Count)
    }

    #[inline(always)]
    fn score(&self, x: T, eta: [T; 2]) -> Scored<T, 2> {
        let [m, a] = eta.map(T::to_f64);
        let (x, theta, q) = (x.to_f64(), a.exp(), m - a);
        let (below, above) = (softplus(q), softplus(-q));
        let (rise, slope) = rise(theta, x);
        let d_m = (x - m.exp()) * sigmoid(-q);
        let d_a = theta * (slope - below) - d_m;
        Scored {
            log_p: T::from_f64(rise - ln_gamma(x + 1.0) - theta * below - x * above),
            d_eta: [d_m, d_a].map(T::from_f64),
            d_x: T::zero(),
        }
    }

    fn mean(&self, [m, _]: [T; 2]) -> T {
        m.exp()
    }

    /// ⌊m (θ − 1)/θ⌋; up to θ = 1 zero is the likeliest.
    fn mode(&self, eta: [T; 2]) -> T {
        let [m, a] = eta.map(T::to_f64);
        T::from_f64((-m.exp() * (-a).exp_m1()).floor().max(0.0))
    }

    /// p(k + 1)/p(k) = (k + θ)/(k + 1) · μ/(μ + θ)
    fn law(&self, [m, a]: [f64; 2], with: &mut dyn FnMut(&Below<'_>)) {
        let (theta, share) = (portable::exp(a), portable::sigmoid(m - a));
        let likeliest = portable::exp(m) * (1.0 - 1.0 / theta);
        let ratio = |k: f64| {
            // Of a dispersion that is nearly none, θ share is the mean.
            if theta > 1e15 {
                portable::exp(m) / (k + 1.0)
            } else {
                (k + theta) / (k + 1.0) * share
            }
        };
        let sums = Sums::of_ratios(likeliest, MOST, true, ratio);
        with(&|edge| sums.below(edge));
    }

    fn draw(&self, eta: [T; 2], rng: &mut ChaCha8Rng) -> T {
        let [m, a] = eta.map(T::to_f64);
        T::from_f64(poisson::draw(gamma::draw(m, a, rng), rng))
    }

    /// By moments, where the variance is above the mean.
    fn start(&self, mean: f64, variance: f64) -> [f64; 2] {
        let mean = mean.max(1e-3);
        let theta = mean * mean / (variance - mean).max(1e-3 * mean);
        [mean.ln(), theta.clamp(1e-2, 1e4).ln()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::poisson::Poisson;

    /// As of its gamma distribution.
    #[test]
    fn draws_far_out_are_still_counts() {
        let mut rng = crate::rng::Address::new(0, crate::rng::Purpose::Check).rng();
        for m in [-1e30f32, -800.0, 0.0, 800.0] {
            for a in [-1e30f32, -800.0, 0.0, 800.0, 1e30] {
                let x = NegativeBinomial.draw([m, a], &mut rng);
                assert!(x >= 0.0, "{m} {a}: {x}");
            }
        }
    }

    /// θ = 1 is the geometric distribution; at θ = 10⁴ and 10⁶ it nears a Poisson, and single precision has the
    /// digits of double, for means from 10⁻³ to 10⁵.
    #[test]
    fn its_ends_are_known() {
        let (x, mean) = (3.0f64, 0.7f64);
        let log_p = NegativeBinomial.score(x, [mean.ln(), 0.0]).log_p;
        let geometric = x * (mean / (1.0 + mean)).ln() - (1.0 + mean).ln();
        assert!((log_p - geometric).abs() < 1e-14, "{log_p} {geometric}");
        for theta in [1e4f32, 1e6] {
            for mean in [1e-3f32, 0.5, 20.0, 1e5] {
                for x in [mean.round(), (1.3 * mean).ceil(), 0.0] {
                    let eta = [mean.ln(), theta.ln()];
                    let single = NegativeBinomial.score(x, eta);
                    let double = NegativeBinomial.score(f64::from(x), eta.map(f64::from));
                    let error = (f64::from(single.log_p) - double.log_p).abs();
                    assert!(error < 1e-5 * double.log_p.abs().max(1.0), "{theta} {mean} {x}");
                    if mean < 1.0 {
                        let poisson = Poisson.score(f64::from(x), [f64::from(mean.ln())]).log_p;
                        assert!((double.log_p - poisson).abs() < 1e-3, "{theta} {mean} {x}");
                    }
                }
            }
        }
    }
}

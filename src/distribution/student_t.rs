//! Student's t distribution: real values with tails as heavy as the data's.
//!
//! ```text
//! Shapes    x [D]   η = [location μ; log-scale s; u] [≤ 3D]
//! Forward   b = eˢ, t = (x − μ)/b, ν = 1 + eᵘ degrees of freedom, so that there is a mean
//!             log p = ln Γ((ν+1)/2) − ln Γ(ν/2) − ½ ln(π ν) − s − ½ (ν+1) ln(1 + t²/ν)
//! Backward  with c = (ν + 1)/(ν + t²), so that ∂log p/∂t = −c t, and ∂t/∂μ = −1/b, ∂t/∂s = −t:
//!             ∂/∂μ = c t/b      ∂/∂s = c t² − 1      ∂/∂x = −c t/b
//!             ∂/∂ν = ½ [ ψ((ν+1)/2) − ψ(ν/2) − 1/ν − ln(1 + t²/ν) + c t²/ν ],   ∂/∂u = (ν − 1) ∂/∂ν
//! Numerics  in f64, and the difference of the two ln Γ by `math/gamma.rs`: at ν = 10⁶ each is 6·10⁶, and it is 7
//! Source    Lange, Little & Taylor 1989, "Robust Statistical Modeling Using the t Distribution", section 2
//! ```
//!
//! ν says how far out a value may lie before it is surprising: as ν grows this becomes a normal, and near
//! ν = 1 an outlier costs no more than the logarithm of its distance.

use super::univariate::{Independent, Parameter, Place, Scored, Univariate};
use super::{Below, Distribution, Domain, Facts, Member, Spec};
use crate::math::gamma::rise;
use crate::math::{incomplete, portable};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::Distribution as _;
use std::f64::consts::PI;

/// Location, scale and degrees of freedom.
#[derive(Clone, Copy, Debug)]
pub struct StudentT;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "student-t",
        summary: "real values with heavy tails; the net emits location and log-scale, the degrees of freedom \
                  are learned, one number a column; `scale` and `freedom` may be emitted, learned or fixed",
        build: |spec| Ok(Box::new(Independent::from_spec::<T>(StudentT, &[], spec)?)),
        examples: &["student-t", "student-t:scale=learned,freedom=4"],
    }
}

impl<T: Real> Univariate<T, 3> for StudentT {
    const PARAMETERS: [Parameter; 3] = [
        Parameter::emitted("location"),
        Parameter::positive("scale"),
        Parameter { name: "freedom", place: Place::Learned, eta: Some(|v| portable::ln(v - 1.0)) },
    ];

    fn spec(&self) -> Spec {
        Spec::new("student-t")
    }

    fn facts(&self, places: &[Place; 3]) -> Facts {
        let learns_spread = !matches!(places[1], Place::Fixed(_));
        Facts { location_scale: true, learns_spread, ..Facts::of(Domain::Real) }
    }

    #[inline(always)]
    fn score(&self, x: T, eta: [T; 3]) -> Scored<T, 3> {
        let [location, s, u] = eta.map(T::to_f64);
        let (rate, nu) = ((-s).exp(), 1.0 + u.exp());
        let t = (x.to_f64() - location) * rate;
        let (c, tail) = ((nu + 1.0) / (nu + t * t), (t * t / nu).ln_1p());
        let half = 0.5 * nu;
        let (rise, slope) = rise(half, 0.5);
        let constant = rise - 0.5 * (PI * nu).ln();
        let d_nu = slope - 1.0 / nu - tail + c * t * t / nu;
        let d_eta = [c * t * rate, c * t * t - 1.0, 0.5 * d_nu * (nu - 1.0)];
        Scored {
            log_p: T::from_f64(constant - s - 0.5 * (nu + 1.0) * tail),
            d_eta: d_eta.map(T::from_f64),
            d_x: T::from_f64(-d_eta[0]),
        }
    }

    fn mean(&self, [location, ..]: [T; 3]) -> T {
        location
    }

    fn law(&self, [location, s, u]: [f64; 3], with: &mut dyn FnMut(&Below<'_>)) {
        let (rate, nu) = (portable::exp(-s), 1.0 + portable::exp(u));
        with(&|edge| incomplete::student_below(nu, (edge - location) * rate));
    }

    fn draw(&self, [location, s, u]: [T; 3], rng: &mut ChaCha8Rng) -> T {
        let nu = 1.0 + u.to_f64().exp();
        let t = rand_distr::StudentT::new(nu).expect("ν is above 1").sample(rng);
        location + s.exp() * T::from_f64(t)
    }

    /// With five degrees of freedom, of which the variance is 5/3.
    fn start(&self, mean: f64, variance: f64) -> [f64; 3] {
        [mean, 0.5 * (0.6 * variance.clamp(1e-12, 1e12)).ln(), 4f64.ln()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::LN_2PI;

    /// With two degrees of freedom the density is (2 + t²)^(−3/2); with many it is a normal, in f32 as well.
    #[test]
    fn its_ends_are_known() {
        let log_p = StudentT.score(1.5f64, [0.0, 0.0, 0.0]).log_p;
        assert!((log_p + 1.5 * (2.0 + 1.5f64 * 1.5).ln()).abs() < 1e-14, "{log_p}");
        for x in [-3.0f32, 0.0, 0.4, 5.0] {
            let scored = StudentT.score(x, [0.0, 0.0, 1e6f32.ln()]);
            let normal = -0.5 * (LN_2PI as f32 + x * x);
            let allowed = 1e-5 * normal.abs().max(1.0) + 2e-6 * x.powi(4);
            assert!((scored.log_p - normal).abs() < allowed, "{x}: {scored:?} {normal}");
            assert!((scored.d_eta[0] - x).abs() < 1e-3 && scored.d_eta[2].abs() < 1e-3);
        }
    }
}

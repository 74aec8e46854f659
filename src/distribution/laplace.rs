//! The Laplace distribution: real values, of which some lie far out.
//!
//! ```text
//! Shapes    x [D]   η = [location μ; log-scale s] [2D]   (s learned, one a column: η = μ [D])
//! Forward   b = eˢ, t = (x − μ)/b.   log p(x|η) = −Σ_i [ ln 2 + s_i + |t_i| ]
//! Backward  ∂t/∂μ = −1/b, ∂t/∂s = −t, so
//!             ∂/∂μ_i = sign(t_i)/b_i      ∂/∂s_i = |t_i| − 1      ∂/∂x_i = −sign(t_i)/b_i
//! Numerics  1/b = e^{−s}. At x = μ the density has a kink, and sign(0) = 0 lies between its slopes.
//! Source    Kotz, Kozubowski & Podgórski 2001, The Laplace Distribution, chapter 2
//! ```
//!
//! Its mean absolute deviation is b, its variance 2b²; the μ that it likes best is a median.

use super::univariate::{Independent, Parameter, Place, Scored, Univariate};
use super::{Below, Distribution, Domain, Facts, Member, Spec};
use crate::math::portable;
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand::RngExt;
use std::f64::consts::LN_2;

/// Location and scale.
#[derive(Clone, Copy, Debug)]
pub struct Laplace;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "laplace",
        summary: "real values, of which some lie far out; the net emits location and log-scale, or \
                  `scale=learned` learns one scale a column, or `scale=B` fixes it",
        build: |spec| Ok(Box::new(Independent::from_spec::<T>(Laplace, &[], spec)?)),
        examples: &["laplace", "laplace:scale=learned", "laplace:scale=0.7"],
    }
}

impl<T: Real> Univariate<T, 2> for Laplace {
    const PARAMETERS: [Parameter; 2] =
        [Parameter::emitted("location"), Parameter::positive("scale")];

    fn spec(&self) -> Spec {
        Spec::new("laplace")
    }

    fn facts(&self, places: &[Place; 2]) -> Facts {
        let learns_spread = !matches!(places[1], Place::Fixed(_));
        Facts { location_scale: true, learns_spread, ..Facts::of(Domain::Real) }
    }

    #[inline(always)]
    fn score(&self, x: T, [location, s]: [T; 2]) -> Scored<T, 2> {
        let rate = (-s).exp();
        let t = (x - location) * rate;
        let sign = if t > T::zero() {
            rate
        } else if t < T::zero() {
            -rate
        } else {
            T::zero()
        };
        Scored {
            log_p: -(T::from_f64(LN_2) + s + t.abs()),
            d_eta: [sign, t.abs() - T::one()],
            d_x: -sign,
        }
    }

    fn side(&self, x: T, [location, _]: [T; 2]) -> Option<bool> {
        Some(x > location)
    }

    fn mean(&self, [location, _]: [T; 2]) -> T {
        location
    }

    fn law(&self, [location, s]: [f64; 2], with: &mut dyn FnMut(&Below<'_>)) {
        let rate = portable::exp(-s);
        with(&|edge| {
            let t = (edge - location) * rate;
            let tail = 0.5 * portable::exp(-t.abs());
            if t < 0.0 { tail } else { 1.0 - tail }
        });
    }

    /// The logarithm of a uniform number is exponential; a coin gives it a side.
    fn draw(&self, [location, s]: [T; 2], rng: &mut ChaCha8Rng) -> T {
        let u = rng.random::<f64>() - 0.5;
        let t = -(-2.0 * u.abs()).ln_1p() * u.signum();
        location + s.exp() * T::from_f64(t)
    }

    fn start(&self, mean: f64, variance: f64) -> [f64; 2] {
        [mean, 0.5 * (variance.clamp(1e-12, 1e12) / 2.0).ln()]
    }
}

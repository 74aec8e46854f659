//! The discretised logistic distribution: values on a grid from 0 to 1, as the bytes of a picture are.
//!
//! ```text
//! Shapes    x [D], k/(N−1) for k = 0 … N−1   η = [mean μ; log-scale s] [≤ 2D]
//! Forward   the mass that a logistic of scale eˢ has in the bin [x − h, x + h], h = ½/(N−1); the outermost
//!           bins are open. With edges in its units, a = (x − h − μ)e^{−s}, b = (x + h − μ)e^{−s}, δ = b − a:
//!             σ(b) − σ(a) = σ(b) σ(−a) (1 − e^{−δ}), so
//!             log p = −softplus(−b) − softplus(a) + ln(1 − e^{−δ})
//!             at x = 0: ln σ(b) = −softplus(−b)          at x = 1: ln(1 − σ(a)) = −softplus(a)
//! Backward  ∂a/∂μ = ∂b/∂μ = −e^{−s}, ∂a/∂s = −a, ∂b/∂s = −b, ∂δ/∂s = −δ:
//!             ∂/∂μ = (σ(a) − σ(−b)) e^{−s} = (σ(a) + σ(b) − 1) e^{−s}
//!             ∂/∂s = a σ(a) − b σ(−b) − δ/(e^δ − 1)
//!           of the outermost bins only the terms of the edge that they have
//! Numerics  no difference of sigmoids, no clamp of p: 25 scales off, log p is as right as near the mean. With
//!           w = (1 − e^{−δ})/δ, ln(1 − e^{−δ}) = ln 2h − s + ln w and δ/(e^δ − 1) = e^{−δ}/w, which keep their
//!           digits where the scale is wide and δ small: there, w = e^{−δ/2} sinh(δ/2)/(δ/2) by the series of
//!           sinh. With softplus(t) = max(t, 0) + ln(1 + e^{−|t|}), one logarithm does for all three terms:
//!             log p = ln 2h − s − max(a, 0) − max(−b, 0) + ln( w/((1 + e^{−|a|})(1 + e^{−|b|})) )
//! Source    Salimans, Karpathy, Chen & Kingma 2017, "PixelCNN++", section 2.1
//! ```

use super::univariate::{Independent, Parameter, Place, Scored, Univariate, likeliest};
use super::{Below, Distribution, Domain, Facts, Member, Spec};
use crate::math::{portable, sigmoid};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand::RngExt;
use std::f64::consts::PI;

/// A mean and a scale, on a grid of so many levels.
#[derive(Clone, Copy, Debug)]
pub struct DiscretizedLogistic {
    levels: u32,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "discretized-logistic",
        summary: "pictures as they are, in `levels=N` (256) steps from 0 to 1; the net emits mean and log-scale, \
                  or `scale=learned`, one a column, or `scale=S`",
        build: |spec| {
            let levels = spec.whole("levels", 2..=1 << 16)?.unwrap_or(256);
            let law = DiscretizedLogistic { levels: levels as u32 };
            Ok(Box::new(Independent::from_spec::<T>(law, &["levels"], spec)?))
        },
        examples: &["discretized-logistic", "discretized-logistic:levels=5,scale=learned"],
    }
}

/// 1/(2n + 1)! for n = 7 … 0: sinh(y)/y = Σ y²ⁿ/(2n + 1)!, off by less than 10⁻¹⁶ for y below ½.
const SINH: [f64; 8] = [
    1.0 / 1_307_674_368_000.0,
    1.0 / 6_227_020_800.0,
    1.0 / 39_916_800.0,
    1.0 / 362_880.0,
    1.0 / 5040.0,
    1.0 / 120.0,
    1.0 / 6.0,
    1.0,
];

/// The least log-scale that makes a difference: e^{−s} and what is computed of it stay within single precision. A bin's width
/// of 10⁻⁵ is some 10²⁵ such scales.
const NARROWEST: f64 = -69.0;

/// w = (1 − e^{−δ})/δ and e^{−δ}, for δ ≥ 0.
#[inline(always)]
fn width_and_power<T: Real>(delta: T) -> (T, T) {
    let one = T::one();
    let y = T::from_f64(0.5) * delta;
    let root = (-y).exp();
    let power = root * root;
    let square = y * y;
    let mut series = T::zero();
    for c in SINH {
        series = series * square + T::from_f64(c);
    }
    // What is chosen for a small δ divides by 1 in its place.
    let is_near = delta < one;
    let far = (one - power) / if is_near { one } else { delta };
    (if is_near { root * series } else { far }, power)
}

impl DiscretizedLogistic {
    /// h
    #[inline(always)]
    fn half<T: Real>(self) -> T {
        T::from_f64(0.5 / f64::from(self.levels - 1))
    }
}

impl<T: Real> Univariate<T, 2> for DiscretizedLogistic {
    const PARAMETERS: [Parameter; 2] = [Parameter::emitted("mean"), Parameter::positive("scale")];

    fn spec(&self) -> Spec {
        Spec::new("discretized-logistic").with("levels", self.levels)
    }

    fn facts(&self, _places: &[Place; 2]) -> Facts {
        Facts::of(Domain::Grid(self.levels))
    }

    #[inline(always)]
    fn score(&self, x: T, [mean, s]: [T; 2]) -> Scored<T, 2> {
        let (zero, one, h) = (T::zero(), T::one(), self.half::<T>());
        // A narrower law lies in one bin just as well.
        let (is_kept, s) = (s >= T::from_f64(NARROWEST), s.max(T::from_f64(NARROWEST)));
        let rate = (-s).exp();
        let (a, b) = ((x - h - mean) * rate, (x + h - mean) * rate);
        let (width, power) = width_and_power(T::from_f64(2.0) * h * rate);
        let (e_a, e_b) = ((-a.abs()).exp(), (-b.abs()).exp());
        // Of a bin at an end one edge is missing, and with it the width. Each number is chosen by itself, so that
        // there is nothing to jump over.
        let (low, high) = (x < h, x > one - h);
        let ends = low || high;
        let up_a = if low { one } else { one + e_a };
        let up_b = if high { one } else { one + e_b };
        let both = one / (up_a * up_b);
        let above_a = if a < zero { e_a } else { one };
        let below_b = if b > zero { e_b } else { one };
        let sigmoid_a = if low { zero } else { above_a * up_b * both }; // σ(a)
        let sigmoid_b = if high { zero } else { below_b * up_a * both }; // σ(−b)
        let max_a = if low { zero } else { a.max(zero) };
        let max_b = if high { zero } else { (-b).max(zero) };
        let ln_scale = T::from_f64((1.0 / f64::from(self.levels - 1)).ln()) - s;
        let ln_scale = if ends { zero } else { ln_scale };
        let of_width = if ends { zero } else { power / width };
        let width = if ends { one } else { width };
        let d_s = a * sigmoid_a - b * sigmoid_b - of_width;
        Scored {
            log_p: ln_scale - max_a - max_b + (width * both).ln(),
            d_eta: [(sigmoid_a - sigmoid_b) * rate, if is_kept { d_s } else { zero }],
            d_x: zero,
        }
    }

    /// E x = 1/(N−1) Σ_{k ≥ 1} P(x ≥ x_k), the upper tail from each edge.
    fn mean(&self, eta: [T; 2]) -> T {
        let [mean, s] = eta.map(T::to_f64);
        let (steps, rate) = (self.levels - 1, (-s).exp());
        let tail = |k: u32| sigmoid((mean - (f64::from(k) - 0.5) / f64::from(steps)) * rate);
        T::from_f64((1..=steps).map(tail).sum::<f64>() / f64::from(steps))
    }

    /// The step nearest to the mean, or an end, where a whole tail is added up.
    fn mode(&self, eta: [T; 2]) -> T {
        let steps = f64::from(self.levels - 1);
        let nearest = (eta[0].to_f64() * steps).round().min(steps - 1.0).max(1.0);
        let values = [0.0, steps, nearest].map(|k| T::from_f64(k / steps));
        likeliest(values, |x| self.score(x, eta).log_p)
    }

    fn law(&self, [mean, s]: [f64; 2], with: &mut dyn FnMut(&Below<'_>)) {
        let rate = portable::exp(-s.max(NARROWEST));
        with(&|edge| portable::sigmoid((edge - mean) * rate));
    }

    /// A draw from the logistic, moved to the nearest step.
    fn draw(&self, eta: [T; 2], rng: &mut ChaCha8Rng) -> T {
        let [mean, s] = eta.map(T::to_f64);
        let (u, steps) = (rng.random::<f64>(), f64::from(self.levels - 1));
        let x = mean + s.exp() * (u.ln() - (-u).ln_1p());
        T::from_f64((x * steps).round().clamp(0.0, steps) / steps)
    }

    /// A logistic of scale b has the variance b² π²/3.
    fn start(&self, mean: f64, variance: f64) -> [f64; 2] {
        [mean, 0.5 * (variance.max(1e-4) * 3.0 / (PI * PI)).ln()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all steps, by trying each: near the mean where the law is narrow, at an end where it is wide or outside.
    #[test]
    fn its_mode_is_the_best_of_all() {
        for levels in [2, 3, 20] {
            let law = DiscretizedLogistic { levels };
            for (mean, s) in
                [(0.44, -4.0), (0.71, -3.0), (0.3, -1.0), (0.5, 2.0), (-1.0, -3.0), (1.4, -3.0)]
            {
                let score = |x: f64| law.score(x, [mean, s]).log_p;
                let steps = (0..levels).map(|k| f64::from(k) / f64::from(levels - 1));
                let best = steps.max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap();
                let mode: f64 = law.mode([mean, s]);
                assert!(score(mode) >= score(best), "{levels} {mean} {s}: {mode}, not {best}");
            }
        }
    }

    /// As narrow as numbers go: all in its bin, and nothing elsewhere, with gradients that are numbers.
    #[test]
    fn the_narrowest_law_is_a_point() {
        let law = DiscretizedLogistic { levels: 361 };
        for s in [-60.0f32, -80.0, -95.0, -1e30] {
            let inside = law.score(0.5, [0.5, s]);
            assert_eq!((inside.log_p, inside.d_eta[1]), (0.0, 0.0), "{s}");
            let outside = law.score(0.25, [0.5, s]);
            assert!(outside.log_p < -1e20 && outside.log_p.is_finite(), "{s}: {}", outside.log_p);
            assert!(outside.d_eta.iter().all(|d: &f32| d.is_finite()), "{s}: {:?}", outside.d_eta);
        }
    }

    /// Against the difference of sigmoids where that has digits, and in single precision 25 scales off.
    #[test]
    fn it_is_the_mass_of_its_bin() {
        let law = DiscretizedLogistic { levels: 256 };
        let cdf = |t: f64| 1.0 / (1.0 + (-t).exp());
        let (mean, s) = (0.42f64, -2.0f64);
        for k in [0, 1, 100, 255] {
            let x = f64::from(k) / 255.0;
            let edge = |x: f64| cdf((x - mean) * (-s).exp());
            let (above, below) = (edge(x + 0.5 / 255.0), edge(x - 0.5 / 255.0));
            let mass = if k == 0 {
                above
            } else if k == 255 {
                1.0 - below
            } else {
                above - below
            };
            let log_p = law.score(x, [mean, s]).log_p;
            assert!((log_p - mass.ln()).abs() < 1e-11, "{k}: {log_p} {}", mass.ln());
        }
        for s in [(0.02f32).ln(), (0.3f32).ln(), -20.0, 20.0] {
            for k in [0u8, 1, 77, 254, 255] {
                let (x, eta) = (f32::from(k) / 255.0, [0.5f32, s]);
                let single = law.score(x, eta);
                let double = law.score(f64::from(x), eta.map(f64::from));
                let error = (f64::from(single.log_p) - double.log_p).abs();
                assert!(
                    error < 1e-5 * double.log_p.abs().max(1.0),
                    "{s} {k}: {single:?} {double:?}"
                );
                assert!(single.d_eta.iter().all(|d| d.is_finite()), "{s} {k}");
            }
        }
    }
}

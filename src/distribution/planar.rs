//! Planar flows: a posterior that can bend and part.
//!
//! ```text
//! Shapes    z_k, u, w [Z]   a, b, h scalars   η = [the base's; u, w, b of every step], K(2Z + 1) behind the base's
//! Draw      z_0 from the base (`flow.rs`), and for each step k = 1 … K
//!             z_k = z_{k−1} + g u h,   h = tanh a,   a = wᵀ z_{k−1} + b
//!           which moves z along u, by how far it lies on either side of the plane a = 0.
//!           g(α) = m(α)/α with α = wᵀu and m(α) = ln(1 + κ(eᵅ − 1)), κ = 1 − 1/e: so wᵀ(g u) = m > −1,
//!           and the step is one-to-one (1 + h′ wᵀ(g u) > 0, since 0 < h′ ≤ 1). Rezende and Mohamed
//!           add a multiple of w/‖w‖² to u instead, which has no limit at w = 0; g has the limit κ at α = 0.
//! log q     ∂z_k/∂z_{k−1} = I + g u h′ wᵀ, whose determinant is D = 1 + h′ m, with h′ = 1 − h²:
//!             log q(z_K) = log q(z_0) − Σ_k ln D_k
//! Backward  of f(z_K) + λ log q, with d = ∂/∂z_k, step by step from K down; δ = uᵀd:
//!             ∂/∂h = g δ + 2 λ h m/D                since ∂(−ln D)/∂h = 2 h m/D
//!             ∂/∂a = h′ ∂/∂h                        ⇒ d_b += ∂/∂a,  d_w += ∂/∂a · z_{k−1}
//!             ∂/∂α = g′ h δ − λ h′ m′/D             ⇒ d_w += ∂/∂α · u,  d_u += ∂/∂α · w
//!             d_u += g h d                          ∂/∂z_{k−1} = d + ∂/∂a · w
//!           with m′ = κ eᵅ/(1 + κ(eᵅ − 1)) and g′ = (m′ − g)/α; what reaches z_0 goes the base's way
//! Numerics  the scalars of a step are computed in f64, from a: of a saturated h, 1 − h² has no digits, and
//!           m may be large. D = (1 + m) − h² m keeps its digits where m is near −1 and h near 0. Near
//!           α = 0, g′ is its series.
//! Source    Rezende & Mohamed 2015, "Variational Inference with Normalizing Flows", eqs. 10–12 and A.1
//! ```

use super::flow::{Flow, Flowing, Gradient};
use super::{Distribution, Member, Spec};
use crate::error::Result;
use crate::math::dot;
use crate::real::Real;
use std::f64::consts::E;

/// So many planar steps.
#[derive(Clone, Copy, Debug)]
pub struct Planar {
    steps: usize,
}

/// No more steps than these: far beyond any use.
const MOST: usize = 64;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "planar",
        summary: "a posterior: `steps=K` (4) planar flows behind `base=normal` or `full-normal`, so that it can bend",
        build: |spec| Ok(Box::new(Flowing::new(Planar::from_spec(spec)?, spec)?)),
        examples: &["planar:steps=2", "planar:steps=1,base=full-normal"],
    }
}

/// [u, w, b] of one step, from its part of η.
#[inline(always)]
fn parts<T: Real>(step: &[T]) -> [&[T]; 3] {
    let width = step.len() / 2;
    [&step[..width], &step[width..2 * width], &step[2 * width..]]
}

/// The scalars of a step that depend on α = wᵀu alone.
struct Scale {
    /// g, and its slope.
    g: f64,
    g_slope: f64,
    /// m, 1 + m, and m's slope.
    m: f64,
    m_1: f64,
    m_slope: f64,
}

impl Scale {
    fn new(alpha: f64) -> Self {
        let kappa = 1.0 - 1.0 / E;
        // Each half by the exponential that cannot overflow. For α < 0, m = −1 + ln(1 + (e − 1) eᵅ) too.
        let (m, m_1, m_slope) = if alpha > 0.0 {
            let m = alpha + ((1.0 - kappa) * (-alpha).exp_m1()).ln_1p();
            (m, 1.0 + m, kappa / (kappa + (1.0 - kappa) * (-alpha).exp()))
        } else {
            let (e, m) = (alpha.exp(), (kappa * alpha.exp_m1()).ln_1p());
            (m, ((E - 1.0) * e).ln_1p(), kappa * e / (1.0 + kappa * alpha.exp_m1()))
        };
        // m = κ α + c₂ α² + c₃ α³ + …, the cumulants of a coin of probability κ.
        let variance = kappa * (1.0 - kappa);
        let (c2, c3) = (variance / 2.0, variance * (1.0 - 2.0 * kappa) / 6.0);
        let near = alpha.abs() < 1e-4;
        let g = if near { kappa + alpha * (c2 + alpha * c3) } else { m / alpha };
        let g_slope = if near { c2 + 2.0 * alpha * c3 } else { (m_slope - g) / alpha };
        Scale { g, g_slope, m, m_1, m_slope }
    }

    /// D = (1 + m) − h² m
    fn determinant(&self, h: f64) -> f64 {
        self.m_1 - h * h * self.m
    }
}

impl Planar {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&["steps", "base"])?;
        Ok(Planar { steps: spec.whole("steps", 1..=MOST)?.unwrap_or(4) })
    }

    /// `z ← z + g u h`; gives a.
    fn step<T: Real>(z: &mut [T], step: &[T]) -> T {
        let [u, w, b] = parts(step);
        let a = dot(w, z) + b[0];
        let move_by = T::from_f64(Scale::new(dot(w, u).to_f64()).g * a.to_f64().tanh());
        z.iter_mut().zip(u).for_each(|(z, &u)| *z += move_by * u);
        a
    }
}

impl<T: Real> Flow<T> for Planar {
    fn spec(&self) -> Spec {
        Spec::new("planar").with("steps", self.steps)
    }

    fn eta_width(&self, width: usize) -> usize {
        self.steps * (2 * width + 1)
    }

    /// a and z_{k−1} of every step.
    fn kept_width(&self, width: usize) -> usize {
        self.steps * (width + 1)
    }

    fn forward(&self, z: &mut [T], kept: &mut [T], eta: &[T], _own: &[T]) {
        let steps = eta.chunks_exact(2 * z.len() + 1);
        for (step, kept) in steps.zip(kept.chunks_exact_mut(z.len() + 1)) {
            kept[1..].copy_from_slice(z);
            kept[0] = Planar::step(z, step);
        }
    }

    fn ln_det(&self, width: usize, kept: &[T], eta: &[T]) -> T {
        let ln_determinant = |(step, kept): (&[T], &[T])| {
            let [u, w, _] = parts(step);
            Scale::new(dot(w, u).to_f64()).determinant(kept[0].to_f64().tanh()).ln()
        };
        let steps = eta.chunks_exact(2 * width + 1);
        T::from_f64(steps.zip(kept.chunks_exact(width + 1)).map(ln_determinant).sum())
    }

    fn backward(&self, gradient: Gradient<'_, T>, kept: &[T], d_log_q: T, eta: &[T], _own: &[T]) {
        let Gradient { d, d_eta, .. } = gradient;
        let width = d.len();
        let steps = eta.chunks_exact(2 * width + 1).zip(d_eta.chunks_exact_mut(2 * width + 1));
        for ((step, d_step), kept) in steps.zip(kept.chunks_exact(width + 1)).rev() {
            let ([u, w, _], z) = (parts(step), &kept[1..]);
            let scale = Scale::new(dot(w, u).to_f64());
            let (a, delta, lambda) = (kept[0].to_f64(), dot(u, d).to_f64(), d_log_q.to_f64());
            let (h, e) = (a.tanh(), (-2.0 * a.abs()).exp());
            let (slope, determinant) = (4.0 * e / (1.0 + e).powi(2), scale.determinant(h));
            let d_h = scale.g * delta + 2.0 * lambda * h * scale.m / determinant;
            let d_alpha = scale.g_slope * h * delta - lambda * slope * scale.m_slope / determinant;
            let [d_a, d_alpha, g_h] = [slope * d_h, d_alpha, scale.g * h].map(T::from_f64);
            let (d_u, rest) = d_step.split_at_mut(width);
            let (d_w, d_b) = rest.split_at_mut(width);
            d_b[0] += d_a;
            for j in 0..width {
                d_w[j] += d_a * z[j] + d_alpha * u[j];
                d_u[j] += g_h * d[j] + d_alpha * w[j];
                d[j] += d_a * w[j];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::normal::{Normal, Variance};
    use crate::distribution::{Draw, Likelihood, Reparameterized};

    fn planar(steps: usize) -> Flowing<f64, Planar> {
        Flowing::new(Planar { steps }, &Spec::new("planar")).unwrap()
    }

    /// z and log q of one draw of one latent.
    fn draw(p: &Flowing<f64, Planar>, eta: &[f64], eps: f64) -> (f64, f64) {
        let mut z = [0.0];
        let mut kept = vec![0.0; p.kept_width(1)];
        let draw = Draw { eta, own: &[], eps: &[eps] };
        p.rsample(&mut z, &mut kept, draw);
        (z[0], p.log_q(&kept, draw))
    }

    /// With one latent z is a growing function of ε, and q(z) dz = φ(ε) dε on every piece of it: also
    /// where u would, unscaled, fold the line over itself (α = −6).
    #[test]
    fn log_q_is_the_density_of_the_draws() {
        let eta = [0.3, -0.4, 2.0, -3.0, 0.7, 1.5, 0.8, -1.0];
        let (p, h, mut total) = (planar(2), 1e-4, 0.0);
        for i in -80_000..80_000 {
            let ((z, log_q), (next, _)) =
                (draw(&p, &eta, i as f64 * h), draw(&p, &eta, (i + 1) as f64 * h));
            assert!(next > z, "{i}");
            total += log_q.exp() * (next - z);
        }
        assert!((total - 1.0).abs() < 1e-4, "{total}");
    }

    /// The mean of e^{−log q} h(z) over draws is ∫ h: with h a normal density, 1.
    #[test]
    fn importance_weights_have_the_mean_one() {
        let p = planar(3);
        let width = 2;
        let eta: Vec<f64> = (0..19).map(|i| 0.7 * f64::sin(1.7 * i as f64)).collect();
        assert_eq!(eta.len(), p.eta_width(width));
        let (n, mut sum, mut squares) = (40_000, 0.0, 0.0);
        let mut kept = vec![0.0; p.kept_width(width)];
        for i in 0..n {
            let (mut eps, mut z) = ([0.0; 2], [0.0; 2]);
            let address = crate::rng::Address::new(0, crate::rng::Purpose::Check);
            address.row(i).fill_normal(&mut eps);
            let draw = Draw { eta: &eta, own: &[], eps: &eps };
            p.rsample(&mut z, &mut kept, draw);
            // Narrower than q, so that the weights are bounded.
            let target = Normal::new(Variance::Fixed(0.04));
            let w = (target.log_prob(&z, &[0.3, -0.2], &[]) - p.log_q(&kept, draw)).exp();
            (sum, squares) = (sum + w, squares + w * w);
        }
        let mean = sum / n as f64;
        let error = ((squares / n as f64 - mean * mean) / n as f64).sqrt();
        assert!((mean - 1.0).abs() < 4.0 * error && error < 0.05, "{mean} ± {error}");
    }

    /// From one stream of noise a sample is the draw, and with none of it the mean.
    #[test]
    fn samples_are_draws() {
        let (p, width, eps_of) =
            (planar(3), 2, crate::rng::Address::new(4, crate::rng::Purpose::Check));
        let eta: Vec<f64> = (0..19).map(|i| 0.7 * f64::sin(1.3 * i as f64)).collect();
        let mut eps = [0.0; 2];
        eps_of.fill_normal(&mut eps);
        let drawn = |eps: &[f64]| {
            let mut z = [0.0; 2];
            let mut kept = vec![0.0; p.kept_width(width)];
            p.rsample(&mut z, &mut kept, Draw { eta: &eta, own: &[], eps });
            z
        };
        let (mut sample, mut mean) = ([0.0; 2], [0.0; 2]);
        p.sample(&mut sample, &eta, &[], &mut eps_of.rng());
        p.mean(&mut mean, &eta, &[]);
        assert_eq!((sample, mean), (drawn(&eps), drawn(&[0.0; 2])));
    }

    /// g has no seam where the series takes over, and its slope is its slope.
    #[test]
    fn the_scale_is_smooth() {
        for alpha in [-30.0, -2.0, -1.1e-4, -0.9e-4, 0.0, 0.9e-4, 1.1e-4, 0.5, 30.0f64, 1e4] {
            let (at, h) = (Scale::new(alpha), 1e-5 * alpha.abs().max(1.0));
            let difference = (Scale::new(alpha + h).g - Scale::new(alpha - h).g) / (2.0 * h);
            assert!((difference - at.g_slope).abs() < 1e-8, "{alpha}: {difference} {}", at.g_slope);
            assert!(at.m_1 > 0.0 && at.g > 0.0 && at.g <= 1.0, "{alpha}");
            assert!((at.m - at.g * alpha).abs() < 1e-12 * (1.0 + at.m.abs()), "{alpha}");
            assert!((at.m_1 - 1.0 - at.m).abs() < 1e-12 * (1.0 + at.m.abs()), "{alpha}");
        }
    }
}

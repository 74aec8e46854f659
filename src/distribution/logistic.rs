//! The logistic distribution: a likelihood with heavier tails than the normal, and a posterior.
//!
//! ```text
//! Shapes    x, z, ε [D]   η = [mean μ; log-variance s] [2D]
//! Forward   σ² = eˢ, b = σ √3/π (a logistic of scale b has the variance b² π²/3), t = (x − μ)/b.
//!           p = 1/(4b cosh²(t/2)) for each value, and 2 cosh(t/2) = e^{|t|/2} (1 + e^{−|t|}), so
//!             log p(x|η) = −Σ_i [ ln b_i + |t_i| + 2 ln(1 + e^{−|t_i|}) ]
//! Backward  with h = tanh(t/2), so that ∂log p/∂t = −h, and ∂t/∂μ = −1/b, ∂t/∂s = −½ t:
//!             ∂/∂μ_i = h_i/b_i       ∂/∂s_i = ½ (t_i h_i − 1)       ∂/∂x_i = −h_i/b_i
//!
//! Draw      z = μ + b t(ε), ε ~ N(0, I). The distribution function of t is σ(t), that of ε is Φ:
//!             σ(t) = Φ(ε),  t(ε) = logit Φ(ε) = ln erfc(−ε/√2) − ln erfc(ε/√2)
//! Backward  ∂z_i/∂μ_i = 1          ∂z_i/∂s_i = ½ b_i t_i
//! log q     of that draw: log p and its derivatives as above, at t = t(ε), and ∂/∂z for ∂/∂x; along the
//!           draw t does not move, and ln b has the derivative ½ in s: the total is (0, −½)
//!
//! KL        u = σ(t) is uniform, and |t| + 2 ln(1 + e^{−|t|}) = −ln u − ln(1 − u), each of mean 1:
//!             KL(q ‖ N(0, 1)) = −ln b − 2 + ½ (ln 2π + μ² + σ²)
//!                             = ½ (μ² + σ² − 1 − s) + ½ (ln(2π³/3) − 3)     per latent
//!           a normal's, and what it costs not to be normal
//! Backward  ∂/∂μ = μ               ∂/∂s = ½ (σ² − 1)
//! Numerics  with |t| the exponential cannot overflow. t(ε) is computed in f64: near ε = 0 it is the
//!           difference of two nearly equal logarithms, which b would magnify.
//! Source    Johnson, Kotz & Balakrishnan 1995, Continuous Univariate Distributions 2, chapter 23
//! ```

use super::{
    At, Below, ClosedForm, Coded, Distribution, Domain, Draw, Factorized, Facts, Likelihood,
    Member, Reparameterized, RowGradient, Separable, Spec,
};
use crate::math::{map_sum, portable};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Independent logistic values.
#[derive(Clone, Copy, Debug)]
pub struct Logistic;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "logistic",
        summary: "real values, heavier tails than `normal`; the net emits mean and log-variance",
        build: |spec| {
            spec.only(&[])?;
            Ok(Box::new(Logistic))
        },
        examples: &["logistic"],
    }
}

/// 1/b, from s
#[inline(always)]
fn rate<T: Real>(s: T) -> T {
    T::from_f64(PI / 3f64.sqrt()) * (T::from_f64(-0.5) * s).exp()
}

/// −log p of one value.
#[inline(always)]
fn energy<T: Real>(t: T, s: T) -> T {
    let ln_b = T::from_f64(0.5) * s + T::from_f64(0.5 * (3.0 / (PI * PI)).ln());
    ln_b + t.abs() + T::from_f64(2.0) * (-t.abs()).exp().ln_1p_unit()
}

/// [h/b, ½ (t h − 1)], the gradient of log p in μ and s.
#[inline(always)]
fn slopes<T: Real>(t: T, s: T) -> [T; 2] {
    let half = T::from_f64(0.5);
    let h = (half * t).tanh();
    [h * rate(s), half * (t * h - T::one())]
}

/// t(ε)
fn quantile<T: Real>(eps: T) -> T {
    let e = eps.to_f64() * FRAC_1_SQRT_2;
    T::from_f64(Real::erfc(-e).ln() - Real::erfc(e).ln())
}

impl<T: Real> Distribution<T> for Logistic {
    fn spec(&self) -> Spec {
        Spec::new("logistic")
    }

    fn eta_width(&self, width: usize) -> usize {
        2 * width
    }

    fn facts(&self, _column: usize) -> Facts {
        Facts { location_scale: true, learns_spread: true, ..Facts::of(Domain::Real) }
    }

    fn mean(&self, mean: &mut [T], eta: &[T], _own: &[T]) {
        mean.copy_from_slice(&eta[..mean.len()]);
    }

    fn sample(&self, x: &mut [T], eta: &[T], _own: &[T], rng: &mut ChaCha8Rng) {
        let n = x.len();
        for i in 0..n {
            let eps = T::from_f64(StandardNormal.sample(rng));
            x[i] = eta[i] + quantile(eps) / rate(eta[n + i]);
        }
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }

    fn as_reparameterized(&self) -> Option<&dyn Reparameterized<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for Logistic {
    fn log_prob(&self, x: &[T], eta: &[T], _own: &[T]) -> T {
        let (mean, s) = eta.split_at(x.len());
        -map_sum(
            [],
            [x, mean, s],
            #[inline(always)]
            |[x, mean, s]| ([], energy((x - mean) * rate(s), s)),
        )
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], _own: &[T]) -> T {
        let (mean, s) = eta.split_at(x.len());
        let (d_mean, d_s) = d.d_eta.split_at_mut(x.len());
        let sum = map_sum(
            [&mut *d_mean, d_s],
            [x, mean, s],
            #[inline(always)]
            |[x, mean, s]| {
                let t = (x - mean) * rate(s);
                (slopes(t, s), energy(t, s))
            },
        );
        d.d_x.iter_mut().zip(d_mean).for_each(|(d_x, d_mean)| *d_x = -*d_mean);
        -sum
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Factorized<T> for Logistic {}

impl<T: Real> Reparameterized<T> for Logistic {
    fn rsample(&self, z: &mut [T], _kept: &mut [T], draw: Draw<'_, T>) {
        let (mean, s) = draw.eta.split_at(z.len());
        for i in 0..z.len() {
            z[i] = mean[i] + quantile(draw.eps[i]) / rate(s[i]);
        }
    }

    fn log_q(&self, _kept: &[T], draw: Draw<'_, T>) -> T {
        let s = &draw.eta[draw.eps.len()..];
        let energies = draw.eps.iter().zip(s).map(|(&eps, &s)| energy(quantile(eps), s));
        -energies.sum::<T>()
    }

    fn backward(
        &self,
        d_eta: &mut [T],
        _d_own: &mut [T],
        _kept: &mut [T],
        d_z: &[T],
        d_log_q: T,
        draw: Draw<'_, T>,
    ) {
        let (n, half) = (d_z.len(), T::from_f64(0.5));
        for i in 0..n {
            let to_s = half * quantile(draw.eps[i]) / rate(draw.eta[n + i]);
            d_eta[i] += d_z[i];
            d_eta[n + i] += d_z[i] * to_s - half * d_log_q;
        }
    }

    fn as_separable(&self) -> Option<&dyn Separable<T>> {
        Some(self)
    }

    fn as_closed_form(&self) -> Option<&dyn ClosedForm<T>> {
        Some(self)
    }
}

impl<T: Real> Separable<T> for Logistic {
    fn log_q_gradient(&self, d_eta: &mut [T], d_z: &mut [T], draw: Draw<'_, T>) {
        let n = d_z.len();
        for i in 0..n {
            [d_eta[i], d_eta[n + i]] = slopes(quantile(draw.eps[i]), draw.eta[n + i]);
            d_z[i] = -d_eta[i];
        }
    }
}

impl<T: Real> ClosedForm<T> for Logistic {
    fn std(&self, std: &mut [T], eta: &[T]) {
        let s = &eta[std.len()..];
        std.iter_mut().zip(s).for_each(|(std, &s)| *std = (T::from_f64(0.5) * s).exp());
    }

    fn kl(&self, kl: &mut [T], eta: &[T]) {
        let n = kl.len();
        let constant = T::from_f64(0.5 * ((2.0 * PI.powi(3) / 3.0).ln() - 3.0));
        for i in 0..n {
            let (mean, s) = (eta[i], eta[n + i]);
            kl[i] = T::from_f64(0.5) * (mean * mean + (s.exp() - T::one() - s)) + constant;
        }
    }

    fn kl_backward(&self, d_eta: &mut [T], d_kl: &[T], eta: &[T]) {
        let n = d_kl.len();
        for i in 0..n {
            d_eta[i] += d_kl[i] * eta[i];
            d_eta[n + i] += d_kl[i] * T::from_f64(0.5) * (eta[n + i].exp() - T::one());
        }
    }
}

impl<T: Real> Coded<T> for Logistic {
    fn law(&self, At { column, x, eta, .. }: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let (mean, s) = (eta[column].to_f64(), eta[x.len() + column].to_f64());
        let rate = PI / 3f64.sqrt() * portable::exp(-0.5 * s);
        with(&|edge| portable::sigmoid((edge - mean) * rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::LN_2PI;

    /// The variance and the KL as integrals, by the trapezoidal rule; and the variance of draws, over ε and
    /// from a generator, which only the right t(ε) gives.
    #[test]
    fn spread_and_kl_are_integrals() {
        let h = 1e-3;
        let sum = |f: &dyn Fn(f64) -> f64| -> f64 {
            (-60_000..60_000).map(|i| f(i as f64 * h) * h).sum()
        };
        let log_normal = |z: f64| -0.5 * (LN_2PI + z * z);
        for eta in [[0.0, 0.0], [0.4, -0.8], [-0.7, 0.3]] {
            let log_p = |x: f64| Logistic.log_prob(&[x], &eta, &[]);
            let (mut std, mut kl) = ([0.0], [0.0]);
            Logistic.std(&mut std, &eta);
            Logistic.kl(&mut kl, &eta);
            let variance = sum(&|x| (x - eta[0]).powi(2) * log_p(x).exp());
            assert!((variance - std[0] * std[0]).abs() < 1e-8, "{variance} {std:?}");
            let integral = sum(&|x| log_p(x).exp() * (log_p(x) - log_normal(x)));
            assert!((kl[0] - integral).abs() < 1e-8, "{kl:?} {integral}");

            let drawn = |eps: f64| {
                let mut z = [0.0];
                Logistic.rsample(&mut z, &mut [], Draw { eta: &eta, own: &[], eps: &[eps] });
                z[0]
            };
            let drawn = sum(&|eps| match eps.abs() < 30.0 {
                true => (drawn(eps) - eta[0]).powi(2) * log_normal(eps).exp(),
                false => 0.0,
            });
            assert!((drawn - variance).abs() < 1e-8, "{drawn} {variance}");
        }
    }

    #[test]
    fn values_far_out_have_a_finite_density() {
        let (mut d_eta, mut d_x) = ([0f32; 2], []);
        let d = RowGradient { d_eta: &mut d_eta, d_x: &mut d_x };
        let log_p = Logistic.log_prob_gradient(d, &[1e30], &[0.0, 0.0], &[]);
        assert!(log_p.is_finite() && d_eta[1].is_finite() && d_eta[0] > 1.8, "{log_p} {d_eta:?}");
    }
}

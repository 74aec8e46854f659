//! The normal distribution with a full covariance matrix, by its Cholesky factor: the posterior that a mean
//! vector and a covariance matrix make.
//!
//! ```text
//! Shapes    x, z, ε [D]   η = [μ; s; ℓ] [2D + D(D−1)/2], ℓ the rows below the diagonal, one after another
//! Forward   the covariance is L Lᵀ with L_jk = σ_j U_jk, σ_j = e^{s_j/2}, and U lower triangular with a
//!           diagonal of 1 and ℓ below it: any covariance matrix there is has one such s and ℓ.
//! Draw      z_j = μ_j + σ_j t_j,   t_j = (U ε)_j = ε_j + Σ_{k<j} ℓ_jk ε_k
//! Backward  ∂z_j/∂μ_j = 1     ∂z_j/∂s_j = ½ σ_j t_j     ∂z_j/∂ℓ_jk = σ_j ε_k
//! log q     of that draw: |L| = Π σ_j, so log q = −½ Σ_j [ ln 2π + s_j + ε_j² ], as of a diagonal one; along the
//!           draw it has the slope −½ in each s_j, and none in μ and ℓ
//! log p     of a given x: t = (x − μ)/σ, ε = U⁻¹ t from the top down, and the same
//! Backward  with a = U⁻ᵀ ε from the bottom up, ∂/∂t = −a:
//!             ∂/∂μ_j = a_j/σ_j   ∂/∂x_j = −a_j/σ_j   ∂/∂s_j = ½ (a_j t_j − 1)   ∂/∂ℓ_jk = a_j ε_k
//!
//! KL        to N(0, I): ½ [ tr LLᵀ + μᵀμ − D ] − ln |L| = Σ_j KL_j,
//!             KL_j = ½ [ Σ_{k≤j} L_jk² + μ_j² − 1 − s_j ],   Σ_{k≤j} L_jk² = σ_j² (1 + Σ_{k<j} ℓ_jk²)
//!           Var z_j = Σ_k L_jk², and v − 1 − ln v ≥ 0 with ln v ≥ s_j: each term is at least 0
//! Backward  ∂KL_j/∂μ_j = μ_j   ∂/∂s_j = ½ (Σ_k L_jk² − 1)   ∂/∂ℓ_jk = σ_j² ℓ_jk
//! Numerics  ℓ is in units of the row's σ: it stays of order 1 where a posterior is narrow. What U⁻¹ makes of a
//!           rounding grows from row to row: both ways through U are in f64
//! Source    Kingma & Welling 2019, "An introduction to variational autoencoders", section 2.5.1
//! ```
//!
//! KL_j is KL(N(μ_j, Var z_j) ‖ N(0, 1)), what coordinate j would cost alone, and ½ (ln Var z_j − s_j), what the
//! coordinates before it tell of it. The rows of the encoder's last layer that emit ℓ start at 0, so that
//! a posterior starts as a diagonal one.

use super::{
    At, Below, ClosedForm, Coded, Distribution, Domain, Draw, Facts, Likelihood, Member, Moments,
    Reparameterized, RowGradient, Separable, Spec,
};
use crate::math::{LN_2PI, normal, portable};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use std::ops::Range;

/// A normal distribution with a covariance matrix.
#[derive(Clone, Copy, Debug)]
pub struct FullNormal;

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "full-normal",
        summary: "real values that depend on each other; the net emits a mean and a covariance matrix, by its \
                  Cholesky factor: for few columns or latents",
        build: |spec| {
            spec.only(&[])?;
            Ok(Box::new(FullNormal))
        },
        examples: &["full-normal"],
    }
}

/// η of a row, or its gradient's parts.
struct Parts<'a, T> {
    mean: &'a [T],
    s: &'a [T],
    below: &'a [T],
}

fn parts<T>(eta: &[T], n: usize) -> Parts<'_, T> {
    let (mean, rest) = eta.split_at(n);
    let (s, below) = rest.split_at(n);
    Parts { mean, s, below }
}

/// Where row j of ℓ stands among those below the diagonal.
fn row(j: usize) -> Range<usize> {
    j * j.saturating_sub(1) / 2..j * (j + 1) / 2
}

/// t_j = (U ε)_j
fn t<T: Real>(j: usize, below: &[T], eps: &[T]) -> T {
    let terms = below[row(j)].iter().zip(eps).map(|(l, eps)| l.to_f64() * eps.to_f64());
    T::from_f64(terms.fold(eps[j].to_f64(), |sum, term| sum + term))
}

fn scale<T: Real>(s: T) -> T {
    (T::from_f64(0.5) * s).exp()
}

/// ε = U⁻¹ t, t = (x − μ)/σ
fn solve<T: Real>(x: &[T], eta: &[T]) -> Vec<f64> {
    let n = x.len();
    let Parts { mean, s, below } = parts(eta, n);
    let mut eps = Vec::with_capacity(n);
    for j in 0..n {
        let t = (x[j].to_f64() - mean[j].to_f64()) * scale(-s[j].to_f64());
        let known = below[row(j)].iter().zip(&eps).map(|(l, eps)| l.to_f64() * eps);
        let eps_j = known.fold(t, |rest, term| rest - term);
        eps.push(eps_j);
    }
    eps
}

/// −½ Σ [ ln 2π + s + ε² ]
fn log_density<T: Real>(s: &[T], eps: impl Iterator<Item = f64>) -> T {
    let terms = s.iter().zip(eps).map(|(s, eps)| LN_2PI + s.to_f64() + eps * eps);
    T::from_f64(-0.5 * terms.sum::<f64>())
}

/// The gradient of log p by η and by the value, at the value that ε makes.
fn slopes<T: Real>(d_eta: &mut [T], d_x: &mut [T], eta: &[T], eps: &[f64]) {
    let n = eps.len();
    let Parts { s, below, .. } = parts(eta, n);
    let (d_mean, rest) = d_eta.split_at_mut(n);
    let (d_s, d_below) = rest.split_at_mut(n);
    // a = U⁻ᵀ ε: what is known of a_j is taken off the ε of the rows above it.
    let mut a = eps.to_vec();
    for j in (0..n).rev() {
        let (a_j, below) = (a[j], &below[row(j)]);
        let t_j = below.iter().zip(eps).fold(eps[j], |sum, (l, eps)| sum + l.to_f64() * eps);
        a.iter_mut().zip(below).for_each(|(a, l)| *a -= a_j * l.to_f64());
        let of_row = d_below[row(j)].iter_mut().zip(eps);
        of_row.for_each(|(d, eps)| *d = T::from_f64(a_j * eps));
        d_s[j] = T::from_f64(0.5 * (a_j * t_j - 1.0));
        d_mean[j] = T::from_f64(a_j * scale(-s[j].to_f64()));
    }
    d_x.iter_mut().zip(d_mean).for_each(|(d_x, d)| *d_x = -*d);
}

/// Var z_j = Σ_k L_jk²
fn variance<T: Real>(j: usize, Parts { s, below, .. }: &Parts<'_, T>) -> T {
    let squares = below[row(j)].iter().map(|&l| l * l);
    s[j].exp() * (T::one() + squares.sum::<T>())
}

impl<T: Real> Distribution<T> for FullNormal {
    fn spec(&self) -> Spec {
        Spec::new("full-normal")
    }

    fn eta_width(&self, width: usize) -> usize {
        2 * width + width * width.saturating_sub(1) / 2
    }

    fn zero_at_start(&self, width: usize) -> Range<usize> {
        2 * width..Distribution::<T>::eta_width(self, width)
    }

    fn facts(&self, _column: usize) -> Facts {
        Facts { location_scale: true, learns_spread: true, ..Facts::of(Domain::Real) }
    }

    fn mean(&self, mean: &mut [T], eta: &[T], _own: &[T]) {
        let n = mean.len();
        mean.copy_from_slice(&eta[..n]);
    }

    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng) {
        let noise = || T::from_f64(StandardNormal.sample(rng));
        let eps: Vec<T> = std::iter::repeat_with(noise).take(x.len()).collect();
        self.rsample(x, &mut [], Draw { eta, own, eps: &eps });
    }

    fn start(&self, bias: &mut [T], _own: &mut [T], data: &Moments) {
        bias.iter_mut().zip(&data.mean).for_each(|(b, &mean)| *b = T::from_f64(mean));
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }

    fn as_reparameterized(&self) -> Option<&dyn Reparameterized<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for FullNormal {
    fn log_prob(&self, x: &[T], eta: &[T], _own: &[T]) -> T {
        log_density(parts(eta, x.len()).s, solve(x, eta).into_iter())
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], _own: &[T]) -> T {
        let eps = solve(x, eta);
        slopes(d.d_eta, d.d_x, eta, &eps);
        log_density(parts(eta, x.len()).s, eps.into_iter())
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Reparameterized<T> for FullNormal {
    fn emits_its_mean(&self) -> bool {
        true
    }

    fn rsample(&self, z: &mut [T], _kept: &mut [T], Draw { eta, eps, .. }: Draw<'_, T>) {
        let Parts { mean, s, below } = parts(eta, z.len());
        for (j, z) in z.iter_mut().enumerate() {
            *z = mean[j] + scale(s[j]) * t(j, below, eps);
        }
    }

    fn log_q(&self, _kept: &[T], Draw { eta, eps, .. }: Draw<'_, T>) -> T {
        log_density(parts(eta, eps.len()).s, eps.iter().map(|eps| eps.to_f64()))
    }

    fn backward(
        &self,
        d_eta: &mut [T],
        _d_own: &mut [T],
        _kept: &mut [T],
        d_z: &[T],
        d_log_q: T,
        Draw { eta, eps, .. }: Draw<'_, T>,
    ) {
        let (n, half) = (d_z.len(), T::from_f64(0.5));
        let Parts { s, below, .. } = parts(eta, n);
        let (d_mean, rest) = d_eta.split_at_mut(n);
        let (d_s, d_below) = rest.split_at_mut(n);
        for j in 0..n {
            let d_t = scale(s[j]) * d_z[j];
            d_mean[j] += d_z[j];
            d_s[j] += half * (t(j, below, eps) * d_t - d_log_q);
            d_below[row(j)].iter_mut().zip(eps).for_each(|(d, eps)| *d += d_t * *eps);
        }
    }

    fn as_separable(&self) -> Option<&dyn Separable<T>> {
        Some(self)
    }

    fn as_closed_form(&self) -> Option<&dyn ClosedForm<T>> {
        Some(self)
    }
}

impl<T: Real> Separable<T> for FullNormal {
    fn log_q_gradient(&self, d_eta: &mut [T], d_z: &mut [T], Draw { eta, eps, .. }: Draw<'_, T>) {
        let eps: Vec<f64> = eps.iter().map(|eps| eps.to_f64()).collect();
        slopes(d_eta, d_z, eta, &eps);
    }
}

impl<T: Real> ClosedForm<T> for FullNormal {
    fn std(&self, std: &mut [T], eta: &[T]) {
        let eta = parts(eta, std.len());
        std.iter_mut().enumerate().for_each(|(j, std)| *std = variance(j, &eta).sqrt());
    }

    fn kl(&self, kl: &mut [T], eta: &[T]) {
        let eta = parts(eta, kl.len());
        for (j, kl) in kl.iter_mut().enumerate() {
            let (mean, s) = (eta.mean[j], eta.s[j]);
            *kl = T::from_f64(0.5) * (mean * mean + (variance(j, &eta) - T::one() - s));
        }
    }

    fn kl_backward(&self, d_eta: &mut [T], d_kl: &[T], eta: &[T]) {
        let n = d_kl.len();
        let eta = parts(eta, n);
        let (d_mean, rest) = d_eta.split_at_mut(n);
        let (d_s, d_below) = rest.split_at_mut(n);
        for j in 0..n {
            d_mean[j] += d_kl[j] * eta.mean[j];
            d_s[j] += d_kl[j] * T::from_f64(0.5) * (variance(j, &eta) - T::one());
            let square = d_kl[j] * eta.s[j].exp();
            let of_row = d_below[row(j)].iter_mut().zip(&eta.below[row(j)]);
            of_row.for_each(|(d, l)| *d += square * *l);
        }
    }
}

/// One column after another: given those before it, t_j is normal around Σ_{k<j} ℓ_jk ε_k with variance 1.
impl<T: Real> Coded<T> for FullNormal {
    fn law(&self, At { column, x, eta, .. }: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let Parts { mean, s, below } = parts(eta, x.len());
        let standard =
            |j: usize, x: f64| (x - mean[j].to_f64()) * portable::exp(-0.5 * s[j].to_f64());
        let mut eps: Vec<f64> = Vec::with_capacity(column);
        let known = |j: usize, eps: &[f64]| {
            below[row(j)].iter().zip(eps).fold(0.0, |sum, (l, eps)| sum + l.to_f64() * eps)
        };
        for (j, x) in x[..column].iter().enumerate() {
            let eps_j = standard(j, x.to_f64()) - known(j, &eps);
            eps.push(eps_j);
        }
        let known = known(column, &eps);
        with(&|edge| normal::cdf(standard(column, edge) - known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::constants;
    use crate::distribution::normal::Normal;

    fn eta(n: usize) -> Vec<f64> {
        constants(Distribution::<f64>::eta_width(&FullNormal, n), 3)
    }

    /// In two dimensions by hand: the covariance matrix, its inverse and its determinant.
    #[test]
    fn it_is_the_density_of_its_covariance() {
        let (mean, s, l) = ([0.3, -0.5], [0.4f64, -0.7], 1.3);
        let (a, b) = ((0.5 * s[0]).exp(), (0.5 * s[1]).exp());
        // L = [a 0; b l b]
        let c = [[a * a, a * b * l], [a * b * l, b * b * (1.0 + l * l)]];
        let det = c[0][0] * c[1][1] - c[0][1] * c[1][0];
        let (x, eta) = ([1.1, 0.2], [mean[0], mean[1], s[0], s[1], l]);
        let (d, e) = (x[0] - mean[0], x[1] - mean[1]);
        let square = (d * d * c[1][1] - 2.0 * d * e * c[0][1] + e * e * c[0][0]) / det;
        let expected = -LN_2PI - 0.5 * det.ln() - 0.5 * square;
        assert!((FullNormal.log_prob(&x, &eta, &[]) - expected).abs() < 1e-13);
        let mut std = [0.0; 2];
        FullNormal.std(&mut std, &eta);
        assert!((std[1] * std[1] - c[1][1]).abs() < 1e-13);
    }

    /// The log q of a draw is its density, and with ℓ = 0 all is a diagonal normal's.
    #[test]
    fn a_draw_has_its_density_and_without_rows_it_is_diagonal() {
        let (n, eps) = (4, constants::<f64>(4, 5));
        let (eta, mut z) = (eta(n), [0.0; 4]);
        let draw = Draw { eta: &eta, own: &[], eps: &eps };
        FullNormal.rsample(&mut z, &mut [], draw);
        let log_q = FullNormal.log_q(&[], draw);
        assert!((log_q - FullNormal.log_prob(&z, &eta, &[])).abs() < 1e-12);

        let diagonal: Vec<f64> = eta[..2 * n].iter().copied().chain([0.0; 6]).collect();
        let normal = Normal::emitted();
        let same = FullNormal.log_prob(&z, &diagonal, &[]);
        assert!((same - normal.log_prob(&z, &eta[..2 * n], &[])).abs() < 1e-12);
        let (mut kl, mut of_normal) = ([0.0; 4], [0.0; 4]);
        FullNormal.kl(&mut kl, &diagonal);
        normal.kl(&mut of_normal, &eta[..2 * n]);
        assert_eq!(kl, of_normal);
    }

    /// Each KL_j is at least 0, and their sum is the mean of log q − log p over draws.
    #[test]
    fn kl_is_the_mean_over_draws() {
        let n = 3;
        let (eta, draws) = (eta(n), 200_000);
        let mut kl = [0.0; 3];
        FullNormal.kl(&mut kl, &eta);
        assert!(kl.iter().all(|kl| *kl >= 0.0));
        let (mut sum, mut squares) = (0.0, 0.0);
        for i in 0..draws {
            let (mut eps, mut z) = ([0.0; 3], [0.0; 3]);
            let address = crate::rng::Address::new(0, crate::rng::Purpose::Check);
            address.row(i).fill_normal(&mut eps);
            let draw = Draw { eta: &eta, own: &[], eps: &eps };
            FullNormal.rsample(&mut z, &mut [], draw);
            let log_prior = log_density(&[0.0; 3], z.into_iter());
            let term = FullNormal.log_q(&[], draw) - log_prior;
            (sum, squares) = (sum + term, squares + term * term);
        }
        let mean = sum / draws as f64;
        let error = ((squares / draws as f64 - mean * mean) / draws as f64).sqrt();
        let kl: f64 = kl.iter().sum();
        assert!((mean - kl).abs() < 4.0 * error && error < 0.05, "{mean} ± {error}, {kl}");
    }
}

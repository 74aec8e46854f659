//! Normal distributions with a diagonal covariance matrix as posteriors: their draws, log q of them, and their KL to
//! N(0, I). Members say which log-variance s the network's u stands for; with s = u these are the formulas of
//! `normal.rs`.
//!
//! ```text
//! Backward  what reaches s goes on to u by ∂s/∂u
//! ```

use super::{ClosedForm, Distribution, Draw, Reparameterized, Separable};
use crate::math::{LN_2PI, map_sum};
use crate::real::Real;
use crate::simd;

/// A normal distribution whose η, `[2Z]`, is the mean μ before u.
pub trait Diagonal {
    /// [ln F, ln C], between which s lies, where it has bounds.
    fn range<T: Real>(&self) -> [T; 2];

    /// s, and its slope ∂s/∂u. Mark it `#[inline(always)]`: it stands in loops of vector instructions.
    fn log_variance<T: Real>(range: [T; 2], u: T) -> (T, T);
}

impl<T: Real, D: Diagonal + Distribution<T>> Reparameterized<T> for D {
    fn emits_its_mean(&self) -> bool {
        true
    }

    fn rsample(&self, z: &mut [T], _kept: &mut [T], draw: Draw<'_, T>) {
        let (mean, u) = draw.eta.split_at(z.len());
        let (half, range) = (T::from_f64(0.5), self.range());
        simd::dispatch(
            #[inline(always)]
            || {
                for (((z, &mean), &u), &eps) in z.iter_mut().zip(mean).zip(u).zip(draw.eps) {
                    *z = mean + (half * D::log_variance(range, u).0).exp() * eps;
                }
            },
        );
    }

    fn log_q(&self, _kept: &[T], draw: Draw<'_, T>) -> T {
        let (ln_2pi, range) = (T::from_f64(LN_2PI), self.range());
        let sum = map_sum(
            [],
            [draw.eps, &draw.eta[draw.eps.len()..]],
            #[inline(always)]
            |[eps, u]| ([], ln_2pi + D::log_variance(range, u).0 + eps * eps),
        );
        T::from_f64(-0.5) * sum
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
        let n = d_z.len();
        let (half, range) = (T::from_f64(0.5), self.range());
        let (d_mean, d_u) = d_eta.split_at_mut(n);
        let (u, eps) = (&draw.eta[n..], draw.eps);
        let total = half * d_log_q;
        simd::dispatch(
            #[inline(always)]
            || {
                for i in 0..n {
                    let (s, slope) = D::log_variance(range, u[i]);
                    d_mean[i] += d_z[i];
                    d_u[i] += (half * (half * s).exp() * eps[i] * d_z[i] - total) * slope;
                }
            },
        );
    }

    fn as_separable(&self) -> Option<&dyn Separable<T>> {
        Some(self)
    }

    fn as_closed_form(&self) -> Option<&dyn ClosedForm<T>> {
        Some(self)
    }
}

impl<T: Real, D: Diagonal + Distribution<T>> Separable<T> for D {
    fn log_q_gradient(&self, d_eta: &mut [T], d_z: &mut [T], draw: Draw<'_, T>) {
        let Draw { eta, eps, .. } = draw;
        let n = eps.len();
        let (half, range) = (T::from_f64(0.5), self.range());
        let (d_mean, d_u) = d_eta.split_at_mut(n);
        let u = &eta[n..2 * n];
        simd::dispatch(
            #[inline(always)]
            || {
                for i in 0..n {
                    let (s, slope) = D::log_variance(range, u[i]);
                    let t = eps[i] * (-half * s).exp();
                    d_mean[i] = t;
                    d_u[i] = half * (eps[i] * eps[i] - T::one()) * slope;
                    d_z[i] = -t;
                }
            },
        );
    }
}

impl<T: Real, D: Diagonal + Distribution<T>> ClosedForm<T> for D {
    fn std(&self, std: &mut [T], eta: &[T]) {
        let (u, range) = (&eta[std.len()..], self.range());
        let of = |u| (T::from_f64(0.5) * D::log_variance(range, u).0).exp();
        std.iter_mut().zip(u).for_each(|(std, &u)| *std = of(u));
    }

    fn kl(&self, kl: &mut [T], eta: &[T]) {
        let (mean, u) = eta.split_at(kl.len());
        let (half, one, range) = (T::from_f64(0.5), T::one(), self.range());
        simd::dispatch(
            #[inline(always)]
            || {
                for ((kl, &mean), &u) in kl.iter_mut().zip(mean).zip(u) {
                    let (s, _) = D::log_variance(range, u);
                    *kl = half * (mean * mean + (s.exp() - one - s));
                }
            },
        );
    }

    fn kl_backward(&self, d_eta: &mut [T], d_kl: &[T], eta: &[T]) {
        let n = d_kl.len();
        let (half, one, range) = (T::from_f64(0.5), T::one(), self.range());
        let (mean, u) = eta.split_at(n);
        let (d_mean, d_u) = d_eta.split_at_mut(n);
        simd::dispatch(
            #[inline(always)]
            || {
                for i in 0..n {
                    let (s, slope) = D::log_variance(range, u[i]);
                    d_mean[i] += d_kl[i] * mean[i];
                    d_u[i] += d_kl[i] * half * (s.exp() - one) * slope;
                }
            },
        );
    }
}

//! The normal as a posterior: its draws, log q of them, and its KL to N(0, I). (Formulas: `../normal.rs`.)

use super::Normal;
use crate::distribution::{ClosedForm, Draw, Reparameterized, Separable};
use crate::math::{LN_2PI, map_sum};
use crate::real::Real;
use crate::simd;

impl<T: Real> Reparameterized<T> for Normal {
    fn rsample(&self, z: &mut [T], _kept: &mut [T], draw: Draw<'_, T>) {
        let (mean, s) = draw.eta.split_at(z.len());
        simd::dispatch(
            #[inline(always)]
            || {
                for (((z, &mean), &s), &eps) in z.iter_mut().zip(mean).zip(s).zip(draw.eps) {
                    *z = mean + (T::from_f64(0.5) * s).exp() * eps;
                }
            },
        );
    }

    fn log_q(&self, _kept: &[T], draw: Draw<'_, T>) -> T {
        let ln_2pi = T::from_f64(LN_2PI);
        let sum = map_sum(
            [],
            [draw.eps, &draw.eta[draw.eps.len()..]],
            #[inline(always)]
            |[eps, s]| ([], ln_2pi + s + eps * eps),
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
        let half = T::from_f64(0.5);
        let (d_mean, d_s) = d_eta.split_at_mut(n);
        let (s, eps) = (&draw.eta[n..], draw.eps);
        let total = half * d_log_q;
        simd::dispatch(
            #[inline(always)]
            || {
                for i in 0..n {
                    d_mean[i] += d_z[i];
                    d_s[i] += half * (half * s[i]).exp() * eps[i] * d_z[i] - total;
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

impl<T: Real> Separable<T> for Normal {
    fn log_q_gradient(&self, d_eta: &mut [T], d_z: &mut [T], draw: Draw<'_, T>) {
        let Draw { eta, eps, .. } = draw;
        let n = eps.len();
        let half = T::from_f64(0.5);
        let (d_mean, d_s) = d_eta.split_at_mut(n);
        let s = &eta[n..2 * n];
        simd::dispatch(
            #[inline(always)]
            || {
                for i in 0..n {
                    let u = eps[i] * (-half * s[i]).exp();
                    d_mean[i] = u;
                    d_s[i] = half * (eps[i] * eps[i] - T::one());
                    d_z[i] = -u;
                }
            },
        );
    }
}

impl<T: Real> ClosedForm<T> for Normal {
    fn std(&self, std: &mut [T], eta: &[T]) {
        let s = &eta[std.len()..];
        std.iter_mut().zip(s).for_each(|(std, &s)| *std = (T::from_f64(0.5) * s).exp());
    }

    fn kl(&self, kl: &mut [T], eta: &[T]) {
        let (mean, s) = eta.split_at(kl.len());
        let (half, one) = (T::from_f64(0.5), T::one());
        simd::dispatch(
            #[inline(always)]
            || {
                for ((kl, &mean), &s) in kl.iter_mut().zip(mean).zip(s) {
                    *kl = half * (mean * mean + (s.exp() - one - s));
                }
            },
        );
    }

    fn kl_backward(&self, d_eta: &mut [T], d_kl: &[T], eta: &[T]) {
        let n = d_kl.len();
        let (half, one) = (T::from_f64(0.5), T::one());
        let (mean, s) = eta.split_at(n);
        let (d_mean, d_s) = d_eta.split_at_mut(n);
        simd::dispatch(
            #[inline(always)]
            || {
                for i in 0..n {
                    d_mean[i] += d_kl[i] * mean[i];
                    d_s[i] += d_kl[i] * half * (s[i].exp() - one);
                }
            },
        );
    }
}

//! The bounded normal as a posterior: the normal's draws, log q and KL, of s that has bounds. (Formulas of s:
//! `../bounded_normal.rs`; of the rest, by s: `../normal.rs`.)
//!
//! ```text
//! Backward  what reaches s goes on to u by ∂s/∂u = Λ σ (1 − σ), which is never 0: a variance at a bound can
//!           come back, as from a hard clamp it cannot
//! ```

use super::{BoundedNormal, log_variance};
use crate::distribution::{ClosedForm, Draw, Reparameterized, Separable};
use crate::math::{LN_2PI, map_sum};
use crate::real::Real;
use crate::simd;

impl<T: Real> Reparameterized<T> for BoundedNormal {
    fn rsample(&self, z: &mut [T], _kept: &mut [T], draw: Draw<'_, T>) {
        let (mean, u) = draw.eta.split_at(z.len());
        let (half, range) = (T::from_f64(0.5), self.range());
        simd::dispatch(
            #[inline(always)]
            || {
                for (((z, &mean), &u), &eps) in z.iter_mut().zip(mean).zip(u).zip(draw.eps) {
                    *z = mean + (half * log_variance(range, u).0).exp() * eps;
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
            |[eps, u]| ([], ln_2pi + log_variance(range, u).0 + eps * eps),
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
                    let (s, slope) = log_variance(range, u[i]);
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

impl<T: Real> Separable<T> for BoundedNormal {
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
                    let (s, slope) = log_variance(range, u[i]);
                    let t = eps[i] * (-half * s).exp();
                    d_mean[i] = t;
                    d_u[i] = half * (eps[i] * eps[i] - T::one()) * slope;
                    d_z[i] = -t;
                }
            },
        );
    }
}

impl<T: Real> ClosedForm<T> for BoundedNormal {
    fn std(&self, std: &mut [T], eta: &[T]) {
        let (u, range) = (&eta[std.len()..], self.range());
        let of = |u| (T::from_f64(0.5) * log_variance(range, u).0).exp();
        std.iter_mut().zip(u).for_each(|(std, &u)| *std = of(u));
    }

    fn kl(&self, kl: &mut [T], eta: &[T]) {
        let (mean, u) = eta.split_at(kl.len());
        let (half, one, range) = (T::from_f64(0.5), T::one(), self.range());
        simd::dispatch(
            #[inline(always)]
            || {
                for ((kl, &mean), &u) in kl.iter_mut().zip(mean).zip(u) {
                    let (s, _) = log_variance(range, u);
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
                    let (s, slope) = log_variance(range, u[i]);
                    d_mean[i] += d_kl[i] * mean[i];
                    d_u[i] += d_kl[i] * half * (s.exp() - one) * slope;
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::normal::Normal;

    /// It is the normal of that log-variance, and stays within the bounds whatever is emitted.
    #[test]
    fn it_is_the_normal_of_its_log_variance() {
        let q = BoundedNormal::new(0.0025, 7.4).unwrap();
        let eta = [0.3, -1.0, 2.0, -0.7, 1.5, 60.0];
        let s = [3, 4, 5].map(|i| log_variance(q.range::<f64>(), eta[i]).0);
        let of_normal = [eta[0], eta[1], eta[2], s[0], s[1], s[2]];
        let eps = [0.4, -1.2, 0.9];
        let draw = |eta| Draw { eta, own: &[], eps: &eps };
        let (mut a, mut b) = ([0.0; 3], [0.0; 3]);
        q.rsample(&mut a, &mut [], draw(&eta));
        Normal::emitted().rsample(&mut b, &mut [], draw(&of_normal));
        assert_eq!(a, b);
        assert_eq!(q.log_q(&[], draw(&eta)), Normal::emitted().log_q(&[], draw(&of_normal)));
        q.kl(&mut a, &eta);
        Normal::emitted().kl(&mut b, &of_normal);
        assert_eq!(a, b);
        for u in [-1e30, -50.0, 0.0, 50.0, 1e30] {
            let mut std = [0.0f32];
            q.std(&mut std, &[0.0, u]);
            let variance = f64::from(std[0]).powi(2);
            assert!((0.0025 * 0.999..=7.4 * 1.001).contains(&variance), "{u}: {variance}");
        }
    }
}

//! The exemplar prior: the mean of kernels at the latents of the training rows.
//!
//! ```text
//! Shapes    z [N, Z]   own = means m [E, Z], one for each training row, and s = ln σ² [1]
//! Forward   r(z|x_e) = N(z; m_e, σ² I), m_e the posterior's mean at row e
//!             log p(z) = log 1/E Σ_e r(z|x_e)                       of held-out rows and of new ones
//!             log p(z_n) = log 1/(E − 1) Σ_{e ∈ S, e ≠ n} r(z_n|x_e)    while training on row n, with S the neighbours
//!           of the batch's rows, encoded anew: without its own kernel, which would be the narrower the better, and
//!           without those too far off to matter, so that it is at most the sum over all
//! Backward  with the shares ρ_ne = r(z_n|x_e) / Σ_i r(z_n|x_i), a softmax over e, and d = z_n − m_e:
//!             ∂/∂z_n = −Σ_e ρ_ne d e^{−s}   ∂/∂m_e = ρ_ne d e^{−s}   ∂/∂s = ½ Σ_e ρ_ne (d² e^{−s} − Z)
//!           and from m_e back through the encoder, run by the model
//! Numerics  the sum over e keeps its maximum and its value relative to that, so that nothing is stored per pair: E may be
//!           all rows there are. The shares come from both again (from log p, which may be large, they would have no digits)
//! Source    Norouzi, Fleet & Norouzi 2020, "Exemplar VAE: Linking Generative Models, Nearest Neighbor Retrieval,
//!           and Data Augmentation"
//! ```
//!
//! The means are no weights ([`Start::State`]): the trainer writes them after each epoch. Where others learn
//! pseudo-inputs this prior has every row of the data, and learns how far a latent may be from them.

use super::in_turn::InTurn;
use super::{Given, Member, Prior, PriorGradient, Retrieval, Sequential, Spec};
use crate::distribution::{At, Below};
use crate::math::{normal, portable, square_distance};
use crate::parallel::{self, Rows, RowsMut};
use crate::params::{Scope, Start};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use ndarray::{ArrayView2, ArrayViewMut2};
use rand::RngExt;
use rand_distr::{Distribution as _, StandardNormal};
use std::f64::consts::TAU;

/// The mean of kernels at `count` rows, of which training sees `neighbours` of each row.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar {
    count: usize,
    neighbours: usize,
}

/// As many rows as a training may have.
const MOST: usize = u32::MAX as usize;

pub(super) fn member<T: Real>() -> Member<Box<dyn Prior<T>>> {
    Member {
        name: "exemplar",
        summary: "the mean of equal normals at the latents of all training rows; training sees the nearest \
                  `neighbours=K` (10) of each row but itself",
        build: |spec| {
            spec.only(&["count", "neighbours"])?;
            let count = spec.whole("count", 2..=MOST)?.unwrap_or(2);
            let neighbours = spec.whole("neighbours", 1..=1000)?.unwrap_or(10);
            Ok(Box::new(Exemplar { count, neighbours }))
        },
        examples: &["exemplar:count=4,neighbours=2"],
    }
}

/// Rough cost of one element of one pair, in additions, for the decision to use a second thread.
const COST: usize = 3;

/// Kernels of one width at some means.
struct Kernels<'a, T> {
    /// `[E, Z or more]`: behind the mean may stand what else an encoder emits.
    means: ArrayView2<'a, T>,
    /// How many all are, by which their sum is divided.
    total: usize,
    /// Of each row of the batch, the place among the means that is its own.
    own_places: Option<&'a [u32]>,
    /// s
    log_variance: T,
}

impl<'a, T: Real> Kernels<'a, T> {
    fn of(prior: &Exemplar, given: &Given<'a, T>) -> Self {
        let (means, log_variance) = given.own.split_at(given.own.len() - 1);
        let width = means.len() / prior.count;
        let table = ArrayView2::from_shape((prior.count, width), means);
        Kernels {
            means: given
                .posteriors
                .map_or_else(|| table.expect("as many numbers as it asked for"), |of| of.eta),
            total: if given.own_places.is_some() { prior.count - 1 } else { prior.count },
            own_places: given.own_places,
            log_variance: log_variance[0],
        }
    }

    /// The place that row `n` of `rows` leaves out; several draws may share a row.
    fn left_out(&self, n: usize, rows: usize) -> usize {
        self.own_places.map_or(usize::MAX, |places| places[n * places.len() / rows] as usize)
    }

    /// ln of the density at a kernel's middle.
    fn ln_height(&self, width: usize) -> T {
        let half_width = 0.5 * width as f64;
        T::from_f64(-half_width * TAU.ln()) - T::from_f64(half_width) * self.log_variance
    }

    /// Calls `each` with every mean that counts for row `n` of `rows`, its place, and ln r at z less the height.
    #[inline(always)]
    fn for_each(&self, z: &[T], n: usize, rows: usize, mut each: impl FnMut(usize, &[T], T)) {
        let (means, left_out) =
            (Rows::new(&self.means, self.means.nrows()), self.left_out(n, rows));
        let half_precision = T::from_f64(0.5) * (-self.log_variance).exp();
        for e in (0..self.means.nrows()).filter(|e| *e != left_out) {
            let mean = &means.row(e)[..z.len()];
            each(e, mean, -half_precision * square_distance(z, mean));
        }
    }

    /// The largest ln r of row `n` of `rows`, less the height, and Σ r relative to it.
    fn sum(&self, z: &[T], n: usize, rows: usize) -> [T; 2] {
        let (mut max, mut sum) = (T::NEG_INFINITY, T::zero());
        self.for_each(z, n, rows, |_, _, log_r| {
            if log_r > max {
                sum = sum * (max - log_r).exp() + T::one();
                max = log_r;
            } else if log_r != T::NEG_INFINITY {
                sum += (log_r - max).exp(); // a NaN stays one
            }
        });
        [max, sum]
    }

    /// `log_p_n ← log p(z_n)`, and `sums_n` what it is made of, `[N, 2]`.
    fn log_prob(&self, log_p: &mut [T], sums: &mut [T], z: &ArrayView2<T>) {
        let (n, cost) = (log_p.len(), COST * self.means.nrows() * z.ncols());
        let ln_height = self.ln_height(z.ncols()) - T::from_f64((self.total as f64).ln());
        let z = Rows::new(z, n);
        let out = (RowsMut::new(log_p, 1), RowsMut::new(sums, 2));
        parallel::rows(out, n, cost, &|first, count, (mut log_p, mut sums)| {
            for i in first..first + count {
                let [max, sum] = self.sum(z.row(i), i, n);
                log_p.row(i - first)[0] = max + (sum.ln() + ln_height);
                sums.row(i - first).copy_from_slice(&[max, sum]);
            }
        });
    }
}

/// The share of a kernel in p(z): 0 where it is below any rounding.
fn share<T: Real>(log_r: T, sums: &[T]) -> T {
    let share = (log_r - sums[0]).exp() / sums[1];
    if share < T::EPSILON * T::EPSILON { T::zero() } else { share }
}

impl<T: Real> Prior<T> for Exemplar {
    fn spec(&self) -> Spec {
        Spec::new("exemplar").with("count", self.count).with("neighbours", self.neighbours)
    }

    fn own(&self, scope: &mut Scope<'_>, latent: usize, _data: usize) {
        scope.tensor("means", &[self.count, latent], Start::State(0.0));
        scope.tensor("log_variance", &[1], Start::Constant(0.0));
    }

    fn retrieval(&self) -> Option<Retrieval> {
        Some(Retrieval { count: self.count, neighbours: self.neighbours.min(self.count - 1) })
    }

    /// The sums of each row.
    fn work(&self, rows: usize, _latent: usize, _eta: usize) -> usize {
        2 * rows
    }

    fn log_prob(&self, log_p: &mut [T], z: &ArrayView2<T>, given: Given<'_, T>, work: &mut [T]) {
        let sums = &mut work[..2 * log_p.len()];
        Kernels::of(self, &given).log_prob(log_p, sums, z);
    }

    fn log_prob_gradient(
        &self,
        log_p: &mut [T],
        d_z: ArrayViewMut2<T>,
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        let (n, kernels) = (log_p.len(), Kernels::of(self, &given));
        let sums = &mut work[..2 * n];
        kernels.log_prob(log_p, sums, z);
        let sums = &*sums;
        let (cost, z) = (COST * kernels.means.nrows() * z.ncols(), Rows::new(z, n));
        let precision = (-kernels.log_variance).exp();
        parallel::rows(RowsMut::of(d_z), n, cost, &|first, count, mut d_z| {
            for (i, sums) in sums.chunks_exact(2).enumerate().skip(first).take(count) {
                let (d_z, z) = (d_z.row(i - first), z.row(i));
                d_z.fill(T::zero());
                kernels.for_each(z, i, n, |_, mean, log_r| {
                    let w = share(log_r, sums) * precision;
                    if w != T::zero() {
                        let terms = d_z.iter_mut().zip(z).zip(mean);
                        terms.for_each(|((d_z, &z), &mean)| *d_z += w * (mean - z));
                    }
                });
            }
        });
    }

    fn backward(
        &self,
        d: PriorGradient<'_, T>,
        weight: &[T],
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        let (kernels, PriorGradient { d_own, mut d_eta }) = (Kernels::of(self, &given), d);
        let (n, width, precision) = (weight.len(), z.ncols(), (-kernels.log_variance).exp());
        let (z, mut d_s) = (Rows::new(z, n), T::zero());
        for i in (0..n).filter(|i| weight[*i] != T::zero()) {
            kernels.for_each(z.row(i), i, n, |e, mean, log_r| {
                let w = weight[i] * share(log_r, &work[2 * i..]);
                if w == T::zero() {
                    return;
                }
                // d² e^{−s} is −2 ln r.
                d_s -= w * (log_r + log_r + T::from_f64(width as f64));
                // The means of the table are state, which has no gradient.
                if let Some(mut d_eta) = (e < d_eta.nrows()).then(|| d_eta.row_mut(e)) {
                    let terms = d_eta.iter_mut().zip(z.row(i)).zip(mean);
                    terms.for_each(|((d, &z), &mean)| *d += w * precision * (z - mean));
                }
            });
        }
        d_own[d_own.len() - 1] += T::from_f64(0.5) * d_s;
    }

    fn in_turn<'a>(
        &'a self,
        latent: usize,
        given: Given<'a, T>,
    ) -> Option<Box<dyn Sequential + 'a>> {
        let Kernels { means, log_variance, .. } = Kernels::of(self, &given);
        let rate = portable::exp(-0.5 * log_variance.to_f64());
        let law = move |e: usize, at: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)| {
            let mean = means[(e, at.column)].to_f64();
            with(&|edge| normal::cdf((edge - mean) * rate));
        };
        let weights = vec![1.0 / self.count as f64; self.count];
        Some(Box::new(InTurn::new(weights, latent, Box::new(law))))
    }

    fn sample(&self, z: &mut [T], temperature: T, given: Given<'_, T>, rng: &mut ChaCha8Rng) {
        let kernels = Kernels::of(self, &given);
        let mean = kernels.means.row(rng.random_range(0..kernels.means.nrows()));
        let spread = temperature * (T::from_f64(0.5) * kernels.log_variance).exp();
        for (z, &mean) in z.iter_mut().zip(mean) {
            let eps: f64 = StandardNormal.sample(rng);
            *z = mean + spread * T::from_f64(eps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution;
    use crate::prior::Posteriors;
    use ndarray::{Array2, array};

    const PRIOR: Exemplar = Exemplar { count: 3, neighbours: 2 };
    /// Means of three rows, and ln σ².
    const OWN: [f64; 7] = [0.3, -1.0, 2.0, 0.5, -1.5, 0.0, -0.4];

    fn log_kernel(z: &[f64], mean: &[f64]) -> f64 {
        let distance: f64 = z.iter().zip(mean).map(|(z, m)| (z - m).powi(2)).sum();
        -TAU.ln() + 0.4 - 0.5 * distance * 0.4f64.exp()
    }

    /// The mean over all kernels; in training over those of the batch but its own, divided by all others there are.
    #[test]
    fn log_p_is_that_of_the_mean_kernel() {
        let z = array![[0.1, -0.7], [3.0, 2.0]];
        let log_p = |given: Given<'_, f64>| {
            let mut log_p = [0.0; 2];
            PRIOR.log_prob(&mut log_p, &z.view(), given, &mut [0.0; 4]);
            log_p
        };
        let q = distribution::build::<f64>(&"normal".parse().unwrap()).unwrap();
        let eta = array![[1.0, 1.0, 7.0, 7.0], [0.0, 0.5, 7.0, 7.0]];
        let of = Posteriors { q: &*q, eta: eta.view(), own: &[] };
        let all = log_p(Given { own: &OWN, posteriors: None, own_places: None });
        let places = [1, u32::MAX];
        let some = log_p(Given { own: &OWN, posteriors: Some(of), own_places: Some(&places) });
        for (i, z) in z.rows().into_iter().enumerate() {
            let z = z.to_slice().unwrap();
            let mean: f64 = OWN[..6].chunks(2).map(|m| log_kernel(z, m).exp()).sum::<f64>() / 3.0;
            assert!((all[i] - mean.ln()).abs() < 1e-12);
            let kept = if i == 0 { 0..1 } else { 0..2 };
            let kernels = kept.map(|e| log_kernel(z, &eta.row(e).to_vec()[..2]).exp());
            assert!((some[i] - (kernels.sum::<f64>() / 2.0).ln()).abs() < 1e-12);
        }
    }

    /// Draws have the moments of the mixture: E z = mean of the means, E z² = mean of m² + σ².
    #[test]
    fn draws_are_from_the_mixture() {
        let given = Given { own: &OWN, posteriors: None, own_places: None };
        let mut rng = crate::rng::Address::new(1, crate::rng::Purpose::Test).rng();
        let mut z = Array2::zeros((100_000, 2));
        for mut z in z.rows_mut() {
            PRIOR.sample(z.as_slice_mut().unwrap(), 1.0, given, &mut rng);
        }
        for j in 0..2 {
            let of_means =
                |power: i32| OWN[..6].chunks(2).map(|m| m[j].powi(power)).sum::<f64>() / 3.0;
            let (n, column) = (z.nrows() as f64, z.column(j));
            assert!((column.sum() / n - of_means(1)).abs() < 0.03);
            let want = of_means(2) + (-0.4f64).exp();
            assert!((column.dot(&column) / n - want).abs() < 0.05);
        }
    }
}

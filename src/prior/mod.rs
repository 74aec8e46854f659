//! The distribution of the topmost latent, p(z_L).
//!
//! To add one: write its file, ending in a `member()` function, and add its name to the list below.

use crate::family::{Member, Spec, family};
use crate::parallel::{self, Rows, RowsMut};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use ndarray::{ArrayView2, ArrayViewMut2};

family!(Prior, "prior": standard_normal);

/// A distribution over rows `z: [Z]`.
pub trait Prior<T: Real>: Send + Sync {
    /// Its name and settings.
    fn spec(&self) -> Spec;

    /// Whether it is N(0, I), for which posteriors know their KL in closed form.
    fn is_standard_normal(&self) -> bool;

    /// log p(z) of one row, in nats.
    fn log_prob(&self, z: &[T]) -> T;

    /// log p(z) and, in the same pass, `d_z ← ∂log p/∂z`.
    fn log_prob_gradient(&self, d_z: &mut [T], z: &[T]) -> T;

    /// `z ← a draw` whose distance from the prior's mean is `temperature` times as large as the prior
    /// would have it; 1 is the prior itself.
    fn sample(&self, z: &mut [T], temperature: T, rng: &mut ChaCha8Rng);
}

/// Rough cost of one element of a kernel, in additions, for the decision to use a second thread.
const COST: usize = 4;

/// `log_p_n ← log p(z_n)`; `log_p: [N]`, `z: [N, Z]`.
///
/// # Panics
/// If `z` is not in standard layout.
pub fn log_prob<T: Real>(log_p: &mut [T], p: &dyn Prior<T>, z: &ArrayView2<T>) {
    let n = log_p.len();
    let (cost, z) = (COST * z.ncols(), Rows::new(z, n));
    parallel::rows(RowsMut::new(log_p, 1), n, cost, &|first, count, mut log_p| {
        (0..count).for_each(|i| log_p.row(i)[0] = p.log_prob(z.row(first + i)));
    });
}

/// As [`log_prob`], with `d_z ← ∂log p/∂z`, `[N, Z]`.
///
/// # Panics
/// If `z` or `d_z` is not in standard layout.
pub fn log_prob_gradient<T: Real>(
    log_p: &mut [T],
    d_z: ArrayViewMut2<T>,
    p: &dyn Prior<T>,
    z: &ArrayView2<T>,
) {
    let n = log_p.len();
    let (cost, z) = (COST * z.ncols(), Rows::new(z, n));
    let out = (RowsMut::new(log_p, 1), RowsMut::of(d_z));
    parallel::rows(out, n, cost, &|first, count, (mut log_p, mut d_z)| {
        (0..count)
            .for_each(|i| log_p.row(i)[0] = p.log_prob_gradient(d_z.row(i), z.row(first + i)));
    });
}

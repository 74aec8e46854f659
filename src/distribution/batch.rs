//! Running a distribution's one-row kernels over the rows of a batch.
//!
//! All outputs have N rows; x and η may have fewer, each row then serving N / rows consecutive ones
//! ([`Rows`]): with K samples, x of B rows meets η of B·K rows in a likelihood, and η of B rows
//! meets ε of B·K rows in a posterior.

use super::{Distribution, Reparameterized, RowGradient};
use crate::parallel::{self, Rows, RowsMut};
use crate::real::Real;
use ndarray::{ArrayView2, ArrayViewMut2};

/// Rough cost of one element of a kernel, in additions, for the decision to use a second thread.
const COST: usize = 8;

/// `log_p_n ← log p(x_n | η_n)`; `log_p: [N]`, `x: [N or B, D]`, `eta: [N or B, P]`.
///
/// # Panics
/// If N is not a multiple of the rows of `x` and of `eta`, or a view is not in standard layout.
pub fn log_prob<T: Real>(
    log_p: &mut [T],
    p: &dyn Distribution<T>,
    x: &ArrayView2<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = log_p.len();
    let (cost, x, eta) = (COST * x.ncols(), Rows::new(x, n), Rows::new(eta, n));
    parallel::rows(RowsMut::new(log_p, 1), n, cost, &|first, count, mut log_p| {
        (0..count)
            .for_each(|i| log_p.row(i)[0] = p.log_prob(x.row(first + i), eta.row(first + i), own));
    });
}

/// Where a batch of unit gradients goes: rows as in [`RowGradient`].
pub struct Gradients<'a, T> {
    /// ∂log p_n/∂η_n, `[N, P]`.
    pub d_eta: ArrayViewMut2<'a, T>,
    /// ∂log p_n/∂x_n, `[N, D]`, where somebody asks for it.
    pub d_x: Option<ArrayViewMut2<'a, T>>,
    /// ∂log p_n/∂own, `[N, O]`.
    pub d_own: ArrayViewMut2<'a, T>,
}

/// As [`log_prob`], with the gradient of every row's log-probability from the same pass.
///
/// # Panics
/// As [`log_prob`], or if an output has another shape than stated.
pub fn log_prob_gradient<T: Real>(
    log_p: &mut [T],
    d: Gradients<'_, T>,
    p: &dyn Distribution<T>,
    x: &ArrayView2<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = log_p.len();
    assert!(d.d_eta.dim() == (n, eta.ncols()), "d_eta has another shape than N rows of η");
    let (cost, x, eta) = (COST * x.ncols(), Rows::new(x, n), Rows::new(eta, n));
    let d_x = d.d_x.map_or_else(RowsMut::none, RowsMut::of);
    let out = (RowsMut::new(log_p, 1), RowsMut::of(d.d_eta), d_x, RowsMut::of(d.d_own));
    parallel::rows(out, n, cost, &|first, count, (mut log_p, mut d_eta, mut d_x, mut d_own)| {
        for i in 0..count {
            let d = RowGradient { d_eta: d_eta.row(i), d_x: d_x.row(i), d_own: d_own.row(i) };
            log_p.row(i)[0] = p.log_prob_gradient(d, x.row(first + i), eta.row(first + i), own);
        }
    });
}

/// `z_n ← g(η_n, ε_n)`; `z, eps: [N, Z]`, `eta: [N or B, P]`.
///
/// # Panics
/// As [`log_prob`].
pub fn rsample<T: Real>(
    z: ArrayViewMut2<T>,
    q: &dyn Reparameterized<T>,
    eta: &ArrayView2<T>,
    eps: &ArrayView2<T>,
) {
    let n = z.nrows();
    let (cost, eta, eps) = (COST * z.ncols(), Rows::new(eta, n), Rows::new(eps, n));
    parallel::rows(RowsMut::of(z), n, cost, &|first, count, mut z| {
        for i in 0..count {
            q.rsample(z.row(i), eta.row(first + i), eps.row(first + i));
        }
    });
}

/// `log_q_n ← log q(z_n | η_n)` of the draws z = g(η, ε); `log_q: [N]`.
///
/// # Panics
/// As [`log_prob`].
pub fn log_q<T: Real>(
    log_q: &mut [T],
    q: &dyn Reparameterized<T>,
    eta: &ArrayView2<T>,
    eps: &ArrayView2<T>,
) {
    let n = log_q.len();
    let (cost, eta, eps) = (COST * eps.ncols(), Rows::new(eta, n), Rows::new(eps, n));
    parallel::rows(RowsMut::new(log_q, 1), n, cost, &|first, count, mut log_q| {
        (0..count).for_each(|i| log_q.row(i)[0] = q.log_q(eta.row(first + i), eps.row(first + i)));
    });
}

/// `d_eta_n ← ∂log q_n/∂η_n` at fixed z (direct term) `[N, P]` and `d_z_n ← ∂log q_n/∂z_n` `[N, Z]`.
///
/// # Panics
/// As [`log_prob`].
pub fn log_q_gradient<T: Real>(
    d_eta: ArrayViewMut2<T>,
    d_z: ArrayViewMut2<T>,
    q: &dyn Reparameterized<T>,
    eta: &ArrayView2<T>,
    eps: &ArrayView2<T>,
) {
    let n = d_z.nrows();
    let (cost, eta, eps) = (COST * eps.ncols(), Rows::new(eta, n), Rows::new(eps, n));
    let out = (RowsMut::of(d_eta), RowsMut::of(d_z));
    parallel::rows(out, n, cost, &|first, count, (mut d_eta, mut d_z)| {
        for i in 0..count {
            q.log_q_gradient(d_eta.row(i), d_z.row(i), eta.row(first + i), eps.row(first + i));
        }
    });
}

/// `d_eta_n ← d log q_n/dη_n` along the draw, `[N, P]`: direct term and path through z together.
///
/// # Panics
/// As [`log_prob`].
pub fn log_q_total_gradient<T: Real>(
    d_eta: ArrayViewMut2<T>,
    q: &dyn Reparameterized<T>,
    eta: &ArrayView2<T>,
    eps: &ArrayView2<T>,
) {
    let n = d_eta.nrows();
    let (cost, eta, eps) = (eps.ncols(), Rows::new(eta, n), Rows::new(eps, n));
    parallel::rows(RowsMut::of(d_eta), n, cost, &|first, count, mut d_eta| {
        for i in 0..count {
            q.log_q_total_gradient(d_eta.row(i), eta.row(first + i), eps.row(first + i));
        }
    });
}

/// `d_eta_b += Σ_k (∂z_bk/∂η_b)ᵀ d_z_bk`, the path through z; `d_eta: [B, P]`, `d_z, eps: [B·K, Z]`.
///
/// # Panics
/// As [`log_prob`].
pub fn rsample_backward<T: Real>(
    d_eta: ArrayViewMut2<T>,
    q: &dyn Reparameterized<T>,
    d_z: &ArrayView2<T>,
    eta: &ArrayView2<T>,
    eps: &ArrayView2<T>,
) {
    let (b, n) = (d_eta.nrows(), d_z.nrows());
    let k = n / b.max(1);
    let cost = COST * d_z.ncols() * k;
    let (d_z, eps, eta) = (Rows::new(d_z, n), Rows::new(eps, n), Rows::new(eta, b));
    parallel::rows(RowsMut::of(d_eta), b, cost, &|first, count, mut d_eta| {
        for i in 0..count {
            for draw in (first + i) * k..(first + i + 1) * k {
                q.rsample_backward(d_eta.row(i), d_z.row(draw), eta.row(first + i), eps.row(draw));
            }
        }
    });
}

/// `kl_b ← KL(q(z|η_b) ‖ N(0, I))` per latent; `kl: [B, Z]`, `eta: [B, P]`.
///
/// # Panics
/// As [`log_prob`].
pub fn kl<T: Real>(kl: ArrayViewMut2<T>, q: &dyn Reparameterized<T>, eta: &ArrayView2<T>) {
    let b = kl.nrows();
    let (cost, eta) = (COST * kl.ncols(), Rows::new(eta, b));
    parallel::rows(RowsMut::of(kl), b, cost, &|first, count, mut kl| {
        (0..count).for_each(|i| q.kl(kl.row(i), eta.row(first + i)));
    });
}

/// `d_eta_b += Σ_j d_kl_bj ∂KL_bj/∂η_b`; `d_eta: [B, P]`, `d_kl: [B, Z]`.
///
/// # Panics
/// As [`log_prob`].
pub fn kl_backward<T: Real>(
    d_eta: ArrayViewMut2<T>,
    q: &dyn Reparameterized<T>,
    d_kl: &ArrayView2<T>,
    eta: &ArrayView2<T>,
) {
    let b = d_eta.nrows();
    let (cost, d_kl, eta) = (COST * d_kl.ncols(), Rows::new(d_kl, b), Rows::new(eta, b));
    parallel::rows(RowsMut::of(d_eta), b, cost, &|first, count, mut d_eta| {
        (0..count)
            .for_each(|i| q.kl_backward(d_eta.row(i), d_kl.row(first + i), eta.row(first + i)));
    });
}

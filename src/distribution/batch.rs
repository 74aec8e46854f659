//! Running a distribution's one-row kernels over the rows of a batch.
//!
//! All outputs have N rows; x and η may have fewer, each row then serving N / rows consecutive ones
//! ([`Rows`]): with K samples, x of B rows meets η of B·K rows in a likelihood, and η of B rows
//! meets ε of B·K rows in a posterior.

use super::{ClosedForm, Distribution, Draw, Likelihood, Reparameterized, RowGradient, Separable};
use crate::parallel::{self, Rows, RowsMut, Split};
use crate::real::Real;
use crate::rng::Address;
use crate::rows::{add, first_rows, first_rows_mut, head, head_mut};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// Rough cost of one element of a kernel, in additions, for the decision to use a second thread.
const COST: usize = 8;

/// The gradient of a distribution's own tensors is summed over so many blocks of rows, which are then added
/// up in order: the sum does not depend on the number of threads.
pub const BLOCKS: usize = 16;

/// `log_p_n ← log p(x_n | η_n)`; `log_p: [N]`, `x: [N or B, D]`, `eta: [N or B, P]`.
///
/// # Panics
/// If N is not a multiple of the rows of `x` and of `eta`, or a view is not in standard layout.
pub fn log_prob<T: Real>(
    log_p: &mut [T],
    p: &dyn Likelihood<T>,
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

/// `log_p_ni ← log p(x_ni | η_n)` of each column; `log_p: [N, D]`, `x: [N or B, D]`, `eta: [N or B, P]`.
///
/// # Panics
/// As [`log_prob`], or if the columns are not independent given η ([`Likelihood::is_columnwise`]).
pub fn log_prob_each<T: Real>(
    log_p: ArrayViewMut2<T>,
    p: &dyn Likelihood<T>,
    x: &ArrayView2<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = log_p.nrows();
    let (cost, x, eta) = (COST * x.ncols(), Rows::new(x, n), Rows::new(eta, n));
    parallel::rows(RowsMut::of(log_p), n, cost, &|first, count, mut log_p| {
        for i in 0..count {
            let (x, eta) = (x.row(first + i), eta.row(first + i));
            p.log_prob_each(log_p.row(i), x, eta, own);
        }
    });
}

/// Where a batch of unit gradients goes: rows as in [`RowGradient`].
pub struct Gradients<'a, T> {
    /// ∂log p_n/∂η_n, `[N, P]`.
    pub d_eta: ArrayViewMut2<'a, T>,
    /// ∂log p_n/∂x_n, `[N, D]`, where somebody asks for it.
    pub d_x: Option<ArrayViewMut2<'a, T>>,
}

/// As [`log_prob`], with the gradient of every row's log-probability from the same pass.
///
/// # Panics
/// As [`log_prob`], or if an output has another shape than stated.
pub fn log_prob_gradient<T: Real>(
    log_p: &mut [T],
    d: Gradients<'_, T>,
    p: &dyn Likelihood<T>,
    x: &ArrayView2<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = log_p.len();
    assert!(d.d_eta.dim() == (n, eta.ncols()), "d_eta has another shape than N rows of η");
    let (cost, x, eta) = (COST * x.ncols(), Rows::new(x, n), Rows::new(eta, n));
    let d_x = d.d_x.map_or_else(RowsMut::none, RowsMut::of);
    let out = ((RowsMut::new(log_p, 1), RowsMut::of(d.d_eta)), d_x);
    parallel::rows(out, n, cost, &|first, count, ((mut log_p, mut d_eta), mut d_x)| {
        for i in 0..count {
            let d = RowGradient { d_eta: d_eta.row(i), d_x: d_x.row(i) };
            log_p.row(i)[0] = p.log_prob_gradient(d, x.row(first + i), eta.row(first + i), own);
        }
    });
}

/// Calls `side` with the side of each kink of each log p_n ([`Likelihood::kinks`]); `x: [N or B, D]`,
/// `eta: [N, P]`.
///
/// # Panics
/// As [`log_prob`].
pub fn kinks<T: Real>(
    p: &dyn Likelihood<T>,
    x: &ArrayView2<T>,
    eta: &ArrayView2<T>,
    own: &[T],
    side: &mut dyn FnMut(bool),
) {
    let n = eta.nrows();
    let (x, eta) = (Rows::new(x, n), Rows::new(eta, n));
    (0..n).for_each(|i| p.kinks(x.row(i), eta.row(i), own, side));
}

/// `d_own += Σ_n weight_n ∂log p_n/∂own`; `d_own: [O]`, `blocks: [BLOCKS, O]` is room for the sum, and rows
/// of weight 0 are left out, whatever stands in them.
///
/// # Panics
/// As [`log_prob`].
pub fn own_backward<T: Real>(
    d_own: &mut [T],
    blocks: &mut Array2<T>,
    p: &dyn Likelihood<T>,
    weight: &[T],
    x: &ArrayView2<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    if own.is_empty() {
        return;
    }
    let n = weight.len();
    let (cost, x, eta) = (COST * x.ncols(), Rows::new(x, n), Rows::new(eta, n));
    sum_blocks(d_own, blocks, n, cost, &|d_own, n| {
        if weight[n] != T::zero() {
            p.own_backward(d_own, weight[n], x.row(n), eta.row(n), own);
        }
    });
}

/// Adds up what `add_row` adds to a row of `blocks` for each of N rows, in order, and the blocks to `sum`.
pub(crate) fn sum_blocks<T: Real>(
    sum: &mut [T],
    blocks: &mut Array2<T>,
    n: usize,
    cost: usize,
    add_row: &(impl Fn(&mut [T], usize) + Sync),
) {
    blocks.fill(T::zero());
    let (count, per) = (blocks.nrows(), n.div_ceil(blocks.nrows()));
    parallel::rows(RowsMut::of(blocks.view_mut()), count, cost * per, &|first, count, mut part| {
        for i in 0..count {
            let block = first + i;
            (block * per..n.min((block + 1) * per)).for_each(|n| add_row(part.row(i), n));
        }
    });
    first_rows(blocks, count).chunks_exact(sum.len()).for_each(|block| add(sum, block));
}

/// ε of every draw, and what is kept of the way from there to z.
pub struct DrawBuffers<T> {
    /// ε, `[N, noise_width]`.
    pub eps: Array2<T>,
    /// `[N, kept_width]`
    pub kept: Array2<T>,
    /// Room for the gradient of own tensors, `[BLOCKS, O]`.
    pub blocks: Array2<T>,
}

impl<T: Real> DrawBuffers<T> {
    /// Buffers for up to N draws of width `width` from a posterior with `own` parameters of its own.
    pub fn new(q: &dyn Reparameterized<T>, n: usize, width: usize, own: usize) -> Self {
        DrawBuffers {
            eps: Array2::zeros((n, q.noise_width(width))),
            kept: Array2::zeros((n, q.kept_width(width))),
            blocks: Array2::zeros((BLOCKS, own)),
        }
    }
}

/// `z_n ← g(η_n, ε_n)`, with ε in `draws`; `z: [N, Z]`, `eta: [N or B, P]`.
///
/// # Panics
/// As [`log_prob`].
pub fn rsample<T: Real>(
    z: ArrayViewMut2<T>,
    draws: &mut DrawBuffers<T>,
    q: &dyn Reparameterized<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = z.nrows();
    let DrawBuffers { eps, kept, .. } = draws;
    let (eps, eta, cost) = (Rows::new(&head(eps, n), n), Rows::new(eta, n), COST * z.ncols());
    let out = (RowsMut::of(z), RowsMut::of(head_mut(kept, n)));
    parallel::rows(out, n, cost, &|first, count, (mut z, mut kept)| {
        for i in 0..count {
            let draw = Draw { eta: eta.row(first + i), own, eps: eps.row(first + i) };
            q.rsample(z.row(i), kept.row(i), draw);
        }
    });
}

/// `log_q_n ← log q(z_n | η_n)` of the draws that [`rsample`] made; `log_q: [N]`.
///
/// # Panics
/// As [`log_prob`].
pub fn log_q<T: Real>(
    log_q: &mut [T],
    draws: &DrawBuffers<T>,
    q: &dyn Reparameterized<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = log_q.len();
    let (eps, kept) = (head(&draws.eps, n), head(&draws.kept, n));
    let (cost, eta) = (COST * eps.ncols(), Rows::new(eta, n));
    let (eps, kept) = (Rows::new(&eps, n), Rows::new(&kept, n));
    parallel::rows(RowsMut::new(log_q, 1), n, cost, &|first, count, mut log_q| {
        for i in 0..count {
            let draw = Draw { eta: eta.row(first + i), own, eps: eps.row(first + i) };
            log_q.row(i)[0] = q.log_q(kept.row(first + i), draw);
        }
    });
}

/// `d_eta_n ← ∂log q_n/∂η_n` at fixed z (direct term) `[N, P]` and `d_z_n ← ∂log q_n/∂z_n` `[N, Z]`.
///
/// # Panics
/// As [`log_prob`].
pub fn log_q_gradient<T: Real>(
    d_eta: ArrayViewMut2<T>,
    d_z: ArrayViewMut2<T>,
    draws: &DrawBuffers<T>,
    q: &dyn Separable<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = d_z.nrows();
    let (cost, eta) = (COST * d_z.ncols(), Rows::new(eta, n));
    let eps = Rows::new(&head(&draws.eps, n), n);
    let out = (RowsMut::of(d_eta), RowsMut::of(d_z));
    parallel::rows(out, n, cost, &|first, count, (mut d_eta, mut d_z)| {
        for i in 0..count {
            let draw = Draw { eta: eta.row(first + i), own, eps: eps.row(first + i) };
            q.log_q_gradient(d_eta.row(i), d_z.row(i), draw);
        }
    });
}

/// `d_eta_b += Σ_k [ (∂z_bk/∂η_b)ᵀ d_z_bk + d_log_q_bk · d log q_bk/dη_b ]`, and the same summed over all
/// draws for `d_own`. `d_eta: [B, P]`, `d_z: [B·K, Z]`; `d_log_q: [B·K]`, or none, which is 0. What
/// the draws kept is used up.
///
/// # Panics
/// As [`log_prob`].
#[allow(clippy::too_many_arguments)] // the chain rule of a draw has that many factors
pub fn draw_backward<T: Real>(
    d_eta: ArrayViewMut2<T>,
    d_own: &mut [T],
    draws: &mut DrawBuffers<T>,
    q: &dyn Reparameterized<T>,
    d_z: &ArrayView2<T>,
    d_log_q: Option<&[T]>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let (b, n) = (d_eta.nrows(), d_z.nrows());
    let (k, width) = (n / b.max(1), d_eta.ncols());
    let (cost, kept_width) = (COST * d_z.ncols() * k, draws.kept.ncols());
    let DrawBuffers { eps, kept, blocks } = draws;
    let (d_z, eps, eta) = (Rows::new(d_z, n), Rows::new(&head(eps, n), n), Rows::new(eta, b));
    let row = |d_eta: &mut [T], d_own: &mut [T], kept: &mut [T], b: usize| {
        for j in 0..k {
            let n = b * k + j;
            let draw = Draw { eta: eta.row(b), own, eps: eps.row(n) };
            let kept = &mut kept[j * kept_width..(j + 1) * kept_width];
            let d_log_q = d_log_q.map_or(T::zero(), |d| d[n]);
            q.backward(d_eta, d_own, kept, d_z.row(n), d_log_q, draw);
        }
    };
    let kept = RowsMut::new(first_rows_mut(kept, n), k * kept_width);
    if own.is_empty() {
        let out = (RowsMut::of(d_eta), kept);
        parallel::rows(out, b, cost, &|first, count, (mut d_eta, mut kept)| {
            (0..count).for_each(|i| row(d_eta.row(i), &mut [], kept.row(i), first + i));
        });
        return;
    }
    blocks.fill(T::zero());
    let (count, per) = (blocks.nrows(), b.div_ceil(blocks.nrows()));
    let d_eta = d_eta.into_slice().expect("rows are in standard layout");
    let parts = (
        Block { data: d_eta, size: per * width },
        Block { data: kept.into_slice(), size: per * k * kept_width },
    );
    let out = (RowsMut::of(blocks.view_mut()), parts);
    parallel::rows(out, count, cost * per, &|first, count, (mut d_own, (d_eta, kept))| {
        for i in 0..count {
            let first = (first + i) * per;
            for r in 0..per.min(b.saturating_sub(first)) {
                let r = i * per + r;
                let d_eta = &mut d_eta.data[r * width..(r + 1) * width];
                let kept = &mut kept.data[r * k * kept_width..(r + 1) * k * kept_width];
                row(d_eta, d_own.row(i), kept, first + r - i * per);
            }
        }
    });
    first_rows(blocks, count).chunks_exact(own.len()).for_each(|block| add(d_own, block));
}

/// Blocks of equal size, of which the last ones may be shorter or empty.
struct Block<'a, T> {
    data: &'a mut [T],
    size: usize,
}

impl<T: Real> Split for Block<'_, T> {
    fn split_at(self, block: usize) -> (Self, Self) {
        let middle = (block * self.size).min(self.data.len());
        let (a, b) = self.data.split_at_mut(middle);
        (Block { data: a, size: self.size }, Block { data: b, size: self.size })
    }
}

/// `kl_b ← KL(q(z|η_b) ‖ N(0, I))` per latent; `kl: [B, Z]`, `eta: [B, P]`.
///
/// # Panics
/// As [`log_prob`].
pub fn kl<T: Real>(kl: ArrayViewMut2<T>, q: &dyn ClosedForm<T>, eta: &ArrayView2<T>) {
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
    q: &dyn ClosedForm<T>,
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

/// `mean_n ← E[x|η_n]`; `mean: [N, D]`, `eta: [N, P]`.
///
/// # Panics
/// As [`log_prob`].
pub fn mean<T: Real>(
    mean: ArrayViewMut2<T>,
    p: &dyn Distribution<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = mean.nrows();
    let (cost, eta) = (4 * mean.ncols(), Rows::new(eta, n));
    parallel::rows(RowsMut::of(mean), n, cost, &|first, count, mut mean| {
        (0..count).for_each(|i| p.mean(mean.row(i), eta.row(first + i), own));
    });
}

/// `mode_n ← the likeliest x given η_n`, as [`Likelihood::mode`]; `mode: [N, D]`, `eta: [N, P]`.
///
/// # Panics
/// As [`log_prob`].
pub fn mode<T: Real>(
    mode: ArrayViewMut2<T>,
    p: &dyn Likelihood<T>,
    eta: &ArrayView2<T>,
    own: &[T],
) {
    let n = mode.nrows();
    let (cost, eta) = (2 * COST * mode.ncols(), Rows::new(eta, n));
    parallel::rows(RowsMut::of(mode), n, cost, &|first, count, mut mode| {
        (0..count).for_each(|i| p.mode(mode.row(i), eta.row(first + i), own));
    });
}

/// `x_n ← a draw from p(x|η_n)`, with the generator at `address(n)`; `x: [N, D]`, `eta: [N, P]`.
///
/// # Panics
/// As [`log_prob`].
pub fn sample<T: Real>(
    x: ArrayViewMut2<T>,
    p: &dyn Distribution<T>,
    eta: &ArrayView2<T>,
    own: &[T],
    address: &(impl Fn(usize) -> Address + Sync),
) {
    let n = x.nrows();
    let (cost, eta) = (2 * COST * x.ncols(), Rows::new(eta, n));
    parallel::rows(RowsMut::of(x), n, cost, &|first, count, mut x| {
        for i in 0..count {
            p.sample(x.row(i), eta.row(first + i), own, &mut address(first + i).rng());
        }
    });
}

//! What objectives of importance weights have in common: a function of each row's log w.
//!
//! ```text
//! log w_k = log p(x|z_k) + β (log p(z_k) − log q(z_k|x))
//! loss    = −1/B Σ_b L(log w_b1 … log w_bK),   g_k = ∂L/∂log w_k, so
//!             ∂loss/∂log p(x|z_k) = −g_k/B     ∂/∂log p(z_k) = −β g_k/B     ∂/∂log q = β g_k/B
//! ```

use super::{Spec, Terms, Weights};
use crate::error::Result;
use crate::math;
use crate::real::Real;

/// The loss and its weights, from `bound`, which turns a row of log w into g and gives L.
pub(super) fn weigh<T: Real>(
    mut weights: Weights<'_, T>,
    terms: &Terms<'_, T>,
    mut bound: impl FnMut(&mut [T]) -> f64,
) -> f64 {
    let b = terms.log_px.nrows();
    let (beta, per_row) = (terms.beta, T::from_f64(1.0 / b as f64));
    weights.path.fill(T::one());
    let mut sum = 0.0;
    for i in 0..b {
        // The row of weights holds log w first, then g, then −g/B.
        let mut row = weights.log_px.row_mut(i);
        let row = row.as_slice_mut().expect("weights are in standard layout");
        log_weights(row, terms, i);
        sum += bound(row);
        for (j, weight) in row.iter_mut().enumerate() {
            *weight *= -per_row;
            weights.log_prior[[i, j]] = beta * *weight;
            weights.direct[[i, j]] = -beta * *weight;
        }
    }
    -sum / b as f64
}

/// `row ← log w` of row `i`.
pub(super) fn log_weights<T: Real>(row: &mut [T], terms: &Terms<'_, T>, i: usize) {
    for (j, log_w) in row.iter_mut().enumerate() {
        let log_ratio = terms.log_prior[[i, j]] - terms.log_q[[i, j]];
        *log_w = terms.log_px[[i, j]] + terms.beta * log_ratio;
    }
}

/// The mean of a row.
pub(super) fn mean<T: Real>(log_w: &[T]) -> f64 {
    log_w.iter().map(|log_w| log_w.to_f64()).sum::<f64>() / log_w.len() as f64
}

/// `log_w ← w̃`, a softmax, and log 1/K Σ_k w_k. A w̃_k below ε/K, with ε the distance from 1 to the next
/// number, counts as 0: all of them together are less than the rounding of Σ w̃ = 1, and the engine spares
/// the backward pass of such a draw.
pub(super) fn shares<T: Real>(log_w: &mut [T]) -> f64 {
    let k = log_w.len() as f64;
    let vanishing = T::EPSILON / T::from_f64(k);
    let log_sum = math::softmax(log_w);
    for share in &mut *log_w {
        // A NaN stays one.
        *share = if *share < vanishing { T::zero() } else { *share };
    }
    log_sum.to_f64() - k.ln()
}

/// The setting `groups=M` (2).
pub(super) fn groups(spec: &Spec) -> Result<usize> {
    // More groups than anybody has samples are a slip of the pen.
    Ok(spec.whole("groups", 1..=1_000_000)?.unwrap_or(2))
}

/// `log_w ← w̃/M`, each w̃ a softmax over its own of M groups of neighbours, and the mean over the groups of
/// log 1/J Σ_k w_k. Where K is no multiple of M, some groups have one sample more; where K < M, M is K.
pub(super) fn shares_of_groups<T: Real>(log_w: &mut [T], groups: usize) -> f64 {
    let (k, mut rest) = (log_w.len(), log_w);
    let (m, mut sum) = (groups.min(k), 0.0);
    for group in 0..m {
        let len = (group + 1) * k / m - group * k / m;
        let (log_w, behind) = rest.split_at_mut(len);
        sum += shares(log_w);
        log_w.iter_mut().for_each(|share| *share *= T::from_f64(1.0 / m as f64));
        rest = behind;
    }
    sum / m as f64
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::objective::Objective;
    use ndarray::{Array2, ArrayView2};

    /// What an objective answers: the loss, and the weights of log p(x|z), log p(z), direct log q and path.
    pub(crate) fn answer<T: Real>(
        objective: &dyn Objective<T>,
        pieces: [ArrayView2<'_, T>; 3],
        beta: T,
    ) -> (f64, [Array2<T>; 4]) {
        let [log_px, log_prior, log_q] = pieces;
        let terms = Terms { log_px, log_prior, log_q, kl: None, beta };
        let mut answers = [(); 4].map(|()| Array2::zeros(log_px.dim()));
        let mut kl = Array2::zeros((log_px.nrows(), 0));
        let [a, b, c, d] = &mut answers;
        let weights = Weights {
            log_px: a.view_mut(),
            log_prior: b.view_mut(),
            direct: c.view_mut(),
            path: d.view_mut(),
            kl: kl.view_mut(),
        };
        (objective.weigh(weights, &terms), answers)
    }

    /// The loss of an objective by its name, on rows of log p(x|z) alone.
    pub(crate) fn loss(spec: &str, log_px: &Array2<f64>) -> f64 {
        let objective = crate::objective::build::<f64>(&spec.parse().unwrap()).unwrap();
        let zeros = Array2::zeros(log_px.dim());
        answer(&*objective, [log_px.view(), zeros.view(), zeros.view()], 1.0).0
    }
}

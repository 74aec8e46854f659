//! The importance-weighted bound of K samples.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K]
//! Forward   log w_k = log p(x|z_k) + β (log p(z_k) − log q(z_k|x))
//!           L_K = log (1/K) Σ_k w_k,     loss = −1/B Σ_b L_K(x_b)
//! Backward  ∂L_K/∂log w_k = w_k / Σ_i w_i = w̃_k, a softmax, so
//!             ∂loss/∂log p(x|z_k) = −w̃_k/B     ∂/∂log p(z_k) = −β w̃_k/B     ∂/∂log q = β w̃_k/B
//! Numerics  log-sum-exp and softmax by the maximum of that row's own weights
//! Source    Burda, Grosse & Salakhutdinov 2016, eqs. 8 and 13–14
//! ```
//!
//! K = 1 is the ELBO with its KL estimated from the draw. The closed-form KL is never used: it is
//! the mean of log q − log p(z) over all draws, but here each draw counts by its own weight.

use super::{Member, Objective, Spec, Terms, Weights};
use crate::math;
use crate::real::Real;

/// The importance-weighted bound.
#[derive(Clone, Copy, Debug)]
pub struct Iwae;

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "iwae",
        summary: "the importance-weighted bound of K samples, tighter than the ELBO for K > 1",
        build: |spec| {
            spec.only(&[])?;
            Ok(Box::new(Iwae))
        },
        examples: &["iwae"],
    }
}

impl<T: Real> Objective<T> for Iwae {
    fn spec(&self) -> Spec {
        Spec::new("iwae")
    }

    fn uses_closed_form_kl(&self) -> bool {
        false
    }

    fn held_out(&self) -> Box<dyn Objective<T>> {
        Box::new(Iwae)
    }

    fn weigh(&self, mut weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        let (b, k) = terms.log_px.dim();
        let (beta, per_row) = (terms.beta, T::from_f64(1.0 / b as f64));
        weights.path.fill(T::one());
        let mut bound = 0.0;
        for i in 0..b {
            // The row of weights holds log w first, then w̃, then −w̃/B.
            let mut row = weights.log_px.row_mut(i);
            let row = row.as_slice_mut().expect("weights are in standard layout");
            for (j, log_w) in row.iter_mut().enumerate() {
                *log_w =
                    terms.log_px[[i, j]] + beta * (terms.log_prior[[i, j]] - terms.log_q[[i, j]]);
            }
            let log_sum = math::softmax(row);
            bound += log_sum.to_f64() - (k as f64).ln();
            for (j, weight) in row.iter_mut().enumerate() {
                *weight *= -per_row;
                weights.log_prior[[i, j]] = beta * *weight;
                weights.direct[[i, j]] = -beta * *weight;
            }
        }
        -bound / b as f64
    }
}

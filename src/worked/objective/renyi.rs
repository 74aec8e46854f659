//! The variational Rényi bound of order α: the importance-weighted bound at α = 0, towards the ELBO
//! as α rises to 1.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K]
//! Forward   log w_k = log p(x|z_k) + β (log p(z_k) − log q(z_k|x)),  γ = 1 − α
//!           L_α = 1/γ log (1/K) Σ_k w_k^γ,     loss = −1/B Σ_b L_α(x_b)
//! Backward  ∂L_α/∂log w_k = w_k^γ / Σ_i w_i^γ = w̃_k, a softmax, so
//!             ∂loss/∂log p(x|z_k) = −w̃_k/B     ∂/∂log p(z_k) = −β w̃_k/B     ∂/∂log q = β w̃_k/B
//! Numerics  softmax of γ log w by the maximum of that row; its logarithm is divided by γ in f64
//! Source    Li & Turner 2016, sections 3 and 4.1
//! ```
//!
//! For 0 ≤ α < 1 and every K the mean of L_α over the draws is at most log p(x), by Jensen's
//! inequality twice: E log ≤ log E, and E w^γ ≤ (E w)^γ = p(x)^γ.

use super::{Member, Objective, Spec, Terms, Weights};
use crate::error::Error;
use crate::math;
use crate::real::Real;

/// The variational Rényi bound.
#[derive(Clone, Copy, Debug)]
pub struct Renyi {
    alpha: f64,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "renyi",
        summary: "the Rényi bound of K samples, between `iwae` (`alpha=0`) and `elbo`; `alpha=A`",
        build: |spec| {
            spec.only(&["alpha"])?;
            let alpha = spec.number("alpha")?.unwrap_or(0.5);
            if !(0.0..1.0).contains(&alpha) {
                return Err(Error::setting("renyi:alpha", "must be at least 0 and below 1"));
            }
            Ok(Box::new(Renyi { alpha }))
        },
        examples: &["renyi:alpha=0.3"],
    }
}

impl<T: Real> Objective<T> for Renyi {
    fn spec(&self) -> Spec {
        Spec::new("renyi").with("alpha", self.alpha)
    }

    fn uses_closed_form_kl(&self) -> bool {
        false
    }

    fn held_out(&self) -> Box<dyn Objective<T>> {
        Box::new(*self)
    }

    fn weigh(&self, mut weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        let (b, k) = terms.log_px.dim();
        let (beta, per_row) = (terms.beta, T::from_f64(1.0 / b as f64));
        let gamma = 1.0 - self.alpha;
        weights.path.fill(T::one());
        let mut bound = 0.0;
        for i in 0..b {
            // The row of weights holds γ log w first, then w̃, then −w̃/B.
            let mut row = weights.log_px.row_mut(i);
            let row = row.as_slice_mut().expect("weights are in standard layout");
            for (j, power) in row.iter_mut().enumerate() {
                let log_ratio = terms.log_prior[[i, j]] - terms.log_q[[i, j]];
                *power = T::from_f64(gamma) * (terms.log_px[[i, j]] + beta * log_ratio);
            }
            let log_sum = math::softmax(row);
            bound += (log_sum.to_f64() - (k as f64).ln()) / gamma;
            for (j, weight) in row.iter_mut().enumerate() {
                *weight *= -per_row;
                weights.log_prior[[i, j]] = beta * *weight;
                weights.direct[[i, j]] = -beta * *weight;
            }
        }
        -bound / b as f64
    }
}

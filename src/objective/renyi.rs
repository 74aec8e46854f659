//! The variational Rényi bound of order α: the importance-weighted bound at α = 0, towards the ELBO
//! as α rises to 1.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K]
//! Forward   log w_k = log p(x|z_k) + β (log p(z_k) − log q(z_k|x)),  γ = 1 − α
//!           L_α = 1/γ log (1/K) Σ_k w_k^γ,     loss = −1/B Σ_b L_α(x_b)
//! Backward  ∂L_α/∂log w_k = w_k^γ / Σ_i w_i^γ = w̃_k, a softmax of γ log w
//! Numerics  softmax of γ log w by the maximum of that row; its logarithm is divided by γ in f64
//! Source    Li & Turner 2016, sections 3 and 4.1
//! ```
//!
//! For 0 ≤ α < 1 and every K the mean of L_α over the draws is at most log p(x), by Jensen's
//! inequality twice: E log ≤ log E, and E w^γ ≤ (E w)^γ = p(x)^γ.

use super::{Member, Objective, Spec, Terms, Weights, importance};
use crate::error::Error;
use crate::real::Real;

/// The variational Rényi bound.
#[derive(Clone, Copy, Debug)]
pub struct Renyi {
    alpha: f64,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "renyi",
        summary: "the Rényi bound of K samples, between `iwae` (`alpha=0`) and `elbo`; `alpha=A` (0.5)",
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

    fn weigh(&self, weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        let gamma = 1.0 - self.alpha;
        importance::weigh(weights, terms, |log_w| {
            log_w.iter_mut().for_each(|log_w| *log_w *= T::from_f64(gamma));
            importance::shares(log_w) / gamma
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::objective::importance::tests::loss;
    use ndarray::arr2;

    /// Order 0 is the importance-weighted bound; towards order 1 the loss rises to that of the ELBO.
    #[test]
    fn the_bound_lies_between_its_two_ends() {
        let log_px = arr2(&[[-3.0, -1.0, -2.5], [-7.0, -7.5, -4.0]]);
        let (iwae, elbo) = (loss("iwae", &log_px), loss("elbo", &log_px));
        let orders = [0.0, 0.3, 0.9, 1.0 - 1e-9];
        let between = orders.map(|alpha| loss(&format!("renyi:alpha={alpha}"), &log_px));
        assert!(
            (between[0] - iwae).abs() < 1e-14 && (between[3] - elbo).abs() < 1e-6,
            "{between:?}"
        );
        assert!(between.is_sorted(), "{between:?}");
    }
}

//! The importance-weighted bound of K samples.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K]
//! Forward   log w_k = log p(x|z_k) + β (log p(z_k) − log q(z_k|x))
//!           L_K = log (1/K) Σ_k w_k,     loss = −1/B Σ_b L_K(x_b)
//! Backward  ∂L_K/∂log w_k = w_k / Σ_i w_i = w̃_k, a softmax, so
//!             ∂loss/∂log p(x|z_k) = −w̃_k/B     ∂/∂log p(z_k) = −β w̃_k/B     ∂/∂log q = β w̃_k/B
//! Numerics  log-sum-exp and softmax by the maximum of that row's own weights (`importance.rs`)
//! Source    Burda, Grosse & Salakhutdinov 2016, eqs. 8 and 13–14
//! ```
//!
//! K = 1 is the ELBO with its KL estimated from the draw. The closed-form KL is never used: it is
//! the mean of log q − log p(z) over all draws, but here each draw counts by its own weight.

use super::{Member, Objective, Spec, Terms, Weights, importance};
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

    fn weigh(&self, weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        importance::weigh(weights, terms, importance::shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::importance::tests::answer;
    use ndarray::Array2;

    /// Weights that together are less than a rounding are 0 and change nothing else; larger ones stay, and
    /// the bound is that of all draws.
    #[test]
    fn only_weights_below_a_rounding_vanish() {
        let k = 4;
        let limit = (f32::EPSILON / k as f32).ln();
        let log_px = Array2::from_shape_vec((1, k), vec![0.0, -3.0, limit + 0.1, limit - 0.1]);
        let (log_px, zeros) = (log_px.unwrap(), Array2::<f32>::zeros((1, k)));
        let pieces = [log_px.view(), zeros.view(), zeros.view()];
        let (loss, answers) = answer(&Iwae, pieces, 1.0);
        let w = log_px.mapv(|l| f64::from(l).exp());
        assert!((loss + (w.sum() / k as f64).ln()).abs() < 1e-6);
        for (i, answer) in answers[..3].iter().enumerate() {
            let sign = if i == 2 { -1.0 } else { 1.0 };
            for j in 0..3 {
                let want = -sign * w[[0, j]] / w.sum();
                assert!((f64::from(answer[[0, j]]) - want).abs() < 1e-6 * want.abs(), "{i} {j}");
            }
            assert_eq!(answer[[0, 3]], 0.0);
        }
    }
}

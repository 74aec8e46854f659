//! The importance-weighted bound with a doubly reparameterised gradient.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K]
//! Forward   the bound of `iwae.rs`: L_K = log (1/K) Σ_k w_k,   w̃ the softmax of log w
//! Estimator of decoders and prior, the gradient: Σ_k w̃_k ∂log w_k. Of encoders
//!             ∂L_K/∂φ = Σ_k w̃_k [ ∂log w_k/∂z_k ∂z_k/∂φ − ∂log q(z_k|x)/∂φ at fixed z_k ]
//!           whose second, direct term is replaced by one of the same mean: a function f of a draw z from q
//!           has E[f ∂log q/∂φ] = ∂/∂φ E[f] at fixed f = E[∂f/∂z ∂z/∂φ] (reparameterised once more), and of
//!           w̃_k ∂w̃_k/∂log w_k = w̃_k (1 − w̃_k) is left
//!             ∂L_K/∂φ ≈ Σ_k w̃_k² ∂log w_k/∂z_k ∂z_k/∂φ
//! Weights   of log p(x|z) −w̃/B, of log p(z) −β w̃/B, of the direct term 0, and the path scaled by w̃
//! Source    Tucker, Lawson, Gu & Maddison 2018, "Doubly Reparameterized Gradient Estimators for Monte Carlo
//!           Objectives", eq. 8
//! ```
//!
//! It has the mean of the plain gradient for every K, and an encoder signal that grows over its noise as √K,
//! where that of `iwae` falls as 1/√K. With K = 1 it is `stl`.

use super::{Member, Objective, Spec, Terms, Weights, importance};
use crate::real::Real;

/// The importance-weighted bound, doubly reparameterised.
#[derive(Clone, Copy, Debug)]
pub struct Dreg;

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "dreg",
        summary: "the bound of `iwae` by an encoder gradient with less noise; posteriors such as `normal`",
        build: |spec| {
            spec.only(&[])?;
            Ok(Box::new(Dreg))
        },
        examples: &["dreg"],
    }
}

impl<T: Real> Objective<T> for Dreg {
    fn spec(&self) -> Spec {
        Spec::new("dreg")
    }

    fn uses_closed_form_kl(&self) -> bool {
        false
    }

    fn takes_log_q_apart(&self) -> bool {
        true
    }

    fn held_out(&self) -> Box<dyn Objective<T>> {
        Box::new(super::iwae::Iwae)
    }

    fn weigh(&self, mut weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        let loss = importance::weigh(weights.reborrow(), terms, importance::shares);
        let rows = T::from_f64(terms.log_px.nrows() as f64);
        weights.path.zip_mut_with(&weights.log_px, |path, weight| *path = -*weight * rows);
        weights.direct.fill(T::zero());
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::importance::tests::answer;
    use crate::objective::iwae::Iwae;
    use ndarray::arr2;

    /// Of the plain gradient only the direct term is missing, and the path is scaled by the shares.
    #[test]
    fn the_path_weighs_twice_and_the_direct_term_not_at_all() {
        let pieces = [
            arr2(&[[-3.0, -1.0, -2.5], [-7.0, -7.5, -4.0f64]]),
            arr2(&[[-1.0, -2.0, 0.5], [0.0, 1.0, -1.0]]),
            arr2(&[[0.3, -2.0, 0.7], [0.1, 0.0, -1.0]]),
        ];
        let view = || [pieces[0].view(), pieces[1].view(), pieces[2].view()];
        let (loss, [of_x, of_prior, direct, path]) = answer(&Dreg, view(), 0.7);
        let (same, plain) = answer(&Iwae, view(), 0.7);
        assert_eq!((loss, &of_x, &of_prior), (same, &plain[0], &plain[1]));
        assert!(direct.iter().all(|w| *w == 0.0));
        for (row, path) in of_x.rows().into_iter().zip(path.rows()) {
            assert!((path.sum() - 1.0).abs() < 1e-12);
            assert!(row.iter().zip(path).all(|(w, p)| (w + p / 2.0).abs() < 1e-15));
        }
    }
}

//! The evidence lower bound, its encoder gradient without the direct term: sticking the landing.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K]
//! Forward   loss = −1/(BK) Σ_bk log w_bk,   log w = log p(x|z) + β (log p(z) − log q(z|x))
//! Estimator ∂log w/∂φ = ∂log w/∂z ∂z/∂φ − β ∂log q(z|x)/∂φ at fixed z; the second term has the mean 0 (that
//!           of any score), so it is left out. At q = p(z|x) log w is the same for every z: the first term is
//!           then 0 for every draw, and nothing moves an encoder away that has landed
//! Weights   of log p(x|z) −1/(BK), of log p(z) −β/(BK), of the direct term 0, the path as it is
//! Source    Roeder, Wu & Duvenaud 2017, "Sticking the Landing"
//! ```
//!
//! K samples are averaged: this is the ELBO, whatever K is. (On the importance-weighted bound the same omission
//! is biased for K > 1; what is right there is `dreg`.)

use super::{Member, Objective, Spec, Terms, Weights, importance};
use crate::real::Real;

/// The ELBO, sticking the landing.
#[derive(Clone, Copy, Debug)]
pub struct Stl;

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "stl",
        summary: "the ELBO by an encoder gradient that vanishes where q is exact; posteriors such as `normal`",
        build: |spec| {
            spec.only(&[])?;
            Ok(Box::new(Stl))
        },
        examples: &["stl"],
    }
}

impl<T: Real> Objective<T> for Stl {
    fn spec(&self) -> Spec {
        Spec::new("stl")
    }

    fn uses_closed_form_kl(&self) -> bool {
        false
    }

    fn takes_log_q_apart(&self) -> bool {
        true
    }

    fn held_out(&self) -> Box<dyn Objective<T>> {
        Box::new(super::elbo::Elbo::default())
    }

    fn weigh(&self, mut weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        let loss = importance::weigh(weights.reborrow(), terms, |log_w| {
            let mean = importance::mean(log_w);
            log_w.fill(T::from_f64(1.0 / log_w.len() as f64));
            mean
        });
        weights.direct.fill(T::zero());
        loss
    }
}

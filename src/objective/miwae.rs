//! The mean of several importance-weighted bounds, each of a part of the samples.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K], in M groups of J neighbouring samples, K = M·J
//! Forward   log w as in `importance.rs`.   L = 1/M Σ_m log (1/J) Σ_{k in m} w_k
//!           Where K is no multiple of M, some groups have one sample more; where K < M, M is K
//! Backward  ∂L/∂log w_k = w̃_k/M,   w̃ the softmax of log w over the group of k
//! Source    Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better", eq. 9
//! ```
//!
//! J decides how tight the bound is, M how little noise its gradient has. M = 1 is the importance-weighted
//! bound, J = 1 the ELBO.

use super::{Member, Objective, Spec, Terms, Weights, importance};
use crate::real::Real;

/// The mean over groups of samples.
#[derive(Clone, Copy, Debug)]
pub struct Miwae {
    groups: usize,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "miwae",
        summary: "the mean of `groups=M` (2) importance-weighted bounds, each of the K/M samples of its group",
        build: |spec| {
            spec.only(&["groups"])?;
            Ok(Box::new(Miwae { groups: importance::groups(spec)? }))
        },
        examples: &["miwae:groups=1", "miwae:groups=3"],
    }
}

impl<T: Real> Objective<T> for Miwae {
    fn spec(&self) -> Spec {
        Spec::new("miwae").with("groups", self.groups)
    }

    fn uses_closed_form_kl(&self) -> bool {
        false
    }

    /// The importance-weighted bound of the samples that held-out rows have.
    fn held_out(&self) -> Box<dyn Objective<T>> {
        Box::new(super::iwae::Iwae)
    }

    fn weigh(&self, weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        importance::weigh(weights, terms, |log_w| importance::shares_of_groups(log_w, self.groups))
    }
}

#[cfg(test)]
mod tests {
    use crate::objective::importance::tests::loss;
    use ndarray::arr2;

    /// One group is the importance-weighted bound, groups of one sample the ELBO, and two groups the mean of
    /// both halves.
    #[test]
    fn it_is_the_mean_over_groups() {
        let log_px = arr2(&[[-3.0, -1.0, -2.5, -9.0], [-7.0, -7.5, -4.0, 0.5]]);
        let of = |groups: usize| loss(&format!("miwae:groups={groups}"), &log_px);
        let half =
            |from: usize| loss("iwae", &log_px.slice(ndarray::s![.., from..from + 2]).to_owned());
        assert!((of(1) - loss("iwae", &log_px)).abs() < 1e-14);
        assert!((of(4) - loss("elbo", &log_px)).abs() < 1e-14);
        assert!((of(2) - 0.5 * (half(0) + half(2))).abs() < 1e-14);
    }

    /// Five samples make groups of two and three; more groups than samples are as many as those.
    #[test]
    fn groups_may_be_uneven() {
        let log_px = arr2(&[[-3.0, -1.0, -2.5, -9.0, -2.0]]);
        let of = |groups: usize| loss(&format!("miwae:groups={groups}"), &log_px);
        let part = |from: usize, to: usize| {
            loss("iwae", &log_px.slice(ndarray::s![.., from..to]).to_owned())
        };
        assert!((of(2) - 0.5 * (part(0, 2) + part(2, 5))).abs() < 1e-14);
        assert!((of(9) - loss("elbo", &log_px)).abs() < 1e-14);
    }

    #[test]
    fn groups_that_are_none_are_refused() {
        for spec in ["miwae:groups=0", "miwae:groups=1.5", "miwae:groups=x"] {
            assert!(crate::objective::build::<f64>(&spec.parse().unwrap()).is_err(), "{spec}");
        }
    }
}

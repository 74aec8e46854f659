//! A convex combination of the ELBO and the importance-weighted bound.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K]
//! Forward   log w as in `importance.rs`.   0 ≤ c ≤ 1 the share of the ELBO:
//!             L = c 1/K Σ_k log w_k + (1 − c) log (1/K) Σ_k w_k
//! Backward  ∂L/∂log w_k = c/K + (1 − c) w̃_k,   w̃ the softmax of log w
//! Source    Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily Better", eq. 10
//!           (their β)
//! ```
//!
//! The tighter bound teaches the decoder more, the looser one gives the encoder a clearer gradient: that of
//! the importance-weighted bound drowns in noise as K grows.

use super::{Member, Objective, Spec, Terms, Weights, importance};
use crate::error::Error;
use crate::real::Real;

/// The combination of both bounds.
#[derive(Clone, Copy, Debug)]
pub struct Ciwae {
    elbo: f64,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "ciwae",
        summary: "both bounds of K samples: the share `elbo=C` (0.5) of the ELBO, the rest of `iwae`",
        build: |spec| {
            spec.only(&["elbo"])?;
            let elbo = spec.number("elbo")?.unwrap_or(0.5);
            if !(0.0..=1.0).contains(&elbo) {
                return Err(Error::setting("ciwae:elbo", "must be from 0 to 1"));
            }
            Ok(Box::new(Ciwae { elbo }))
        },
        examples: &["ciwae:elbo=0.3"],
    }
}

impl<T: Real> Objective<T> for Ciwae {
    fn spec(&self) -> Spec {
        Spec::new("ciwae").with("elbo", self.elbo)
    }

    fn uses_closed_form_kl(&self) -> bool {
        false
    }

    /// The importance-weighted bound, which is the tighter one.
    fn held_out(&self) -> Box<dyn Objective<T>> {
        Box::new(super::iwae::Iwae)
    }

    fn weigh(&self, weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        importance::weigh(weights, terms, |log_w| {
            let k = log_w.len() as f64;
            let mean = importance::mean(log_w);
            let bound = importance::shares(log_w);
            let [of_elbo, of_iwae] = [self.elbo / k, 1.0 - self.elbo].map(T::from_f64);
            log_w.iter_mut().for_each(|share| *share = of_elbo + of_iwae * *share);
            self.elbo * mean + (1.0 - self.elbo) * bound
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::objective::importance::tests::loss;
    use ndarray::arr2;

    /// At its ends it is one of the two, and between them their combination.
    #[test]
    fn it_is_a_combination_of_both_bounds() {
        let log_px = arr2(&[[-3.0, -1.0, -2.5], [-7.0, -7.5, -4.0]]);
        let (iwae, elbo) = (loss("iwae", &log_px), loss("elbo", &log_px));
        for share in [0.0, 0.3, 1.0] {
            let found = loss(&format!("ciwae:elbo={share}"), &log_px);
            let expected = share * elbo + (1.0 - share) * iwae;
            assert!((found - expected).abs() < 1e-14, "{share}: {found} {expected}");
        }
    }
}

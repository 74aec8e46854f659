//! Another objective, and a penalty on the latents of all rows of a batch beside it.
//!
//! ```text
//! Forward   loss = loss of the other + P(z, η)
//! Backward  the other's weights; the penalty's ∂/∂z and ∂/∂η are added where they pass (`vae/penalty.rs`)
//! ```
//!
//! Held-out rows are judged by the other alone: a penalty has no meaning for one row.

use super::{Member, Objective, Spec, Terms, Weights};
use crate::error::{Error, Result};
use crate::penalty::{self, Penalty};
use crate::real::Real;

/// An objective and a penalty.
pub struct Penalized<T> {
    of: Box<dyn Objective<T>>,
    penalty: Box<dyn Penalty<T>>,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "penalized",
        summary: "`of=NAME` (elbo) and a penalty on the latents of a whole batch, penalty=(NAME:KEY=VALUE): tc \
                  (β-TCVAE), dip (DIP-VAE) or mmd (InfoVAE); one level",
        build: |spec| Ok(Box::new(Penalized::from_spec(spec)?)),
        examples: &[
            "penalized:penalty=(tc:weight=3)",
            "penalized:of=iwae,penalty=(dip:off-diagonal=0.5,on=means)",
            "penalized:penalty=(dip:off-diagonal=0.7,on=draws)",
            "penalized:of=iwae,penalty=(mmd:weight=4)",
        ],
    }
}

impl<T: Real> Penalized<T> {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&["of", "penalty"])?;
        let of = super::build::<T>(&spec.spec("of")?.unwrap_or_else(|| Spec::new("elbo")))?;
        let refuse = |message: String| Err(Error::setting("penalized:of", message));
        if of.penalty().is_some() {
            return refuse("one penalty is enough".to_owned());
        }
        if of.takes_log_q_apart() {
            // Its encoder's gradient is not that of a bound, to which something could be added.
            return refuse(format!("`{}` is an estimator of its own; use elbo or iwae", of.spec()));
        }
        let Some(penalty) = spec.spec("penalty")? else {
            let message = "is needed: tc, dip or mmd";
            return Err(Error::setting("penalized:penalty", message));
        };
        Ok(Penalized { of, penalty: penalty::build(&penalty)? })
    }
}

impl<T: Real> Objective<T> for Penalized<T> {
    fn spec(&self) -> Spec {
        let spec = Spec::new("penalized").with_spec("of", &self.of.spec());
        spec.with_spec("penalty", &self.penalty.spec())
    }

    fn uses_closed_form_kl(&self) -> bool {
        self.of.uses_closed_form_kl()
    }

    fn needs_closed_form_kl(&self) -> bool {
        self.of.needs_closed_form_kl()
    }

    fn penalty(&self) -> Option<&dyn Penalty<T>> {
        Some(&*self.penalty)
    }

    fn held_out(&self) -> Box<dyn Objective<T>> {
        self.of.held_out()
    }

    fn weigh(&self, weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        self.of.weigh(weights, terms)
    }

    fn kinks(&self, terms: &Terms<'_, T>, side: &mut dyn FnMut(bool)) {
        self.of.kinks(terms, side);
    }
}

#[cfg(test)]
mod tests {
    use crate::objective::build;

    #[test]
    fn what_it_cannot_be_of_is_refused() {
        for (spec, part) in [
            ("penalized", "needed"),
            ("penalized:of=dreg,penalty=tc", "estimator"),
            ("penalized:of=(penalized:penalty=tc),penalty=tc", "one penalty"),
            ("penalized:penalty=nothing", "unknown"),
            ("penalized:penalty=(tc:weight=-1)", "at least 0"),
        ] {
            let error = build::<f64>(&spec.parse().unwrap()).err().unwrap().to_string();
            assert!(error.contains(part), "{spec}: {error}");
        }
        let spec = "penalized:of=iwae,penalty=(tc:weight=2)";
        assert_eq!(build::<f64>(&spec.parse().unwrap()).unwrap().spec().to_string(), spec);
    }
}

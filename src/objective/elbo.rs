//! The evidence lower bound, with β and free bits.
//!
//! ```text
//! Shapes    log p(x|z), log p(z), log q [B, K]   KL [B, Z]
//! Forward   with the closed-form KL:
//!             loss = 1/B Σ_b [ −1/K Σ_k log p(x_b|z_bk) + β Σ_j KL_bj ]
//!           without one (several levels, another prior), its K-sample estimate:
//!             loss = −1/(BK) Σ_bk [ log p(x_b|z_bk) + β (log p(z_bk) − log q(z_bk|x_b)) ]
//!           with free bits λ, the closed-form KL term becomes β Σ_j max(λ, 1/B Σ_b KL_bj)
//! Backward  the loss is linear in its terms:
//!             ∂/∂log p(x|z) = −1/(BK)      ∂/∂log p(z) = −β/(BK)      ∂/∂log q = β/(BK)
//!             ∂/∂KL_bj = β/B, or 0 where free bits hold (1/B Σ_b KL_bj ≤ λ)
//! Numerics  rows are added up in f64, in order
//! Source    Kingma & Welling 2014, eqs. 3 and 10; β: Higgins et al. 2017; free bits: Kingma et al.
//!           2016, appendix C.8
//! ```

use super::{Member, Objective, Spec, Terms, Weights};
use crate::error::Error;
use crate::real::Real;
use ndarray::{ArrayView1, ArrayView2};

/// The evidence lower bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elbo {
    free_bits: f64,
}

impl Elbo {
    /// The bound that lets every latent spend `free_bits` nats (averaged over the batch) for free.
    pub fn new(free_bits: f64) -> Self {
        Elbo { free_bits }
    }

    /// Whether latent j pays for its KL: its mean over the batch is above the free bits.
    fn pays<T: Real>(&self, kl_j: ArrayView1<T>) -> bool {
        mean(kl_j) > self.free_bits
    }
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Objective<T>>> {
    Member {
        name: "elbo",
        summary: "the evidence lower bound; `free-bits=NATS` lets each latent spend that many for free",
        build: |spec| {
            spec.only(&["free-bits"])?;
            let free_bits = spec.number("free-bits")?.unwrap_or(0.0_f64);
            if free_bits < 0.0 {
                return Err(Error::setting("elbo:free-bits", "must not be negative"));
            }
            Ok(Box::new(Elbo { free_bits }))
        },
        examples: &["elbo", "elbo:free-bits=0.3"],
    }
}

impl<T: Real> Objective<T> for Elbo {
    fn spec(&self) -> Spec {
        if self.free_bits > 0.0 {
            Spec::new("elbo").with("free-bits", self.free_bits)
        } else {
            Spec::new("elbo")
        }
    }

    fn uses_closed_form_kl(&self) -> bool {
        true
    }

    fn needs_closed_form_kl(&self) -> bool {
        self.free_bits > 0.0
    }

    fn held_out(&self) -> Box<dyn Objective<T>> {
        Box::new(Elbo::default())
    }

    fn weigh(&self, mut weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64 {
        let (b, k) = terms.log_px.dim();
        let (beta, per_draw) = (terms.beta, T::from_f64(1.0 / (b * k) as f64));
        weights.log_px.fill(-per_draw);
        weights.path.fill(T::one());
        let reconstruction = -total(terms.log_px) / (b * k) as f64;
        let kl = match terms.kl {
            Some(kl) => {
                weights.log_prior.fill(T::zero());
                weights.direct.fill(T::zero());
                let mut sum = 0.0;
                for (kl_j, mut weight) in kl.columns().into_iter().zip(weights.kl.columns_mut()) {
                    let pays = self.free_bits == 0.0 || self.pays(kl_j);
                    weight.fill(if pays { beta / T::from_f64(b as f64) } else { T::zero() });
                    sum += if pays { mean(kl_j) } else { self.free_bits };
                }
                sum
            }
            None => {
                weights.log_prior.fill(-beta * per_draw);
                weights.direct.fill(beta * per_draw);
                (total(terms.log_q) - total(terms.log_prior)) / (b * k) as f64
            }
        };
        reconstruction + beta.to_f64() * kl
    }

    fn kinks(&self, terms: &Terms<'_, T>, side: &mut dyn FnMut(bool)) {
        if self.free_bits > 0.0
            && let Some(kl) = terms.kl
        {
            kl.columns().into_iter().for_each(|kl_j| side(self.pays(kl_j)));
        }
    }
}

fn total<T: Real>(a: ArrayView2<T>) -> f64 {
    a.iter().map(|v| v.to_f64()).sum()
}

fn mean<T: Real>(a: ArrayView1<T>) -> f64 {
    a.iter().map(|v| v.to_f64()).sum::<f64>() / a.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    /// Differences only prove that value and gradient agree; this is the value. Two rows, two latents:
    /// averaged over rows and draws, summed over latents, the KL times β.
    #[test]
    fn the_value_is_the_reconstruction_plus_beta_times_the_summed_kl() {
        let (log_px, log_prior, log_q) =
            (array![[-10.0], [-20.0]], array![[-3.0], [-5.0]], array![[-1.0], [-2.0]]);
        let kl = array![[1.0, 2.0], [3.0, 8.0]];
        let value = |objective: &Elbo, kl: Option<&Array2<f64>>| {
            let terms = Terms {
                log_px: log_px.view(),
                log_prior: log_prior.view(),
                log_q: log_q.view(),
                kl: kl.map(|kl| kl.view()),
                beta: 0.5,
            };
            let mut per_draw = [(); 4].map(|()| Array2::zeros((2, 1)));
            let [a, b, c, d] = &mut per_draw;
            let mut per_latent = Array2::zeros((2, 2));
            let weights = Weights {
                log_px: a.view_mut(),
                log_prior: b.view_mut(),
                direct: c.view_mut(),
                path: d.view_mut(),
                kl: per_latent.view_mut(),
            };
            objective.weigh(weights, &terms)
        };
        let plain = Elbo::default();
        assert_eq!(value(&plain, Some(&kl)), 15.0 + 0.5 * (2.0 + 5.0));
        assert_eq!(value(&plain, None), 15.0 + 0.5 * (2.0 + 3.0) / 2.0);
        // The first latent's mean KL is 2, below the threshold: it costs the threshold.
        assert_eq!(value(&Elbo { free_bits: 3.0 }, Some(&kl)), 15.0 + 0.5 * (3.0 + 5.0));
    }
}

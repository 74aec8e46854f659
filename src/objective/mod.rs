//! What training maximises, as a value and one weight per row.
//!
//! An objective never sees a network. It is given, for every data row b and sample k, the pieces of
//! the log importance weight
//!
//! ```text
//! log w = log p(x|z) + β [ log p(z) − log q(z|x) ]
//! ```
//!
//! and answers with the loss (minus the objective, averaged over the rows of the batch) and with
//! ∂loss/∂ each piece. The engine multiplies these weights into the unit gradients of the pieces and
//! needs to know nothing else. In a chain of several levels `log_prior` holds
//! log p(z_L) + Σ_{l≥2} log p(z_{l−1}|z_l), and `log_q` the sum over all levels.
//!
//! To add one: write its file, ending in a `member()` function, and add its name to the list below.

use crate::family::{Member, Spec, family};
use crate::penalty::Penalty;
use crate::real::Real;
use ndarray::{ArrayView2, ArrayViewMut2};

mod importance;

family!(Objective, "objective": elbo, iwae, renyi, ciwae, miwae, piwae, dreg, stl, penalized);

/// The pieces of log w, in nats.
#[derive(Clone, Copy)]
pub struct Terms<'a, T> {
    /// log p(x|z), `[B, K]`.
    pub log_px: ArrayView2<'a, T>,
    /// log p(z), `[B, K]`; not computed (and not to be read) where `kl` is there.
    pub log_prior: ArrayView2<'a, T>,
    /// log q(z|x), `[B, K]`; not computed (and not to be read) where `kl` is there.
    pub log_q: ArrayView2<'a, T>,
    /// The closed-form KL of every latent, `[B, Z]`, where the model has one and the objective uses it.
    pub kl: Option<ArrayView2<'a, T>>,
    /// The factor β in log w, warm-up included.
    pub beta: T,
}

/// ∂loss/∂ each piece. Everything is overwritten.
pub struct Weights<'a, T> {
    /// Of log p(x|z), `[B, K]`.
    pub log_px: ArrayViewMut2<'a, T>,
    /// Of log p(z), `[B, K]`; minus this is the weight of log q along the path through z.
    pub log_prior: ArrayViewMut2<'a, T>,
    /// Of log q's direct dependence on η, `[B, K]`. An estimator may drop it (zero).
    pub direct: ArrayViewMut2<'a, T>,
    /// Scale of everything that reaches the encoder through z, `[B, K]`; 1 for a plain gradient.
    pub path: ArrayViewMut2<'a, T>,
    /// Of the closed-form KL, `[B, Z]`.
    pub kl: ArrayViewMut2<'a, T>,
}

impl<T> Weights<'_, T> {
    /// The same, for a while.
    pub fn reborrow(&mut self) -> Weights<'_, T> {
        Weights {
            log_px: self.log_px.view_mut(),
            log_prior: self.log_prior.view_mut(),
            direct: self.direct.view_mut(),
            path: self.path.view_mut(),
            kl: self.kl.view_mut(),
        }
    }
}

/// A bound on log p(x), or a relative of one.
pub trait Objective<T: Real>: Send + Sync {
    /// Its name and settings.
    fn spec(&self) -> Spec;

    /// Whether it uses the closed-form KL where the model has one.
    fn uses_closed_form_kl(&self) -> bool;

    /// Whether it cannot do without it.
    fn needs_closed_form_kl(&self) -> bool {
        false
    }

    /// Whether it weighs log q's direct dependence on η otherwise than its way through z, or scales the
    /// path. If not, log q's derivative is taken as a whole, without what cancels between the two, and
    /// `direct` is minus `log_prior`, `path` 1.
    fn takes_log_q_apart(&self) -> bool {
        false
    }

    /// A penalty on the latents of the whole batch that is added to the loss, if there is one.
    fn penalty(&self) -> Option<&dyn Penalty<T>> {
        None
    }

    /// The bound on log p(x) that held-out rows are judged by: this one, without anything that
    /// only steers training.
    fn held_out(&self) -> Box<dyn Objective<T>>;

    /// The loss in nats, averaged over the rows, and its derivatives.
    fn weigh(&self, weights: Weights<'_, T>, terms: &Terms<'_, T>) -> f64;

    /// Calls `side` with the side of each kink that the terms are on: a finite difference is valid
    /// only while no answer changes.
    fn kinks(&self, _terms: &Terms<'_, T>, _side: &mut dyn FnMut(bool)) {}
}

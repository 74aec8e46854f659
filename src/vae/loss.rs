//! An objective on the passes: whether it can train the model, the loss of a batch with its gradient, and
//! where that has kinks.

use super::{Noise, Score, Vae, Workspace};
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::gradient::Gradient;
use crate::objective::Objective;
use crate::real::Real;
use crate::rows::head;
use ndarray::ArrayView2;

impl<T: Real> Vae<T> {
    /// Whether `objective` can train this model.
    ///
    /// # Errors
    /// If it needs the closed-form KL and the model has none, or weighs log q's two ways to the encoder apart
    /// and a posterior cannot tell them apart, or a layer mixes the rows of a batch.
    pub fn check_objective(&self, objective: &dyn Objective<T>) -> Result<()> {
        let refuse = |message: String| Err(Error::setting(objective.spec().to_string(), message));
        if objective.needs_closed_form_kl() && !self.has_closed_form_kl() {
            return refuse(
                "needs the closed-form KL, which only one level with a standard normal prior and a \
                 posterior such as `normal` has"
                    .to_owned(),
            );
        }
        if let Some(penalty) = objective.penalty() {
            if self.levels() > 1 {
                return refuse("is laid on the latents of a model of one level".to_owned());
            }
            if let Some(why) = penalty.refuses(self.up[0].distribution()) {
                return refuse(why.to_owned());
            }
            if penalty.needs_prior_draws() && !self.prior.is_standard_normal() {
                return refuse(
                    "compares latents with draws from a standard normal prior".to_owned(),
                );
            }
        }
        let networks = self.up.iter().chain(&self.down).map(|c| c.network());
        if objective.takes_log_q_apart() && networks.into_iter().any(|n| n.couples_rows()) {
            return refuse(
                "weighs each draw's way to the encoder by itself, and `batch-norm` mixes the draws; use `layer-norm`"
                    .to_owned(),
            );
        }
        match self.up.iter().find(|q| objective.takes_log_q_apart() && q.separable().is_none()) {
            Some(q) => refuse(format!(
                "needs log q at fixed z, which the posterior `{}` does not have; use `normal`",
                q.distribution().spec()
            )),
            None => Ok(()),
        }
    }

    /// One whole step but the update: the loss on a batch, and its gradient added to `d_params`.
    ///
    /// # Panics
    /// As [`Self::forward`] and [`Self::backward`].
    #[allow(clippy::too_many_arguments)] // the step of the textbook has that many ingredients
    pub fn loss_and_gradient<'a>(
        &self,
        d_params: &mut Gradient<T>,
        ws: &mut Workspace<T>,
        batch: impl Into<Batch<'a, T>>,
        params: &[T],
        noise: Noise<'_>,
        objective: &dyn Objective<T>,
        beta: T,
    ) -> Score {
        let batch = batch.into();
        let score = self.loss(ws, batch, params, noise, objective, beta);
        self.backward(d_params, ws, batch, params);
        score
    }

    /// The loss on a batch; the objective's weights stay in the workspace for a backward pass.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn loss<'a>(
        &self,
        ws: &mut Workspace<T>,
        batch: impl Into<Batch<'a, T>>,
        params: &[T],
        noise: Noise<'_>,
        objective: &dyn Objective<T>,
        beta: T,
    ) -> Score {
        let batch = batch.into();
        let closed_form = objective.uses_closed_form_kl() && self.has_closed_form_kl();
        ws.scores.log_q_apart = objective.takes_log_q_apart();
        self.forward(ws, batch, params, noise, closed_form);
        let terms = ws.scores.terms(ws.rows, beta);
        let loss = objective.weigh(ws.weights.weights(ws.rows), &terms);
        let sum = |a: ArrayView2<T>| a.iter().map(|v| v.to_f64()).sum::<f64>();
        let (rows, draws) = (ws.rows as f64, terms.log_px.len() as f64);
        let kl = match terms.kl {
            Some(kl) => sum(kl) / rows,
            None => (sum(terms.log_q) - sum(terms.log_prior)) / draws,
        };
        let reconstruction = -sum(terms.log_px) / draws;
        let penalty = objective.penalty().map_or(0.0, |p| self.penalize(ws, p, params, noise));
        let score = Score { loss: loss + penalty, reconstruction, kl };
        if batch.total == ws.rows {
            return score;
        }
        // The objective's average is over the rows at hand.
        let share = rows / batch.total as f64;
        ws.weights.scale(ws.rows, T::from_f64(share));
        self.scale_penalty(ws, T::from_f64(share));
        let mut part = Score::default();
        part.add(&score, share);
        part
    }

    /// Calls `side` with the side of every kink that the last forward pass is on (relu's zero, a Laplace's
    /// middle, free bits): a finite difference is valid only while no answer changes. To be asked before
    /// [`Self::backward`], which moves draws.
    pub fn kinks<'a>(
        &self,
        ws: &Workspace<T>,
        batch: impl Into<Batch<'a, T>>,
        params: &[T],
        objective: &dyn Objective<T>,
        beta: T,
        side: &mut dyn FnMut(bool),
    ) {
        let (n, x) = (ws.rows * ws.samples, batch.into().x);
        for (l, (q, p)) in self.up.iter().zip(&self.down).enumerate() {
            q.network().kinks(&ws.up[l].emitted.network, self.rows_of_encoder(l, ws.rows, n), side);
            let value = if l == 0 { x } else { head(&ws.up[l - 1].z, n) };
            p.score_kinks(&ws.down[l], &value, n, params, side);
        }
        if let Some(pseudo) = &ws.pseudo {
            self.up[self.first()].network().kinks(&pseudo.network, pseudo.rows, side);
            self.pseudo_kinks(params, side);
        }
        objective.kinks(&ws.terms(beta), side);
    }
}

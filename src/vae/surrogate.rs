//! What an estimator that is no gradient of its value is the gradient of, for the checks.
//!
//! ```text
//! Of weights a_n = ∂loss/∂log p(x|z_n), b_n = ∂loss/∂log p(z_n), c_n of log q's direct term, scales of the
//! path π_n, at base parameters θ₀ (decoders, prior), φ₀ (encoders), with z_n(φ) the draws at fixed ε:
//!
//!   S(θ, φ) = Σ_n a_n log p_θ(x|z_n(φ₀)) + b_n log p_θ(z_n(φ₀)) + c_n log q_φ(z_n(φ₀))
//!           + Σ_n π_n [ a_n log p_θ₀(x|z_n(φ)) + b_n (log p_θ₀(z_n(φ)) − log q(z_n(φ))) ]
//!
//! where in the last each factor log q(z_l | η_l) is at η_l = encoder_l(what it sees at φ; φ₀): a draw moves with φ, what
//! scores it does not. ∂S/∂(θ, φ) at (θ₀, φ₀) is the estimator (Tucker et al. 2018, eqs. 7 and 8, over a chain). Where a
//! prior encodes pseudo-inputs, their encoder counts as θ.
//! ```

use super::{Noise, Vae, Workspace};
use crate::batch::Batch;
use crate::distribution::batch;
use crate::objective::Objective;
use crate::real::Real;
use crate::rows::{add, first_rows, head};

impl<T: Real> Vae<T> {
    /// S at `params`, with weights, and all that does not move, at `base`.
    ///
    /// # Panics
    /// If the objective needs the closed-form KL.
    #[allow(clippy::too_many_arguments)] // as a loss, at two points
    pub(crate) fn surrogate(
        &self,
        ws: &mut Workspace<T>,
        batch: Batch<'_, T>,
        params: &[T],
        base: &[T],
        noise: Noise<'_>,
        objective: &dyn Objective<T>,
        beta: T,
    ) -> T {
        self.loss(ws, batch, base, noise, objective, beta);
        let b = ws.rows;
        let weights = &ws.weights;
        let [of_x, of_prior, path, direct] =
            [&weights.log_px, &weights.log_prior, &weights.path, &weights.direct]
                .map(|weight| first_rows(weight, b).to_vec());
        // The draws stay those of the base.
        let log_q = self.log_q_of_draws(ws, batch, params, noise);
        let direct = direct.iter().zip(log_q).map(|(weight, log_q)| (*weight * log_q).to_f64());
        let mut sum: f64 = direct.sum();

        let mixed = self.mixed(base, params);
        self.forward(ws, batch, &mixed, noise, false);
        for (n, [log_px, log_prior]) in
            self.pieces(ws, batch, &mixed, params).into_iter().enumerate()
        {
            sum += (of_x[n] * log_px + of_prior[n] * log_prior).to_f64();
        }

        let mixed = self.mixed(params, base);
        self.forward(ws, batch, &mixed, noise, false);
        let pieces = self.pieces(ws, batch, &mixed, base);
        let log_q = self.log_q_of_draws(ws, batch, base, noise);
        for (n, [log_px, log_prior]) in pieces.into_iter().enumerate() {
            let piece = of_x[n] * log_px + of_prior[n] * (log_prior - log_q[n]);
            sum += (path[n] * piece).to_f64();
        }
        T::from_f64(sum)
    }

    /// log q of the draws in the workspace by encoders at `params`, whichever made them.
    fn log_q_of_draws(
        &self,
        ws: &mut Workspace<T>,
        batch: Batch<'_, T>,
        params: &[T],
        noise: Noise<'_>,
    ) -> Vec<T> {
        let (b, n) = (ws.rows, ws.rows * ws.samples);
        let mut log_q = vec![T::zero(); n];
        for (l, q) in self.up.iter().enumerate() {
            let (here, latents) = self.inference.of(&mut ws.up, l);
            let (given, rows, k) = match latents.is_empty() {
                true => (batch.x, b, 1),
                false => (ws.seen[l].latents(latents, n), n, ws.samples),
            };
            let input = q.beside_data(given, batch.x, batch.condition);
            q.emit(&mut here.emitted, input, params, noise.of_layers(2 * l, k));
            let (eta, mut of_level) = (here.emitted.out(rows), vec![T::zero(); n]);
            let z = head(&here.z, n);
            batch::log_prob(&mut of_level, q.likelihood(), &z, &eta, q.own(params));
            add(&mut log_q, &of_level);
        }
        log_q
    }

    /// The encoders of one, all else of the other.
    fn mixed(&self, encoders: &[T], rest: &[T]) -> Vec<T> {
        let mut mixed = rest.to_vec();
        for slot in self.layout.slots().iter().filter(|slot| slot.name.starts_with("encoder.")) {
            mixed[slot.range()].copy_from_slice(&encoders[slot.range()]);
        }
        mixed
    }

    /// [log p(x|z), log p(z)] of every draw in the workspace, where a pass at `mixed` left them, but the prior with
    /// all its parts at `params`.
    fn pieces(
        &self,
        ws: &mut Workspace<T>,
        batch: Batch<'_, T>,
        mixed: &[T],
        params: &[T],
    ) -> Vec<[T; 2]> {
        let [log_px, mut log_prior] = [&ws.scores.log_px, &ws.scores.log_prior]
            .map(|piece| first_rows(piece, ws.rows).to_vec());
        if ws.pseudo.is_some() {
            let [there, wanted] =
                [mixed, params].map(|params| self.topmost_prior(ws, batch, params));
            let moved = wanted.into_iter().zip(there).map(|(wanted, there)| wanted - there);
            log_prior.iter_mut().zip(moved).for_each(|(log_prior, moved)| *log_prior += moved);
        }
        log_px.into_iter().zip(log_prior).map(|(a, b)| [a, b]).collect()
    }

    /// log p(z_L) of every draw in the workspace.
    fn topmost_prior(&self, ws: &mut Workspace<T>, batch: Batch<'_, T>, params: &[T]) -> Vec<T> {
        self.run_pseudo_inputs(ws, &batch.exemplars, params);
        let n = ws.rows * ws.samples;
        let (mut log_prior, z) = (vec![T::zero(); n], head(&ws.up[self.levels() - 1].z, n));
        let given = self.given(&ws.pseudo, &batch.exemplars, params);
        self.prior.log_prob(&mut log_prior, &z, given, &mut ws.prior_work);
        log_prior
    }
}

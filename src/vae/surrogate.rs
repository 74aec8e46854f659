//! What an estimator that is no gradient of its value is the gradient of, for the checks.
//!
//! ```text
//! Of weights a_n = ∂loss/∂log p(x|z_n), b_n = ∂loss/∂log p(z_n), c_n of log q's direct term, scales of the
//! path π_n, at base parameters θ₀ (decoders, prior), φ₀ (encoders), with z_n(φ) the draws at fixed ε:
//!
//!   S(θ, φ) = Σ_n a_n log p_θ(x|z_n(φ₀)) + b_n log p_θ(z_n(φ₀)) + c_n log q_φ(z_n(φ₀))
//!           + Σ_n π_n [ a_n log p_θ₀(x|z_n(φ)) + b_n (log p_θ₀(z_n(φ)) − log q(z_n(φ))) ]
//!
//! where in the last each factor log q(z_l | η_l) is at η_l = encoder_l(z_{l−1}(φ); φ₀): a draw moves with φ, what
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

        self.forward(ws, batch, &self.mixed(base, params), noise, false);
        for (n, [log_px, log_prior]) in self.pieces(ws, params).into_iter().enumerate() {
            sum += (of_x[n] * log_px + of_prior[n] * log_prior).to_f64();
        }

        self.forward(ws, batch, &self.mixed(params, base), noise, false);
        let pieces = self.pieces(ws, base);
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
            let (below, here) = ws.up.split_at_mut(l);
            let (given, rows, k) = match below.last() {
                None => (batch.x, b, 1),
                Some(below) => (head(&below.z, n), n, ws.samples),
            };
            let input = q.beside_data(given, batch.x, batch.condition);
            q.emit(&mut here[0].emitted, input, params, noise.of_layers(2 * l, k));
            let (eta, mut of_level) = (here[0].emitted.out(rows), vec![T::zero(); n]);
            let z = head(&here[0].z, n);
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

    /// [log p(x|z), log p(z)] of every draw in the workspace, the prior with all its parts at `params`.
    fn pieces(&self, ws: &mut Workspace<T>, params: &[T]) -> Vec<[T; 2]> {
        if ws.pseudo.is_some() {
            self.forward_kl_terms(ws, params); // of one level: no conditional is among its terms
        }
        let [log_px, log_prior] =
            [&ws.scores.log_px, &ws.scores.log_prior].map(|a| first_rows(a, ws.rows));
        log_px.iter().zip(log_prior).map(|(a, b)| [*a, *b]).collect()
    }
}

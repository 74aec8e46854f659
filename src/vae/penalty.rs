//! A penalty on the latents of a batch: what it is shown, and the way of its gradient.
//!
//! ```text
//! Forward   P(z, η) of the N draws and of what the encoder emitted for B rows
//! Backward  ∂P/∂z joins ∂loss/∂z before the draws' backward pass, ∂P/∂η what comes out of it
//! ```

use super::{Noise, Pass, Vae, Workspace};
use crate::conditional::InferBuffers;
use crate::penalty::{LatentGradient, Latents, Penalty};
use crate::real::Real;
use crate::rows::{add, first_rows, first_rows_mut, head, head_mut};
use ndarray::{Array2, ArrayViewMut2};

/// What a penalty needs besides the pass.
pub(super) struct PenaltyBuffers<T> {
    /// ∂P/∂z, `[N, Z]`; in a workspace for values without rows. (∂P/∂η stands with the encoder's buffers.)
    d_z: Array2<T>,
    /// Draws from N(0, I), `[N, Z]`.
    prior: Array2<T>,
}

impl<T: Real> Vae<T> {
    /// The penalty of the pass that is in the workspace, which keeps its gradient for the backward pass.
    pub(super) fn penalize(
        &self,
        ws: &mut Workspace<T>,
        penalty: &dyn Penalty<T>,
        params: &[T],
        noise: Noise<'_>,
    ) -> f64 {
        let (b, k, q) = (ws.rows, ws.samples, &self.up[0]);
        let (n, most, width) = (b * k, ws.max_rows * k, q.width());
        let gradients = ws.pass == Pass::Gradient;
        let PenaltyBuffers { d_z, prior } = ws.penalty.get_or_insert_with(|| {
            let zeros = |rows| Array2::zeros((rows, width));
            PenaltyBuffers { d_z: zeros(if gradients { most } else { 0 }), prior: zeros(most) }
        });
        let draws_of_prior = if penalty.needs_prior_draws() { n } else { 0 };
        if draws_of_prior > 0 {
            // No encoder draws at the level behind the last.
            let draws = noise.draws(self.levels(), k);
            draws.fill_normal(first_rows_mut(prior, n), width);
        }
        let InferBuffers { z, emitted, penalty: d_eta, .. } = &mut ws.up[0];
        let given = Latents {
            z: head(z, n),
            q: q.distribution(),
            eta: emitted.out(b),
            own: q.own(params),
            prior: head(prior, draws_of_prior),
        };
        if !gradients {
            return penalty.value(&given);
        }
        let mut d_z = head_mut(d_z, n);
        d_z.fill(T::zero());
        let emitted = given.eta.dim();
        d_eta.resize(given.eta.len(), T::zero());
        let d_eta = ArrayViewMut2::from_shape(emitted, d_eta).expect("as many as were emitted");
        penalty.gradient(LatentGradient { d_z, d_eta }, &given)
    }

    /// Multiplies the gradient that a penalty left for this pass.
    pub(super) fn scale_penalty(&self, ws: &mut Workspace<T>, by: T) {
        if let Some(PenaltyBuffers { d_z, .. }) = &mut ws.penalty {
            d_z.mapv_inplace(|d| d * by);
            ws.up[0].penalty.iter_mut().for_each(|d| *d *= by);
        }
    }

    /// Adds ∂P/∂z to ∂loss/∂z, if this pass has a penalty.
    pub(super) fn penalty_backward(&self, ws: &mut Workspace<T>) {
        let n = ws.rows * ws.samples;
        if let Some(PenaltyBuffers { d_z, .. }) = &ws.penalty
            && !ws.up[0].penalty.is_empty()
        {
            add(first_rows_mut(&mut ws.up[0].d_z, n), first_rows(d_z, n));
        }
    }
}

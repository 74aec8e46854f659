//! A penalty on the latents of a batch: what it is shown, and the way of its gradient.
//!
//! ```text
//! Forward   P(z, η) of the N draws and of what the encoder emitted for B rows
//! Backward  ∂P/∂z joins ∂loss/∂z before the draws' backward pass, ∂P/∂η what comes out of it
//! ```

use super::{Noise, Vae, Workspace};
use crate::penalty::{LatentGradient, Latents, Penalty};
use crate::real::Real;
use crate::rows::{add, first_rows, first_rows_mut, head, head_mut};
use crate::vae::Pass;
use ndarray::Array2;

/// What a penalty needs besides the pass.
pub(super) struct PenaltyBuffers<T> {
    /// ∂P/∂z `[N, Z]`, ∂P/∂η `[B, P]`; in a workspace for values without rows.
    d_z: Array2<T>,
    d_eta: Array2<T>,
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
        let (n, width, emitted) = (b * k, q.width(), q.network().outputs());
        let most = ws.max_rows * k;
        let gradients = ws.pass == Pass::Gradient;
        let buffers = ws.penalty.get_or_insert_with(|| {
            let rows = |rows: usize, gradient: bool| if gradient == gradients { rows } else { 0 };
            PenaltyBuffers {
                d_z: Array2::zeros((rows(most, true), width)),
                d_eta: Array2::zeros((rows(ws.max_rows, true), emitted)),
                prior: Array2::zeros((if penalty.needs_prior_draws() { most } else { 0 }, width)),
            }
        });
        if penalty.needs_prior_draws() {
            // No encoder draws at the level behind the last.
            let draws = noise.draws(self.levels(), k);
            draws.fill_normal(first_rows_mut(&mut buffers.prior, n), width);
        }
        let given = Latents {
            z: head(&ws.up[0].z, n),
            q: q.distribution(),
            eta: ws.up[0].emitted.out(b),
            own: q.own(params),
            prior: head(&buffers.prior, n.min(buffers.prior.nrows())),
        };
        if !gradients {
            return penalty.value(&given);
        }
        let (mut d_z, mut d_eta) = (head_mut(&mut buffers.d_z, n), head_mut(&mut buffers.d_eta, b));
        d_z.fill(T::zero());
        d_eta.fill(T::zero());
        penalty.gradient(LatentGradient { d_z, d_eta }, &given)
    }

    /// Multiplies the gradient that a penalty left for this pass.
    pub(super) fn scale_penalty(&self, ws: &mut Workspace<T>, by: T) {
        if let Some(PenaltyBuffers { d_z, d_eta, .. }) = &mut ws.penalty {
            d_z.mapv_inplace(|d| d * by);
            d_eta.mapv_inplace(|d| d * by);
        }
    }

    /// Adds ∂P/∂z to ∂loss/∂z, and hands ∂P/∂η to the encoder.
    pub(super) fn penalty_backward(&self, ws: &mut Workspace<T>) {
        let (b, n) = (ws.rows, ws.rows * ws.samples);
        let q = &mut ws.up[0];
        let Some(buffers) = ws.penalty.as_mut().filter(|_| ws.penalized) else {
            q.elsewhere.clear();
            return;
        };
        add(first_rows_mut(&mut q.d_z, n), first_rows(&buffers.d_z, n));
        q.elsewhere.clear();
        q.elsewhere.extend_from_slice(first_rows(&buffers.d_eta, b));
    }
}

//! What a prior asks of the encoder: posteriors at its pseudo-inputs, and the way back from them.
//!
//! ```text
//! Forward   η_c = encoder(u_c), that of the topmost latent, for inference;   log p(z | η_1 … η_C, own) is the prior's
//! Backward  the prior's ∂/∂η_c goes back through the encoder: into its weights, and into u_c
//! ```

use super::{Vae, Workspace};
use crate::gradient::Gradient;
use crate::nn::NetworkBuffers;
use crate::prior::{Given, Posteriors, PriorGradient};
use crate::real::Real;
use crate::rows::{add, first_rows, head};
use ndarray::{Array2, ArrayView2};

/// What the encoder makes of a prior's pseudo-inputs.
pub(super) struct Pseudo<T> {
    pub(super) network: NetworkBuffers<T>,
}

/// Gradients of the same: in η `[C, P]`, in the pseudo-inputs `[C, D]`.
pub(super) struct DPseudo<T> {
    pub(super) d_eta: Array2<T>,
    pub(super) d_u: Array2<T>,
}

impl<T: Real> Vae<T> {
    /// Encodes the prior's pseudo-inputs, if it has any.
    pub(super) fn run_pseudo_inputs(&self, ws: &mut Workspace<T>, params: &[T]) {
        if let Some(pseudo) = &mut ws.pseudo {
            let u = self.pseudo_inputs(params);
            self.up[self.first()].network().forward(&mut pseudo.network, &u, params, None);
        }
    }

    /// The prior's pseudo-inputs in `params`, `[C, D]`.
    fn pseudo_inputs<'a>(&self, params: &'a [T]) -> ArrayView2<'a, T> {
        let shape = (self.prior.pseudo_inputs(), self.width());
        let u = &self.own.of(params)[..shape.0 * shape.1];
        ArrayView2::from_shape(shape, u).expect("as many numbers as it asked for")
    }

    /// What the prior is a function of, with its pseudo-inputs as encoded last.
    pub(super) fn given<'a>(
        &'a self,
        pseudo: &'a Option<Pseudo<T>>,
        params: &'a [T],
    ) -> Given<'a, T> {
        let posteriors = pseudo.as_ref().map(|pseudo| Posteriors {
            q: self.up[self.first()].likelihood(),
            eta: pseudo.network.out(self.prior.pseudo_inputs()),
            own: self.up[self.first()].own(params),
        });
        Given { own: self.own.of(params), posteriors }
    }

    /// The prior's part of the gradient but that in z: in its own tensors and, through its pseudo-inputs, in
    /// the encoder.
    pub(super) fn prior_backward(
        &self,
        d_params: &mut Gradient<T>,
        ws: &mut Workspace<T>,
        params: &[T],
    ) {
        let (b, n) = (ws.rows, ws.rows * ws.samples);
        let (weight, z) =
            (first_rows(&ws.weights.log_prior, b), head(&ws.up[self.levels() - 1].z, n));
        let mut none = Array2::zeros((0, 0));
        let mut d_eta = ws.d_pseudo.as_mut().map_or(none.view_mut(), |d| d.d_eta.view_mut());
        d_eta.fill(T::zero());
        let d = PriorGradient { d_own: d_params.tensor(self.own), d_eta };
        self.prior.backward(d, weight, &z, self.given(&ws.pseudo, params), &mut ws.prior_work);
        if let (Some(pseudo), Some(DPseudo { d_eta, d_u })) = (&mut ws.pseudo, &mut ws.d_pseudo) {
            let (u, d_x, d_eta) = (self.pseudo_inputs(params), &mut d_u.view_mut(), &d_eta.view());
            let encoder = self.up[self.first()].network();
            encoder.backward(Some(d_params), Some(d_x), d_eta, &mut pseudo.network, &u, params);
            let d_u = d_u.as_slice().expect("buffers are in standard layout");
            add(d_params.tensor(self.own), d_u);
        }
    }
}

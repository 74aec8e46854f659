//! What a prior asks of the encoder: posteriors at its pseudo-inputs, and the way back from them.
//!
//! ```text
//! Forward   η_c = encoder(u_c), that of the topmost latent, for inference;   log p(z | η_1 … η_C, own) is the prior's
//!           of a prior that clips them, the encoder sees ū_c = max(0, min(u_c, 1))
//! Backward  the prior's ∂/∂η_c goes back through the encoder: into its weights, and into u_c
//!           where one is clipped, ∂ū/∂u = 0
//! ```

use super::{Vae, Workspace};
use crate::batch::Exemplars;
use crate::gradient::Gradient;
use crate::nn::NetworkBuffers;
use crate::prior::{Given, Posteriors, PriorGradient, Retrieval};
use crate::real::Real;
use crate::rows::{add, first_rows, head, head_mut};
use ndarray::{Array2, ArrayView2};
use std::ops::Range;

/// What the encoder makes of a prior's pseudo-inputs, or of the rows that it retrieved.
pub(super) struct Pseudo<T> {
    pub(super) network: NetworkBuffers<T>,
    /// How many there were in the last pass.
    pub(super) rows: usize,
    /// The pseudo-inputs as the encoder sees them, of a prior that clips them, `[C, D]`; otherwise without rows.
    clipped: Array2<T>,
}

/// Gradients of the same: in η `[C, P]`, in the pseudo-inputs `[C, D]`.
pub(super) struct DPseudo<T> {
    pub(super) d_eta: Array2<T>,
    pub(super) d_u: Array2<T>,
}

impl<T: Real> Pseudo<T> {
    /// Buffers for so many rows, with room for gradients or not.
    pub(super) fn new(vae: &Vae<T>, rows: usize, gradients: bool) -> Self {
        let clipped = if vae.prior.clips_pseudo_inputs() { vae.prior.pseudo_inputs() } else { 0 };
        let network = vae.up[vae.first()].network().buffers(rows, gradients);
        Pseudo { network, rows: 0, clipped: Array2::zeros((clipped, vae.width())) }
    }
}

/// Whether a pseudo-input of this value stays as it is where they are clipped.
fn is_within<T: Real>(u: T) -> bool {
    T::zero() < u && u < T::one()
}

impl<T: Real> Vae<T> {
    /// Encodes the prior's pseudo-inputs, if it has any, or the rows that it retrieved.
    pub(super) fn run_pseudo_inputs(
        &self,
        ws: &mut Workspace<T>,
        exemplars: &Option<Exemplars<'_, T>>,
        params: &[T],
    ) {
        if let Some(pseudo) = &mut ws.pseudo {
            let u = self.pseudo_inputs(exemplars, params);
            let Pseudo { network, rows, clipped } = pseudo;
            *rows = u.nrows();
            let seen = if clipped.is_empty() {
                u
            } else {
                clipped.zip_mut_with(&u, |clipped, u| {
                    *clipped = if *u < T::one() { u.max(T::zero()) } else { T::one() };
                });
                clipped.view()
            };
            self.up[self.first()].network().forward(network, &seen, params, None);
        }
    }

    /// The rows that were retrieved, or the prior's pseudo-inputs in `params`, `[C, D]`.
    fn pseudo_inputs<'a>(
        &self,
        exemplars: &'a Option<Exemplars<'_, T>>,
        params: &'a [T],
    ) -> ArrayView2<'a, T> {
        if let Some(exemplars) = exemplars {
            return exemplars.x.view();
        }
        let shape = (self.prior.pseudo_inputs(), self.width());
        let u = &self.own.of(params)[..shape.0 * shape.1];
        ArrayView2::from_shape(shape, u).expect("as many numbers as it asked for")
    }

    /// Calls `side` with the side of each bound that a clipped pseudo-input is on.
    pub(super) fn pseudo_kinks(&self, params: &[T], side: &mut dyn FnMut(bool)) {
        if self.prior.clips_pseudo_inputs() {
            self.pseudo_inputs(&None, params).iter().for_each(|u| side(is_within(*u)));
        }
    }

    /// Where the means of the training rows' posteriors lie in the parameters, `[E, Z]`, of a prior that retrieves.
    pub(crate) fn exemplar_means(&self) -> Option<(Retrieval, Range<usize>)> {
        let retrieval = self.prior.retrieval()?;
        let first = self.own.range().start;
        Some((retrieval, first..first + retrieval.count * self.latent()))
    }

    /// What the prior is a function of, with its pseudo-inputs as encoded last.
    pub(super) fn given<'a>(
        &'a self,
        pseudo: &'a Option<Pseudo<T>>,
        exemplars: &'a Option<Exemplars<'_, T>>,
        params: &'a [T],
    ) -> Given<'a, T> {
        let some = pseudo.as_ref().filter(|pseudo| pseudo.rows > 0);
        let posteriors = some.map(|pseudo| Posteriors {
            q: self.up[self.first()].distribution(),
            eta: pseudo.network.out(pseudo.rows),
            own: self.up[self.first()].own(params),
        });
        let own_places = exemplars.as_ref().map(|exemplars| exemplars.own_places);
        Given { own: self.own.of(params), posteriors, own_places }
    }

    /// The prior's part of the gradient but that in z: in its own tensors and, through its pseudo-inputs, in
    /// the encoder.
    pub(super) fn prior_backward(
        &self,
        d_params: &mut Gradient<T>,
        ws: &mut Workspace<T>,
        exemplars: &Option<Exemplars<'_, T>>,
        params: &[T],
    ) {
        let (b, n) = (ws.rows, ws.rows * ws.samples);
        let (weight, z) =
            (first_rows(&ws.weights.log_prior, b), head(&ws.up[self.levels() - 1].z, n));
        let count = ws.pseudo.as_ref().map_or(0, |pseudo| pseudo.rows);
        let mut none = Array2::zeros((0, 0));
        let room = ws.d_pseudo.as_mut().map_or(&mut none, |d| &mut d.d_eta);
        let mut d_eta = head_mut(room, count);
        d_eta.fill(T::zero());
        let d = PriorGradient { d_own: d_params.tensor(self.own), d_eta };
        let given = self.given(&ws.pseudo, exemplars, params);
        self.prior.backward(d, weight, &z, given, &mut ws.prior_work);
        let (Some(pseudo), Some(DPseudo { d_eta, d_u })) = (&mut ws.pseudo, &mut ws.d_pseudo)
        else {
            return;
        };
        let (u, d_eta) = (self.pseudo_inputs(exemplars, params), head(d_eta, count));
        let Pseudo { network: buffers, clipped, .. } = pseudo;
        let encoder = self.up[self.first()].network();
        // Rows of data have no gradient.
        let mut d_x = exemplars.is_none().then(|| d_u.view_mut());
        let seen = if clipped.is_empty() { u } else { clipped.view() };
        encoder.backward(Some(d_params), d_x.as_mut(), &d_eta, buffers, &seen, params);
        if exemplars.is_none() {
            if self.prior.clips_pseudo_inputs() {
                let kept = |d: &mut T, u: &T| *d = if is_within(*u) { *d } else { T::zero() };
                d_u.zip_mut_with(&u, kept);
            }
            let d_u = d_u.as_slice().expect("buffers are in standard layout");
            let d_own = &mut d_params.tensor(self.own)[..d_u.len()];
            add(d_own, d_u);
        }
    }
}

//! One network at a time, of one row: what coding with a chain asks of it.
//!
//! Bits-back coding takes latents from a stack of bits and puts data there, level by level, so that which network runs
//! when is the codec's to say. A workspace for a single row and sample holds the latents that are known so far.

use super::{Inference, Vae, Workspace};
use crate::conditional::Input;
use crate::distribution::Coded;
use crate::family::Spec;
use crate::params::Layout;
use crate::prior::Sequential;
use crate::real::Real;
use crate::rows::{flat, head};
use ndarray::ArrayView2;

impl<T: Real> Vae<T> {
    /// The same model with its weights turned for single rows, and its parameters; none, if it was built from parts.
    pub(crate) fn turned(&self, params: &[T]) -> Option<(Self, Vec<T>)> {
        let vae = Vae::lay_out_in(Layout::turned(), self.config.clone()?).ok()?;
        Some((vae, self.layout.turn(params)))
    }

    /// `eta ← what the encoder of level `l` emits` for a row of data and the latents in the workspace; `x: [1, D]`.
    pub(crate) fn emit_posterior(
        &self,
        eta: &mut Vec<T>,
        ws: &mut Workspace<T>,
        l: usize,
        x: ArrayView2<T>,
        params: &[T],
    ) {
        let condition = ws.condition.as_ref().map(|c| head(c, 1));
        let (q, (here, seen)) = (&self.up[l], self.inference.of(&mut ws.up, l));
        let given = if seen.is_empty() { x } else { ws.seen[l].latents(seen, 1) };
        q.emit(&mut here.emitted, q.beside_data(given, x, condition), params, None);
        eta.clear();
        eta.extend_from_slice(flat(&here.emitted.out(1)));
    }

    /// `eta ← what the decoder of level `l` emits` for the latents in the workspace.
    pub(crate) fn emit_conditional(
        &self,
        eta: &mut Vec<T>,
        ws: &mut Workspace<T>,
        l: usize,
        params: &[T],
    ) {
        let condition = ws.condition.as_ref().map(|c| head(c, 1));
        let given = ws.above[l].latents(&ws.up[l..], 1);
        let buffers = &mut ws.down[l].emitted;
        self.down[l].emit(buffers, Input { given, beside: None, condition }, params, None);
        eta.clear();
        eta.extend_from_slice(flat(&buffers.out(1)));
    }

    /// The latents of level `l` of the row in the workspace, `[Z_l]`.
    pub(crate) fn latents_mut<'a>(&self, ws: &'a mut Workspace<T>, l: usize) -> &'a mut [T] {
        let width = self.up[l].width();
        &mut ws.up[l].z.as_slice_mut().expect("buffers are in standard layout")[..width]
    }

    /// Width of the latents of level `l`.
    pub(crate) fn latent_width(&self, l: usize) -> usize {
        self.up[l].width()
    }

    /// The posterior of level `l` as one whose latents can be coded, and its own tensors.
    pub(crate) fn coded_posterior<'a>(
        &'a self,
        l: usize,
        params: &'a [T],
    ) -> Option<(&'a dyn Coded<T>, &'a [T])> {
        let q = &self.up[l];
        Some((q.distribution().as_likelihood()?.as_coded()?, q.own(params)))
    }

    /// Whether it is one.
    pub(crate) fn can_code_posterior(&self, l: usize) -> bool {
        let likelihood = self.up[l].distribution().as_likelihood();
        likelihood.is_some_and(|q| q.as_coded().is_some())
    }

    /// The posterior of level `l`, as it is named.
    pub(crate) fn posterior_spec(&self, l: usize) -> Spec {
        self.up[l].distribution().spec()
    }

    /// The decoder's distribution of level `l` likewise.
    pub(crate) fn coded_conditional<'a>(
        &'a self,
        l: usize,
        params: &'a [T],
    ) -> Option<(&'a dyn Coded<T>, &'a [T])> {
        Some((self.down[l].likelihood().as_coded()?, self.down[l].own(params)))
    }

    /// Whether the prior is N(0, I).
    pub(crate) fn has_standard_prior(&self) -> bool {
        self.prior.is_standard_normal()
    }

    /// The prior's law of one latent after another. The workspace must know the pseudo-inputs
    /// ([`Self::prepare_prior`]).
    pub(crate) fn prior_in_turn<'a>(
        &'a self,
        ws: &'a Workspace<T>,
        params: &'a [T],
    ) -> Option<Box<dyn Sequential + 'a>> {
        self.prior.in_turn(self.latent(), self.given(&ws.pseudo, &None, params))
    }

    /// Encodes the prior's pseudo-inputs, if it has any, once for all rows.
    pub(crate) fn prepare_prior(&self, ws: &mut Workspace<T>, params: &[T]) {
        self.run_pseudo_inputs(ws, &None, params);
    }

    /// The levels in the order in which they are inferred.
    pub(crate) fn order(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.inference.order(self.levels())
    }

    /// Whether a level depends on those next to it alone, upwards and downwards, and the data are seen by the first encoder
    /// alone.
    pub(crate) fn is_markov(&self) -> bool {
        let next_alone = |l: usize| self.seen_by_decoder(l).len() == 1 && self.up[l].beside() == 0;
        self.inference == Inference::BottomUp && (0..self.levels()).all(next_alone)
    }
}

//! Scoring a value: log p(value | given), and its gradient.
//!
//! ```text
//! Forward   η = network(given);   log p(value|η) per row, and in the same pass its unit gradients in η,
//!           and in the value where somebody asks for it
//! Backward  of Σ_n w_n log p_n, for weights that the objective gives once it knows all log p:
//!             d_η_n = w_n ∂log p_n/∂η_n         then the network's backward: d_given, d_params
//!             d_own = Σ_n w_n ∂log p_n/∂own
//!           ∂/∂value stays a unit gradient, since a value has other terms of the same weight
//! ```
//!
//! Rows of weight 0 add nothing, whatever stands in their gradients. If they are many, the network's
//! backward pass runs on the others alone.

use super::{Conditional, Emitted, Input};
use crate::distribution::batch::{self, BLOCKS, Gradients};
use crate::gradient::Gradient;
use crate::parallel;
use crate::real::Real;
use crate::rng::Draws;
use crate::rows::{
    copy_rows, find_live, first_rows_mut, flat_mut, head, head_mut, keep_scaled_rows, scale_rows,
    spread_rows,
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

/// What a conditional that scores needs for up to N rows.
pub(crate) struct ScoreBuffers<T> {
    pub(crate) emitted: Emitted<T>,
    /// Unit gradients of log p: in η `[N, P]`, in the value `[N, width]`; without rows where nobody asks.
    d_eta: Array2<T>,
    pub(crate) d_value: Array2<T>,
    /// Room for the gradient of own tensors.
    blocks: Array2<T>,
    /// What is given to the rows that the backward pass runs on, if not on all; and which these are.
    live_given: Array2<T>,
    live: Vec<usize>,
}

impl<T: Real> Conditional<T> {
    /// Buffers to score up to `n` rows, with room for gradients and for that in the value, or not.
    pub(crate) fn score_buffers(
        &self,
        n: usize,
        gradients: bool,
        in_value: bool,
    ) -> ScoreBuffers<T> {
        let n_d = if gradients { n } else { 0 };
        ScoreBuffers {
            emitted: self.emitted(n, gradients),
            d_eta: Array2::zeros((n_d, self.network.outputs())),
            d_value: Array2::zeros((if in_value { n_d } else { 0 }, self.width)),
            blocks: Array2::zeros((if gradients { BLOCKS } else { 0 }, self.own.len())),
            live_given: Array2::zeros((n_d, self.network.inputs())),
            live: Vec::with_capacity(n_d),
        }
    }

    /// Elements that the buffers of one row have.
    pub(crate) fn score_elements(&self) -> usize {
        let joined = if self.inputs.are_joined() { 2 * self.network.inputs() } else { 0 };
        let input = self.network.inputs() + joined;
        self.network.elements_per_row() + self.network.outputs() + self.width + input
    }

    /// `log_p_n ← log p(value_n|given_n)`, and the unit gradients, if there is room for them; `log_p: [N]`,
    /// `value: [N or B, width]`.
    pub(crate) fn score(
        &self,
        log_p: &mut [T],
        buf: &mut ScoreBuffers<T>,
        value: &ArrayView2<T>,
        input: Input<'_, T>,
        params: &[T],
        noise: Option<Draws<'_>>,
    ) {
        let n = input.given.nrows();
        self.emit(&mut buf.emitted, input, params, noise);
        let (p, eta, own) = (self.likelihood(), buf.emitted.out(n), self.own(params));
        if buf.d_eta.is_empty() {
            batch::log_prob(log_p, p, value, &eta, own);
        } else {
            let d_x = (!buf.d_value.is_empty()).then(|| head_mut(&mut buf.d_value, n));
            let d = Gradients { d_eta: head_mut(&mut buf.d_eta, n), d_x };
            batch::log_prob_gradient(log_p, d, p, value, &eta, own);
        }
    }

    /// Calls `side` with the side of each kink that the last pass over `n` rows was on: of its network, and
    /// of log p(value).
    pub(crate) fn score_kinks(
        &self,
        buf: &ScoreBuffers<T>,
        value: &ArrayView2<T>,
        n: usize,
        params: &[T],
        side: &mut dyn FnMut(bool),
    ) {
        self.network.kinks(&buf.emitted.network, n, side);
        let (eta, own) = (buf.emitted.out(n), self.own(params));
        batch::kinks(self.likelihood(), value, &eta, own, side);
    }

    /// Of Σ_n weight_n log p_n: adds to `d_params`, and writes `d_given: [N, inputs]`. It uses the buffers
    /// up: gradients are weighed in place, and rows without a weight make room for the others.
    #[allow(clippy::too_many_arguments)] // what is written, what weighs, what was scored
    pub(crate) fn score_backward(
        &self,
        d_params: &mut Gradient<T>,
        mut d_given: ArrayViewMut2<T>,
        buf: &mut ScoreBuffers<T>,
        weight: &[T],
        value: &ArrayView2<T>,
        input: Input<'_, T>,
        params: &[T],
    ) {
        let n = weight.len();
        let (own, eta) = (self.own(params), buf.emitted.out(n));
        let d_own = d_params.tensor(self.own);
        batch::own_backward(d_own, &mut buf.blocks, self.likelihood(), weight, value, &eta, own);
        let count = buf.weigh(weight, input, self.network.couples_rows());
        let ScoreBuffers { emitted: Emitted { network, joined }, d_eta, live_given, live, .. } =
            buf;
        let d_live = d_given.slice_mut(s![..count, ..]);
        let d_eta = head(d_eta, count);
        let seen = (count < n).then(|| head(live_given, count));
        joined.backward(d_live, input, seen, |d_seen, seen| {
            self.network.backward(Some(d_params), Some(d_seen), &d_eta, network, seen, params);
        });
        if count < n {
            spread_rows(flat_mut(&mut d_given), self.inputs(), live);
        }
    }
}

impl<T: Real> ScoreBuffers<T> {
    /// Multiplies the unit gradients in η by the rows' weights, and gives how many rows the backward pass is
    /// to run on. If an eighth or more have no weight, all that it reads of the others moves to the front.
    fn weigh(&mut self, weight: &[T], input: Input<'_, T>, all: bool) -> usize {
        let n = weight.len();
        let d_eta = first_rows_mut(&mut self.d_eta, n);
        let live = &mut self.live;
        find_live(live, weight);
        if all || live.len() * 8 > n * 7 {
            scale_rows(d_eta, weight);
            return n;
        }
        let Emitted { network, joined } = &mut self.emitted;
        let (live_given, seen) = (&mut self.live_given, joined.seen(&input));
        parallel::join(
            || keep_scaled_rows(d_eta, weight, live),
            || {
                network.keep(live);
                copy_rows(live_given, &seen, live);
            },
        );
        live.len()
    }
}

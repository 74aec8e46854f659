//! Inferring a value: a draw from q(value | given), its log q, and their gradient.
//!
//! ```text
//! Forward   η = network(given);   z = g(η, ε), ε from its address;   log q(z|η) per draw, where it counts
//! Backward  of f(z) + Σ_n w_n log q_n, or + Σ_bj w_bj KL_bj where the KL has a closed form:
//!             d_η = (∂z/∂η)ᵀ d_z + w d log q/dη       both in one (`Reparameterized::backward`), or
//!             d_η = (∂z/∂η)ᵀ d_z + w ∂log q/∂η |_z    where an estimator weighs log q's two ways apart
//!             d_η = (∂z/∂η)ᵀ d_z + w ∂KL/∂η           in closed form
//!           then the network's backward: d_given, d_params; of two d_η where they differ
//! ```
//!
//! The network runs on as many rows as are given, B or N = B·K; there are N draws.

use super::{Conditional, Emitted, Input};
use crate::distribution::batch::{self, DrawBuffers};
use crate::gradient::Gradient;
use crate::real::Real;
use crate::rng::Draws;
use crate::rows::{add_weighted_draws, first_rows, first_rows_mut, flat_mut, head, head_mut};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// What a conditional that infers needs, for a network on up to `rows` rows and up to N draws.
pub(crate) struct InferBuffers<T> {
    pub(crate) emitted: Emitted<T>,
    pub(crate) draws: DrawBuffers<T>,
    /// The draws, `[N, width]`.
    pub(crate) z: Array2<T>,
    /// ∂loss/∂z `[N, width]`, ∂loss/∂η `[rows, P]`.
    pub(crate) d_z: Array2<T>,
    d_eta: Array2<T>,
    /// ∂loss/∂η of a penalty on the draws of this pass, `[rows·P]`; nothing without one.
    pub(crate) penalty: Vec<T>,
    /// Where log q's two ways are weighed apart, its unit gradients: in η at fixed z `[N, P]`, in z.
    d_eta_q: Array2<T>,
    d_z_q: Array2<T>,
}

/// How log q, or the KL, weighs in the loss.
pub(crate) enum LogQ<'a, T> {
    /// The KL has a closed form, whose weights are `[B, width]`.
    ClosedForm(ArrayView2<'a, T>),
    /// ∂loss/∂log q, `[N]`, directly and through z alike.
    Whole(&'a [T]),
    /// ∂loss/∂log q at fixed z, `[N]`, for the network's parameters, and for what it was given; what comes
    /// through z is in `d_z` already.
    Apart(&'a [T], Flow<'a, T>),
}

/// ∂loss/∂log q at fixed z for what was given: minus the prior's weight, times the scale of the path. An
/// estimator drops log q's direct term for the parameters alone; further down it is a part of the path.
pub(crate) struct Flow<'a, T> {
    pub(crate) of_prior: &'a [T],
    pub(crate) path: &'a [T],
}

impl<T: Real> Conditional<T> {
    /// Buffers to infer `n` draws from up to `rows` rows, with room for gradients or not.
    pub(crate) fn infer_buffers(&self, rows: usize, n: usize, gradients: bool) -> InferBuffers<T> {
        let with = |rows: usize| if gradients { rows } else { 0 };
        let (eta, zeros) = (self.network.outputs(), |r: usize, c: usize| Array2::zeros((r, c)));
        InferBuffers {
            emitted: self.emitted(rows, gradients),
            draws: DrawBuffers::new(self.posterior(), n, self.width, self.own.len()),
            z: zeros(n, self.width),
            d_z: zeros(with(n), self.width),
            d_eta: zeros(with(rows), eta),
            penalty: Vec::new(),
            d_eta_q: zeros(with(n), eta),
            d_z_q: zeros(with(n), self.width),
        }
    }

    /// Elements that the buffers of one row and draw have.
    pub(crate) fn infer_elements(&self) -> usize {
        let q = self.posterior();
        let joined = if self.inputs.are_joined() { 2 * self.network.inputs() } else { 0 };
        let draw = q.noise_width(self.width) + q.kept_width(self.width) + 3 * self.width;
        self.network.elements_per_row() + 2 * self.network.outputs() + joined + draw
    }

    /// Draws z, with the `noise` of each draw; B or N rows are given.
    pub(crate) fn infer(
        &self,
        buf: &mut InferBuffers<T>,
        input: Input<'_, T>,
        params: &[T],
        noise: Draws<'_>,
        of_layers: Option<Draws<'_>>,
    ) {
        let InferBuffers { emitted, draws, z, .. } = buf;
        self.emit(emitted, input, params, of_layers);
        let (n, width) = (noise.len(), draws.eps.ncols());
        noise.fill_normal(first_rows_mut(&mut draws.eps, n), width);
        let (eta, own) = (emitted.out(input.given.nrows()), self.own(params));
        batch::rsample(head_mut(z, n), draws, self.posterior(), &eta, own);
    }

    /// `log_q_n ← log q(z_n|given)` of the draws in the buffers; the network was given `rows` rows.
    pub(crate) fn log_q(&self, log_q: &mut [T], buf: &InferBuffers<T>, rows: usize, params: &[T]) {
        let (eta, own) = (buf.emitted.out(rows), self.own(params));
        batch::log_q(log_q, &buf.draws, self.posterior(), &eta, own);
    }

    /// Takes log q's way through z apart from its direct one, and gives ∂log q_n/∂z_n, `[N, width]`.
    ///
    /// # Panics
    /// If the posterior cannot tell them apart: whoever chooses an objective checks.
    pub(crate) fn take_log_q_apart<'a>(
        &self,
        buf: &'a mut InferBuffers<T>,
        rows: usize,
        n: usize,
        params: &[T],
    ) -> (&'a [T], &'a mut Array2<T>) {
        let q = self.separable().expect("checked with the objective");
        let InferBuffers { emitted, draws, d_eta_q, d_z_q, d_z, .. } = buf;
        let (d_eta, d_z_of_q) = (head_mut(d_eta_q, n), head_mut(d_z_q, n));
        batch::log_q_gradient(d_eta, d_z_of_q, draws, q, &emitted.out(rows), self.own(params));
        (first_rows(d_z_q, n), d_z)
    }

    /// From ∂loss/∂z in the buffers and the weights of log q or the KL: adds to `d_params`, and writes
    /// `d_given`, where it is asked for.
    #[allow(clippy::too_many_arguments)] // what is written, what weighs, what was given
    pub(crate) fn infer_backward(
        &self,
        d_params: &mut Gradient<T>,
        d_given: Option<ArrayViewMut2<T>>,
        buf: &mut InferBuffers<T>,
        log_q: LogQ<'_, T>,
        n: usize,
        input: Input<'_, T>,
        params: &[T],
    ) {
        let rows = input.given.nrows();
        let InferBuffers {
            emitted: Emitted { network, joined },
            draws,
            d_z,
            d_eta,
            d_eta_q,
            penalty,
            ..
        } = buf;
        let (eta, own) = (network.out(rows), self.own(params));
        let width = eta.ncols();
        let mut d_eta = head_mut(d_eta, rows);
        match penalty.is_empty() {
            true => d_eta.fill(T::zero()),
            false => flat_mut(&mut d_eta).copy_from_slice(penalty),
        }
        let whole = if let LogQ::Whole(weight) = log_q { Some(weight) } else { None };
        let (d_own, d_z) = (d_params.tensor(self.own), head(d_z, n));
        batch::draw_backward(
            d_eta.view_mut(),
            d_own,
            draws,
            self.posterior(),
            &d_z,
            whole,
            &eta,
            own,
        );
        match log_q {
            LogQ::Whole(_) => {}
            LogQ::ClosedForm(weight) => {
                let q = self.closed_form().expect("the pass computed it");
                batch::kl_backward(d_eta.view_mut(), q, &weight, &eta);
            }
            LogQ::Apart(direct, _) => {
                let d_eta_q = first_rows(d_eta_q, n);
                let d_eta = d_eta.as_slice_mut().expect("buffers are in standard layout");
                add_weighted_draws(d_eta, d_eta_q, width, n / rows, |n| direct[n]);
            }
        }
        if let (Some(_), LogQ::Apart(direct, Flow { of_prior, path })) = (&d_given, &log_q) {
            // The parameters see one d_η, what was given another, which differs in the direct term.
            let seen = joined.seen(&input);
            self.network.backward(Some(d_params), None, &d_eta.view(), network, &seen, params);
            let rest = |n: usize| -of_prior[n] * path[n] - direct[n];
            let d_eta_q = first_rows(d_eta_q, n);
            let d_eta = d_eta.as_slice_mut().expect("buffers are in standard layout");
            add_weighted_draws(d_eta, d_eta_q, width, n / rows, rest);
        }
        let apart = matches!(log_q, LogQ::Apart(..));
        let d_eta = d_eta.view();
        match d_given {
            None => {
                let seen = joined.seen(&input);
                self.network.backward(Some(d_params), None, &d_eta, network, &seen, params);
            }
            Some(d_given) => joined.backward(d_given, input, None, |d_seen, seen| {
                let d_params = (!apart).then_some(d_params); // these have theirs already
                self.network.backward(d_params, Some(d_seen), &d_eta, network, seen, params);
            }),
        }
    }
}

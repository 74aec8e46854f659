//! A conditional p(value | given): a network, and the distribution whose parameters it emits.
//!
//! A model is made of these. One that leads down, towards the data, *scores* a value it is shown
//! (`score.rs`); one that leads up *infers*: it draws a value, and knows how likely that was
//! (`infer.rs`). Each has its backward beside it.

mod infer;
mod joined;
mod score;

pub(crate) use infer::{Flow, InferBuffers, LogQ};
pub(crate) use joined::Input;
pub(crate) use score::ScoreBuffers;

use crate::distribution::{
    ClosedForm, Distribution, Likelihood, Moments, Reparameterized, Separable, batch,
};
use crate::error::Result;
use crate::family::Spec;
use crate::nn::{Activation, Network, NetworkBuffers};
use crate::params::{Scope, Start, Tensor};
use crate::real::Real;
use crate::rng::{Address, Draws};
use joined::Joined;
use ndarray::{ArrayView2, ArrayViewMut2, s};
use std::ops::Range;

/// What a network emitted, and what it was given.
pub(crate) struct Emitted<T> {
    pub(crate) network: NetworkBuffers<T>,
    joined: Joined<T>,
}

impl<T: Real> Emitted<T> {
    /// η of the last `rows` rows that it ran on, `[rows, P]`.
    pub(crate) fn out(&self, rows: usize) -> ArrayView2<'_, T> {
        self.network.out(rows)
    }
}

/// A network and the distribution of rows of some width whose parameters it emits. Its numbers are in
/// the flat parameter buffer.
pub struct Conditional<T> {
    network: Network<T>,
    distribution: Box<dyn Distribution<T>>,
    /// The distribution's own tensors.
    own: Tensor,
    width: usize,
    inputs: Inputs,
    /// Mean and spread of each column that is seen in a form, `[2·D]`.
    spreads: Tensor,
    /// Where in η the logarithms of rates stand that a row's exposure multiplies.
    rates: Vec<Range<usize>>,
}

/// In which form a network sees a column of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As (x − m)/s, by the training rows' mean and spread.
    Spread,
    /// One of n classes as a one-hot.
    Classes(u32),
}

impl Form {
    fn width(self) -> usize {
        match self {
            Form::Spread => 1,
            Form::Classes(n) => n as usize,
        }
    }
}

/// What a network sees: what is given, which of it is missing, data beside it, and the condition, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Width of what is given.
    pub width: usize,
    /// In which form each column of it is seen; without any, all as they are.
    pub forms: Vec<Form>,
    /// Whether NaN among it stands for a value that is missing. The network sees 0 there, and behind what is
    /// given a 1 for each missing value and a 0 for each other.
    pub missing: bool,
    /// Width of the data that an encoder sees beside the latents below it, 0 where it does not.
    pub beside: usize,
    /// Width C of the condition, 0 without one.
    pub condition: usize,
    /// Whether behind the condition stands the logarithm of each row's exposure. No network sees it; it is added to
    /// the logarithms of the rates that one emits ([`Distribution::rates`]).
    pub exposure: bool,
}

impl Inputs {
    /// What is given alone, of this width.
    pub fn of(width: usize) -> Self {
        let forms = Vec::new();
        Inputs { width, forms, missing: false, beside: 0, condition: 0, exposure: false }
    }

    /// The width of what is given, as it is seen.
    fn formed(&self) -> usize {
        match self.forms.is_empty() {
            true => self.width,
            false => self.forms.iter().map(|form| form.width()).sum(),
        }
    }

    /// How much a network sees.
    fn seen(&self) -> usize {
        let marks = if self.missing { self.width } else { 0 };
        self.formed() + marks + self.beside + self.condition
    }

    /// How many values stand beside each row: the condition, and the exposure.
    fn beside_rows(&self) -> usize {
        self.condition + usize::from(self.exposure)
    }

    /// Whether that is anything but what is given.
    fn are_joined(&self) -> bool {
        self.seen() > self.width || !self.forms.is_empty()
    }
}

impl<T: Real> Conditional<T> {
    /// p(value | given, c), of these widths, through these layers.
    ///
    /// # Errors
    /// If there is no such layer, or one of its settings is refused.
    pub fn new(
        scope: &mut Scope<'_>,
        inputs: Inputs,
        layers: &[Spec],
        activation: Activation,
        distribution: Box<dyn Distribution<T>>,
        width: usize,
    ) -> Result<Self> {
        let eta = distribution.eta_width(width);
        let network = Network::new(scope, inputs.seen(), layers, eta, activation)?;
        let zero = distribution.zero_at_start(width);
        if !zero.is_empty() {
            let head = network.head();
            let inputs = head.inputs();
            // Saturating: what a forged header asks for is refused when its memory is.
            let [start, end] = [zero.start, zero.end].map(|row| row.saturating_mul(inputs));
            scope.start_at_zero(head.weight(), start..end);
            scope.start_at_zero(head.bias(), zero);
        }
        let own = scope.group(|scope| distribution.own(scope, width));
        let formed = inputs.forms.len();
        let spreads = scope.group(|scope| {
            if formed > 0 {
                scope.tensor("seen.mean", &[formed], Start::State(0.0));
                scope.tensor("seen.spread", &[formed], Start::State(1.0));
            }
        });
        let rates = if inputs.exposure { distribution.rates(width) } else { Vec::new() };
        Ok(Conditional { network, distribution, own, width, inputs, spreads, rates })
    }

    /// Width of the value.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Width of what is given.
    pub fn inputs(&self) -> usize {
        self.inputs.width
    }

    /// How many values stand beside each row: the C of the condition, and behind them the logarithm of the exposure,
    /// where there is one; 0 without either.
    pub fn condition(&self) -> usize {
        self.inputs.beside_rows()
    }

    /// Whether each row has an exposure.
    pub fn is_exposed(&self) -> bool {
        self.inputs.exposure
    }

    /// Whether a row's exposure multiplies rates that it emits.
    pub(crate) fn has_rates(&self) -> bool {
        !self.rates.is_empty()
    }

    /// Width of the data that the network sees beside what is given, 0 where it does not.
    pub fn beside(&self) -> usize {
        self.inputs.beside
    }

    /// Whether the network sees columns in forms of their own.
    pub(crate) fn sees_forms(&self) -> bool {
        !self.inputs.forms.is_empty()
    }

    /// Whether the network sees which of the values that it is given are missing.
    pub(crate) fn sees_missing(&self) -> bool {
        self.inputs.missing
    }

    /// The distribution, whatever it can do.
    pub fn distribution(&self) -> &dyn Distribution<T> {
        &*self.distribution
    }

    /// The network.
    pub fn network(&self) -> &Network<T> {
        &self.network
    }

    /// Starts where the data suggest ([`Distribution::start`]).
    pub(crate) fn start(&self, params: &mut [T], data: &Moments) {
        let (bias, own) = (self.network.head().bias(), self.own);
        let (mut own_values, mut bias_values) = (own.of(params).to_vec(), bias.of(params).to_vec());
        self.distribution.start(&mut bias_values, &mut own_values, data);
        bias.of_mut(params).copy_from_slice(&bias_values);
        own.of_mut(params).copy_from_slice(&own_values);
    }

    /// Sees columns in units of the data's spread, where it sees them in forms.
    pub(crate) fn start_forms(&self, params: &mut [T], data: &Moments) {
        if self.sees_forms() {
            let (means, spreads) = self.spreads.of_mut(params).split_at_mut(data.mean.len());
            means.iter_mut().zip(&data.mean).for_each(|(to, mean)| *to = T::from_f64(*mean));
            // A constant column has no spread.
            let spread = |v: f64| if v > 0.0 { v.sqrt() } else { 1.0 };
            spreads
                .iter_mut()
                .zip(&data.variance)
                .for_each(|(to, v)| *to = T::from_f64(spread(*v)));
        }
    }

    /// The distribution as one that scores.
    ///
    /// # Panics
    /// If it cannot: whoever builds a model checks.
    pub(crate) fn likelihood(&self) -> &dyn Likelihood<T> {
        self.distribution.as_likelihood().expect("checked when the model was built")
    }

    /// The distribution as one that is drawn from.
    ///
    /// # Panics
    /// If it cannot be: whoever builds a model checks.
    pub(crate) fn posterior(&self) -> &dyn Reparameterized<T> {
        self.distribution.as_reparameterized().expect("checked when the model was built")
    }

    pub(crate) fn closed_form(&self) -> Option<&dyn ClosedForm<T>> {
        self.distribution.as_reparameterized()?.as_closed_form()
    }

    pub(crate) fn separable(&self) -> Option<&dyn Separable<T>> {
        self.distribution.as_reparameterized()?.as_separable()
    }

    /// The distribution's own tensors in `params`.
    pub(crate) fn own<'a>(&self, params: &'a [T]) -> &'a [T] {
        self.own.of(params)
    }

    /// The input of an encoder: what is given, with the data beside it where it sees them.
    pub(crate) fn beside_data<'a>(
        &self,
        given: ArrayView2<'a, T>,
        data: ArrayView2<'a, T>,
        condition: Option<ArrayView2<'a, T>>,
    ) -> Input<'a, T> {
        Input { given, beside: (self.inputs.beside > 0).then_some(data), condition }
    }

    /// Buffers for the network on up to `rows` rows, with room for gradients or not.
    fn emitted(&self, rows: usize, gradients: bool) -> Emitted<T> {
        let rows_d = if gradients { rows } else { 0 };
        Emitted {
            network: self.network.buffers(rows, gradients),
            joined: Joined::new(rows, rows_d, self.inputs.clone()),
        }
    }

    /// Runs the network on what is given, and on what stands beside it. Of a row with exposure e, every logarithm of a
    /// rate that it emits has ln e added: a constant, which changes no gradient.
    pub(crate) fn emit(
        &self,
        buffers: &mut Emitted<T>,
        input: Input<'_, T>,
        params: &[T],
        noise: Option<Draws<'_>>,
    ) {
        let Emitted { network, joined } = buffers;
        joined.join(input, self.spreads.of(params));
        self.network.forward(network, &joined.seen(&input), params, noise);
        let Some(beside) = input.condition.filter(|_| self.has_rates()) else { return };
        let mut eta = network.out_mut(input.given.nrows());
        let per_row = eta.nrows() / beside.nrows();
        for (i, mut eta) in eta.rows_mut().into_iter().enumerate() {
            let log_exposure = beside[(i / per_row, self.inputs.condition)];
            for rates in &self.rates {
                eta.slice_mut(s![rates.clone()]).mapv_inplace(|rate| rate + log_exposure);
            }
        }
    }

    /// After a step of training, lets the network's layers take what they kept of the batch into their state.
    pub(crate) fn fold(&self, params: &mut [T], buffers: &Emitted<T>) {
        self.network.fold(params, &buffers.network);
    }

    /// `value ← E[value|given]`, for inference; `value: [N, width]`.
    ///
    /// # Panics
    /// If the shapes do not fit, or the buffers have fewer rows.
    pub(crate) fn mean(
        &self,
        value: ArrayViewMut2<T>,
        buffers: &mut Emitted<T>,
        input: Input<'_, T>,
        params: &[T],
    ) {
        self.emit(buffers, input, params, None);
        self.mean_again(value, buffers, params);
    }

    /// As [`Self::mean`], of what the network was given last.
    pub(crate) fn mean_again(&self, value: ArrayViewMut2<T>, buffers: &Emitted<T>, params: &[T]) {
        let eta = buffers.out(value.nrows());
        batch::mean(value, &*self.distribution, &eta, self.own(params));
    }

    /// `value ← the likeliest value given each row`, for inference; `value: [N, width]`.
    ///
    /// # Panics
    /// As [`Self::mean`], or if it is no likelihood.
    pub(crate) fn mode(
        &self,
        value: ArrayViewMut2<T>,
        buffers: &mut Emitted<T>,
        input: Input<'_, T>,
        params: &[T],
    ) {
        self.emit(buffers, input, params, None);
        let eta = buffers.out(value.nrows());
        batch::mode(value, self.likelihood(), &eta, self.own(params));
    }

    /// `value_n ← a draw from p(value|given_n)`, with the generator at `address(n)`.
    ///
    /// # Panics
    /// As [`Self::mean`].
    pub(crate) fn draw(
        &self,
        value: ArrayViewMut2<T>,
        buffers: &mut Emitted<T>,
        input: Input<'_, T>,
        params: &[T],
        address: &(impl Fn(usize) -> Address + Sync),
    ) {
        self.emit(buffers, input, params, None);
        let eta = buffers.out(value.nrows());
        batch::sample(value, &*self.distribution, &eta, self.own(params), address);
    }
}

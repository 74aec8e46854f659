//! What a layer is, and how one is asked for.

use super::Activation;
use crate::family::Spec;
use crate::gradient::Gradient;
use crate::params::Scope;
use crate::real::Real;
use crate::rng::Draws;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// What a layer reads in a pass over N rows.
pub struct Call<'a, T> {
    /// Its input, `[N, in]`.
    pub x: ArrayView2<'a, T>,
    /// All parameters of the model.
    pub params: &'a [T],
    /// Its noise, while training. None is inference.
    pub noise: Option<Draws<'a>>,
}

/// What the forward pass left of a layer for the backward one. Buffers may have more than N rows, of
/// which the first N serve.
pub struct Trace<'a, T> {
    /// Its output, `[N, out]`.
    pub y: ArrayView2<'a, T>,
    /// As forward left it ([`Layer::kept`]).
    pub kept: &'a [Array2<T>],
    /// Room for the backward pass ([`Layer::work`]).
    pub work: &'a mut [Array2<T>],
}

/// A layer: a map of rows, with places of its own in the flat buffer of parameters.
///
/// Rows that are left out of a backward pass are taken out of `x`, `y` and `kept`, so that backward
/// never asks for noise: whatever it needs of that, forward keeps.
pub trait Layer<T: Real>: Send + Sync {
    /// Width of y.
    fn outputs(&self) -> usize;

    /// Widths of what forward leaves for backward besides y, a buffer `[N, width]` each.
    fn kept(&self) -> &[usize] {
        &[]
    }

    /// Widths of what forward leaves of the rows as a whole, a buffer `[1, width]` each, behind those of
    /// [`Self::kept`]. A layer that keeps such makes rows depend on each other while training: none of them may be
    /// left out of its backward pass.
    fn kept_of_batch(&self) -> &[usize] {
        &[]
    }

    /// Widths of what backward needs room for, a buffer `[N, width]` each.
    fn work(&self) -> &[usize] {
        &[]
    }

    /// `y ← f(x)`
    ///
    /// # Panics
    /// If the shapes do not fit.
    fn forward(&self, y: &mut ArrayViewMut2<T>, kept: &mut [Array2<T>], call: &Call<'_, T>);

    /// Adds ∂loss/∂parameters, unless they are left alone, and writes `d_x ← ∂loss/∂x`, where that is
    /// asked for, from `d_y`, which it may use up. Running it twice on fresh `d_y` adds twice.
    ///
    /// # Panics
    /// If the shapes do not fit.
    fn backward(
        &self,
        d_params: Option<&mut Gradient<T>>,
        d_x: Option<&mut ArrayViewMut2<T>>,
        d_y: &mut ArrayViewMut2<T>,
        trace: Trace<'_, T>,
        call: &Call<'_, T>,
    );

    /// After a step of training: takes what the last forward pass kept of its batch into those of its tensors
    /// that are no weights ([`crate::params::Start::State`]).
    fn fold(&self, _params: &mut [T], _kept: &[Array2<T>]) {}

    /// Calls `side` with the side of every kink that the last forward pass, which left `kept`, is on: a finite
    /// difference is valid only while none changes. `y: [N, out]`
    fn kinks(&self, _y: &ArrayView2<T>, _kept: &[Array2<T>], _side: &mut dyn FnMut(bool)) {}
}

/// Buffers for what `layer` keeps of up to `rows` rows.
pub(crate) fn kept_buffers<T: Real>(layer: &dyn Layer<T>, rows: usize) -> Vec<Array2<T>> {
    let of_rows = layer.kept().iter().map(|width| Array2::zeros((rows, *width)));
    let of_batch = layer.kept_of_batch().iter().map(|width| Array2::zeros((1, *width)));
    of_rows.chain(of_batch).collect()
}

/// The settings of a layer, before it has a place.
pub trait Plan<T: Real>: Send + Sync {
    /// Its name and settings.
    fn spec(&self) -> Spec;

    /// Width of its output, or None if that is the width of its input. What has no width of its own
    /// belongs to the layer before it, and stays behind it where a decoder mirrors an encoder.
    fn width(&self) -> Option<usize>;

    /// Whether the model's activation decides what it is. Not if it has none, or its settings say which.
    fn takes_activation(&self) -> bool {
        false
    }

    /// The layer, in `scope`, with this activation if it takes one.
    fn place(
        &self,
        scope: &mut Scope<'_>,
        inputs: usize,
        activation: Activation,
    ) -> Box<dyn Layer<T>>;
}

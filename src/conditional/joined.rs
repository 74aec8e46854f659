//! What is given and the condition side by side, as the network of a conditional model sees them.
//!
//! ```text
//! Forward   input_n = [given_n; c_b], row b of the batch being that of row n
//! Backward  d_given_n = the first columns of d_input_n; a condition has no gradient
//! ```

use crate::real::Real;
use crate::rows::{head, head_mut};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

/// What a conditional is conditioned on.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a, T> {
    /// `[N, inputs]`
    pub(crate) given: ArrayView2<'a, T>,
    /// `[B, C]`, each row of which serves N/B rows; in a conditional model.
    pub(crate) condition: Option<ArrayView2<'a, T>>,
}

/// Buffers for the network's input and its gradient; without rows where there is no condition.
pub(super) struct Joined<T> {
    input: Array2<T>,
    d_input: Array2<T>,
}

impl<T: Real> Joined<T> {
    /// Buffers for up to `rows` rows of `given` values, and gradients for up to `rows_d`, under a condition
    /// of `condition` values.
    pub(super) fn new(rows: usize, rows_d: usize, given: usize, condition: usize) -> Self {
        let width = if condition > 0 { given + condition } else { 0 };
        Joined { input: Array2::zeros((rows, width)), d_input: Array2::zeros((rows_d, width)) }
    }

    /// Writes the network's input.
    ///
    /// # Panics
    /// If there is a condition where the model has none, or none where it has one.
    pub(super) fn join(&mut self, Input { given, condition }: Input<'_, T>) {
        let width = self.input.ncols();
        let condition = match condition {
            None if width == 0 => return,
            Some(condition) if given.ncols() + condition.ncols() == width => condition,
            _ => panic!("the condition is not of the model's width"),
        };
        let (n, inputs) = given.dim();
        let per_row = n / condition.nrows();
        let mut input = head_mut(&mut self.input, n);
        input.slice_mut(s![.., ..inputs]).assign(&given);
        for (i, mut row) in input.rows_mut().into_iter().enumerate() {
            row.slice_mut(s![inputs..]).assign(&condition.row(i / per_row));
        }
    }

    /// What the network sees of this input, as last joined.
    pub(super) fn seen<'a>(&'a self, input: &'a Input<'_, T>) -> ArrayView2<'a, T> {
        match self.input.ncols() {
            0 => input.given.view(),
            _ => head(&self.input, input.given.nrows()),
        }
    }

    /// Lets `backward` write the gradient of what the network saw of this input, and hands on the part that
    /// is of what was given. `live` is what it saw, if not all of it.
    pub(super) fn backward(
        &mut self,
        mut d_given: ArrayViewMut2<T>,
        input: Input<'_, T>,
        live: Option<ArrayView2<T>>,
        backward: impl FnOnce(&mut ArrayViewMut2<T>, &ArrayView2<T>),
    ) {
        let Joined { input: joined, d_input } = self;
        let seen = match (&live, joined.ncols()) {
            (Some(live), _) => live.view(),
            (None, 0) => input.given.view(),
            (None, _) => head(joined, input.given.nrows()),
        };
        if d_input.ncols() == 0 {
            return backward(&mut d_given, &seen);
        }
        let mut d_input = head_mut(d_input, d_given.nrows());
        backward(&mut d_input, &seen);
        let inputs = d_given.ncols();
        d_given.assign(&d_input.slice(s![.., ..inputs]));
    }
}

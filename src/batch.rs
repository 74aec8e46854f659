//! The rows that a model sees at a time.

use crate::real::Real;
use ndarray::ArrayView2;

/// Rows of data, and what stands beside them.
#[derive(Clone, Copy)]
pub struct Batch<'a, T> {
    /// The data, `[B, D]`.
    pub x: ArrayView2<'a, T>,
    /// What every network of a conditional model sees beside its input, `[B, C]`: labels, or columns that
    /// are given and not learned.
    pub condition: Option<ArrayView2<'a, T>>,
    /// The rows that the loss is averaged over: B, or more, where several machines share a batch and their
    /// gradients are to add up.
    pub total: usize,
}

impl<'a, T: Real> Batch<'a, T> {
    /// These rows, all that there are of the batch, of a model without a condition.
    pub fn new(x: ArrayView2<'a, T>) -> Self {
        Batch { x, condition: None, total: x.nrows() }
    }

    /// The same under a condition of each row.
    pub fn given(self, condition: ArrayView2<'a, T>) -> Self {
        Batch { condition: Some(condition), ..self }
    }

    /// The same as a part of a batch of `total` rows.
    pub fn of(self, total: usize) -> Self {
        Batch { total, ..self }
    }
}

impl<'a, T: Real> From<&ArrayView2<'a, T>> for Batch<'a, T> {
    fn from(x: &ArrayView2<'a, T>) -> Self {
        Batch::new(*x)
    }
}

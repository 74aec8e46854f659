//! The rows that a model sees at a time.

use crate::real::Real;
use ndarray::ArrayView2;

/// Rows of data, and what stands beside them.
#[derive(Clone, Copy)]
pub struct Batch<'a, T> {
    /// The data, `[B, D]`.
    pub x: ArrayView2<'a, T>,
    /// What every network of a conditional model sees beside its input, `[B, C]`: labels, or columns that
    /// are given and not learned. Behind it stands ln e of each row, where rows have an exposure e.
    pub condition: Option<ArrayView2<'a, T>>,
    /// Training rows that the prior retrieved for these.
    pub exemplars: Option<Exemplars<'a, T>>,
    /// The rows that the loss is averaged over: B, or more, where several machines share a batch and their
    /// gradients are to add up.
    pub total: usize,
}

/// Training rows that a prior encodes beside a batch ([`crate::prior::Prior::retrieval`]).
#[derive(Clone, Copy)]
pub struct Exemplars<'a, T> {
    /// `[C, D]`
    pub x: ArrayView2<'a, T>,
    /// Which of them each row of the batch is itself; a number beyond, if none. `[B]`
    pub own_places: &'a [u32],
}

impl<'a, T: Real> Batch<'a, T> {
    /// These rows, all that there are of the batch, of a model without a condition.
    pub fn new(x: ArrayView2<'a, T>) -> Self {
        Batch { x, condition: None, exemplars: None, total: x.nrows() }
    }

    /// The same under a condition of each row.
    pub fn given(self, condition: ArrayView2<'a, T>) -> Self {
        Batch { condition: Some(condition), ..self }
    }

    /// The same beside these training rows.
    pub fn beside(self, exemplars: Exemplars<'a, T>) -> Self {
        Batch { exemplars: Some(exemplars), ..self }
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

/// Room for the rows of a batch and what stands beside them, to be filled again and again.
pub struct BatchBuffer<T> {
    x: Vec<T>,
    condition: Vec<T>,
    width: usize,
    condition_width: usize,
}

impl<T: Real> BatchBuffer<T> {
    /// Room for `rows` rows of `width` values, and a condition of `condition` values beside each (0: none).
    pub fn new(rows: usize, width: usize, condition: usize) -> Self {
        BatchBuffer {
            x: vec![T::zero(); rows * width],
            condition: vec![T::zero(); rows * condition],
            width,
            condition_width: condition,
        }
    }

    /// Width C of a condition, 0 where there is none.
    pub fn condition_width(&self) -> usize {
        self.condition_width
    }

    /// The places of the first rows, and of their conditions: `[rows·D]`, `[rows·C]`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn rows_mut(&mut self, rows: usize) -> (&mut [T], &mut [T]) {
        (&mut self.x[..rows * self.width], &mut self.condition[..rows * self.condition_width])
    }

    /// The first rows, one by one, `[D]`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn rows(&self, rows: usize) -> impl Iterator<Item = &[T]> {
        self.x[..rows * self.width].chunks_exact(self.width)
    }

    /// The first rows, as the model sees them.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn batch(&self, rows: usize) -> Batch<'_, T> {
        let view = |values, width| {
            ArrayView2::from_shape((rows, width), values).expect("rows × width values")
        };
        let batch = Batch::new(view(&self.x[..rows * self.width], self.width));
        match self.condition_width {
            0 => batch,
            width => batch.given(view(&self.condition[..rows * width], width)),
        }
    }
}

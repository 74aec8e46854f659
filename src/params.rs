//! All parameters of a model in one flat buffer, with named slots.
//!
//! Adam's moments, weight averages and the values of a [`Gradient`] are buffers of the same [`Layout`], so
//! the optimiser is one loop over flat memory and an all-reduce would be one call. A layer does not own
//! numbers: it owns a [`Matrix`] or a [`Vector`], a place in *some* buffer of that layout.
//!
//! Names and shapes are PyTorch's (`encoder.0.layers.0.weight [out, in]`), so a model file reads
//! elsewhere without translation.

use crate::gemm::Accum;
use crate::real::Real;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::Range;

/// One named tensor of a [`Layout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name in the model file.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// Index of its first element in the flat buffer.
    pub offset: usize,
}

impl Slot {
    /// Number of elements.
    pub fn len(&self) -> usize {
        // Saturating: a forged header must end in a comparison that fails, not in an overflow.
        self.shape.iter().fold(1usize, |n, side| n.saturating_mul(*side))
    }

    /// Whether the slot has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where its elements lie in the flat buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset.saturating_add(self.len())
    }
}

/// The names, shapes and places of all parameters of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    slots: Vec<Slot>,
    len: usize,
}

impl Layout {
    /// Adds a slot behind the others.
    fn push(&mut self, name: String, shape: Vec<usize>) -> Range<usize> {
        let slot = Slot { name, shape, offset: self.len };
        let range = slot.range();
        self.len = range.end; // saturated, if the sizes are absurd
        self.slots.push(slot);
        range
    }

    /// Adds a weight matrix `[rows, cols]`.
    pub fn matrix(&mut self, name: impl Into<String>, rows: usize, cols: usize) -> Matrix {
        let offset = self.push(name.into(), vec![rows, cols]).start;
        Matrix { offset, rows, cols }
    }

    /// Adds a vector `[len]`.
    pub fn vector(&mut self, name: impl Into<String>, len: usize) -> Vector {
        let offset = self.push(name.into(), vec![len]).start;
        Vector { offset, len }
    }

    /// Adds scalars (`[1]` each, named `{prefix}.{name}`) that lie side by side and are used together.
    pub fn scalars<'a>(&mut self, prefix: &str, names: impl Iterator<Item = &'a str>) -> Vector {
        let offset = self.len;
        for name in names {
            self.push(format!("{prefix}.{name}"), vec![1]);
        }
        Vector { offset, len: self.len - offset }
    }

    /// The slots, in the order of the buffer.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Number of elements of a buffer of this layout.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The place of a matrix `[rows, cols]` in a flat buffer.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    offset: usize,
    rows: usize,
    cols: usize,
}

impl Matrix {
    /// `(rows, cols)`
    pub fn dim(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.rows * self.cols
    }

    /// The matrix in `buffer`.
    ///
    /// # Panics
    /// If `buffer` is shorter than the layout.
    pub fn of<'a, T: Real>(&self, buffer: &'a [T]) -> ArrayView2<'a, T> {
        let elements = &buffer[self.range()];
        ArrayView2::from_shape((self.rows, self.cols), elements)
            .expect("as many elements as the shape says")
    }

    /// The matrix in `buffer`, to write.
    ///
    /// # Panics
    /// If `buffer` is shorter than the layout.
    pub fn of_mut<'a, T: Real>(&self, buffer: &'a mut [T]) -> ArrayViewMut2<'a, T> {
        let elements = &mut buffer[self.range()];
        ArrayViewMut2::from_shape((self.rows, self.cols), elements)
            .expect("as many elements as the shape says")
    }
}

/// The place of a vector `[len]` in a flat buffer.
#[derive(Clone, Copy, Debug)]
pub struct Vector {
    offset: usize,
    len: usize,
}

impl Vector {
    fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len
    }

    /// The vector in `buffer`.
    ///
    /// # Panics
    /// If `buffer` is shorter than the layout.
    pub fn of<'a, T: Real>(&self, buffer: &'a [T]) -> &'a [T] {
        &buffer[self.range()]
    }

    /// The vector in `buffer`, to write.
    ///
    /// # Panics
    /// If `buffer` is shorter than the layout.
    pub fn of_mut<'a, T: Real>(&self, buffer: &'a mut [T]) -> &'a mut [T] {
        &mut buffer[self.range()]
    }
}

/// The gradient of all parameters, in which derivatives add up.
///
/// What nothing was added to since it was cleared counts as zero without having been written: the first
/// addition writes, where it would have to read zeros and add to them. The buffer is larger than a
/// core's cache, and a step then passes over it twice less.
#[derive(Clone, Debug)]
pub struct Gradient<T> {
    values: Vec<T>,
    /// The places that were added to, in ascending order. All else counts as zero.
    written: Vec<Range<usize>>,
}

impl<T: Real> Gradient<T> {
    /// All zeros, for parameters of this layout.
    pub fn zeros(layout: &Layout) -> Self {
        let written = Vec::with_capacity(layout.slots.len());
        Gradient { values: vec![T::zero(); layout.len], written }
    }

    /// Makes all of it count as zero.
    pub fn clear(&mut self) {
        self.written.clear();
    }

    /// Whether `place` is still to be written, which it counts as from now on.
    fn is_first(&mut self, place: Range<usize>) -> bool {
        let found = self.written.binary_search_by_key(&place.start, |written| written.start);
        if let Err(i) = found {
            self.written.insert(i, place);
        }
        found.is_err()
    }

    /// The derivatives with respect to a matrix, to add to: by a product that starts from what is said.
    ///
    /// # Panics
    /// If the matrix is of another layout, with more elements.
    pub fn matrix(&mut self, at: Matrix) -> (ArrayViewMut2<'_, T>, Accum<'static, T>) {
        let start = if self.is_first(at.range()) { Accum::Replace } else { Accum::Add };
        (at.of_mut(&mut self.values), start)
    }

    /// The derivatives with respect to a vector, to add to.
    ///
    /// # Panics
    /// If the vector is of another layout, with more elements.
    pub fn vector(&mut self, at: Vector) -> &mut [T] {
        // An empty one lies where the next tensor starts.
        if at.len > 0 && self.is_first(at.range()) {
            at.of_mut(&mut self.values).fill(T::zero());
        }
        at.of_mut(&mut self.values)
    }

    /// All derivatives, flat.
    pub fn values(&mut self) -> &[T] {
        let mut end = 0;
        for place in &self.written {
            self.values[end..place.start].fill(T::zero());
            end = place.end;
        }
        self.values[end..].fill(T::zero());
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was there before `clear` is gone, wherever it was, and adding twice adds twice.
    #[test]
    fn a_cleared_gradient_counts_as_zero() {
        let mut layout = Layout::default();
        let first = layout.vector("first", 2);
        let matrix = layout.matrix("matrix", 1, 2);
        let none = layout.scalars("none", [].into_iter());
        let last = layout.vector("last", 1);
        let mut gradient = Gradient::<f64>::zeros(&layout);
        for at in [first, last] {
            gradient.vector(at).fill(f64::NAN);
        }
        gradient.matrix(matrix).0.fill(f64::NAN);
        gradient.clear();
        assert_eq!(gradient.values(), [0.0; 5]);
        for at in [first, last] {
            gradient.vector(at).fill(f64::NAN);
        }
        gradient.clear();
        assert!(gradient.vector(none).is_empty());
        assert_eq!(gradient.matrix(matrix).1, Accum::Replace);
        gradient.matrix(matrix).0.fill(2.0);
        for _ in 0..2 {
            gradient.vector(last)[0] += 1.5;
            assert_eq!(gradient.matrix(matrix).1, Accum::Add);
        }
        assert_eq!(gradient.values(), [0.0, 0.0, 2.0, 2.0, 3.0]);
        assert_eq!(gradient.values(), [0.0, 0.0, 2.0, 2.0, 3.0]);
    }
}

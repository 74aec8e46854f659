//! All parameters of a model in one flat buffer, with named slots.
//!
//! Gradients, Adam's moments and weight averages are buffers of the same [`Layout`], so
//! the optimiser is one loop over flat memory and an all-reduce would be one call. A layer does not own
//! numbers: it owns a [`Matrix`] or a [`Vector`], a place in *some* buffer of that layout.
//!
//! Names and shapes are PyTorch's (`encoder.0.layers.0.weight [out, in]`), so a model file reads
//! elsewhere without translation.

use crate::aligned::LINE;
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
    /// Moves the end to the next line of the cache, if the buffer starts with one.
    fn align(&mut self) {
        // In f32; twice as far in f64. What cannot be added is caught by whoever allocates.
        let line = LINE / size_of::<f32>();
        self.len = self.len.checked_next_multiple_of(line).unwrap_or(usize::MAX);
    }

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
        self.align();
        let offset = self.push(name.into(), vec![rows, cols]).start;
        Matrix { offset, rows, cols }
    }

    /// Adds a vector `[len]`.
    pub fn vector(&mut self, name: impl Into<String>, len: usize) -> Vector {
        self.align();
        let offset = self.push(name.into(), vec![len]).start;
        Vector { offset, len }
    }

    /// Adds scalars (`[1]` each, named `{prefix}.{name}`) that lie side by side and are used together.
    pub fn scalars<'a>(&mut self, prefix: &str, names: impl Iterator<Item = &'a str>) -> Vector {
        self.align();
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

    /// Number of elements of a buffer of this layout: of the parameters, and of the gaps before tensors, all
    /// of which but a group of scalars start with a line of the cache if the buffer does.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.len()))
    }

    /// A buffer of this layout, from parameters that lie close together, tensor behind tensor.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn spread<T: Real>(&self, parameters: &[T]) -> Vec<T> {
        assert_eq!(parameters.len(), self.parameters(), "another number of parameters");
        let (mut buffer, mut rest) = (vec![T::zero(); self.len], parameters);
        for slot in &self.slots {
            let (values, behind) = rest.split_at(slot.len());
            buffer[slot.range()].copy_from_slice(values);
            rest = behind;
        }
        buffer
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

    /// Where its elements lie in the flat buffer.
    pub(crate) fn range(&self) -> Range<usize> {
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
    /// Where its elements lie in the flat buffer.
    pub(crate) fn range(&self) -> Range<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights and biases start with a line; scalars lie side by side; only parameters are counted.
    #[test]
    fn tensors_start_with_a_line() {
        let mut layout = Layout::default();
        layout.matrix("weight", 3, 7);
        layout.vector("bias", 3);
        let scalars = layout.scalars("own", ["a", "b"].into_iter());
        layout.vector("last", 5);
        assert_eq!(layout.parameters(), 21 + 3 + 2 + 5);
        for slot in layout.slots().iter().filter(|slot| slot.name != "own.b") {
            assert!((slot.offset * size_of::<f32>()).is_multiple_of(LINE), "{slot:?}");
        }
        let parameters: Vec<f32> = (1..=31).map(|i| i as f32).collect();
        let buffer = layout.spread(&parameters);
        assert_eq!(scalars.of(&buffer), [25.0, 26.0]);
        let values: Vec<f32> = buffer.into_iter().filter(|v| *v != 0.0).collect();
        assert_eq!(values, parameters);
    }

    /// Sizes that no machine holds are told by the length, not by an overflow.
    #[test]
    fn absurd_sizes_saturate() {
        let mut layout = Layout::default();
        layout.matrix("large", usize::MAX, 2);
        layout.vector("behind", 3);
        assert_eq!((layout.len(), layout.parameters()), (usize::MAX, usize::MAX));
    }
}

//! All parameters of a model in one flat buffer, with named slots.
//!
//! Adam's moments, weight averages and the values of a [`Gradient`] are buffers of the same [`Layout`], so
//! the optimiser is one loop over flat memory and an all-reduce would be one call. A layer does not own
//! numbers: it owns a [`Matrix`] or a [`Vector`], a place in *some* buffer of that layout.
//!
//! Names and shapes are PyTorch's (`encoder.0.layers.0.weight [out, in]`), so a model file reads
//! elsewhere without translation.

use crate::aligned::{Aligned, LINE};
use crate::gemm::{Accum, matmul};
use crate::math::map_sum;
use crate::optim::all_finite;
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

    /// Number of elements of a buffer of this layout: of the parameters, and of the gaps between tensors,
    /// which all start with a line of the cache.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.slots.iter().map(Slot::len).sum()
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
/// It is larger than a core's cache, so it is passed over as rarely as can be. What nothing was added to
/// since it was cleared counts as zero without having been written: the first addition writes, where
/// it would have to read zeros and add to them. And that a product is finite follows from its
/// factors, if they are smaller: by Cauchy and Schwarz (Σ_k a_ik b_kj)² ≤ Σ a² · Σ b².
#[derive(Clone, Debug)]
pub struct Gradient<T> {
    values: Aligned<T>,
    /// What was added to, in ascending order of the places. All else counts as zero.
    written: Vec<Written>,
}

#[derive(Clone, Debug)]
struct Written {
    place: Range<usize>,
    /// What no element exceeds; infinite or NaN if only a look can tell.
    bound: f64,
}

impl<T: Real> Gradient<T> {
    /// All zeros, for parameters of this layout.
    pub fn zeros(layout: &Layout) -> Self {
        let written = Vec::with_capacity(layout.slots.len());
        Gradient { values: Aligned::zeros(layout.len), written }
    }

    /// Makes all of it count as zero.
    pub fn clear(&mut self) {
        self.written.clear();
    }

    /// Notes that `place` is written, by the index in the notes; and whether it was not before.
    fn note(&mut self, place: Range<usize>) -> (usize, bool) {
        match self.written.binary_search_by_key(&place.start, |written| written.place.start) {
            Ok(i) => (i, false),
            Err(i) => {
                self.written.insert(i, Written { place, bound: 0.0 });
                (i, true)
            }
        }
    }

    /// `d_W += a·b`, for the derivatives with respect to the matrix W; `a: [rows, k]`, `b: [k, cols]`.
    ///
    /// # Panics
    /// If the shapes do not fit, or the matrix is of another layout, with more elements.
    pub fn add_product(&mut self, at: Matrix, a: &ArrayView2<T>, b: &ArrayView2<T>) {
        let (note, first) = self.note(at.range());
        let start = if first { Accum::Replace } else { Accum::Add };
        matmul(&mut at.of_mut(&mut self.values), a, b, start);
        self.written[note].bound += match (a.as_slice_memory_order(), b.as_slice_memory_order()) {
            (Some(a), Some(b)) if 2 * (a.len() + b.len()) < at.rows * at.cols => norm(a) * norm(b),
            _ => f64::INFINITY,
        };
    }

    /// The derivatives with respect to a vector, to add to.
    ///
    /// # Panics
    /// If the vector is of another layout, with more elements.
    pub fn vector(&mut self, at: Vector) -> &mut [T] {
        // An empty one lies where the next tensor starts.
        if at.len > 0 {
            let (note, first) = self.note(at.range());
            self.written[note].bound = f64::INFINITY;
            if first {
                at.of_mut(&mut self.values).fill(T::zero());
            }
        }
        at.of_mut(&mut self.values)
    }

    /// Whether no derivative is infinite or NaN.
    pub fn is_finite(&self) -> bool {
        // Half: the bound and the sums that it bounds are rounded.
        let most = T::MAX.to_f64() / 2.0;
        let looks_finite = |place: &Range<usize>| all_finite(&self.values[place.clone()]);
        self.written.iter().all(|w| w.bound < most || looks_finite(&w.place))
    }

    /// All derivatives, flat.
    pub fn values(&mut self) -> &[T] {
        let mut end = 0;
        for Written { place, .. } in &self.written {
            self.values[end..place.start].fill(T::zero());
            end = place.end;
        }
        self.values[end..].fill(T::zero());
        &self.values
    }
}

/// √ Σ a². Not finite if an element is not.
fn norm<T: Real>(a: &[T]) -> f64 {
    let squares = map_sum(
        [],
        [a],
        #[inline(always)]
        |[a]| ([], a * a),
    );
    squares.to_f64().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// What was there before `clear` is gone, wherever it was, and adding twice adds twice.
    #[test]
    fn a_cleared_gradient_counts_as_zero() {
        let mut layout = Layout::default();
        let first = layout.vector("first", 2);
        let matrix = layout.matrix("matrix", 1, 2);
        let none = layout.scalars("none", [].into_iter());
        let last = layout.vector("last", 1);
        let mut gradient = Gradient::<f64>::zeros(&layout);
        let spoil = |gradient: &mut Gradient<f64>, matrices: &[Matrix]| {
            [first, last].into_iter().for_each(|at| gradient.vector(at).fill(f64::NAN));
            for at in matrices {
                at.of_mut(&mut gradient.values).fill(f64::NAN);
            }
            gradient.clear();
        };
        spoil(&mut gradient, &[matrix]);
        assert!(gradient.values().iter().all(|d| *d == 0.0));
        spoil(&mut gradient, &[matrix]);
        assert!(gradient.vector(none).is_empty());
        let (a, b) = (Array2::from_elem((1, 1), 0.5), Array2::from_elem((1, 2), 3.0));
        for _ in 0..2 {
            gradient.vector(last)[0] += 1.5;
            gradient.add_product(matrix, &a.view(), &b.view());
        }
        for _ in 0..2 {
            let values = gradient.values();
            assert_eq!(matrix.of(values), ndarray::array![[3.0, 3.0]]);
            assert_eq!(values, layout.spread(&[0.0, 0.0, 3.0, 3.0, 3.0]));
        }
    }

    /// Wherever something that is not finite comes from, and only as long as it is there.
    #[test]
    fn what_is_not_finite_is_seen() {
        let mut layout = Layout::default();
        let (matrix, vector) = (layout.matrix("matrix", 3, 40), layout.vector("vector", 2));
        let mut gradient = Gradient::<f32>::zeros(&layout);
        let one = Array2::from_elem((3, 1), 1.0f32);
        let product = |gradient: &mut Gradient<f32>, usual, value| {
            let mut row = Array2::from_elem((1, 40), usual);
            row[[0, 33]] = value;
            gradient.add_product(matrix, &one.view(), &row.view());
        };
        // The largest of these have squares that overflow: only a look tells.
        for (usual, bounded) in [(1.0, true), (1e-30, true), (1e18, true), (1e38, false)] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                gradient.clear();
                product(&mut gradient, usual, bad);
                assert!(!gradient.is_finite());
                product(&mut gradient, usual, usual);
                assert!(!gradient.is_finite(), "what was added before is still there");
                gradient.clear();
                product(&mut gradient, usual, usual);
                assert_eq!(gradient.written[0].bound.is_finite(), bounded);
                assert!(gradient.is_finite());
                gradient.vector(vector)[1] += bad;
                assert!(!gradient.is_finite());
            }
        }
        gradient.clear();
        (0..4).for_each(|_| product(&mut gradient, 1e38, 1e38));
        assert!(!gradient.is_finite(), "a sum that overflows");
    }
}

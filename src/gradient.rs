//! The gradient of all parameters: a flat buffer in which derivatives add up.
//!
//! It is larger than a core's cache, so it is passed over as rarely as can be:
//!
//! - What nothing was added to since it was cleared counts as zero without having been written. The
//!   first addition writes, where it would have to read zeros and add to them.
//! - That a product is finite follows from its factors, where they are smaller than it is: by Cauchy
//!   and Schwarz (Σ_k a_ik b_kj)² ≤ Σ a² · Σ b². Only where that is too large to tell, or there is no
//!   product, it is looked at.

use crate::aligned::Aligned;
use crate::gemm::{Accum, matmul};
use crate::math::map_sum;
use crate::parallel;
use crate::params::{Layout, Tensor};
use crate::real::Real;
use crate::simd;
use ndarray::ArrayView2;
use std::ops::Range;

/// The gradient of all parameters.
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
        let written = Vec::with_capacity(layout.slots().len());
        Gradient { values: Aligned::zeros(layout.len()), written }
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
    pub fn add_product(&mut self, at: Tensor, a: &ArrayView2<T>, b: &ArrayView2<T>) {
        let (note, first) = self.note(at.range());
        let start = if first { Accum::Replace } else { Accum::Add };
        matmul(&mut at.matrix_mut(&mut self.values), a, b, start);
        self.written[note].bound += match (a.as_slice_memory_order(), b.as_slice_memory_order()) {
            (Some(a), Some(b)) if 2 * (a.len() + b.len()) < at.range().len() => norm(a) * norm(b),
            _ => f64::INFINITY,
        };
    }

    /// The derivatives with respect to a tensor, to add to.
    ///
    /// # Panics
    /// If the tensor is of another layout, with more elements.
    pub fn tensor(&mut self, at: Tensor) -> &mut [T] {
        // An empty one lies where the next tensor starts.
        if !at.range().is_empty() {
            let (note, first) = self.note(at.range());
            self.written[note].bound = f64::INFINITY;
            if first {
                at.of_mut(&mut self.values).fill(T::zero());
            }
        }
        at.of_mut(&mut self.values)
    }

    /// Divides the derivatives of each tensor by their norm, unless that is 0: its direction alone is left (Yu et
    /// al. 2017, "Normalized gradient with adaptive stepsize"). Of tensors that lie in a group, by the group's.
    pub fn normalize(&mut self) {
        for Written { place, bound } in &mut self.written {
            let values = &mut self.values[place.clone()];
            let squares = map_sum(
                [],
                [&*values],
                #[inline(always)]
                |[v]| ([], v.to_f64() * v.to_f64()),
            );
            if squares > 0.0 {
                let scale = T::from_f64(squares.sqrt().recip());
                values.iter_mut().for_each(|v| *v *= scale);
                *bound = 2.0;
            }
        }
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

/// √ Σ a², not finite if an element is not. Summed in T and on this thread, since it is for a bound of few
/// values; `optim::global_norm` is the exact one.
fn norm<T: Real>(a: &[T]) -> f64 {
    let squares = map_sum(
        [],
        [a],
        #[inline(always)]
        |[a]| ([], a * a),
    );
    squares.to_f64().sqrt()
}

/// Fewer values than this are not worth a second thread.
const PART: usize = 1 << 14;

/// Whether no element is infinite or NaN.
pub fn all_finite<T: Real>(values: &[T]) -> bool {
    if values.len() <= PART {
        // 0·x is 0, or NaN for what is not finite: sums side by side, where a search would branch.
        return simd::dispatch(
            #[inline(always)]
            || {
                let (blocks, rest) = values.as_chunks::<32>();
                let mut sums = [T::zero(); 32];
                for block in blocks {
                    for (sum, &v) in sums.iter_mut().zip(block) {
                        *sum += v * T::zero();
                    }
                }
                rest.iter().for_each(|&v| sums[0] += v * T::zero());
                sums.iter().all(|sum| *sum == T::zero())
            },
        );
    }
    let (a, b) = values.split_at(values.len() / 2);
    let (a, b) = parallel::join(|| all_finite(a), || all_finite(b));
    a && b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Start;
    use ndarray::{Array2, array};

    const ZERO: Start = Start::Constant(0.0);

    /// Each tensor has the length 1, or stays 0, and points where it did.
    #[test]
    fn normalised_tensors_have_the_length_one() {
        let mut layout = Layout::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| layout.scope("t").tensor(name, &[2], ZERO));
        let mut gradient = Gradient::<f32>::zeros(&layout);
        gradient.tensor(a).copy_from_slice(&[3e20, -4e20]);
        gradient.tensor(b).copy_from_slice(&[0.0, 0.0]);
        gradient.normalize();
        let values = gradient.values();
        let of = |tensor: Tensor| [tensor.of(values)[0], tensor.of(values)[1]];
        assert!((of(a)[0] - 0.6).abs() < 1e-6 && (of(a)[1] + 0.8).abs() < 1e-6, "{:?}", of(a));
        assert_eq!([of(b), of(c)], [[0.0; 2]; 2]);
    }

    /// What was there before `clear` is gone, wherever it was, and adding twice adds twice.
    #[test]
    fn a_cleared_gradient_counts_as_zero() {
        let mut layout = Layout::default();
        let first = layout.scope("t").tensor("first", &[2], ZERO);
        let matrix = layout.scope("t").tensor("matrix", &[1, 2], ZERO);
        let none = layout.scope("t").group(|_| ());
        let last = layout.scope("t").tensor("last", &[1], ZERO);
        let mut gradient = Gradient::<f64>::zeros(&layout);
        let spoil = |gradient: &mut Gradient<f64>, matrices: &[Tensor]| {
            [first, last].into_iter().for_each(|at| gradient.tensor(at).fill(f64::NAN));
            for at in matrices {
                at.of_mut(&mut gradient.values).fill(f64::NAN);
            }
            gradient.clear();
        };
        spoil(&mut gradient, &[matrix]);
        assert!(gradient.values().iter().all(|d| *d == 0.0));
        spoil(&mut gradient, &[matrix]);
        assert!(gradient.tensor(none).is_empty());
        let (a, b) = (Array2::from_elem((1, 1), 0.5), Array2::from_elem((1, 2), 3.0));
        for _ in 0..2 {
            gradient.tensor(last)[0] += 1.5;
            gradient.add_product(matrix, &a.view(), &b.view());
        }
        for _ in 0..2 {
            let values = gradient.values();
            assert_eq!(matrix.matrix(values), array![[3.0, 3.0]]);
            assert_eq!(values, layout.spread(&[0.0, 0.0, 3.0, 3.0, 3.0]));
        }
    }

    /// Wherever something that is not finite comes from, and only as long as it is there.
    #[test]
    fn what_is_not_finite_is_seen() {
        let mut layout = Layout::default();
        let mut scope = layout.scope("t");
        let matrix = scope.tensor("matrix", &[3, 40], ZERO);
        let vector = scope.tensor("vector", &[2], ZERO);
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
                gradient.tensor(vector)[1] += bad;
                assert!(!gradient.is_finite());
            }
        }
        gradient.clear();
        (0..4).for_each(|_| product(&mut gradient, 1e38, 1e38));
        assert!(!gradient.is_finite(), "a sum that overflows");
    }

    #[test]
    fn one_bad_element_is_found_wherever_it_is() {
        for n in [1, 17, PART, 3 * PART + 5] {
            let mut values = vec![1e38f32; n];
            assert!(all_finite(&values));
            for i in [0, n / 2, n - 1] {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let good = std::mem::replace(&mut values[i], bad);
                    assert!(!all_finite(&values), "{bad} at {i} of {n}");
                    values[i] = good;
                }
            }
        }
    }
}

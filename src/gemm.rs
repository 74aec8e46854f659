//! Matrix products, on whatever strides the views have, over as many threads as there are.
//!
//! The arithmetic is `matrixmultiply`'s. It is split over tiles of the *output*, along its longer
//! side, so that every element is summed over k by one thread in one order. α is always 1 and β is 0
//! or 1: with these, an element comes out with the same bits whatever tile it falls into (another α
//! would be applied with or without a fused multiply–add depending on the tile). A product with a
//! single row does not go there: it reads b once and allocates nothing.

use crate::math;
use crate::parallel;
use crate::real::Real;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};

/// What happens to the old content of a product's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum {
    /// c ← a·b
    Replace,
    /// c ← c + a·b
    Add,
}

/// Fewer multiplications than this are not worth a second thread (a fork–join costs microseconds).
const GRAIN: usize = 1 << 17;

/// c ← a·b or c ← c + a·b, with `a: [m, k]`, `b: [k, n]`, `c: [m, n]` of any strides.
///
/// # Panics
/// If the shapes do not fit.
pub fn matmul<T: Real>(
    c: &mut ArrayViewMut2<T>,
    a: &ArrayView2<T>,
    b: &ArrayView2<T>,
    accum: Accum,
) {
    let ((m, k), (k_b, n)) = (a.dim(), b.dim());
    assert!(k == k_b && c.dim() == (m, n), "matmul: [{m}, {k}]·[{k_b}, {n}] into {:?}", c.dim());
    let beta = match accum {
        Accum::Replace => T::zero(),
        Accum::Add => T::one(),
    };
    if m == 1 {
        return one_row(c.row_mut(0), a.row(0), b, accum);
    }
    let parts = parallel::threads().min(m * n * k / GRAIN).max(1);
    tiles(c.view_mut(), a.view(), b.view(), beta, parts);
}

/// c ← a·b or c ← c + a·b for a single row: every element of b is used once, so that packing it for
/// reuse would only cost time, and the one allocation of a product.
fn one_row<T: Real>(mut c: ArrayViewMut1<T>, a: ArrayView1<T>, b: &ArrayView2<T>, accum: Accum) {
    let columns = a.as_slice().filter(|_| b.strides()[0] == 1 && b.nrows() > 1);
    match columns {
        // b's columns lie in one piece each: c_j = a · b_j.
        Some(a) => {
            for (c, column) in c.iter_mut().zip(b.columns()) {
                let column = column.to_slice().expect("its stride is 1");
                let dot = math::map_sum(
                    [],
                    [a, column],
                    #[inline(always)]
                    |[a, b]| ([], a * b),
                );
                *c = if accum == Accum::Add { *c + dot } else { dot };
            }
        }
        // Its rows do, or nothing does: c += a_k b_k.
        None => {
            if accum == Accum::Replace {
                c.fill(T::zero());
            }
            for (&a, row) in a.iter().zip(b.rows()) {
                c.scaled_add(a, &row);
            }
        }
    }
}

fn tiles<T: Real>(
    mut c: ArrayViewMut2<T>,
    a: ArrayView2<T>,
    b: ArrayView2<T>,
    beta: T,
    parts: usize,
) {
    if parts <= 1 {
        return general_mat_mul(T::one(), &a, &b, beta, &mut c);
    }
    let (left, right) = (parts / 2, parts - parts / 2);
    let (m, n) = c.dim();
    if m >= n {
        let mid = m * left / parts;
        let (c0, c1) = c.split_at(Axis(0), mid);
        let (a0, a1) = a.split_at(Axis(0), mid);
        parallel::join(|| tiles(c0, a0, b, beta, left), || tiles(c1, a1, b, beta, right));
    } else {
        let mid = n * left / parts;
        let (c0, c1) = c.split_at(Axis(1), mid);
        let (b0, b1) = b.split_at(Axis(1), mid);
        parallel::join(|| tiles(c0, a, b0, beta, left), || tiles(c1, a, b1, beta, right));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Address, Purpose};
    use ndarray::Array2;

    fn random<T: Real>(rows: usize, cols: usize, row: u64) -> Array2<T> {
        let mut a = Array2::zeros((rows, cols));
        Address::new(1, Purpose::Check).row(row).fill_normal(a.as_slice_mut().unwrap());
        a
    }

    /// Ragged and tiny sizes, plain and transposed operands, against the definition.
    #[test]
    fn products_follow_the_definition() {
        for (m, k, n) in [
            (1, 1, 1),
            (1, 7, 3),
            (5, 1, 2),
            (13, 17, 11),
            (64, 33, 5),
            (3, 300, 130),
            (1, 300, 130),
        ] {
            let (a, b, bt) =
                (random::<f64>(m, k, 0), random::<f64>(k, n, 1), random::<f64>(n, k, 1));
            let c0 = random::<f64>(m, n, 2);
            for b in [b.view(), bt.t()] {
                for accum in [Accum::Replace, Accum::Add] {
                    let mut c = c0.clone();
                    matmul(&mut c.view_mut(), &a.view(), &b, accum);
                    for ((i, j), &got) in c.indexed_iter() {
                        let start = if accum == Accum::Add { c0[[i, j]] } else { 0.0 };
                        let want: f64 = start + (0..k).map(|l| a[[i, l]] * b[[l, j]]).sum::<f64>();
                        assert!((got - want).abs() < 1e-12 * k as f64, "{m} {k} {n}: {got} {want}");
                    }
                }
            }
        }
    }

    /// The same bits for any number of tiles, for the layouts that forward and backward use.
    #[test]
    fn tiles_do_not_change_a_bit() {
        fn check<T: Real>() {
            for (m, k, n) in
                [(128, 784, 400), (20, 200, 784), (400, 128, 784), (37, 600, 101), (1, 784, 400)]
            {
                let (a, at) = (random::<T>(m, k, 0), random::<T>(k, m, 1));
                let (b, bt) = (random::<T>(k, n, 2), random::<T>(n, k, 3));
                let c0 = random::<T>(m, n, 4);
                for a in [a.view(), at.t()] {
                    for b in [b.view(), bt.t()] {
                        for beta in [T::zero(), T::one()] {
                            let run = |parts| {
                                let mut c = c0.clone();
                                tiles(c.view_mut(), a, b, beta, parts);
                                c
                            };
                            let whole = run(1);
                            for parts in [2, 3, 4, 7] {
                                assert!(run(parts) == whole, "{m} {k} {n} in {parts} parts");
                            }
                        }
                    }
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }
}

//! Matrix products, on as many threads as there are.
//!
//! In single precision the arithmetic is that of `gemm/kernel.rs` where the processor has AVX2, AVX-512 or
//! NEON, otherwise `matrixmultiply`'s; both sum in the same order, so that all levels give the same
//! bits. A product is split over parts of its *output*, so that every element is summed over k by
//! one thread in one order. α is always 1 and β is 0 or 1: with these, an element comes out with the
//! same bits whatever part it falls into (another α would be applied with or without a fused
//! multiply–add depending on the part). A product with a single row does not go there: it reads b
//! once and needs no packing.

#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod kernel;
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod pack;
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod sparse;

use crate::math;
use crate::parallel;
use crate::real::Real;
use crate::simd;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, ShapeBuilder};

/// What a product's output starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accum<'a, T> {
    /// c ← a·b
    Replace,
    /// c ← c + a·b
    Add,
    /// c ← r + a·b, with the same `r: [n]` in every row.
    Row(&'a [T]),
}

/// Fewer multiplications than this are not worth a second thread (a fork–join costs microseconds).
const GRAIN: usize = 1 << 16;

/// Parts narrower than this are not split further by columns.
const NARROW: usize = 64;

/// `c ← start + a·b` with `a: [m, k]`, `b: [k, n]`, `c: [m, n]` of any strides.
///
/// # Panics
/// If the shapes do not fit.
pub fn matmul<T: Real>(
    c: &mut ArrayViewMut2<T>,
    a: &ArrayView2<T>,
    b: &ArrayView2<T>,
    start: Accum<'_, T>,
) {
    let ((m, k), (k_b, n)) = (a.dim(), b.dim());
    assert!(k == k_b && c.dim() == (m, n), "matmul: [{m}, {k}]·[{k_b}, {n}] into {:?}", c.dim());
    if let Accum::Row(row) = start {
        assert!(row.len() == n, "matmul: a row of {} values for {n} columns", row.len());
    }
    // An output in columns is the transpose of one in rows.
    if !matches!(start, Accum::Row(_)) && c.strides()[0] == 1 && c.strides()[1] != 1 {
        let mut c = c.view_mut().reversed_axes();
        return matmul(&mut c, &b.t(), &a.t(), start);
    }
    if m == 1 {
        return one_row(c.row_mut(0), a.row(0), b, start);
    }
    match (Operand::of(a.view()), Operand::of(b.view())) {
        (Some(a), Some(b)) if m * n * k > 0 => {
            let parts = parallel::threads().min(m * n * k / GRAIN).max(1);
            split(c.view_mut(), a, b, k, start, parts);
        }
        _ => plain(c.view_mut(), a, b, start),
    }
}

/// A matrix to read, in one piece: element (i, j) is `data[i·rows + j·columns]`.
#[derive(Clone, Copy)]
pub struct Operand<'a, T> {
    data: &'a [T],
    /// Distance between rows; one of the two is 1.
    rows: usize,
    /// Distance between columns.
    columns: usize,
}

impl<'a, T: Real> Operand<'a, T> {
    fn of(a: ArrayView2<'a, T>) -> Option<Self> {
        let (m, n) = a.dim();
        if let Some(data) = a.to_slice() {
            return Some(Operand { data, rows: n, columns: 1 });
        }
        let data = a.reversed_axes().to_slice()?;
        Some(Operand { data, rows: 1, columns: m })
    }

    /// The matrix without its first rows and columns.
    fn from(self, row: usize, column: usize) -> Self {
        Operand { data: &self.data[row * self.rows + column * self.columns..], ..self }
    }

    /// The transpose.
    #[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn t(self) -> Self {
        Operand { rows: self.columns, columns: self.rows, ..self }
    }

    /// Its first rows and columns.
    fn view(self, rows: usize, columns: usize) -> ArrayView2<'a, T> {
        let shape = (rows, columns).strides((self.rows, self.columns));
        ArrayView2::from_shape(shape, self.data).expect("a part of a matrix")
    }
}

/// Columns of b whose products with a single row are summed side by side: one addition need not wait for
/// another, and where AVX2 is the sums still fit the registers.
const COLUMNS: usize = 3;

/// `c ← start + a·b` for a single row: every element of b is used once, so that packing it for
/// reuse would only cost time, and the one allocation of a product. It runs as fast as b comes in.
fn one_row<T: Real>(
    mut c: ArrayViewMut1<T>,
    a: ArrayView1<T>,
    b: &ArrayView2<T>,
    start: Accum<'_, T>,
) {
    match start {
        Accum::Replace => c.fill(T::zero()),
        Accum::Add => {}
        Accum::Row(row) => c.assign(&ArrayView1::from(row)),
    }
    let k = a.len();
    match (c.as_slice_mut(), a.as_slice(), b.t().to_slice()) {
        // b's columns lie in one piece each: c_j += a · b_j.
        (Some(c), Some(a), Some(columns)) if k > 1 => simd::dispatch(
            #[inline(always)]
            || {
                for (c, columns) in c.chunks_mut(COLUMNS).zip(columns.chunks(COLUMNS * k)) {
                    // Behind the last column it is repeated, and nobody takes the result.
                    let last = c.len() - 1;
                    let columns: [&[T]; COLUMNS] = std::array::from_fn(
                        #[inline(always)]
                        |j| &columns[j.min(last) * k..][..k],
                    );
                    for (c, dot) in c.iter_mut().zip(math::dots(a, columns)) {
                        *c += dot;
                    }
                }
            },
        ),
        // Its rows do, or nothing does: c += a_k b_k.
        _ => {
            for (&a, row) in a.iter().zip(b.rows()) {
                c.scaled_add(a, &row);
            }
        }
    }
}

/// Splits the output between threads. By rows, each needs all of b; by columns, all of a: what has to be
/// copied for the kernel should not be copied twice.
fn split<T: Real>(
    mut c: ArrayViewMut2<T>,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    k: usize,
    start: Accum<'_, T>,
    parts: usize,
) {
    let (m, n) = c.dim();
    if parts <= 1 || m.max(n) < 2 {
        return T::product(c.view_mut(), a, b, k, start);
    }
    let (left, right) = (parts / 2, parts - parts / 2);
    // A few rows cost less than the copy of a panel whose columns lie in one piece.
    let narrow = if m <= NARROW / 2 && b.columns != 1 { NARROW / 2 } else { NARROW };
    let by_columns = n >= narrow * parts && (a.columns == 1 || n > m) || m < 2;
    if by_columns {
        // Between two vectors, of whatever level.
        let mid = (n * left / parts).next_multiple_of(16).min(n - 1);
        let (c0, c1) = c.split_at(Axis(1), mid);
        let (start0, start1) = match start {
            Accum::Row(row) => (Accum::Row(&row[..mid]), Accum::Row(&row[mid..])),
            start => (start, start),
        };
        parallel::join(
            || split(c0, a, b, k, start0, left),
            || split(c1, a, b.from(0, mid), k, start1, right),
        );
    } else {
        let mid = (m * left / parts).next_multiple_of(4).min(m - 1);
        let (c0, c1) = c.split_at(Axis(0), mid);
        parallel::join(
            || split(c0, a, b, k, start, left),
            || split(c1, a.from(mid, 0), b, k, start, right),
        );
    }
}

/// [`matmul`] on this thread with `matrixmultiply`, which takes any strides.
fn plain<T: Real>(
    mut c: ArrayViewMut2<T>,
    a: &ArrayView2<T>,
    b: &ArrayView2<T>,
    start: Accum<'_, T>,
) {
    let beta = if start == Accum::Replace { T::zero() } else { T::one() };
    if let Accum::Row(row) = start {
        c.assign(&ArrayView1::from(row));
    }
    general_mat_mul(T::one(), a, b, beta, &mut c);
}

/// [`plain`], for any precision.
pub(crate) fn product<T: Real>(
    c: ArrayViewMut2<T>,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    k: usize,
    start: Accum<'_, T>,
) {
    let (m, n) = c.dim();
    plain(c, &a.view(m, k), &b.view(k, n), start);
}

/// The same in single precision, with the kernel where there is one and the output is in rows.
pub(crate) fn product_f32(
    c: ArrayViewMut2<f32>,
    a: Operand<'_, f32>,
    b: Operand<'_, f32>,
    k: usize,
    start: Accum<'_, f32>,
) {
    #[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
    if simd::has_vectors() && c.strides()[1] == 1 {
        return kernel::product(c, a, b, k, start);
    }
    product(c, a, b, k, start);
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
            let row = random::<f64>(1, n, 3).into_raw_vec_and_offset().0;
            for b in [b.view(), bt.t()] {
                for start in [Accum::Replace, Accum::Add, Accum::Row(&row)] {
                    let mut c = c0.clone();
                    matmul(&mut c.view_mut(), &a.view(), &b, start);
                    for ((i, j), &got) in c.indexed_iter() {
                        let start = match start {
                            Accum::Replace => 0.0,
                            Accum::Add => c0[[i, j]],
                            Accum::Row(row) => row[j],
                        };
                        let want: f64 = start + (0..k).map(|l| a[[i, l]] * b[[l, j]]).sum::<f64>();
                        assert!((got - want).abs() < 1e-12 * k as f64, "{m} {k} {n}: {got} {want}");
                    }
                }
            }
        }
    }

    /// The same bits for any number of parts, for the layouts that forward and backward use.
    #[test]
    fn parts_do_not_change_a_bit() {
        fn check<T: Real>() {
            for (m, k, n) in
                [(128, 784, 400), (20, 200, 784), (400, 128, 784), (37, 600, 101), (2, 784, 400)]
            {
                let (a, at) = (random::<T>(m, k, 0), random::<T>(k, m, 1));
                let (b, bt) = (random::<T>(k, n, 2), random::<T>(n, k, 3));
                let c0 = random::<T>(m, n, 4);
                let row = random::<T>(1, n, 5).into_raw_vec_and_offset().0;
                for a in [a.view(), at.t()] {
                    for b in [b.view(), bt.t()] {
                        for start in [Accum::Replace, Accum::Add, Accum::Row(&row)] {
                            let run = |parts| {
                                let mut c = c0.clone();
                                let (a, b) = (Operand::of(a).unwrap(), Operand::of(b).unwrap());
                                split(c.view_mut(), a, b, k, start, parts);
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

    /// The kernel's sums are chains of fused multiply–adds over 256 terms, each added to the output when
    /// it is complete: by the definition, to the last bit, on every ragged size. Where the processor has
    /// fused multiply–adds, `matrixmultiply` does the same.
    #[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
    #[test]
    fn the_kernel_gives_the_bits_of_the_definition() {
        if !simd::has_vectors() {
            return eprintln!("skipped: no kernel for this processor");
        }
        let sides =
            [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 20, 23, 24, 25, 31, 33, 47, 49, 121];
        let mut sizes: Vec<[usize; 3]> = Vec::new();
        for m in sides {
            for n in sides.into_iter().chain([1, 64, 100]) {
                sizes.push([m, [1, 2, 5, 8, 30, 257][(m + n) % 6], n]);
            }
        }
        sizes.extend([[128, 784, 40], [509, 20, 30], [250, 513, 17], [33, 256, 48], [1030, 3, 5]]);
        for size in sizes {
            check_bits(size, &[[false, false]], |_| true);
        }
    }

    /// Left out, the zeros of either side do not change a bit: all but two in 19, all but one, all.
    #[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
    #[test]
    fn zeros_left_out_change_no_bit() {
        if !simd::has_vectors() {
            return eprintln!("skipped: no kernel for this processor");
        }
        const SIDES: [[bool; 2]; 3] = [[true, true], [true, false], [false, true]];
        for m in [8, 23, 90, 121, 505] {
            for n in [11, 64, 89, 203] {
                let k = [8, 30, 257, 513][(m + n) % 4];
                check_bits([m, k, n], &SIDES, |i| i * i % 19 == 4);
            }
        }
        check_bits([10, 300, 600], &SIDES, |i| i == 77);
        check_bits([20, 784, 130], &SIDES, |_| false);
    }

    /// Every layout and start; in the left and the right operand, as `sides` say, the i-th value is zero
    /// unless `keep(i)`.
    #[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn check_bits([m, k, n]: [usize; 3], sides: &[[bool; 2]], keep: impl Fn(usize) -> bool) {
        let thinned = |mut a: Array2<f32>, thin: bool| {
            let zeros = a.iter_mut().enumerate().filter(|(i, _)| thin && !keep(*i));
            zeros.for_each(|(i, a)| *a = if i % 2 == 0 { 0.0 } else { -0.0 });
            a
        };
        for &[left, right] in sides {
            let (a, at) = (thinned(random(m, k, 0), left), thinned(random(k, m, 1), left));
            let (b, bt) = (thinned(random(k, n, 2), right), thinned(random(n, k, 3), right));
            let c0 = random::<f32>(m, n, 4);
            let row = random::<f32>(1, n, 5).into_raw_vec_and_offset().0;
            for (a, b) in
                [(a.view(), b.view()), (at.t(), b.view()), (a.view(), bt.t()), (at.t(), bt.t())]
            {
                for start in [Accum::Replace, Accum::Add, Accum::Row(&row)] {
                    let (mut c, mut plainly) = (c0.clone(), c0.clone());
                    let (left, right) = (Operand::of(a).unwrap(), Operand::of(b).unwrap());
                    kernel::product(c.view_mut(), left, right, k, start);
                    plain(plainly.view_mut(), &a, &b, start);
                    for ((i, j), &got) in c.indexed_iter() {
                        let mut want = match start {
                            Accum::Replace => 0.0,
                            Accum::Add => c0[[i, j]],
                            Accum::Row(row) => row[j],
                        };
                        for first in (0..k).step_by(256) {
                            let terms = first..k.min(first + 256);
                            want += terms.fold(0.0, |s, l| a[[i, l]].mul_add(b[[l, j]], s));
                        }
                        assert!(
                            got.to_bits() == want.to_bits(),
                            "[{m}, {k}]·[{k}, {n}] at {i} {j}: {got} {want}"
                        );
                        // On processors without, it rounds twice.
                        let close = (got - plainly[[i, j]]).abs() <= 1e-5 * k as f32;
                        assert!(
                            close,
                            "[{m}, {k}]·[{k}, {n}] at {i} {j}: {got} {}",
                            plainly[[i, j]]
                        );
                    }
                }
            }
        }
    }
}

//! Matrix products, on as many threads as there are.
//!
//! In single precision the arithmetic is that of `gemm/kernel.rs` where the processor has AVX2, AVX-512 or
//! NEON, otherwise `matrixmultiply`'s; both sum in the same order, so that all processors with fused
//! multiply–adds give the same bits. A product is split over parts of its *output*, so that every element is summed over k by
//! one thread in one order. α is always 1 and β is 0 or 1: with these, an element comes out with the
//! same bits whatever part it falls into (another α would be applied with or without a fused
//! multiply–add depending on the part). So a row of a product depends on that row of a and on b, and not
//! on how many rows there are: a single one, which `gemm/row.rs` computes without packing, has the bits
//! that it has in a batch. Where the processor has no fused multiply–adds, `gemm/fused.rs` gives the same bits to who asks for
//! them ([`exactly`]), slowly.

mod fused;
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod kernel;
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod pack;
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod row;
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod sparse;

pub use fused::exactly;

use crate::parallel;
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::simd;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, LinalgScalar, ShapeBuilder};

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
pub fn matmul<T: Scalar>(
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
    match (Operand::of(a.view()), Operand::of(b.view())) {
        (Some(a), Some(b)) if m * n * k > 0 => {
            // A single row is done before another thread would have woken; and what is asked to be exact is on this one.
            let most = if m == 1 || fused::is_exact() { 1 } else { parallel::threads() };
            let parts = most.min(m * n * k / GRAIN).max(1);
            split(c.view_mut(), a, b, k, start, parts);
        }
        _ => plain(c.view_mut(), a, b, start),
    }
}

/// A matrix to read, in one piece: its rows lie one behind the other, or its columns do.
#[derive(Clone, Copy)]
pub struct Operand<'a, T> {
    data: &'a [T],
    /// What lies in one piece. The strides could not tell: both are 1 in a matrix of one row or column.
    pieces: Pieces,
    /// Distance between two pieces.
    stride: usize,
}

/// What lies in one piece each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pieces {
    Rows,
    Columns,
}

impl<'a, T: Scalar> Operand<'a, T> {
    fn of(a: ArrayView2<'a, T>) -> Option<Self> {
        let (m, n) = a.dim();
        if let Some(data) = a.to_slice() {
            return Some(Operand { data, pieces: Pieces::Rows, stride: n });
        }
        let data = a.reversed_axes().to_slice()?;
        Some(Operand { data, pieces: Pieces::Columns, stride: m })
    }

    /// Whether its rows lie in one piece each.
    fn in_rows(self) -> bool {
        self.pieces == Pieces::Rows
    }

    /// Distances between rows and between columns.
    fn strides(self) -> (usize, usize) {
        if self.in_rows() { (self.stride, 1) } else { (1, self.stride) }
    }

    /// The matrix without its first rows and columns.
    fn from(self, row: usize, column: usize) -> Self {
        let (rows, columns) = self.strides();
        Operand { data: &self.data[row * rows + column * columns..], ..self }
    }

    /// The transpose.
    #[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn t(self) -> Self {
        let pieces = if self.in_rows() { Pieces::Columns } else { Pieces::Rows };
        Operand { pieces, ..self }
    }

    /// Its first rows and columns.
    fn view(self, rows: usize, columns: usize) -> ArrayView2<'a, T> {
        let shape = (rows, columns).strides(self.strides());
        ArrayView2::from_shape(shape, self.data).expect("a part of a matrix")
    }
}

/// Splits the output between threads. By rows, each needs all of b; by columns, all of a: what has to be
/// copied for the kernel should not be copied twice.
fn split<T: Scalar>(
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
    let narrow = if m <= NARROW / 2 && !b.in_rows() { NARROW / 2 } else { NARROW };
    let by_columns = n >= narrow * parts && (a.in_rows() || n > m) || m < 2;
    if by_columns {
        // Between two vectors, of whatever length.
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

/// What matrices are made of. [`matmul`] is written once; what the precisions do differently is here.
pub trait Scalar: LinalgScalar + PartialEq + Send + Sync {
    /// `c ← start + a·b` on this thread; `a: [m, k]`, `b: [k, n]`, `c: [m, n]`.
    #[doc(hidden)]
    fn product(
        c: ArrayViewMut2<Self>,
        a: Operand<'_, Self>,
        b: Operand<'_, Self>,
        k: usize,
        start: Accum<'_, Self>,
    ) {
        let (m, n) = c.dim();
        plain(c, &a.view(m, k), &b.view(k, n), start);
    }
}

impl Scalar for f64 {}

/// With the kernel, where the processor has vectors for it and the output is in rows; in software, where products are asked to
/// be exact and nothing else surely is.
impl Scalar for f32 {
    fn product(
        c: ArrayViewMut2<f32>,
        a: Operand<'_, f32>,
        b: Operand<'_, f32>,
        k: usize,
        start: Accum<'_, f32>,
    ) {
        #[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "aarch64")))]
        if simd::has_vectors() && c.strides()[1] == 1 {
            if c.nrows() == 1 && a.in_rows() {
                let c = c.into_slice().expect("the output is in rows");
                row::gemv(c, &a.data[..k], b, start);
            } else {
                kernel::gemm(c, a, b, k, start);
            }
            return;
        }
        let (m, n) = c.dim();
        match fused::is_exact() {
            true => fused::gemm(c, a, b, k, start),
            false => plain(c, &a.view(m, k), &b.view(k, n), start),
        }
    }
}

/// [`matmul`] on this thread with `matrixmultiply`, which takes any strides.
fn plain<T: Scalar>(
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

#[cfg(test)]
mod tests;

//! The product of a single row, which reads b once, where it lies.
//!
//! ```text
//! Shapes    a [1, k]   b [k, n]   c [1, n]
//! Forward   c_j ← start_j + Σ_k a_k b_kj
//! ```
//!
//! The sums are those of `kernel.rs`, chains of at most 256 fused multiply–adds in order, so that a row has
//! the same bits alone and in a batch. A lane belongs to a column, and several vectors of columns are
//! summed side by side: one multiply–add need not wait for another. Where the columns of b lie in one
//! piece, as those of a weight in a forward product do, squares of eight by eight are transposed in
//! registers on the way. It needs no buffer, so it allocates nothing.

use super::kernel::{TERMS, add_product, add_to_row, first_vectors};
use super::pack::{Run, SIDE, Shuffles};
use super::{Accum, Operand};
use crate::simd;
use pulp::{Simd, WithSimd};

/// Vectors of columns that are summed side by side: an addition takes four cycles, and two can start in
/// each.
const VECTORS: usize = 8;

/// Squares side by side: the multiply–adds of one are a chain of 32 cycles, in which the processor can do
/// what else belongs to two or three.
const SQUARES: usize = 3;

/// `c ← start + a·b` for a single row; `a: [k]`, `c: [n]`.
///
/// # Panics
/// If there is no kernel for the processor, or b is smaller than that.
pub(super) fn gemv(c: &mut [f32], a: &[f32], b: Operand<'_, f32>, start: Accum<'_, f32>) {
    simd::run(Gemv { c, a, b, start });
}

struct Gemv<'p, 'a> {
    c: &'p mut [f32],
    a: &'a [f32],
    b: Operand<'a, f32>,
    start: Accum<'a, f32>,
}

impl WithSimd for Gemv<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Gemv { c, a, b, start } = self;
        for (i, a) in a.chunks(TERMS).enumerate() {
            let b = b.from(i * TERMS, 0);
            let start = if i == 0 { start } else { Accum::Add };
            if b.in_rows() {
                add_rows(simd, c, a, b, start);
            } else {
                add_columns(c, a, b, start);
            }
        }
    }
}

/// `c ← start + Σ_k a_k b_k`, over rows of b that lie in one piece each.
#[inline(always)]
fn add_rows<S: Simd>(
    simd: S,
    c: &mut [f32],
    a: &[f32],
    b: Operand<'_, f32>,
    start: Accum<'_, f32>,
) {
    let (n, lanes) = (c.len(), S::F32_LANES);
    let mut column = 0;
    while column < n {
        let (b, c) = (b.from(0, column), &mut c[column..]);
        column += match c.len() / lanes {
            VECTORS.. => add_vectors::<S, VECTORS>(simd, c, a, b, start, column),
            4.. => add_vectors::<S, 4>(simd, c, a, b, start, column),
            2.. => add_vectors::<S, 2>(simd, c, a, b, start, column),
            1 => add_vectors::<S, 1>(simd, c, a, b, start, column),
            0 => {
                let mut sums = [simd.splat_f32s(0.0)];
                let width = c.len();
                for (k, &a) in a.iter().enumerate() {
                    let b = simd.partial_load_f32s(&b.data[k * b.stride..][..width]);
                    add_product(simd, &mut sums, a, [b]);
                }
                add_to_row(simd, c, &sums, start, column);
                width
            }
        };
    }
}

/// `c ← start + Σ_k a_k b_k` for the first N vectors of columns; gives how many columns these are.
#[inline(always)]
fn add_vectors<S: Simd, const N: usize>(
    simd: S,
    c: &mut [f32],
    a: &[f32],
    b: Operand<'_, f32>,
    start: Accum<'_, f32>,
    column: usize,
) -> usize {
    let mut sums = [simd.splat_f32s(0.0); N];
    for (k, &a) in a.iter().enumerate() {
        // Of pictures most are, and their rows of b need not be read. It changes no bit of a chain.
        if a == 0.0 {
            continue;
        }
        add_product(simd, &mut sums, a, first_vectors(simd, &b.data[k * b.stride..]));
    }
    let width = N * S::F32_LANES;
    add_to_row(simd, &mut c[..width], &sums, start, column);
    width
}

/// The same over columns of b that do.
#[inline(always)]
fn add_columns(c: &mut [f32], a: &[f32], b: Operand<'_, f32>, start: Accum<'_, f32>) {
    let shuffles = Shuffles::new();
    for (i, c) in c.chunks_mut(SQUARES * SIDE).enumerate() {
        let column = i * SQUARES * SIDE;
        let b = b.from(0, column);
        let mut sums = [[0.0; SIDE]; SQUARES];
        if c.len() > SIDE {
            sums = sums_of_columns::<SQUARES>(shuffles, a, b, c.len());
        } else {
            [sums[0]] = sums_of_columns::<1>(shuffles, a, b, c.len());
        }
        for (j, (c, &sum)) in c.iter_mut().zip(sums.as_flattened()).enumerate() {
            *c = match start {
                Accum::Replace => sum,
                Accum::Add => *c + sum,
                Accum::Row(row) => row[column + j] + sum,
            };
        }
    }
}

/// `Σ_k a_k b_kj` for the first `width` columns, at most G squares of them.
#[inline(always)]
fn sums_of_columns<const G: usize>(
    shuffles: Shuffles,
    a: &[f32],
    b: Operand<'_, f32>,
    width: usize,
) -> [Run; G] {
    let mut sums = [[0.0; SIDE]; G];
    // Behind the last column it is repeated, and nobody takes the result.
    let mut columns: [[&[f32]; SIDE]; G] = [[&[]; SIDE]; G];
    for (j, column) in columns.as_flattened_mut().iter_mut().enumerate() {
        *column = &b.data[j.min(width - 1) * b.stride..][..a.len()];
    }
    let (runs, rest) = a.as_chunks::<SIDE>();
    for (i, a) in runs.iter().enumerate() {
        for g in 0..G {
            let mut square = [[0.0; SIDE]; SIDE];
            for j in 0..SIDE {
                square[j] = columns[g][j].as_chunks().0[i];
            }
            let square = shuffles.transposed(square);
            for k in 0..SIDE {
                sums[g] = shuffles.add_product(sums[g], a[k], square[k]);
            }
        }
    }
    for (k, a) in (runs.len() * SIDE..).zip(rest) {
        for g in 0..G {
            for j in 0..SIDE {
                sums[g][j] = a.mul_add(columns[g][j][k], sums[g][j]);
            }
        }
    }
    sums
}

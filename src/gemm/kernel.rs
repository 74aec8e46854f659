//! The kernel of single-precision products: one source for every instruction set, without `unsafe`.
//!
//! ```text
//! c_ij ← start_ij + Σ_k a_ik b_kj
//!
//! k in blocks of 256          the sum of a block is one chain of fused multiply–adds from 0, and is
//!   columns in panels           then added to c: the order of every sum follows from its length alone
//!     rows in tiles
//!       tile += a_k ⊗ b_k     an outer product of R values of a and N vectors of b, all in registers
//! ```
//!
//! A vector of b is loaded once for R rows and a value of a is broadcast to N vectors, so that a tile
//! does R·N multiply–adds for R + N loads. R and N are as large as the registers allow: 6 × 2 of the
//! sixteen that AVX2 has, 8 × 3 of the thirty-two of AVX-512 and NEON. (4 × 3 fits sixteen registers
//! too and needs fewer loads, but leaves none over: the compiler then keeps one sum in memory, and
//! that halves the speed.)
//!
//! What lies badly is packed first (`pack.rs`): panels of b that serve enough rows to pay for the copy or
//! whose columns lie in one piece, as those of a weight do in the forward product, and a where its
//! columns lie in one piece, as in the gradient of a weight. The packing buffers belong to the thread
//! and are allocated before its first product.
//!
//! Source: Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication".

use super::pack::{Buffers, Panel, pack_left, pack_right};
use super::{Accum, Operand, sparse};
use crate::simd;
use ndarray::{ArrayViewMut2, Axis};
use pulp::{Simd, WithSimd};
use std::cell::RefCell;

/// Terms that are summed before they are added to c. The same as in `matrixmultiply`, which is used where
/// there is no kernel: so all instruction sets give the same bits.
pub(super) const TERMS: usize = 256;

/// Rows of c that a packed panel of b serves at most.
pub(super) const ROWS: usize = 504;

/// The same where rows of a are packed too: 120 · 256 values and a panel of b fit the L2 cache.
pub(super) const PACKED_ROWS: usize = 120;

/// For so few rows a panel of b is read where it lies: packing would cost more than it gains.
const FEW_ROWS: usize = 32;

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::new(Buffers::default());
}

/// `c ← start + a·b` on this thread; `c: [m, n]` in rows, `a: [m, k]`, `b: [k, n]`.
///
/// # Panics
/// If there is no kernel for the processor, or an operand is smaller than that.
pub(super) fn product(
    mut c: ArrayViewMut2<f32>,
    a: Operand<'_, f32>,
    b: Operand<'_, f32>,
    k: usize,
    start: Accum<'_, f32>,
) {
    BUFFERS.with_borrow_mut(|buffers| {
        if sparse::product(&mut c, a, b, k, start, buffers) {
            return;
        }
        let block = if a.in_rows() { ROWS } else { PACKED_ROWS };
        for (i, mut c) in c.axis_chunks_iter_mut(Axis(0), block).enumerate() {
            let (m, a) = (c.nrows(), a.from(i * block, 0));
            // The slices of the rows, on the stack; few rows should not pay for many.
            if m <= FEW_ROWS {
                let rows = &mut row_slices::<FEW_ROWS>(&mut c)[..m];
                simd::run(Product { rows, a, b, k, start, buffers });
            } else {
                let rows = &mut row_slices::<ROWS>(&mut c)[..m];
                simd::run(Product { rows, a, b, k, start, buffers });
            }
        }
    });
}

pub(super) fn row_slices<'c, const N: usize>(c: &'c mut ArrayViewMut2<f32>) -> [&'c mut [f32]; N] {
    let mut rows = c.rows_mut().into_iter();
    std::array::from_fn(|_| match rows.next() {
        Some(row) => row.into_slice().expect("the output is in rows"),
        None => &mut [],
    })
}

/// A function of its own for each piece of work. All in one, the pointers of one loop would crowd those
/// of the others out of the registers.
#[inline(never)]
pub(super) fn outlined<S: Simd, Op: WithSimd>(simd: S, op: Op) -> Op::Output {
    simd.vectorize(op)
}

/// A product for some rows of c.
struct Product<'p, 'c, 'a> {
    rows: &'p mut [&'c mut [f32]],
    a: Operand<'a, f32>,
    b: Operand<'a, f32>,
    k: usize,
    start: Accum<'a, f32>,
    buffers: &'p mut Buffers,
}

impl WithSimd for Product<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Constants, so that only one branch is compiled.
        if S::REGISTER_COUNT >= 32 {
            self.blocks::<S, 8, 7, 3>(simd);
        } else {
            self.blocks::<S, 6, 5, 2>(simd);
        }
    }
}

impl Product<'_, '_, '_> {
    /// In tiles of R rows (Q where that divides them better) and at most V vectors.
    #[inline(always)]
    fn blocks<S: Simd, const R: usize, const Q: usize, const V: usize>(self, simd: S) {
        let Product { rows, a, b, k, start, buffers } = self;
        let (m, n) = (rows.len(), rows.first().map_or(0, |row| row.len()));
        let vectors = n.div_ceil(S::F32_LANES);
        let panels = vectors.div_ceil(V);
        for first in (0..k).step_by(TERMS) {
            let terms = TERMS.min(k - first);
            let start = if first == 0 { start } else { Accum::Add };
            let (left, right) = (a.from(0, first), b.from(first, 0));
            let left = if left.in_rows() {
                Left { data: left.data, stride: left.stride, tiles: 0 }
            } else {
                let data = pack_left::<S, R>(simd, &mut buffers.left, left, m, terms);
                Left { data, stride: 0, tiles: R }
            };
            // Panels as equal as can be: one of a single vector would run at half the speed.
            for panel in 0..panels {
                let (from, to) = (panel * vectors / panels, (panel + 1) * vectors / panels);
                let (column, count) = (from * S::F32_LANES, to - from);
                let (width, whole) = (n - column, count * S::F32_LANES);
                let panel = Panel { b: right.from(0, column), terms, width: width.min(whole) };
                let right = if right.in_rows() && m <= FEW_ROWS && width >= whole {
                    Right { data: panel.b.data, stride: panel.b.stride, packed: false }
                } else {
                    let data = pack_right(simd, &mut buffers.right, panel, whole);
                    Right { data, stride: whole, packed: true }
                };
                let part = Part { left, right, terms, column, width: panel.width, start };
                match count {
                    1 => part.tiles::<S, R, Q, 1>(simd, rows),
                    2 => part.tiles::<S, R, Q, 2>(simd, rows),
                    _ if V == 3 => part.tiles::<S, R, Q, 3>(simd, rows),
                    _ => unreachable!("a panel has at most V vectors"),
                }
            }
        }
    }
}

/// The part of a that a tile reads.
#[derive(Clone, Copy)]
struct Left<'a> {
    data: &'a [f32],
    /// Distance between rows, if they lie in one piece each.
    stride: usize,
    /// Rows of a packed tile `[terms, tiles]`, or 0 if a is not packed.
    tiles: usize,
}

/// The part of b that a tile reads: whole vectors.
#[derive(Clone, Copy)]
struct Right<'a> {
    data: &'a [f32],
    /// Distance between rows.
    stride: usize,
    packed: bool,
}

/// A panel of columns of c, and what its tiles need.
#[derive(Clone, Copy)]
struct Part<'a> {
    left: Left<'a>,
    right: Right<'a>,
    terms: usize,
    /// The first column of c, and how many.
    column: usize,
    width: usize,
    start: Accum<'a, f32>,
}

impl Part<'_> {
    /// All tiles of the panel. Rows that are not a multiple of R are better in some tiles of Q = R − 1
    /// than in a low one at the end, which has too few sums to hide the latency of an addition.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const Q: usize, const N: usize>(
        self,
        simd: S,
        rows: &mut [&mut [f32]],
    ) {
        let high = rows.len().div_ceil(R);
        let missing = high * R - rows.len();
        let high =
            if self.left.tiles == 0 && missing <= high { high - missing } else { rows.len() / R };
        let mut row = self.strip::<S, R, R, N>(simd, rows, 0, high);
        if self.left.tiles == 0 {
            let count = (rows.len() - row) / Q;
            row = self.strip::<S, R, Q, N>(simd, rows, row, count);
        }
        let count = (rows.len() - row) / 4;
        row = self.strip::<S, R, 4, N>(simd, rows, row, count);
        let count = (rows.len() - row) / 2;
        row = self.strip::<S, R, 2, N>(simd, rows, row, count);
        let count = rows.len() - row;
        self.strip::<S, R, 1, N>(simd, rows, row, count);
    }

    /// `count` tiles of M rows from `row` on; gives the row behind them.
    #[inline(always)]
    fn strip<S: Simd, const R: usize, const M: usize, const N: usize>(
        self,
        simd: S,
        rows: &mut [&mut [f32]],
        row: usize,
        count: usize,
    ) -> usize {
        let end = row + count * M;
        if count > 0 {
            let strip = Strip { part: self, rows: &mut rows[..end], row };
            match (self.left.tiles == 0, self.right.packed) {
                (true, true) => outlined(simd, RowsByPanel::<M, N>(strip)),
                (true, false) => outlined(simd, RowsByRows::<M, N>(strip)),
                (false, true) => outlined(simd, TilesByPanel::<R, M, N>(strip)),
                (false, false) => outlined(simd, TilesByRows::<R, M, N>(strip)),
            }
        }
        end
    }
}

/// Tiles below each other, from `row` on.
struct Strip<'s, 'c, 'a> {
    part: Part<'a>,
    rows: &'s mut [&'c mut [f32]],
    row: usize,
}

/// Rows of a where they lie, and a packed panel of b.
struct RowsByPanel<'s, 'c, 'a, const M: usize, const N: usize>(Strip<'s, 'c, 'a>);
/// Both where they lie.
struct RowsByRows<'s, 'c, 'a, const M: usize, const N: usize>(Strip<'s, 'c, 'a>);
/// Both packed.
struct TilesByPanel<'s, 'c, 'a, const R: usize, const M: usize, const N: usize>(Strip<'s, 'c, 'a>);
/// Packed tiles of a, and b where it lies.
struct TilesByRows<'s, 'c, 'a, const R: usize, const M: usize, const N: usize>(Strip<'s, 'c, 'a>);

/// Terms between two looks at the loop's end.
const UNROLLED: usize = 4;

impl<const M: usize, const N: usize> WithSimd for RowsByPanel<'_, '_, '_, M, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Strip { part, rows, row } = self.0;
        let (panel, rest) = part.panel::<S, N>().as_chunks::<UNROLLED>();
        for row in (row..rows.len()).step_by(M) {
            let all = part.rows_of_left::<M>(row);
            let mut a: [&[[f32; UNROLLED]]; M] = [&[]; M];
            for r in 0..M {
                a[r] = &all[r].as_chunks().0[..panel.len()];
            }
            let mut sums = [[simd.splat_f32s(0.0); N]; M];
            for k in 0..panel.len() {
                for u in 0..UNROLLED {
                    for r in 0..M {
                        add_product(simd, &mut sums[r], a[r][k][u], panel[k][u]);
                    }
                }
            }
            for (k, b) in (panel.len() * UNROLLED..).zip(rest) {
                for r in 0..M {
                    add_product(simd, &mut sums[r], all[r][k], *b);
                }
            }
            part.add(simd, &mut rows[row..row + M], sums);
        }
    }
}

impl<const M: usize, const N: usize> WithSimd for RowsByRows<'_, '_, '_, M, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Strip { part, rows, row } = self.0;
        let Right { data: b, stride, .. } = part.right;
        for row in (row..rows.len()).step_by(M) {
            let a = part.rows_of_left::<M>(row);
            let mut sums = [[simd.splat_f32s(0.0); N]; M];
            for k in 0..part.terms {
                let b = first_vectors(simd, &b[k * stride..]);
                for r in 0..M {
                    add_product(simd, &mut sums[r], a[r][k], b);
                }
            }
            part.add(simd, &mut rows[row..row + M], sums);
        }
    }
}

impl<const R: usize, const M: usize, const N: usize> WithSimd
    for TilesByPanel<'_, '_, '_, R, M, N>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Strip { part, rows, row } = self.0;
        let (panel, rest) = part.panel::<S, N>().as_chunks::<UNROLLED>();
        for row in (row..rows.len()).step_by(M) {
            let (a, a_rest) = part.tile_of_left::<R>(row).as_chunks::<UNROLLED>();
            let a = &a[..panel.len()];
            let first = if M == R { 0 } else { row % R };
            let mut sums = [[simd.splat_f32s(0.0); N]; M];
            for k in 0..panel.len() {
                for u in 0..UNROLLED {
                    for r in 0..M {
                        add_product(simd, &mut sums[r], a[k][u][first + r], panel[k][u]);
                    }
                }
            }
            for (a, b) in a_rest.iter().zip(rest) {
                for r in 0..M {
                    add_product(simd, &mut sums[r], a[first + r], *b);
                }
            }
            part.add(simd, &mut rows[row..row + M], sums);
        }
    }
}

impl<const R: usize, const M: usize, const N: usize> WithSimd for TilesByRows<'_, '_, '_, R, M, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Strip { part, rows, row } = self.0;
        let Right { data: b, stride, .. } = part.right;
        for row in (row..rows.len()).step_by(M) {
            let a = part.tile_of_left::<R>(row);
            let first = if M == R { 0 } else { row % R };
            let mut sums = [[simd.splat_f32s(0.0); N]; M];
            for k in 0..a.len() {
                let b = first_vectors(simd, &b[k * stride..]);
                for r in 0..M {
                    add_product(simd, &mut sums[r], a[k][first + r], b);
                }
            }
            part.add(simd, &mut rows[row..row + M], sums);
        }
    }
}

impl<'a> Part<'a> {
    /// The packed panel of b, N vectors a row.
    #[inline(always)]
    fn panel<S: Simd, const N: usize>(&self) -> &'a [[S::f32s; N]] {
        &S::as_simd_f32s(self.right.data).0.as_chunks::<N>().0[..self.terms]
    }

    /// M rows of a, `terms` values each.
    #[inline(always)]
    fn rows_of_left<const M: usize>(&self, row: usize) -> [&'a [f32]; M] {
        let mut rows: [&[f32]; M] = [&[]; M];
        for (r, a) in rows.iter_mut().enumerate() {
            *a = &self.left.data[(row + r) * self.left.stride..][..self.terms];
        }
        rows
    }

    /// The packed tile of a that holds `row`, `[terms, R]`.
    #[inline(always)]
    fn tile_of_left<const R: usize>(&self, row: usize) -> &'a [[f32; R]] {
        &self.left.data[row / R * R * self.terms..].as_chunks::<R>().0[..self.terms]
    }

    /// Adds a tile's sums to its rows of c.
    #[inline(always)]
    fn add<S: Simd, const M: usize, const N: usize>(
        &self,
        simd: S,
        rows: &mut [&mut [f32]],
        sums: [[S::f32s; N]; M],
    ) {
        for (row, sums) in rows.iter_mut().zip(&sums) {
            add_to_row(simd, &mut row[self.column..][..self.width], sums, self.start, self.column);
        }
    }
}

/// The first N vectors of a row of b.
#[inline(always)]
pub(super) fn first_vectors<S: Simd, const N: usize>(simd: S, b: &[f32]) -> [S::f32s; N] {
    let whole = S::as_simd_f32s(&b[..N * S::F32_LANES]).0;
    let mut vectors = [simd.splat_f32s(0.0); N];
    vectors.copy_from_slice(&whole[..N]);
    vectors
}

/// `sums_v += a b_v`
#[inline(always)]
pub(super) fn add_product<S: Simd, const N: usize>(
    simd: S,
    sums: &mut [S::f32s; N],
    a: f32,
    b: [S::f32s; N],
) {
    let a = simd.splat_f32s(a);
    for v in 0..N {
        sums[v] = simd.mul_add_f32s(a, b[v], sums[v]);
    }
}

/// `c ← start + sums`, for columns from `column` on; the last vector may be longer than c.
#[inline(always)]
pub(super) fn add_to_row<S: Simd, const N: usize>(
    simd: S,
    c: &mut [f32],
    sums: &[S::f32s; N],
    start: Accum<'_, f32>,
    column: usize,
) {
    let width = c.len();
    let (whole, rest) = S::as_mut_simd_f32s(c);
    // The usual cases without a look at each vector.
    match (start, whole.first_chunk_mut::<N>()) {
        (Accum::Replace, Some(c)) => return *c = *sums,
        (Accum::Add, Some(c)) => {
            for v in 0..N {
                c[v] = simd.add_f32s(c[v], sums[v]);
            }
            return;
        }
        _ => {}
    }
    for v in 0..N {
        let from = match start {
            Accum::Replace => None,
            Accum::Add if v < whole.len() => Some(whole[v]),
            Accum::Add => Some(simd.partial_load_f32s(rest)),
            Accum::Row(row) => {
                let row = &row[column..][..width][v * S::F32_LANES..];
                Some(simd.partial_load_f32s(&row[..row.len().min(S::F32_LANES)]))
            }
        };
        let sum = match from {
            Some(from) => simd.add_f32s(from, sums[v]),
            None => sums[v],
        };
        if v < whole.len() {
            whole[v] = sum;
        } else {
            simd.partial_store_f32s(rest, sum);
        }
    }
}

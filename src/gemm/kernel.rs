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
pub(super) fn gemm(
    mut c: ArrayViewMut2<f32>,
    a: Operand<'_, f32>,
    b: Operand<'_, f32>,
    k: usize,
    start: Accum<'_, f32>,
) {
    BUFFERS.with_borrow_mut(|buffers| {
        if sparse::spmm(&mut c, a, b, k, start, buffers) {
            return;
        }
        let block = if a.in_rows() { ROWS } else { PACKED_ROWS };
        for (i, mut c) in c.axis_chunks_iter_mut(Axis(0), block).enumerate() {
            let (m, a) = (c.nrows(), a.from(i * block, 0));
            // The slices of the rows, on the stack; few rows should not pay for many.
            if m <= FEW_ROWS {
                let rows = &mut row_slices::<FEW_ROWS>(&mut c)[..m];
                simd::run(Gemm { rows, a, b, k, start, buffers });
            } else {
                let rows = &mut row_slices::<ROWS>(&mut c)[..m];
                simd::run(Gemm { rows, a, b, k, start, buffers });
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
struct Gemm<'p, 'c, 'a> {
    rows: &'p mut [&'c mut [f32]],
    a: Operand<'a, f32>,
    b: Operand<'a, f32>,
    k: usize,
    start: Accum<'a, f32>,
    buffers: &'p mut Buffers,
}

impl WithSimd for Gemm<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Constants, so that only one branch is compiled.
        if S::REGISTER_COUNT >= 32 {
            self.in_tiles::<S, 8, 7, 3>(simd);
        } else {
            self.in_tiles::<S, 6, 5, 2>(simd);
        }
    }
}

impl Gemm<'_, '_, '_> {
    /// In tiles of R rows (Q where that divides them better) and at most V vectors.
    #[inline(always)]
    fn in_tiles<S: Simd, const R: usize, const Q: usize, const V: usize>(self, simd: S) {
        let Gemm { rows, a, b, k, start, buffers } = self;
        let (m, n) = (rows.len(), rows.first().map_or(0, |row| row.len()));
        let vectors = n.div_ceil(S::F32_LANES);
        let panels = vectors.div_ceil(V);
        for first in (0..k).step_by(TERMS) {
            let terms = TERMS.min(k - first);
            let start = if first == 0 { start } else { Accum::Add };
            let (block, right) = (a.from(0, first), b.from(first, 0));
            let block = if block.in_rows() {
                Block { data: block.data, stride: block.stride, tiles: 0 }
            } else {
                let data = pack_left::<S, R>(simd, &mut buffers.left, block, m, terms);
                Block { data, stride: 0, tiles: R }
            };
            // Panels as equal as can be: one of a single vector would run at half the speed.
            for panel in 0..panels {
                let (from, to) = (panel * vectors / panels, (panel + 1) * vectors / panels);
                let (column, count) = (from * S::F32_LANES, to - from);
                let (width, whole) = (n - column, count * S::F32_LANES);
                let panel = Panel { b: right.from(0, column), terms, width: width.min(whole) };
                let width = panel.width;
                let panel = if right.in_rows() && m <= FEW_ROWS && width >= whole {
                    Vectors { data: panel.b.data, stride: panel.b.stride, packed: false }
                } else {
                    let data = pack_right(simd, &mut buffers.right, panel, whole);
                    Vectors { data, stride: whole, packed: true }
                };
                let gebp = Gebp { block, panel, terms, column, width, start };
                match count {
                    1 => gebp.run::<S, R, Q, 1>(simd, rows),
                    2 => gebp.run::<S, R, Q, 2>(simd, rows),
                    _ if V == 3 => gebp.run::<S, R, Q, 3>(simd, rows),
                    _ => unreachable!("a panel has at most V vectors"),
                }
            }
        }
    }
}

/// A block of a, as tiles read it.
#[derive(Clone, Copy)]
struct Block<'a> {
    data: &'a [f32],
    /// Distance between rows, if they lie in one piece each.
    stride: usize,
    /// Rows of a packed tile `[terms, tiles]`, or 0 if a is not packed.
    tiles: usize,
}

/// A panel of b, as tiles read it: whole vectors.
#[derive(Clone, Copy)]
struct Vectors<'a> {
    data: &'a [f32],
    /// Distance between rows.
    stride: usize,
    packed: bool,
}

/// A block of a times a panel of b, the GEBP of Goto & van de Geijn.
#[derive(Clone, Copy)]
struct Gebp<'a> {
    block: Block<'a>,
    panel: Vectors<'a>,
    terms: usize,
    /// The first column of c, and how many.
    column: usize,
    width: usize,
    start: Accum<'a, f32>,
}

impl<'a> Gebp<'a> {
    /// All its tiles. Rows that are not a multiple of R are better in some tiles of Q = R − 1 than in a
    /// low one at the end, which has too few sums to hide the latency of an addition.
    #[inline(always)]
    fn run<S: Simd, const R: usize, const Q: usize, const N: usize>(
        self,
        simd: S,
        rows: &mut [&mut [f32]],
    ) {
        let high = rows.len().div_ceil(R);
        let missing = high * R - rows.len();
        let high =
            if self.block.tiles == 0 && missing <= high { high - missing } else { rows.len() / R };
        let mut row = self.strip::<S, R, R, N>(simd, rows, 0, high);
        if self.block.tiles == 0 {
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
            let rows = &mut rows[..end];
            match (self.block.tiles == 0, self.panel.packed) {
                (true, true) => self.tiles::<S, [_; M], &[_], M, N>(simd, rows, row),
                (true, false) => self.tiles::<S, [_; M], Vectors<'_>, M, N>(simd, rows, row),
                (false, true) => self.tiles::<S, Tile<'_, R, M>, &[_], M, N>(simd, rows, row),
                (false, false) => {
                    self.tiles::<S, Tile<'_, R, M>, Vectors<'_>, M, N>(simd, rows, row);
                }
            }
        }
        end
    }

    /// The micro-kernel: tiles of M rows and N vectors below each other, from `row` on.
    #[inline(always)]
    fn tiles<S: Simd, A: Left<'a>, B: Right<'a, S, N>, const M: usize, const N: usize>(
        self,
        simd: S,
        rows: &mut [&mut [f32]],
        row: usize,
    ) {
        outlined(
            simd,
            #[inline(always)]
            move || {
                let (chunks, rest) = (self.terms / UNROLLED, self.terms % UNROLLED);
                let b = B::of(&self);
                let b_rest = b.rest(chunks);
                for row in (row..rows.len()).step_by(M) {
                    let a = A::of(&self, row);
                    let mut sums = [[simd.splat_f32s(0.0); N]; M];
                    add_terms::<S, A, B, M, N, UNROLLED>(simd, &mut sums, a, b, chunks);
                    add_terms::<S, A, B, M, N, 1>(simd, &mut sums, a.rest(), b_rest, rest);
                    self.add(simd, &mut rows[row..row + M], sums);
                }
            },
        );
    }

    /// Adds a tile's sums to its rows of c. They are taken by value: those that the loops over terms add to
    /// are never indexed by a variable then, and stay in registers.
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

/// Terms between two looks at the loop's end.
const UNROLLED: usize = 4;

/// What a tile reads of a. Terms are counted in chunks of U, so that the length of a loop over chunks tells
/// the compiler that all of them are there.
trait Left<'a>: Copy {
    /// For the tile from `row` on.
    fn of(gebp: &Gebp<'a>, row: usize) -> Self;
    /// Without the whole chunks of [`UNROLLED`] terms.
    fn rest(self) -> Self;
    /// Row r of the tile in term u of a chunk.
    fn value<const U: usize>(self, chunk: usize, u: usize, r: usize) -> f32;
}

/// Rows where they lie.
impl<'a, const M: usize> Left<'a> for [&'a [f32]; M] {
    #[inline(always)]
    fn of(gebp: &Gebp<'a>, row: usize) -> Self {
        let mut rows: [&[f32]; M] = [&[]; M];
        for (r, a) in rows.iter_mut().enumerate() {
            *a = &gebp.block.data[(row + r) * gebp.block.stride..][..gebp.terms];
        }
        rows
    }

    #[inline(always)]
    fn rest(mut self) -> Self {
        for row in &mut self {
            *row = row.as_chunks::<UNROLLED>().1;
        }
        self
    }

    #[inline(always)]
    fn value<const U: usize>(self, chunk: usize, u: usize, r: usize) -> f32 {
        self[r].as_chunks::<U>().0[chunk][u]
    }
}

/// M rows of a packed tile, from the first of them on.
#[derive(Clone, Copy)]
struct Tile<'a, const R: usize, const M: usize> {
    columns: &'a [[f32; R]],
    first: usize,
}

impl<'a, const R: usize, const M: usize> Left<'a> for Tile<'a, R, M> {
    #[inline(always)]
    fn of(gebp: &Gebp<'a>, row: usize) -> Self {
        let tiles = &gebp.block.data[row / R * R * gebp.terms..];
        let first = if M == R { 0 } else { row % R };
        Tile { columns: &tiles.as_chunks::<R>().0[..gebp.terms], first }
    }

    #[inline(always)]
    fn rest(self) -> Self {
        Tile { columns: self.columns.as_chunks::<UNROLLED>().1, ..self }
    }

    #[inline(always)]
    fn value<const U: usize>(self, chunk: usize, u: usize, r: usize) -> f32 {
        self.columns.as_chunks::<U>().0[chunk][u][self.first + r]
    }
}

/// What a tile reads of b.
trait Right<'a, S: Simd, const N: usize>: Copy {
    fn of(gebp: &Gebp<'a>) -> Self;
    /// Without its whole chunks of [`UNROLLED`] terms, so many.
    fn rest(self, chunks: usize) -> Self;
    /// N vectors in term u of a chunk.
    fn vectors<const U: usize>(self, simd: S, chunk: usize, u: usize) -> [S::f32s; N];
}

/// A packed panel.
impl<'a, S: Simd, const N: usize> Right<'a, S, N> for &'a [[S::f32s; N]] {
    #[inline(always)]
    fn of(gebp: &Gebp<'a>) -> Self {
        &S::as_simd_f32s(gebp.panel.data).0.as_chunks::<N>().0[..gebp.terms]
    }

    #[inline(always)]
    fn rest(self, _: usize) -> Self {
        self.as_chunks::<UNROLLED>().1
    }

    #[inline(always)]
    fn vectors<const U: usize>(self, _: S, chunk: usize, u: usize) -> [S::f32s; N] {
        self.as_chunks::<U>().0[chunk][u]
    }
}

/// A panel where it lies.
impl<'a, S: Simd, const N: usize> Right<'a, S, N> for Vectors<'a> {
    #[inline(always)]
    fn of(gebp: &Gebp<'a>) -> Self {
        gebp.panel
    }

    #[inline(always)]
    fn rest(self, chunks: usize) -> Self {
        // Of a panel of few terms nothing may be left.
        let first = (chunks * UNROLLED * self.stride).min(self.data.len());
        Vectors { data: &self.data[first..], ..self }
    }

    #[inline(always)]
    fn vectors<const U: usize>(self, simd: S, chunk: usize, u: usize) -> [S::f32s; N] {
        first_vectors(simd, &self.data[(chunk * U + u) * self.stride..])
    }
}

/// `sums_r += Σ a_r b` over chunks of terms.
#[inline(always)]
fn add_terms<'a, S, A, B, const M: usize, const N: usize, const U: usize>(
    simd: S,
    sums: &mut [[S::f32s; N]; M],
    a: A,
    b: B,
    chunks: usize,
) where
    S: Simd,
    A: Left<'a>,
    B: Right<'a, S, N>,
{
    for chunk in 0..chunks {
        for u in 0..U {
            let b = b.vectors::<U>(simd, chunk, u);
            for (r, sums) in sums.iter_mut().enumerate() {
                add_product(simd, sums, a.value::<U>(chunk, u, r), b);
            }
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

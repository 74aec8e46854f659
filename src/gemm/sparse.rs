//! Products with a matrix that is mostly zeros, as images on black ground are, without its zeros.
//!
//! ```text
//! Shapes    left [m, k], mostly zeros   right [k, n]   c [m, n] or its transpose
//! Forward   c_ij ← start_ij + Σ_{k: left_ik ≠ 0} left_ik right_kj
//! ```
//!
//! A dense layer meets such a left side twice: y = x Wᵀ + b, and d_Wᵀ = xᵀ d_y, where c is the
//! transpose of what is stored.
//!
//! Leaving out a zero changes no bit: fma(0, b, s) = s for every finite b, since a sum that starts
//! from +0 never becomes −0 by adding zeros. So the sums are those of `kernel.rs`, chains of at most 256
//! terms, and whether a matrix is worth this road may be guessed from a few of its rows.
//!
//! ```text
//! k in blocks of 256
//!   rows in lists             (place, value) of what is not zero, found once
//!     columns in panels         as wide as the registers hold sums for, packed to stay in L1
//!       a list                    sums += value ⊗ panel[place]
//! ```
//!
//! Every value is loaded for one row only, so the loads of a panel bound the speed, not the
//! multiply–adds: a term costs about 1.6 times what it costs in a dense tile.

use super::kernel::{ROWS, TERMS, add_product, add_to_row, outlined, row_slices};
use super::pack::{Buffers, Panel, Run, SIDE, Shuffles, pack_right};
use super::{Accum, Operand};
use crate::simd;
use ndarray::{ArrayViewMut2, Axis};
use pulp::{Simd, WithSimd, bytemuck};

/// Vectors of a panel at most: as many sums, and a broadcast value, fit sixteen registers.
const VECTORS: usize = 8;

/// Rows that are looked at to guess how many zeros there are.
const LOOKED_AT: usize = 8;

/// Fewer rows are not worth a search for zeros.
const FEWEST_ROWS: usize = 8;

/// What is not zero in a row of the left side, in a block of [`TERMS`].
struct List {
    places: [u32; PLACES],
    values: [f32; PLACES],
    length: usize,
}

/// Places of a list: those behind the last term are written too, and lists that are a power of two apart
/// would push each other out of the cache.
const PLACES: usize = TERMS + SIDE;

impl List {
    const EMPTY: List = List { places: [0; PLACES], values: [0.0; PLACES], length: 0 };

    /// Writes behind `length` terms what is not zero among the values from `first` on; gives the length
    /// with them. Without a branch: all are written, and those that count are kept. The length is the
    /// caller's, who holds it in a register: kept here, each run would wait for the store of the one before.
    #[inline(always)]
    fn append(&mut self, length: usize, shuffles: Shuffles, first: usize, run: Run) -> usize {
        let (places, values, count) = shuffles.without_zeros(run);
        let end = length..length + SIDE;
        self.places[end.clone()].copy_from_slice(&places.map(|place| first as u32 + place as u32));
        self.values[end].copy_from_slice(&values);
        length + count
    }

    /// The places and values.
    #[inline(always)]
    fn terms(&self) -> (&[u32], &[f32]) {
        (&self.places[..self.length], &self.values[..self.length])
    }
}

/// The lists of up to [`ROWS`] rows.
pub(super) struct Lists(Vec<List>);

impl Default for Lists {
    fn default() -> Self {
        Lists((0..ROWS).map(|_| List::EMPTY).collect())
    }
}

/// Up to eight values, with zeros behind them.
#[inline(always)]
fn run_of(values: &[f32]) -> Run {
    values.first_chunk().copied().unwrap_or_else(
        #[inline(always)]
        || {
            let mut run = [0.0; SIDE];
            run[..values.len()].copy_from_slice(values);
            run
        },
    )
}

/// Whether all values are zeros, and need not be looked at one by one.
#[inline(always)]
fn all_zero(run: &Run) -> bool {
    run.iter().fold(0, |any, value| any | magnitude(*value)) == 0
}

impl Lists {
    /// Finds the terms of `m` rows of the left side.
    #[inline(always)]
    fn fill(&mut self, left: Operand<'_, f32>, m: usize, terms: usize) {
        let (lists, shuffles) = (&mut self.0[..m], Shuffles::new());
        if left.in_rows() {
            for (list, row) in lists.iter_mut().zip(left.data.chunks(left.stride)) {
                let mut length = 0;
                for (i, values) in row[..terms].chunks(SIDE).enumerate() {
                    length = list.append(length, shuffles, i * SIDE, run_of(values));
                }
                list.length = length;
            }
        } else {
            lists.iter_mut().for_each(|list| list.length = 0);
            for (group, lists) in lists.chunks_mut(SIDE).enumerate() {
                let mut columns = left.data.chunks(left.stride).take(terms);
                for first in (0..terms).step_by(SIDE) {
                    let mut square = [[0.0; SIDE]; SIDE];
                    for (run, column) in square.iter_mut().zip(&mut columns) {
                        *run = run_of(&column[group * SIDE..][..lists.len()]);
                    }
                    if square.iter().all(all_zero) {
                        continue;
                    }
                    for (list, run) in lists.iter_mut().zip(shuffles.transposed(square)) {
                        list.length = list.append(list.length, shuffles, first, run);
                    }
                }
            }
        }
    }

    /// The lists of all rows, in order.
    #[inline(always)]
    fn of(&self, m: usize) -> impl Iterator<Item = &List> {
        self.0[..m].iter()
    }
}

/// The bits of |value|, which are 0 for zeros of both signs.
#[inline(always)]
fn magnitude(value: f32) -> u32 {
    value.to_bits() << 1
}

/// Whether a product of `a`, with rows that lie in one piece, and a right side of n columns seems to be
/// faster without zeros. To find them costs as much as some ten columns; with that, a share of 2/5 − 9/n of
/// other values is a gain.
fn is_sparse(a: Operand<'_, f32>, rows: usize, width: usize, n: usize) -> bool {
    if !a.in_rows() || rows < FEWEST_ROWS || 5 * 9 >= 2 * n {
        return false;
    }
    let limit = LOOKED_AT * width * (2 * n - 5 * 9) / (5 * n);
    let mut found = 0;
    // Mostly the first two or three rows decide.
    (0..LOOKED_AT).all(|i| {
        let row = &a.data[i * rows / LOOKED_AT * a.stride..][..width];
        found += row.iter().map(|&value| (magnitude(value) != 0) as u32).sum::<u32>() as usize;
        found <= limit
    })
}

/// `c ← start + a·b`, if a, or b under an a of columns, seems to be mostly zeros; gives whether.
pub(super) fn spmm(
    c: &mut ArrayViewMut2<f32>,
    a: Operand<'_, f32>,
    b: Operand<'_, f32>,
    k: usize,
    start: Accum<'_, f32>,
    buffers: &mut Buffers,
) -> bool {
    let (m, n) = c.dim();
    let transposed = !a.in_rows();
    let sparse = if transposed { is_sparse(b, k, n, m) } else { is_sparse(a, m, k, n) };
    if sparse {
        for (i, mut c) in c.axis_chunks_iter_mut(Axis(0), ROWS).enumerate() {
            let (m, a) = (c.nrows(), a.from(i * ROWS, 0));
            let (left, right) = if transposed { (b.t(), a.t()) } else { (a, b) };
            let rows = &mut row_slices::<ROWS>(&mut c)[..m];
            simd::run(Spmm { rows, left, right, k, start, transposed, buffers });
        }
    }
    sparse
}

/// A product for some rows of the output, which are columns of c if that is `transposed`.
struct Spmm<'p, 'c, 'a> {
    rows: &'p mut [&'c mut [f32]],
    left: Operand<'a, f32>,
    right: Operand<'a, f32>,
    k: usize,
    start: Accum<'a, f32>,
    transposed: bool,
    buffers: &'p mut Buffers,
}

impl WithSimd for Spmm<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Spmm { rows, left, right, k, start, transposed, buffers } = self;
        let Buffers { right: panel, lists, .. } = buffers;
        let (m, n) = (rows.len(), rows.first().map_or(0, |row| row.len()));
        let (m, n) = if transposed { (n, m) } else { (m, n) };
        let vectors = n.div_ceil(S::F32_LANES);
        let panels = vectors.div_ceil(VECTORS);
        for row in (0..m).step_by(ROWS) {
            let count = ROWS.min(m - row);
            for first in (0..k).step_by(TERMS) {
                let terms = TERMS.min(k - first);
                let start = if first == 0 { start } else { Accum::Add };
                let left = left.from(row, first);
                outlined(
                    simd,
                    #[inline(always)]
                    || lists.fill(left, count, terms),
                );
                for i in 0..panels {
                    let (from, to) = (i * vectors / panels, (i + 1) * vectors / panels);
                    let (column, whole) = (from * S::F32_LANES, (to - from) * S::F32_LANES);
                    let width = whole.min(n - column);
                    let b = right.from(first, column);
                    let panel = pack_right(simd, panel, Panel { b, terms, width }, whole);
                    let m = count;
                    let block = ListsByPanel { lists, m, row, column, width, panel, start };
                    let rows = &mut *rows;
                    match to - from {
                        1 => block.run::<S, 1>(simd, rows, transposed),
                        2 => block.run::<S, 2>(simd, rows, transposed),
                        3 => block.run::<S, 3>(simd, rows, transposed),
                        4 => block.run::<S, 4>(simd, rows, transposed),
                        5 => block.run::<S, 5>(simd, rows, transposed),
                        6 => block.run::<S, 6>(simd, rows, transposed),
                        7 => block.run::<S, 7>(simd, rows, transposed),
                        VECTORS => block.run::<S, VECTORS>(simd, rows, transposed),
                        _ => unreachable!("a panel has at most so many vectors"),
                    }
                }
            }
        }
    }
}

/// `m` rows of the product from `row` on, in the columns of a panel.
struct ListsByPanel<'p, 'a> {
    lists: &'p Lists,
    m: usize,
    row: usize,
    column: usize,
    width: usize,
    panel: &'p [f32],
    start: Accum<'a, f32>,
}

impl ListsByPanel<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S, rows: &mut [&mut [f32]], transposed: bool) {
        if transposed {
            outlined(
                simd,
                #[inline(always)]
                move || self.into_columns::<S, N>(simd, rows),
            );
        } else {
            outlined(
                simd,
                #[inline(always)]
                move || self.into_rows::<S, N>(simd, rows),
            );
        }
    }

    /// `Σ value ⊗ panel[place]` over each list.
    #[inline(always)]
    fn sums<S: Simd, const N: usize>(&self, simd: S) -> impl Iterator<Item = [S::f32s; N]> {
        let panel = S::as_simd_f32s(self.panel).0.as_chunks::<N>().0;
        self.lists.of(self.m).map(
            #[inline(always)]
            move |list| {
                let mut sums = [simd.splat_f32s(0.0); N];
                let (places, values) = list.terms();
                for (place, value) in places.iter().zip(values) {
                    add_product(simd, &mut sums, *value, panel[*place as usize]);
                }
                sums
            },
        )
    }

    /// The rows of the product are those of c.
    #[inline(always)]
    fn into_rows<S: Simd, const N: usize>(self, simd: S, rows: &mut [&mut [f32]]) {
        for (c, sums) in rows[self.row..].iter_mut().zip(self.sums::<S, N>(simd)) {
            let c = &mut c[self.column..][..self.width];
            add_to_row(simd, c, &sums, self.start, self.column);
        }
    }

    /// The rows of the product are columns of c: eight at a time, they are turned in squares.
    #[inline(always)]
    fn into_columns<S: Simd, const N: usize>(self, simd: S, rows: &mut [&mut [f32]]) {
        let shuffles = Shuffles::new();
        let (mut lists, end) = (self.sums::<S, N>(simd), self.row + self.m);
        for first in (self.row..end).step_by(SIDE) {
            let count = SIDE.min(end - first);
            let mut sums = [[simd.splat_f32s(0.0); N]; SIDE];
            for (sums, list) in sums.iter_mut().zip(lists.by_ref().take(count)) {
                *sums = list;
            }
            let rows = &mut rows[self.column..][..self.width];
            for (square, rows) in rows.chunks_mut(SIDE).enumerate() {
                let mut turned = [[0.0; SIDE]; SIDE];
                for (to, sums) in turned.iter_mut().zip(&sums) {
                    let sums: &[f32] = bytemuck::cast_slice(sums);
                    to.copy_from_slice(&sums[square * SIDE..][..SIDE]);
                }
                let turned = shuffles.transposed(turned);
                for (c, sums) in rows.iter_mut().zip(&turned) {
                    let c = &mut c[first..][..count];
                    match self.start {
                        Accum::Add => change(
                            c,
                            sums,
                            #[inline(always)]
                            |c, s| *c += s,
                        ),
                        Accum::Replace => change(
                            c,
                            sums,
                            #[inline(always)]
                            |c, s| *c = s,
                        ),
                        Accum::Row(row) => {
                            for ((c, s), start) in c.iter_mut().zip(sums).zip(&row[first..]) {
                                *c = start + s;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `change(c, sums)`, for all of them or as many as c has.
#[inline(always)]
fn change(c: &mut [f32], sums: &[f32; SIDE], change: impl Fn(&mut f32, f32)) {
    match c.first_chunk_mut::<SIDE>() {
        Some(c) => (0..SIDE).for_each(|j| change(&mut c[j], sums[j])),
        None => c.iter_mut().zip(sums).for_each(|(c, s)| change(c, *s)),
    }
}

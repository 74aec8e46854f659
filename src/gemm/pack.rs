//! Copies of parts of the operands, in the order in which the kernel reads them.
//!
//! ```text
//! left    120 rows of a at most, 256 columns: tiles of R rows, each [256, R], one behind the other
//! right   a panel of b: 256 rows of whole vectors; what is behind the last column is 0
//! ```
//!
//! A panel whose columns lie in one piece is transposed on the way, in squares of eight by eight that
//! stay in registers. The lists of `sparse.rs` are filled with the same kind of shuffles.

use super::Operand;
use super::kernel::{PACKED_ROWS, TERMS, outlined};
use super::sparse::Lists;
use crate::aligned::Aligned;
use pulp::{Simd, WithSimd};

/// The most rows of a tile, and vectors of a panel with their lanes.
const LARGEST_TILE: usize = 8;
const LARGEST_PANEL: usize = 8 * 16;

/// What a thread packs into.
pub(super) struct Buffers {
    pub(super) left: Aligned<f32>,
    pub(super) right: Aligned<f32>,
    pub(super) lists: Lists,
}

impl Default for Buffers {
    fn default() -> Self {
        Buffers {
            left: Aligned::zeros(PACKED_ROWS.next_multiple_of(LARGEST_TILE) * TERMS),
            right: Aligned::zeros(LARGEST_PANEL * TERMS),
            lists: Lists::default(),
        }
    }
}

/// The first `m` rows and `terms` columns of a, whose columns lie in one piece, in tiles of R rows. The
/// last tile may have fewer rows that mean something.
#[inline(always)]
pub(super) fn pack_left<'p, S: Simd, const R: usize>(
    simd: S,
    buffer: &'p mut Aligned<f32>,
    a: Operand<'_, f32>,
    m: usize,
    terms: usize,
) -> &'p [f32] {
    let to = &mut buffer[..m.div_ceil(R) * terms * R];
    outlined(simd, Tiles::<R> { to: &mut *to, a, m, terms });
    to
}

struct Tiles<'p, 'a, const R: usize> {
    to: &'p mut [f32],
    a: Operand<'a, f32>,
    m: usize,
    terms: usize,
}

impl<const R: usize> WithSimd for Tiles<'_, '_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Tiles { to, a, m, terms } = self;
        for (tile, to) in to.chunks_exact_mut(terms * R).enumerate() {
            let (first, rows) = (tile * R, R.min(m - tile * R));
            let columns = a.data[first..].chunks(a.stride);
            for (to, column) in to.as_chunks_mut::<R>().0.iter_mut().zip(columns) {
                match column.first_chunk::<R>() {
                    Some(values) => *to = *values,
                    None => to[..rows].copy_from_slice(&column[..rows]),
                }
            }
        }
    }
}

/// The first `terms` rows and `width` columns of b.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub(super) b: Operand<'a, f32>,
    pub(super) terms: usize,
    pub(super) width: usize,
}

/// A panel in rows of `stride` values, a whole number of vectors.
#[inline(always)]
pub(super) fn pack_right<'p, S: Simd>(
    simd: S,
    buffer: &'p mut Aligned<f32>,
    panel: Panel<'_>,
    stride: usize,
) -> &'p [f32] {
    let to = &mut buffer[..panel.terms * stride];
    if !panel.b.in_rows() {
        outlined(simd, Transpose { to: &mut *to, stride, panel });
    } else if panel.width == stride {
        outlined(simd, Copy { to: &mut *to, stride, panel });
    } else {
        let rows = to.chunks_exact_mut(stride).zip(panel.b.data.chunks(panel.b.stride));
        for (to, from) in rows {
            to[..panel.width].copy_from_slice(&from[..panel.width]);
            to[panel.width..].fill(0.0);
        }
    }
    to
}

/// Whole vectors of rows that lie in one piece.
struct Copy<'p, 'b> {
    to: &'p mut [f32],
    stride: usize,
    panel: Panel<'b>,
}

impl WithSimd for Copy<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Copy { to, stride, panel: Panel { b, .. } } = self;
        for (to, from) in to.chunks_exact_mut(stride).zip(b.data.chunks(b.stride)) {
            let to = S::as_mut_simd_f32s(to).0;
            let from = S::as_simd_f32s(&from[..stride]).0;
            for v in 0..LARGEST_PANEL / 16 {
                if v < to.len() {
                    to[v] = from[v];
                }
            }
        }
    }
}

/// `to_kj ← b_kj`, where the columns of b lie in one piece.
struct Transpose<'p, 'b> {
    to: &'p mut [f32],
    stride: usize,
    panel: Panel<'b>,
}

/// Rows and columns of a square.
pub(super) const SIDE: usize = 8;
/// A row of a square.
pub(super) type Run = [f32; SIDE];
type Square = [Run; SIDE];

/// What a processor needs to work on squares in registers: to move values between the lanes of a vector,
/// and to sum them.
#[derive(Clone, Copy)]
pub(super) struct Shuffles {
    #[cfg(target_arch = "x86_64")]
    simd: pulp::x86::V3,
}

impl Shuffles {
    /// # Panics
    /// On an x86 processor without AVX2, for which there is no kernel either.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Shuffles {
            #[cfg(target_arch = "x86_64")]
            simd: pulp::x86::V3::try_new().expect("the kernel needs at least this"),
        }
    }

    #[inline(always)]
    pub(super) fn transposed(self, square: Square) -> Square {
        #[cfg(target_arch = "x86_64")]
        return transposed_x86(self.simd, square);
        #[cfg(not(target_arch = "x86_64"))]
        transposed(square)
    }

    /// `sums + a·run`, rounded once.
    #[inline(always)]
    pub(super) fn add_product(self, sums: Run, a: f32, run: Run) -> Run {
        #[cfg(target_arch = "x86_64")]
        {
            use pulp::bytemuck::cast;
            let a = self.simd.avx._mm256_set1_ps(a);
            cast(self.simd.fma._mm256_fmadd_ps(a, cast(run), cast(sums)))
        }
        #[cfg(not(target_arch = "x86_64"))]
        std::array::from_fn(|j| a.mul_add(run[j], sums[j]))
    }

    /// What is not zero in front, in order: the places it came from, the values, and how many. Behind
    /// these is anything.
    #[inline(always)]
    pub(super) fn without_zeros(self, run: Run) -> ([u8; SIDE], Run, usize) {
        #[cfg(target_arch = "x86_64")]
        return without_zeros_x86(self.simd, run);
        #[cfg(not(target_arch = "x86_64"))]
        without_zeros(run)
    }
}

impl WithSimd for Transpose<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Transpose { to, stride, panel: Panel { b, terms, width } } = self;
        let shuffles = Shuffles::new();
        for column in (0..width).step_by(SIDE) {
            let count = SIDE.min(width - column);
            let mut columns: [&[f32]; SIDE] = [&[]; SIDE];
            for (j, values) in columns.iter_mut().take(count).enumerate() {
                *values = &b.data[(column + j) * b.stride..][..terms];
            }
            let whole = if count == SIDE { terms / SIDE * SIDE } else { 0 };
            for first in (0..whole).step_by(SIDE) {
                let mut square: Square = [[0.0; SIDE]; SIDE];
                for j in 0..SIDE {
                    square[j] = *columns[j][first..].first_chunk().expect("eight values");
                }
                let square = shuffles.transposed(square);
                for k in 0..SIDE {
                    let to = &mut to[(first + k) * stride + column..];
                    *to.first_chunk_mut().expect("eight places") = square[k];
                }
            }
            for k in whole..terms {
                for j in 0..count {
                    to[k * stride + column + j] = columns[j][k];
                }
            }
        }
        if width < stride {
            to.chunks_exact_mut(stride).for_each(|to| to[width..].fill(0.0));
        }
    }
}

/// The transpose of a square, by the definition.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn transposed(square: Square) -> Square {
    let mut to: Square = [[0.0; SIDE]; SIDE];
    for j in 0..SIDE {
        for k in 0..SIDE {
            to[k][j] = square[j][k];
        }
    }
    to
}

/// The same in 24 shuffles: pairs of values, then pairs of pairs, then the halves of the registers.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transposed_x86(simd: pulp::x86::V3, square: Square) -> Square {
    use pulp::bytemuck::cast;
    use std::arch::x86_64::__m256;
    let [a, b, c, d, e, f, g, h]: [__m256; SIDE] = cast(square);
    let avx = simd.avx;
    let pairs = |a, b| (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b));
    let ((ab0, ab2), (cd0, cd2)) = (pairs(a, b), pairs(c, d));
    let ((ef0, ef2), (gh0, gh2)) = (pairs(e, f), pairs(g, h));
    let fours = |p, q| (avx._mm256_shuffle_ps::<0x44>(p, q), avx._mm256_shuffle_ps::<0xee>(p, q));
    let ((l0, l1), (l2, l3)) = (fours(ab0, cd0), fours(ab2, cd2));
    let ((r0, r1), (r2, r3)) = (fours(ef0, gh0), fours(ef2, gh2));
    let low = |l, r| avx._mm256_permute2f128_ps::<0x20>(l, r);
    let high = |l, r| avx._mm256_permute2f128_ps::<0x31>(l, r);
    cast([
        low(l0, r0),
        low(l1, r1),
        low(l2, r2),
        low(l3, r3),
        high(l0, r0),
        high(l1, r1),
        high(l2, r2),
        high(l3, r3),
    ])
}

/// [`Shuffles::without_zeros`], by the definition.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn without_zeros(run: Run) -> ([u8; SIDE], Run, usize) {
    let (mut places, mut values, mut count) = ([0; SIDE], [0.0; SIDE], 0);
    for (place, value) in run.into_iter().enumerate() {
        if value != 0.0 {
            (places[count], values[count]) = (place as u8, value);
            count += 1;
        }
    }
    (places, values, count)
}

/// The same with one shuffle, which a table knows for each of the 256 patterns of zeros.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn without_zeros_x86(simd: pulp::x86::V3, run: Run) -> ([u8; SIDE], Run, usize) {
    use pulp::bytemuck::cast;
    use std::arch::x86_64::{__m256, _CMP_NEQ_UQ};
    let values: __m256 = cast(run);
    let unequal = simd.avx._mm256_cmp_ps::<_CMP_NEQ_UQ>(values, cast([0f32; SIDE]));
    let pattern = simd.avx._mm256_movemask_ps(unequal) as u8;
    let places = PLACES[pattern as usize];
    let order = cast(places.map(u32::from));
    let values = cast(simd.avx2._mm256_permutevar8x32_ps(values, order));
    (places, values, pattern.count_ones() as usize)
}

/// The places of the bits that are set, in ascending order.
#[cfg(target_arch = "x86_64")]
const PLACES: [[u8; SIDE]; 256] = {
    let mut table = [[0; SIDE]; 256];
    let mut pattern = 0;
    while pattern < table.len() {
        let (mut place, mut count) = (0, 0);
        while place < SIDE {
            if pattern >> place & 1 == 1 {
                table[pattern][count] = place as u8;
                count += 1;
            }
            place += 1;
        }
        pattern += 1;
    }
    table
};

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn shuffles_follow_the_definition() {
        let Some(simd) = pulp::x86::V3::try_new() else {
            return eprintln!("skipped: this processor has no AVX2");
        };
        let square = std::array::from_fn(|j| std::array::from_fn(|k| (10 * j + k) as f32));
        assert_eq!(transposed_x86(simd, square), transposed(square));
        let values = [1.5, f32::NAN, -1e-45, f32::INFINITY, -3.0, 1e-30, 7.0, 8.0];
        for pattern in 0..256 {
            let zero = |j| if j % 2 == 0 { 0.0 } else { -0.0 };
            let run =
                std::array::from_fn(|j| if pattern >> j & 1 == 1 { values[j] } else { zero(j) });
            let ((places, found, count), want) = (without_zeros_x86(simd, run), without_zeros(run));
            assert_eq!((count, &places[..count]), (want.2, &want.0[..count]));
            let bits =
                |values: &Run| values[..count].iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&want.1), "{run:?}");
        }
    }
}

//! Rows of buffers: the first ones of a buffer, some of them, and small loops over them.
//!
//! A pass may have fewer rows than its buffers, which then serve with their first rows.

use crate::parallel::{self, RowsMut};
use crate::real::Real;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

/// The first `n` rows.
pub(crate) fn head<T>(a: &Array2<T>, n: usize) -> ArrayView2<'_, T> {
    a.slice(s![..n, ..])
}

/// The first `n` rows, to write.
pub(crate) fn head_mut<T>(a: &mut Array2<T>, n: usize) -> ArrayViewMut2<'_, T> {
    a.slice_mut(s![..n, ..])
}

/// The first `n` rows as one slice.
pub(crate) fn first_rows<T: Real>(a: &Array2<T>, n: usize) -> &[T] {
    let width = a.ncols();
    &a.as_slice().expect("buffers are in standard layout")[..n * width]
}

/// The first `n` rows as one slice, to write.
pub(crate) fn first_rows_mut<T: Real>(a: &mut Array2<T>, n: usize) -> &mut [T] {
    let width = a.ncols();
    &mut a.as_slice_mut().expect("buffers are in standard layout")[..n * width]
}

/// All values of rows that lie one after another.
pub(crate) fn flat<'a, T>(a: &ArrayView2<'a, T>) -> &'a [T] {
    a.to_slice().expect("rows are in standard layout")
}

/// All values of rows that lie one after another, to write.
pub(crate) fn flat_mut<'a, T>(a: &'a mut ArrayViewMut2<'_, T>) -> &'a mut [T] {
    a.as_slice_mut().expect("rows are in standard layout")
}

/// Moves the rows `kept`, in ascending order, to the front.
pub(crate) fn keep_rows<T: Real>(a: &mut Array2<T>, kept: &[usize]) {
    let (rows, width) = a.dim();
    if rows > 0 {
        let a = a.as_slice_mut().expect("buffers are in standard layout");
        for (to, &from) in kept.iter().enumerate().filter(|(to, from)| to < from) {
            a.copy_within(from * width..(from + 1) * width, to * width);
        }
    }
}

/// `a += b`
pub(crate) fn add<T: Real>(a: &mut [T], b: &[T]) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a += b);
}

/// `a_n ← weight_n · a_n` for each of the rows; `a: [N, W]`, `weight: [N]`. As everywhere here, a weight
/// of 0 leaves a row out, whatever stands in it: of a draw with log p = −∞ not all is finite.
pub(crate) fn scale_rows<T: Real>(a: &mut [T], weight: &[T]) {
    let n = weight.len();
    let width = a.len() / n.max(1);
    parallel::rows(RowsMut::new(a, width), n, width, &|first, count, mut a| {
        for i in 0..count {
            let w = weight[first + i];
            if w == T::zero() {
                a.row(i).fill(w);
            } else {
                a.row(i).iter_mut().for_each(|a| *a *= w);
            }
        }
    });
}

/// `live ← the n with weight_n ≠ 0`, in order.
pub(crate) fn find_live<T: Real>(live: &mut Vec<usize>, weight: &[T]) {
    live.clear();
    live.extend((0..weight.len()).filter(|&n| weight[n] != T::zero()));
}

/// `a_i ← weight_n · a_n` for the i-th n of `live`; the rows behind these are left as they are.
pub(crate) fn keep_scaled_rows<T: Real>(a: &mut [T], weight: &[T], live: &[usize]) {
    let width = a.len() / weight.len().max(1);
    for (i, &n) in live.iter().enumerate() {
        if i < n {
            a.copy_within(n * width..(n + 1) * width, i * width);
        }
        a[i * width..(i + 1) * width].iter_mut().for_each(|a| *a *= weight[n]);
    }
}

/// `to_i ← from_n` for the i-th n of `live`.
pub(crate) fn copy_rows<T: Real>(to: &mut Array2<T>, from: &ArrayView2<T>, live: &[usize]) {
    to.rows_mut().into_iter().zip(live).for_each(|(mut to, &n)| to.assign(&from.row(n)));
}

/// `a_n ← a_i` for the i-th n of `live`, and 0 in all other rows.
pub(crate) fn spread_rows<T: Real>(a: &mut [T], width: usize, live: &[usize]) {
    let mut end = a.len();
    for (i, &n) in live.iter().enumerate().rev() {
        a[(n + 1) * width..end].fill(T::zero());
        a.copy_within(i * width..(i + 1) * width, n * width);
        end = n * width;
    }
    a[..end].fill(T::zero());
}

/// `d_z_n += weight_n (d_above_n − d_q_n)`, or without d_q where log q is weighed as a whole; `[N, Z]`,
/// `weight: [N]`.
pub(crate) fn add_prior_terms<T: Real>(
    d_z: &mut [T],
    d_above: &[T],
    d_q: Option<&[T]>,
    weight: &[T],
) {
    let width = d_z.len() / weight.len().max(1);
    for (i, &w) in weight.iter().enumerate().filter(|(_, w)| **w != T::zero()) {
        let row = i * width..(i + 1) * width;
        let terms = d_z[row.clone()].iter_mut().zip(&d_above[row.clone()]);
        match d_q {
            Some(d_q) => {
                terms.zip(&d_q[row]).for_each(|((d_z, &above), &q)| *d_z += w * (above - q));
            }
            None => terms.for_each(|(d_z, &above)| *d_z += w * above),
        }
    }
}

/// `sum_b += Σ_k weight(n) draws_n`, with n = b·K + k; `sum: [B, width]`, `draws: [B·K, width]`. Draws of
/// weight 0 are left out, whatever stands in them.
pub(crate) fn add_weighted_draws<T: Real>(
    sum: &mut [T],
    draws: &[T],
    width: usize,
    samples: usize,
    weight: impl Fn(usize) -> T,
) {
    for (n, draw) in draws.chunks_exact(width).enumerate() {
        let (w, sum) = (weight(n), &mut sum[n / samples * width..][..width]);
        if w != T::zero() {
            sum.iter_mut().zip(draw).for_each(|(sum, &draw)| *sum += w * draw);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn rows_come_back_to_where_they_were() {
        let weight = [0.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0];
        let mut live = Vec::new();
        find_live(&mut live, &weight);
        assert_eq!(live, [1, 4, 5]);
        let mut a: Vec<f64> = (0..14).map(f64::from).collect();
        keep_scaled_rows(&mut a, &weight, &live);
        assert_eq!(a[..6], [4.0, 6.0, 24.0, 27.0, 40.0, 44.0]);
        spread_rows(&mut a, 2, &live);
        let zero = [0.0, 0.0];
        let want = [zero, [4.0, 6.0], zero, zero, [24.0, 27.0], [40.0, 44.0], zero];
        assert_eq!(a, want.as_flattened());
        spread_rows(&mut a, 2, &[]);
        assert_eq!(a, [0.0; 14]);
        let mut to = Array2::zeros((3, 1));
        copy_rows(&mut to, &array![[1.0], [2.0], [3.0]].view(), &[0, 2]);
        assert_eq!(to, array![[1.0], [3.0], [0.0]]);
    }

    /// Of a draw with log p = −∞, whose weight is 0, not all gradients are finite; 0 · ∞ would be NaN.
    #[test]
    fn a_dead_draw_adds_nothing() {
        let (dead, weight) = ([f64::INFINITY, f64::NAN, 3.0, 4.0], [0.0, 0.5]);
        let mut rows = dead;
        scale_rows(&mut rows, &weight);
        assert_eq!(rows, [0.0, 0.0, 1.5, 2.0]);
        for d_q in [None, Some(&dead[..])] {
            let mut d_z = [1.0; 4];
            add_prior_terms(&mut d_z, &dead, d_q, &weight);
            assert_eq!(d_z, if d_q.is_some() { [1.0; 4] } else { [1.0, 1.0, 2.5, 3.0] });
        }
    }
}

//! The small loops between the networks: noise, row weights, sums.
//!
//! All work on the first rows of buffers, as flat slices; N = B·K.

use super::Noise;
use crate::parallel::{self, RowsMut};
use crate::real::Real;

/// Rough cost of one normal draw, in additions, for the decision to use a second thread.
const NOISE_COST: usize = 16;

/// `eps_bk ← N(0, I)` from the address of sample k of dataset row b at level l; `[B·K, Z]`.
pub(super) fn fill_noise<T: Real>(
    eps: &mut [T],
    latent: usize,
    noise: Noise<'_>,
    samples: usize,
    l: usize,
) {
    let (n, address) = (noise.rows.len() * samples, noise.address.level(l));
    parallel::rows(RowsMut::new(eps, latent), n, NOISE_COST * latent, &|first, count, mut eps| {
        for i in 0..count {
            let (b, k) = ((first + i) / samples, (first + i) % samples);
            let sample = (noise.first_sample + k) as u32;
            address.row(noise.rows[b] as u64).sample(sample).fill_normal(eps.row(i));
        }
    });
}

/// `a += b`
pub(super) fn add<T: Real>(a: &mut [T], b: &[T]) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a += b);
}

/// `a_n ← weight_n · a_n` for each of the rows; `a: [N, W]`, `weight: [N]`.
pub(super) fn scale_rows<T: Real>(a: &mut [T], weight: &[T]) {
    let n = weight.len();
    let width = a.len() / n.max(1);
    parallel::rows(RowsMut::new(a, width), n, width, &|first, count, mut a| {
        for i in 0..count {
            let w = weight[first + i];
            a.row(i).iter_mut().for_each(|a| *a *= w);
        }
    });
}

/// `sum += Σ_n weight_n rows_n`; `sum: [O]`, `rows: [N, O]`, in order.
pub(super) fn add_weighted_rows<T: Real>(sum: &mut [T], rows: &[T], weight: &[T]) {
    if !sum.is_empty() {
        for (row, &w) in rows.chunks_exact(sum.len()).zip(weight) {
            sum.iter_mut().zip(row).for_each(|(s, &r)| *s += w * r);
        }
    }
}

/// `d_z_n += weight_n (d_above_n − d_q_n)`; `[N, Z]`, `weight: [N]`.
pub(super) fn add_prior_terms<T: Real>(d_z: &mut [T], d_above: &[T], d_q: &[T], weight: &[T]) {
    let width = d_z.len() / weight.len().max(1);
    for (i, &w) in weight.iter().enumerate() {
        let row = i * width..(i + 1) * width;
        for ((d_z, &above), &q) in
            d_z[row.clone()].iter_mut().zip(&d_above[row.clone()]).zip(&d_q[row])
        {
            *d_z += w * (above - q);
        }
    }
}

/// `sum_b += Σ_k draws_bk`; `sum: [B, width]`, `draws: [B·K, width]`.
pub(super) fn add_draws<T: Real>(sum: &mut [T], draws: &[T], width: usize, samples: usize) {
    for (sum, draws) in sum.chunks_exact_mut(width).zip(draws.chunks_exact(width * samples)) {
        draws.chunks_exact(width).for_each(|draw| add(sum, draw));
    }
}

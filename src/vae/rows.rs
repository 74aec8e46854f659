//! The small loops between the networks: noise, row weights, sums.
//!
//! All work on the first rows of buffers, as flat slices; N = B·K.

use super::Noise;
use crate::parallel::{self, RowsMut};
use crate::real::Real;
use ndarray::Array2;

/// Rough cost of one normal draw, in additions, for the decision to use a second thread.
const NOISE_COST: usize = 48;

/// `eps_bk ← N(0, scale² I)` from the address of sample k of row b at level l; `[B·K, Z]`.
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
            let sample = noise.first_sample + k;
            let eps = eps.row(i);
            address.row(noise.rows[b]).sample(sample as u32).fill_normal(eps);
            let scale = noise.scales[sample % noise.scales.len()];
            if scale != 1.0 {
                eps.iter_mut().for_each(|e| *e *= T::from_f64(scale));
            }
        }
    });
}

/// `a += b`
pub(super) fn add<T: Real>(a: &mut [T], b: &[T]) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a += b);
}

/// `a_n ← weight_n · a_n` for each of the rows; `a: [N, W]`, `weight: [N]`. As everywhere here, a weight
/// of 0 leaves a row out, whatever stands in it: of a draw with log p = −∞ not all is finite.
pub(super) fn scale_rows<T: Real>(a: &mut [T], weight: &[T]) {
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
pub(super) fn find_live<T: Real>(live: &mut Vec<usize>, weight: &[T]) {
    live.clear();
    live.extend((0..weight.len()).filter(|&n| weight[n] != T::zero()));
}

/// `a_i ← weight_n · a_n` for the i-th n of `live`; the rows behind these are left as they are.
pub(super) fn keep_scaled_rows<T: Real>(a: &mut [T], weight: &[T], live: &[usize]) {
    let width = a.len() / weight.len().max(1);
    for (i, &n) in live.iter().enumerate() {
        if i < n {
            a.copy_within(n * width..(n + 1) * width, i * width);
        }
        a[i * width..(i + 1) * width].iter_mut().for_each(|a| *a *= weight[n]);
    }
}

/// `to_i ← from_n` for the i-th n of `live`.
pub(super) fn copy_rows<T: Real>(to: &mut Array2<T>, from: &Array2<T>, live: &[usize]) {
    to.rows_mut().into_iter().zip(live).for_each(|(mut to, &n)| to.assign(&from.row(n)));
}

/// `a_n ← a_i` for the i-th n of `live`, and 0 in all other rows.
pub(super) fn spread_rows<T: Real>(a: &mut [T], width: usize, live: &[usize]) {
    let mut end = a.len();
    for (i, &n) in live.iter().enumerate().rev() {
        a[(n + 1) * width..end].fill(T::zero());
        a.copy_within(i * width..(i + 1) * width, n * width);
        end = n * width;
    }
    a[..end].fill(T::zero());
}

/// `sum += Σ_n weight_n rows_n`; `sum: [O]`, `rows: [N, O]`, in order.
pub(super) fn add_weighted_rows<T: Real>(sum: &mut [T], rows: &[T], weight: &[T]) {
    if !sum.is_empty() {
        let rows = rows.chunks_exact(sum.len()).zip(weight);
        for (row, &w) in rows.filter(|(_, w)| **w != T::zero()) {
            sum.iter_mut().zip(row).for_each(|(s, &r)| *s += w * r);
        }
    }
}

/// `d_z_n += weight_n (d_above_n − d_q_n)`, or without d_q where log q is weighed as a whole; `[N, Z]`,
/// `weight: [N]`.
pub(super) fn add_prior_terms<T: Real>(
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

/// `sum_b += Σ_k draws_bk`; `sum: [B, width]`, `draws: [B·K, width]`.
pub(super) fn add_draws<T: Real>(sum: &mut [T], draws: &[T], width: usize, samples: usize) {
    for (sum, draws) in sum.chunks_exact_mut(width).zip(draws.chunks_exact(width * samples)) {
        draws.chunks_exact(width).for_each(|draw| add(sum, draw));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Spec;
    use crate::gradient::Gradient;
    use crate::objective::{Objective, Terms, Weights};
    use crate::rng::{Address, Purpose};
    use crate::vae::{LevelConfig, Pass, Vae, VaeConfig, Workspace};
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
        copy_rows(&mut to, &array![[1.0], [2.0], [3.0]], &[0, 2]);
        assert_eq!(to, array![[1.0], [3.0], [0.0]]);
    }

    /// Of a draw with log p = −∞, whose weight is 0, not all gradients are finite; 0 · ∞ would be NaN.
    #[test]
    fn a_dead_draw_adds_nothing() {
        let (dead, weight) = ([f64::INFINITY, f64::NAN, 3.0, 4.0], [0.0, 0.5]);
        let mut sum = [1.0, 2.0];
        add_weighted_rows(&mut sum, &dead, &weight);
        assert_eq!(sum, [2.5, 4.0]);
        let mut rows = dead;
        scale_rows(&mut rows, &weight);
        assert_eq!(rows, [0.0, 0.0, 1.5, 2.0]);
        for d_q in [None, Some(&dead[..])] {
            let mut d_z = [1.0; 4];
            add_prior_terms(&mut d_z, &dead, d_q, &weight);
            assert_eq!(d_z, if d_q.is_some() { [1.0; 4] } else { [1.0, 1.0, 2.5, 3.0] });
        }
    }

    /// Gives every second draw no weight, or one that is too small to be seen.
    struct EverySecond(f64);

    impl Objective<f64> for EverySecond {
        fn spec(&self) -> Spec {
            Spec::new("every-second")
        }
        fn uses_closed_form_kl(&self) -> bool {
            false
        }
        fn held_out(&self) -> Box<dyn Objective<f64>> {
            unreachable!("nothing is judged here")
        }
        fn weigh(&self, mut weights: Weights<'_, f64>, terms: &Terms<'_, f64>) -> f64 {
            weights.path.fill(1.0);
            for ((b, k), weight) in weights.log_px.indexed_iter_mut() {
                *weight = if (b + k) % 2 == 0 { self.0 } else { -0.1 * (b + 2 * k) as f64 };
                weights.log_prior[[b, k]] = terms.beta * *weight;
                weights.direct[[b, k]] = -terms.beta * *weight;
            }
            0.0
        }
    }

    /// The draws that the decoder's backward pass leaves out are those that add nothing, at every level; if
    /// β is 0, as a warm-up starts, no draw of the upper decoder is left.
    #[test]
    fn draws_without_a_weight_are_left_out_and_nothing_else_is() {
        for hidden in [vec![], vec![5], vec![5, 4]] {
            let level = |latent| LevelConfig { hidden: hidden.clone(), latent };
            let config =
                VaeConfig { levels: vec![level(3), level(2)], ..VaeConfig::new(6, &[], 1) };
            let vae = Vae::<f64>::new(config).unwrap();
            let mut params = vec![0.0; vae.layout().len()];
            Address::new(1, Purpose::Check).fill_normal(&mut params);
            params.iter_mut().for_each(|p| *p *= 0.4);
            let x = Array2::from_shape_fn((3, 6), |(i, j)| ((i + j) % 2) as f64);
            let noise = Noise::new(Address::new(2, Purpose::Check), &[0, 1, 2]);
            for beta in [1.0, 0.0] {
                let gradient = |weight: f64| {
                    let mut ws = Workspace::new(&vae, 3, 4, Pass::Gradient).unwrap();
                    let mut d = Gradient::zeros(vae.layout());
                    let objective = EverySecond(weight);
                    vae.loss_and_gradient(
                        &mut d,
                        &mut ws,
                        &x.view(),
                        &params,
                        noise,
                        &objective,
                        beta,
                    );
                    d.values().to_vec()
                };
                let (without, with) = (gradient(0.0), gradient(1e-200));
                let largest = with.iter().fold(0.0, |max: f64, d| max.max(d.abs()));
                assert!(largest > 0.1);
                for (a, b) in without.iter().zip(&with) {
                    assert!((a - b).abs() <= 1e-14 * largest, "β = {beta}: {a} {b}");
                }
            }
        }
    }
}

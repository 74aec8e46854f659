//! How heavy a tail is: a generalised Pareto distribution fitted to it.
//!
//! ```text
//! density   (1/σ) (1 + k x/σ)^{−1/k − 1}   of the excess x over a threshold; moments of order < 1/k exist
//!           E x = σ / (1 − k)              E x² = 2σ² / ((1 − k)(1 − 2k))
//! ```
//!
//! With θ = −k/σ the likelihood depends on one unknown: for a given θ it is largest at
//! k(θ) = (1/n) Σ ln(1 − θ x_i), where the log-likelihood is ℓ(θ) = n [ ln(−θ/k) − k − 1 ]. The estimate is
//! the mean of θ over a grid, weighted by exp ℓ(θ), and k̂ = k(θ̂): nearly as efficient as the maximum
//! and always there (Zhang & Stephens 2009). A few excesses tell little about k, so it is drawn towards ½ as
//! if ten more had said so (Vehtari et al. 2024, appendix G).

/// Fewer excesses say nothing.
pub(super) const FEWEST: usize = 5;

/// What k is drawn towards, and with the weight of how many excesses.
const PRIOR: (f64, f64) = (0.5, 10.0);

/// A generalised Pareto distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pareto {
    /// k; infinite where the largest excess is so far from the others that nothing can be fitted.
    pub(super) shape: f64,
    /// σ
    pub(super) scale: f64,
}

impl Pareto {
    /// E (u + x)² for a threshold u; infinite from k = ½ on.
    pub(super) fn square_above(&self, threshold: f64) -> f64 {
        let Pareto { shape: k, scale } = *self;
        if k >= 0.5 {
            return f64::INFINITY;
        }
        let mean = scale / (1.0 - k);
        let square = 2.0 * scale * mean / (1.0 - 2.0 * k);
        threshold * threshold + 2.0 * threshold * mean + square
    }
}

/// The fit to the excesses `x`, at least [`FEWEST`], of which the largest is of the order of 1 (or all are
/// 0: then there is no tail, and k̂ is that of a bounded one).
pub(super) fn fit(mut x: Vec<f64>) -> Pareto {
    x.sort_by(f64::total_cmp);
    let n = x.len();
    let largest = x[n - 1];
    // Equal weights, but for rounding: less than any bounded tail.
    if largest <= 1e-9 {
        return Pareto { shape: drawn(0.0, n), scale: 0.0 };
    }
    // A quarter or more of them nothing beside the largest: heavier than anything with a mean.
    let quartile = x[((n as f64 / 4.0 + 0.5).floor() as usize).max(1) - 1];
    if quartile <= 0.0 {
        return Pareto { shape: f64::INFINITY, scale: 0.0 };
    }
    let shape_at = |theta: f64| x.iter().map(|x| (-theta * x).ln_1p()).sum::<f64>() / n as f64;
    let grid = 30 + (n as f64).sqrt().floor() as usize;
    let points: Vec<(f64, f64)> = (1..=grid)
        .map(|j| {
            let spread = 1.0 - (grid as f64 / (j as f64 - 0.5)).sqrt();
            let theta = 1.0 / largest + spread / (3.0 * quartile);
            let k = shape_at(theta);
            (theta, n as f64 * ((-theta / k).ln() - k - 1.0))
        })
        .collect();
    let best = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let (mut weights, mut sum) = (0.0, 0.0);
    for (theta, log_likelihood) in points {
        let weight = (log_likelihood - best).exp();
        if weight > 0.0 {
            weights += weight;
            sum += weight * theta;
        }
    }
    let theta = sum / weights;
    let k = shape_at(theta);
    Pareto { shape: drawn(k, n), scale: -k / theta }
}

fn drawn(k: f64, n: usize) -> f64 {
    let (towards, weight) = PRIOR;
    (k * n as f64 + towards * weight) / (n as f64 + weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Address, Purpose};
    use rand::RngExt;

    /// Draws by inversion: x = σ ((1 − u)^{−k} − 1)/k. Over 200 samples of 300 the mean estimate is k but
    /// for the small pull of the prior, and it scatters as (1 + k)/√n (Smith 1987).
    #[test]
    fn the_shape_of_generalised_pareto_draws_is_found() {
        for (i, k) in [-0.5, 1e-9, 0.3, 0.7, 1.5].into_iter().enumerate() {
            let estimate = |repeat| {
                let address = Address::new(i as u64, Purpose::Check).row(repeat);
                let mut rng = address.rng();
                let mut draw = || ((1.0 - rng.random::<f64>()).powf(-k) - 1.0) / k;
                fit((0..300).map(|_| draw()).collect()).shape
            };
            let found: Vec<f64> = (0..200).map(estimate).collect();
            let mean = found.iter().sum::<f64>() / 200.0;
            let sd = (found.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
            let expected: f64 = (k * 300.0 + 5.0) / 310.0;
            assert!((mean - expected).abs() < 0.03, "k = {k}: {mean}");
            assert!(sd < 1.2 * (1.0 + k.max(0.0)) / 300f64.sqrt(), "k = {k}: {sd}");
        }
    }

    #[test]
    fn scale_does_not_matter() {
        let x: Vec<f64> = (1..=40).map(|i| (i as f64 / 41.0).powi(-2) - 1.0).collect();
        let smaller = fit(x.iter().map(|x| x * 1e-3).collect());
        let fitted = fit(x);
        assert!((fitted.shape - smaller.shape).abs() < 1e-9);
        assert!((fitted.scale * 1e-3 / smaller.scale - 1.0).abs() < 1e-9);
    }

    #[test]
    fn degenerate_tails_have_an_answer() {
        assert!(fit(vec![0.0; 9]).shape < 0.5);
        assert_eq!(fit([vec![0.0; 9], vec![1.0]].concat()).shape, f64::INFINITY);
        assert!(fit([vec![1e-300; 9], vec![1.0]].concat()).shape > 1.0);
    }

    /// By a sum over the quantiles x = σ ((1 − u)^{−k} − 1)/k.
    #[test]
    fn the_mean_square_is_that_of_the_distribution() {
        for (shape, scale, threshold) in [(0.2, 0.7, 0.3), (-0.4, 2.0, 0.0)] {
            let n = 2_000_000;
            let draw = |i: usize| {
                let rest = 1.0 - (i as f64 + 0.5) / n as f64;
                threshold + scale * (rest.powf(-shape) - 1.0) / shape
            };
            let want = (0..n).map(|i| draw(i).powi(2)).sum::<f64>() / n as f64;
            let found = Pareto { shape, scale }.square_above(threshold);
            assert!((found / want - 1.0).abs() < 1e-3, "{found} {want}");
        }
        assert_eq!(Pareto { shape: 0.5, scale: 1.0 }.square_above(0.0), f64::INFINITY);
    }
}

//! A monotone map of a column's numbers to normal scores, with its inverse and its Jacobian.
//!
//! ```text
//! Knots     (x_k, u_k), k = 0 … K: quantiles of the numbers, and Φ⁻¹ of their shares
//!           slopes s_k = (u_{k+1} − u_k)/(x_{k+1} − x_k), derivatives d_k at the knots between those of both sides
//! Forward   with ξ = (x − x_k)/(x_{k+1} − x_k), v = ξ(1 − ξ), D = s + (d_{k+1} + d_k − 2s) v
//!           u = u_k + (u_{k+1} − u_k)(s ξ² + d_k v)/D
//! Inverse   ξ = 2c/(−b − √(b² − 4ac)), with y = u − u_k, h = u_{k+1} − u_k, t = d_{k+1} + d_k − 2s,
//!           a = h(s − d_k) + y t,  b = h d_k − y t,  c = −s y
//! Density   du/dx = s²(d_{k+1} ξ² + 2 s v + d_k (1 − ξ)²)/D²
//! Tails     straight lines of slopes d_0 and d_K beyond the first and the last knot: where u is normal, so is x there
//! Numerics  the inverse does not subtract numbers of one size; u is strictly increasing, for all d_k > 0
//! Source    Gregory & Delbourgo 1982, "Piecewise rational quadratic interpolation to monotonic data"; the inverse: Durkan et al.
//!           2019, "Neural spline flows", eqs. 4–8
//! ```
//!
//! du/dx is continuous, so that a density is. The knots are as many as the rows can bear ([`PER_KNOT`] each), at most
//! [`MOST`]: more would follow single rows.

use crate::error::{Error, Result};
use crate::math::normal;

/// Knots at most, and rows that each needs.
const MOST: usize = 256;
const PER_KNOT: usize = 30;

/// A map of numbers to normal scores.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "model-file", serde(deny_unknown_fields))]
pub struct Quantiles {
    /// Where the knots are, x_k, rising.
    pub x: Vec<f64>,
    /// Their scores, u_k, rising.
    pub u: Vec<f64>,
}

impl Quantiles {
    /// The map that gives these numbers normal scores; nothing for too few, or for such as are equal in too many rows.
    pub fn fit(numbers: &[f64]) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let knots = (n / PER_KNOT).min(MOST);
        if knots < 8 {
            return None;
        }
        let (mut x, mut u) = (Vec::with_capacity(knots), Vec::with_capacity(knots));
        for k in 0..knots {
            // The middle of each of so many equal shares, between two rows where it falls so.
            let share = (k as f64 + 0.5) / knots as f64;
            let place = share * (n - 1) as f64;
            let (below, part) = (place.floor() as usize, place.fract());
            let at = sorted[below] + part * (sorted[(below + 1).min(n - 1)] - sorted[below]);
            let score = normal::quantile(share);
            if x.last().is_none_or(|last| at > *last) {
                x.push(at);
                u.push(score);
            }
        }
        // One number in many rows is a jump, which no density has.
        let map = Quantiles { x, u };
        (map.x.len() >= knots * 3 / 4 && map.check().is_ok()).then_some(map)
    }

    /// Checks that the map rises: of a file that may be forged.
    ///
    /// # Errors
    /// If it does not, or not by numbers that can be computed with.
    pub fn check(&self) -> Result<()> {
        let rises = |v: &[f64]| v.windows(2).all(|w| w[0] < w[1]);
        let slopes = || (0..self.x.len().saturating_sub(1)).map(|k| self.slope(k));
        let sound = (2..=MOST).contains(&self.x.len())
            && self.x.len() == self.u.len()
            && rises(&self.x)
            && rises(&self.u)
            && self.x.iter().chain(&self.u).all(|v| v.is_finite())
            && slopes().all(|s| s.is_normal() && (1e-100..1e100).contains(&s));
        if sound { Ok(()) } else { Err(Error::setting("quantiles", "are no map that rises")) }
    }

    /// s_k
    fn slope(&self, k: usize) -> f64 {
        (self.u[k + 1] - self.u[k]) / (self.x[k + 1] - self.x[k])
    }

    /// d_k: the geometric mean of the slopes of both sides, which is between them.
    fn derivative(&self, k: usize) -> f64 {
        let last = self.x.len() - 2;
        let [before, after] = [k.saturating_sub(1), k.min(last)].map(|k| self.slope(k));
        before.sqrt() * after.sqrt()
    }

    /// The piece between knots that a value lies in, by those of one side; nothing beyond the ends.
    fn piece(knots: &[f64], value: f64) -> Option<usize> {
        let after = knots.partition_point(|knot| *knot <= value);
        (1..knots.len()).contains(&after).then(|| after - 1)
    }

    /// The end that a value lies beyond: its knot.
    fn end(knots: &[f64], value: f64) -> usize {
        if value < knots[0] { 0 } else { knots.len() - 1 }
    }

    /// u of x; NaN of NaN.
    pub fn apply(&self, x: f64) -> f64 {
        let Some(k) = Quantiles::piece(&self.x, x) else {
            let end = Quantiles::end(&self.x, x);
            return self.u[end] + self.derivative(end) * (x - self.x[end]);
        };
        let (s, [d, e]) = (self.slope(k), [k, k + 1].map(|k| self.derivative(k)));
        let xi = (x - self.x[k]) / (self.x[k + 1] - self.x[k]);
        let v = xi * (1.0 - xi);
        let height = self.u[k + 1] - self.u[k];
        self.u[k] + height * (s * xi * xi + d * v) / (s + (e + d - 2.0 * s) * v)
    }

    /// x of u; NaN of NaN.
    pub fn undo(&self, u: f64) -> f64 {
        let Some(k) = Quantiles::piece(&self.u, u) else {
            let end = Quantiles::end(&self.u, u);
            return self.x[end] + (u - self.u[end]) / self.derivative(end);
        };
        let (s, [d, e]) = (self.slope(k), [k, k + 1].map(|k| self.derivative(k)));
        let (y, height, t) = (u - self.u[k], self.u[k + 1] - self.u[k], e + d - 2.0 * s);
        let (a, b, c) = (height * (s - d) + y * t, height * d - y * t, -s * y);
        let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
        let xi = 2.0 * c / (-b - root);
        self.x[k] + xi * (self.x[k + 1] - self.x[k])
    }

    /// ln du/dx at x.
    pub fn log_derivative(&self, x: f64) -> f64 {
        let Some(k) = Quantiles::piece(&self.x, x) else {
            return self.derivative(Quantiles::end(&self.x, x)).ln();
        };
        let (s, [d, e]) = (self.slope(k), [k, k + 1].map(|k| self.derivative(k)));
        let xi = (x - self.x[k]) / (self.x[k + 1] - self.x[k]);
        let v = xi * (1.0 - xi);
        let top = e * xi * xi + 2.0 * s * v + d * (1.0 - xi) * (1.0 - xi);
        2.0 * s.ln() + top.ln() - 2.0 * (s + (e + d - 2.0 * s) * v).ln()
    }

    /// The mean log-density of numbers that this map makes normal, in their own units.
    pub fn mean_log_density(&self, numbers: &[f64]) -> f64 {
        let of = |x: &f64| {
            let u = self.apply(*x);
            -0.5 * (crate::math::LN_2PI + u * u) + self.log_derivative(*x)
        };
        numbers.iter().map(of).sum::<f64>() / numbers.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Address, Purpose};
    use rand::RngExt;

    /// Incomes, say: e^(2 z), skewed, over four decades.
    fn skewed(n: u64) -> Vec<f64> {
        let mut eps = vec![0.0; n as usize];
        Address::new(1, Purpose::Check).fill_normal(&mut eps);
        eps.into_iter().map(|z: f64| 1e4 * (1.2 * z).exp()).collect()
    }

    #[test]
    fn the_inverse_is_exact_for_every_number_and_beyond_them() {
        let numbers = skewed(5000);
        let map = Quantiles::fit(&numbers).unwrap();
        assert_eq!(map.x.len(), 166);
        let most = numbers.iter().copied().fold(0.0, f64::max);
        for x in numbers.iter().copied().chain([-1e5, 0.0, 3.0 * most]).chain(map.x.clone()) {
            let again = map.undo(map.apply(x));
            assert!((again - x).abs() <= 1e-12 * (1e3 + x.abs()), "{x} {again}");
        }
        for u in [-9.0, -1.5, 0.0, 0.3, 12.0] {
            assert!((map.apply(map.undo(u)) - u).abs() < 1e-10 * (1.0 + u.abs()));
        }
        assert!(map.apply(f64::NAN).is_nan() && map.undo(f64::NAN).is_nan());
    }

    #[test]
    fn the_scores_are_normal_and_rise() {
        let numbers = skewed(5000);
        let map = Quantiles::fit(&numbers).unwrap();
        let mut scores: Vec<f64> = numbers.iter().map(|x| map.apply(*x)).collect();
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let variance = scores.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let mut sorted = numbers.clone();
        sorted.sort_by(f64::total_cmp);
        let of_sorted: Vec<f64> = sorted.iter().map(|x| map.apply(*x)).collect();
        scores.sort_by(f64::total_cmp);
        assert_eq!(scores, of_sorted);
    }

    /// Against central differences within pieces, at knots from both sides, and in the tails.
    #[test]
    fn the_density_is_the_derivative_and_has_no_jumps() {
        let map = Quantiles::fit(&skewed(3000)).unwrap();
        let mut rng = Address::new(2, Purpose::Check).rng();
        let (least, most) = (map.x[0], map.x[map.x.len() - 1]);
        for i in 0..300 {
            let x = match i % 3 {
                0 => map.x[i % map.x.len()] + 1e-6 * least,
                1 => least - rng.random::<f64>() * 1e4,
                _ => map.undo(-2.0 + 4.0 * rng.random::<f64>()),
            };
            let h = 1e-7 * x.abs().max(least);
            let found = map.log_derivative(x).exp();
            let difference = (map.apply(x + h) - map.apply(x - h)) / (2.0 * h);
            assert!((found / difference - 1.0).abs() < 1e-4, "{x}: {found} {difference}");
        }
        for knot in &map.x {
            let h = 1e-9 * knot;
            let jump = map.log_derivative(knot + h) - map.log_derivative(knot - h);
            assert!(jump.abs() < 1e-4, "{knot}: {jump}");
        }
        // A density: it integrates to 1, by the trapezium rule between far ends.
        let (low, high) = (map.undo(-7.0), map.undo(7.0));
        let density = |x: f64| map.mean_log_density(&[x]).exp();
        let cuts = |from: f64, to: f64| -> f64 {
            let h = (to - from) / 4000.0;
            (0..4000)
                .map(|i| {
                    0.5 * h * (density(from + h * i as f64) + density(from + h * (i + 1) as f64))
                })
                .sum()
        };
        let ends: Vec<f64> = [low].into_iter().chain(map.x.clone()).chain([high]).collect();
        let all: f64 = ends.windows(2).map(|w| cuts(w[0], w[1])).sum();
        assert!((all - 1.0).abs() < 1e-5, "{all} from {low} to {most} to {high}");
    }

    #[test]
    fn what_has_no_density_has_no_map() {
        assert_eq!(Quantiles::fit(&skewed(100)), None);
        let mostly_zero: Vec<f64> = skewed(2000)
            .into_iter()
            .enumerate()
            .map(|(i, x)| if i % 2 == 0 { 0.0 } else { x })
            .collect();
        assert_eq!(Quantiles::fit(&mostly_zero), None);
        for (x, u) in [
            (vec![0.0, 0.0], vec![0.0, 1.0]),
            (vec![0.0, 1.0], vec![1.0, 0.0]),
            (vec![0.0], vec![0.0]),
            (vec![0.0, f64::INFINITY], vec![0.0, 1.0]),
            (vec![0.0, 1.0], vec![0.0, 1.0, 2.0]),
            (vec![0.0, 1e-200], vec![0.0, 1.0]),
        ] {
            assert!(Quantiles { x, u }.check().is_err());
        }
    }
}

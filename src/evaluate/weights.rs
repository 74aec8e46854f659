//! The sums over a row's importance weights, and their tail.

use super::importance::{LogPx, TailShape};
use super::pareto::{self, Pareto};

/// Σ w and Σ w² of a stream of log w, relative to the largest so far, and the largest weights.
#[derive(Clone)]
pub(super) struct WeightSums {
    max: f64,
    sum: f64,
    squares: f64,
    count: f64,
    tail: Tail,
}

impl WeightSums {
    /// For `samples` weights.
    pub(super) fn new(samples: usize) -> Self {
        let tail = Tail::of(samples);
        WeightSums { max: f64::NEG_INFINITY, sum: 0.0, squares: 0.0, count: 0.0, tail }
    }

    pub(super) fn add(&mut self, log_w: f64) {
        self.count += 1.0;
        if log_w > self.max {
            let shrink = (self.max - log_w).exp(); // 0 for the first weight
            self.sum *= shrink;
            self.squares *= shrink * shrink;
            self.max = log_w;
        }
        // A weight of −∞ (or a first one that is not a number) must not turn into exp(NaN) unseen.
        let w = if log_w == f64::NEG_INFINITY { 0.0 } else { (log_w - self.max).exp() };
        self.sum += w;
        self.squares += w * w;
        self.tail.add(log_w);
    }

    /// What they say of a row; its number is the caller's to fill in.
    pub(super) fn estimate(mut self) -> LogPx {
        let mean = self.sum / self.count;
        let fitted = self.tail.fit(self.max);
        // What the draws happen to show of the tail's squares, or more if that is to be expected.
        let unseen = fitted.as_ref().map_or(0.0, |f| f.expected - f.squares);
        let unseen = if unseen.is_finite() { unseen.max(0.0) } else { 0.0 };
        let squares = self.squares + unseen;
        let variance = (squares / self.count - mean * mean).max(0.0) / (self.count - 1.0);
        LogPx {
            number: 0,
            estimate: self.max + mean.ln(),
            standard_error: variance.sqrt() / mean,
            effective: self.sum * self.sum / self.squares,
            largest: 1.0 / self.sum,
            tail: fitted.map(|f| f.shape),
        }
    }
}

/// The largest of a stream of log w.
#[derive(Clone)]
struct Tail {
    /// How many belong to the tail: min(S/5, 3√S) (Vehtari et al. 2024, section 2.2).
    length: usize,
    /// The largest so far, more than needed: some are dropped when twice as many have come in.
    values: Vec<f64>,
    /// What is below this is not among the largest.
    least: f64,
}

impl Tail {
    fn of(samples: usize) -> Self {
        let s = samples as f64;
        let length = (0.2 * s).min(3.0 * s.sqrt()).ceil() as usize;
        Tail { length, values: Vec::new(), least: f64::NEG_INFINITY }
    }

    fn add(&mut self, log_w: f64) {
        if log_w > self.least {
            self.values.push(log_w);
            if self.values.len() >= 2 * (self.length + 1) {
                self.keep_largest();
            }
        }
    }

    /// The tail and the one value below it, where it starts, which stands at its end.
    fn keep_largest(&mut self) {
        if self.values.len() > self.length + 1 {
            self.values.select_nth_unstable_by(self.length, |a, b| b.total_cmp(a));
            self.values.truncate(self.length + 1);
        }
        self.least = self.values[self.length];
    }

    /// The fit to the weights relative to `max`.
    fn fit(&mut self, max: f64) -> Option<Fit> {
        if self.length < pareto::FEWEST || self.values.len() <= self.length {
            return None;
        }
        self.keep_largest();
        let start = (self.least - max).exp();
        let weights = self.values[..self.length].iter().map(|l| (l - max).exp());
        let squares = weights.clone().map(|w| w * w).sum();
        let Pareto { shape: k, scale } = pareto::fit(weights.map(|w| w - start).collect());
        let standard_error = (1.0 + k.max(0.0)) / (self.length as f64).sqrt();
        // On the safe side: k may be larger than it looks.
        let heavier = Pareto { shape: k + standard_error, scale };
        let expected = self.length as f64 * heavier.square_above(start);
        Some(Fit { shape: TailShape { k, standard_error }, squares, expected })
    }
}

/// What is known of a tail.
struct Fit {
    shape: TailShape,
    /// Σ w² of the weights in the tail, and what the fit lets one expect it to be if k is a standard error
    /// larger than k̂.
    squares: f64,
    expected: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streaming_sums_are_the_plain_ones() {
        let log_w = [-700.0, -690.5, -1200.0, -689.0, f64::NEG_INFINITY, -695.0];
        let mut sums = WeightSums::new(log_w.len());
        log_w.iter().for_each(|&l| sums.add(l));
        let found = sums.estimate();
        let w: Vec<f64> = log_w.iter().map(|l| (l + 689.0f64).exp()).collect();
        let n = w.len() as f64;
        let (sum, squares) = (w.iter().sum::<f64>(), w.iter().map(|w| w * w).sum::<f64>());
        let mean = sum / n;
        let variance = w.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((found.estimate - (mean.ln() - 689.0)).abs() < 1e-12);
        assert!((found.standard_error - (variance / n).sqrt() / mean).abs() < 1e-12);
        assert!((found.effective - sum * sum / squares).abs() < 1e-12);
        assert!((found.largest - 1.0 / sum).abs() < 1e-12);
        assert_eq!(found.tail, None); // six weights have none
    }

    #[test]
    fn the_tail_is_that_of_the_sorted_weights() {
        for samples in [25, 26, 224, 225, 1000, 1001] {
            // In no order: multiples of the golden ratio, modulo 1, times 30.
            let log_w: Vec<f64> = (0..samples).map(|i| i as f64 * 0.618_034 % 1.0 * 30.0).collect();
            let mut sums = WeightSums::new(samples);
            log_w.iter().for_each(|&l| sums.add(l));
            let mut sorted = log_w;
            sorted.sort_by(|a, b| b.total_cmp(a));
            let length = (samples as f64 / 5.0).min(3.0 * (samples as f64).sqrt()).ceil() as usize;
            let weight = |l: f64| (l - sorted[0]).exp();
            let over =
                sorted[..length].iter().map(|l| weight(*l) - weight(sorted[length])).collect();
            let tail = sums.estimate().tail.unwrap();
            assert_eq!(tail.k, pareto::fit(over).shape);
            assert_eq!(tail.standard_error, (1.0 + tail.k.max(0.0)) / (length as f64).sqrt());
        }
    }

    #[test]
    fn equal_weights_have_no_tail_and_one_that_is_all_has_the_heaviest() {
        let mut sums = WeightSums::new(1000);
        (0..1000).for_each(|_| sums.add(-5.0));
        let found = sums.estimate();
        assert_eq!((found.effective, found.largest), (1000.0, 0.001));
        assert!(found.standard_error == 0.0 && found.has_error(), "{found:?}");

        let mut sums = WeightSums::new(100);
        (0..100).for_each(|i| sums.add(if i == 7 { 0.0 } else { -2000.0 - i as f64 }));
        let found = sums.estimate();
        assert_eq!((found.effective, found.largest), (1.0, 1.0));
        assert!(!found.has_error(), "{found:?}");
    }
}

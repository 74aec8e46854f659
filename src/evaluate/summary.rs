//! What the rows' estimates of log p(x) say together, and whether it deserves an error bar.
//!
//! The mean over rows has three errors. The noise of distinct rows is independent, so its variance adds up;
//! equal rows share theirs, so that m of them count m times in one piece. The logarithm's bias has one sign and
//! does not average out. And rows whose weights have too heavy a tail may be off by any amount.
//!
//! ```text
//! v = mean −log ŵ       se² = Σ m² se_i² / n²       b = Σ m ½ se_i² / n
//! 95 % interval of −log p(x):   v − 1.96 se − 2 b  …  v + 1.96 se          for a bias of up to twice b
//! ```
//!
//! It is stated only where rows with a heavy tail hold little of se² and of b, and where the tails of all, the more
//! a row has of se² the more it counts, are light on average ([`TailShape::is_light`]).

use super::importance::{LogPx, TailShape};
use std::collections::HashMap;
use std::fmt;

/// What is known of the mean of −log p(x) over rows, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The estimate, on average too large (a bound).
    pub neg_log_px: f64,
    /// Its Monte-Carlo standard error, and the 95 % interval that this and the bias leave; or why there is none.
    pub error: Result<(f64, [f64; 2]), Doubt>,
    /// The standard error over rows ([`error_over_rows`]).
    pub over_rows: f64,
    /// The effective sample size of the median row, and of the worst.
    pub effective: [f64; 2],
    /// The largest share that one weight has in its row's sum.
    pub largest: f64,
    /// k̂ of the worst row, if there were samples enough to see one.
    pub tail: Option<f64>,
}

/// Why an estimate has no error bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// So few samples do not show their weights' tail.
    FewSamples,
    /// So many rows of all have weights with too heavy a tail, the worst k̂ being this.
    HeavyTail {
        /// Rows whose tail is not surely light ([`TailShape::is_light`]).
        rows: usize,
        /// The worst of their k̂.
        worst: f64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::FewSamples => write!(f, "too few samples to see the tail of their weights"),
            Doubt::HeavyTail { rows, worst } => {
                let rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
                write!(
                    f,
                    "the weights of {rows} may have no variance (k̂ up to {worst:.2}; it must be safely below {})",
                    TailShape::HEAVY
                )
            }
        }
    }
}

/// The share of se² and b that rows with a heavy tail may have.
const HEAVY_SHARE: f64 = 0.1;

/// 97.5 % of a normal lie below.
const NORMAL: f64 = 1.96;

impl Summary {
    /// Of the estimates of at least one row.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(estimates: &[LogPx]) -> Self {
        let n = estimates.len() as f64;
        let neg_log_px = -estimates.iter().map(|e| e.estimate).sum::<f64>() / n;
        let mut effective: Vec<f64> = estimates.iter().map(|e| e.effective).collect();
        effective.sort_by(f64::total_cmp);
        let largest = estimates.iter().map(|e| e.largest).fold(0.0, f64::max);
        let tails = estimates.iter().map(|e| e.tail.map(|t| t.k));
        let tail = tails.reduce(|a, b| Some(a?.max(b?))).expect("at least one row");
        Summary {
            neg_log_px,
            error: error(estimates, neg_log_px, tail),
            over_rows: error_over_rows(estimates.iter().map(|e| e.estimate)),
            effective: [effective[effective.len() / 2], effective[0]],
            largest,
            tail,
        }
    }
}

/// How far the mean over these rows may be from that over all rows that there could be: their deviation over √N.
pub fn error_over_rows(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let squares = values.map(|v| (v - mean).powi(2)).sum::<f64>();
    if n > 1.0 { (squares / (n - 1.0) / n).sqrt() } else { f64::INFINITY }
}

fn error(
    estimates: &[LogPx],
    neg_log_px: f64,
    tail: Option<f64>,
) -> Result<(f64, [f64; 2]), Doubt> {
    let Some(worst) = tail else { return Err(Doubt::FewSamples) };
    let rows = estimates.iter().filter(|e| !e.has_error()).count();
    let doubt = Doubt::HeavyTail { rows, worst };
    let squares = |e: &LogPx| e.standard_error.powi(2);
    let all = estimates.iter().map(squares).sum::<f64>();
    let heavy = |e: &&LogPx| e.tail.is_some_and(|t| t.k > TailShape::HEAVY);
    let of_heavy = estimates.iter().filter(heavy).map(squares).sum::<f64>();
    // Of sums that are not finite no share is small.
    if !all.is_finite() || of_heavy > HEAVY_SHARE * all {
        return Err(doubt);
    }
    // Where nothing scatters, there is nothing to weigh the tails by.
    let shares = estimates.iter().map(|e| if all > 0.0 { squares(e) / all } else { 0.0 });
    let tails = shares.zip(estimates.iter().filter_map(|e| e.tail));
    let (k, variance) = tails.fold((0.0, 0.0), |(k, variance), (share, tail)| {
        (k + share * tail.k, variance + (share * tail.standard_error).powi(2))
    });
    if !(TailShape { k, standard_error: variance.sqrt() }).is_light() {
        return Err(doubt);
    }
    let se = standard_error_of_mean(estimates.iter().map(|e| (e.number, e.standard_error)));
    let bias = 0.5 * all / estimates.len() as f64;
    Ok((se, [neg_log_px - NORMAL * se - 2.0 * bias, neg_log_px + NORMAL * se]))
}

/// The standard error of the mean over rows, from each row's number and standard error: rows of one number
/// share their noise, those of different numbers have independent noise.
pub fn standard_error_of_mean(rows: impl Iterator<Item = (u64, f64)>) -> f64 {
    let (mut count, mut sums) = (0.0, HashMap::<u64, f64>::new());
    for (number, error) in rows {
        count += 1.0;
        *sums.entry(number).or_default() += error;
    }
    let mut sums: Vec<(u64, f64)> = sums.into_iter().collect();
    sums.sort_unstable_by_key(|(number, _)| *number); // a fixed order, for the same last digit
    sums.iter().map(|(_, error)| error * error).sum::<f64>().sqrt() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64, standard_error: f64, tail: f64) -> LogPx {
        LogPx {
            number,
            estimate: -3.0,
            standard_error,
            effective: 50.0 + number as f64,
            largest: 0.1,
            tail: Some(TailShape { k: tail, standard_error: 0.1 }),
        }
    }

    #[test]
    fn equal_rows_share_their_error() {
        let of = |numbers: [u64; 4]| standard_error_of_mean(numbers.into_iter().map(|n| (n, 0.2)));
        assert!((of([1, 2, 3, 4]) - 0.1).abs() < 1e-15);
        assert!((of([1, 1, 1, 1]) - 0.2).abs() < 1e-15);
        assert!((of([1, 1, 2, 2]) - 0.2 / 2f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn the_interval_has_room_for_the_bias() {
        let rows: Vec<LogPx> = (0..4).map(|i| row(i, 0.2, 0.1)).collect();
        let summary = Summary::of(&rows);
        let (se, [low, high]) = summary.error.unwrap();
        assert!((se - 0.1).abs() < 1e-15);
        assert!((high - 3.196).abs() < 1e-12 && (low - (3.0 - 0.196 - 0.04)).abs() < 1e-12);
        assert_eq!(summary.effective, [52.0, 50.0]);
    }

    #[test]
    fn a_heavy_tail_is_named_where_it_matters() {
        let heavy = |error| {
            let mut rows: Vec<LogPx> = (0..99).map(|i| row(i, 0.2, 0.1)).collect();
            rows.push(row(99, error, 0.8));
            Summary::of(&rows).error
        };
        assert!(heavy(0.2).is_ok());
        assert_eq!(heavy(0.9), Err(Doubt::HeavyTail { rows: 1, worst: 0.8 }));
        assert_eq!(heavy(f64::NAN), Err(Doubt::HeavyTail { rows: 1, worst: 0.8 }));
        let few = LogPx { tail: None, ..row(1, 0.2, 0.0) };
        assert_eq!(Summary::of(&[row(0, 0.2, 0.1), few]).error, Err(Doubt::FewSamples));
    }
}

//! Judging a model on held-out rows: its bound, and log p(x) by importance sampling.
//!
//! ```text
//! log p(x) = log E_q[w],  w = p(x|z) p(z) / q(z|x)      estimated by  log (1/S) Σ_s w_s
//! ```
//!
//! The estimate is a lower bound in expectation for every S and rises to log p(x) with S (Burda et
//! al. 2016, theorem 1). Its own Monte-Carlo error is that of a mean of S weights, carried through
//! the logarithm by the delta method:
//!
//! ```text
//! se[ log ŵ ] ≈ sd(w) / (√S · ŵ)
//! ```
//!
//! Samples stream by in groups: memory does not grow with S, and the sums are kept relative to the
//! largest log w so far, so that no weight overflows or vanishes.
//!
//! The noise of a row depends on the row, the sample and the purpose, not on the epoch and not on
//! how rows are grouped: the same weights on the same rows give the same figures.

use crate::data::Part;
use crate::distribution::Support;
use crate::error::{Error, Result};
use crate::objective::Objective;
use crate::parallel;
use crate::real::Real;
use crate::rng::Address;
use crate::vae::{Noise, Pass, Score, Vae, Workspace};
use ndarray::ArrayView2;

/// Draws that go through the networks at a time: enough for products to run at full speed, few
/// enough to stay in cache.
const DRAWS: usize = 1000;

/// Values of the rows that go through the networks at a time, where a row has very many.
const VALUES: usize = 1 << 24;

/// Importance samples of a row that go through the networks at a time.
const GROUP: usize = 50;

/// The estimate of one row's log p(x), in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogPx {
    /// log (1/S) Σ_s w_s
    pub estimate: f64,
    /// Its Monte-Carlo standard error. Not finite for S = 1, which tells nothing about the spread.
    pub standard_error: f64,
}

impl LogPx {
    /// The estimate in the data's own units, if the model sees the data in others.
    fn in_units(self, log_volume: f64) -> LogPx {
        LogPx { estimate: self.estimate - log_volume, ..self }
    }
}

/// Buffers to judge one model with, allocated once and used for every evaluation.
pub struct Evaluator<T> {
    ws: Workspace<T>,
    x: Vec<T>,
    width: usize,
}

impl<T: Real> Evaluator<T> {
    /// Buffers for `vae` with `samples` draws of each row.
    ///
    /// # Errors
    /// As [`Workspace::new`].
    pub fn new(vae: &Vae<T>, samples: usize) -> Result<Self> {
        let width = vae.config().width;
        let rows = (DRAWS / samples.max(1)).min(VALUES / width).max(1);
        let ws = Workspace::new(vae, rows, samples, Pass::Value)?;
        Ok(Evaluator { ws, x: vec![T::zero(); rows * width], width })
    }

    /// The mean score of a part's rows under `objective` at β = 1, with noise from `address`, in the
    /// data's own units.
    ///
    /// # Errors
    /// As [`Part::gather`].
    pub fn score(
        &mut self,
        vae: &Vae<T>,
        params: &[T],
        part: &Part,
        objective: &dyn Objective<T>,
        address: Address,
    ) -> Result<Score> {
        parallel::enter(|| {
            let mut total = Score::default();
            for rows in part.rows().chunks(self.ws.max_rows()) {
                let x = gather(&mut self.x, part, rows, self.width)?;
                let noise = Noise { address, rows, first_sample: 0 };
                let score = vae.loss(&mut self.ws, &x, params, noise, objective, T::one());
                total.add(&score, rows.len() as f64);
            }
            Ok(total.mean(part.rows().len() as f64).in_units(part.log_volume()))
        })
    }

    /// The score of each row of a part under the ELBO at β = 1, with noise from `address` and in the
    /// data's own units. Their mean is what [`Self::score`] gives for the plain ELBO. A row's score
    /// depends on the row and its number, so that scores of different calls can be compared.
    ///
    /// # Errors
    /// As [`Part::gather`].
    pub fn score_rows(
        &mut self,
        vae: &Vae<T>,
        params: &[T],
        part: &Part,
        address: Address,
    ) -> Result<Vec<Score>> {
        let mut scores = Vec::with_capacity(part.rows().len());
        parallel::enter(|| {
            for rows in part.rows().chunks(self.ws.max_rows()) {
                let x = gather(&mut self.x, part, rows, self.width)?;
                let noise = Noise { address, rows, first_sample: 0 };
                vae.forward(&mut self.ws, &x, params, noise, vae.has_closed_form_kl());
                let score = |b| self.ws.score_of_row(b).in_units(part.log_volume());
                scores.extend((0..rows.len()).map(score));
            }
            Ok(scores)
        })
    }
}

fn gather<'a, T: Real>(
    x: &'a mut [T],
    part: &Part,
    rows: &[usize],
    width: usize,
) -> Result<ArrayView2<'a, T>> {
    let x = &mut x[..rows.len() * width];
    part.gather(x, rows, 0)?;
    Ok(ArrayView2::from_shape((rows.len(), width), x).expect("rows × width values"))
}

/// The estimate of log p(x) for every row of a part, from `samples` importance samples each, in the
/// data's own units.
///
/// `progress` is told how many rows are done and may end the work by returning false; the rows done
/// so far are then returned.
///
/// # Errors
/// If `samples` is 0 or above 2³² − 1, or the data are such that log p(x|z) is not a likelihood (grey values under a
/// Bernoulli), or they cannot be read any more.
pub fn log_px<T: Real>(
    vae: &Vae<T>,
    params: &[T],
    part: &Part,
    samples: usize,
    address: Address,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<LogPx>> {
    if let Support::CrossEntropy(reason) = part.support(vae.likelihood())? {
        return Err(Error::setting("samples", format!("log p(x) does not exist here: {reason}")));
    }
    if samples > u32::MAX as usize {
        return Err(Error::setting(
            "samples",
            "more than 2³² − 1 samples have no noise of their own",
        ));
    }
    let mut evaluator = Evaluator::new(vae, samples.min(GROUP))?;
    let mut estimates = Vec::with_capacity(part.rows().len());
    for rows in part.rows().chunks(evaluator.ws.max_rows()) {
        let x = gather(&mut evaluator.x, part, rows, evaluator.width)?;
        let found = log_px_of(vae, &mut evaluator.ws, &x, params, samples, address, rows);
        estimates.extend(found.into_iter().map(|e| e.in_units(part.log_volume())));
        if !progress(estimates.len()) {
            break;
        }
    }
    Ok(estimates)
}

/// The estimates for the rows `x: [B, D]`, which are the dataset rows `rows`; the noise of sample s
/// of dataset row r is that of the same sample and row at `address`.
///
/// # Panics
/// As [`Vae::forward`].
pub fn log_px_of<T: Real>(
    vae: &Vae<T>,
    ws: &mut Workspace<T>,
    x: &ArrayView2<T>,
    params: &[T],
    samples: usize,
    address: Address,
    rows: &[usize],
) -> Vec<LogPx> {
    let mut sums = vec![WeightSums::default(); rows.len()];
    parallel::enter(|| {
        let mut first_sample = 0;
        while first_sample < samples {
            let noise = Noise { address, rows, first_sample };
            vae.forward(ws, x, params, noise, false);
            let terms = ws.terms(T::one());
            // The last group may have more draws than are asked for.
            let wanted = ws.samples().min(samples - first_sample);
            for (b, sums) in sums.iter_mut().enumerate() {
                for k in 0..wanted {
                    let [log_px, log_prior, log_q] =
                        [terms.log_px, terms.log_prior, terms.log_q].map(|t| t[[b, k]].to_f64());
                    sums.add(log_px + (log_prior - log_q));
                }
            }
            first_sample += wanted;
        }
    });
    sums.iter().map(WeightSums::log_mean).collect()
}

/// Σ w and Σ w² of a stream of log w, relative to the largest so far.
#[derive(Clone, Copy)]
struct WeightSums {
    max: f64,
    sum: f64,
    squares: f64,
    count: f64,
}

impl Default for WeightSums {
    fn default() -> Self {
        WeightSums { max: f64::NEG_INFINITY, sum: 0.0, squares: 0.0, count: 0.0 }
    }
}

impl WeightSums {
    fn add(&mut self, log_w: f64) {
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
    }

    fn log_mean(&self) -> LogPx {
        let mean = self.sum / self.count;
        let variance = (self.squares / self.count - mean * mean).max(0.0) / (self.count - 1.0);
        LogPx { estimate: self.max + mean.ln(), standard_error: variance.sqrt() / mean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streaming_sums_are_the_plain_ones() {
        let log_w = [-700.0, -690.5, -1200.0, -689.0, f64::NEG_INFINITY, -695.0];
        let mut sums = WeightSums::default();
        log_w.iter().for_each(|&l| sums.add(l));
        let found = sums.log_mean();
        let w: Vec<f64> = log_w.iter().map(|l| (l + 689.0f64).exp()).collect();
        let n = w.len() as f64;
        let mean = w.iter().sum::<f64>() / n;
        let variance = w.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((found.estimate - (mean.ln() - 689.0)).abs() < 1e-12);
        assert!((found.standard_error - (variance / n).sqrt() / mean).abs() < 1e-12);
    }
}

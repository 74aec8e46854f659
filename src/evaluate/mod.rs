//! Judging a model on held-out rows: its bound, and log p(x) by importance sampling.
//!
//! A row is judged with noise that is addressed by what the row holds ([`crate::rng::number_of`]), by the
//! sample and by the purpose, not by the epoch and not by how rows are grouped. So the same weights give the
//! same figures, and equal rows score the same, to the last digit, at any place in any file.
//!
//! The bound's term −log p(x|z) is random, and one draw of z ranks rows badly. [`Evaluator::score_rows`]
//! averages over [`DRAWS`] of them and says how far that average may be off:
//!
//! ```text
//! −ELBO ≈ (1/D) Σ_d ℓ_d,   ℓ_d = −log p(x|z_d) + KL,       se = sd(ℓ) / √D
//! ```
//!
//! log p(x) itself is [`log_px`]'s, and what each column has to do with it [`log_px_of_columns`]'.

mod blame;
mod compare;
mod conditioned;
mod importance;
mod impute;
mod information;
mod latents;
mod pareto;
mod proposal;
mod summary;
mod two_sample;
mod weights;

pub use blame::{ColumnScore, log_px_of_columns};
pub use compare::{Likeness, Rows};
pub use conditioned::{Conditioned, rows_where};
pub use importance::{LogPx, TailShape, log_px, log_px_of};
pub use impute::completions;
pub use information::{Information, mutual_information};
pub use latents::{IDLE, kl_per_latent};
pub use proposal::Proposal;
pub use summary::{Doubt, Summary, error_over_rows, standard_error_of_mean};
pub use two_sample::{Auc, two_sample_auc};

use crate::batch::{Batch, BatchBuffer};
use crate::data::{Part, Volume};
use crate::error::Result;
use crate::objective::Objective;
use crate::parallel;
use crate::real::Real;
use crate::rng::{Address, number_of};
use crate::vae::{Noise, Pass, Score, Vae, Workspace};

/// Draws of z with which a row is scored unless somebody asks for more or fewer: enough that two
/// evaluations with different noise rank the rows of a table alike (`tests/scores.rs`: Spearman's ρ ≥ 0.99,
/// where one draw gives 0.7). They cost about as many passes through the decoder, and one through the encoder.
pub const DRAWS: usize = 128;

/// Draws that go through the networks at a time: enough for products to run at full speed, few
/// enough to stay in cache.
const AT_A_TIME: usize = 1000;

/// Values of the rows that go through the networks at a time, where a row has very many.
const VALUES: usize = 1 << 24;

/// Draws of a row that go through the networks at a time.
const GROUP: usize = 64;

/// The score of one row, with its Monte-Carlo error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowScore {
    /// [`number_of`] the row as the model sees it: rows with equal numbers share their noise.
    pub number: u64,
    /// The mean over the draws, in nats.
    pub score: Score,
    /// The standard error of its loss. Not a number for a single draw, which tells nothing about the
    /// spread.
    pub standard_error: f64,
}

/// Buffers to judge one model with, allocated once and used for every evaluation.
pub struct Evaluator<T> {
    ws: Workspace<T>,
    buffer: BatchBuffer<T>,
    numbers: Vec<u64>,
    draws: Vec<DrawSums>,
}

impl<T: Real> Evaluator<T> {
    /// Buffers for `vae` with `samples` draws of each row at a time.
    ///
    /// # Errors
    /// As [`Workspace::new`].
    pub fn new(vae: &Vae<T>, samples: usize) -> Result<Self> {
        Evaluator::with_rows(vae, rows_at_a_time(vae, samples), samples)
    }

    /// Buffers to score rows with `draws` draws each; there may be more of both than go through at a time.
    ///
    /// # Errors
    /// As [`Workspace::new`].
    pub fn for_scores(vae: &Vae<T>, rows: usize, draws: usize) -> Result<Self> {
        let samples = draws.min(GROUP);
        Evaluator::with_rows(vae, rows.min(rows_at_a_time(vae, samples)), samples)
    }

    fn with_rows(vae: &Vae<T>, rows: usize, samples: usize) -> Result<Self> {
        Ok(Evaluator {
            ws: Workspace::new(vae, rows, samples, Pass::Value)?,
            buffer: BatchBuffer::new(rows, vae.width(), vae.condition()),
            numbers: vec![0; rows],
            draws: vec![DrawSums::default(); rows],
        })
    }

    /// The mean score of a part's rows under `objective` at β = 1, with noise from `address`, in the
    /// data's own units.
    ///
    /// # Errors
    /// As [`Part::batch`].
    pub fn score(
        &mut self,
        vae: &Vae<T>,
        params: &[T],
        part: &Part,
        objective: &dyn Objective<T>,
        address: Address,
    ) -> Result<Score> {
        parallel::enter(|| {
            let (mut total, volume) = (Score::default(), part.columns().volume());
            for rows in part.rows().chunks(self.ws.max_rows()) {
                let batch = part.batch(&mut self.buffer, rows, None)?;
                let noise = Noise::new(address, number(&mut self.numbers, &batch));
                let score = vae.loss(&mut self.ws, batch, params, noise, objective, T::one());
                total.add(&score.in_units(volume.of_rows(&batch.x)), rows.len() as f64);
            }
            Ok(total.mean(part.rows().len() as f64))
        })
    }

    /// The score of each row of a part under the ELBO at β = 1, averaged over `draws` draws with noise
    /// from `address`, in the data's own units.
    ///
    /// # Errors
    /// As [`Part::batch`].
    pub fn score_rows(
        &mut self,
        vae: &Vae<T>,
        params: &[T],
        part: &Part,
        draws: usize,
        address: Address,
    ) -> Result<Vec<RowScore>> {
        let mut scores = Vec::with_capacity(part.rows().len());
        let volume = part.columns().volume();
        parallel::enter(|| {
            for rows in part.rows().chunks(self.ws.max_rows()) {
                part.batch(&mut self.buffer, rows, None)?;
                self.score_loaded(vae, params, rows.len(), draws, address);
                scores.extend(self.scores(rows.len(), &volume));
            }
            Ok(scores)
        })
    }

    /// Rows that go through the networks at a time.
    #[cfg(feature = "model-file")]
    pub(crate) fn max_rows(&self) -> usize {
        self.ws.max_rows()
    }

    /// Brings rows into the buffer, as the model sees them, and their conditions; at most
    /// [`Self::max_rows`].
    #[cfg(feature = "model-file")]
    pub(crate) fn load(&mut self, count: usize, x: &[T], condition: &[T]) {
        let (to_x, to_condition) = self.buffer.rows_mut(count);
        to_x.copy_from_slice(x);
        to_condition.copy_from_slice(condition);
    }

    /// Scores the first `count` rows in the buffer.
    pub(crate) fn score_loaded(
        &mut self,
        vae: &Vae<T>,
        params: &[T],
        count: usize,
        draws: usize,
        address: Address,
    ) {
        let batch = self.buffer.batch(count);
        let numbers = number(&mut self.numbers, &batch);
        let (ws, sums) = (&mut self.ws, &mut self.draws[..count]);
        sums.fill(DrawSums::default());
        let closed_form = vae.has_closed_form_kl();
        for first in (0..draws).step_by(ws.samples()) {
            let noise = Noise::new(address, numbers).from_sample(first);
            vae.forward(ws, batch, params, noise, closed_form);
            // The last group may have more draws than are asked for.
            let wanted = ws.samples().min(draws - first);
            for (b, sums) in sums.iter_mut().enumerate() {
                (0..wanted).for_each(|k| sums.add(&ws.score_of_draw(b, k)));
            }
        }
    }

    /// The scores of the first `count` rows in the buffer, in the data's own units.
    pub(crate) fn scores(&self, count: usize, volume: &Volume) -> impl Iterator<Item = RowScore> {
        let sums = self.numbers.iter().zip(&self.draws[..count]);
        sums.zip(self.buffer.rows(count)).map(|((&number, sums), row)| RowScore {
            number,
            score: sums.total.mean(sums.count).in_units(volume.of_row(row)),
            standard_error: sums.standard_error(),
        })
    }
}

/// Rows that go through the networks at a time, with so many draws each.
fn rows_at_a_time<T: Real>(vae: &Vae<T>, samples: usize) -> usize {
    (AT_A_TIME / samples.max(1)).min(VALUES / vae.width()).max(1)
}

/// Sums over the draws of a row.
#[derive(Clone, Copy, Default)]
struct DrawSums {
    count: f64,
    total: Score,
    /// Mean of the loss, and the sum of the squared distances from it (Welford 1962).
    mean: f64,
    squares: f64,
}

impl DrawSums {
    fn add(&mut self, draw: &Score) {
        self.count += 1.0;
        self.total.add(draw, 1.0);
        let off = draw.loss - self.mean;
        self.mean += off / self.count;
        self.squares += off * (draw.loss - self.mean);
    }

    fn standard_error(&self) -> f64 {
        (self.squares / (self.count - 1.0) / self.count).sqrt()
    }
}

/// `numbers ← number_of` each row. Conditions do not count: rows that are equal but for these share their noise.
fn number<'a, T: Real>(numbers: &'a mut [u64], batch: &Batch<'_, T>) -> &'a [u64] {
    let numbers = &mut numbers[..batch.x.nrows()];
    for (number, row) in numbers.iter_mut().zip(batch.x.rows()) {
        *number = number_of(row.to_slice().expect("rows in standard layout"));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_mean_of_draws_is_that_of_statistics() {
        let losses = [3.0, 4.5, -1.0, 2.0];
        let mut sums = DrawSums::default();
        losses.iter().for_each(|&loss| sums.add(&Score { loss, reconstruction: loss, kl: 0.0 }));
        let variance = losses.iter().map(|l| (l - 2.125f64).powi(2)).sum::<f64>() / 3.0;
        assert_eq!(sums.total.mean(sums.count).loss, 2.125);
        assert!((sums.standard_error() - (variance / 4.0).sqrt()).abs() < 1e-14);
    }
}

//! Which columns make a row odd: log p(x_j | x_rest) of every column j, given all others of its row.
//!
//! ```text
//! p(x_j|x_rest) = ∫ p(x_j|z) p(z|x_rest) dz = E_r[w p(x_j|z)] / E_r[w],     w = p(x_rest|z) p(z) / r(z)
//!               ≈ Σ_s w_s p(x_j|z_s) / Σ_s w_s = Σ a_s / Σ b_s,             z_1 … z_2S from r
//! r = ½ q(z|x) + ½ q(z|x_rest),                                             S draws from each half
//! se[log] ≈ √ Σ_s (a_s/Σa − b_s/Σb)²                                        (the delta method)
//! ```
//!
//! Draws of q(z|x) alone have infinite variance just where it matters: where the cell is odd, q(z|x) has followed it to
//! where p(z|x_rest) is not. Draws of q(z|x_rest) alone miss where p(x_j|z) is. Of their mixture no weight of either sum
//! exceeds twice what it would be with the better half. What is left of heavy tails, the encoder's own errors, shows in
//! k̂, of both sums the larger one; from [`TailShape::HOPELESS`] on a column gets no blame.
//!
//! The encoder must know missing values, of which x_rest has one more than x. With several levels only the posterior that
//! sees the data differs between the halves, and r is the mixture at that level times the others.

use super::importance::TailShape;
use super::weights::WeightSums;
use super::{AT_A_TIME, GROUP};
use crate::batch::{Batch, BatchBuffer};
use crate::data::{Part, Table};
use crate::distribution::Support;
use crate::error::{Error, Result};
use crate::parallel;
use crate::real::Real;
use crate::rng::{Address, number_of};
use crate::rows::head_mut;
use crate::vae::{Noise, Pass, Vae, Workspace};
use ndarray::{Array2, ArrayView2};

/// What is known of log p(x_j | x_rest), in nats and in the data's own units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColumnScore {
    /// The estimate; not a number where the cell is missing.
    pub log_p: f64,
    /// Its Monte-Carlo standard error, to be believed as far as [`Self::is_sound`].
    pub standard_error: f64,
    /// The effective sample size, from 1 to 2·S: of the two sums the smaller one.
    pub effective: f64,
    /// The shape of the weights' tail, of the two sums the heavier one; `None` where there are too few samples to see one.
    pub tail: Option<TailShape>,
}

impl ColumnScore {
    /// Of a cell that is missing.
    const MISSING: Self =
        ColumnScore { log_p: f64::NAN, standard_error: f64::NAN, effective: f64::NAN, tail: None };

    /// Whether the estimate can be believed: the weights' tail is not so heavy that no number of samples would do.
    pub fn is_sound(&self) -> bool {
        self.log_p.is_finite() && self.tail.is_some_and(|tail| tail.k < TailShape::HOPELESS)
    }
}

/// Calls `each` with every row of the part, by its number in the data, and the score of each of its columns given the others,
/// `[C]`: the columns that a table learns, or the D values of other rows. Of each column `samples` draws are taken of both
/// halves of its proposal; all noise depends on what the row holds. `each` may end the work by returning false.
///
/// # Errors
/// If `samples` is 0 or above 2³² − 1, the model knows no missing values or has a posterior that can score its own draws
/// only, log p(x|z) is not a likelihood of these data, or they cannot be read any more.
pub fn log_px_of_columns<T: Real>(
    vae: &Vae<T>,
    params: &[T],
    part: &Part,
    samples: usize,
    address: Address,
    each: &mut dyn FnMut(usize, &[ColumnScore]) -> bool,
) -> Result<()> {
    check(vae, part, samples)?;
    let of = part.data().kinds().map_or_else(|| (0..vae.width()).collect(), Table::cells_of_values);
    let columns = of.iter().max().map_or(0, |last| last + 1);
    let (group, views) = (samples.min(GROUP), columns + 1);
    let rows = (AT_A_TIME / group / views).max(1);
    let mut pass = Views {
        ws: Workspace::new(vae, rows * views, group, Pass::Value)?,
        buffer: BatchBuffer::new(rows * views, vae.width(), vae.condition()),
        each: Array2::zeros((rows * views * group, vae.width())),
        of,
        views,
    };
    let mut whole = BatchBuffer::new(rows, vae.width(), vae.condition());
    let volume = part.columns().volume();
    for chunk in part.rows().chunks(rows) {
        let batch = part.batch(&mut whole, chunk, None)?;
        pass.show(&batch);
        let found = parallel::enter(|| pass.score(vae, params, &batch.x, samples, address));
        for ((row, x), mut scores) in chunk.iter().zip(whole.rows(chunk.len())).zip(found) {
            for (j, score) in scores.iter_mut().enumerate() {
                score.log_p -= volume.of_values(x, |i| pass.of[i] == j);
            }
            if !each(*row, &scores) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn check<T: Real>(vae: &Vae<T>, part: &Part, samples: usize) -> Result<()> {
    let refuse = |message: &str| Err(Error::setting("samples", message));
    if samples == 0 || samples > u32::MAX as usize {
        return refuse("must be from 1 to 2³² − 1");
    }
    if let Support::CrossEntropy(reason) = part.support(vae.likelihood())? {
        return refuse(&format!("log p(x) does not exist here: {reason}"));
    }
    vae.can_blame()
}

/// Rows, each of them whole and without each of its columns: `views` = C + 1 of each.
struct Views<T> {
    ws: Workspace<T>,
    buffer: BatchBuffer<T>,
    /// log p(x_i|z) of every value at every draw, `[N, D]`.
    each: Array2<T>,
    /// The column of each value, `[D]`.
    of: Vec<usize>,
    views: usize,
}

impl<T: Real> Views<T> {
    /// Brings all views of these rows into the buffer.
    fn show(&mut self, batch: &Batch<'_, T>) {
        let Views { buffer, of, views, .. } = self;
        let (x, condition) = buffer.rows_mut(batch.x.nrows() * *views);
        for (place, view) in x.chunks_exact_mut(of.len()).enumerate() {
            let (whole, without) = (batch.x.row(place / *views), (place % *views).checked_sub(1));
            for ((value, x), of) in view.iter_mut().zip(whole).zip(of.iter()) {
                *value = if without == Some(*of) { T::from_f64(f64::NAN) } else { *x };
            }
        }
        let Some(given) = batch.condition else { return };
        for (place, c) in condition.chunks_exact_mut(given.ncols()).enumerate() {
            c.iter_mut().zip(given.row(place / *views)).for_each(|(c, given)| *c = *given);
        }
    }

    /// The scores of the rows in the buffer, `x: [B, D]` as they are whole, in the units that the model sees.
    fn score(
        &mut self,
        vae: &Vae<T>,
        params: &[T],
        x: &ArrayView2<T>,
        samples: usize,
        address: Address,
    ) -> Vec<Vec<ColumnScore>> {
        let Views { ws, buffer, each, of, views } = self;
        let (views, rows) = (*views, x.nrows());
        let numbers: Vec<u64> = buffer.rows(rows * views).map(number_of).collect();
        let mut sums = vec![vec![Sums::new(2 * samples); views - 1]; rows];
        for first in (0..samples).step_by(ws.samples()) {
            let noise = Noise::new(address, &numbers).from_sample(first);
            vae.forward(ws, buffer.batch(rows * views), params, noise, false);
            let mut each = head_mut(each, rows * views * ws.samples());
            vae.log_probs_of_draws(each.view_mut(), ws, x, params);
            // The last group may have more draws than are asked for.
            let wanted = ws.samples().min(samples - first);
            for (b, sums) in sums.iter_mut().enumerate() {
                for (j, sums) in sums.iter_mut().enumerate() {
                    let (whole, without) = (b * views, b * views + 1 + j);
                    for (own, other) in [(whole, without), (without, whole)] {
                        for k in 0..wanted {
                            let log_ratio = vae.log_q_ratio(ws, (own, k), other, params);
                            let log_r = 0.5f64.ln() + log_ratio.exp().ln_1p();
                            let (mut log_cell, mut log_rest) = (0.0, 0.0);
                            for (log_p, of) in each.row(own * ws.samples() + k).iter().zip(&*of) {
                                let sum = if *of == j { &mut log_cell } else { &mut log_rest };
                                *sum += log_p.to_f64();
                            }
                            sums.add(log_rest + ws.log_prior_over_q(own, k) - log_r, log_cell);
                        }
                    }
                }
            }
        }
        let is_there =
            |b: usize, j: usize| (0..of.len()).any(|i| of[i] == j && !x[(b, i)].is_nan());
        let score = |b: usize, (j, sums): (usize, Sums)| match is_there(b, j) {
            true => sums.score(),
            false => ColumnScore::MISSING,
        };
        let of_row = |(b, sums): (usize, Vec<Sums>)| {
            sums.into_iter().enumerate().map(|of_column| score(b, of_column)).collect()
        };
        sums.into_iter().enumerate().map(of_row).collect()
    }
}

/// The logarithms of a_s and of b_s, and their sums.
#[derive(Clone)]
struct Sums {
    terms: Vec<[f64; 2]>,
    of_row: WeightSums,
    of_rest: WeightSums,
}

impl Sums {
    fn new(samples: usize) -> Self {
        let sums = WeightSums::new(samples);
        Sums { terms: Vec::with_capacity(samples), of_row: sums.clone(), of_rest: sums }
    }

    /// Takes in a draw of log w = `log_rest`, where the column's own log p is `log_cell`.
    fn add(&mut self, log_rest: f64, log_cell: f64) {
        self.terms.push([log_rest + log_cell, log_rest]);
        self.of_row.add(log_rest + log_cell);
        self.of_rest.add(log_rest);
    }

    fn score(self) -> ColumnScore {
        let [of_row, of_rest] = [self.of_row.estimate(), self.of_rest.estimate()];
        let count = self.terms.len() as f64;
        let share = |log_w: f64, estimate: f64| (log_w - estimate).exp() / count;
        let squares = self
            .terms
            .iter()
            .map(|[a, b]| (share(*a, of_row.estimate) - share(*b, of_rest.estimate)).powi(2));
        let heavier = |a: TailShape, b: TailShape| if a.k > b.k { a } else { b };
        ColumnScore {
            log_p: of_row.estimate - of_rest.estimate,
            standard_error: squares.sum::<f64>().sqrt(),
            effective: of_row.effective.min(of_rest.effective),
            tail: of_row.tail.zip(of_rest.tail).map(|(a, b)| heavier(a, b)),
        }
    }
}

//! log p(x) by importance sampling.
//!
//! ```text
//! log p(x) = log E_r[w],  w = p(x|z) p(z) / r(z)      estimated by  log ŵ,  ŵ = (1/S) Σ_s w_s
//! ```
//!
//! with z from the posterior, r = q(z|x), or from a [`Proposal`] that reaches further. The estimate is a
//! lower bound in expectation for every S and rises to log p(x) with S (Burda et al. 2016, theorem 1). How
//! far it may be off is read from the weights themselves: with v the variance of w, expanding the logarithm
//! around E[w] gives (the delta method)
//!
//! ```text
//! se[log ŵ] ≈ √(v/S) / ŵ                 E[log ŵ] − log p(x) ≈ −½ se²
//! ```
//!
//! Both are worth nothing where the weights have no variance, or one that S samples cannot see. That shows in
//! the tail of the largest weights, whose shape k̂ is fitted to a generalised Pareto distribution
//! (`pareto.rs`; the weights have a variance if k < ½), and in the effective sample size
//!
//! ```text
//! (Σ w)² / Σ w²      S if all weights are equal, 1 if one is all
//! ```
//!
//! Samples stream by in groups: memory does not grow with S but for the tail, 3√S numbers a row, and the
//! sums are kept relative to the largest log w so far, so that no weight overflows or vanishes.

use super::proposal::Proposal;
use super::weights::WeightSums;
use super::{Evaluator, GROUP, number};
use crate::batch::Batch;
use crate::data::Part;
use crate::distribution::Support;
use crate::error::{Error, Result};
use crate::parallel;
use crate::real::Real;
use crate::rng::Address;
use crate::vae::{Noise, Vae, Workspace};

/// The estimate of one row's log p(x), in nats, and what its weights say of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogPx {
    /// [`number_of`](crate::rng::number_of) the row: rows with equal numbers have equal estimates.
    pub number: u64,
    /// log (1/S) Σ_s w_s
    pub estimate: f64,
    /// Its Monte-Carlo standard error, as far as the weights show it: to be believed where
    /// [`Self::has_error`]. Not finite for S = 1, which tells nothing about the spread.
    pub standard_error: f64,
    /// The effective sample size (Σ w)² / Σ w², from 1 to S.
    pub effective: f64,
    /// The share of the largest weight in their sum, from 1/S to 1.
    pub largest: f64,
    /// The shape of the weights' tail; `None` where there are too few samples to see one.
    pub tail: Option<TailShape>,
}

impl LogPx {
    /// Whether the standard error can be believed: the weights' variance exists, as far as can be told.
    pub fn has_error(&self) -> bool {
        self.tail.is_some_and(|t| t.is_light()) && self.standard_error.is_finite()
    }
}

/// The shape k of a tail (Vehtari et al. 2024): the weights have moments of order below 1/k, so a variance if
/// k < ½ and a mean if k < 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TailShape {
    /// k̂
    pub k: f64,
    /// Its standard error, (1 + k)/√M for a tail of M weights (Smith 1987).
    pub standard_error: f64,
}

impl TailShape {
    /// From here on there is no variance.
    pub const HEAVY: f64 = 0.5;

    /// From here on more samples help so slowly that nobody has as many as would be needed (Vehtari et al.
    /// 2024): only another proposal does.
    pub const HOPELESS: f64 = 0.7;

    /// Whether k lies below [`Self::HEAVY`] and not just k̂, with a probability of 99 %. Otherwise the tails
    /// that happen to be seen too little of would be those that are believed.
    pub fn is_light(&self) -> bool {
        self.k + 2.33 * self.standard_error <= TailShape::HEAVY
    }
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
    proposal: &Proposal,
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
    let volume = part.columns().volume();
    for rows in part.rows().chunks(evaluator.ws.max_rows()) {
        let batch = part.batch(&mut evaluator.buffer, rows, None)?;
        let found = log_px_of(vae, &mut evaluator.ws, batch, params, samples, proposal, address);
        estimates.extend(found.into_iter().zip(batch.x.rows()).map(|(e, row)| {
            let log_volume = volume.of_row(row.to_slice().expect("rows in standard layout"));
            LogPx { estimate: e.estimate - log_volume, ..e }
        }));
        if !progress(estimates.len()) {
            break;
        }
    }
    Ok(estimates)
}

/// The estimates for the rows of a batch, in the units that the model sees.
///
/// # Panics
/// As [`Vae::forward`].
pub fn log_px_of<'a, T: Real>(
    vae: &Vae<T>,
    ws: &mut Workspace<T>,
    batch: impl Into<Batch<'a, T>>,
    params: &[T],
    samples: usize,
    proposal: &Proposal,
    address: Address,
) -> Vec<LogPx> {
    let batch = batch.into();
    let rows = batch.x.nrows();
    let mut numbers = vec![0; rows];
    let noise = Noise::new(address, number(&mut numbers, &batch)).scaled(proposal.scales());
    let mixture = proposal.mixture(samples, vae.latents());
    let mut sums = vec![WeightSums::new(samples); rows];
    parallel::enter(|| {
        for first in (0..samples).step_by(ws.samples()) {
            vae.forward(ws, batch, params, noise.from_sample(first), false);
            // The last group may have more draws than are asked for.
            let wanted = ws.samples().min(samples - first);
            for (b, sums) in sums.iter_mut().enumerate() {
                for k in 0..wanted {
                    let log_ratio = mixture.log_ratio(|| ws.squared_noise(b, k));
                    sums.add(ws.log_weight(b, k) - log_ratio);
                }
            }
        }
    });
    let found = sums.into_iter().zip(&numbers);
    found.map(|(sums, &number)| LogPx { number, ..sums.estimate() }).collect()
}

//! The training loop.
//!
//! ```text
//! for each epoch:   order ← a seeded shuffle of the training rows
//!     for each batch:   x ← rows, binarised
//!                       loss, d_params ← the chain's forward and backward     (crate::vae)
//!                       params ← Adam's step down the clipped gradient        (crate::optim)
//!     judge validation and test rows, remember the best weights, report the epoch
//! ```
//!
//! The loop prints nothing and touches no file: an [`Observer`] is told of every step and epoch, and
//! can end the run after any of them. Everything random is addressed ([`crate::rng`]), so a run that
//! was stopped between two steps and restored (`checkpoint`) continues to the same bits.

#[cfg(feature = "model-file")]
pub mod checkpoint;
mod config;
mod retrieval;
mod stages;
mod trainer;

pub use config::TrainConfig;
pub use stages::Stages;
pub use trainer::{Progress, Trainer, WeightsKind};

use crate::error::Result;
use crate::real::Real;
use crate::vae::Score;

/// What one step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Steps taken since the start of training, this one included.
    pub step: u64,
    /// The score of its batch, in nats per row.
    pub score: Score,
    /// Rows of its batch.
    pub rows: usize,
}

/// What one epoch did: a line of the metrics file. Scores in nats per row.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize))]
pub struct EpochRecord {
    /// Epochs finished, this one included.
    pub epoch: u32,
    /// Steps taken since the start of training.
    pub step: u64,
    /// Seconds spent in this epoch's training steps (since the last start, if it was resumed).
    pub seconds: f64,
    /// Training rows per second of that time.
    pub rows_per_second: f64,
    /// Means over the epoch's batches, as each was before its step, at the β of that step.
    pub train: Score,
    /// The validation rows after the epoch, at β = 1.
    pub validation: Option<Score>,
    /// The test rows after the epoch, at β = 1.
    pub test: Option<Score>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// β of the last step.
    pub beta: f64,
}

/// Who watches a run. Every answer of `false` ends it in good order.
pub trait Observer<T: Real> {
    /// After every step.
    fn step(&mut self, _trainer: &Trainer<T>, _report: &StepReport) -> bool {
        true
    }

    /// After every epoch.
    ///
    /// # Errors
    /// Whatever the observer fails at (writing a checkpoint, say); the run ends with it.
    fn epoch(&mut self, _trainer: &Trainer<T>, _record: &EpochRecord) -> Result<bool> {
        Ok(true)
    }
}

/// An observer that only watches.
impl<T: Real> Observer<T> for () {}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Finished,
    /// The validation loss has not improved for as many epochs as the patience allows.
    OutOfPatience,
    /// The observer ended it.
    Stopped,
}

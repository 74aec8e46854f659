//! The eye on a run: metrics, checkpoints, the progress bar, and Ctrl-C.

use crate::folder::Folder;
use crate::metrics::{self, Epoch};
use crate::progress::Training;
use elbo::error::Result;
use elbo::train::{Ending, EpochRecord, Observer, StepReport, Trainer, checkpoint};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Where a run is to end before all its epochs are done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// After so many epochs in all (`--stop-after`).
    pub(crate) epochs: Option<u32>,
    /// With the step in which this moment comes (`--time`).
    pub(crate) until: Option<Instant>,
}

impl Limits {
    /// Whether that many epochs are reached.
    pub(crate) fn stop_after(&self, epoch: u32) -> bool {
        self.epochs.is_some_and(|most| epoch >= most)
    }

    fn is_time_left(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C asks for an end in good order; a second one ends the process at once.
pub(crate) fn obey_interrupts() {
    // The handler lives as long as the process.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
}

/// Whether there was a Ctrl-C.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Writes metrics and checkpoints, shows progress, obeys Ctrl-C and the [`Limits`].
pub(crate) struct Watcher<'a> {
    workplace: &'a Folder,
    state: &'a str,
    limits: Limits,
    progress: Training,
    epochs: Vec<Epoch>,
    saved: Saved,
}

/// The last checkpoint: of which epoch, since when it lies there, and how long it took to write.
struct Saved {
    epoch: u32,
    at: Instant,
    took: Duration,
}

/// Writing checkpoints takes a tenth of the time at most. A kill loses what came after the last one; the
/// resumed run makes the same of it again.
const CHECKPOINTS: u32 = 10;

impl<'a> Watcher<'a> {
    /// Watches a run in `workplace`, whose checkpoints say `state` of it and whose `epochs` are done,
    /// up to its limits.
    pub(crate) fn new(
        workplace: &'a Folder,
        state: &'a str,
        limits: Limits,
        progress: Training,
        epochs: Vec<Epoch>,
        trainer: &Trainer<f32>,
    ) -> Self {
        let epoch = trainer.progress().epoch;
        let saved = Saved { epoch, at: Instant::now(), took: Duration::ZERO };
        Watcher { workplace, state, limits, progress, epochs, saved }
    }

    /// Trains until the run ends or is stopped, and leaves a checkpoint of its last finished epoch; with
    /// the epochs that are done, whatever came of it.
    pub(crate) fn train(mut self, trainer: &mut Trainer<f32>) -> (Result<Ending>, Vec<Epoch>) {
        let ending = match self.limits.stop_after(trainer.progress().epoch) {
            true => Ok(Ending::Stopped), // resumed where it was to stop
            false => trainer.run(&mut self),
        };
        self.progress.finish();
        let ending = ending.and_then(|ending| self.save(trainer).map(|()| ending));
        (ending, self.epochs)
    }

    /// Writes a checkpoint of the last finished epoch, unless it is there.
    fn save(&mut self, trainer: &Trainer<f32>) -> Result<()> {
        let epoch = trainer.progress().epoch;
        if epoch != self.saved.epoch {
            let start = Instant::now();
            checkpoint::save(&self.workplace.checkpoint(), trainer, self.state)?;
            self.saved = Saved { epoch, at: Instant::now(), took: start.elapsed() };
        }
        Ok(())
    }
}

impl Observer<f32> for Watcher<'_> {
    fn step(&mut self, _trainer: &Trainer<f32>, report: &StepReport) -> bool {
        self.progress.step(report);
        self.limits.is_time_left() && !interrupted()
    }

    fn epoch(&mut self, trainer: &Trainer<f32>, record: &EpochRecord) -> Result<bool> {
        self.epochs.push(record.into());
        // The line first: a resumed run drops the lines that its checkpoint does not know.
        metrics::append(&self.workplace.metrics(), record)?;
        if self.saved.at.elapsed() > CHECKPOINTS * self.saved.took {
            self.save(trainer)?;
        }
        self.progress.epoch(record);
        let limits = &self.limits;
        Ok(!limits.stop_after(record.epoch) && limits.is_time_left() && !interrupted())
    }
}

//! The eye on a run: metrics, checkpoints, the progress bar, and Ctrl-C.

use crate::folder::Folder;
use crate::metrics::{self, Epoch};
use crate::progress::Training;
use elbo::error::Result;
use elbo::train::{Ending, EpochRecord, Observer, StepReport, Trainer, checkpoint};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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

/// Writes metrics and checkpoints, shows progress, obeys Ctrl-C and `--stop-after`.
pub(crate) struct Watcher<'a> {
    workplace: &'a Folder,
    state: &'a str,
    stop_after: u32,
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
    /// until so many are.
    pub(crate) fn new(
        workplace: &'a Folder,
        state: &'a str,
        stop_after: Option<u32>,
        progress: Training,
        epochs: Vec<Epoch>,
        trainer: &Trainer<f32>,
    ) -> Self {
        let epoch = trainer.progress().epoch;
        let saved = Saved { epoch, at: Instant::now(), took: Duration::ZERO };
        let stop_after = stop_after.unwrap_or(u32::MAX);
        Watcher { workplace, state, stop_after, progress, epochs, saved }
    }

    /// Trains until the run ends or is stopped, and leaves a checkpoint of its last finished epoch; with
    /// the epochs that are done, whatever came of it.
    pub(crate) fn train(mut self, trainer: &mut Trainer<f32>) -> (Result<Ending>, Vec<Epoch>) {
        let ending = match trainer.progress().epoch >= self.stop_after {
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
        !interrupted()
    }

    fn epoch(&mut self, trainer: &Trainer<f32>, record: &EpochRecord) -> Result<bool> {
        self.epochs.push(record.into());
        // The line first: a resumed run drops the lines that its checkpoint does not know.
        metrics::append(&self.workplace.metrics(), record)?;
        if self.saved.at.elapsed() > CHECKPOINTS * self.saved.took {
            self.save(trainer)?;
        }
        self.progress.epoch(record);
        Ok(record.epoch < self.stop_after && !interrupted())
    }
}

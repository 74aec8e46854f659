//! The room that a stage of a run works in, and going over from one to the next.

#[cfg(feature = "model-file")]
use super::Progress;
use super::{Retrieval, Trainer};
use crate::batch::BatchBuffer;
use crate::error::Result;
use crate::evaluate::Evaluator;
use crate::objective::{self, Objective};
use crate::real::Real;
use crate::train::TrainConfig;
use crate::vae::{Pass, Vae, Workspace};

/// What a stage of a run works with.
pub(super) struct Room<T> {
    pub(super) objective: Box<dyn Objective<T>>,
    pub(super) held_out: Box<dyn Objective<T>>,
    pub(super) ws: Workspace<T>,
    pub(super) evaluator: Evaluator<T>,
    pub(super) buffer: BatchBuffer<T>,
    /// Rows of a batch.
    pub(super) rows: usize,
}

impl<T: Real> Room<T> {
    /// For `vae` on so many training rows.
    pub(super) fn new(vae: &Vae<T>, config: &TrainConfig, rows: usize) -> Result<Self> {
        let objective = objective::build::<T>(&config.objective)?;
        vae.check_objective(&*objective)?;
        let rows = config.batch_size.min(rows);
        Ok(Room {
            held_out: objective.held_out(),
            objective,
            ws: Workspace::new(vae, rows, config.samples, Pass::Gradient)?,
            evaluator: Evaluator::new(vae, config.samples)?,
            buffer: BatchBuffer::new(rows, vae.width(), vae.condition()),
            rows,
        })
    }
}

impl<T: Real> Trainer<T> {
    /// Goes over to the stage of the current epoch, if it is another.
    pub(super) fn enter_stage(&mut self) -> Result<()> {
        let stage = self.plan.of_epoch(self.progress.epoch);
        if stage != self.stage {
            self.change_stage(stage)?;
            // Of another objective its loss would be another.
            self.best = None;
        }
        Ok(())
    }

    /// Goes over to a stage.
    fn change_stage(&mut self, stage: usize) -> Result<()> {
        let config = self.plan.all()[stage].clone();
        let Room { objective, held_out, ws, evaluator, buffer, rows } =
            Room::new(&self.vae, &config, self.order.len())?;
        (self.objective, self.held_out, self.evaluator) = (objective, held_out, evaluator);
        (self.ws, self.buffer) = (ws, buffer);
        if rows != self.batch.len() {
            (self.batch, self.noise_rows) = (vec![0; rows], vec![0; rows]);
            self.retrieval = Retrieval::new(&self.vae, &self.parts.train, rows)?;
        }
        self.adam.configure(config.adam);
        (self.stage, self.config) = (stage, config);
        Ok(())
    }

    /// Goes over to the stage of the last step before this progress, as a trainer that came there by itself is in.
    #[cfg(feature = "model-file")]
    pub(crate) fn reach(&mut self, progress: Progress) -> Result<()> {
        // A stage is entered with its first step.
        let before = u32::from(progress.batch == 0).min(progress.epoch);
        let stage = self.plan.of_epoch(progress.epoch - before);
        if stage != self.stage {
            self.change_stage(stage)?;
        }
        self.progress = progress;
        Ok(())
    }
}

//! Judging: the weights that a run has after an epoch, on rows that it does not train on, and which of them to keep.

use super::{Best, Progress, Trainer, WeightsKind};
use crate::error::{Error, Result};
use crate::real::Real;
use crate::rng::{Address, Purpose};
use crate::train::EpochRecord;
use crate::vae::Score;

impl<T: Real> Trainer<T> {
    /// The weights to keep: the best on validation rows if there are any, else the last; averaged if
    /// the configuration says so.
    pub fn weights(&mut self) -> (&[T], WeightsKind) {
        self.refresh_average();
        let (average, epoch, step) =
            (self.average.is_some(), self.progress.epoch, self.adam.steps());
        match &self.best {
            Some(best) => (
                &best.params,
                WeightsKind { average, best: true, epoch: best.epoch, step: best.step },
            ),
            None => (self.judged(), WeightsKind { average, best: false, epoch, step }),
        }
    }

    /// The weights that evaluation sees: the average as last refreshed, or the parameters.
    fn judged(&self) -> &[T] {
        if self.average.is_some() { &self.averaged } else { &self.params }
    }

    fn refresh_average(&mut self) {
        if let Some(average) = &self.average {
            average.write_to(&mut self.averaged);
        }
    }

    /// Judges the weights after an epoch's last step and starts the next one.
    pub(super) fn finish_epoch(
        &mut self,
        seconds: f64,
        rows_per_second: f64,
    ) -> Result<EpochRecord> {
        let step = self.adam.steps();
        self.check_finite()?;
        self.refresh_exemplars(self.progress.epoch)?;
        self.refresh_average();
        let train = self.progress.sums.mean(self.parts.train.rows().len() as f64);
        let validation = self.score(Purpose::Validate, None)?;
        let test = self.score(Purpose::Test, None)?;
        let (learning_rate, beta) = self.rates(step - 1);
        let record = EpochRecord {
            epoch: self.progress.epoch + 1,
            step,
            seconds,
            rows_per_second,
            train,
            validation,
            test,
            learning_rate,
            beta,
        };
        // While β rises the loss that is trained is not the one that is judged.
        let warm = f64::from(record.epoch) > self.config.warmup.epochs;
        self.progress = Progress {
            epoch: record.epoch,
            waited: if warm { self.progress.waited + 1 } else { 0 },
            cuts: self.progress.cuts,
            ..Progress::default()
        };
        if let Some(score) = validation {
            let better = self.best.as_ref().is_none_or(|best| score.loss < best.loss);
            if better {
                let params = self.judged().to_vec();
                self.best = Some(Best { epoch: record.epoch, step, loss: score.loss, params });
                self.progress.waited = 0;
            }
        }
        self.progress.cuts += u32::from(self.config.schedule.cuts_after(self.progress.waited));
        Ok(record)
    }

    /// The test rows' score at β = 1 under the weights to keep ([`Self::weights`]).
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a term is not finite.
    pub fn test_score(&mut self) -> Result<Option<Score>> {
        // Out for the moment, because scoring borrows the whole trainer.
        let best = self.best.take();
        self.refresh_average();
        let score = self.score(Purpose::Test, best.as_ref().map(|b| &b.params[..]));
        self.best = best;
        score
    }

    /// The score of the validation or test rows under `params`, or under the judged weights.
    fn score(&mut self, purpose: Purpose, params: Option<&[T]>) -> Result<Option<Score>> {
        let part =
            if purpose == Purpose::Validate { &self.parts.validation } else { &self.parts.test };
        let Some(part) = part else { return Ok(None) };
        let judged = if self.average.is_some() { &self.averaged[..] } else { &self.params[..] };
        let address = Address::new(self.config.seed, purpose);
        let score = self.evaluator.score(
            &self.vae,
            params.unwrap_or(judged),
            part,
            &*self.held_out,
            address,
        )?;
        match score.broken_term() {
            Some(term) => Err(Error::NonFinite { step: self.adam.steps(), term }),
            None => Ok(Some(score)),
        }
    }
}

//! The state of a run, and its steps.

mod judge;
mod room;

use super::retrieval::Retrieval;
use super::stages::Plan;
use super::{Ending, Observer, StepReport, TrainConfig};
use crate::aligned::Aligned;
use crate::batch::BatchBuffer;
use crate::data::{Parts, Volume};
use crate::distribution::Support;
use crate::error::{Error, Result, check_memory};
use crate::evaluate::Evaluator;
use crate::gradient::{Gradient, all_finite};
use crate::objective::Objective;
use crate::optim::{Adam, Average, Course, clip, global_norm};
use crate::parallel;
use crate::params::Slot;
use crate::real::Real;
use crate::rng::{Address, Purpose};
use crate::vae::{Noise, Score, Vae, VaeConfig, Workspace};
use rand::seq::SliceRandom;
use room::Room;
use std::sync::Arc;
use std::time::Instant;

/// How far a run is. Together with the parameters and the optimiser's moments this is all of its
/// state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Epochs finished.
    pub epoch: u32,
    /// Batches finished in the current epoch.
    pub batch: u64,
    /// Scores of these, summed over rows.
    pub sums: Score,
    /// Epochs since the validation loss was last better.
    pub waited: u32,
    /// How often that has cut the learning rate.
    pub cuts: u32,
}

/// The weights that validation likes best so far.
#[derive(Clone, Debug)]
pub(crate) struct Best<T> {
    pub(crate) epoch: u32,
    pub(crate) step: u64,
    /// The validation loss.
    pub(crate) loss: f64,
    pub(crate) params: Vec<T>,
}

/// Which weights a model holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightsKind {
    /// They are a moving average, not the last step's.
    pub average: bool,
    /// They were the best on validation rows, not the last.
    pub best: bool,
    /// Epochs of training behind them.
    pub epoch: u32,
    /// Steps of training behind them.
    pub step: u64,
}

/// A model in training.
pub struct Trainer<T> {
    vae: Arc<Vae<T>>,
    plan: Plan,
    /// The stage that the run is in, and its settings.
    stage: usize,
    config: TrainConfig,
    parts: Parts,
    objective: Box<dyn Objective<T>>,
    held_out: Box<dyn Objective<T>>,
    pub(crate) params: Aligned<T>,
    /// The training rows that the prior sees beside a batch, if it wants to.
    retrieval: Option<Retrieval<T>>,
    /// Room for what is no weight, during an update.
    states: Vec<T>,
    gradient: Gradient<T>,
    pub(crate) adam: Adam<T>,
    pub(crate) average: Option<Average>,
    pub(crate) progress: Progress,
    pub(crate) best: Option<Best<T>>,
    /// The current epoch's training rows in their order, as places in the part; made when its first
    /// step is taken. Half as wide as row numbers: there may be millions of rows in a file.
    order: Vec<u32>,
    order_epoch: Option<u32>,
    /// The dataset rows of the current batch, and the same as the numbers that address their noise.
    batch: Vec<usize>,
    noise_rows: Vec<u64>,
    ws: Workspace<T>,
    buffer: BatchBuffer<T>,
    evaluator: Evaluator<T>,
    /// The weights that are judged, where these are not the parameters themselves.
    averaged: Vec<T>,
    cross_entropy: Option<&'static str>,
    volume: Volume,
}

impl<T: Real> Trainer<T> {
    /// A model with fresh weights, ready for its first step. All buffers are allocated here.
    ///
    /// # Errors
    /// If a setting is out of range or does not fit another one, or a value of the data cannot be
    /// had by the likelihood.
    pub fn new(model: VaeConfig, config: TrainConfig, parts: Parts) -> Result<Self> {
        config.check()?;
        Trainer::of(Vae::new(model)?, config, parts)
    }

    /// The same with a model that is there already, of parts that a program made, say
    /// ([`Vae::from_parts`]).
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of(vae: Vae<T>, config: TrainConfig, parts: Parts) -> Result<Self> {
        config.check()?;
        let plan = Plan::new(&config)?;
        let vae = Arc::new(vae);
        let mut cross_entropy = None;
        for part in [Some(&parts.train), parts.validation.as_ref(), parts.test.as_ref()]
            .into_iter()
            .flatten()
        {
            if part.data().width() != vae.width() {
                let message = format!(
                    "rows of {} values do not fit a model of width {}",
                    part.data().width(),
                    vae.width()
                );
                return Err(Error::setting("data", message));
            }
            vae.check_condition(part.condition_width())?;
            if let Support::CrossEntropy(reason) = part.support(vae.likelihood())? {
                cross_entropy = Some(reason);
            }
        }
        if config.average.is_some() && vae.exemplar_means().is_some() {
            let message = "an exemplar prior is made of what the encoder says now, and an average of weights is another encoder";
            return Err(Error::setting("average", message));
        }
        let has_gaps = |column| vae.likelihood().facts(column).missing;
        let masks = plan.all().iter().any(|stage| stage.mask_rate > 0.0);
        if masks && !(0..vae.width()).all(has_gaps) {
            let message = "the likelihood has no missing cells: use `masked:of=…`, or a table of several kinds";
            return Err(Error::setting("mask-rate", message));
        }
        if config.patience.is_some() && parts.validation.is_none() {
            let message = "early stopping needs validation rows";
            return Err(Error::Needs { name: "patience", other: "validation", message });
        }
        if config.schedule.needs_validation() && parts.validation.is_none() {
            let message =
                "the rate falls where the validation loss does not, which needs validation rows";
            return Err(Error::Needs { name: "schedule", other: "validation", message });
        }
        // Weights, gradient, Adam's two moments.
        let count = vae.layout().len().saturating_mul(4);
        check_memory::<T>(count, "hidden", "make the layers narrower")?;
        let data = config.start_at_mean.then(|| parts.train.moments()).transpose()?;
        let params = Aligned::from(&vae.init(config.init, config.seed, data.as_ref())[..]);
        let Ok(count) = u32::try_from(parts.train.rows().len()) else {
            return Err(Error::setting("data", "there are more than 2³² training rows"));
        };
        // What a later stage cannot do is told now.
        for stage in plan.all().iter().skip(1).rev() {
            Room::new(&vae, stage, count as usize)?;
        }
        let config = plan.all()[0].clone();
        let Room { objective, held_out, ws, evaluator, buffer, rows } =
            Room::new(&vae, &config, count as usize)?;
        let len = params.len();
        Ok(Trainer {
            volume: parts.train.columns().volume(),
            retrieval: Retrieval::new(&vae, &parts.train, rows)?,
            ws,
            evaluator,
            buffer,
            held_out,
            objective,
            gradient: Gradient::zeros(vae.layout()),
            adam: Adam::new(config.adam, len),
            average: config.average.map(|decay| Average::new(decay, len)),
            averaged: if config.average.is_some() { params.to_vec() } else { Vec::new() },
            states: Vec::with_capacity(vae.layout().states().map(|(state, _)| state.len()).sum()),
            params,
            progress: Progress::default(),
            best: None,
            order: (0..count).collect(),
            order_epoch: None,
            batch: vec![0; rows],
            noise_rows: vec![0; rows],
            cross_entropy,
            vae,
            plan,
            stage: 0,
            config,
            parts,
        })
    }

    /// Takes the weights of another model of the same tensors in place of fresh ones, before the first step.
    ///
    /// # Errors
    /// If its tensors have other names or shapes; the message says which first.
    ///
    /// # Panics
    /// If there are not as many weights as that model has.
    pub fn start_from(&mut self, other: &Vae<T>, params: &[T]) -> Result<()> {
        let (mine, others) = (self.vae.layout().slots(), other.layout().slots());
        let shown = |slot: Option<&Slot>| {
            slot.map_or("nothing".to_owned(), |slot| format!("{} {:?}", slot.name, slot.shape))
        };
        let most = mine.len().max(others.len());
        let alike = |i: &usize| {
            let of =
                |slots: &[Slot]| slots.get(*i).map(|slot| (slot.name.clone(), slot.shape.clone()));
            of(mine) == of(others)
        };
        if let Some(i) = (0..most).find(|i| !alike(i)) {
            let (wanted, found) = (shown(mine.get(i)), shown(others.get(i)));
            let message =
                format!("its weights do not fit: it has {found} where this model has {wanted}");
            return Err(Error::setting("from", message));
        }
        self.params.copy_from_slice(params);
        // Before the first step there is no average yet: what stands in its place.
        if self.average.is_some() {
            self.averaged.copy_from_slice(params);
        }
        Ok(())
    }

    /// The model's structure.
    pub fn vae(&self) -> &Arc<Vae<T>> {
        &self.vae
    }

    /// How it is trained, in the stage that it is in.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// What it is trained on and judged by.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Steps taken since the start of training.
    pub fn steps(&self) -> u64 {
        self.adam.steps()
    }

    /// How far the run is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Why the loss is a cross-entropy and not a likelihood, if so.
    pub fn cross_entropy(&self) -> Option<&'static str> {
        self.cross_entropy
    }

    /// Steps of all epochs of all stages.
    pub fn all_steps(&self) -> u64 {
        self.plan.steps_before(self.plan.all().len(), self.order.len())
    }

    /// Steps of an epoch of the stage that the run is in.
    pub fn steps_per_epoch(&self) -> u64 {
        self.parts.train.rows().len().div_ceil(self.config.batch_size) as u64
    }

    /// Trains until all epochs are done, patience runs out or the observer has enough.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the step and the term that broke; or the observer's error. The state
    /// is then not to be used further.
    pub fn run(&mut self, observer: &mut (dyn Observer<T> + Send)) -> Result<Ending> {
        parallel::enter(|| self.run_here(observer))
    }

    fn run_here(&mut self, observer: &mut dyn Observer<T>) -> Result<Ending> {
        let patience = self.config.patience.unwrap_or(u32::MAX);
        while self.progress.epoch < self.plan.epochs() {
            if self.progress.waited >= patience {
                return Ok(Ending::OutOfPatience);
            }
            self.enter_stage()?;
            let (start, first) = (Instant::now(), self.progress.batch);
            while self.progress.batch < self.steps_per_epoch() {
                let report = self.step()?;
                let goes_on = observer.step(self, &report);
                // The last step's stop waits for the epoch's end, a moment later.
                if !goes_on && self.progress.batch < self.steps_per_epoch() {
                    return Ok(Ending::Stopped);
                }
            }
            let seconds = start.elapsed().as_secs_f64();
            let done = self
                .parts
                .train
                .rows()
                .len()
                .saturating_sub(first as usize * self.config.batch_size);
            let record = self.finish_epoch(seconds, done as f64 / seconds)?;
            if !observer.epoch(self, &record)? {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Finished)
    }

    /// One step: gather, forward, backward, normalise, clip, Adam. After an epoch's last step it begins the next
    /// epoch; judging and remembering the best weights is [`Self::run`]'s.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a term of the loss is not finite, or an error of [`Part::batch`]; the
    /// parameters are then as before.
    ///
    /// [`Part::batch`]: crate::data::Part::batch
    pub fn step(&mut self) -> Result<StepReport> {
        if self.progress.batch == self.steps_per_epoch() {
            let Progress { epoch, cuts, .. } = self.progress;
            self.progress = Progress { epoch: epoch + 1, cuts, ..Progress::default() };
            self.refresh_exemplars(epoch)?;
        }
        self.enter_stage()?;
        if self.adam.steps() == 0 {
            self.refresh_exemplars(0)?;
        }
        let Progress { epoch, batch, .. } = self.progress;
        self.shuffle(epoch);
        let (lr, beta) = self.rates(self.adam.steps());
        let first = (batch as usize).saturating_mul(self.config.batch_size);
        let last = self.order.len().min(first.saturating_add(self.config.batch_size));
        let rows = &mut self.batch[..last - first];
        let numbers = &mut self.noise_rows[..last - first];
        for ((row, number), place) in
            rows.iter_mut().zip(&mut *numbers).zip(&self.order[first..last])
        {
            *row = self.parts.train.rows()[*place as usize];
            *number = *row as u64;
        }
        let (rows, numbers) = (&*rows, &*numbers);
        let masks = Address::new(self.config.seed, Purpose::Mask).epoch(epoch);
        let rate = self.config.mask_rate;
        let mut batch =
            self.parts.train.masked_batch(&mut self.buffer, rows, Some(epoch), rate, masks)?;
        if let Some(retrieval) = &mut self.retrieval {
            let places = &self.order[first..last];
            batch = retrieval.beside(batch, places, &self.parts.train, &self.params, epoch)?;
        }

        let log_volume = self.volume.of_rows(&batch.x);
        let address = Address::new(self.config.seed, Purpose::Train).epoch(epoch);
        let noise = Noise::new(address, numbers).training();
        self.gradient.clear();
        let score = parallel::enter(|| {
            self.vae.loss_and_gradient(
                &mut self.gradient,
                &mut self.ws,
                batch,
                &self.params,
                noise,
                &*self.objective,
                T::from_f64(beta),
            )
        });
        let step = self.adam.steps() + 1;
        let broken = || (!self.gradient.is_finite()).then_some("gradient");
        if let Some(term) = score.broken_term().or_else(broken) {
            return Err(Error::NonFinite { step, term });
        }
        if self.config.normalize_gradient {
            self.gradient.normalize();
        }
        let gradient = self.gradient.values();
        let scale = self.config.clip.map_or(1.0, |max| clip(global_norm(gradient), max));
        let (scale, average) = (T::from_f64(scale), self.average.as_mut());
        // What is no weight does not decay.
        self.vae.layout().keep_states(&mut self.states, &self.params);
        self.adam.update(&mut self.params, gradient, scale, lr, average);
        self.vae.layout().put_states(&mut self.params, &self.states);
        self.vae.fold(&mut self.params, &self.ws);
        let score = score.in_units(log_volume);
        let report = StepReport { step, score, rows: rows.len() };
        self.progress.batch += 1;
        self.progress.sums.add(&score, rows.len() as f64);
        Ok(report)
    }

    /// The learning rate and β of the step that follows `steps` others.
    fn rates(&self, steps: u64) -> (f64, f64) {
        let per_epoch = self.steps_per_epoch();
        let steps = steps.saturating_sub(self.plan.steps_before(self.stage, self.order.len()));
        let (epochs, cuts) = (self.config.epochs, self.progress.cuts);
        let course = Course { steps, steps_per_epoch: per_epoch, epochs, cuts };
        let factor = self.config.schedule.factor(course);
        (self.config.learning_rate * factor, self.config.warmup.beta(steps, per_epoch))
    }

    /// Puts the training rows into the order of `epoch`, unless they are.
    fn shuffle(&mut self, epoch: u32) {
        if self.order_epoch != Some(epoch) {
            // Each epoch shuffles the sorted rows, so that its order does not depend on the last one's.
            self.order.iter_mut().zip(0..).for_each(|(place, i)| *place = i);
            let address = Address::new(self.config.seed, Purpose::Shuffle).epoch(epoch);
            self.order.shuffle(&mut address.rng());
            self.order_epoch = Some(epoch);
        }
    }

    /// Refuses a state that no run can go on from. A step looks at its loss only, and Adam's squares
    /// overflow before anything else does.
    pub(crate) fn check_finite(&self) -> Result<()> {
        let Adam { m, v, .. } = &self.adam;
        let state =
            [("vector of parameters", &self.params), ("first moment", m), ("second moment", v)];
        match state.into_iter().find(|(_, values)| !all_finite(values)) {
            Some((term, _)) => Err(Error::NonFinite { step: self.adam.steps(), term }),
            None => Ok(()),
        }
    }

    /// Encodes the training rows for a prior that retrieves them.
    fn refresh_exemplars(&mut self, epoch: u32) -> Result<()> {
        match &mut self.retrieval {
            Some(retrieval) => {
                retrieval.refresh(&self.vae, &mut self.params, &self.parts.train, epoch)
            }
            None => Ok(()),
        }
    }
}

//! How a model is trained.

use crate::error::{Error, Result};
use crate::family::Spec;
use crate::optim::{AdamConfig, Schedule, Warmup};
use crate::params::Init;

/// Everything that decides how a model is trained, besides the model and the data.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// What is maximised.
    pub objective: Spec,
    /// Importance samples K of each row.
    pub samples: usize,
    /// The course of β.
    pub warmup: Warmup,
    /// Rows of a batch; the last one of an epoch may be shorter.
    pub batch_size: usize,
    /// Epochs in all.
    pub epochs: u32,
    /// The learning rate before its schedule.
    pub learning_rate: f64,
    /// The learning rate's course.
    pub schedule: Schedule,
    /// The largest global norm of a gradient; longer ones are scaled down to it.
    pub clip: Option<f64>,
    /// Adam's constants.
    pub adam: AdamConfig,
    /// Decay of the moving average of the weights; the average is then what is judged and kept.
    pub average: Option<f64>,
    /// How weights start.
    pub init: Init,
    /// Whether the likelihood starts at the data's mean (and spread), where it knows how.
    pub start_at_mean: bool,
    /// Seed of everything random.
    pub seed: u64,
    /// Epochs without a better validation loss after which training ends.
    pub patience: Option<u32>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            objective: Spec::new("elbo"),
            samples: 1,
            warmup: Warmup { beta: 1.0, epochs: 0.0 },
            batch_size: 128,
            epochs: 10,
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            clip: None,
            adam: AdamConfig::default(),
            average: None,
            init: Init::Uniform,
            start_at_mean: true,
            seed: 0,
            patience: None,
        }
    }
}

impl TrainConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// Names the setting that is out of range, and what it accepts.
    pub fn check(&self) -> Result<()> {
        let at_least_one = |name: &str, n: usize| match n {
            0 => Err(Error::setting(name, "must be at least 1")),
            _ => Ok(()),
        };
        at_least_one("samples", self.samples)?;
        at_least_one("batch-size", self.batch_size)?;
        at_least_one("epochs", self.epochs as usize)?;
        let positive = |name: &str, v: f64| match v > 0.0 && v.is_finite() {
            true => Ok(()),
            false => Err(Error::setting(name, format!("{v} is not a number above 0"))),
        };
        let not_negative = |name: &str, v: f64| match v >= 0.0 && v.is_finite() {
            true => Ok(()),
            false => Err(Error::setting(name, format!("{v} is not a number of at least 0"))),
        };
        positive("lr", self.learning_rate)?;
        not_negative("beta", self.warmup.beta)?;
        not_negative("warmup", self.warmup.epochs)?;
        if let Some(norm) = self.clip {
            positive("clip", norm)?;
        }
        if let Some(decay) = self.average
            && !(decay > 0.0 && decay < 1.0)
        {
            return Err(Error::setting(
                "average",
                format!("a decay of {decay} is not between 0 and 1"),
            ));
        }
        if self.patience == Some(0) {
            return Err(Error::setting("patience", "must be at least 1 epoch"));
        }
        self.adam.check()
    }
}

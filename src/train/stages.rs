//! Stages: a run that goes on with other settings when its first epochs are done.
//!
//! ```text
//! epochs=200 objective=iwae samples=5 lr=0.001 / epochs=50 samples=50
//! ```
//!
//! Each stage has the settings of the one before it but for those that it names, as flags without their dashes. The
//! schedule starts anew with it; β stays where a warm-up has brought it; Adam's moments, the average of the weights
//! and the order of the rows go on. So one model can be trained with one sample for most of its epochs and with fifty
//! for the last, which cost as much.

use super::TrainConfig;
use crate::error::{Error, Result};
use crate::settings::{Settings, text_value};
use std::fmt;
use std::str::FromStr;

/// Stages behind the first, each with the settings that it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stages(Vec<Vec<(String, String)>>);

/// What is one for the whole run.
const OF_THE_RUN: [&str; 6] = ["seed", "init", "random-bias", "average", "patience", THEN];

/// The name of the setting.
const THEN: &str = "then";

impl FromStr for Stages {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |message: String| Err(Error::setting(THEN, message));
        let mut stages = Vec::new();
        for stage in text.split('/') {
            let mut changes: Vec<(String, String)> = Vec::new();
            for word in stage.split_whitespace() {
                let Some((name, value)) = word.split_once('=') else {
                    return refuse(format!("`{word}` is not NAME=VALUE, such as samples=5"));
                };
                if changes.iter().any(|(known, _)| known == name) {
                    return refuse(format!("`{name}` is there twice in one stage"));
                }
                changes.push((name.to_owned(), value.to_owned()));
            }
            if !changes.iter().any(|(name, _)| name == "epochs") {
                return refuse(format!("the stage `{}` says no epochs=N", stage.trim()));
            }
            stages.push(changes);
        }
        Ok(Stages(stages))
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, stage) in self.0.iter().enumerate() {
            let words: Vec<_> =
                stage.iter().map(|(name, value)| format!("{name}={value}")).collect();
            write!(f, "{}{}", if i > 0 { " / " } else { "" }, words.join(" "))?;
        }
        Ok(())
    }
}

text_value!(Stages, Stages::to_string);

impl TrainConfig {
    /// The settings of each stage, of which there is one at least.
    ///
    /// # Errors
    /// If a stage changes what it cannot, or to what a setting does not take; or if what depends on validation rows is
    /// combined with stages, whose losses are not of one kind.
    pub fn stages(&self) -> Result<Vec<TrainConfig>> {
        let refuse = |message: String| Err(Error::setting(THEN, message));
        let first = TrainConfig { then: None, ..self.clone() };
        let mut stages = vec![first];
        for changes in self.then.iter().flat_map(|stages| &stages.0) {
            let mut stage = stages[stages.len() - 1].clone();
            stage.warmup = crate::optim::Warmup { epochs: 0.0, cycle: 0.0, ..stage.warmup };
            for (name, text) in changes {
                if OF_THE_RUN.contains(&&**name) {
                    return refuse(format!("`{name}` is one for the whole run"));
                }
                let (mut known, mut unreadable) = (false, None);
                stage.set_each(&mut |setting, value| {
                    let read = (setting.name == name).then(|| (value.reader())(text))?;
                    known = true;
                    read.map(Some).map_err(|message| unreadable = Some(message)).ok()
                })?;
                if !known {
                    return refuse(format!("`{name}` is no setting of the training"));
                }
                if let Some(message) = unreadable {
                    return refuse(format!("{name}: `{text}`: {message}"));
                }
            }
            stage.check()?;
            stages.push(stage);
        }
        let validated = |stage: &TrainConfig| stage.schedule.needs_validation();
        if stages.len() > 1 && (self.patience.is_some() || stages.iter().any(validated)) {
            return refuse(
                "the losses of stages cannot be compared: leave out --patience and plateau"
                    .to_owned(),
            );
        }
        Ok(stages)
    }

    /// The epochs of all stages.
    pub fn all_epochs(&self) -> u32 {
        let further = self.then.iter().flat_map(|stages| &stages.0).flatten();
        let further = further.filter(|(name, _)| name == "epochs");
        further.fold(self.epochs, |sum, (_, n)| sum.saturating_add(n.parse().unwrap_or(0)))
    }

    /// The settings of the last stage, whose bound is that of the finished model.
    ///
    /// # Errors
    /// As [`Self::stages`].
    pub fn last_stage(&self) -> Result<TrainConfig> {
        self.stages().map(|mut stages| stages.pop().expect("there is one at least"))
    }
}

/// The stages of a run, by its epochs.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    stages: Vec<TrainConfig>,
}

impl Plan {
    pub(super) fn new(config: &TrainConfig) -> Result<Self> {
        Ok(Plan { stages: config.stages()? })
    }

    /// Every stage's settings.
    pub(super) fn all(&self) -> &[TrainConfig] {
        &self.stages
    }

    /// The epochs of all stages.
    pub(super) fn epochs(&self) -> u32 {
        self.stages.iter().fold(0, |sum: u32, stage| sum.saturating_add(stage.epochs))
    }

    /// The stage of this epoch, counted from 0; behind the last it is still the last.
    pub(super) fn of_epoch(&self, epoch: u32) -> usize {
        let ends = self.stages.iter().scan(0u32, |end, stage| {
            *end = end.saturating_add(stage.epochs);
            Some(*end)
        });
        ends.take(self.stages.len() - 1).filter(|end| *end <= epoch).count()
    }

    /// The steps before stage `i`, of a part of so many rows.
    pub(super) fn steps_before(&self, i: usize, rows: usize) -> u64 {
        let steps =
            |stage: &TrainConfig| u64::from(stage.epochs) * rows.div_ceil(stage.batch_size) as u64;
        self.stages[..i].iter().map(steps).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(then: &str) -> TrainConfig {
        TrainConfig { then: Some(then.parse().unwrap()), ..TrainConfig::default() }
    }

    #[test]
    fn a_stage_changes_what_it_names() {
        let text = "epochs=5 objective=iwae samples=3 batch-size=7 / epochs=2 lr=0.5 normalize-gradient=true";
        let mut config = config(text);
        config.warmup.epochs = 4.0;
        assert_eq!(config.then.as_ref().unwrap().to_string(), text);
        let stages = config.stages().unwrap();
        let of = |i: usize| {
            let s: &TrainConfig = &stages[i];
            (
                s.epochs,
                s.objective.name(),
                s.samples,
                s.batch_size,
                s.learning_rate,
                s.warmup.epochs,
            )
        };
        assert_eq!(of(0), (20, "elbo", 1, 128, 1e-3, 4.0));
        assert_eq!(of(1), (5, "iwae", 3, 7, 1e-3, 0.0));
        assert_eq!(of(2), (2, "iwae", 3, 7, 0.5, 0.0));
        assert!(stages[2].normalize_gradient && !stages[1].normalize_gradient);
        assert_eq!((config.all_epochs(), config.last_stage().unwrap()), (27, stages[2].clone()));

        let plan = Plan::new(&config).unwrap();
        assert_eq!([0, 19, 20, 24, 25, 26, 99].map(|e| plan.of_epoch(e)), [0, 0, 1, 1, 2, 2, 2]);
        assert_eq!([0, 1, 2].map(|i| plan.steps_before(i, 130)), [0, 40, 40 + 5 * 19]);
    }

    #[test]
    fn what_no_stage_can_be_is_refused() {
        for (then, part) in [
            ("epochs=1 seed=3", "`seed` is one for the whole run"),
            ("epochs=1 hidden=3", "`hidden` is no setting of the training"),
            ("epochs=0", "epochs: 0 is not at least 1"),
            ("epochs=1 lr=fast", "lr: `fast`"),
            ("epochs=1 schedule=plateau", "leave out --patience and plateau"),
        ] {
            let message = config(then).stages().unwrap_err().to_string();
            assert!(message.contains(part), "{then}: {message}");
        }
        assert!(TrainConfig { patience: Some(3), ..config("epochs=1") }.stages().is_err());
    }
}

//! How the learning rate and β change while training.
//!
//! ```text
//! constant   lr
//! cosine     lr · ½ (1 + cos(π t/T)), down to 0 at the horizon T = all steps of all epochs
//! step       lr · factor^⌊epoch / every⌋
//! β          β_max · min(1, t / warm-up), linear in steps, so that it does not jump between epochs
//! ```
//!
//! Sources: cosine: Loshchilov & Hutter 2017, eq. 5; warm-up of the KL: Bowman et al. 2016 and
//! Sønderby et al. 2016.

use crate::error::{Error, Result};
use crate::family::Spec;
use crate::settings::heading::OBJECTIVE;
use crate::settings::{NOT_NEGATIVE, settings, text_value};

/// The learning rate's course.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The same rate throughout.
    Constant,
    /// Half a cosine, from the full rate to 0 at the last epoch's end.
    Cosine,
    /// Multiplied by `factor` after each `every` epochs.
    Step {
        /// Epochs between the steps.
        every: u32,
        /// What the rate is multiplied by.
        factor: f64,
    },
}

impl Schedule {
    /// From `constant`, `cosine` or `step:every=EPOCHS,factor=F`.
    ///
    /// # Errors
    /// If the name or a setting is unknown or out of range.
    pub fn from_spec(spec: &Spec) -> Result<Self> {
        match spec.name() {
            "constant" | "cosine" => {
                spec.only(&[])?;
                Ok(if spec.name() == "cosine" { Schedule::Cosine } else { Schedule::Constant })
            }
            "step" => {
                spec.only(&["every", "factor"])?;
                let every = spec.number("every")?.unwrap_or(10.0);
                let factor = spec.number("factor")?.unwrap_or(0.1);
                if every < 1.0 || every.fract() != 0.0 || every > u32::MAX as f64 {
                    return Err(Error::setting(
                        "step:every",
                        "must be a whole number of epochs, at least 1",
                    ));
                }
                if !(factor > 0.0 && factor <= 1.0) {
                    return Err(Error::setting("step:factor", "must be above 0 and at most 1"));
                }
                Ok(Schedule::Step { every: every as u32, factor })
            }
            name => {
                let message = format!(
                    "`{name}` is unknown; known are constant, cosine, step:every=EPOCHS,factor=F"
                );
                Err(Error::setting("schedule", message))
            }
        }
    }

    /// As [`Self::from_spec`] reads it.
    pub fn spec(&self) -> Spec {
        match self {
            Schedule::Constant => Spec::new("constant"),
            Schedule::Cosine => Spec::new("cosine"),
            Schedule::Step { every, factor } => {
                Spec::new("step").with("every", every).with("factor", factor)
            }
        }
    }

    /// Whether the rate depends on how many epochs are to come, so that a run cannot be extended.
    pub fn needs_horizon(&self) -> bool {
        matches!(self, Schedule::Cosine)
    }

    /// What the base rate is multiplied by in the step that follows `steps` others, in a run of
    /// `epochs` epochs.
    pub fn factor(&self, steps: u64, steps_per_epoch: u64, epochs: u32) -> f64 {
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => {
                let horizon = (steps_per_epoch * epochs as u64).max(1);
                0.5 * (1.0 + (std::f64::consts::PI * steps as f64 / horizon as f64).cos())
            }
            Schedule::Step { every, factor } => {
                factor.powf((steps / steps_per_epoch.max(1) / every as u64) as f64)
            }
        }
    }
}

impl std::str::FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Schedule::from_spec(&text.parse()?)
    }
}

text_value!(Schedule, |schedule| schedule.spec().to_string());

settings! {
    #[derive(Copy)]
    /// The course of β: from 0 to its full value over the first epochs.
    pub struct Warmup {
        /// Weight of the KL.
        beta: f64 {
            flag: "beta" "B", OBJECTIVE,
            file: "beta",
            default: 1.0,
            range: NOT_NEGATIVE,
            takes: ["0", "4"], refuses: ["-1", "nan"],
        }

        /// Raise β from 0 over the first EPOCHS.
        epochs: f64 {
            flag: "warmup" "EPOCHS", OBJECTIVE,
            file: "warmup",
            default: 0.0,
            range: NOT_NEGATIVE,
            takes: ["0", "2.5"], refuses: ["-1", "inf"],
        }
    }
}

impl Warmup {
    /// β of the step that starts after `steps` steps.
    pub fn beta(&self, steps: u64, steps_per_epoch: u64) -> f64 {
        let warm = self.epochs * steps_per_epoch as f64;
        if warm > 0.0 { self.beta * (steps as f64 / warm).min(1.0) } else { self.beta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courses() {
        assert_eq!(Schedule::Constant.factor(99, 10, 10), 1.0);
        assert_eq!(Schedule::Cosine.factor(0, 10, 10), 1.0);
        assert!((Schedule::Cosine.factor(50, 10, 10) - 0.5).abs() < 1e-15);
        assert!(Schedule::Cosine.factor(100, 10, 10).abs() < 1e-15);
        let step = Schedule::Step { every: 2, factor: 0.5 };
        assert_eq!(
            (step.factor(19, 10, 10), step.factor(20, 10, 10), step.factor(40, 10, 10)),
            (1.0, 0.5, 0.25)
        );
        let warmup = Warmup { beta: 2.0, epochs: 5.0 };
        assert_eq!((warmup.beta(0, 10), warmup.beta(25, 10), warmup.beta(80, 10)), (0.0, 1.0, 2.0));
        assert_eq!(Warmup { beta: 0.5, epochs: 0.0 }.beta(0, 10), 0.5);
    }

    #[test]
    fn specs_survive_a_round_trip() {
        for text in ["constant", "cosine", "step:every=3,factor=0.5"] {
            assert_eq!(
                Schedule::from_spec(&text.parse().unwrap()).unwrap().spec().to_string(),
                text
            );
        }
        for bad in ["linear", "cosine:a=1", "step:every=0", "step:factor=2", "step:every=1.5"] {
            assert!(Schedule::from_spec(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}

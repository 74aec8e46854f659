//! How the learning rate and β change while training.
//!
//! ```text
//! constant   lr
//! cosine     lr · ½ (1 + cos(π t/T)), down to 0 at the horizon T = all steps of all epochs; with a warm-up of
//!            W steps, lr · t/W first, and t and T counted from there
//! step       lr · factor^⌊epoch / every⌋
//! stages     lr · factorⁱ in stage i = 0, 1 …, which lasts growthⁱ epochs
//! plateau    lr · factor^c, c counted up by each `wait` epochs in which the validation loss has not been better
//! β          β_max · min(1, t / warm-up), linear in steps, so that it does not jump between epochs; with
//!            cycles, t counts anew from each
//! ```
//!
//! Sources: cosine: Loshchilov & Hutter 2017, eq. 5; stages: Burda et al. 2016, section 5 (growth 3, factor
//! 10^(−1/7)); warm-up of the KL: Bowman et al. 2016 and Sønderby et al. 2016; its cycles: Fu et al. 2019.

use crate::error::{Error, Result};
use crate::family::Spec;
use crate::settings::heading::OBJECTIVE;
use crate::settings::{NOT_NEGATIVE, settings, text_value};

/// The learning rate's course.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The same rate throughout.
    Constant,
    /// Half a cosine, from the full rate to 0 at the last epoch's end, after a linear rise.
    Cosine {
        /// Epochs of the rise.
        warmup: f64,
    },
    /// Multiplied by `factor` after each `every` epochs.
    Step {
        /// Epochs between the steps.
        every: u32,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Multiplied by `factor` after each stage; a stage has `growth` times the epochs of that before it, and the
    /// first has one.
    Stages {
        /// How much longer each is.
        growth: f64,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Multiplied by `factor` after each `wait` epochs whose validation loss was not better than the best.
    Plateau {
        /// Epochs without a better one.
        wait: u32,
        /// What the rate is multiplied by.
        factor: f64,
    },
}

/// Where a run stands, as far as a course depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// Steps taken.
    pub steps: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Epochs of the whole run.
    pub epochs: u32,
    /// How often the validation loss has not been better for as long as a plateau lasts.
    pub cuts: u32,
}

/// A number of epochs, at least 1.
fn epochs_of(spec: &Spec, key: &str, default: u32) -> Result<u32> {
    let epochs = spec.number(key)?.unwrap_or(f64::from(default));
    if epochs < 1.0 || epochs.fract() != 0.0 || epochs > f64::from(u32::MAX) {
        let setting = format!("{}:{key}", spec.name());
        return Err(Error::setting(setting, "must be a whole number of epochs, at least 1"));
    }
    Ok(epochs as u32)
}

/// A factor of the rate.
fn factor_of(spec: &Spec, default: f64) -> Result<f64> {
    let factor = spec.number("factor")?.unwrap_or(default);
    if factor > 0.0 && factor <= 1.0 {
        return Ok(factor);
    }
    let setting = format!("{}:factor", spec.name());
    Err(Error::setting(setting, "must be above 0 and at most 1"))
}

impl Schedule {
    /// From `constant`, `cosine:warmup=EPOCHS`, `step:every=EPOCHS,factor=F`, `stages:growth=G,factor=F` or
    /// `plateau:wait=EPOCHS,factor=F`.
    ///
    /// # Errors
    /// If the name or a setting is unknown or out of range.
    pub fn from_spec(spec: &Spec) -> Result<Self> {
        match spec.name() {
            "constant" => {
                spec.only(&[])?;
                Ok(Schedule::Constant)
            }
            "cosine" => {
                spec.only(&["warmup"])?;
                let warmup = spec.number("warmup")?.unwrap_or(0.0);
                if warmup < 0.0 {
                    return Err(Error::setting("cosine:warmup", "must not be negative"));
                }
                Ok(Schedule::Cosine { warmup })
            }
            "stages" => {
                spec.only(&["growth", "factor"])?;
                let growth = spec.number("growth")?.unwrap_or(3.0);
                if !(1.0..=1e6).contains(&growth) {
                    return Err(Error::setting("stages:growth", "must be from 1 to 1e6"));
                }
                Ok(Schedule::Stages { growth, factor: factor_of(spec, 10f64.powf(-1.0 / 7.0))? })
            }
            "step" => {
                spec.only(&["every", "factor"])?;
                let every = epochs_of(spec, "every", 10)?;
                Ok(Schedule::Step { every, factor: factor_of(spec, 0.1)? })
            }
            "plateau" => {
                spec.only(&["wait", "factor"])?;
                let wait = epochs_of(spec, "wait", 10)?;
                Ok(Schedule::Plateau { wait, factor: factor_of(spec, 0.1)? })
            }
            name => {
                let message = format!(
                    "`{name}` is unknown; known are constant, cosine:warmup=EPOCHS, step:every=EPOCHS,factor=F, \
                     stages:growth=G,factor=F, plateau:wait=EPOCHS,factor=F"
                );
                Err(Error::setting("schedule", message))
            }
        }
    }

    /// As [`Self::from_spec`] reads it.
    pub fn spec(&self) -> Spec {
        match self {
            Schedule::Constant => Spec::new("constant"),
            Schedule::Cosine { warmup: 0.0 } => Spec::new("cosine"),
            Schedule::Cosine { warmup } => Spec::new("cosine").with("warmup", warmup),
            Schedule::Stages { growth, factor } => {
                Spec::new("stages").with("growth", growth).with("factor", factor)
            }
            Schedule::Step { every, factor } => {
                Spec::new("step").with("every", every).with("factor", factor)
            }
            Schedule::Plateau { wait, factor } => {
                Spec::new("plateau").with("wait", wait).with("factor", factor)
            }
        }
    }

    /// Whether the rate depends on how many epochs are to come, so that a run cannot be extended.
    pub fn needs_horizon(&self) -> bool {
        matches!(self, Schedule::Cosine { .. })
    }

    /// Whether the rate depends on the validation loss.
    pub fn needs_validation(&self) -> bool {
        matches!(self, Schedule::Plateau { .. })
    }

    /// Whether the rate is to be cut after so many epochs without a better validation loss.
    pub fn cuts_after(&self, waited: u32) -> bool {
        matches!(*self, Schedule::Plateau { wait, .. } if waited > 0 && waited.is_multiple_of(wait))
    }

    /// What the base rate is multiplied by in the next step.
    pub fn factor(&self, course: Course) -> f64 {
        let Course { steps, steps_per_epoch, epochs, cuts } = course;
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Cosine { warmup } => {
                let rise = (warmup * steps_per_epoch as f64).floor();
                let (steps, horizon) = (steps as f64, (steps_per_epoch * epochs as u64) as f64);
                if steps < rise {
                    return (steps + 1.0) / (rise + 1.0);
                }
                let left = (horizon - rise).max(1.0);
                0.5 * (1.0 + (std::f64::consts::PI * (steps - rise) / left).cos())
            }
            Schedule::Stages { growth, factor } => {
                let epoch = (steps / steps_per_epoch.max(1)) as f64;
                let (mut stage, mut length, mut end) = (0, 1.0, 1.0);
                while epoch >= end {
                    length *= growth;
                    (stage, end) = (stage + 1, end + length);
                }
                factor.powi(stage)
            }
            Schedule::Plateau { factor, .. } => factor.powf(f64::from(cuts)),
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

        /// Raise β from 0 anew each EPOCHS.
        cycle: f64 {
            flag: "warmup-cycle" "EPOCHS", OBJECTIVE,
            file: "warmup_cycle",
            default: 0.0,
            range: NOT_NEGATIVE,
            takes: ["0", "10"], refuses: ["-1", "inf"],
        }
    }
}

impl Warmup {
    /// β of the step that starts after `steps` steps.
    pub fn beta(&self, steps: u64, steps_per_epoch: u64) -> f64 {
        let [warm, cycle] = [self.epochs, self.cycle].map(|epochs| epochs * steps_per_epoch as f64);
        let steps = if cycle > 0.0 { steps as f64 % cycle } else { steps as f64 };
        if warm > 0.0 { self.beta * (steps / warm).min(1.0) } else { self.beta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(schedule: Schedule, steps: u64, steps_per_epoch: u64, epochs: u32) -> f64 {
        schedule.factor(Course { steps, steps_per_epoch, epochs, cuts: 0 })
    }

    #[test]
    fn courses() {
        assert_eq!(factor(Schedule::Constant, 99, 10, 10), 1.0);
        assert_eq!(factor(Schedule::Cosine { warmup: 0.0 }, 0, 10, 10), 1.0);
        assert!((factor(Schedule::Cosine { warmup: 0.0 }, 50, 10, 10) - 0.5).abs() < 1e-15);
        assert!(factor(Schedule::Cosine { warmup: 0.0 }, 100, 10, 10).abs() < 1e-15);
        let step = Schedule::Step { every: 2, factor: 0.5 };
        assert_eq!(
            (factor(step, 19, 10, 10), factor(step, 20, 10, 10), factor(step, 40, 10, 10)),
            (1.0, 0.5, 0.25)
        );
        let warmup = Warmup { beta: 2.0, epochs: 5.0, cycle: 0.0 };
        assert_eq!((warmup.beta(0, 10), warmup.beta(25, 10), warmup.beta(80, 10)), (0.0, 1.0, 2.0));
        assert_eq!(Warmup { beta: 0.5, epochs: 0.0, cycle: 0.0 }.beta(0, 10), 0.5);
    }

    /// Two epochs without a better one cut the rate, and two more cut it again.
    #[test]
    fn a_plateau_cuts_the_rate() {
        let plateau: Schedule = "plateau:wait=2,factor=0.5".parse().unwrap();
        assert_eq!(
            [0, 1, 2, 3, 4].map(|n| plateau.cuts_after(n)),
            [false, false, true, false, true]
        );
        let of = |cuts| plateau.factor(Course { steps: 7, steps_per_epoch: 2, epochs: 9, cuts });
        assert_eq!([of(0), of(1), of(3)], [1.0, 0.5, 0.125]);
        assert!(plateau.needs_validation() && !Schedule::Constant.cuts_after(2));
    }

    /// A rise of two epochs before the cosine; stages of 1, 3 and 9 epochs; β that rises anew each ten epochs.
    #[test]
    fn courses_of_several_parts() {
        let cosine = Schedule::Cosine { warmup: 2.0 };
        let of = |steps| factor(cosine, steps, 10, 10);
        assert_eq!((of(0), of(20)), (1.0 / 21.0, 1.0));
        assert!((of(60) - 0.5).abs() < 1e-15 && of(100).abs() < 1e-15);
        let stages = Schedule::Stages { growth: 3.0, factor: 0.5 };
        let of = |epoch: u64| factor(stages, epoch * 10 + 9, 10, 100);
        assert_eq!(
            [of(0), of(1), of(3), of(4), of(12), of(13)],
            [1.0, 0.5, 0.5, 0.25, 0.25, 0.125]
        );
        let cycles = Warmup { beta: 2.0, epochs: 5.0, cycle: 10.0 };
        let of = |steps| cycles.beta(steps, 10);
        assert_eq!([of(0), of(25), of(99), of(100), of(125)], [0.0, 1.0, 2.0, 0.0, 1.0]);
    }

    #[test]
    fn specs_survive_a_round_trip() {
        for text in [
            "constant",
            "cosine",
            "cosine:warmup=2.5",
            "step:every=3,factor=0.5",
            "stages:growth=2,factor=0.5",
        ] {
            assert_eq!(
                Schedule::from_spec(&text.parse().unwrap()).unwrap().spec().to_string(),
                text
            );
        }
        for bad in [
            "linear",
            "cosine:a=1",
            "step:every=0",
            "step:factor=2",
            "step:every=1.5",
            "cosine:warmup=-1",
            "stages:growth=0.5",
            "stages:factor=0",
        ] {
            assert!(Schedule::from_spec(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}

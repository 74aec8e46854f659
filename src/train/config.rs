//! How a model is trained: the list of settings.

use crate::family::Spec;
use crate::nn::Init;
use crate::optim::{AdamConfig, Schedule, Warmup};
use crate::settings::heading::{MODEL, OBJECTIVE, OPTIMISATION};
use crate::settings::{ABOVE_ZERO, ANY, AT_LEAST_ONE, Range, settings, text_value};

settings! {
    /// Everything that decides how a model is trained, besides the model and the data.
    pub struct TrainConfig {
        /// What is maximised: an objective of the list below.
        objective: Spec {
            flag: "objective" "SPEC", OBJECTIVE,
            file: "objective",
            default: Spec::new("elbo"),
            range: ANY,
            takes: ["iwae", "elbo:free-bits=0.3"], refuses: ["", "elbo:a"],
        }

        /// Importance samples of each row.
        samples: usize {
            flag: "samples" "K", OBJECTIVE,
            file: "samples",
            default: 1,
            range: AT_LEAST_ONE,
            takes: ["1", "50"], refuses: ["0", "-1", "1.5"],
        }

        /// The course of β.
        warmup: Warmup { .. }

        /// Rows of a batch.
        ///
        /// The last one of an epoch may be shorter.
        batch_size: usize {
            flag: "batch-size" "ROWS", OPTIMISATION,
            file: "batch_size",
            default: 128,
            range: AT_LEAST_ONE,
            takes: ["1", "1000000"], refuses: ["0", "-1", "many"],
        }

        /// Passes over the training rows.
        epochs: u32 {
            flag: "epochs" "N", OPTIMISATION,
            file: "epochs",
            default: 20,
            range: AT_LEAST_ONE,
            takes: ["1", "4294967295"], refuses: ["0", "-1", "4294967296"],
        }

        /// Learning rate.
        learning_rate: f64 {
            flag: "lr" "RATE", OPTIMISATION,
            file: "learning_rate",
            default: 1e-3,
            range: ABOVE_ZERO,
            takes: ["1e-9", "2"], refuses: ["0", "-1", "nan", "inf", "fast"],
        }

        /// Its course: constant, cosine or step:every=EPOCHS,factor=F.
        schedule: Schedule {
            flag: "schedule" "SPEC", OPTIMISATION,
            file: "schedule",
            default: Schedule::Constant,
            range: ANY,
            takes: ["cosine", "step:every=3,factor=0.5"], refuses: ["linear", "step:every=0"],
        }

        /// Scale gradients down to this global norm.
        ///
        /// Shorter ones are left as they are.
        clip: Option<f64> {
            flag: "clip" "NORM", OPTIMISATION,
            file: "clip",
            default: None,
            range: ABOVE_ZERO,
            takes: ["0.5"], refuses: ["0", "-1", "inf"],
        }

        /// Adam's constants.
        adam: AdamConfig { .. }

        /// Keep a moving average of the weights with this decay (0.999, say) instead of the last ones.
        ///
        /// The average is then what is judged, too.
        average: Option<f64> {
            flag: "average" "DECAY", OPTIMISATION,
            file: "average",
            default: None,
            range: Range { words: "a decay between 0 and 1", holds: |d| d > 0.0 && d < 1.0 },
            takes: ["0.999"], refuses: ["0", "1"],
        }

        /// Starting weights: uniform (PyTorch's), glorot or he.
        init: Init {
            flag: "init" "NAME", MODEL,
            file: "init",
            default: Init::Uniform,
            range: ANY,
            takes: ["glorot", "he"], refuses: ["xavier"],
        }

        /// Start the output's bias at random instead of at the data's mean.
        ///
        /// True (the flag not given) starts the likelihood at the data's mean (and spread), where it knows
        /// how.
        start_at_mean: bool {
            flag: "random-bias" "", MODEL,
            file: "start_at_mean",
            default: true,
            range: ANY,
            takes: ["false"], refuses: ["maybe"],
        }

        /// Stop after so many epochs without a better validation loss (needs --validation).
        patience: Option<u32> {
            flag: "patience" "EPOCHS", OPTIMISATION,
            file: "patience",
            default: None,
            range: AT_LEAST_ONE,
            takes: ["1"], refuses: ["0", "-1"],
        }

        /// Seed of everything random.
        seed: u64 {
            flag: "seed" "N", OPTIMISATION,
            file: "seed",
            default: 0,
            range: ANY,
            takes: ["7", "18446744073709551615"], refuses: ["-1"],
        }
    }
}

text_value!(Init, |init| init.name().to_owned());

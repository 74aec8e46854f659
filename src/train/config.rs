//! How a model is trained: the list of settings.

use super::Stages;
use crate::family::Spec;
use crate::optim::{AdamConfig, Schedule, Warmup};
use crate::params::Init;
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

        /// Further stages, each of the settings before it but for what it names: epochs=200 objective=iwae samples=5 / epochs=50 samples=50.
        then: Option<Stages> {
            flag: "then" "STAGES", OPTIMISATION,
            file: "then",
            default: None,
            range: ANY,
            takes: ["epochs=3", "epochs=5 objective=iwae samples=3 / epochs=2 lr=0.1"],
            refuses: ["", "samples=3", "epochs=3 samples", "epochs=3 / samples=2", "epochs=3 epochs=4"],
        }

        /// Learning rate.
        learning_rate: f64 {
            flag: "lr" "RATE", OPTIMISATION,
            file: "learning_rate",
            default: 1e-3,
            range: ABOVE_ZERO,
            takes: ["1e-9", "2"], refuses: ["0", "-1", "nan", "inf", "fast"],
        }

        /// Its course: constant, cosine:warmup=EPOCHS, step:every=EPOCHS,factor=F, stages:growth=G,factor=F or plateau:wait=EPOCHS,factor=F.
        schedule: Schedule {
            flag: "schedule" "SPEC", OPTIMISATION,
            file: "schedule",
            default: Schedule::Constant,
            range: ANY,
            takes: ["cosine", "step:every=3,factor=0.5", "plateau:wait=2"], refuses: ["linear", "step:every=0", "plateau:wait=0"],
        }

        /// Take each cell of a training row away with this probability, anew each time (needs a likelihood with missing cells).
        ///
        /// A model is then asked of all subsets of columns, as when cells are filled in.
        mask_rate: f64 {
            flag: "mask-rate" "RATE", OPTIMISATION,
            file: "mask_rate",
            default: 0.0,
            range: Range { words: "a probability of at least 0 and below 1", holds: |p| (0.0..1.0).contains(&p) },
            takes: ["0.2"], refuses: ["1", "-0.1", "nan"],
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

        /// Divide each tensor's gradient by its norm before Adam.
        ///
        /// AdamNormGrad, as the published runs of Tomczak & Welling 2018 use it.
        normalize_gradient: bool {
            flag: "normalize-gradient" "", OPTIMISATION,
            file: "normalize_gradient",
            default: false,
            range: ANY,
            takes: ["true"], refuses: ["maybe"],
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
        ///
        /// Those of a warm-up of β do not count.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Result};
    use crate::settings::{Setting, Settings};

    fn settings() -> Vec<&'static Setting> {
        TrainConfig::default().list().into_iter().map(|(setting, _)| setting).collect()
    }

    /// The defaults, but for one setting.
    fn with(name: &str, text: &str) -> Result<TrainConfig> {
        let mut config = TrainConfig::default();
        let mut unreadable = None;
        config.set_each(&mut |setting, value| {
            let read = (setting.name == name).then(|| (value.reader())(text))?;
            read.map(Some).map_err(|message| unreadable = Some(message)).ok()
        })?;
        match unreadable {
            Some(message) => Err(Error::setting(name, message)),
            None => config.check().map(|()| config),
        }
    }

    /// What every setting takes: the configuration with it, its name and its text.
    #[cfg(any(feature = "cli", feature = "model-file"))]
    fn taken() -> Vec<(TrainConfig, &'static Setting, &'static str)> {
        let each = settings().into_iter().flat_map(|s| s.takes.iter().map(move |text| (s, *text)));
        each.map(|(s, text)| (with(s.name, text).expect(s.name), s, text)).collect()
    }

    #[test]
    fn every_setting_takes_and_refuses_what_its_block_says() {
        TrainConfig::default().check().unwrap();
        for setting in settings() {
            let name = setting.name;
            assert!(!setting.takes.is_empty() && !setting.refuses.is_empty(), "{name}: no tests");
            for text in setting.takes {
                let config = with(name, text).unwrap_or_else(|e| panic!("{name} {text}: {e}"));
                let changed = config.list().into_iter().zip(TrainConfig::default().list());
                let changed = changed.filter(|((_, new), (_, old))| new != old);
                assert!(changed.map(|((s, _), _)| s.name).all(|s| s == name), "{name} {text}");
            }
            for text in setting.refuses {
                assert!(with(name, text).is_err(), "{name} takes {text}");
            }
        }
    }

    #[test]
    fn no_two_settings_share_a_name_or_a_key() {
        for part in [|s: &Setting| s.name, |s: &Setting| s.file] {
            let mut names: Vec<_> = settings().into_iter().map(part).collect();
            names.sort_unstable();
            assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        }
    }

    #[cfg(feature = "cli")]
    #[test]
    fn flags_say_the_same() {
        use clap::{Args, FromArgMatches};
        let command = || TrainConfig::augment_args(clap::Command::new("train"));
        let of = |flag: String| {
            let matches = command().try_get_matches_from(["train".to_owned(), flag]).ok()?;
            TrainConfig::from_arg_matches(&matches).ok()
        };
        for (config, Setting { name, value, .. }, text) in taken() {
            let flag = match value.is_empty() {
                true => format!("--{name}"),
                false => format!("--{name}={text}"),
            };
            assert_eq!(of(flag), Some(config), "--{name} {text}");
        }
        let none = command().get_matches_from(["train"]);
        assert_eq!(TrainConfig::from_arg_matches(&none).unwrap(), TrainConfig::default());
        for Setting { name, refuses, .. } in settings() {
            for text in *refuses {
                let config = of(format!("--{name}={text}"));
                assert!(config.is_none_or(|c| c.check().is_err()), "--{name} {text}");
            }
        }
    }

    #[cfg(feature = "model-file")]
    #[test]
    fn files_hold_every_setting() {
        use crate::settings::files::{Spelling, entries, take};
        for spelling in [Spelling::Model, Spelling::Flags] {
            for (config, setting, text) in taken() {
                let json = serde_json::to_string(&entries(&config, spelling)).unwrap();
                let mut map = serde_json::from_str(&json).unwrap();
                assert_eq!(take(&mut map, spelling), Ok(config), "{} {text}", setting.name);
                assert!(map.is_empty(), "{map:?}");
            }
            // What a file of before does not know has its default.
            assert_eq!(take(&mut serde_json::Map::new(), spelling), Ok(TrainConfig::default()));
        }
        let mut odd = serde_json::from_str(r#"{"clip": "much"}"#).unwrap();
        let message = take::<TrainConfig>(&mut odd, Spelling::Model).unwrap_err();
        assert_eq!(message, "clip: invalid type: expected f64");
    }
}

//! The settings of a run: flags, `config.toml`, and what the library makes of them.

mod task;

pub(crate) use task::{Task, size, whether};

use crate::chosen::Chosen;
use clap::Args;
use elbo::data::{Binarize, Roles};
use elbo::error::{Error, Result};
use elbo::family::Spec;
use elbo::settings::files::{Spelling, entries, take};
use elbo::train::TrainConfig;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// Everything that decides what a run computes. The names are those of the flags and of the keys in
/// `config.toml`.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(crate) struct Run {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) task: Task,
    #[command(flatten)]
    #[serde(flatten, serialize_with = "write_settings")]
    pub(crate) train: TrainConfig,
}

/// The settings of the model itself.
const MODEL: [&str; 10] = [
    "hidden",
    "network",
    "latent",
    "inference",
    "skip",
    "activation",
    "likelihood",
    "conditional",
    "posterior",
    "prior",
];

fn write_settings<S: Serializer>(c: &TrainConfig, to: S) -> std::result::Result<S::Ok, S::Error> {
    entries(c, Spelling::Flags).serialize(to)
}

impl TryFrom<Map<String, Value>> for Run {
    type Error = String;

    fn try_from(mut map: Map<String, Value>) -> std::result::Result<Run, String> {
        let mut train: TrainConfig = take(&mut map, Spelling::Flags)?;
        if let Some(nats) = map.remove(FREE_BITS) {
            let nats = nats.as_f64().ok_or("free-bits: invalid type: expected f64")?;
            train.objective = with_free_bits(train.objective, nats).map_err(|e| e.to_string())?;
        }
        let task = serde_json::from_value(Value::Object(map)).map_err(|e| unlisted(&e))?;
        Ok(Run { task, train })
    }
}

/// What serde says is wrong, without its list of known fields, which holds a part of them only.
fn unlisted(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(", expected one of").next().unwrap_or(&text).to_owned()
}

/// Another spelling of `elbo:free-bits=NATS`, in commands and in files that runs of before left. It is
/// read, never written.
const FREE_BITS: &str = "free-bits";

/// The objective with so many free bits, in the one place where they are kept.
///
/// # Errors
/// If it is not the one that has them, or they are given there already.
fn with_free_bits(objective: Spec, nats: f64) -> Result<Spec> {
    match objective.name() {
        _ if nats == 0.0 => Ok(objective),
        "elbo" if objective == Spec::new("elbo") => Ok(objective.with(FREE_BITS, nats)),
        "elbo" => Err(Error::setting(FREE_BITS, "is given twice, here and in --objective")),
        _ => Err(Error::setting(FREE_BITS, "only the objective elbo has free bits")),
    }
}

impl Run {
    /// These settings where they were chosen, else those of `base`.
    pub(crate) fn over(&self, base: &Run, chosen: &Chosen) -> Run {
        let mut merged = base.to_map();
        for (key, value) in self.to_map() {
            if chosen.has(&key) {
                merged.insert(key, value);
            }
        }
        // Who chooses widths here does not mean the layers that `base` has in their place.
        if chosen.has("hidden") && !chosen.has("network") {
            merged.remove("network");
        }
        // Both halves came from a `Run`, so the whole is one.
        Run::try_from(merged).expect("keys and types are those of a run")
    }

    /// With the model of `base` where nobody chose another, which then counts as chosen.
    pub(crate) fn with_model_of(&self, base: &Run, chosen: &mut Chosen) -> Run {
        let (mut merged, base) = (self.to_map(), base.to_map());
        // Widths and layers are two ways to say one thing.
        let open = |key: &str| match key {
            "hidden" | "network" => !chosen.has("hidden") && !chosen.has("network"),
            _ => !chosen.has(key),
        };
        let keys: Vec<_> = MODEL.into_iter().filter(|key| open(key)).collect();
        for key in keys {
            match base.get(key) {
                Some(value) => merged.insert(key.to_owned(), value.clone()),
                None => merged.remove(key),
            };
            chosen.add(key.to_owned());
        }
        Run::try_from(merged).expect("keys and types are those of a run")
    }

    /// With what `--free-bits` says, if it was given. It goes before an objective that a file states, but not
    /// before one beside it on the command line.
    ///
    /// # Errors
    /// If the objective has none, or states them too.
    pub(crate) fn with_free_bits(mut self, nats: Option<f64>, flags: &Chosen) -> Result<Run> {
        if let Some(nats) = nats {
            let (elbo, objective) = (Spec::new("elbo"), self.train.objective);
            let instead = !flags.has("objective") && objective.name() == elbo.name();
            self.train.objective = with_free_bits(if instead { elbo } else { objective }, nats)?;
        }
        Ok(self)
    }

    /// These settings, with those of a `config.toml` in their place; and which these are.
    ///
    /// # Errors
    /// One line that says what is wrong with the file.
    pub(crate) fn with_toml(&self, text: &str) -> std::result::Result<(Run, Chosen), String> {
        let file: toml::Table =
            text.parse().map_err(|e: toml::de::Error| e.message().replace('\n', " "))?;
        let (mut merged, mut chosen) = (self.to_map(), Chosen::default());
        for (key, value) in file {
            // TOML has NaN and infinity; no setting takes them, and JSON would make them absent.
            if value.as_float().is_some_and(|v| !v.is_finite()) {
                return Err(format!("`{key}` is not a finite number"));
            }
            let mut value = serde_json::to_value(value).map_err(|e| e.to_string())?;
            // Widths are text on the command line; here they may be what they look like.
            if merged.get(&key).is_some_and(Value::is_string) {
                value = as_text(value);
            }
            // Stages may stand below each other.
            if let ("then", Value::Array(stages)) = (&*key, &value) {
                let stages: Vec<_> = stages.iter().filter_map(Value::as_str).collect();
                value = Value::String(stages.join(" / "));
            }
            let read = |value: &Value| {
                let mut one = self.to_map();
                one.insert(key.clone(), value.clone());
                Run::try_from(one)
            };
            if let Err(e) = read(&value) {
                // Columns may be called by number.
                value = in_text(value);
                let e = e.strip_prefix(&format!("{key}: ")).unwrap_or(&e);
                read(&value).map_err(|_| format!("`{key}`: {e}"))?;
            }
            chosen.add(key.clone());
            merged.insert(key, value);
        }
        Ok((Run::try_from(merged)?, chosen))
    }

    /// The settings that a run's `config.toml` holds, if there is one and this program wrote it.
    pub(crate) fn of(config: &Path) -> Option<Run> {
        toml::from_str(&std::fs::read_to_string(config).ok()?).ok()
    }

    /// The flags by which these settings differ from `other`.
    pub(crate) fn differences(&self, other: &Run) -> Vec<String> {
        let (mine, others) = (self.to_map(), other.to_map());
        let keys: BTreeSet<_> = mine.keys().chain(others.keys()).collect();
        keys.into_iter()
            .filter(|k| mine.get(*k) != others.get(*k))
            .map(|k| format!("--{k}"))
            .collect()
    }

    /// The value of the setting `key` as its flag has it, if it is set.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        self.to_map().remove(key).map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => unreachable!("a struct of plain values is a JSON object"),
        }
    }

    /// As JSON, for the checkpoint.
    pub(crate) fn to_json(&self) -> String {
        Value::Object(self.to_map()).to_string()
    }

    /// As `config.toml`.
    pub(crate) fn to_toml(&self) -> String {
        let body = toml::to_string(self).expect("plain values are TOML");
        format!("# The settings of this run; each key is a flag of `elbo train`.\n{body}")
    }

    /// Checks how it is trained.
    ///
    /// # Errors
    /// Names the flag that is wrong.
    pub(crate) fn check(&self) -> Result<()> {
        self.train.check()?;
        for stage in self.train.stages()? {
            elbo::objective::build::<f32>(&stage.objective)?;
        }
        // `config.toml` must hold it.
        let (seed, most) = (self.train.seed, i64::MAX as u64);
        if seed > most {
            return Err(Error::setting("seed", format!("{seed} is not in 0..={most}")));
        }
        Ok(())
    }

    /// The roles of the rows.
    ///
    /// # Errors
    /// If the binarisation is unknown.
    pub(crate) fn roles(&self) -> Result<Roles> {
        let Task { validation, test, limit, ref binarize, .. } = self.task;
        let binarize = binarize.parse::<Binarize>()?;
        Ok(Roles { validation, test, limit, binarize, seed: self.train.seed })
    }
}

/// `16` and `[64, 32]` as the text that a flag would have.
fn as_text(value: Value) -> Value {
    match value {
        Value::Number(n) => Value::String(n.to_string()),
        Value::Array(items) if items.iter().all(Value::is_u64) => {
            let items: Vec<_> = items.iter().map(Value::to_string).collect();
            Value::String(items.join(","))
        }
        other => other,
    }
}

/// Numbers, alone or in a list, as text.
fn in_text(value: Value) -> Value {
    match value {
        Value::Number(n) => Value::String(n.to_string()),
        Value::Array(items) => Value::Array(items.into_iter().map(in_text).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests;

//! Settings that fit the data, where nobody chose any.
//!
//! One set of defaults cannot serve digits and a table of 150 rows. So there are three, by what the
//! rows are:
//!
//! | rows | likelihood | what the rest is for |
//! |---|---|---|
//! | shades in bytes, grey pictures in [0, 1] | `bernoulli` | the flags' own defaults: pictures in thousands |
//! | colour pictures, pictures beyond [0, 1] | `normal:variance=learned` | a folder of hundreds or thousands |
//! | tables | `bounded-normal`, or `bernoulli` if all is 0 or 1 | tens to a million rows, which [`Sizes`] follows |
//! | tables of several kinds, or with missing cells | one for each column (`Table::likelihood`) | the same |
//!
//! A variance that is learned starts at the pictures' own and comes down with the residual, so that
//! the reconstruction never counts for little beside the KL; a fixed one is right for one contrast only.
//! Of a smooth `silu` network the pictures between those that were seen stay as bright as these; from
//! some hundred pictures a `relu` network learned ones that were too dark, and 280 nats fewer.
//!
//! A table's `tanh` saturates. Behind a piecewise linear activation a cell ten spreads out lies ten
//! times as far out in the latents too, from where the decoder returns it: then the row is well
//! reconstructed, and looks like any other. Its standardised columns are within reach of one such layer.

use crate::chosen::Chosen;
use crate::run::{Run, Task};
use clap::Command;
use elbo::data::{Bytes, Dataset};
use elbo::error::Result;
use elbo::optim::{Schedule, Warmup};
use elbo::train::TrainConfig;

/// The settings that are chosen by the data, and what else than their default they may be then.
const FITTED: [(&str, &str); 13] = [
    ("likelihood", "of a table bounded-normal, of colour pictures normal:variance=learned"),
    ("hidden", "of a table 64, 64,64 or 128,128 by its rows, of colour pictures 256,128"),
    ("latent", "of a table half its columns, at most 10, of colour pictures 32"),
    ("activation", "of a table tanh, of colour pictures silu"),
    ("batch-size", "of a table or colour pictures 32 to 256 by their number"),
    ("epochs", "of a table or colour pictures 20 to 1000 by their number"),
    ("validation", "of a table or colour pictures 0.1 from 50 rows on"),
    ("patience", "of a table of numbers or colour pictures 10 to 50, unless --epochs is given"),
    ("prior", "of a table of several kinds mixture:components=20, or 100 from 10,000 rows on"),
    ("lr", "of a table of several kinds 0.003"),
    ("schedule", "of a table of several kinds cosine"),
    ("clip", "of a table of several kinds 10"),
    ("warmup", "of a table of several kinds a fifth of the epochs, at most 20"),
];

/// Those that other data leave at their defaults.
const OF_KINDS: [&str; 5] = ["prior", "lr", "schedule", "clip", "warmup"];

/// `elbo train` with these words in its help.
pub(crate) fn described(train: Command) -> Command {
    FITTED.iter().fold(train, |command, (name, fitted)| {
        command.mut_arg(name, |arg| {
            let default = arg.get_default_values().first();
            let default = default.map_or("never".into(), |default| default.to_string_lossy());
            let what = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let help = format!("{what} [default: {default}; {fitted}]");
            arg.help(help).hide_default_value(true)
        })
    })
}

/// Arrays as wide as this, of values in [0, 1] and without names, are pictures laid flat.
const FLAT_PICTURE: usize = 64;

enum Kind {
    /// What the flags' own defaults are for.
    Grey,
    Colour,
    Bits,
    Table,
    /// Of several kinds, or with missing cells.
    Mixed,
}

impl Kind {
    fn of(data: &Dataset) -> Result<Kind> {
        if data.kinds().is_some() {
            return Ok(Kind::Mixed);
        }
        let bytes = data.bytes() == Some(Bytes::Levels);
        let within_unit = |x: f64| (0.0..=1.0).contains(&x);
        Ok(match data.image() {
            Some(image) if image.channels == 3 => Kind::Colour,
            Some(_) if bytes || data.all_values(within_unit)? => Kind::Grey,
            Some(_) => Kind::Colour,
            None if bytes => Kind::Grey,
            None if data.columns().texts().is_none()
                && data.width() >= FLAT_PICTURE
                && data.all_values(within_unit)? =>
            {
                Kind::Grey
            }
            None if data.all_values(|x| x == 0.0 || x == 1.0)? => Kind::Bits,
            None => Kind::Table,
        })
    }
}

/// What follows from the number of rows.
struct Sizes {
    batch: usize,
    epochs: u32,
    validation: f64,
    patience: Option<u32>,
}

impl Sizes {
    /// An epoch of 64 to 128 batches, where that leaves these 32 to 256 rows. Epochs for 40,000 steps at
    /// most: what ends a run is patience with the validation rows. Of less than 50 rows there are none to
    /// spare for that, and 300 epochs are few steps.
    fn of(rows: usize) -> Sizes {
        let batch = (rows / 64 + 1).next_power_of_two().clamp(64, 512) / 2;
        if rows < 50 {
            return Sizes { batch, epochs: 300, validation: 0.0, patience: None };
        }
        let epochs = (40_000 / rows.div_ceil(batch)).clamp(20, 1000) as u32;
        let patience = Some((epochs / 20).clamp(10, 50));
        Sizes { batch, epochs, validation: 0.1, patience }
    }
}

/// The prior of a table of several kinds: what classes make of rows lies in heaps, which one normal does not describe.
/// The more rows, the more heaps can be told apart.
fn mixture(rows: usize) -> String {
    format!("mixture:components={}", if rows < MANY { 20 } else { 100 })
}

/// Rows of a table of several kinds from which more is learned, and for longer.
const MANY: usize = 10_000;

/// A table of several kinds is learned at a high rate that falls to nothing, over 12,000 steps at most, or 16,000: a mixture's narrow
/// components are found late, so that nobody can say before the end that nothing comes any more. A cell that a narrow
/// component misses has a gradient of any size, which is clipped.
fn with_falling_rate(mut fitted: Run, rows: usize) -> Run {
    let steps = rows.div_ceil(fitted.train.batch_size);
    let all = if rows < MANY { 12_000 } else { 16_000 };
    let epochs = (all / steps).clamp(20, 300) as u32;
    let warmup = Warmup { epochs: f64::from(epochs / 5).min(20.0), ..fitted.train.warmup };
    fitted.train = TrainConfig {
        epochs,
        warmup,
        patience: None,
        learning_rate: 3e-3,
        schedule: Schedule::Cosine { warmup: 0.0 },
        clip: Some(10.0),
        ..fitted.train
    };
    fitted
}

/// Gives `run` the settings that fit `data`, but for those that were chosen; and the line that says so,
/// if that changed any.
///
/// # Errors
/// If the data lie in a file that cannot be read any more.
pub(crate) fn fit(run: &mut Run, chosen: &Chosen, data: &Dataset) -> Result<Option<String>> {
    let binarized = chosen.has("binarize") && run.task.binarize != "none";
    let kind = if binarized { Kind::Grey } else { Kind::of(data)? };
    let (rows, columns) = (data.rows().min(run.task.limit.unwrap_or(usize::MAX)), data.width());
    let sizes = Sizes::of(rows);
    let (what, likelihood, hidden, latent, activation) = match kind {
        Kind::Grey => return Ok(None),
        Kind::Colour => ("pictures", "normal:variance=learned".to_owned(), "256,128", 32, "silu"),
        Kind::Mixed => {
            let hidden = match rows {
                ..1000 => "64",
                1000..MANY => "128,128",
                _ => "256,256",
            };
            let likelihood = data.kinds().map(|kinds| kinds.likelihood(data.rows()));
            let likelihood = likelihood.unwrap_or_default();
            ("a table of several kinds", likelihood, hidden, columns.clamp(2, 16), "silu")
        }
        Kind::Bits | Kind::Table => {
            // One layer learns what some hundred rows can teach; more rows teach more.
            let hidden = match rows {
                ..1000 => "64",
                1000..20_000 => "64,64",
                _ => "128,128",
            };
            let likelihood = match kind {
                Kind::Bits => "bernoulli",
                _ => "bounded-normal:floor=0.01,cap=1",
            };
            ("a table", likelihood.to_owned(), hidden, (columns / 2).clamp(1, 10), "tanh")
        }
    };
    // A network says its own widths.
    let mut chosen = chosen.clone();
    if run.task.network.is_some() {
        chosen.add("hidden".to_owned());
    }
    let mixed = matches!(kind, Kind::Mixed);
    let fitted = Run {
        task: Task {
            likelihood,
            hidden: hidden.to_owned(),
            latent: latent.to_string(),
            activation: activation.to_owned(),
            validation: sizes.validation,
            prior: if mixed { mixture(rows) } else { run.task.prior.clone() },
            ..run.task.clone()
        },
        train: TrainConfig {
            batch_size: sizes.batch,
            epochs: sizes.epochs,
            patience: sizes.patience,
            ..run.train.clone()
        },
    };
    let fitted = if mixed { with_falling_rate(fitted, rows) } else { fitted };
    let mut fitted = run.over(&fitted, &chosen);
    // Without validation rows there is nothing to wait for, and whoever says how many epochs means them.
    if !chosen.has("patience") && (fitted.task.validation == 0.0 || chosen.has("epochs")) {
        fitted.train.patience = None;
    }
    *run = fitted;
    // The likelihood of a table of several kinds is as long as the table is wide.
    let shown = |value: String| match value.len() {
        ..60 => value,
        _ => "COLUMNS".to_owned(),
    };
    let settings: Vec<_> = FITTED
        .iter()
        .map(|(key, _)| *key)
        .filter(|key| !chosen.has(key) && (mixed || !OF_KINDS.contains(key)))
        .filter_map(|key| run.value(key).map(|value| format!("--{key} {}", shown(value))))
        .collect();
    Ok((!settings.is_empty()).then(|| {
        format!(
            "these defaults fit {what} of {rows} rows and {columns} columns; a flag changes any of them: {}",
            settings.join(" ")
        )
    }))
}

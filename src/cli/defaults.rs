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
use crate::run::Run;
use elbo::data::{Bytes, Dataset};
use elbo::error::Result;

/// The settings that are chosen by the data.
const KEYS: [&str; 8] = [
    "likelihood",
    "hidden",
    "latent",
    "activation",
    "batch-size",
    "epochs",
    "validation",
    "patience",
];

/// Arrays as wide as this, of values in [0, 1] and without names, are pictures laid flat.
const FLAT_PICTURE: usize = 64;

enum Kind {
    /// What the flags' own defaults are for.
    Grey,
    Colour,
    Bits,
    Table,
}

impl Kind {
    fn of(data: &Dataset) -> Result<Kind> {
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

/// Gives `run` the settings that fit `data`, but for those that were chosen; and the line that says so,
/// if that changed any.
///
/// # Errors
/// If the data lie in a file that cannot be read any more.
pub(crate) fn fit(run: &mut Run, chosen: &Chosen, data: &Dataset) -> Result<Option<String>> {
    let binarized = chosen.has("binarize") && run.binarize != "none";
    let kind = if binarized { Kind::Grey } else { Kind::of(data)? };
    let (rows, columns) = (data.rows().min(run.limit.unwrap_or(usize::MAX)), data.width());
    let sizes = Sizes::of(rows);
    let (what, likelihood, hidden, latent, activation) = match kind {
        Kind::Grey => return Ok(None),
        Kind::Colour => ("pictures", "normal:variance=learned", "256,128", 32, "silu"),
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
            ("a table", likelihood, hidden, (columns / 2).clamp(1, 10), "tanh")
        }
    };
    let fitted = Run {
        likelihood: likelihood.to_owned(),
        hidden: hidden.to_owned(),
        latent: latent.to_string(),
        activation: activation.to_owned(),
        batch_size: sizes.batch,
        epochs: sizes.epochs,
        validation: sizes.validation,
        patience: sizes.patience,
        ..run.clone()
    };
    let mut fitted = run.over(&fitted, chosen);
    // Without validation rows there is nothing to wait for, and whoever says how many epochs means them.
    if !chosen.has("patience") && (fitted.validation == 0.0 || chosen.has("epochs")) {
        fitted.patience = None;
    }
    *run = fitted;
    let settings: Vec<_> = KEYS
        .iter()
        .filter(|key| !chosen.has(key))
        .filter_map(|key| run.value(key).map(|value| format!("--{key} {value}")))
        .collect();
    Ok((!settings.is_empty()).then(|| {
        format!(
            "these defaults fit {what} of {rows} rows and {columns} columns; a flag changes any of them: {}",
            settings.join(" ")
        )
    }))
}

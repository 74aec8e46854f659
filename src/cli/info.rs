//! `elbo info`

use crate::Common;
use crate::opening::open_model;
use crate::terminal::{thousands, two_columns};
use clap::Args;
use elbo::error::Result;
use elbo::model_file::ConditionHeader;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Tell what a model is, its parameters and its training
#[derive(Args)]
pub(crate) struct InfoArgs {
    /// A model file, or a run's folder
    model: PathBuf,
}

pub(crate) fn info(args: &InfoArgs, common: &Common) -> Result<ExitCode> {
    let model = open_model(&args.model, common)?;
    let (header, slots) = (&model.header, model.vae.layout().slots());
    let (m, parameters) = (&header.model, model.vae.layout().parameters());
    let levels: Vec<_> =
        m.levels.iter().map(|l| format!("{} → {}", l.layers.join(" "), l.latent)).collect();
    let mut rows = vec![
        (
            "data",
            match header.image {
                Some([h, w, c]) => format!("{} values, images of {h} × {w} × {c}", m.width),
                None => format!("{} values", m.width),
            },
        ),
        (
            "columns",
            match &header.columns {
                Some(names) if names.len() > 12 => format!("{}, …", names[..12].join(", ")),
                Some(names) => names.join(", "),
                None => String::new(),
            },
        ),
        (
            "units",
            match header.scaler {
                Some(_) => "each column's spread around its mean".to_owned(),
                None => String::new(),
            },
        ),
        (
            "given",
            header.conditions.as_ref().map_or(String::new(), |conditions| {
                let of = |c: &ConditionHeader| {
                    let (number, exposure) = (c.number, c.exposure);
                    let kind =
                        number.map(|n| ("a number", n)).or(exposure.map(|n| ("exposure", n)));
                    match kind {
                        None => format!("{} ({} classes)", c.name, c.levels.len()),
                        Some((kind, n)) => format!("{} ({kind}, {} … {})", c.name, n.least, n.most),
                    }
                };
                conditions.list.iter().map(of).collect::<Vec<_>>().join(", ")
            }),
        ),
        ("levels (layers → latent)", levels.join(", ")),
        ("activation", m.activation.clone()),
        ("likelihood", shortened(&m.likelihood)),
        ("posterior", m.posterior.clone()),
        ("prior", m.prior.clone()),
        ("parameters", thousands(parameters)),
    ];
    if m.levels.len() > 1 {
        let after = rows.iter().position(|(name, _)| *name == "posterior").unwrap_or(rows.len());
        rows.insert(after, ("conditional", m.conditional.clone()));
        let inference = m.inference.clone().map(|order| ("inference", order));
        let skip = m.skip.clone().map(|skip| ("skip connections", skip));
        inference.into_iter().chain(skip).for_each(|row| rows.insert(after + 1, row));
    }
    rows.retain(|(_, value)| !value.is_empty());
    if let Some(t) = &header.training {
        let data = t.data.embedded.clone().unwrap_or_else(|| "a file".to_owned());
        let of = thousands(t.data.rows);
        let used = match t.data.limit {
            Some(limit) => format!("at most {} of {of} rows", thousands(limit)),
            None => format!("{of} rows"),
        };
        rows.push(("trained on", format!("{data}, {used}, binarize {}", t.data.binarize)));
        let c = &t.config;
        let (objective, beta) = (&c.objective, c.warmup.beta);
        rows.push(("objective", format!("{objective}, {} samples, β {beta}", c.samples)));
        rows.push((
            "optimisation",
            format!(
                "Adam, lr {}, {}, batches of {}, seed {}",
                c.learning_rate,
                c.schedule.spec(),
                c.batch_size,
                c.seed
            ),
        ));
    }
    if let Some(w) = &header.weights {
        let kind = match (w.best, w.average) {
            (true, true) => "best on validation, moving average",
            (true, false) => "best on validation",
            (false, true) => "last, moving average",
            (false, false) => "last",
        };
        rows.push((
            "weights",
            format!("{kind}; {} epochs, {} steps", w.epoch, thousands(w.step as usize)),
        ));
    }
    let mut text = two_columns(&rows);
    text += "\n";
    if let Some(kinds) = &header.kinds {
        text += "columns\n";
        kinds.columns.iter().for_each(|c| text += &format!("  {}: {}\n", c.name, c.describe()));
        text += "\n";
    }
    for slot in slots {
        text += &format!("{:<32}  {:?}\n", slot.name, slot.shape);
    }
    let tensors: Vec<_> = slots.iter().map(|s| json!({"name": s.name, "shape": s.shape})).collect();
    let json = json!({"header": header, "parameters": parameters, "tensors": tensors});
    common.result(&json, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// The likelihood of a table of several kinds is as long as the table is wide.
fn shortened(likelihood: &str) -> String {
    const LONGEST: usize = 100;
    match likelihood.chars().count() {
        ..=LONGEST => likelihood.to_owned(),
        _ => likelihood.chars().take(LONGEST).chain(['…']).collect(),
    }
}

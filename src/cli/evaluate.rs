//! `elbo evaluate`

use crate::Common;
use crate::progress::bar;
use crate::terminal::{open_model, thousands, two_columns};
use clap::Args;
use elbo::data::{Binarize, Part, Parts, Roles, Source};
use elbo::distribution::Support;
use elbo::error::{Error, Result};
use elbo::evaluate::{Evaluator, LogPx, log_px};
use elbo::model_file::Model;
use elbo::objective;
use elbo::rng::{Address, Purpose};
use elbo::vae::Score;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Judge a model on test rows
#[derive(Args)]
#[command(after_help = "Examples:
  elbo evaluate runs/digits                                the bound on the test rows
  elbo evaluate runs/mnist --data mnist/ --samples 5000    and log p(x) by importance sampling

Of the data that the model was trained on, the test rows are judged; of other data, all rows.
neg_log_px_se is the Monte-Carlo error of the mean over rows, not the spread of the rows.")]
pub(crate) struct EvaluateArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    /// The data that the model was trained on, or other rows of its width [default: embedded data]
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Estimate log p(x) with so many importance samples of each row
    #[arg(long, value_name = "S")]
    samples: Option<usize>,
    /// Judge the first ROWS test rows only
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
}

/// The rows to judge: of the data that the model was trained on the test part, of other data all rows
/// (or its own test part).
pub(crate) fn held_out_part(
    model: &Model<f32>,
    data: Option<&str>,
    common: &Common,
) -> Result<Part> {
    let training = model.header.training.as_ref();
    let embedded = training.and_then(|t| t.data.embedded.as_deref());
    let Some(name) = data.or(embedded) else {
        return Err(Error::setting("--data", "the model was trained on a file; name it"));
    };
    let mut source = Source::open(name)?;
    common.remark(source.note.as_deref());
    let width = model.vae.config().width;
    if source.train.width() != width {
        let message =
            format!("rows of {} values do not fit the model's {width}", source.train.width());
        return Err(Error::file(name, message));
    }
    let roles = match training {
        Some(t) => t.roles()?,
        None => {
            Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 }
        }
    };
    let trained_on = training.map(|t| &t.data.fingerprint);
    if source.test.is_none() && trained_on != Some(&format!("{:016x}", source.train.fingerprint()))
    {
        common.remark(Some("these are not the rows of the training, so all of them are used"));
        source.test = Some(source.train.clone());
    }
    let parts = Parts::new(source, roles)?;
    // Data without a test part is judged whole.
    Ok(parts.test.unwrap_or(parts.train))
}

pub(crate) fn evaluate(args: &EvaluateArgs, common: &Common) -> Result<ExitCode> {
    for (name, value) in [("--samples", args.samples), ("--limit", args.limit)] {
        if value == Some(0) {
            return Err(Error::setting(name, "must be at least 1"));
        }
    }
    let model = open_model(&args.model)?;
    let mut part = held_out_part(&model, args.data.as_deref(), common)?;
    part.truncate(args.limit.unwrap_or(usize::MAX));
    let training = model.header.training.as_ref();
    let seed = training.map_or(0, |t| t.seed);
    let address = Address::new(seed, Purpose::Test);

    let draws = training.map_or(1, |t| t.samples);
    let mut evaluator = Evaluator::new(&model.vae, draws)?;
    let mut score = |objective: &str| -> Result<Score> {
        let objective = objective::build::<f32>(&objective.parse()?)?.held_out();
        Ok(evaluator.score(&model.vae, &model.params, &part, &*objective, address))
    };
    let elbo = score("elbo")?;
    let own = match training.filter(|t| !t.objective.starts_with("elbo")) {
        Some(t) => Some((t.objective.as_str(), score(&t.objective)?)),
        None => None,
    };
    if let Some(term) = elbo.broken_term() {
        return Err(Error::file(&args.model, format!("the {term} of these rows is not finite")));
    }

    let reason = match part.support(model.vae.likelihood())? {
        Support::CrossEntropy(reason) => Some(reason),
        _ => None,
    };
    let estimate = match (args.samples, reason) {
        (Some(samples), None) => Some(importance_sample(&model, &part, samples, address, common)?),
        (Some(_), Some(reason)) => {
            common.remark(Some(&format!("no log p(x): {reason}")));
            None
        }
        _ => None,
    };
    let dims = model.vae.config().width as f64;
    let best = estimate.map_or(elbo.loss, |(value, _)| value);
    let bits = reason.is_none().then(|| best / (dims * std::f64::consts::LN_2));
    let why_null = reason.or(match args.samples {
        None => Some("log p(x) needs --samples"),
        Some(1) => Some("one sample tells nothing about its own error"),
        Some(_) => None,
    });

    let mut json = json!({
        "rows": part.rows().len(),
        "neg_elbo": elbo.loss,
        "reconstruction": elbo.reconstruction,
        "kl": elbo.kl,
        "neg_log_px": estimate.map(|e| e.0),
        "neg_log_px_se": estimate.map(|e| e.1),
        "bits_per_dim": bits,
        "samples": estimate.and(args.samples),
    });
    let mut rows = vec![
        ("rows", thousands(part.rows().len())),
        ("−ELBO", format!("{:.4} nats", elbo.loss)),
        ("  reconstruction", format!("{:.4}", elbo.reconstruction)),
        ("  KL", format!("{:.4}", elbo.kl)),
    ];
    if let Some((name, score)) = own {
        json["loss"] = json!(score.loss);
        rows.push((
            "−bound trained on",
            format!("{:.4} nats ({name}, {draws} samples)", score.loss),
        ));
    }
    if let Some((value, error)) = estimate {
        let samples = args.samples.unwrap_or(0);
        rows.push((
            "−log p(x)",
            format!("{value:.4} ± {error:.4} nats ({samples} samples; Monte-Carlo error)"),
        ));
    }
    let differential = model.vae.likelihood().is_density();
    match (bits, reason) {
        (Some(bits), _) => {
            json["differential"] = json!(differential);
            let bound = if estimate.is_some() { "" } else { " at most" };
            let kind =
                if differential { " (differential: depends on the data's units)" } else { "" };
            rows.push(("bits per dimension", format!("{bits:.4}{bound}{kind}")));
        }
        (None, Some(reason)) if args.samples.is_none() => {
            rows.push(("no likelihood", reason.to_owned()))
        }
        (None, Some(_)) => {} // said already
        (None, None) => {}
    }
    if let Some(why) = why_null {
        json["reason"] = Value::from(why);
    }
    common.result(&json, &two_columns(&rows))?;
    Ok(ExitCode::SUCCESS)
}

/// −log p(x) averaged over rows, and the Monte-Carlo standard error of that average.
fn importance_sample(
    model: &Model<f32>,
    part: &Part,
    samples: usize,
    address: Address,
    common: &Common,
) -> Result<(f64, f64)> {
    let bar = bar(common, part.rows().len() as u64, "rows");
    let estimates = log_px(&model.vae, &model.params, part, samples, address, &mut |done| {
        bar.set_position(done as u64);
        true
    })?;
    bar.finish_and_clear();
    let n = estimates.len() as f64;
    let mean = |f: fn(&LogPx) -> f64| estimates.iter().map(f).sum::<f64>() / n;
    // Rows have independent noise, so the variances add up.
    Ok((-mean(|e| e.estimate), (mean(|e| e.standard_error.powi(2)) / n).sqrt()))
}

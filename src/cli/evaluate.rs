//! `elbo evaluate`

use crate::Common;
use crate::output::{Format, Output};
use crate::progress::bar;
use crate::reading::{DataArgs, Unsaid};
use crate::screening::Screened;
use crate::terminal::{open_model, thousands, two_columns};
use clap::Args;
use elbo::data::Part;
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
  elbo evaluate runs/wine --data new.csv --per-row scores.csv    the highest neg_elbo are the oddest rows

Of the data that the model was trained on, the test rows are judged; of other data, all rows.
A row that the model cannot have is named, has the score inf, and is left out of the means.
Densities are those of the data's own units. The noise is fixed: the same rows have the same scores.
neg_log_px_se is the Monte-Carlo error of the mean over rows, not the spread of the rows.")]
pub(crate) struct EvaluateArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Estimate log p(x) with so many importance samples of each row
    #[arg(long, value_name = "S")]
    samples: Option<usize>,
    /// Judge the first ROWS rows only
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
    /// Also write every row's −ELBO, reconstruction and KL (and −log p(x) with --samples): a .csv or .npy
    #[arg(long, value_name = "FILE")]
    per_row: Option<PathBuf>,
}

pub(crate) fn evaluate(args: &EvaluateArgs, common: &Common) -> Result<ExitCode> {
    for (name, value) in [("--samples", args.samples), ("--limit", args.limit)] {
        if value == Some(0) {
            return Err(Error::setting(name, "must be at least 1"));
        }
    }
    let table =
        args.per_row.as_ref().map(|path| Output::new(path, None, "--per-row")).transpose()?;
    if table.as_ref().is_some_and(|t| t.format == Format::Png) {
        return Err(Output::no_picture("--per-row"));
    }
    let model = open_model(&args.model)?;
    let mut part = args.data.open(&model, Unsaid::HeldOut, common)?;
    part.truncate(args.limit.unwrap_or(usize::MAX));
    let mut judged = Screened::new(part, &model, &args.data)?;
    let part = &judged.part;
    let support = part.support(model.vae.likelihood()).map_err(|e| args.data.blame(e))?;
    let reason = match support {
        Support::CrossEntropy(reason) => Some(reason),
        _ => None,
    };
    let training = model.header.training.as_ref();
    let seed = training.map_or(0, |t| t.seed);
    let address = Address::new(seed, Purpose::Test);

    let draws = training.map_or(1, |t| t.samples);
    let mut evaluator = Evaluator::new(&model.vae, draws)?;
    let mut score = |objective: &str, part: &Part| -> Result<Score> {
        let objective = objective::build::<f32>(&objective.parse()?)?.held_out();
        evaluator.score(&model.vae, &model.params, part, &*objective, address)
    };
    let mut elbo = score("elbo", part)?;
    if elbo.broken_term().is_some() {
        refuse_broken(&mut judged, &model, draws, address)?;
        elbo = score("elbo", &judged.part)?;
    }
    let part = &judged.part;
    let own = match training.filter(|t| !t.objective.starts_with("elbo")) {
        Some(t) => Some((t.objective.as_str(), score(&t.objective, part)?)),
        None => None,
    };
    if let Some(term) = elbo.broken_term() {
        return Err(Error::file(&args.model, format!("the {term} of these rows is not finite")));
    }

    let estimates = match (args.samples, reason) {
        (Some(samples), None) => Some(importance_sample(&model, part, samples, address, common)?),
        (Some(_), Some(reason)) => {
            common.remark(Some(&format!("no log p(x): {reason}")));
            None
        }
        _ => None,
    };
    let dims = model.vae.config().width as f64;
    if let Some(table) = &table {
        let scores = evaluator.score_rows(&model.vae, &model.params, part, address)?;
        write_scores(table, &judged, &scores, estimates.as_deref())?;
    }
    let estimate = estimates.as_deref().map(mean_estimate);
    let best = estimate.map_or(elbo.loss, |(value, _)| value);
    let bits = reason.is_none().then(|| best / (dims * std::f64::consts::LN_2));
    let why_null = reason.or(match args.samples {
        None => Some("log p(x) needs --samples"),
        Some(1) => Some("one sample tells nothing about its own error"),
        Some(_) => None,
    });

    let mut json = json!({
        "rows": part.rows().len(),
        "refused": judged.refused(),
        "neg_elbo": elbo.loss,
        "reconstruction": elbo.reconstruction,
        "kl": elbo.kl,
        "neg_log_px": estimate.map(|e| e.0),
        "neg_log_px_se": estimate.map(|e| e.1),
        "bits_per_dim": bits,
        "samples": estimate.and(args.samples),
    });
    let count = match judged.refused() {
        0 => thousands(part.rows().len()),
        _ => format!("{} of {}", thousands(part.rows().len()), thousands(judged.count())),
    };
    let mut rows = vec![
        ("rows", count),
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
    if let Some(path) = args.per_row.as_ref().filter(|path| path.as_os_str() != "-") {
        rows.push(("each row in", path.display().to_string()));
    }
    judged.tell("without a score, and the figures are those of the others", common);
    match &table {
        Some(table) => table.result(&json, &two_columns(&rows), common)?,
        None => common.result(&json, &two_columns(&rows))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Leaves the rows out whose score is not finite.
fn refuse_broken(
    rows: &mut Screened,
    model: &Model<f32>,
    draws: usize,
    address: Address,
) -> Result<()> {
    let mut evaluator = Evaluator::new(&model.vae, draws)?;
    let scores = evaluator.score_rows(&model.vae, &model.params, &rows.part, address)?;
    let broken = scores.iter().zip(rows.part.rows()).filter(|(s, _)| s.broken_term().is_some());
    let broken: Vec<_> = broken.map(|(_, row)| *row).collect();
    rows.refuse(&broken, "its score is not finite")
}

/// A line for each row, whether it has a score or not.
fn write_scores(
    table: &Output,
    rows: &Screened,
    scores: &[Score],
    estimates: Option<&[LogPx]>,
) -> Result<()> {
    let mut names = vec!["neg_elbo", "reconstruction", "kl"];
    if estimates.is_some() {
        names.extend(["neg_log_px", "neg_log_px_se"]);
    }
    let mut values = Vec::with_capacity(scores.len() * names.len());
    for (i, score) in scores.iter().enumerate() {
        values.extend([score.loss, score.reconstruction, score.kl]);
        values.extend(estimates.iter().flat_map(|e| [-e[i].estimate, e[i].standard_error]));
    }
    // Whoever sorts by these finds a row without a score at the end.
    let infinite = ["neg_elbo", "reconstruction", "neg_log_px"];
    let missing = |name: &&str| if infinite.contains(name) { f64::INFINITY } else { f64::NAN };
    let missing: Vec<_> = names.iter().map(missing).collect();
    let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    table.write_columns(&rows.join(), &names, &rows.spread(values, &missing))
}

/// −log p(x) averaged over rows, and the Monte-Carlo standard error of that average.
fn mean_estimate(estimates: &[LogPx]) -> (f64, f64) {
    let n = estimates.len() as f64;
    let mean = |f: fn(&LogPx) -> f64| estimates.iter().map(f).sum::<f64>() / n;
    // Rows have independent noise, so the variances add up.
    (-mean(|e| e.estimate), (mean(|e| e.standard_error.powi(2)) / n).sqrt())
}

/// log p(x) of each row.
fn importance_sample(
    model: &Model<f32>,
    part: &Part,
    samples: usize,
    address: Address,
    common: &Common,
) -> Result<Vec<LogPx>> {
    let bar = bar(common, part.rows().len() as u64, "rows");
    let estimates = log_px(&model.vae, &model.params, part, samples, address, &mut |done| {
        bar.set_position(done as u64);
        true
    });
    bar.finish_and_clear();
    estimates
}

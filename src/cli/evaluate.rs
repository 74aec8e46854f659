//! `elbo evaluate`

use crate::Common;
use crate::diagnosis::Found;
use crate::opening::open_model;
use crate::output::{Format, Output};
use crate::progress::bar;
use crate::reading::{LabelledArgs, Unsaid};
use crate::screening::Screened;
use crate::terminal::{counted, thousands, two_columns};
use clap::Args;
use elbo::batch::{Batch, BatchBuffer};
use elbo::data::Part;
use elbo::distribution::Support;
use elbo::error::{Error, Result};
use elbo::evaluate::{
    Auc, DRAWS, Doubt, Evaluator, IDLE, Information, LogPx, Proposal, RowScore, Rows, Summary,
    TailShape, error_over_rows, kl_per_latent, log_px, mutual_information, standard_error_of_mean,
    two_sample_auc,
};
use elbo::model_file::{Model, TrainingHeader};
use elbo::objective;
use elbo::rng::{Address, Purpose};
use elbo::train::TrainConfig;
use elbo::vae::{Pass, Sampling, Score, Shown, Workspace};
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Judge a model on test rows
#[derive(Args)]
#[command(after_help = "Examples:
  elbo evaluate runs/digits                                the bound on the test rows
  elbo evaluate runs/mnist --data mnist/ --samples 5000    and log p(x) by importance sampling
  elbo evaluate runs/mnist --samples 5000 --proposal wide  the same where the posterior is too narrow
  elbo evaluate runs/digits --two-sample                   can a classifier tell samples from the test rows?
  elbo evaluate runs/wine --data new.csv --per-row scores.csv    the highest neg_elbo are the oddest rows

Of the data that the model was trained on, the test rows are judged; of other data, all rows.
Densities are those of the data's own units. The noise of a row depends on what it holds and on --seed: equal
rows have equal scores, in any file and at any place in it. neg_elbo_se and neg_log_px_se are Monte-Carlo errors
of the mean over these rows; in --json, neg_elbo_rows_se and neg_log_px_rows_se are its errors as that of all rows
that there could be. log p(x) has an error bar only where the importance weights
deserve one: the shape of their tail (k_hat) is surely below 0.5, for a mean over rows that of the rows which
make up most of its error.")]
pub(crate) struct EvaluateArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    #[command(flatten)]
    data: LabelledArgs,
    /// Draws of the latent for the −ELBO of each row; the time is in proportion to them
    #[arg(long, value_name = "D", default_value_t = DRAWS)]
    draws: usize,
    /// Estimate log p(x) with so many importance samples of each row
    #[arg(long, value_name = "S")]
    samples: Option<usize>,
    /// What the importance samples are drawn from: posterior, or wide:reach=R (parts of it 2, 4, … R times as wide)
    #[arg(long, value_name = "SPEC", default_value = "posterior", requires = "samples")]
    proposal: String,
    /// Seed of the noise [default: the training's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seed of the coins by which rows are binarised, of a model of such [default: those that every run is judged by]
    #[arg(long, value_name = "N")]
    coins: Option<u64>,
    /// Judge the first ROWS rows only
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
    /// Also generate as many rows (20,000 at most), and say how well a classifier tells them from these (AUC, 0.5 is
    /// perfect)
    #[arg(long)]
    two_sample: bool,
    /// Also write every row's −ELBO, reconstruction and KL (and −log p(x) with --samples): a .csv or .npy
    #[arg(long, value_name = "FILE")]
    per_row: Option<PathBuf>,
}

pub(crate) fn evaluate(args: &EvaluateArgs, common: &Common) -> Result<ExitCode> {
    let counts =
        [("--draws", Some(args.draws)), ("--samples", args.samples), ("--limit", args.limit)];
    if let Some((name, _)) = counts.into_iter().find(|(_, value)| *value == Some(0)) {
        return Err(Error::setting(name, "must be at least 1"));
    }
    if args.draws > u32::MAX as usize {
        let message = "more than 2³² − 1 draws have no noise of their own";
        return Err(Error::setting("--draws", message));
    }
    let proposal: Proposal = args.proposal.parse()?;
    let table =
        args.per_row.as_ref().map(|path| Output::new(path, None, "--per-row")).transpose()?;
    if table.as_ref().is_some_and(|t| t.format == Format::Png) {
        return Err(Output::no_picture("--per-row"));
    }
    let model = open_model(&args.model, common)?;
    let mut part = args.data.open(&args.model, &model, Unsaid::HeldOut, common)?;
    part.truncate(args.limit.unwrap_or(usize::MAX));
    if let Some(seed) = args.coins {
        part.throw_coins(seed)?;
    }
    let mut judged = Screened::new(part, &model, &args.data)?;
    let support = judged.part.support(model.vae.likelihood()).map_err(|e| args.data.blame(e))?;
    let reason = match support {
        Support::CrossEntropy(reason) => Some(reason),
        _ => None,
    };
    let noise = model.header.noise();
    let noise = Address { seed: args.seed.unwrap_or(noise.seed), ..noise };

    let scores = score(&mut judged, &model, args.draws, noise)?;
    let elbo = mean_score(&scores);
    let part = &judged.part;
    let trained_on = model.header.training.as_ref().map(|t| bound(&model, part, t, noise));
    let trained_on = trained_on.transpose()?;

    let estimates = match (args.samples, reason) {
        (Some(samples), None) => {
            Some(importance_sample(&model, part, samples, &proposal, noise, common)?)
        }
        (Some(_), Some(reason)) => {
            common.remark(Some(&format!("no log p(x): {reason}")));
            None
        }
        _ => None,
    };
    if let Some(table) = &table {
        write_scores(table, &judged, &scores, estimates.as_deref())?;
    }
    let latents = Latents::of(&model, part, noise)?;
    // Draws, or means where the data are grey and the likelihood's draws are not.
    let shown = if reason.is_none() { Shown::Draw } else { Shown::Mean };
    let auc = args
        .two_sample
        .then(|| two_sample(&model, part, shown, noise, common))
        .transpose()?
        .flatten();
    let error = standard_error_of_mean(scores.iter().map(|s| (s.number, s.standard_error)));
    let estimate = estimates.as_deref().map(Summary::of);

    let mut json = json!({
        "rows": part.rows().len(),
        "refused": judged.refused(),
        "neg_elbo": elbo.loss,
        "neg_elbo_se": error, // null where there is only one draw
        "neg_elbo_rows_se": error_over_rows(scores.iter().map(|s| s.score.loss)),
        "reconstruction": elbo.reconstruction,
        "kl": elbo.kl,
        "draws": args.draws,
        "kl_per_latent": latents.kl,
        "active_latents": latents.active(),
        "mutual_information": latents.information.map(|i| i.nats),
        "mutual_information_ceiling": latents.information.map(|i| i.ceiling),
        "two_sample_auc": auc.map(|auc| auc.value),
        "two_sample_auc_se": auc.map(|auc| auc.standard_error),
        "loss": trained_on,
        "neg_log_px": estimate.map(|e| e.neg_log_px),
        "gap": estimate.map(|e| elbo.loss - e.neg_log_px),
        "neg_log_px_se": estimate.and_then(|e| e.error.ok()).map(|(se, _)| se),
        "neg_log_px_rows_se": estimate.map(|e| e.over_rows),
        "neg_log_px_interval": estimate.and_then(|e| e.error.ok()).map(|(_, interval)| interval),
        "no_error_bar": estimate.and_then(|e| e.error.err()).map(|doubt| doubt.to_string()),
        "samples": estimate.and(args.samples),
        "proposal": estimate.map(|_| proposal.to_string()),
        "effective_samples": estimate.map(|e| json!({
            "median": e.effective[0], "worst": e.effective[1]
        })),
        "largest_weight": estimate.map(|e| e.largest),
        "k_hat": estimate.and_then(|e| e.tail),
    });
    let give_or_take = match args.draws {
        1 => String::new(),
        _ => format!(" ± {error:.4}"),
    };
    let draws = counted(args.draws, "draw");
    let count = match judged.refused() {
        0 => thousands(part.rows().len()),
        _ => format!("{} of {}", thousands(part.rows().len()), thousands(judged.count())),
    };
    let mut lines = vec![
        ("rows", count),
        ("−ELBO", format!("{:.4}{give_or_take} nats ({draws} a row)", elbo.loss)),
        ("  reconstruction", format!("{:.4} (the distortion)", elbo.reconstruction)),
        ("  KL", format!("{:.4} (the rate)", elbo.kl)),
    ];
    lines.extend(latents.report());
    if let (Some(loss), Some(training)) = (trained_on, &model.header.training) {
        let TrainConfig { samples, objective, .. } = training.config.last_stage()?;
        let draws = counted(samples, "draw");
        lines.push(("−bound trained on", format!("{loss:.4} ({objective}, {draws})")));
    }
    if let (Some(estimate), Some(samples)) = (&estimate, args.samples) {
        lines.extend(report(estimate, samples, &proposal));
        let gap = elbo.loss - estimate.neg_log_px;
        lines.push(("  gap", format!("{gap:.4}, what the posterior's shape costs the bound")));
    }
    let best = estimate.map_or(elbo.loss, |e| e.neg_log_px);
    let bits = best / (model.vae.width() as f64 * std::f64::consts::LN_2);
    let bits = reason.is_none().then_some(bits);
    json["bits_per_dim"] = json!(bits);
    let likelihood = model.vae.likelihood();
    let differential = (0..model.vae.width()).any(|i| likelihood.facts(i).domain.is_dense());
    match (bits, reason) {
        (Some(bits), _) => {
            json["differential"] = json!(differential);
            let kind =
                if differential { " (differential: depends on the data's units)" } else { "" };
            lines.push(("bits per dimension", format!("{bits:.4} at most{kind}")));
        }
        (None, Some(reason)) if args.samples.is_none() => {
            lines.push(("no likelihood", reason.to_owned()))
        }
        (None, _) => {} // said already
    }
    if let Some(auc) = auc {
        let Auc { value, standard_error } = auc;
        let figure = format!("AUC {value:.3} ± {standard_error:.3}, generated against these rows");
        lines.push(("two samples", format!("{figure} (0.5 is perfect)")));
    }
    let remarks = found(&latents, elbo.kl, auc, estimate, elbo.loss).remarks();
    json["remarks"] = json!(remarks);
    if let Some(why) = reason.or(args.samples.is_none().then_some("log p(x) needs --samples")) {
        json["reason"] = Value::from(why);
    }
    if let Some(path) = args.per_row.as_ref().filter(|path| path.as_os_str() != "-") {
        lines.push(("each row in", path.display().to_string()));
    }
    remarks.iter().for_each(|remark| common.remark(Some(remark)));
    judged.tell("without a score, and the figures are those of the others", common);
    match &table {
        Some(table) => table.result(&json, &two_columns(&lines), common)?,
        None => common.result(&json, &two_columns(&lines))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the latents carry.
struct Latents {
    levels: usize,
    kl: Option<Vec<f64>>,
    information: Option<Information>,
}

impl Latents {
    fn of(model: &Model<f32>, part: &Part, noise: Address) -> Result<Self> {
        let (vae, params) = (&model.vae, &model.params);
        Ok(Latents {
            levels: vae.levels(),
            kl: kl_per_latent(vae, params, part, part.rows())?,
            information: mutual_information(vae, params, part, noise)?,
        })
    }

    fn active(&self) -> Option<usize> {
        self.kl.as_ref().map(|kl| kl.iter().filter(|kl| **kl >= IDLE).count())
    }

    /// Lines of the table.
    fn report(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        if let Some(Information { nats, ceiling }) = self.information {
            let most = match nats > 0.9 * ceiling {
                true => format!("{nats:.4} at least (so many rows tell {ceiling:.4} at most)"),
                false => format!("{nats:.4}"),
            };
            lines.push(("  of it information", format!("{most} about the rows")));
        }
        if let (Some(active), Some(kl)) = (self.active(), &self.kl) {
            lines.push(("active latents", format!("{active} of {}", kl.len())));
        }
        lines
    }
}

/// What says whether something is off.
fn found(
    latents: &Latents,
    kl: f64,
    auc: Option<Auc>,
    estimate: Option<Summary>,
    neg_elbo: f64,
) -> Found {
    let known = estimate.filter(|estimate| estimate.error.is_ok());
    Found {
        kl,
        information: latents.information.filter(|_| latents.levels == 1),
        idle: latents
            .active()
            .zip(latents.kl.as_ref())
            .map(|(active, kl)| (kl.len() - active, kl.len())),
        auc,
        gap: known.map(|estimate| neg_elbo - estimate.neg_log_px),
    }
}

/// Rows that are generated for a two-sample test.
const GENERATED: usize = 20_000;

/// How well a classifier tells generated rows from those of `part`, in the model's units.
fn two_sample(
    model: &Model<f32>,
    part: &Part,
    shown: Shown,
    noise: Address,
    common: &Common,
) -> Result<Option<Auc>> {
    let rows = &part.rows()[..part.rows().len().min(GENERATED)];
    if rows.len() < 8 {
        common.remark(Some("--two-sample needs eight rows at least"));
        return Ok(None);
    }
    let (vae, width) = (&model.vae, model.vae.width());
    let mut buffer = BatchBuffer::new(rows.len(), width, vae.condition());
    let Batch { x: held_out, condition, .. } = part.batch(&mut buffer, rows, None)?;
    let mut generated = Array2::zeros((rows.len(), width));
    let most = rows.len().min(500);
    let mut ws = Workspace::new(vae, most, 1, Pass::Value)?;
    let address = Address { purpose: Purpose::Sample, ..noise };
    for (chunk, x) in generated.axis_chunks_iter_mut(Axis(0), most).enumerate() {
        let first = (chunk * most) as u64;
        let sampling = Sampling { address, first, temperature: 1.0, shown };
        if let Some(condition) = condition {
            let rows = chunk * most..chunk * most + x.nrows();
            ws.set_condition(&condition.slice(s![rows, ..]));
        }
        vae.sample(x, &mut ws, &model.params, &sampling);
    }
    if let Some(kinds) = &model.header.kinds {
        let cells = |x: ArrayView2<f32>| {
            let own = |x: ndarray::ArrayView1<f32>| -> Vec<f64> {
                let columns = part.columns().iter();
                x.iter().zip(columns).map(|(x, column)| column.undo(f64::from(*x))).collect()
            };
            Rows::new(x.rows().into_iter().flat_map(|x| kinds.contracted(&own(x))).collect(), kinds)
        };
        let auc = cells(generated.view()).told_from(&cells(held_out), noise.seed);
        return Ok(Some(auc));
    }
    let Some(condition) = condition else {
        return Ok(Some(two_sample_auc(&generated.view(), &held_out, noise.seed)));
    };
    // Rows are generated under the conditions of these, and told apart together with them.
    let beside = |x: ArrayView2<f32>| {
        concatenate(Axis(1), &[x, condition]).expect("a condition for each row")
    };
    let (generated, held_out) = (beside(generated.view()), beside(held_out));
    Ok(Some(two_sample_auc(&generated.view(), &held_out.view(), noise.seed)))
}

/// What is known of log p(x), in lines of the table.
fn report(estimate: &Summary, samples: usize, proposal: &Proposal) -> [(&'static str, String); 4] {
    let from = counted(samples, "sample");
    let error = match estimate.error {
        Ok((_, [low, high])) => ("  95 % interval", format!("{low:.4} … {high:.4}")),
        Err(doubt) => ("  no error bar", format!("{doubt}: {}", remedy(&doubt, proposal))),
    };
    let [median, worst] = estimate.effective.map(|e| thousands(e as usize));
    let share = 100.0 * estimate.largest;
    let tail = estimate.tail.map_or(String::new(), |k| format!("; k̂ up to {k:.2}"));
    [
        ("−log p(x)", format!("{:.4} nats ({from} of {proposal})", estimate.neg_log_px)),
        error,
        ("  effective samples", format!("{median} (median row), {worst} (worst)")),
        ("  largest weight", format!("{share:.1} % of its row's sum{tail}")),
    ]
}

/// What may give an estimate its error bar.
fn remedy(doubt: &Doubt, proposal: &Proposal) -> String {
    let wider = proposal.wider().map(|wider| format!("--proposal {wider}"));
    match (doubt, wider) {
        (Doubt::FewSamples, _) => "try more --samples".to_owned(),
        (Doubt::HeavyTail { worst, .. }, Some(wider)) if *worst > TailShape::HOPELESS => {
            format!("try {wider}; more --samples would not do")
        }
        (Doubt::HeavyTail { .. }, Some(wider)) => format!("try {wider} or more --samples"),
        (Doubt::HeavyTail { .. }, None) => {
            "no proposal here reaches further, so take the figure as a bound".to_owned()
        }
    }
}

/// The bound that the model was trained on, as its training logged it.
fn bound(model: &Model<f32>, part: &Part, t: &TrainingHeader, noise: Address) -> Result<f64> {
    let TrainConfig { samples, objective, .. } = t.config.last_stage()?;
    let objective = objective::build::<f32>(&objective)?.held_out();
    let mut evaluator = Evaluator::new(&model.vae, samples)?;
    Ok(evaluator.score(&model.vae, &model.params, part, &*objective, noise)?.loss)
}

/// The score of each row; rows whose score is not finite are refused.
fn score(
    judged: &mut Screened,
    model: &Model<f32>,
    draws: usize,
    noise: Address,
) -> Result<Vec<RowScore>> {
    let part = &judged.part;
    let mut evaluator = Evaluator::for_scores(&model.vae, part.rows().len(), draws)?;
    let mut scores = evaluator.score_rows(&model.vae, &model.params, part, draws, noise)?;
    let is_broken = |s: &RowScore| s.score.broken_term().is_some();
    let broken = part.rows().iter().zip(&scores).filter(|(_, s)| is_broken(s));
    let broken: Vec<usize> = broken.map(|(row, _)| *row).collect();
    if !broken.is_empty() {
        judged.refuse(&broken, "its score is not finite")?;
        scores.retain(|s| !is_broken(s));
    }
    Ok(scores)
}

/// The mean over rows.
fn mean_score(scores: &[RowScore]) -> Score {
    let mut total = Score::default();
    scores.iter().for_each(|s| total.add(&s.score, 1.0));
    total.mean(scores.len() as f64)
}

/// A line for each row, whether it has a score or not.
fn write_scores(
    table: &Output,
    rows: &Screened,
    scores: &[RowScore],
    estimates: Option<&[LogPx]>,
) -> Result<()> {
    let mut names = vec!["neg_elbo", "reconstruction", "kl", "neg_elbo_se"];
    if estimates.is_some() {
        let more = ["neg_log_px", "neg_log_px_se", "effective_samples", "largest_weight", "k_hat"];
        names.extend(more);
    }
    let mut values = Vec::with_capacity(scores.len() * names.len());
    for (i, RowScore { score, standard_error, .. }) in scores.iter().enumerate() {
        values.extend([score.loss, score.reconstruction, score.kl, *standard_error]);
        if let Some(e) = estimates.map(|e| &e[i]) {
            let error = if e.has_error() { e.standard_error } else { f64::NAN };
            let tail = e.tail.map_or(f64::NAN, |t| t.k);
            values.extend([-e.estimate, error, e.effective, e.largest, tail]);
        }
    }
    // Whoever sorts by these finds a row without a score at the end.
    let infinite = ["neg_elbo", "reconstruction", "neg_log_px"];
    let missing = |name: &&str| if infinite.contains(name) { f64::INFINITY } else { f64::NAN };
    let missing: Vec<_> = names.iter().map(missing).collect();
    let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    table.write_columns(&rows.join(), &names, &rows.spread(values, &missing))
}

/// log p(x) of each row.
pub(crate) fn importance_sample(
    model: &Model<f32>,
    part: &Part,
    samples: usize,
    proposal: &Proposal,
    noise: Address,
    common: &Common,
) -> Result<Vec<LogPx>> {
    let bar = bar(common, part.rows().len() as u64, "rows");
    let mut progress = |done| {
        bar.set_position(done as u64);
        true
    };
    let Model { vae, params, .. } = model;
    let estimates = log_px(vae, params, part, samples, proposal, noise, &mut progress);
    bar.finish_and_clear();
    estimates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_is_one_that_can_help() {
        let remedy = |worst: f64, proposal: &str| {
            let doubt = Doubt::HeavyTail { rows: 1, worst };
            remedy(&doubt, &proposal.parse().expect("a proposal"))
        };
        assert_eq!(remedy(0.6, "posterior"), "try --proposal wide:reach=8 or more --samples");
        let hopeless = "try --proposal wide:reach=8; more --samples would not do";
        assert_eq!(remedy(3.2, "posterior"), hopeless);
        assert!(remedy(3.2, "wide:reach=8").starts_with("try --proposal wide:reach=16;"));
        assert!(remedy(3.2, "wide:reach=1024").contains("take the figure as a bound"));
        let few = super::remedy(&Doubt::FewSamples, &Proposal::posterior());
        assert_eq!(few, "try more --samples");
    }
}

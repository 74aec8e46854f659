//! `elbo score`

use crate::Common;
use crate::evaluate::importance_sample;
use crate::join::Join;
use crate::opening::open_model;
use crate::output::{Format, Output};
use crate::progress::bar;
use crate::reading::{LabelledArgs, Unsaid};
use crate::screening::Screened;
use crate::terminal::{counted, thousands, two_columns};
use crate::wanted::learned_names;
use clap::Args;
use elbo::data::Part;
use elbo::error::{Error, Result};
use elbo::evaluate::{ColumnScore, LogPx, Proposal, log_px_of_columns};
use elbo::model_file::Model;
use elbo::rng::Address;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say how odd rows are, and which columns make them so
#[derive(Args)]
#[command(after_help = "Examples:
  elbo score runs/people --data new.csv                         the ten oddest, and why
  elbo score runs/people --data new.csv -o scores.csv           a line for each row
  elbo score runs/people --data new.csv --contamination 0.01    who is odder than 99 % of the held-out rows

A row's score is −log p(x) in nats, by importance sampling: the higher, the odder. It depends on what the row holds and on
--seed, in any file and at any place in it. Beside it stands what share of the rows that the training held out is less odd.
A column is blamed by −log p(column | the others of its row), in nats above what is usual in held-out rows; without blame where
the importance weights cannot say it (k_hat of 0.7 or more). Only models that know missing cells can blame: those of tables
of several kinds, or masked:of=…; --mask-rate in training makes them better at it.")]
pub(crate) struct ScoreArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    #[command(flatten)]
    data: LabelledArgs,
    /// Importance samples of each row; the time is in proportion to them
    #[arg(long, value_name = "S", default_value_t = 128)]
    samples: usize,
    /// What they are drawn from: posterior, or wide:reach=R (parts of it 2, 4, … R times as wide)
    #[arg(long, value_name = "SPEC", default_value = "posterior")]
    proposal: String,
    /// Seed of the noise [default: the training's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Say of so many rows, the oddest, which columns are to blame [default: 10, where the model can]
    #[arg(long, value_name = "N")]
    blame: Option<usize>,
    /// Call rows odd that are odder than all but this share of the held-out rows
    #[arg(long, value_name = "SHARE")]
    contamination: Option<f64>,
    /// Also write every row's score: a .csv or .npy, or `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Held-out rows that others are ranked among, at most, and that say what is usual in a column.
const REFERENCE: usize = 2000;
const USUAL: usize = 200;

/// Rows that are blamed if nobody says how many.
const BLAMED: usize = 10;

/// Columns that a row is blamed on, at most, and from how many nats above the usual on.
const NAMED: usize = 3;
const LEAST: f64 = 1.0;

pub(crate) fn score(args: &ScoreArgs, common: &Common) -> Result<ExitCode> {
    if args.samples == 0 {
        return Err(Error::setting("--samples", "must be at least 1"));
    }
    if args.contamination.is_some_and(|share| !(share > 0.0 && share < 1.0)) {
        return Err(Error::setting("--contamination", "must be above 0 and below 1"));
    }
    let proposal: Proposal = args.proposal.parse()?;
    let output =
        args.output.as_ref().map(|path| Output::new(path, None, "--output")).transpose()?;
    if output.as_ref().is_some_and(|output| output.format == Format::Png) {
        return Err(Output::no_picture("--output"));
    }
    let model = open_model(&args.model, common)?;
    let noise = model.header.noise();
    let noise = Address { seed: args.seed.unwrap_or(noise.seed), ..noise };
    let part = args.data.open(&args.model, &model, Unsaid::HeldOut, common)?;
    let mut rows = Screened::new(part, &model, &args.data)?;
    let sample =
        |part: &Part| importance_sample(&model, part, args.samples, &proposal, noise, common);
    let found = sample(&rows.part).map_err(|e| args.data.blame(e))?;
    let scores = finite(&mut rows, found)?;
    // Where nobody names rows, they are those that the training held out.
    let (held_out, mut reference) = if args.data.is_unsaid() {
        let mut part = rows.part.clone();
        part.truncate(REFERENCE);
        (Some(part), scores[..scores.len().min(REFERENCE)].to_vec())
    } else {
        let part = held_out(args, &model, common)?;
        let reference = part.as_ref().map_or(Ok(scores.clone()), sample)?;
        (part, reference)
    };
    reference.retain(|score| !score.estimate.is_nan());
    let mut usual: Vec<f64> = reference.iter().map(|score| -score.estimate).collect();
    usual.sort_by(f64::total_cmp);
    let blamed = Blamed::of(args, &model, &rows.part, &scores, held_out.as_ref(), noise, common)?;
    let found = Found { rows: &rows, scores, usual, among_held_out: held_out.is_some(), blamed };
    let threshold = args.contamination.map(|share| found.quantile(1.0 - share));
    if let Some(output) = &output {
        found.write(output, threshold)?;
    }
    let (json, text) = (found.to_json(args, threshold), found.to_text(args, &proposal, threshold));
    match &output {
        Some(output) => output.result(&json, &text, common)?,
        None => common.result(&json, &text)?,
    }
    rows.tell("have no score", common);
    Ok(ExitCode::SUCCESS)
}

/// The estimates that are numbers; rows that have none are refused. A row of probability 0 is infinitely odd.
fn finite(rows: &mut Screened, mut scores: Vec<LogPx>) -> Result<Vec<LogPx>> {
    let found = rows.part.rows().iter().zip(&scores);
    let broken: Vec<usize> =
        found.filter(|(_, score)| score.estimate.is_nan()).map(|(row, _)| *row).collect();
    if !broken.is_empty() {
        rows.refuse(&broken, "its score is not a number")?;
        scores.retain(|score| !score.estimate.is_nan());
    }
    Ok(scores)
}

/// Rows that the training held out, to rank others among, where they can still be had.
fn held_out(args: &ScoreArgs, model: &Model<f32>, common: &Common) -> Result<Option<Part>> {
    let quiet = Common { quiet: true, ..common.clone() };
    let data = LabelledArgs::default();
    let opened = data.open(&args.model, model, Unsaid::HeldOut, &quiet);
    let screened = opened.and_then(|part| Ok(Screened::new(part, model, &data)?.part));
    match screened {
        Ok(mut part) => {
            part.truncate(REFERENCE);
            if part.is_of_training() {
                common.remark(Some(
                    "the training held no rows out: ranks are among rows that it learned from",
                ));
            }
            Ok(Some(part))
        }
        Err(e) => {
            common.remark(Some(&format!("ranks are among these rows themselves: {e}")));
            Ok(None)
        }
    }
}

/// Which columns are to blame, of the oddest rows.
struct Blamed {
    names: Vec<String>,
    /// −log p(column | rest), its median over held-out rows.
    usual: Vec<f64>,
    /// The place of each row among all, and what its columns have to say.
    rows: Vec<(usize, Vec<ColumnScore>)>,
}

impl Blamed {
    fn of(
        args: &ScoreArgs,
        model: &Model<f32>,
        part: &Part,
        scores: &[LogPx],
        held_out: Option<&Part>,
        noise: Address,
        common: &Common,
    ) -> Result<Option<Self>> {
        let count = args.blame.unwrap_or(BLAMED).min(scores.len());
        if count == 0 {
            return Ok(None);
        }
        if let Err(refused) = model.vae.can_blame() {
            // Nobody asked for it.
            return if args.blame.is_none() { Ok(None) } else { Err(refused) };
        }
        let mut oddest = oddest(scores);
        oddest.truncate(count);
        let mut odd = part.clone();
        let chosen: Vec<usize> = oddest.iter().map(|place| part.rows()[*place]).collect();
        odd.retain(|row| chosen.contains(&row));
        let mut reference = held_out.unwrap_or(part).clone();
        reference.truncate(USUAL);

        let all = odd.rows().len() + reference.rows().len();
        let progress = bar(common, all as u64, "rows");
        let columns = |part: &Part| -> Result<Vec<(usize, Vec<ColumnScore>)>> {
            let mut found = Vec::with_capacity(part.rows().len());
            let mut each = |row: usize, columns: &[ColumnScore]| {
                found.push((row, columns.to_vec()));
                progress.inc(1);
                true
            };
            log_px_of_columns(&model.vae, &model.params, part, args.samples, noise, &mut each)?;
            Ok(found)
        };
        let (of_reference, mut found) = (columns(&reference)?, columns(&odd)?);
        progress.finish_and_clear();
        // Back in the order of their scores.
        found.sort_by_key(|(row, _)| chosen.iter().position(|chosen| chosen == row));
        let rows = oddest.into_iter().zip(found).map(|(place, (_, columns))| (place, columns));
        let names = learned_names(model);
        let usual = |j: usize| {
            let sound =
                of_reference.iter().map(|(_, columns)| columns[j]).filter(ColumnScore::is_sound);
            let mut values: Vec<f64> = sound.map(|column| -column.log_p).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        };
        let usual = (0..names.len()).map(usual).collect();
        Ok(Some(Blamed { names, usual, rows: rows.collect() }))
    }

    /// The columns that a row is blamed on, and by how many nats above the usual, the worst first.
    fn blame(&self, columns: &[ColumnScore]) -> Vec<(&str, f64)> {
        let sound = self.names.iter().zip(columns.iter().zip(&self.usual));
        let sound = sound.filter(|(_, (column, _))| column.is_sound());
        let above = sound.map(|(name, (column, usual))| (name.as_str(), -column.log_p - usual));
        let mut above: Vec<_> = above.filter(|(_, above)| *above >= LEAST).collect();
        above.sort_by(|a, b| b.1.total_cmp(&a.1));
        above
    }
}

/// The places of all rows, the oddest first; of equal rows the first one.
fn oddest(scores: &[LogPx]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|a, b| scores[*a].estimate.total_cmp(&scores[*b].estimate));
    places
}

/// What was found out.
struct Found<'a> {
    rows: &'a Screened,
    scores: Vec<LogPx>,
    /// −log p(x) of the held-out rows, in order; of the rows themselves where there are none.
    usual: Vec<f64>,
    among_held_out: bool,
    blamed: Option<Blamed>,
}

impl Found<'_> {
    /// The share of the held-out rows that are less odd.
    fn odder_than(&self, score: &LogPx) -> f64 {
        let less = self.usual.partition_point(|usual| *usual < -score.estimate);
        less as f64 / self.usual.len() as f64
    }

    /// What so large a share of the held-out rows does not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let place = (share * self.usual.len() as f64).ceil() as usize;
        self.usual[place.clamp(1, self.usual.len()) - 1]
    }

    fn odd(&self, threshold: f64) -> usize {
        self.scores.iter().filter(|score| -score.estimate > threshold).count()
    }

    /// A line for each row, whether it has a score or not.
    fn write(&self, output: &Output, threshold: Option<f64>) -> Result<()> {
        let mut names: Vec<String> =
            ["neg_log_px", "neg_log_px_se", "effective_samples", "k_hat", "odder_than"]
                .map(str::to_owned)
                .to_vec();
        names.extend(threshold.map(|_| "odd".to_owned()));
        let own = names.len();
        if let Some(blamed) = &self.blamed {
            names.extend(blamed.names.iter().map(|name| format!("above usual: {name}")));
        }
        let mut values = Vec::with_capacity(self.scores.len() * names.len());
        for score in &self.scores {
            let error = if score.has_error() { score.standard_error } else { f64::NAN };
            let tail = score.tail.map_or(f64::NAN, |tail| tail.k);
            values.extend([-score.estimate, error, score.effective, tail, self.odder_than(score)]);
            values.extend(threshold.map(|t| f64::from(u8::from(-score.estimate > t))));
            values.resize(values.len() + names.len() - own, f64::NAN);
        }
        if let Some(blamed) = &self.blamed {
            for (place, columns) in &blamed.rows {
                let cells = &mut values[place * names.len() + own..(place + 1) * names.len()];
                for ((cell, column), usual) in cells.iter_mut().zip(columns).zip(&blamed.usual) {
                    *cell = if column.is_sound() { -column.log_p - usual } else { f64::NAN };
                }
            }
        }
        // Whoever sorts by these finds a row without a score at the end.
        let missing = |name: &String| if name == "neg_log_px" { f64::INFINITY } else { f64::NAN };
        let missing: Vec<f64> = names.iter().map(missing).collect();
        output.write_columns(&self.rows.join(), &names, &self.rows.spread(values, &missing))
    }

    fn mean(&self) -> f64 {
        -self.scores.iter().map(|score| score.estimate).sum::<f64>() / self.scores.len() as f64
    }

    fn to_json(&self, args: &ScoreArgs, threshold: Option<f64>) -> Value {
        let oddest = oddest(&self.scores).into_iter().take(args.blame.unwrap_or(BLAMED));
        let oddest = oddest.map(|place| {
            let score = &self.scores[place];
            let columns = self.blamed.as_ref().and_then(|blamed| {
                let (_, columns) = blamed.rows.iter().find(|(of, _)| *of == place)?;
                let named = blamed.names.iter().zip(columns).zip(&blamed.usual);
                let column = |((name, column), usual): ((&String, &ColumnScore), &f64)| {
                    let value = json!({
                        "neg_log_p": -column.log_p, // null where the cell is missing
                        "above_usual": -column.log_p - usual,
                        "standard_error": column.standard_error,
                        "effective_samples": column.effective,
                        "k_hat": column.tail.map(|tail| tail.k),
                        "sound": column.is_sound(),
                    });
                    (name.clone(), value)
                };
                Some(named.map(column).collect::<serde_json::Map<_, _>>())
            });
            json!({
                "row": self.rows.part.rows()[place] + 1,
                "neg_log_px": -score.estimate,
                "odder_than": self.odder_than(score),
                "columns": columns,
            })
        });
        json!({
            "rows": self.rows.part.rows().len(),
            "refused": self.rows.refused(),
            "samples": args.samples,
            "neg_log_px": self.mean(),
            "held_out": self.among_held_out.then_some(self.usual.len()),
            "threshold": threshold,
            "odd": threshold.map(|threshold| self.odd(threshold)),
            "oddest": oddest.collect::<Vec<_>>(),
        })
    }

    fn to_text(&self, args: &ScoreArgs, proposal: &Proposal, threshold: Option<f64>) -> String {
        let count = self.rows.part.rows().len();
        let among = if self.among_held_out { "held-out rows" } else { "rows themselves" };
        let mut lines = vec![
            ("rows", thousands(count)),
            (
                "−log p(x)",
                format!(
                    "{:.4} nats on average ({} of {proposal})",
                    self.mean(),
                    counted(args.samples, "sample")
                ),
            ),
            (
                "usual",
                format!(
                    "{:.2} (half), {:.2} (99 %) of the {} {among}",
                    self.quantile(0.5),
                    self.quantile(0.99),
                    thousands(self.usual.len())
                ),
            ),
        ];
        if let Some(threshold) = threshold {
            lines.push((
                "odd",
                format!("{} above {threshold:.2} nats", thousands(self.odd(threshold))),
            ));
        }
        let mut text = two_columns(&lines);
        let shown: Vec<usize> =
            oddest(&self.scores).into_iter().take(args.blame.unwrap_or(BLAMED).min(20)).collect();
        if shown.is_empty() {
            return text;
        }
        let join = Join::of(self.rows.part.data(), self.rows.part.rows());
        let which: Vec<String> = shown.iter().map(|place| join.line(*place).join(", ")).collect();
        let width = which.iter().map(|which| which.chars().count()).max().unwrap_or(0).max(10);
        let because =
            if self.blamed.is_some() { "  because of (nats above the usual)" } else { "" };
        let _ = writeln!(text, "\n{:<width$} −log p(x)  odder than{because}", "the oddest");
        for (place, which) in shown.iter().zip(which) {
            let score = &self.scores[*place];
            let odder = 100.0 * self.odder_than(score);
            let _ = write!(text, "{which:<width$} {:>9.2}  {odder:>8.1} %", -score.estimate);
            if let Some(blamed) = &self.blamed {
                let columns = blamed.rows.iter().find(|(of, _)| of == place);
                let columns = columns.map_or(Vec::new(), |(_, columns)| blamed.blame(columns));
                let named: Vec<String> = columns
                    .iter()
                    .take(NAMED)
                    .map(|(name, by)| format!("{name} {by:.1}"))
                    .collect();
                let named =
                    if named.is_empty() { "no single column".to_owned() } else { named.join(", ") };
                let _ = write!(text, "  {named}");
            }
            text.push('\n');
        }
        text
    }
}

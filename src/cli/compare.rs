//! `elbo compare`

use crate::Common;
use crate::columns::TableArgs;
use crate::terminal::thousands;
use clap::Args;
use elbo::data::{Dataset, Expected, ReadOptions, Source, Table};
use elbo::error::{Error, Result};
use elbo::evaluate::{Likeness, Rows};
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

/// Say how like a table's rows those of another are
#[derive(Args)]
#[command(after_help = "Examples:
  elbo compare adult.csv new.csv                              shapes, trends, a classifier, nearness to single rows
  elbo compare train.csv new.csv --holdout test.csv --target income
  elbo compare adult.csv adult.csv                            what a copy looks like

Beside the new rows stand two others: the holdout's, which are real and were not learned, are as good as rows can be; and the
real ones with each column shuffled by itself, which know nothing of each other. Shapes and trends are means over columns and
pairs, 1 at best. The classifier's AUC is 0.5 at best. With --target, one is trained on each of them and judged on the
holdout: new rows are as useful as real ones where that is as high. New rows that are nearer to the real ones than the holdout's
may be copies. Columns are found by name; what a cell can be is what the first table says.")]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    table: TableArgs,
    /// The new rows, a CSV file of the same columns
    #[arg(value_name = "NEW")]
    new: String,
    /// Real rows that were not learned from
    #[arg(long, value_name = "FILE")]
    holdout: Option<String>,
    /// A column of two classes, or of two numbers, that a classifier is to tell (needs --holdout)
    #[arg(long, value_name = "COLUMN", requires = "holdout")]
    target: Option<String>,
    /// Other seeds train other classifiers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// What is said of some rows.
struct Line {
    name: &'static str,
    likeness: Likeness,
    teaches: Option<f64>,
}

pub(crate) fn compare(args: &CompareArgs, common: &Common) -> Result<ExitCode> {
    let first = args.table.open()?.train;
    let table = first.kinds().expect("what takes kinds has some").clone();
    let real = Rows::of(&first)?;
    let open = |name: &str| -> Result<Rows> { Rows::of(&of_the_same(name, &table)?) };
    let new = open(&args.new)?;
    let holdout = args.holdout.as_deref().map(open).transpose()?;
    if [Some(&real), Some(&new), holdout.as_ref()].into_iter().flatten().any(|r| r.count() < 8) {
        return Err(Error::setting("NEW", "eight rows of each table at least are compared"));
    }
    let target = args.target.as_deref().map(|name| place(&table, name)).transpose()?;
    let shuffled = real.independent(args.seed);
    let mut lines = Vec::new();
    let others = [Some(("new", &new)), holdout.as_ref().map(|h| ("holdout", h))];
    for (name, rows) in others.into_iter().flatten().chain([("shuffled", &shuffled)]) {
        lines.push(Line {
            name,
            likeness: rows.likeness(&real, args.seed),
            teaches: teaches(target, (name != "holdout").then_some(rows), &holdout, args.seed)?,
        });
    }
    let by_real = teaches(target, Some(&real), &holdout, args.seed)?;
    let json = to_json(&lines, by_real, &table);
    common.result(&json, &to_text(&lines, by_real, &table, [&real, &new].map(Rows::count)))?;
    Ok(ExitCode::SUCCESS)
}

/// The rows of another file of the same columns.
fn of_the_same(name: &str, table: &Table) -> Result<Dataset> {
    let expected = Expected { kinds: Some(table.clone()), ..Expected::default() };
    let options = ReadOptions { expected: Some(expected), ..ReadOptions::default() };
    Ok(Source::open_with(name, &options)?.train)
}

/// The place of a column among those that are learned.
fn place(table: &Table, name: &str) -> Result<usize> {
    let place = table.learned().position(|column| column.name == name.trim());
    place.ok_or_else(|| {
        Error::setting("target", format!("no column that is compared is called `{name}`"))
    })
}

/// How well a classifier that learned on these rows tells the target in the holdout.
fn teaches(
    target: Option<usize>,
    rows: Option<&Rows>,
    holdout: &Option<Rows>,
    seed: u64,
) -> Result<Option<f64>> {
    let (Some(target), Some(rows), Some(holdout)) = (target, rows, holdout) else {
        return Ok(None);
    };
    Ok(Some(rows.teaches(target, holdout, seed)?.value))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn to_text(lines: &[Line], by_real: Option<f64>, table: &Table, counts: [usize; 2]) -> String {
    let [real, new] = counts.map(thousands);
    let mut text = format!(
        "{new} new rows beside {real} real ones, of {} columns\n\n",
        table.learned().count()
    );
    let title = if by_real.is_some() { "   taught" } else { "" };
    let _ = writeln!(text, "{:<10} shapes  trends     AUC  nearness{title}", "rows");
    for Line { name, likeness, teaches } in lines {
        let trends = likeness.trends.map_or_else(|| "     –".to_owned(), |t| format!("{t:>6.3}"));
        let teaches = teaches.map_or_else(String::new, |auc| format!("  {auc:>7.3}"));
        let _ = writeln!(
            text,
            "{name:<10} {:>6.3}  {trends}  {:>6.3}  {:>8.4}{teaches}",
            mean(&likeness.shapes),
            likeness.two_sample.value,
            likeness.nearness
        );
    }
    if let Some(auc) = by_real {
        let _ =
            writeln!(text, "{:<10} {:>6}  {:>6}  {:>6}  {:>8}  {auc:>7.3}", "real", "", "", "", "");
    }
    let new = &lines[0].likeness;
    let mut columns: Vec<_> = table.learned().map(|c| c.name.as_str()).zip(&new.shapes).collect();
    columns.sort_by(|a, b| a.1.total_cmp(b.1));
    let worst = columns.iter().take(3).map(|(name, shape)| format!("{name} {shape:.3}"));
    let _ = writeln!(text, "\nleast alike: {}", worst.collect::<Vec<_>>().join(", "));
    // Rows of few numbers may be equal by chance: shuffled ones are, too.
    let by_chance = lines.iter().any(|l| l.name == "shuffled" && l.likeness.nearness == 0.0);
    let same = new.shapes.iter().chain(&new.trends).all(|v| *v == 1.0);
    if new.nearness == 0.0 && (same || !by_chance) {
        text += "more than half of the new rows are real ones: a copy\n";
    } else if let Some(holdout) = lines.iter().find(|line| line.name == "holdout")
        && new.nearness < 0.9 * holdout.likeness.nearness
    {
        text +=
            "the new rows are nearer to single real ones than rows that were not learned from\n";
    }
    text
}

fn to_json(lines: &[Line], by_real: Option<f64>, table: &Table) -> Value {
    let line = |line: &Line| {
        let shapes = table.learned().map(|c| c.name.clone()).zip(line.likeness.shapes.clone());
        let value = json!({
            "shapes": mean(&line.likeness.shapes),
            "shape_of": shapes.collect::<std::collections::BTreeMap<_, _>>(),
            "trends": line.likeness.trends,
            "two_sample_auc": line.likeness.two_sample.value,
            "two_sample_auc_se": line.likeness.two_sample.standard_error,
            "nearness": line.likeness.nearness,
            "taught_auc": line.teaches,
        });
        (line.name.to_owned(), value)
    };
    let mut all: serde_json::Map<String, Value> = lines.iter().map(line).collect();
    if let Some(auc) = by_real {
        all.insert("real".to_owned(), json!({"taught_auc": auc}));
    }
    Value::Object(all)
}

//! `elbo impute`

use crate::Common;
use crate::join::Join;
use crate::opening::open_model;
use crate::output::{Format, OutputArgs};
use crate::progress::bar;
use crate::reading::{LabelledArgs, Unsaid};
use crate::screening::Screened;
use clap::Args;
use elbo::data::{Cells, Table, TableColumn};
use elbo::error::{Error, Result, check_memory};
use elbo::evaluate::completions;
use elbo::rng::{Address, Purpose};
use std::path::PathBuf;
use std::process::ExitCode;

/// Fill in the missing cells of a table
#[derive(Args)]
#[command(after_help = "Examples:
  elbo impute runs/people --data people.csv -o whole.csv              the mean of a number, the likeliest class
  elbo impute runs/people --data people.csv --intervals -o whole.csv  and between which values 90 % of it lies
  elbo impute runs/people --data people.csv --draws 5 -o five.csv     five completed tables, that differ as they may

All rows are taken, and written as they were, but for the cells that are missing. What stands there is of p(missing|observed),
of the draws that importance samples of each row leave. Train with --mask-rate 0.2 or so where the data has few gaps
of its own, so that the model is asked of them. A row that the model cannot have is named and left out.")]
pub(crate) struct ImputeArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    #[command(flatten)]
    data: LabelledArgs,
    /// So many completed tables of single draws, one below the other, with their number in a column `draw`, instead of
    /// one of means
    #[arg(long, value_name = "M", conflicts_with = "intervals")]
    draws: Option<usize>,
    /// Also two columns for each of numbers or dates that has missing cells: between which values 90 % of each lies
    #[arg(long)]
    intervals: bool,
    /// Importance samples of each row
    #[arg(long, value_name = "S", default_value_t = 100)]
    samples: usize,
    /// Other seeds give other draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Draws that a mean, a likeliest class and an interval are taken of.
const ENOUGH: usize = 200;

pub(crate) fn impute(args: &ImputeArgs, common: &Common) -> Result<ExitCode> {
    let output = args.output.open()?;
    if output.format != Format::Csv {
        return Err(Error::setting("--output", "a completed table is a .csv"));
    }
    if args.draws == Some(0) {
        return Err(Error::setting("--draws", "must be at least 1"));
    }
    let model = open_model(&args.model, common)?;
    let Some(kinds) = &model.header.kinds else {
        let message = "the model was trained on a table without missing cells: train one on a table that has some, or with \
                       --kinds";
        return Err(Error::setting("MODEL", message));
    };
    let part = args.data.open(&args.model, &model, Unsaid::Everything, common)?;
    let rows = Screened::new(part, &model, &args.data)?;
    let (width, draws) = (model.vae.width(), args.draws.unwrap_or(ENOUGH));
    let all = rows.part.rows().len();
    check_memory::<f64>(all.saturating_mul(args.draws.unwrap_or(1)), "--draws", "ask for fewer")?;
    let intervals = if args.intervals { kinds.with_intervals() } else { Vec::new() };
    let copies = args.draws.unwrap_or(1);
    let part = &rows.part;
    let values_of = |row: usize| -> Result<Vec<f64>> {
        let mut own = vec![0f64; width];
        part.data().read(&mut own, row, None)?;
        Ok(kinds.contracted(&own))
    };
    let whole = part.rows().iter().map(|row| values_of(*row)).collect::<Result<Vec<_>>>()?;
    // Rows without a gap are what they are.
    let has_gap = |i: usize| whole[i].iter().any(|value| value.is_nan());
    let mut gaps = part.clone();
    gaps.retain(|row| part.rows().binary_search(&row).is_ok_and(has_gap));
    let complete = |i: usize| {
        let mut line = kinds.cells_of(&whole[i]);
        line.resize(line.len() + 2 * intervals.len(), String::new());
        line
    };
    let mut lines: Vec<Vec<String>> = (0..all * copies).map(|i| complete(i % all)).collect();
    let (mut done, mut filled) = (0, 0);
    let progress = bar(common, gaps.rows().len() as u64, "rows");
    let address = Address::new(args.seed, Purpose::Sample);
    let mut each = |row: usize, shown: &[f64]| -> Result<()> {
        let i = part.rows().binary_search(&row).expect("one of the rows");
        let there = &whole[i];
        filled += there.iter().filter(|value| value.is_nan()).count();
        let drawn: Vec<Vec<f64>> = shown.chunks_exact(width).map(|x| kinds.contracted(x)).collect();
        for copy in 0..copies {
            let fill = |(j, column): (usize, &TableColumn)| match (there[j].is_nan(), args.draws) {
                (false, _) => there[j],
                (true, Some(_)) => drawn[copy][j],
                (true, None) => typical(column, drawn.iter().map(|row| row[j])),
            };
            let values: Vec<f64> = kinds.learned().enumerate().map(fill).collect();
            let mut line = kinds.cells_of(&values);
            for &j in &intervals {
                let column = kinds.learned().nth(j).expect("one of them");
                let ends = interval(drawn.iter().map(|row| row[j]));
                line.extend(
                    ends.map(|v| if there[j].is_nan() { column.text(v) } else { String::new() }),
                );
            }
            lines[copy * all + i] = line;
        }
        done += 1;
        progress.set_position(done);
        Ok(())
    };
    completions(&model.vae, &model.params, &gaps, args.samples, draws, address, &mut each)
        .map_err(|e| args.data.blame(e))?;
    progress.finish_and_clear();
    let mut header = header(kinds, &intervals);
    let join = match args.draws {
        None => Join::default(),
        Some(_) => {
            let number = |i: usize| vec![(i / all + 1).to_string()];
            Join::new(vec!["draw".to_owned()], (0..lines.len()).map(number).collect())
        }
    };
    header = join.header(&header);
    let joined = lines.into_iter().enumerate().map(|(i, line)| [join.line(i), line].concat());
    output.write_lines(&header, joined)?;
    rows.tell("left out", common);
    output.report(all * copies, &format!("rows, {filled} cells of them filled in,"), common)
}

/// The names of the columns that are written.
fn header(kinds: &Table, intervals: &[usize]) -> Vec<String> {
    let ends = intervals.iter().flat_map(|j| {
        let name = kinds.learned().nth(*j).map(|column| column.name.clone()).unwrap_or_default();
        [format!("{name} (5 %)"), format!("{name} (95 %)")]
    });
    kinds.written().map(|column| column.name.clone()).chain(ends).collect()
}

/// The mean of numbers, the class that comes most often.
fn typical(column: &TableColumn, drawn: impl Iterator<Item = f64> + Clone) -> f64 {
    match column.cells {
        Cells::Class { .. } => {
            let mut counts = std::collections::BTreeMap::new();
            drawn.for_each(|class| *counts.entry(class as u64).or_insert(0) += 1);
            let most = counts.into_iter().max_by_key(|(class, n)| (*n, std::cmp::Reverse(*class)));
            most.map_or(0.0, |(class, _)| class as f64)
        }
        _ => {
            let count = drawn.clone().count() as f64;
            drawn.sum::<f64>() / count
        }
    }
}

/// Between which values 90 % of these lie.
fn interval(drawn: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut drawn: Vec<f64> = drawn.collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
    [at(0.05), at(0.95)]
}

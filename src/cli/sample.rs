//! `elbo sample`

use crate::Common;
use crate::fitted;
use crate::generate::{ShownArgs, check_count, decoded, draw};
use crate::given::{self, GivenArgs};
use crate::join::Join;
use crate::opening::open_model;
use crate::output::{Format, OutputArgs};
use crate::reading::DataArgs;
use crate::wanted::WantedArgs;
use clap::Args;
use elbo::data::Table;
use elbo::error::{Error, Result};
use elbo::plot::grid::columns_for;
use elbo::rng::{Address, Purpose};
use elbo::vae::{Sampling, Shown};
use rand::RngExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Generate new rows: the likelihood's means at latents drawn from the prior
#[derive(Args)]
#[command(after_help = "Examples:
  elbo sample runs/digits -o digits.png                  64 invented digits in a grid
  elbo sample runs/digits -n 1000 -o digits.npy          as an array [1000, 28, 28] of numbers in [0, 1]
  elbo sample runs/digits --temperature 0.7 -o tame.png  closer to what is common
  elbo sample runs/wine -n 500 --draw -o wines.csv       table rows in their own units, with their noise
  elbo sample runs/digits --prior fitted:components=20 -o fitted.png    from where the training rows are
  elbo sample runs/digits --label 7 -o sevens.png        sevens, after elbo train --condition label
  elbo sample runs/people -n 1000 --where city=Rome --where 'age>60' -o romans.csv
  elbo sample runs/people -n 1000 --balance city -o even.csv             as many of each city

A mean has no noise: for images that is what one wants to look at, while rows of a table scatter as
the data do only with --draw. Rows of a table of several kinds, or with missing cells, are always drawn; cells are
missing in them as often as in the data, unless --complete is given. A model that is given classes makes rows of those that you choose, and
leaves what you leave open as it was in the training rows; a table says what each row was given.")]
pub(crate) struct SampleArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 64)]
    count: usize,
    /// Spread of the latents, relative to the prior's: below 1 for common rows, above for odd ones
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    temperature: f64,
    #[command(flatten)]
    shown: ShownArgs,
    /// Leave no cell empty, where cells of the data are missing
    #[arg(long)]
    complete: bool,
    /// Write the columns that name or number the rows, too: new rows are numbered from 1
    #[arg(long)]
    keys: bool,
    /// Where latents come from: `model` is its prior; fitted:components=K is a mixture of K (10) normals, fitted to
    /// the latents of the training rows
    #[arg(long, value_name = "SPEC", default_value = "model")]
    prior: String,
    #[command(flatten)]
    wanted: WantedArgs,
    #[command(flatten)]
    given: GivenArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Other seeds give other samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn sample(args: &SampleArgs, common: &Common) -> Result<ExitCode> {
    let output = args.output.open()?;
    check_count(args.count)?;
    let model = open_model(&args.model, common)?;
    output.check(&model)?;
    let kinds = model.header.kinds.as_ref();
    if args.keys && (kinds.is_none() || output.format != Format::Csv) {
        let message = "keys are of tables of several kinds, and written to a .csv";
        return Err(Error::setting("--keys", message));
    }
    let sampling = Sampling {
        address: Address::new(args.seed, Purpose::Sample),
        first: 0,
        temperature: args.temperature,
        shown: args.shown.or(if kinds.is_some() { Shown::Draw } else { Shown::Mean }),
    };
    let choices = args.given.choices(&model, common)?;
    let wants = args.wanted.are_there();
    let draws = given::draws(&model, args.seed);
    let given = choices.as_ref().map(|c| c.drawn(args.count, draws)).transpose()?;
    let mut rows = match fitted::components(&args.prior)? {
        None if wants => args.wanted.rows(&model, args.count, &sampling, common)?,
        None => draw(&model, args.count, &sampling, given.as_ref())?,
        Some(_) if wants => {
            let message =
                "rows under a condition come from the model's own prior: leave out --prior";
            return Err(Error::setting("--where", message));
        }
        Some(components) => {
            let (path, data, n) = (&args.model, &args.data, args.count);
            let z = fitted::latents(path, &model, data, components, n, &sampling, common)?;
            decoded(&model, &z, &sampling, given.as_ref())?
        }
    };
    if let Some(kinds) = kinds.filter(|_| !args.complete) {
        let said = if wants { args.wanted.said(&model)? } else { Vec::new() };
        blank(&mut rows, kinds, &said, given::draws(&model, args.seed).epoch(1));
    }
    let join = given.map_or_else(Join::default, |given| given.join());
    match kinds.filter(|_| args.keys) {
        Some(kinds) => {
            let names: Vec<String> = kinds.with_keys().map(|column| column.name.clone()).collect();
            let lines = rows.chunks_exact(model.vae.width()).enumerate().map(|(i, row)| {
                [join.line(i), kinds.cells_with_keys(row, &(i + 1).to_string())].concat()
            });
            output.write_lines(&join.header(&names), lines)?;
        }
        None => output.write_rows(&model, &join, &rows, columns_for(args.count))?,
    }
    output.report(args.count, "samples", common)
}

/// Takes cells out of rows, as often as each column's are missing, but for those of these columns.
fn blank(rows: &mut [f64], kinds: &Table, whole: &[usize], address: Address) {
    let mut shares = kinds.shares_missing();
    let of_whole = shares.iter_mut().zip(kinds.cells_of_values());
    of_whole.filter(|(_, of)| whole.contains(of)).for_each(|(share, _)| *share = 0.0);
    for (i, row) in rows.chunks_exact_mut(shares.len()).enumerate() {
        let mut rng = address.row(i as u64).rng();
        for (cell, share) in row.iter_mut().zip(&shares) {
            if rng.random::<f64>() < *share {
                *cell = f64::NAN;
            }
        }
    }
}

//! `elbo encode`

use crate::Common;
use crate::generate::{check_count, session_for};
use crate::opening::open_model;
use crate::output::{Format, Output, OutputArgs};
use crate::reading::{LabelledArgs, Unsaid};
use crate::screening::Screened;
use clap::Args;
use elbo::error::{Error, Result, check_memory};
use std::path::PathBuf;
use std::process::ExitCode;

/// Encode rows: the posterior mean of every latent (behind a flow, where the mean before it goes)
#[derive(Args)]
#[command(after_help = "Examples:
  elbo encode runs/digits -o latents.csv                 the test digits, with their labels
  elbo encode runs/wine --data wine.csv --std -o z.npy   [rows, 2·latents]: means, then deviations
  elbo encode runs/mnist --data mnist/ --part train -o - | head

All rows of a file are encoded; of data with a test part of its own (digits, MNIST), that part.
A line of a table begins with the row's number in the data, from 1, its label where there are labels,
and for pictures the file's name; an array has the rows in the same order. A row that the model cannot
have is named and left empty (NaN in an array).")]
pub(crate) struct EncodeArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    #[command(flatten)]
    data: LabelledArgs,
    /// Also the posterior's standard deviations, after the means
    #[arg(long)]
    std: bool,
    /// The first N rows only
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn encode(args: &EncodeArgs, common: &Common) -> Result<ExitCode> {
    let output = args.output.open()?;
    if output.format == Format::Png {
        return Err(Output::no_picture("--output"));
    }
    check_count(args.count.unwrap_or(1))?;
    let model = open_model(&args.model, common)?;
    if args.std && !model.vae.has_posterior_std() {
        let posterior = &model.header.model.posterior;
        let message =
            format!("the spread of the posterior `{posterior}` is not known in closed form");
        return Err(Error::setting("--std", message));
    }
    let mut part = args.data.open(&args.model, &model, Unsaid::Everything, common)?;
    part.truncate(args.count.unwrap_or(usize::MAX));
    let mut rows = Screened::new(part, &model, &args.data)?;
    let count = rows.part.rows().len();
    let latent = model.vae.latent();
    let numbers = count.saturating_mul(latent).saturating_mul(2);
    check_memory::<f64>(numbers, "-n", "encode fewer rows")?;
    let mut session = session_for(&model, count)?;
    let mut z = vec![0.0; count * latent];
    let mut std = vec![0.0; if args.std { z.len() } else { 0 }];
    let done = session.encode_part(&mut z, &mut std, &rows.part, rows.part.rows());
    done.map_err(|e| args.data.blame(e))?;

    let mut names: Vec<_> = (1..=latent).map(|j| format!("z{j}")).collect();
    let mut values: Vec<f64> = Vec::with_capacity(z.len() + std.len());
    if args.std {
        names.extend((1..=latent).map(|j| format!("std{j}")));
        for (z, std) in z.chunks_exact(latent).zip(std.chunks_exact(latent)) {
            values.extend(z.iter().chain(std).map(|v| *v as f64));
        }
    } else {
        values.extend(z.iter().map(|v| *v as f64));
    }
    let values = rows.finite(values, names.len(), "its latents are not finite")?;
    let values = rows.spread(values, &vec![f64::NAN; names.len()]);
    rows.tell("without latents", common);
    output.write_columns(&rows.join(), &names, &values)?;
    output.report_screened(&rows, "encoded rows", common)
}

//! `elbo sample` and `elbo reconstruct`

use crate::Common;
use crate::evaluate::held_out_part;
use crate::terminal::open_model;
use clap::Args;
use elbo::data::{ImageShape, Part, npy};
use elbo::error::{Error, Result, check_memory};
use elbo::model_file::{Model, write_whole};
use elbo::plot::grid::{Grid, columns_for};
use elbo::rng::{Address, Purpose};
use elbo::vae::{Pass, Workspace};
use ndarray::{Array2, ArrayViewMut2, s};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Generate new rows: the decoder's means at latents drawn from the prior
#[derive(Args)]
#[command(after_help = "Examples:
  elbo sample runs/digits -o digits.png          64 invented digits in a grid
  elbo sample runs/digits -n 1000 -o digits.npy  as an array [1000, 28, 28] of numbers in [0, 1]")]
pub(crate) struct SampleArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 64)]
    count: usize,
    /// Where to: a .png (images) or a .npy
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Other seeds give other samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Encode rows and decode them again
#[derive(Args)]
#[command(after_help = "Examples:
  elbo reconstruct runs/digits -o pairs.png                 test rows above their reconstructions
  elbo reconstruct runs/mnist --data mnist/ -n 500 -o r.npy")]
pub(crate) struct ReconstructArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    /// The data that the model was trained on, or other rows of its width [default: embedded data]
    #[arg(long, value_name = "NAME|PATH")]
    data: Option<String>,
    /// How many test rows, from the first on
    #[arg(short = 'n', long, value_name = "N", default_value_t = 40)]
    count: usize,
    /// Where to: a .png (images: each row above its reconstruction) or a .npy (reconstructions)
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// What an output file is to hold.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    Png,
    Npy,
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("png") => Ok(Format::Png),
            Some("npy") => Ok(Format::Npy),
            _ => Err(Error::setting(
                "--output",
                format!("`{}` does not end in .png or .npy", path.display()),
            )),
        }
    }
}

/// Rows that go through the decoder at a time.
const CHUNK: usize = 512;

/// Columns of a grid of reconstructions.
const PAIRS_ACROSS: usize = 10;

pub(crate) fn sample(args: &SampleArgs, common: &Common) -> Result<ExitCode> {
    let format = Format::of(&args.output)?;
    check_count(args.count)?;
    let model = open_model(&args.model)?;
    match format {
        Format::Png => write_samples(&args.output, &model, args.count, args.seed)?,
        Format::Npy => write_npy(&args.output, &model, &draw(&model, args.count, args.seed)?)?,
    }
    report(args.count, "samples", &args.output, common)
}

pub(crate) fn reconstruct(args: &ReconstructArgs, common: &Common) -> Result<ExitCode> {
    let format = Format::of(&args.output)?;
    check_count(args.count)?;
    let model = open_model(&args.model)?;
    let part = held_out_part(&model, args.data.as_deref(), common)?;
    let count = args.count.min(part.rows().len());
    match format {
        Format::Png => write_reconstructions(&args.output, &model, &part, count)?,
        Format::Npy => write_npy(&args.output, &model, &reconstructions(&model, &part, count)?.1)?,
    }
    report(count, "reconstructions", &args.output, common)
}

fn check_count(count: usize) -> Result<()> {
    match count {
        0 => Err(Error::setting("-n", "must be at least 1")),
        _ => Ok(()),
    }
}

fn report(count: usize, what: &str, path: &Path, common: &Common) -> Result<ExitCode> {
    let json = json!({"output": path.display().to_string(), "rows": count});
    common.result(&json, &format!("{count} {what} in {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// `[n, D]` means of the likelihood at draws from the prior.
fn draw(model: &Model<f32>, n: usize, seed: u64) -> Result<Array2<f32>> {
    let address = Address::new(seed, Purpose::Sample);
    in_chunks(model, n, |x, ws, first| {
        model.vae.sample(x, ws, &model.params, address, first as u64)
    })
}

/// The first `n` rows of a part, and their reconstructions; `[n, D]` each.
fn reconstructions(
    model: &Model<f32>,
    part: &Part,
    n: usize,
) -> Result<(Array2<f32>, Array2<f32>)> {
    let mut x = Array2::zeros((n, model.vae.config().width));
    part.gather(
        x.as_slice_mut().expect("a fresh array is in standard layout"),
        &part.rows()[..n],
        0,
    );
    let again = in_chunks(model, n, |out, ws, first| {
        let rows = x.slice(s![first..first + out.nrows(), ..]);
        model.vae.reconstruct(out, ws, &rows, &model.params);
    })?;
    Ok((x, again))
}

/// Fills `[n, D]` by calls for at most [`CHUNK`] rows, each told its first row.
fn in_chunks(
    model: &Model<f32>,
    n: usize,
    mut fill: impl FnMut(ArrayViewMut2<f32>, &mut Workspace<f32>, usize),
) -> Result<Array2<f32>> {
    let width = model.vae.config().width;
    check_memory::<f32>(n.saturating_mul(width), "-n", "ask for fewer")?;
    let mut out = Array2::zeros((n, width));
    let mut ws = Workspace::new(&model.vae, n.min(CHUNK), 1, Pass::Value)?;
    for first in (0..n).step_by(CHUNK) {
        let end = n.min(first + CHUNK);
        fill(out.slice_mut(s![first..end, ..]), &mut ws, first);
    }
    Ok(out)
}

/// A grid of samples as a PNG.
pub(crate) fn write_samples(path: &Path, model: &Model<f32>, n: usize, seed: u64) -> Result<()> {
    write_grid(path, model, &draw(model, n, seed)?, columns_for(n))
}

/// A grid in which each line of rows stands above the line of their reconstructions; at most `n` rows.
pub(crate) fn write_reconstructions(
    path: &Path,
    model: &Model<f32>,
    part: &Part,
    n: usize,
) -> Result<()> {
    let n = n.min(part.rows().len());
    let columns = PAIRS_ACROSS.min(n);
    let (x, again) = reconstructions(model, part, n)?;
    let lines = n.div_ceil(columns);
    let mut pairs = Array2::zeros((2 * lines * columns, x.ncols()));
    for i in 0..n {
        let (line, column) = (i / columns, i % columns);
        pairs.row_mut(2 * line * columns + column).assign(&x.row(i));
        pairs.row_mut((2 * line + 1) * columns + column).assign(&again.row(i));
    }
    write_grid(path, model, &pairs, columns)
}

fn write_grid(path: &Path, model: &Model<f32>, rows: &Array2<f32>, columns: usize) -> Result<()> {
    let Some(ImageShape { height, width, channels }) = model.header.image() else {
        return Err(Error::setting("--output", "the model's rows are not images; write a .npy"));
    };
    let pixels = rows.as_slice().expect("a fresh array is in standard layout");
    write_whole(path, &Grid { height, width, channels, columns, pixels }.encode())
}

/// `[n, D]`, or `[n, height, width(, channels)]` for images.
fn write_npy(path: &Path, model: &Model<f32>, rows: &Array2<f32>) -> Result<()> {
    let mut shape = vec![rows.nrows()];
    match model.header.image() {
        None => shape.push(rows.ncols()),
        Some(ImageShape { height, width, channels: 1 }) => shape.extend([height, width]),
        Some(ImageShape { height, width, channels }) => shape.extend([height, width, channels]),
    }
    let mut bytes = Vec::new();
    let values = rows.as_slice().expect("a fresh array is in standard layout");
    npy::write(&mut bytes, &shape, values).map_err(|e| Error::io(path, e))?;
    write_whole(path, &bytes)
}

//! `elbo decode`, `elbo reconstruct` and `elbo interpolate`, and rows that a model makes

use crate::Common;
use crate::given::{Choices, Given, GivenArgs, SetArgs};
use crate::join::Join;
use crate::opening::open_model;
use crate::output::{Format, Output, OutputArgs};
use crate::reading::{LabelledArgs, Unsaid, in_data};
use crate::screening::Screened;
use clap::Args;
use elbo::data::{ColumnKind, Columns, Dataset, Expected, Part, ReadOptions, Source};
use elbo::error::{Error, Result, check_memory};
use elbo::model_file::Model;
use elbo::plot::grid::columns_for;
use elbo::rng::{Address, Purpose};
use elbo::session::Session;
use elbo::vae::{Sampling, Shown};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is taken of the likelihood.
#[derive(Args)]
pub(crate) struct ShownArgs {
    /// Draw from the likelihood instead of taking its mean
    #[arg(long)]
    draw: bool,
    /// Take its likeliest values instead of its mean: whole counts, classes, bits
    #[arg(long, conflicts_with = "draw")]
    mode: bool,
}

impl ShownArgs {
    /// What is said, or else this.
    pub(crate) fn or(&self, unsaid: Shown) -> Shown {
        match (self.draw, self.mode) {
            (true, _) => Shown::Draw,
            (_, true) => Shown::Mode,
            _ => unsaid,
        }
    }
}

/// What of the likelihood is a row to be looked at: the mean; of a table of several kinds, whose classes have none, the likeliest
/// values.
fn typical(model: &Model<f32>) -> Shown {
    if model.header.kinds.is_some() { Shown::Mode } else { Shown::Mean }
}

/// Decode latents: the likelihood's mean at each
#[derive(Args)]
#[command(after_help = "Examples:
  elbo decode runs/digits latents.csv -o digits.png
  elbo encode runs/wine --data wine.csv -o - | elbo decode runs/wine - -o again.csv

A table holds the latents in columns called z1, z2, …, as elbo encode writes them; its columns row,
label and name are passed on to a table. An array is [rows, latents]. A model that is given classes finds
them in the table, too, unless you choose others.")]
pub(crate) struct DecodeArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    /// The latents: a .csv or .npy, or `-` for standard input
    #[arg(value_name = "LATENTS")]
    latents: String,
    #[command(flatten)]
    given: GivenArgs,
    #[command(flatten)]
    shown: ShownArgs,
    /// Other seeds give other draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Encode rows and decode them again
#[derive(Args)]
#[command(after_help = "Examples:
  elbo reconstruct runs/digits -o pairs.png              test rows above their reconstructions
  elbo reconstruct runs/mnist --data mnist/ -n 500 -o r.npy
  elbo reconstruct runs/wine --data wine.csv --part all -o again.csv

The test rows are taken; of other data than the training's, all. A picture shows each row above its
reconstruction. An array holds the reconstructions in the order of the rows, a table begins each with
its row's number in the data, from 1, its label and name. A row that the model cannot have is named
and left empty (NaN in an array, left out of a picture).")]
pub(crate) struct ReconstructArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    #[command(flatten)]
    data: LabelledArgs,
    /// How many rows, from the first on [default: all, of a picture 40]
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Walk from one row to another through the latent space
#[derive(Args)]
#[command(after_help = "Examples:
  elbo interpolate runs/digits --from 3 --to 8 -o walk.png
  elbo interpolate runs/wine --data wine.csv --from 1 --to 100 --steps 5 -o -

Both rows are encoded, and the likelihood's means at evenly spaced latents between the two are
written, ends included. Rows are counted from 1 in the file; in data with a test part of its own, in
that part. What a model is given goes over from the one row's classes to the other's, unless you choose it.")]
pub(crate) struct InterpolateArgs {
    /// A model file, or a run's folder
    model: PathBuf,
    /// The row to start from, counted from 1
    #[arg(long, value_name = "I")]
    from: usize,
    /// The row to arrive at, counted from 1
    #[arg(long, value_name = "J")]
    to: usize,
    /// How many latents, both ends included
    #[arg(long, value_name = "N", default_value_t = 10)]
    steps: usize,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    data: LabelledArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Rows that go through a network at a time, and the most values that these may have.
const CHUNK: usize = 512;
const VALUES: usize = 1 << 24;

/// Rows of a picture of reconstructions if nobody says how many.
const SHOWN: usize = 40;

/// Columns of a grid of reconstructions.
const PAIRS_ACROSS: usize = 10;

pub(crate) fn decode(args: &DecodeArgs, common: &Common) -> Result<ExitCode> {
    let output = args.output.open()?;
    let model = open_model(&args.model, common)?;
    output.check(&model)?;
    let choices = args.given.choices(&model, common)?;
    let latent = model.vae.latent();
    let names = (1..=latent).map(|j| format!("z{j}")).collect::<Vec<_>>();
    let columns = Columns::alike(latent, ColumnKind::Number).with_names(names)?;
    let expected = Expected { columns: Some(columns), ..Expected::default() };
    let options = ReadOptions { expected: Some(expected), ..ReadOptions::default() };
    let (latents, table) = read_latents(&args.latents, &options)?;
    if latents.width() != latent || latents.values().are_bytes() {
        let (found, kind) =
            (latents.width(), if latents.values().are_bytes() { "bytes" } else { "values" });
        let message = format!("rows of {found} {kind} are not the model's {latent} latents");
        return Err(Error::file(&args.latents, message));
    }
    let n = latents.rows();
    check_memory::<f32>(n.saturating_mul(latent), "LATENTS", "decode fewer")?;
    let mut z = vec![0.0; n * latent];
    for (row, z) in z.chunks_exact_mut(latent).enumerate() {
        latents.read(z, row, None)?;
    }
    let address = Address::new(args.seed, Purpose::Sample);
    let sampling =
        Sampling { address, first: 0, temperature: 1.0, shown: args.shown.or(typical(&model)) };
    let names = choices.as_ref().map_or_else(Vec::new, Choices::names);
    let join = Join::carried(&table, n, &names);
    let given = choices.as_ref().map(|choices| choices.of_table(&join, n)).transpose()?;
    let rows = decoded(&model, &z, &sampling, given.as_ref());
    let rows = rows.map_err(|e| in_data(e, &args.latents))?;
    output.write_rows(&model, &join, &rows, columns_for(n))?;
    output.report(n, "decoded rows", common)
}

/// The latents and, if they come from a table with names, its text, in which may stand what rows they
/// are of.
fn read_latents(name: &str, options: &ReadOptions) -> Result<(Dataset, Vec<u8>)> {
    if name != "-" {
        let latents = Source::open_with(name, options)?.train;
        let named = latents.columns().texts().is_some();
        let table =
            if named { std::fs::read(name).map_err(|e| Error::io(name, e))? } else { Vec::new() };
        return Ok((latents, table));
    }
    let (name, mut bytes) = ("standard input", Vec::new());
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Error::io(name, e))?;
    Ok((Source::from_bytes(name, bytes.clone(), options)?.train, bytes))
}

pub(crate) fn reconstruct(args: &ReconstructArgs, common: &Common) -> Result<ExitCode> {
    let output = args.output.open()?;
    check_count(args.count.unwrap_or(1))?;
    let model = open_model(&args.model, common)?;
    output.check(&model)?;
    let mut part = args.data.open(&args.model, &model, Unsaid::HeldOut, common)?;
    let (is_picture, all) = (output.format == Format::Png, part.rows().len());
    let few = is_picture && args.count.is_none() && all > SHOWN;
    if few {
        common.remark(Some(&format!(
            "the picture shows the first {SHOWN} of {all} rows; -n takes more"
        )));
    }
    part.truncate(args.count.unwrap_or(if few { SHOWN } else { all }));
    let mut rows = Screened::new(part, &model, &args.data)?;
    let n = rows.part.rows().len();
    if is_picture {
        write_pairs(&output, &model, &rows.part, n).map_err(|e| args.data.blame(e))?;
    } else {
        let mut again = buffer(&model, n)?;
        let mut session = session_for(&model, n)?;
        if typical(&model) == Shown::Mode {
            let mut z = vec![0.0f32; n * model.vae.latent()];
            let encoded = session.encode_part(&mut z, &mut [], &rows.part, rows.part.rows());
            encoded.map_err(|e| args.data.blame(e))?;
            let mut given = vec![0.0f32; n * model.vae.condition()];
            rows.part.gather_condition(&mut given, rows.part.rows());
            if !given.is_empty() {
                session.set_condition(&given)?;
            }
            session.decode_draw(&mut again, &z, &likeliest())?;
        } else {
            let done = session.reconstruct_part(&mut again, &mut [], &rows.part, rows.part.rows());
            done.map_err(|e| args.data.blame(e))?;
        }
        let width = model.vae.width();
        let again = rows.finite(again, width, "its reconstruction is not finite")?;
        let again = rows.spread(again, &vec![f64::NAN; width]);
        output.write_rows(&model, &rows.join(), &again, 1)?;
    }
    rows.tell("without a reconstruction", common);
    output.report_screened(&rows, "reconstructions", common)
}

pub(crate) fn interpolate(args: &InterpolateArgs, common: &Common) -> Result<ExitCode> {
    let output = args.output.open()?;
    if args.steps < 2 {
        return Err(Error::setting("--steps", "must be at least 2, the two ends"));
    }
    let model = open_model(&args.model, common)?;
    output.check(&model)?;
    let choices = args.set.choices(&model, common)?;
    let mut part = args.data.open(&args.model, &model, Unsaid::Everything, common)?;
    let ends = [row_of(&part, "--from", args.from)?, row_of(&part, "--to", args.to)?];
    part.retain(|row| ends.contains(&row));
    if let Some(refused) = part.screen(model.vae.likelihood())?.into_iter().next() {
        return Err(args.data.blame(refused.why));
    }
    let latent = model.vae.latent();
    let mut rows = buffer(&model, args.steps)?;
    let mut session = session_for(&model, args.steps)?;
    let mut z = vec![0.0f32; 2 * latent];
    let encoded = session.encode_part(&mut z, &mut [], &part, &ends);
    encoded.map_err(|e| args.data.blame(e))?;
    if let Some(choices) = choices {
        let mut conditions = vec![0.0f32; 2 * model.vae.condition()];
        part.gather_condition(&mut conditions, &ends);
        conditions.chunks_exact_mut(model.vae.condition()).for_each(|c| choices.put(c));
        session.set_condition(&walk(&conditions, args.steps))?;
    }
    match typical(&model) {
        Shown::Mode => session.decode_draw(&mut rows, &walk(&z, args.steps), &likeliest())?,
        _ => session.decode(&mut rows, &walk(&z, args.steps))?,
    }
    output.write_rows(&model, &Join::default(), &rows, args.steps.min(20))?;
    output.report(args.steps, "rows on the way", common)
}

/// The likeliest values, without any noise.
fn likeliest() -> Sampling {
    let address = Address::new(0, Purpose::Sample);
    Sampling { address, first: 0, temperature: 0.0, shown: Shown::Mode }
}

/// Evenly spaced points from the first half of `ends` to the second, ends included.
fn walk(ends: &[f32], steps: usize) -> Vec<f32> {
    let (from, to) = ends.split_at(ends.len() / 2);
    let point = |step: usize| {
        let t = step as f32 / (steps - 1) as f32;
        from.iter().zip(to).map(move |(a, b)| (1.0 - t) * a + t * b)
    };
    (0..steps).flat_map(point).collect()
}

/// A row of the part by its number from 1 in the data.
fn row_of(part: &Part, flag: &str, number: usize) -> Result<usize> {
    let rows = part.data().rows();
    let message = match number.checked_sub(1) {
        Some(row) if part.rows().binary_search(&row).is_ok() => return Ok(row),
        Some(row) if row < rows => {
            format!("row {number} is not in this part; leave out --part, or choose another row")
        }
        _ => format!("there is no row {number}; rows are numbered from 1 to {rows}"),
    };
    Err(Error::setting(flag, message))
}

/// A session for `n` rows, in groups of a sensible size.
pub(crate) fn session_for(model: &Model<f32>, n: usize) -> Result<Session<'_, f32>> {
    let most = CHUNK.min(VALUES / model.vae.width()).max(1);
    model.session(n.min(most))
}

pub(crate) fn check_count(count: usize) -> Result<()> {
    match count {
        0 => Err(Error::setting("-n", "must be at least 1")),
        _ => Ok(()),
    }
}

/// `[n·D]`, if the machine has the memory.
fn buffer(model: &Model<f32>, n: usize) -> Result<Vec<f64>> {
    let count = n.saturating_mul(model.vae.width());
    check_memory::<f64>(count, "-n", "ask for fewer")?;
    Ok(vec![0.0; count])
}

/// `[n·D]` new rows.
pub(crate) fn draw(
    model: &Model<f32>,
    n: usize,
    sampling: &Sampling,
    given: Option<&Given<'_>>,
) -> Result<Vec<f64>> {
    let mut rows = buffer(model, n)?;
    let mut session = session_for(model, n)?;
    given.map_or(Ok(()), |given| session.set_condition(&given.encoded()))?;
    session.sample(&mut rows, sampling)?;
    Ok(rows)
}

/// `[n·D]` rows at these latents: of the likelihood, what `sampling` says.
pub(crate) fn decoded(
    model: &Model<f32>,
    z: &[f32],
    sampling: &Sampling,
    given: Option<&Given<'_>>,
) -> Result<Vec<f64>> {
    let n = z.len() / model.vae.latent();
    let mut rows = buffer(model, n)?;
    let mut session = session_for(model, n)?;
    given.map_or(Ok(()), |given| session.set_condition(&given.encoded()))?;
    // Noise between the levels goes with noise in the data.
    let temperature = if sampling.shown == Shown::Draw { 1.0 } else { 0.0 };
    session.decode_draw(&mut rows, z, &Sampling { temperature, ..*sampling })?;
    Ok(rows)
}

/// A grid of samples as a PNG, of all classes in turn.
pub(crate) fn write_samples(path: &Path, model: &Model<f32>, n: usize, seed: u64) -> Result<()> {
    let address = Address::new(seed, Purpose::Sample);
    let sampling = Sampling { address, first: 0, temperature: 1.0, shown: Shown::Mean };
    let choices = Choices::none(model)?;
    let given = choices.as_ref().map(|choices| choices.in_turn(n)).transpose()?;
    let rows = draw(model, n, &sampling, given.as_ref())?;
    Output::new(path, Some(Format::Png), "--output")?.write_rows(
        model,
        &Join::default(),
        &rows,
        columns_for(n),
    )
}

/// A grid of at most `n` rows and their reconstructions as a PNG.
pub(crate) fn write_reconstructions(
    path: &Path,
    model: &Model<f32>,
    part: &Part,
    n: usize,
) -> Result<()> {
    let output = Output::new(path, Some(Format::Png), "--output")?;
    write_pairs(&output, model, part, n.min(part.rows().len()))
}

/// A grid in which each line of rows stands above the line of their reconstructions.
fn write_pairs(output: &Output, model: &Model<f32>, part: &Part, n: usize) -> Result<()> {
    let width = model.vae.width();
    let (mut seen, mut again) = (buffer(model, n)?, buffer(model, n)?);
    let mut session = session_for(model, n)?;
    session.reconstruct_part(&mut again, &mut seen, part, &part.rows()[..n])?;
    let columns = PAIRS_ACROSS.min(n);
    let lines = n.div_ceil(columns);
    let mut pairs = buffer(model, 2 * lines * columns)?;
    for i in 0..n {
        let (line, column) = (i / columns, i % columns);
        let places = [2 * line * columns + column, (2 * line + 1) * columns + column];
        for (place, rows) in places.into_iter().zip([&seen, &again]) {
            pairs[place * width..][..width].copy_from_slice(&rows[i * width..][..width]);
        }
    }
    output.write_rows(model, &Join::default(), &pairs, columns)
}

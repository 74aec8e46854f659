//! `elbo compress`

use crate::Common;
use crate::opening::open_model;
use crate::progress::bar;
use crate::target::{EXTENSION, TargetArgs};
use crate::terminal::{counted, print};
use clap::Args;
use elbo::codec::archive::{self, Description, FrameDescription, Settings, Written};
use elbo::codec::frame::{State, Writing, cell_text, line_ends, raw_cells};
use elbo::codec::{self, bins::Bins, row};
use elbo::data::ArrayFile;
use elbo::error::{Error, Result};
use elbo::model_file::{Model, write_whole};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compress a file without loss, by a model of its rows
#[derive(Args)]
#[command(after_help = "Examples:
  elbo compress test.npy --model runs/mnist             into test.npy.elbo, which needs the model to be read
  elbo compress test.npy --model runs/mnist --embed     with the model inside, in eight bits a weight
  elbo compress test.npy --model runs/mnist --any-order rows come back sorted, and their order costs nothing
  elbo compress people.csv --model runs/people --embed --spelling    a table, to the last byte
  elbo decompress test.npy.elbo --model runs/mnist      the file again, byte for byte
  elbo decompress -l test.npy.elbo                      what it is

Arrays (.npy), IDX files, and tables (.csv) for models of tables of several kinds. The archive is read again before anything is reported. It comes out the same on every machine, and
can be read on every other. What the model cannot have (a grey value under a Bernoulli, NaN) is kept as it is.")]
pub(crate) struct CompressArgs {
    /// The file; `-` for standard input
    data: PathBuf,
    /// The model: a model file, or a run's folder
    #[arg(long, short, value_name = "RUN")]
    model: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    /// Put the model into the archive, in eight bits a weight
    #[arg(long)]
    embed: bool,
    /// Let rows come back in another order, sorted within blocks, and save what their order costs
    #[arg(long)]
    any_order: bool,
    /// Give a table back with the spelling of every cell (01.50 where 1.5 would do), not only its values
    #[arg(long)]
    spelling: bool,
    /// Bits of a latent's bin, 4 to 16: more of them cost nothing but a few bits at the start of each block
    #[arg(long, value_name = "P", default_value_t = 8)]
    bins: u32,
    /// Rows of a block, which is read and damaged as a whole
    #[arg(long, value_name = "N", default_value_t = 4096)]
    block: u32,
}

pub(crate) fn compress(args: &CompressArgs, common: &Common) -> Result<ExitCode> {
    if !Bins::BITS.contains(&args.bins) {
        let message =
            format!("{} is not from {} to {}", args.bins, Bins::BITS.start(), Bins::BITS.end());
        return Err(Error::setting("--bins", message));
    }
    if !(1..=codec::block::MOST_ROWS).contains(&args.block) {
        let message = format!("{} is not from 1 to {}", args.block, codec::block::MOST_ROWS);
        return Err(Error::setting("--block", message));
    }
    let is_stdin = args.data == Path::new("-");
    let default = (!is_stdin).then(|| {
        let mut name = args.data.clone().into_os_string();
        name.push(format!(".{EXTENSION}"));
        name.into()
    });
    let target = args.target.path(default)?;
    let model = open_model(&args.model, common)?;
    row::check(&model.vae)?;
    if model.vae.condition() > 0 {
        let message =
            "the model is a conditional one, and an archive has no place for what rows are given";
        return Err(Error::setting("--model", message));
    }
    let (inside, model) = match args.embed {
        true => {
            let (bytes, model) = codec::pack(&model);
            (Some(bytes), model)
        }
        false => (None, model),
    };
    let settings = Settings { bins: args.bins, any_order: args.any_order, block: args.block };
    let file = Rows::open(&args.data)?;
    let description = file.describe(&model, settings, args)?;
    let mut out = Vec::new();
    let progress = bar(common, description.rows, "rows");
    let mut source = |first: u64, count: usize| file.read(first as usize, count);
    let written = archive::write(
        &mut out,
        &model,
        inside.as_deref(),
        &description,
        &mut source,
        &mut |rows| {
            progress.set_position(rows);
        },
    )?;
    progress.finish_and_clear();
    match &target {
        Some(path) => write_whole(path, &out)?,
        None => print(&out)?,
    }
    report(&description, written, model.vae.width(), target.as_deref(), common)
}

/// A file's rows.
enum Rows {
    Array(ArrayFile),
    /// A text's bytes, and where each line ends.
    Lines(Vec<u8>, Vec<usize>),
}

impl Rows {
    fn open(path: &Path) -> Result<Self> {
        if let Some(file) = ArrayFile::open(path)? {
            return Ok(Rows::Array(file));
        }
        let read = match path == Path::new("-") {
            true => {
                return Err(Error::setting("DATA", "of standard input only an array can be told"));
            }
            false => std::fs::read(path),
        };
        let bytes = read.map_err(|e| Error::io(path, e))?;
        let ends = line_ends(&bytes);
        if bytes.contains(&0) || ends.len() < 2 {
            return Err(Error::file(
                path,
                "is neither an array (.npy), nor an IDX file, nor a table with a line of names",
            ));
        }
        Ok(Rows::Lines(bytes, ends))
    }

    /// The bytes of some rows.
    fn read(&self, first: usize, count: usize) -> Result<Vec<Vec<u8>>> {
        match self {
            Rows::Array(file) => file.read(first, count),
            Rows::Lines(bytes, ends) => {
                // The first line has the names.
                let rows = first..(first + count).min(ends.len() - 1);
                Ok(rows.map(|row| bytes[ends[row]..ends[row + 1]].to_vec()).collect())
            }
        }
    }

    /// What the archive will be.
    fn describe(
        &self,
        model: &Model<f32>,
        settings: Settings,
        args: &CompressArgs,
    ) -> Result<Description> {
        let mut source = |first: u64, count: usize| self.read(first as usize, count);
        let (frame, rows, prologue) = match self {
            Rows::Array(file) => {
                let (found, width) = (file.width(), model.vae.width());
                if found != width {
                    let message = format!("rows of {found} values do not fit the model's {width}");
                    return Err(Error::setting("--model", message));
                }
                let (rows, element, bytes) = (file.rows() as u64, file.element(), file.bytes()?);
                let frame = FrameDescription::array(model, element, bytes, rows, &mut source)?;
                (frame, rows, file.prologue())
            }
            Rows::Lines(bytes, ends) => {
                let frame = of_lines(model, bytes, ends, args)?;
                (frame, ends.len() as u64 - 1, &bytes[..ends[0]])
            }
        };
        Description::new(model, frame, settings, prologue, rows, &mut source)
    }
}

/// A table, whose columns are found by their names.
fn of_lines(
    model: &Model<f32>,
    bytes: &[u8],
    ends: &[usize],
    args: &CompressArgs,
) -> Result<FrameDescription> {
    let Some(table) = &model.header.kinds else {
        let message = "is no model of a table of several kinds: train one with --kinds, or on a table with words or gaps";
        return Err(Error::setting("--model", message));
    };
    let line_end = if bytes[..ends[0]].ends_with(b"\r\n") { "\r\n" } else { "\n" };
    let names = bytes[..ends[0]].strip_suffix(line_end.as_bytes()).unwrap_or(&bytes[..ends[0]]);
    let names = names.strip_prefix(b"\xef\xbb\xbf").unwrap_or(names);
    let order = |delimiter: u8| -> Vec<Option<usize>> {
        let place = |cell: &[u8]| {
            let name = cell_text(cell)?;
            table.columns.iter().position(|column| column.name == name)
        };
        raw_cells(names, delimiter).into_iter().map(place).collect()
    };
    let found = |delimiter: &u8| order(*delimiter).iter().flatten().count();
    let delimiter = *b",;\t|".iter().max_by_key(|d| found(d)).expect("there are some");
    let missing = table
        .learned()
        .find(|c| !order(delimiter).iter().flatten().any(|j| table.columns[*j].name == c.name));
    if let Some(column) = missing {
        let message =
            format!("the first line has no column `{}`, which the model knows", column.name);
        return Err(Error::file(&args.data, message));
    }
    let first = raw_cells(&bytes[ends[0]..ends[1]], delimiter);
    let pad = |place: usize| {
        let spaces = first
            .get(place)
            .map_or(0, |cell| cell.iter().take_while(|byte| **byte == b' ').count());
        " ".repeat(spaces)
    };
    let order = order(delimiter);
    let pads = (0..order.len()).map(pad).collect();
    let writing =
        Writing { delimiter, line_end: line_end.to_owned(), order, pads, spelling: args.spelling };
    let lines = ends.windows(2).map(|w| &bytes[w[0]..w[1]]);
    FrameDescription::table(model, writing, lines).map_err(|e| Error::setting("--model", e))
}

fn report(
    description: &Description,
    written: Written,
    width: usize,
    target: Option<&Path>,
    common: &Common,
) -> Result<ExitCode> {
    let rows = written.rows.max(1) as f64;
    let bits = 8.0 * written.blocks as f64 / rows;
    let share = written.archive as f64 / (written.original as f64).max(1.0);
    let beside: u64 = description.states.iter().map(|counts| counts[State::Beside as usize]).sum();
    let json = json!({
        "output": target.map(|path| path.display().to_string()),
        "rows": written.rows,
        "bytes": written.original,
        "archive_bytes": written.archive,
        "model_bytes": written.model,
        "block_bytes": written.blocks,
        "bits_per_row": bits,
        "bits_per_dim": bits / width as f64,
        "kept_beside": beside,
    });
    let mut text = format!(
        "{}, {} → {} bytes ({:.1} %): {bits:.2} bits a row, {:.4} a value",
        counted(written.rows as usize, "row"),
        written.original,
        written.archive,
        100.0 * share,
        bits / width as f64
    );
    if written.model > 0 {
        text += &format!(", {} bytes of it the model", written.model);
    }
    if beside > 0 {
        text += &format!("; {beside} of what the model cannot have, kept beside it");
    }
    if let Some(path) = target {
        text = format!("{}: {text}", path.display());
    }
    match target {
        Some(_) => common.result(&json, &text)?,
        None => common.note(text),
    }
    Ok(ExitCode::SUCCESS)
}

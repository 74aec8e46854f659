//! Where results that are not text go: a file or standard output, as a picture, an array or a table.

use crate::Common;
use crate::join::Join;
use crate::screening::Screened;
use crate::terminal::print;
use clap::{Args, ValueEnum};
use elbo::data::{Columns, ImageShape, npy};
use elbo::error::{Error, Result};
use elbo::model_file::{Model, write_whole};
use elbo::plot::grid::Grid;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where to, and as what.
#[derive(Args)]
pub(crate) struct OutputArgs {
    /// Where to: FILE.png (images), FILE.npy, FILE.csv, or `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// The format, if the name does not tell it [default for `-`: csv]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

/// What an output is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A grid of pictures
    Png,
    /// An array
    Npy,
    /// A table
    Csv,
}

/// An output whose format is known.
pub(crate) struct Output {
    path: PathBuf,
    pub(crate) format: Format,
}

/// A PNG of more bytes than this (before compression) is no picture any more.
const LARGEST_PICTURE: usize = 1 << 30;

impl OutputArgs {
    /// Settles the format.
    ///
    /// # Errors
    /// If nothing tells it.
    pub(crate) fn open(&self) -> Result<Output> {
        Output::new(&self.output, self.format, "--output")
    }
}

impl Output {
    pub(crate) fn new(path: &Path, format: Option<Format>, flag: &str) -> Result<Self> {
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        let format = match (format, extension.as_deref()) {
            (Some(format), _) => format,
            (None, Some("png")) => Format::Png,
            (None, Some("npy")) => Format::Npy,
            (None, Some("csv")) => Format::Csv,
            (None, None) if path == Path::new("-") => Format::Csv,
            _ => {
                let message = format!(
                    "`{}` does not end in .png, .npy or .csv{}",
                    path.display(),
                    if flag == "--output" { "; say --format" } else { "" }
                );
                return Err(Error::setting(flag, message));
            }
        };
        Ok(Output { path: path.to_owned(), format })
    }

    /// Whether rows of this model can be written so, told before any work.
    ///
    /// # Errors
    /// If a picture is asked for and the rows are not images.
    pub(crate) fn check(&self, model: &Model<f32>) -> Result<()> {
        if self.format == Format::Png && model.header.image.is_none() {
            let message = "the model's rows are not images; write a .csv or a .npy";
            return Err(Error::setting("--output", message));
        }
        Ok(())
    }

    pub(crate) fn is_stdout(&self) -> bool {
        self.path == Path::new("-")
    }

    /// Writes a file whole or not at all, or to standard output.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        if !self.is_stdout() {
            return write_whole(&self.path, bytes);
        }
        print(bytes)
    }

    /// Says what was written: on standard output, unless that is where it was written to.
    pub(crate) fn report(&self, rows: usize, what: &str, common: &Common) -> Result<ExitCode> {
        self.report_with(json!({}), rows, what, common)
    }

    /// The same of rows some of which may have no result.
    pub(crate) fn report_screened(
        &self,
        rows: &Screened,
        what: &str,
        common: &Common,
    ) -> Result<ExitCode> {
        self.report_with(json!({"refused": rows.refused()}), rows.count(), what, common)
    }

    fn report_with(
        &self,
        mut json: Value,
        rows: usize,
        what: &str,
        common: &Common,
    ) -> Result<ExitCode> {
        let path = self.path.display().to_string();
        let text = if self.is_stdout() {
            format!("{rows} {what}")
        } else {
            format!("{rows} {what} in {path}")
        };
        json["output"] = json!(path);
        json["rows"] = json!(rows);
        self.result(&json, &text, common)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The command's result: on standard output, or on standard error where the rows have that.
    pub(crate) fn result(&self, json: &Value, text: &str, common: &Common) -> Result<()> {
        match (self.is_stdout(), common.json) {
            (false, _) => common.result(json, text),
            (true, false) => {
                common.note(text.trim_end());
                Ok(())
            }
            (true, true) => {
                // Asked for, so not a remark that --quiet silences.
                let _ = writeln!(std::io::stderr(), "{json}");
                Ok(())
            }
        }
    }

    /// Writes rows of data, `[N·D]` in their own units: a grid with so many `across`, an array
    /// `[N, height, width]` or `[N, D]`, or a table whose lines begin with the join. NaN is an empty cell.
    pub(crate) fn write_rows(
        &self,
        model: &Model<f32>,
        join: &Join,
        rows: &[f64],
        across: usize,
    ) -> Result<()> {
        self.check(model)?;
        let width = model.vae.width();
        let bytes = match self.format {
            Format::Png => picture(model, rows, across)?,
            Format::Npy if model.header.kinds.is_some() => {
                let kinds = model.header.kinds.as_ref().expect("there are some");
                let numbers = rows.chunks_exact(width).flat_map(|row| kinds.contracted(row));
                let shape = [rows.len() / width, kinds.learned().count()];
                self.array(&shape, &numbers.collect::<Vec<_>>(), true)?
            }
            Format::Npy => {
                let mut shape = vec![rows.len() / width];
                match model.header.image() {
                    None => shape.push(width),
                    Some(ImageShape { height, width, channels: 1 }) => {
                        shape.extend([height, width]);
                    }
                    Some(ImageShape { height, width, channels }) => {
                        shape.extend([height, width, channels]);
                    }
                }
                // Columns in their own units may need more digits than the model computes with.
                self.array(&shape, rows, model.header.scaler.is_some())?
            }
            Format::Csv => {
                let kinds = model.header.kinds.as_ref();
                let names = match kinds {
                    Some(kinds) => kinds.written().map(|column| column.name.clone()).collect(),
                    None => value_names(model),
                };
                let digits = Digits::of(&model.header.columns()?);
                let cells = |row: &[f64]| match kinds {
                    Some(kinds) => kinds.cells(row),
                    None => row.iter().enumerate().map(|(j, &x)| digits.write(j, x)).collect(),
                };
                let lines = rows.chunks_exact(width).enumerate().map(|(i, row)| {
                    let mut line = join.line(i);
                    line.extend(cells(row));
                    line
                });
                self.table(&join.header(&names), lines)?
            }
        };
        self.write(&bytes)
    }

    /// Writes a table of these lines.
    pub(crate) fn write_lines(
        &self,
        header: &[String],
        lines: impl Iterator<Item = Vec<String>>,
    ) -> Result<()> {
        self.write(&self.table(header, lines)?)
    }

    /// Writes so many numbers as names for each row: an array `[N, width]`, or a table whose lines begin
    /// with the join. NaN is an empty cell.
    pub(crate) fn write_columns(
        &self,
        join: &Join,
        names: &[String],
        values: &[f64],
    ) -> Result<()> {
        let width = names.len();
        let bytes = match self.format {
            Format::Png => return Err(Output::no_picture("--output")),
            Format::Npy => self.array(&[values.len() / width, width], values, false)?,
            Format::Csv => {
                let digits = Digits(None);
                let lines = values.chunks_exact(width).enumerate().map(|(i, values)| {
                    let mut line = join.line(i);
                    line.extend(values.iter().enumerate().map(|(j, &v)| digits.write(j, v)));
                    line
                });
                self.table(&join.header(names), lines)?
            }
        };
        self.write(&bytes)
    }

    /// The error of numbers that are asked for as a picture.
    pub(crate) fn no_picture(flag: &str) -> Error {
        Error::setting(flag, "these numbers are no pictures; write a .csv or a .npy")
    }

    fn array(&self, shape: &[usize], values: &[f64], double: bool) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        npy::write(&mut bytes, shape, values.iter().copied(), double)
            .map_err(|e| Error::io(&self.path, e))?;
        Ok(bytes)
    }

    fn table(
        &self,
        header: &[String],
        lines: impl Iterator<Item = Vec<String>>,
    ) -> Result<Vec<u8>> {
        let io = |e: csv::Error| Error::io(&self.path, std::io::Error::other(e));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(header).map_err(io)?;
        for line in lines {
            writer.write_record(line).map_err(io)?;
        }
        writer.into_inner().map_err(|e| Error::io(&self.path, e.into_error()))
    }
}

/// What the values of a row are called: by their columns, or x1, x2 and so on.
pub(crate) fn value_names(model: &Model<f32>) -> Vec<String> {
    let numbered = || (1..=model.vae.width()).map(|j| format!("x{j}")).collect();
    model.header.columns.clone().unwrap_or_else(numbered)
}

/// A grid of images.
fn picture(model: &Model<f32>, rows: &[f64], columns: usize) -> Result<Vec<u8>> {
    let shape = model.header.image().expect("checked before the work");
    let ImageShape { height, width, channels } = shape;
    let pixels: Vec<f32> = rows.iter().map(|&x| x as f32).collect();
    let grid = Grid { height, width, channels, columns, pixels: &pixels };
    if grid.bytes().is_none_or(|bytes| bytes > LARGEST_PICTURE) {
        let message = "so many images make a picture of gigabytes; ask for fewer, or write a .npy";
        return Err(Error::setting("-n", message));
    }
    Ok(grid.encode())
}

/// How many digits of each column mean something: a model computes with seven, of a column's spread.
struct Digits(Option<Vec<usize>>);

impl Digits {
    fn of(columns: &Columns) -> Self {
        let decimals = |scale: f64| (7.0 - scale.log10().floor()).clamp(0.0, 17.0) as usize;
        Digits(columns.units().map(|units| units.iter().map(|u| decimals(u.scale())).collect()))
    }

    fn write(&self, column: usize, x: f64) -> String {
        match &self.0 {
            _ if x.is_nan() => String::new(),
            None => (x as f32).to_string(),
            // So small that no number of decimals shows it.
            Some(decimals) if decimals[column] == 17 => format!("{x:e}"),
            Some(decimals) => {
                let text = format!("{x:.*}", decimals[column]);
                match text.contains('.') {
                    true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                    false => text,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo::data::{ColumnKind, Unit};

    #[test]
    fn columns_are_written_with_the_digits_that_they_have() {
        let units = Unit::all(&[0.0; 4], &[1.0, 1e6, 1e-6, 1e-14]).unwrap();
        let columns = Columns::alike(4, ColumnKind::Number);
        assert_eq!(Digits::of(&columns).write(0, 0.1f32 as f64), "0.1");
        let digits = Digits::of(&columns.with_units(&units).unwrap());
        assert_eq!(digits.write(0, 0.123456789), "0.1234568");
        assert_eq!(digits.write(0, -2.5), "-2.5");
        assert_eq!(digits.write(1, 1_234_567_890.123), "1234567890.1");
        assert_eq!(digits.write(1, 300.0), "300");
        assert_eq!(digits.write(2, 1.25e-6), "0.00000125");
        assert_eq!(digits.write(3, 1.25e-14), "1.25e-14");
    }

    #[test]
    fn the_name_tells_the_format() {
        let format =
            |name: &str, format| Output::new(Path::new(name), format, "-o").map(|o| o.format);
        assert_eq!(format("a.PNG", None).unwrap(), Format::Png);
        assert_eq!(format("-", None).unwrap(), Format::Csv);
        assert_eq!(format("-", Some(Format::Npy)).unwrap(), Format::Npy);
        assert!(format("a.txt", None).is_err() && format("a", None).is_err());
    }
}

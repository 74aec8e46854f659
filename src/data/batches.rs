//! Tables in columns, as the crates of Apache Arrow hold them: what Parquet and Arrow's own files have
//! in common.
//!
//! Columns of integers, floats and truth values, also of a dictionary, are numbers. They are found and
//! chosen as those of a CSV file are. Columns of text may be the labels and classes.

use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};

use super::input::Input;
use super::labels::MOST_LABELS;
use super::reader::{ReadOptions, Source, in_file};
use super::{Dataset, Labels, Values, csv};
use crate::error::{Error, Result, check_memory};

/// What pandas calls the column into which it writes the rows' names.
const INDEX: &str = "__index_level_0__";

/// The columns that are read.
pub(super) struct Columns {
    names: Vec<String>,
    /// Those with values, from 0, in the order in which they are wanted.
    values: Vec<usize>,
    /// That with labels, from 0, and those with classes.
    label: Option<usize>,
    classes: Vec<usize>,
    index: Option<usize>,
}

impl Columns {
    /// Finds the columns that the options say, and checks their types.
    ///
    /// # Errors
    /// If one is not there, is asked for twice, or holds no numbers; if none is left.
    pub(super) fn choose(input: &Input, schema: &Schema, options: &ReadOptions) -> Result<Self> {
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let index = names.iter().position(|name| name == INDEX);
        let csv::Choice { columns: values, label, classes, .. } =
            csv::choose_named(input, &names, index, options)?;
        let columns = Columns { names, values, label, classes, index: None };
        let index = index.filter(|j| !columns.all().contains(j));
        let columns = Columns { index, ..columns };
        for j in columns.all() {
            let kind = schema.field(j).data_type();
            let readable =
                is_number(kind) || (columns.with_classes().any(|c| c == j) && is_text(kind));
            if !readable {
                let (title, name) = (columns.title(j), &columns.names[j]);
                let remedy = match is_text(kind) {
                    true => format!("name it with --label, or leave it out with --drop {name}"),
                    false => format!("make it a number, or leave it out with --drop {name}"),
                };
                return Err(input.error(format!("{title} is {kind}, and no number: {remedy}")));
            }
        }
        Ok(columns)
    }

    /// That with labels before those with classes.
    fn with_classes(&self) -> impl Iterator<Item = usize> + '_ {
        self.label.into_iter().chain(self.classes.iter().copied())
    }

    /// All that are read, in the order of the file.
    pub(super) fn all(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.values.iter().copied().chain(self.with_classes()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Column `j` for a message.
    fn title(&self, j: usize) -> String {
        format!("column {} (`{}`)", j + 1, self.names[j])
    }

    /// Reads batches of these columns, which are in the order of the file.
    ///
    /// # Errors
    /// If a batch cannot be read, a cell is empty or no finite number, or there are no rows.
    pub(super) fn read<E: std::fmt::Display>(
        &self,
        input: &Input,
        batches: impl Iterator<Item = std::result::Result<RecordBatch, E>>,
    ) -> Result<Source> {
        let (width, all) = (self.values.len(), self.all());
        let place = |j: &usize| all.binary_search(j).expect("it is among them");
        let mut values = Vec::<f64>::new();
        let mut classes = vec![Vec::new(); self.with_classes().count()];
        for batch in batches {
            let batch = batch.map_err(|e| damaged(input, &e))?;
            let (first, rows) = (values.len() / width, batch.num_rows());
            let remedy = "use fewer columns (--columns), or split the file";
            check_memory::<f64>(values.len() + rows * width, "data", remedy)?;
            values.resize(values.len() + rows * width, 0.0);
            for (k, j) in self.values.iter().enumerate() {
                let out = values[first * width + k..].iter_mut().step_by(width);
                fill(out, batch.column(place(j))).map_err(|(row, what)| {
                    let row = first + row + 1;
                    input.error(format!("row {row}, {}: {what}", self.title(*j)))
                })?;
            }
            for (j, classes) in self.with_classes().zip(&mut classes) {
                let column = batch.column(place(&j));
                classes.extend((0..rows).map(|row| name(column, row)));
            }
        }
        if values.is_empty() {
            return Err(input.error("there are no rows: write or download the file again"));
        }
        let data = Dataset::new(Values::F64(values), width);
        let names = self.values.iter().map(|j| self.names[*j].clone()).collect::<Vec<_>>();
        let mut train = data.map_err(|e| in_file(input.path(), e))?.with_columns(names)?;
        let labels = self.with_classes().zip(classes).map(|(j, classes)| {
            let labels = Labels::new(classes.iter());
            // What rows are given may be numbers, whose many texts are counted elsewhere.
            if self.label == Some(j) && labels.names().len() > MOST_LABELS {
                return Err(input.error(format!(
                    "{} has more than {MOST_LABELS} different labels: name a column of fewer with --label",
                    self.title(j)
                )));
            }
            Ok(labels.of_column(self.names[j].clone()))
        });
        let mut labels = labels.collect::<Result<Vec<_>>>()?;
        if self.label.is_some() {
            train = train.with_labels(labels.remove(0))?;
        }
        train = train.with_classes(labels)?;
        let note = self.index.map(|j| {
            format!(
                "{} is pandas' index, and is left out: ask for it with --columns",
                self.title(j)
            )
        });
        Ok(Source { train, test: None, notes: note.into_iter().collect() })
    }
}

/// What `work` returns. The crates check much of a file, but a damaged one still runs into assertions of
/// theirs, which are its error then.
///
/// # Errors
/// Those of `work`.
pub(super) fn guarded<R>(input: &Input, work: impl FnOnce() -> Result<R>) -> Result<R> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    outcome.unwrap_or_else(|_| Err(damaged(input, &"its parts do not fit together")))
}

/// The error of a file that the crates cannot read.
pub(super) fn damaged(input: &Input, what: &dyn std::fmt::Display) -> Error {
    input.error(format!(
        "the file is damaged, or of a kind that is not read ({what}): write it again"
    ))
}

/// Whether columns of this type are numbers.
fn is_number(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_number(values),
        kind => kind.is_integer() || kind.is_floating() || *kind == DataType::Boolean,
    }
}

/// Whether columns of this type are text.
fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_text(values),
        kind => matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

/// A row's number, or the integer that `f64` does not hold.
type Number = std::result::Result<f64, i128>;

/// What gives the number of each row that has one.
fn numbers(array: &dyn Array) -> Box<dyn Fn(usize) -> Number + '_> {
    fn whole(value: i128) -> Number {
        if value as f64 as i128 == value { Ok(value as f64) } else { Err(value) }
    }
    macro_rules! primitive {
        ($type:ty, $number:expr) => {{
            let values = array.as_primitive::<$type>().values();
            Box::new(move |row: usize| $number(values[row]))
        }};
    }
    match array.data_type() {
        DataType::Int8 => primitive!(Int8Type, |v| Ok(f64::from(v))),
        DataType::Int16 => primitive!(Int16Type, |v| Ok(f64::from(v))),
        DataType::Int32 => primitive!(Int32Type, |v| Ok(f64::from(v))),
        DataType::Int64 => primitive!(Int64Type, |v| whole(i128::from(v))),
        DataType::UInt8 => primitive!(UInt8Type, |v| Ok(f64::from(v))),
        DataType::UInt16 => primitive!(UInt16Type, |v| Ok(f64::from(v))),
        DataType::UInt32 => primitive!(UInt32Type, |v| Ok(f64::from(v))),
        DataType::UInt64 => primitive!(UInt64Type, |v| whole(i128::from(v))),
        DataType::Float16 => primitive!(Float16Type, |v| Ok(f64::from(v))),
        DataType::Float32 => primitive!(Float32Type, |v| Ok(f64::from(v))),
        DataType::Float64 => primitive!(Float64Type, Ok),
        DataType::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row| Ok(f64::from(u8::from(values.value(row)))))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let (keys, values) =
                (numbers(dictionary.keys()), numbers(dictionary.values().as_ref()));
            Box::new(move |row| keys(row).and_then(|key| values(key as usize)))
        }
        other => unreachable!("{other} was refused"),
    }
}

/// `out ← column`, or the row and what is wrong with it.
fn fill<'a>(
    out: impl Iterator<Item = &'a mut f64>,
    column: &dyn Array,
) -> std::result::Result<(), (usize, String)> {
    let (nulls, number) = (column.logical_nulls(), numbers(column));
    for (row, out) in out.enumerate() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return Err((row, "the cell is empty: fill in or remove such rows".to_owned()));
        }
        *out = match number(row) {
            Ok(value) if value.is_finite() => value,
            Ok(value) => {
                let what = format!("{value} is not a finite number: fill in or remove such rows");
                return Err((row, what));
            }
            Err(whole) => {
                let what = format!(
                    "{whole} is beyond 2⁵³, and no 64-bit float is equal to it: subtract the least \
                     of the column, or leave it out"
                );
                return Err((row, what));
            }
        };
    }
    Ok(())
}

/// A row's label; where there is none, it is empty.
fn name(column: &dyn Array, row: usize) -> String {
    if column.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
        return String::new();
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => column.as_string_view().value(row).to_owned(),
        DataType::Dictionary(_, values) if is_text(values) => {
            let dictionary = column.as_any_dictionary();
            let key = numbers(dictionary.keys())(row).unwrap_or_default();
            name(dictionary.values().as_ref(), key as usize)
        }
        _ => match numbers(column)(row) {
            Ok(number) => number.to_string(),
            Err(whole) => whole.to_string(),
        },
    }
}

/// A place in an input, for crates that read a stream from somewhere on.
pub(super) struct At {
    pub(super) input: Arc<Input>,
    pub(super) at: u64,
}

impl Read for At {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.input.length().saturating_sub(self.at);
        let n = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.input.read_exact_at(&mut out[..n], self.at).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.input.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests;

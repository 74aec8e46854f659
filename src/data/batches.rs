//! Tables in columns, as the crates of Apache Arrow hold them: what Parquet and Arrow's own files have
//! in common.
//!
//! Columns of integers, floats and truth values, also of a dictionary, are numbers. They are found and
//! chosen as those of a CSV file are. Columns of text may be the labels and classes. A table with text or dates beside
//! numbers, or with empty cells, is one of several kinds: it is written as CSV, in memory, and read as such, so that what a
//! column is has one place.

use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema, TimeUnit};

use super::input::Input;
use super::labels::MOST_LABELS;
use super::reader::{ReadOptions, Source, in_file};
use super::table::dates;
use super::{Dataset, Labels, Values, csv};
use crate::error::{Error, Result, check_memory};

/// What pandas calls the column into which it writes the rows' names.
const INDEX: &str = "__index_level_0__";

/// Batches of a file's columns, those that are wanted, as a reader opens them again and again.
pub(super) type Batches<E> = Box<dyn Iterator<Item = std::result::Result<RecordBatch, E>>>;

/// Reads the columns that the options say.
///
/// # Errors
/// If one is not there, is asked for twice, or cannot be read as what it is to be; if a batch cannot be read, or there are no
/// rows.
pub(super) fn read<E: std::fmt::Display>(
    input: &Input,
    schema: &Schema,
    options: &ReadOptions,
    open: impl Fn(Vec<usize>) -> Result<Batches<E>>,
) -> Result<Source> {
    let columns = Columns::choose(input, schema, options)?;
    let known = options.expected.as_ref().is_some_and(|model| model.kinds.is_some());
    let said = options.kinds.is_some() || options.missing.is_some();
    let kinds = columns.values.iter().map(|j| schema.field(*j).data_type());
    let as_text = known
        || options.mixed
            && options.expected.is_none()
            && (said
                || !kinds.clone().all(is_number)
                || columns.have_gaps(input, open(columns.all())?)?);
    if as_text && columns.all().iter().all(|j| is_cell(schema.field(*j).data_type())) {
        return columns.read_as_text(input, options, open(columns.all())?);
    }
    columns.check(input, schema)?;
    columns.read(input, open(columns.all())?)
}

/// The columns that are read.
struct Columns {
    names: Vec<String>,
    /// Those with values, from 0, in the order in which they are wanted.
    values: Vec<usize>,
    /// That with labels, from 0, and those with classes.
    label: Option<usize>,
    classes: Vec<usize>,
    index: Option<usize>,
}

impl Columns {
    /// Finds the columns that the options say.
    ///
    /// # Errors
    /// If one is not there, or is asked for twice; if none is left.
    fn choose(input: &Input, schema: &Schema, options: &ReadOptions) -> Result<Self> {
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let index = names.iter().position(|name| name == INDEX);
        let csv::Choice { columns: values, label, classes, .. } =
            csv::choose_named(input, &names, index, options)?;
        let columns = Columns { names, values, label, classes, index: None };
        let index = index.filter(|j| !columns.all().contains(j));
        Ok(Columns { index, ..columns })
    }

    /// Checks that the columns are numbers, where they are to be.
    ///
    /// # Errors
    /// Names the first that is not.
    fn check(&self, input: &Input, schema: &Schema) -> Result<()> {
        for j in self.all() {
            let kind = schema.field(j).data_type();
            let readable =
                is_number(kind) || (self.with_classes().any(|c| c == j) && is_text(kind));
            if !readable {
                let (title, name) = (self.title(j), &self.names[j]);
                let remedy = match is_text(kind) {
                    true => format!("name it with --label, or leave it out with --drop {name}"),
                    false => format!("make it a number, or leave it out with --drop {name}"),
                };
                return Err(input.error(format!("{title} is {kind}, and no number: {remedy}")));
            }
        }
        Ok(())
    }

    /// Whether a column of values has a cell that is empty or not a number.
    fn have_gaps<E: std::fmt::Display>(&self, input: &Input, batches: Batches<E>) -> Result<bool> {
        let all = self.all();
        for batch in batches {
            let batch = batch.map_err(|e| damaged(input, &e))?;
            for j in &self.values {
                let column = batch.column(all.binary_search(j).expect("it is among them"));
                let number = numbers(column);
                let is_nan = |row| number(row).is_ok_and(f64::is_nan);
                if column.logical_null_count() > 0
                    || column.data_type().is_floating() && (0..column.len()).any(is_nan)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Writes the columns as CSV, in the order in which they are wanted, and reads that.
    fn read_as_text<E: std::fmt::Display>(
        &self,
        input: &Input,
        options: &ReadOptions,
        batches: Batches<E>,
    ) -> Result<Source> {
        let all = self.all();
        let mut order = self.values.clone();
        order.extend(self.with_classes().filter(|j| !self.values.contains(j)));
        let failed = |e: ::csv::Error| input.error(e.to_string());
        let mut text = ::csv::Writer::from_writer(Vec::new());
        text.write_record(order.iter().map(|j| &self.names[*j])).map_err(failed)?;
        for batch in batches {
            let batch = batch.map_err(|e| damaged(input, &e))?;
            let columns = order.iter().map(|j| all.binary_search(j).expect("it is among them"));
            let cells = columns.map(|place| texts(batch.column(place))).collect::<Vec<_>>();
            for row in 0..batch.num_rows() {
                text.write_record(cells.iter().map(|text| text(row))).map_err(failed)?;
            }
            let remedy = "use fewer columns (--columns), or split the file";
            check_memory::<u8>(text.get_ref().len() * 2, "data", remedy)?;
        }
        let text = text.into_inner().map_err(|e| input.error(e.to_string()))?;
        // What was chosen here is all that there is.
        let options = ReadOptions {
            columns: None,
            drop: None,
            header: Some(true),
            delimiter: Some(",".to_owned()),
            comment: Some("none".to_owned()),
            ..options.clone()
        };
        let mut source = csv::read(&Input::memory(input.path(), text)?, &options)?;
        source.notes.extend(self.note());
        Ok(source)
    }

    /// What a user should know.
    fn note(&self) -> Option<String> {
        self.index.map(|j| {
            format!(
                "{} is pandas' index, and is left out: ask for it with --columns",
                self.title(j)
            )
        })
    }

    /// That with labels before those with classes.
    fn with_classes(&self) -> impl Iterator<Item = usize> + '_ {
        self.label.into_iter().chain(self.classes.iter().copied())
    }

    /// All that are read, in the order of the file.
    fn all(&self) -> Vec<usize> {
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
    fn read<E: std::fmt::Display>(&self, input: &Input, batches: Batches<E>) -> Result<Source> {
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
        Ok(Source { train, test: None, notes: self.note().into_iter().collect() })
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

/// Whether cells of this type can be written as text.
fn is_cell(kind: &DataType) -> bool {
    let is_date = matches!(kind, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    is_number(kind) || is_text(kind) || is_date
}

/// What gives the text of each cell; of an empty one, and of one that is not a number, nothing.
fn texts(column: &dyn Array) -> Box<dyn Fn(usize) -> String + '_> {
    let nulls = column.logical_nulls();
    let of: Box<dyn Fn(usize) -> String + '_> = match column.data_type() {
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().values();
            Box::new(move |row| dates::text(f64::from(days[row]) * 86_400.0, "%Y-%m-%d"))
        }
        DataType::Date64 => {
            let milliseconds = column.as_primitive::<Date64Type>().values();
            Box::new(move |row| dates::text(milliseconds[row] as f64 / 1e3, "%Y-%m-%d"))
        }
        DataType::Timestamp(unit, _) => {
            let (values, per_second) = match unit {
                TimeUnit::Second => (column.as_primitive::<TimestampSecondType>().values(), 1.0),
                TimeUnit::Millisecond => {
                    (column.as_primitive::<TimestampMillisecondType>().values(), 1e3)
                }
                TimeUnit::Microsecond => {
                    (column.as_primitive::<TimestampMicrosecondType>().values(), 1e6)
                }
                TimeUnit::Nanosecond => {
                    (column.as_primitive::<TimestampNanosecondType>().values(), 1e9)
                }
            };
            Box::new(move |row| dates::text(values[row] as f64 / per_second, "%Y-%m-%dT%H:%M:%S"))
        }
        // As pandas writes them.
        DataType::Boolean => {
            let values = column.as_boolean();
            Box::new(move |row| if values.value(row) { "True" } else { "False" }.to_owned())
        }
        kind if kind.is_floating() => {
            let (number, single) = (numbers(column), !matches!(kind, DataType::Float64));
            Box::new(move |row| match number(row) {
                Ok(number) if number.is_nan() => String::new(),
                // With the digits that it has. One that is infinite is a word among numbers, and refused with its row.
                Ok(number) if single => (number as f32).to_string(),
                Ok(number) => number.to_string(),
                Err(whole) => whole.to_string(),
            })
        }
        _ => Box::new(move |row| name(column, row)),
    };
    Box::new(move |row| match &nulls {
        Some(nulls) if nulls.is_null(row) => String::new(),
        _ => of(row),
    })
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

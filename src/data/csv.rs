//! Tables in text: CSV, with commas, semicolons or tabs.
//!
//! Quotes are as in RFC 4180, lines end as on any system, and the text is UTF-8. Blank lines and the
//! spaces around cells do not count. The first line may hold the columns' names. A column may hold
//! labels; all other columns that are used hold finite numbers, with decimal points.
//!
//! The file is read twice. The first time checks every cell and counts the rows, so that the second
//! takes memory for exactly the values that are there, and a bad file takes next to none.

mod columns;
mod records;

use std::collections::HashMap;

use self::columns::{Heads, NOT_UTF8, choose, shown};
use self::records::{Record, Records, delimiter};
use super::input::{self, Input};
use super::labels::MOST_LABELS;
use super::reader::{Location, ReadOptions, Reader, Source, in_file};
use super::{Dataset, Labels, Values};
use crate::error::{Error, Result, check_memory};

pub(super) fn reader() -> Reader {
    Reader {
        name: "CSV",
        summary: "a table in text, with commas, semicolons or tabs: numbers, in one column maybe labels; names in the first line are found",
        options: &["label", "columns", "header"],
        recognises: |location| match location {
            Location::File(input) => is_text(input.start()),
            _ => false,
        },
        read: |location, options| {
            let Location::File(input) = location else { unreachable!("it was recognised") };
            read(&input, options)
        },
    }
}

/// Whether a file that starts like this is text and nothing else that is known. It is not looked at
/// any further: what is no table gets an error that names the place.
fn is_text(start: &[u8]) -> bool {
    let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n');
    !start.iter().any(control) && input::known(start).is_none()
}

/// Reads the columns that the options say.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if there are no rows, if a column is
/// not there, if rows differ in length, or if a cell is no finite number; [`Error::Setting`] if the
/// values do not fit into memory.
fn read(input: &Input, options: &ReadOptions) -> Result<Source> {
    let table = Table::open(input, options)?;
    let rows = table.check()?;
    let (values, labels) = table.fill(rows)?;
    let data = Dataset::new(Values::F64(values), table.columns.len());
    let mut train = data.map_err(|e| in_file(input.path(), e))?;
    if table.heads.named() {
        let names = table.columns.iter().filter_map(|&j| table.heads.name(j));
        train = train.with_columns(names.map(str::to_owned).collect())?;
    }
    if let Some(labels) = labels {
        train = train.with_labels(labels)?;
    }
    Ok(Source { train, test: None, notes: table.note().into_iter().collect() })
}

/// The columns of a table with these names, chosen as those of a CSV file are: with values, in the order
/// in which they are wanted, and with labels; from 0. Column `index` is chosen only if it is asked for.
///
/// # Errors
/// As [`choose`].
#[cfg(feature = "parquet")]
pub(super) fn choose_named(
    input: &Input,
    names: &[String],
    index: Option<usize>,
    options: &ReadOptions,
) -> Result<(Vec<usize>, Option<usize>)> {
    let heads = Heads::new(input, Record::of(names), true)?;
    let (mut columns, label) = choose(&heads, options)?;
    if options.columns.is_none() && options.expected.is_none() {
        columns.retain(|j| index != Some(*j));
    }
    Ok((columns, label))
}

/// A file, and what of it is read.
struct Table<'a> {
    input: &'a Input,
    delimiter: u8,
    heads: Heads<'a>,
    /// The columns with values, from 0, in the order in which they are wanted.
    columns: Vec<usize>,
    /// The column with labels, from 0.
    label: Option<usize>,
}

impl<'a> Table<'a> {
    /// Looks at the first two records, and finds the columns that the options say.
    fn open(input: &'a Input, options: &ReadOptions) -> Result<Self> {
        let delimiter = delimiter(input)?;
        let mut records = Records::new(input, delimiter)?;
        let Some(first) = records.next()?.cloned() else {
            return Err(input.error("all lines are blank: write or download the file again"));
        };
        let model = options.expected.as_ref();
        let named = match options.header {
            Some(named) => named,
            None if model.is_some_and(|model| model.columns.is_some()) => true,
            None => is_header(&first, records.next()?, options),
        };
        let heads = Heads::new(input, first, named)?;
        let (columns, label) = choose(&heads, options)?;
        Ok(Table { input, delimiter, heads, columns, label })
    }

    /// Calls `each` with every row, and returns how many there are.
    fn for_each_row(&self, each: &mut dyn FnMut(&Record) -> Result<()>) -> Result<usize> {
        let mut records = Records::new(self.input, self.delimiter)?;
        if self.heads.named() {
            records.next()?;
        }
        let mut rows = 0;
        while let Some(record) = records.next()? {
            let (line, found, expected) =
                (record.line(), record.width(), self.heads.first().width());
            if found != expected {
                return Err(self.input.error(format!(
                    "line {line} has {found} cells where the first has {expected}: write one cell \
                     for each column, and quotes around text that holds a delimiter"
                )));
            }
            each(record)?;
            rows += 1;
        }
        Ok(rows)
    }

    /// Checks everything that is used. Returns the number of rows.
    fn check(&self) -> Result<usize> {
        let rows = self.for_each_row(&mut |record| {
            self.label.map_or(Ok(""), |j| self.text(record, j))?;
            self.columns.iter().try_for_each(|&j| self.number(record, j).map(|_| ()))
        })?;
        if rows == 0 {
            let wrong = "there are no rows below the columns' names: write or download the file \
                         again, or if the first line is a row, say so with --header";
            return Err(self.input.error(wrong));
        }
        Ok(rows)
    }

    /// The values of so many rows, and their labels.
    fn fill(&self, rows: usize) -> Result<(Vec<f64>, Option<Labels>)> {
        let count = rows * self.columns.len();
        check_memory::<f64>(count, "data", "use fewer columns (--columns), or split the file")?;
        let mut values = Vec::with_capacity(count);
        let mut labels = Vec::with_capacity(self.label.map_or(0, |_| rows));
        let mut places = HashMap::new();
        self.for_each_row(&mut |record| {
            for &j in &self.columns {
                values.push(self.number(record, j)?);
            }
            if let Some(j) = self.label {
                let place = place(&mut places, self.text(record, j)?);
                labels.push(place.ok_or_else(|| self.too_many_labels(j))?);
            }
            Ok(())
        })?;
        let mut names = vec![""; places.len()];
        places.iter().for_each(|(name, &place)| names[place as usize] = name);
        let labels = self.label.map(|_| Labels::new(labels.iter().map(|&l| names[l as usize])));
        Ok((values, labels))
    }

    /// A cell as text.
    fn text<'r>(&self, record: &'r Record, j: usize) -> Result<&'r str> {
        std::str::from_utf8(record.cell(j)).map_err(|_| self.wrong(record, j, NOT_UTF8))
    }

    /// A cell as a finite number.
    fn number(&self, record: &Record, j: usize) -> Result<f64> {
        match self.text(record, j)?.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(self.wrong(record, j, &trouble(self.text(record, j)?))),
        }
    }

    /// The error of a cell.
    fn wrong(&self, record: &Record, j: usize, trouble: &str) -> Error {
        let (line, column) = (record.line(), self.heads.title(j));
        let cell = match String::from_utf8_lossy(record.cell(j)) {
            cell if cell.is_empty() => "the cell".to_owned(),
            cell => shown(&cell),
        };
        let mut message = format!("line {line}, {column}: {cell} {trouble}");
        if !self.heads.named() && line == self.heads.first().line() {
            message += "; or if this line holds the columns' names, say so with --header";
        }
        self.input.error(message)
    }

    fn too_many_labels(&self, j: usize) -> Error {
        self.input.error(format!(
            "{} has more than {MOST_LABELS} different labels: name a column of classes with --label",
            self.heads.title(j)
        ))
    }

    /// What a user should know.
    fn note(&self) -> Option<String> {
        let j = self.columns.iter().find(|&&j| self.heads.name(j) == Some(""))?;
        let column = self.heads.title(*j);
        Some(format!("{column} has no name: if it numbers the rows, leave it out with --columns"))
    }
}

/// The place of a label among those seen before and itself, unless there are too many.
fn place(places: &mut HashMap<String, u32>, label: &str) -> Option<u32> {
    if !places.contains_key(label) && places.len() < MOST_LABELS {
        places.insert(label.to_owned(), places.len() as u32);
    }
    places.get(label).copied()
}

/// What is wrong with a cell that is no finite number, and what to do.
fn trouble(cell: &str) -> String {
    if cell.is_empty() {
        return "is empty: fill in or remove such rows".to_owned();
    }
    if is_missing(cell) {
        return "is not a number: fill in or remove such rows".to_owned();
    }
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    // A digit tells 1e999 from the word infinity.
    if is_number(cell) && cell.contains(|c: char| c.is_ascii_digit()) {
        "is too large: divide the column by a power of ten".to_owned()
    } else if is_number(cell) {
        "is not a finite number: fill in or remove such rows".to_owned()
    } else if is_number(&cell.replacen(',', ".", 1)) {
        "has a decimal comma: save the table with decimal points".to_owned()
    } else if cell.split_whitespace().all(is_number) {
        "is several numbers: save the table with commas, semicolons or tabs between them".to_owned()
    } else {
        "is not a number: name the column with --label, or leave it out with --columns".to_owned()
    }
}

/// Whether a cell stands for a value that is not known.
fn is_missing(cell: &str) -> bool {
    ["", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-"]
        .iter()
        .any(|word| cell.eq_ignore_ascii_case(word))
}

/// Whether the first record holds names. It does if it has text and either no numbers, or text above
/// a number of the second record. Labels may look like numbers or not, and tell nothing.
fn is_header(first: &Record, second: Option<&Record>, options: &ReadOptions) -> bool {
    let is = |kind: fn(&str) -> bool, cell: &[u8]| std::str::from_utf8(cell).is_ok_and(kind);
    let is_name = |cell: &[u8]| !is(is_numeric, cell) && !is(is_missing, cell);
    let label = options.label.as_deref().and_then(|label| label.parse::<usize>().ok());
    let above = |second: &Record| {
        let mut cells = first.cells().zip(second.cells()).zip(1..);
        cells.any(|((name, cell), j)| label != Some(j) && is_name(name) && is(is_numeric, cell))
    };
    let no_number = !first.cells().any(|cell| is(is_numeric, cell));
    first.cells().any(is_name) && no_number || second.is_some_and(above)
}

/// Whether a cell is meant to be a number, or several. A row in a form that is not read must not be
/// taken for names, because then it would be lost without a word.
fn is_numeric(cell: &str) -> bool {
    let mut numbers = cell.split([',', ' ', '\t']).filter(|part| !part.is_empty()).peekable();
    numbers.peek().is_some() && numbers.all(|part| part.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests;

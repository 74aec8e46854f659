//! Tables in text: CSV, with commas, semicolons, tabs or bars.
//!
//! Quotes are as in RFC 4180, lines end as on any system, and the text is UTF-8. Blank lines, comments
//! and the spaces around cells do not count. The first line may hold the columns' names. A column may
//! hold labels, others classes that are given; all other columns that are used hold finite numbers, or words for 1 and 0.
//!
//! The file is read twice. The first time every cell is looked at and the rows are counted: what the
//! first line is, and what commas and words mean, is decided by all of a column. The second time takes
//! memory for exactly the values that are there, and a bad file takes next to none.

mod columns;
mod header;
mod look;
mod marks;
mod mixed;
mod numbers;
mod records;
mod survey;
mod trouble;

use std::collections::HashMap;

pub(super) use self::columns::Choice;
use self::columns::{Heads, choose, list, shown};
use self::mixed::Mixed;
use self::numbers::Form;
use self::records::{Marks, Record, Records};
use self::survey::Survey;
use super::input::{self, Input};
use super::labels::MOST_LABELS;
use super::reader::{Expected, Location, ReadOptions, Reader, Source, TableLayout, in_file};
use super::{Dataset, Labels, Values};
use crate::error::{Error, Result, check_memory};

pub use look::Reading;

pub(super) fn reader() -> Reader {
    Reader {
        name: "CSV",
        summary: "a table in text, with commas, semicolons, tabs or bars: numbers, in one column maybe labels, in others classes that a model is given; names in the first line are found",
        options: &[
            "label",
            "condition",
            "columns",
            "drop",
            "header",
            "delimiter",
            "comment",
            "missing",
            "kinds",
        ],
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
/// not there, if rows differ in length, or if a cell is no finite number; [`Error::Setting`] if an
/// option cannot be one, or the values do not fit into memory.
pub(super) fn read(input: &Input, options: &ReadOptions) -> Result<Source> {
    let table = Table::open(input, options)?;
    let (values, mut classes) = table.fill()?;
    let data = match table.mixed {
        None => Dataset::new(Values::F64(values), table.columns.len()),
        Some(mixed) => {
            let table = mixed.settled(&values);
            Dataset::of_table(values, table)
        }
    };
    let mut train = data.map_err(|e| in_file(input.path(), e))?;
    if train.kinds().is_none() {
        let names = table.columns.iter().map(|&(j, _)| table.heads.column_name(j));
        train = train.with_columns(names.collect())?;
    }
    if table.label.is_some() {
        train = train.with_labels(classes.remove(0))?;
    }
    train = train.with_classes(classes)?;
    let layout = TableLayout { comment: table.marks.comment };
    let train = train.with_table(layout, table.first_line);
    Ok(Source { train, test: None, notes: table.notes })
}

/// The columns of a table with these names, chosen as those of a CSV file are. Column `index` is chosen only if
/// it is asked for.
///
/// # Errors
/// As [`choose`].
#[cfg(feature = "parquet")]
pub(super) fn choose_named(
    input: &Input,
    names: &[String],
    index: Option<usize>,
    options: &ReadOptions,
) -> Result<Choice> {
    let mut heads = Heads::new(input, Record::of(names), true)?;
    choose(&mut heads, options, index)
}

/// A file, and what of it is read.
struct Table<'a> {
    input: &'a Input,
    marks: Marks,
    heads: Heads<'a>,
    /// The columns with values, from 0, in the order in which they are wanted, and how they are
    /// written.
    columns: Vec<(usize, Form)>,
    /// What these are, if they are not all numbers, or have missing cells.
    mixed: Option<Mixed>,
    /// The column with labels, from 0, and those with classes.
    label: Option<usize>,
    classes: Vec<usize>,
    rows: usize,
    first_line: Option<u64>,
    /// What a user should know.
    notes: Vec<String>,
}

impl<'a> Table<'a> {
    /// Looks at everything, and decides what it means.
    fn open(input: &'a Input, options: &ReadOptions) -> Result<Self> {
        let marks = marks::marks(input, options)?;
        let mut records = Records::new(input, marks)?;
        let Some(first) = records.next()?.cloned() else {
            return Err(nothing(input, marks, records.comments()));
        };
        let mut survey = Survey::new(&first);
        while let Some(record) = records.next()? {
            same_width(input, record, first.width())?;
            survey.add(record);
        }
        let mut notes = Vec::from_iter(comments_note(marks, records.comments()));
        let (named, note) = header::decide(&first, &survey, options);
        notes.extend(note);
        if !named {
            survey.add_first(&first);
        }
        if survey.rows == 0 {
            let wrong = "there are no rows below the columns' names: write or download the file \
                         again, or if the first line is a row, say --header no";
            return Err(input.error(wrong));
        }
        let mut heads = Heads::new(input, first, named)?;
        let index = heads.is_unnamed(0) && (survey.numbers_the_rows() || survey.names_the_rows());
        let Choice { columns, label, classes, index } =
            choose(&mut heads, options, Some(0).filter(|_| index))?;
        let mixed = Mixed::of(input, marks, &heads, &survey, &columns, options)?;
        let columns = match &mixed {
            Some(mixed) => {
                notes.extend(mixed.notes());
                mixed.columns.iter().map(|j| (*j, Form::Plain)).collect::<Vec<_>>()
            }
            None => {
                let needed = options.expected.as_ref().is_some_and(|model| model.texts().is_some());
                let forms = trouble::forms(&heads, &survey, &columns, marks.delimiter, needed)?;
                columns.into_iter().zip(forms).collect::<Vec<_>>()
            }
        };
        notes.extend(index.map(|j| left_out(&heads, j)));
        notes.extend(forms_notes(&heads, &columns));
        notes.extend(unnamed_note(&heads, &columns));
        let used = columns.iter().map(|(j, _)| *j).chain(label).chain(index).chain(classes.clone());
        notes.extend(others_note(&heads, &used.collect::<Vec<_>>(), options));
        let (rows, first_line) = (survey.rows, survey.first_line());
        Ok(Table { input, marks, heads, columns, mixed, label, classes, rows, first_line, notes })
    }

    /// The values, and the labels, if there are any, before the classes of further columns.
    fn fill(&self) -> Result<(Vec<f64>, Vec<Labels>)> {
        let count = self.rows * self.columns.len();
        check_memory::<f64>(count, "data", "use fewer columns (--columns), or split the file")?;
        let mut values = Vec::with_capacity(count);
        let of_classes = self.label.iter().chain(&self.classes);
        let mut classes: Vec<_> = of_classes.map(|j| Classes::new(*j, self.rows)).collect();
        let mut records = Records::new(self.input, self.marks)?;
        if self.heads.named() {
            records.next()?;
        }
        while let Some(record) = records.next()? {
            same_width(self.input, record, self.heads.first().width())?;
            for (k, &(j, form)) in self.columns.iter().enumerate() {
                values.push(match &self.mixed {
                    None => self.number(record, j, form)?,
                    Some(mixed) => mixed.value(self, record, k, j)?,
                });
            }
            for classes in &mut classes {
                let j = classes.column;
                classes.add(self.text(record, j)?);
                // What rows are given may be numbers, whose many texts are counted elsewhere.
                if self.label == Some(j) && classes.places.len() > MOST_LABELS {
                    return Err(self.too_many_labels(j));
                }
            }
        }
        let labels = |c: Classes| c.labels().of_column(self.heads.called(c.column));
        Ok((values, classes.into_iter().map(labels).collect()))
    }

    /// A cell as text.
    fn text<'r>(&self, record: &'r Record, j: usize) -> Result<&'r str> {
        std::str::from_utf8(record.cell(j)).map_err(|_| {
            let cell = shown(&String::from_utf8_lossy(record.cell(j)));
            let (line, column) = (record.line(), self.heads.title(j));
            self.input.error(format!("line {line}, {column}: {cell} {}", columns::NOT_UTF8))
        })
    }

    /// A cell as a finite number, which it was when it was looked at.
    fn number(&self, record: &Record, j: usize, form: Form) -> Result<f64> {
        form.value(self.text(record, j)?).ok_or_else(|| {
            let (line, column) = (record.line(), self.heads.title(j));
            self.input.error(format!(
                "line {line}, {column}: the cell changed while the file was read: start anew when \
                 it is written"
            ))
        })
    }

    fn too_many_labels(&self, j: usize) -> Error {
        self.input.error(format!(
            "{} has more than {MOST_LABELS} different labels: name a column of classes with --label",
            self.heads.title(j)
        ))
    }
}

/// The error of a file without records.
fn nothing(input: &Input, marks: Marks, comments: u64) -> Error {
    match marks.comment.filter(|_| comments > 0) {
        Some(mark) => input.error(format!(
            "all lines are blank or begin with `{}`, as comments do: if they are rows, say --comment none",
            char::from(mark)
        )),
        None => input.error("all lines are blank: write or download the file again"),
    }
}

/// Checks that a record has as many cells as the first.
fn same_width(input: &Input, record: &Record, expected: usize) -> Result<()> {
    let (line, found) = (record.line(), record.width());
    if found == expected {
        return Ok(());
    }
    Err(input.error(format!(
        "line {line} has {found} cells where the first has {expected}: write one cell for each \
         column, and quotes around text that holds a delimiter; or name another --delimiter"
    )))
}

fn comments_note(marks: Marks, comments: u64) -> Option<String> {
    let mark = char::from(marks.comment.filter(|_| comments > 0)?);
    let lines =
        if comments == 1 { "1 line that begins" } else { &format!("{comments} lines that begin") };
    let is = if comments == 1 { "is" } else { "are" };
    Some(format!("{lines} with `{mark}` {is} left out as comments (--comment none reads them)"))
}

/// The note of a column that numbers or names the rows.
fn left_out(heads: &Heads, j: usize) -> String {
    format!(
        "{} has no name and numbers or names the rows, so it is left out; give it a name in the \
         first line to learn it",
        heads.title(j)
    )
}

/// A note for each form that is no plain number's.
fn forms_notes(heads: &Heads, columns: &[(usize, Form)]) -> Vec<String> {
    let note = |form: Form| {
        let written = columns.iter().filter(|c| c.1 == form).map(|c| heads.called(c.0));
        let written = written.collect::<Vec<_>>();
        let plural = if written.len() == 1 { "column" } else { "columns" };
        let names = list(written.iter().map(String::as_str));
        form.note().filter(|_| !written.is_empty()).map(|note| format!("{plural} {names}: {note}"))
    };
    Form::ALL.into_iter().filter_map(note).collect()
}

/// Names the columns that the model does not know, and nobody has named.
fn others_note(heads: &Heads, used: &[usize], options: &ReadOptions) -> Option<String> {
    let model = options.expected.as_ref().and_then(Expected::texts);
    if options.columns.is_some() || options.drop.is_some() || model.is_none() {
        return None;
    }
    let others = (0..heads.first().width()).filter(|j| !used.contains(j));
    let others = list(others.filter_map(|j| heads.name(j)).filter(|name| !name.is_empty()));
    let note = format!("columns that the model does not know are left out: {others}");
    (!others.is_empty()).then_some(note)
}

fn unnamed_note(heads: &Heads, columns: &[(usize, Form)]) -> Option<String> {
    let &(j, _) = columns.iter().find(|(j, _)| heads.is_unnamed(*j))?;
    Some(format!(
        "{} has no name: if it numbers the rows, leave it out with --drop {}",
        heads.title(j),
        heads.handle(j)
    ))
}

/// The classes of a column's cells, as far as they are read.
struct Classes {
    column: usize,
    places: HashMap<String, u32>,
    of: Vec<u32>,
}

impl Classes {
    fn new(column: usize, rows: usize) -> Self {
        Classes { column, places: HashMap::new(), of: Vec::with_capacity(rows) }
    }

    /// Adds a cell.
    fn add(&mut self, class: &str) {
        let next = self.places.len() as u32;
        // Most cells are of a class that is known.
        let place = match self.places.get(class) {
            Some(place) => *place,
            None => *self.places.entry(class.to_owned()).or_insert(next),
        };
        self.of.push(place);
    }

    fn labels(&self) -> Labels {
        let mut names = vec![""; self.places.len()];
        self.places.iter().for_each(|(name, &place)| names[place as usize] = name);
        Labels::new(self.of.iter().map(|&place| names[place as usize]))
    }
}

#[cfg(test)]
mod tests;

//! What the cells of a table have in common, column by column: one look at all of them, before it is
//! decided what they mean.

use super::numbers::{Form, Forms, is_doubtful, is_missing, is_whole};
use super::records::Record;

/// What is known of the cells of a column.
#[derive(Clone)]
pub(super) struct Cells {
    /// The forms that fit all cells up to the first in trouble.
    pub(super) forms: Forms,
    /// Whether any cell was a number or a word for one.
    pub(super) any: bool,
    /// Whether any cell is a number without point and exponent.
    pub(super) whole: bool,
    /// Whether all points are where separators of thousands could stand, and there are some.
    pub(super) doubtful: Option<bool>,
    /// The least and the largest of the plain numbers.
    pub(super) range: (f64, f64),
    /// The first cell that does not fit those above it.
    pub(super) trouble: Option<Box<Trouble>>,
}

/// A cell that cannot be read.
#[derive(Clone)]
pub(super) struct Trouble {
    /// Its line in the file, from 1.
    pub(super) line: u64,
    /// The cell, or its beginning.
    pub(super) cell: Vec<u8>,
    pub(super) kind: Kind,
}

/// What is wrong with a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It stands for a value that is not known, or not finite.
    Missing,
    /// It is a word.
    Word,
    /// It is a number beyond the largest.
    Large,
    /// It is several numbers.
    Several,
    /// It would be in order in a column of others.
    Mixed,
    /// It is not UTF-8.
    Encoding,
}

/// All columns, and what rows have in common.
pub(super) struct Survey {
    pub(super) columns: Vec<Cells>,
    /// How many rows were looked at.
    pub(super) rows: usize,
    /// The line of the first row, while every row has had a line of its own after that.
    first_line: Option<u64>,
    /// The number in the first column, while it has risen from row to row.
    numbering: Option<u64>,
    /// Whether a row counts as the first line does, if that counts.
    pub(super) counts_again: bool,
    first_counts: Option<u64>,
}

impl Survey {
    /// Nothing yet, of a table with this first record, which is not looked at itself.
    pub(super) fn new(first: &Record) -> Self {
        let column = Cells {
            forms: Forms::ALL,
            any: false,
            whole: false,
            doubtful: None,
            range: (f64::INFINITY, f64::NEG_INFINITY),
            trouble: None,
        };
        Survey {
            columns: vec![column; first.width()],
            rows: 0,
            first_line: None,
            numbering: None,
            counts_again: false,
            first_counts: counts(first),
        }
    }

    /// Looks at the next row, of as many cells.
    pub(super) fn add(&mut self, record: &Record) {
        self.look(record);
        let start = if self.rows == 0 { Some(record.line()) } else { self.first_line };
        self.first_line = start.filter(|start| start + self.rows as u64 == record.line());
        let number = text(record.cell(0)).filter(|t| is_whole(t)).and_then(|t| t.parse().ok());
        self.numbering = match (self.numbering, number) {
            (None, Some(number)) if self.rows == 0 => Some(number),
            (Some(last), Some(number)) if last < number => Some(number),
            _ => None,
        };
        if let Some(first) = self.first_counts {
            // Counts from 0 are names by themselves; others are if no row looks like them.
            self.counts_again |= counts(record).is_some_and(|n| first > 0 || n == first);
        }
        self.rows += 1;
    }

    /// Looks at the first record too, which is a row, after all others.
    pub(super) fn add_first(&mut self, first: &Record) {
        self.look(first);
        let next = first.line() + 1;
        self.first_line = match self.first_line {
            Some(line) if line != next => None,
            Some(_) => Some(first.line()),
            None => Some(first.line()).filter(|_| self.rows == 0),
        };
        self.rows += 1;
    }

    fn look(&mut self, record: &Record) {
        for (column, cell) in self.columns.iter_mut().zip(record.cells()) {
            column.look(cell, record.line());
        }
    }

    /// The line of the first row, if each of the others stands a line below the one before.
    pub(super) fn first_line(&self) -> Option<u64> {
        self.first_line
    }

    /// Whether the first column holds whole numbers that rise from row to row; one alone is 0 or 1.
    pub(super) fn numbers_the_rows(&self) -> bool {
        self.numbering.is_some_and(|last| self.rows > 1 || last < 2)
    }

    /// Whether the first column holds words.
    pub(super) fn names_the_rows(&self) -> bool {
        let trouble = self.columns[0].trouble.as_ref();
        !self.columns[0].any && trouble.is_some_and(|trouble| trouble.kind == Kind::Word)
    }
}

impl Cells {
    fn look(&mut self, cell: &[u8], line: u64) {
        // What stands above is to blame, not what follows it.
        if self.trouble.as_ref().is_some_and(|trouble| trouble.line < line) {
            return;
        }
        let fits = text(cell).map_or(Forms::NONE, Forms::of);
        let forms = self.forms.and(fits);
        if forms.is_empty() {
            let (cell, kind) = (beginning(cell), kind(cell, fits));
            self.trouble = Some(Box::new(Trouble { line, cell, kind }));
        }
        if self.trouble.is_some() {
            return;
        }
        (self.forms, self.any) = (forms, true);
        let Some(cell) = text(cell) else { return };
        self.whole |= is_whole(cell);
        if cell.contains('.') {
            self.doubtful = Some(self.doubtful.unwrap_or(true) && is_doubtful(cell));
        }
        if let Some(value) = Form::Plain.value(cell) {
            self.range = (self.range.0.min(value), self.range.1.max(value));
        }
    }
}

/// What is wrong with a cell that has these forms, which are not its column's.
fn kind(cell: &[u8], fits: Forms) -> Kind {
    let Some(cell) = text(cell) else { return Kind::Encoding };
    let is_number = |text: &str| text.parse::<f64>().is_ok();
    if !fits.is_empty() {
        Kind::Mixed
    } else if is_number(cell) && cell.contains(|c: char| c.is_ascii_digit()) {
        Kind::Large // a digit tells 1e999 from the word infinity
    } else if is_missing(cell) || is_number(cell) {
        Kind::Missing
    } else if cell.split_whitespace().all(is_number) {
        Kind::Several
    } else {
        Kind::Word
    }
}

/// Enough of a cell for a message.
fn beginning(cell: &[u8]) -> Vec<u8> {
    cell[..cell.len().min(100)].to_vec()
}

fn text(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell).ok()
}

/// The number that a record starts with, if its others count on from there. A first cell without
/// anything is no number: it stands above the numbers of the rows.
pub(super) fn counts(record: &Record) -> Option<u64> {
    let mut cells = record.cells().skip(usize::from(record.cell(0).is_empty()));
    let number = |cell| text(cell).filter(|t| is_whole(t)).and_then(|t| t.parse::<u64>().ok());
    let first = number(cells.next()?)?;
    let counts = cells
        .zip(1..)
        .all(|(cell, i)| number(cell).is_some_and(|n| n.checked_sub(first) == Some(i)));
    counts.then_some(first)
}
